#include "vault/service/late_entries.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/entry.h"
#include "vault/base/bytes.h"

namespace televault::service {
namespace {

audit::Hash KeyOf(const LateEntries::Late& late) {
  // Maps are text in key order.
  return audit::Sha256(
      {AsBytes(absl::StrCat(static_cast<int>(late.urgency), " ", late.entry.ShortDebugString()))});
}

// As much as is told of those that there is no room to tell more of.
record::v1::AuditEntry Bare(const record::v1::AuditEntry& entry) {
  record::v1::AuditEntry bare;
  bare.set_kind(entry.kind());
  bare.set_method(entry.method());
  bare.set_verdict(entry.verdict());
  bare.set_status(entry.status());
  if (!entry.principal().token().empty()) {
    bare.mutable_principal()->set_person(entry.principal().person());
    bare.mutable_principal()->set_token(entry.principal().token());
  }
  return bare;
}

}  // namespace

LateEntries::Share& LateEntries::ShareOf(const Late& late) {
  if (late.urgency == store::Urgency::kSecurity) return security_;
  return late.entry.principal().token().empty() ? without_token_ : with_token_;
}

void LateEntries::Add(Late late) {
  // What differs from call to call and does not say what was done.
  late.entry.clear_duration_us();
  if (late.entry.kind() != record::v1::ENTRY_KIND_EVENT) late.entry.clear_peer();
  audit::BoundEntry(late.entry);
  const std::lock_guard lock(mu_);
  audit::Hash key = KeyOf(late);
  auto found = late_.find(key);
  // The outcome of a stream is needed whole, and each had room for its intent.
  if (found == late_.end() && !late.entry.has_intent()) {
    Share& share = ShareOf(late);
    if (share.held < share.most) {
      ++share.held;
    } else {
      late.entry = Bare(late.entry);
      key = KeyOf(late);
      found = late_.find(key);
    }
  }
  if (found == late_.end()) {
    late_.emplace(key, std::move(late));
    return;
  }
  found->second.calls += late.calls;
  found->second.answered = std::min(found->second.answered, late.answered);
}

std::vector<LateEntries::Late> LateEntries::Take() {
  std::vector<Late> taken;
  const std::lock_guard lock(mu_);
  taken.reserve(late_.size());
  for (auto& [key, late] : late_) taken.push_back(std::move(late));
  late_.clear();
  for (Share* share : {&security_, &with_token_, &without_token_}) share->held = 0;
  return taken;
}

record::v1::AuditEntry LateEntries::EntryOf(const Late& late) {
  record::v1::AuditEntry entry = late.entry;
  (*entry.mutable_details())["calls"] = absl::StrCat(late.calls);
  (*entry.mutable_details())["answered"] = late.answered;
  return entry;
}

}  // namespace televault::service
