#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "admin-cli/commands/retention_receipts.h"
#include "admin-cli/exported_log.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "audit/encoding.h"
#include "audit/retention_ledger.h"

namespace televault::cli {
namespace {

Json Text(std::string_view text) { return text.empty() ? Json() : Json(std::string(text)); }

Json FateJson(const audit::PartitionFate& fate) {
  return {{"dataset", fate.dataset},
          {"day", fate.day},
          {"state", audit::DeletionStateName(fate.state)},
          {"key_id", fate.key_id},
          {"deadline", fate.deadline},
          {"shredded_at", Text(fate.shredded_at)},
          {"purged_at", Text(fate.purged_at)},
          {"receipt", audit::ReceiptStateName(fate.receipt)},
          {"holds", fate.holds}};
}

Json FateJson(const audit::ErasureFate& fate) {
  return {{"id", fate.id},
          {"dataset", fate.dataset},
          {"requested_at", fate.requested_at},
          {"deadline", fate.deadline},
          {"settled_at", Text(fate.settled_at)},
          {"receipt", audit::ReceiptStateName(fate.receipt)},
          {"holds", fate.holds}};
}

Json FindingJson(const audit::LedgerFinding& finding) {
  return {{"kind", finding.kind},
          {"entry", finding.index.has_value() ? Json(*finding.index) : Json()},
          {"dataset", finding.dataset},
          {"what", finding.what},
          {"text", finding.text}};
}

template <class Items, class ToObject>
std::vector<Json> Objects(const Items& items, ToObject to_object) {
  std::vector<Json> objects;
  for (const auto& item : items) objects.push_back(to_object(item));
  return objects;
}

constexpr auto kFateJson = [](const auto& fate) { return FateJson(fate); };

Tone FateTone(const Json& fate) {
  const Json& receipt = fate.at("receipt");
  return receipt == "missing" || receipt == "wrong" ? Tone::kAlarm : Tone::kPlain;
}

void EmitTables(Context& context, const audit::LedgerReport& report) {
  EmitList(context, Objects(report.partitions, kFateJson),
           {{"dataset", "dataset"},
            {"day", "day"},
            {"state", "state"},
            {"deadline", "deadline"},
            {"shredded at", "shredded_at"},
            {"purged at", "purged_at"},
            {"receipt", "receipt"},
            {"holds", "holds"}},
           &FateTone);
  if (!report.erasures.empty()) {
    context.out() << '\n';
    EmitList(context, Objects(report.erasures, kFateJson),
             {{"erasure", "id"},
              {"dataset", "dataset"},
              {"requested at", "requested_at"},
              {"deadline", "deadline"},
              {"settled at", "settled_at"},
              {"receipt", "receipt"},
              {"holds", "holds"}},
             &FateTone);
  }
  const auto emit_findings = [&](const char* header,
                                 const std::vector<audit::LedgerFinding>& findings) {
    if (findings.empty()) return;
    context.out() << '\n';
    EmitList(context, Objects(findings, &FindingJson),
             {{header, "kind"},
              {"entry", "entry", Align::kRight},
              {"dataset", "dataset"},
              {"of", "what"},
              {"why", "text"}});
  };
  emit_findings("not kept", report.findings);
  emit_findings("undecided", report.undecided);
}

void Emit(Context& context, const CheckedExport& log, const audit::LedgerReport& report) {
  if (context.format() == OutputFormat::kTable) return EmitTables(context, report);
  const Json object{{"origin", log.key.name()},
                    {"verified", true},
                    {"extends_pin", log.extends_pin},
                    {"leaves", log.report.entries},
                    {"entries_read", report.entries},
                    {"leaves_unreadable", report.unreadable},
                    {"last_entry_at", Text(report.last_time)},
                    {"verdict", audit::LedgerVerdictName(report.verdict)},
                    {"partitions", Objects(report.partitions, kFateJson)},
                    {"erasures", Objects(report.erasures, kFateJson)},
                    {"findings", Objects(report.findings, &FindingJson)},
                    {"undecided", Objects(report.undecided, &FindingJson)},
                    {"findings_left_out", report.left_out},
                    {"history_lost_at", report.lost_history}};
  context.out() << Dump(object, context.format() == OutputFormat::kJsonLines ? -1 : 2) << '\n';
}

absl::StatusOr<crypto::ExportedAuditKeys> KeysOf(const OfflineReceiptArgs& args) {
  if (!args.key_file.empty()) return ReadAuditKeyFile(args.key_file);
  return crypto::ExportedAuditKeys(VaultId());
}

absl::Status WhatIsNotKept(const audit::LedgerReport& report) {
  const audit::LedgerFinding& first = report.findings.front();
  return VerificationFailed(
      absl::StrCat("what the trail says of deletions was not kept: ", report.findings.size(),
                   " findings, the first: ", first.kind, ", ", first.dataset, " ", first.what, ": ",
                   first.text));
}

}  // namespace

absl::StatusOr<ExitCode> VerifyReceiptsOffline(Context& context, const OfflineReceiptArgs& args) {
  if (context.format() == OutputFormat::kCsv) {
    return absl::InvalidArgumentError(
        "with --dir there are several tables: give --output table, json or jsonl");
  }
  TV_ASSIGN_OR_RETURN(const crypto::ExportedAuditKeys keys, KeysOf(args));
  TV_ASSIGN_OR_RETURN(const CheckedExport log, CheckExport(context, args.directory, ""));
  audit::RetentionLedger ledger(log.key);
  // Once more, over the very bytes that are judged: the files may have been changed meanwhile.
  audit::LeafStreamVerifier tree(std::nullopt);
  uint64_t keyless = 0;
  uint64_t first_keyless = 0;
  const auto visit = [&](const ExportedLeaf& leaf) -> absl::StatusOr<bool> {
    if (const absl::Status status = tree.Append(audit::AsBytes(leaf.bytes)); !status.ok()) {
      return VerificationFailed(status);
    }
    if (leaf.kind == ExportedLeaf::Kind::kKeyless && keyless++ == 0) first_keyless = leaf.index;
    if (leaf.entry != nullptr) {
      ledger.Add(leaf.index, *leaf.entry);
    } else if (leaf.kind != ExportedLeaf::Kind::kKey) {
      ledger.AddUnreadable(leaf.index);
    }
    return true;
  };
  const audit::Checkpoint& checkpoint = *log.report.checkpoint;
  TV_RETURN_IF_ERROR(ReadExportedEntries(args.directory, checkpoint.size, keys, visit));
  if (const absl::Status status = tree.Finish(checkpoint); !status.ok()) {
    return VerificationFailed(status);
  }
  const audit::LedgerReport report = std::move(ledger).Finish();
  Emit(context, log, report);
  if (!report.lost_history.empty()) {
    context.Note(absl::StrCat("History was lost by a restore, at entry ",
                              absl::StrJoin(report.lost_history, ", "),
                              ": what happened in it is taken for kept."));
  }
  if (keyless > 0) return KeylessEntries(args.directory, keyless, first_keyless);
  if (report.verdict == audit::LedgerVerdict::kBroken) return WhatIsNotKept(report);
  if (report.verdict == audit::LedgerVerdict::kIncomplete) {
    context.Note(absl::StrCat("Incomplete: ", report.unreadable,
                              " leaves are sealed to audit epochs without a key here",
                              args.key_file.empty() ? "; give --keys." : "."));
    return ExitCode::kPartial;
  }
  context.Note(absl::StrCat("Kept, up to ", report.last_time.empty() ? "-" : report.last_time, ": ",
                            report.partitions.size(), " partitions, ", report.erasures.size(),
                            " erasures."));
  return ExitCode::kOk;
}

}  // namespace televault::cli
