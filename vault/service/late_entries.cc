#include "vault/service/late_entries.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/check.h"

namespace televault::service {
namespace {

constexpr char kCalls[] = "calls";
constexpr char kAnswered[] = "answered";

}  // namespace

void LateEntries::Add(record::v1::AuditEntry entry, const std::string& answered) {
  // What differs from call to call and does not say what was done.
  entry.clear_duration_us();
  entry.clear_peer();
  const std::lock_guard lock(mu_);
  Insert({std::move(entry), 1, answered});
}

void LateEntries::PutBack(record::v1::AuditEntry entry) {
  Late late;
  TV_CHECK(absl::SimpleAtoi((*entry.mutable_details())[kCalls], &late.calls));
  late.answered = (*entry.mutable_details())[kAnswered];
  entry.mutable_details()->erase(kCalls);
  entry.mutable_details()->erase(kAnswered);
  late.entry = std::move(entry);
  const std::lock_guard lock(mu_);
  Insert(std::move(late));
}

void LateEntries::Insert(Late late) {
  const auto key_of = [](const record::v1::AuditEntry& entry) {
    // Maps are text in key order.
    return entry.ShortDebugString();
  };
  std::string key = key_of(late.entry);
  auto found = late_.find(key);
  if (found == late_.end()) {
    const bool allowed = late.entry.verdict() == record::v1::VERDICT_ALLOW;
    size_t& held = allowed ? allowed_ : refused_;
    if (held >= (allowed ? kMaxAllowed : kMaxRefused)) {
      record::v1::AuditEntry bare;
      bare.set_kind(late.entry.kind());
      bare.set_method(late.entry.method());
      bare.set_verdict(late.entry.verdict());
      late.entry = std::move(bare);
      key = key_of(late.entry);
      found = late_.find(key);
    } else {
      ++held;
    }
  }
  if (found == late_.end()) {
    late_.emplace(std::move(key), std::move(late));
    return;
  }
  found->second.calls += late.calls;
  found->second.answered = std::min(found->second.answered, late.answered);
}

std::vector<record::v1::AuditEntry> LateEntries::Take() {
  std::vector<record::v1::AuditEntry> taken;
  const std::lock_guard lock(mu_);
  for (auto& [key, late] : late_) {
    (*late.entry.mutable_details())[kCalls] = absl::StrCat(late.calls);
    (*late.entry.mutable_details())[kAnswered] = late.answered;
    taken.push_back(std::move(late.entry));
  }
  late_.clear();
  allowed_ = refused_ = 0;
  return taken;
}

}  // namespace televault::service
