#include <algorithm>

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"

namespace televault::cli {
namespace {

bool IsOpen(const v1::GetStatusResponse& status) {
  const bool locked = status.lockdown().level() != v1::LOCKDOWN_LEVEL_NONE &&
                      status.lockdown().level() != v1::LOCKDOWN_LEVEL_UNSPECIFIED;
  return status.seal() == v1::SEAL_STATE_UNSEALED && status.control_mode().empty() && !locked &&
         status.lockdown().lockdowns().empty();
}

std::string Lockdowns(const v1::LockdownStatus& lockdown) {
  std::string text(LevelName(lockdown.level()));
  if (!lockdown.lockdowns().empty()) {
    absl::StrAppend(&text, " (", lockdown.lockdowns_size(), " in force)");
  }
  if (!lockdown.durable() && !lockdown.lockdowns().empty()) text += ", not on disk yet";
  return text;
}

std::string Witnesses(const v1::GetStatusResponse& status) {
  if (!status.has_witnesses()) return "none";
  const v1::WitnessStatus& witnesses = status.witnesses();
  const auto well =
      std::count_if(witnesses.witnesses().begin(), witnesses.witnesses().end(),
                    [](const v1::Witness& witness) { return witness.problem().empty(); });
  return absl::StrCat(well, " of ", witnesses.witnesses_size(), " cosign; ",
                      HumanCount(witnesses.cosigned_size()), " entries have ",
                      witnesses.quorum() ? "a quorum" : "the last quorum");
}

void Show(Context& context, const v1::GetStatusResponse& status) {
  if (context.format() != OutputFormat::kTable) {
    EmitObject(context, ToJson(status));
    return;
  }
  WriteFacts(
      context.out(),
      {{"vault", Printable(status.origin())},
       {"version", Printable(status.version())},
       {"state", status.seal() == v1::SEAL_STATE_UNSEALED ? "unsealed" : "sealed"},
       {"control mode", status.control_mode().empty() ? "no" : Printable(status.control_mode())},
       {"lockdown", Lockdowns(status.lockdown())},
       {"audit entries", HumanCount(status.audit_size())},
       {"witnesses", Witnesses(status)},
       {"log key", Printable(status.vkey())},
       {"datasets", HumanCount(status.datasets())},
       {"live partitions", HumanCount(status.live_partitions())},
       {"disk", HumanBytes(status.disk_bytes())},
       {"keyring generation", HumanCount(status.keyring_generation())},
       {"key slot", absl::StrCat(Printable(status.slot_kind()), ", ", status.slot_replicas(),
                                 status.slot_replicas() == 1 ? " replica" : " replicas")},
       {"running since", FormatTimestamp(status.started_at())}},
      context.table_style());
  for (const std::string& warning : status.warnings()) {
    context.out() << "! " << Printable(warning) << '\n';
  }
}

absl::StatusOr<ExitCode> RunStatus(Context& context, const NoArgs&) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto status, vault->GetStatus({}, call));
  context.Observe(status.checkpoint());
  // Also where nothing else is shown, because the log behind it is broken.
  if (!status.control_mode().empty()) {
    context.Note(absl::StrCat("The vault says: ", status.control_mode()));
  }
  Show(context, status);
  return IsOpen(status) ? ExitCode::kOk : ExitCode::kLocked;
}

}  // namespace

void AddStatus(CLI::App& root, Choice& choice) {
  AddVerb(root, choice, "status",
          "Health, seal, lockdown, audit head, datasets, disk; exit 5 when sealed or locked",
          &DeclareNothing, &RunStatus);
}

}  // namespace televault::cli
