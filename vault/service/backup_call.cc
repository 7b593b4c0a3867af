#include "vault/service/backup_call.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

backup::GoOn WhileAllowed(Front& front, Call& call) {
  // 0 is no epoch: the first question decides, and none that changes in between is missed.
  return [&front, &call, decided = LockEpoch(0)]() mutable -> absl::Status {
    if (call.cancelled()) return absl::CancelledError("the caller has gone, or the vault stops");
    if (front.clock().Mono() >= call.deadline) {
      return absl::DeadlineExceededError("the call's time is over; nothing is left of it");
    }
    TV_RETURN_IF_ERROR(front.StillValid(call));
    const LockEpoch now = front.lockdown().epoch();
    if (now == decided) return absl::OkStatus();
    decided = now;
    return front.DecideCall(call);
  };
}

absl::Status CheckDirectory(const std::string& directory) {
  if (!directory.empty() && directory.size() <= limits::kMaxBackupPathBytes)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a directory has a path of 1 to ", limits::kMaxBackupPathBytes, " bytes"));
}

// What a long call is about is on record before it begins.
absl::Status Announce(Front& front, Call& call, const std::string& directory) {
  (*call.entry.mutable_details())["directory"] = directory;
  record::v1::AuditEntry intent = call.entry;
  intent.set_kind(record::v1::ENTRY_KIND_INTENT);
  TV_ASSIGN_OR_RETURN(const Recorder::Recorded recorded, front.RecordStep(call, intent, {}));
  call.entry.set_has_intent(true);
  call.entry.set_intent_index(recorded.index.value());
  return absl::OkStatus();
}

v1::BackupSummary ToWire(const backup::Summary& summary) {
  const backup::Manifest& manifest = summary.manifest;
  const backup::Content& content = summary.content;
  v1::BackupSummary out;
  out.set_directory(summary.directory);
  *out.mutable_created_at() = ToWireTime(manifest.created_at);
  out.set_audit_size(manifest.head.size);
  out.set_audit_root(ToHex(manifest.head.root));
  out.set_files(manifest.files);
  out.set_bytes(manifest.bytes);
  out.set_records(content.records);
  out.set_partitions(content.partitions);
  out.set_micro_batches(content.micro_batches);
  out.set_blocks(content.blocks);
  out.set_chunks(content.chunks);
  out.set_events(content.events);
  out.set_shredded_partitions(content.shredded_partitions);
  for (const std::string& problem : content.problems) out.add_problems(problem);
  out.set_copy_seconds(summary.copy_time.count());
  out.set_verify_seconds(summary.verify_time.count());
  return out;
}

void Note(Call& call, const v1::BackupSummary& summary) {
  auto& details = *call.entry.mutable_details();
  details["audit_size"] = absl::StrCat(summary.audit_size());
  details["audit_root"] = summary.audit_root();
  details["files"] = absl::StrCat(summary.files());
  details["bytes"] = absl::StrCat(summary.bytes());
  details["events"] = absl::StrCat(summary.events());
  details["shredded"] = absl::StrCat(summary.shredded_partitions());
  details["problems"] = absl::StrCat(summary.problems_size());
}

}  // namespace

absl::Status CreateBackup(Front& front, BackupControl& vault, Call& call,
                          const v1::CreateBackupRequest& request,
                          v1::CreateBackupResponse& response) {
  TV_RETURN_IF_ERROR(CheckDirectory(request.directory()));
  TV_RETURN_IF_ERROR(Announce(front, call, request.directory()));
  TV_ASSIGN_OR_RETURN(auto made, vault.MakeBackup(request.directory(), WhileAllowed(front, call)));
  *response.mutable_summary() = ToWire(made->summary());
  Note(call, response.summary());
  // It gets its name when its entry is durable; without one it goes with the call.
  call.after_recording = [unpublished = std::shared_ptr<backup::Unpublished>(std::move(made))] {
    return unpublished->Publish();
  };
  return absl::OkStatus();
}

absl::Status VerifyBackup(Front& front, BackupControl& vault, Call& call,
                          const v1::VerifyBackupRequest& request,
                          v1::VerifyBackupResponse& response) {
  TV_RETURN_IF_ERROR(CheckDirectory(request.directory()));
  TV_RETURN_IF_ERROR(Announce(front, call, request.directory()));
  TV_ASSIGN_OR_RETURN(const backup::Summary summary,
                      vault.VerifyBackup(request.directory(), WhileAllowed(front, call)));
  *response.mutable_summary() = ToWire(summary);
  Note(call, response.summary());
  return absl::OkStatus();
}

}  // namespace televault::service
