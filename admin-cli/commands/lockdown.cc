#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"

namespace televault::cli {
namespace {

struct EngageArgs {
  std::string level;
  std::string scope = "everything";
  std::string reason;
  std::string incident;
};
struct LiftArgs {
  std::string id;
  std::string reason;
};
struct ApproveArgs {
  std::string id;
};

std::string Votes(const Json& lockdown) {
  const Json& lift = lockdown["lift"];
  if (lift.is_null()) return "";
  return absl::StrCat(lift["approved_by"].size(), "/", lift["needed"].get<uint64_t>(), " by ",
                      CellText(lift["approved_by"]));
}

std::string ScopeText(const Json& lockdown) {
  const Json& scope = lockdown["scope"];
  if (scope.is_null() || scope["name"].get<std::string>().empty()) return "everything";
  return absl::StrCat(scope["kind"].get<std::string>(), "=", scope["name"].get<std::string>());
}

const std::vector<ListColumn>& Columns() {
  static const std::vector<ListColumn> columns = {{"id", "id"},
                                                  {"level", "level"},
                                                  {"scope", "", Align::kLeft, &ScopeText},
                                                  {"engaged by", "engaged_by"},
                                                  {"engaged at", "engaged_at"},
                                                  {"lift", "", Align::kLeft, &Votes},
                                                  {"incident", "incident"},
                                                  {"reason", "reason"}};
  return columns;
}

void DeclareEngage(CLI::App& verb, EngageArgs& args) {
  verb.add_option("--level", args.level, "rows, reads, all or seal")->required();
  verb.add_option("--scope", args.scope, "everything, dataset=, role=, token= or purpose=")
      ->capture_default_str();
  verb.add_option("--reason", args.reason, "Why, at most 1024 bytes")->required();
  verb.add_option("--incident", args.incident, "Number of your incident process");
}

// No question is asked: whoever sees an incident must not be slowed down, and two others can lift.
absl::StatusOr<ExitCode> RunEngage(Context& context, const EngageArgs& args) {
  v1::EngageLockdownRequest request;
  TV_ASSIGN_OR_RETURN(const v1::LockdownLevel level, ParseLevel(args.level));
  request.set_level(level);
  TV_ASSIGN_OR_RETURN(*request.mutable_scope(), ParseScope(args.scope));
  request.set_reason(args.reason);
  request.set_incident(args.incident);
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->EngageLockdown(request, call));
  context.Observe(response.receipt());
  // A responder's script must not read the want of a home directory as "not locked".
  context.ResultStands();
  if (context.format() == OutputFormat::kTable) {
    context.out() << "Locked down: " << LevelName(response.lockdown().level()) << " for "
                  << Printable(FormatScope(response.lockdown().scope())) << ", "
                  << response.streams_cut() << " running streams cut, lock epoch "
                  << response.lock_epoch() << ", id " << Printable(response.lockdown().id())
                  << '\n';
  } else {
    EmitObject(context, ToJson(response));
  }
  if (!response.durable()) {
    context.Note("In force, but not on disk yet: the vault goes on trying to write it.");
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunStatus(Context& context, const NoArgs&) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->GetLockdownStatus({}, call));
  const v1::LockdownStatus& status = response.status();
  if (context.format() == OutputFormat::kTable) {
    context.out() << "level " << LevelName(status.level()) << ", lock epoch " << status.lock_epoch()
                  << '\n';
    std::vector<Json> lockdowns;
    for (const v1::Lockdown& one : status.lockdowns()) lockdowns.push_back(ToJson(one));
    if (!lockdowns.empty()) EmitList(context, lockdowns, Columns());
  } else {
    EmitObject(context, ToJson(status));
  }
  return status.lockdowns().empty() ? ExitCode::kOk : ExitCode::kLocked;
}

void DeclareLift(CLI::App& verb, LiftArgs& args) {
  verb.add_option("id", args.id, "Lockdown, see `televault lockdown status`")->required();
  verb.add_option("--reason", args.reason, "Why it can end")->required();
}

absl::StatusOr<ExitCode> RunLift(Context& context, const LiftArgs& args) {
  TV_RETURN_IF_ERROR(context.Confirm(
      "This opens a vote; with enough approvals by others what the lockdown stops goes on. Propose "
      "the lift?"));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::ProposeLiftRequest request;
  request.set_lockdown_id(args.id);
  request.set_reason(args.reason);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->ProposeLift(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response.lockdown()));
  context.Note(absl::StrCat("Pending: other responders approve with `televault lockdown approve ",
                            args.id, "`."));
  return ExitCode::kPending;
}

void DeclareApprove(CLI::App& verb, ApproveArgs& args) {
  verb.add_option("id", args.id, "Lockdown, see `televault lockdown status`")->required();
}

absl::StatusOr<ExitCode> RunApprove(Context& context, const ApproveArgs& args) {
  TV_RETURN_IF_ERROR(context.Confirm(
      "Your approval may end the lockdown: what it stops goes on at once. Approve the lift?"));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::ApproveLiftRequest request;
  request.set_lockdown_id(args.id);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->ApproveLift(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response));
  return response.lifted() ? ExitCode::kOk : ExitCode::kPending;
}

}  // namespace

void AddLockdown(CLI::App& root, Choice& choice) {
  CLI::App* const noun =
      AddNoun(root, "lockdown", "Stop reads or everything; lifted by two others");
  AddVerb(*noun, choice, "engage", "Lock now; nothing is asked", &DeclareEngage, &RunEngage);
  AddVerb(*noun, choice, "status", "What is in force; exit 5 while anything is", &DeclareNothing,
          &RunStatus);
  AddVerb(*noun, choice, "lift", "Open a vote on lifting; exit 6", &DeclareLift, &RunLift);
  AddVerb(*noun, choice, "approve", "Approve a lift; exit 6 while votes are missing",
          &DeclareApprove, &RunApprove);
}

}  // namespace televault::cli
