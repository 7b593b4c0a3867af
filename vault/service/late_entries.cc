#include "vault/service/late_entries.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace televault::service {

bool LateEntries::CarriedOut(const record::v1::AuditEntry& entry) {
  return entry.verdict() == record::v1::VERDICT_ALLOW && entry.status() == 0;
}

void LateEntries::Add(record::v1::AuditEntry entry, uint64_t calls, const std::string& answered) {
  // What differs from call to call and does not say what was done.
  entry.clear_duration_us();
  if (entry.kind() != record::v1::ENTRY_KIND_EVENT) entry.clear_peer();
  const auto key_of = [](const record::v1::AuditEntry& keyed) {
    // Maps are text in key order.
    return keyed.ShortDebugString();
  };
  std::string key = key_of(entry);
  const std::lock_guard lock(mu_);
  auto found = late_.find(key);
  if (found == late_.end()) {
    const bool carried_out = CarriedOut(entry);
    size_t& held = carried_out ? carried_out_ : refused_;
    if (held >= (carried_out ? kMaxCarriedOut : kMaxRefused)) {
      record::v1::AuditEntry bare;
      bare.set_kind(entry.kind());
      bare.set_method(entry.method());
      bare.set_verdict(entry.verdict());
      bare.set_status(entry.status());
      entry = std::move(bare);
      key = key_of(entry);
      found = late_.find(key);
    } else {
      ++held;
    }
  }
  if (found == late_.end()) {
    late_.emplace(std::move(key), Late{std::move(entry), calls, answered});
    return;
  }
  found->second.calls += calls;
  found->second.answered = std::min(found->second.answered, answered);
}

std::vector<LateEntries::Late> LateEntries::Take() {
  std::vector<Late> taken;
  const std::lock_guard lock(mu_);
  taken.reserve(late_.size());
  for (auto& [key, late] : late_) taken.push_back(std::move(late));
  late_.clear();
  carried_out_ = refused_ = 0;
  return taken;
}

record::v1::AuditEntry LateEntries::EntryOf(const Late& late) {
  record::v1::AuditEntry entry = late.entry;
  (*entry.mutable_details())["calls"] = absl::StrCat(late.calls);
  (*entry.mutable_details())["answered"] = late.answered;
  return entry;
}

}  // namespace televault::service
