#include "vault/ingest/rules.h"

#include <algorithm>
#include <array>

#include "vault/base/check.h"
#include "vault/base/limits.h"

namespace televault::ingest {
namespace {

constexpr size_t kMaxReasons = 4'096;

// In the order of the enum.
constexpr std::array<std::string_view, 22> kNames = {
    "NO_CONSENT",       "OLD_CONSENT",    "DO_NOT_TRACK",  "TOO_LARGE",  "UNREADABLE",
    "UNDECLARED_FIELD", "FIELD_DROPPED",  "MISSING_FIELD", "WRONG_TYPE", "PATTERN",
    "TOO_LONG",         "NOT_IN_ENUM",    "OUT_OF_RANGE",  "NOT_FINITE", "NO_TIME",
    "TOO_OLD",          "IN_FUTURE",      "EXPIRED",       "NO_SUBJECT", "BAD_SUBJECT",
    "BLOCKED_SUBJECT",  "DUPLICATE_EVENT"};

}  // namespace

std::string_view NameOf(Rule rule) { return kNames[static_cast<size_t>(rule)]; }

void Verdicts::Reject(size_t index, Rule rule, std::string_view field, std::string_view message) {
  TV_CHECK(index < alive_.size());
  if (alive_[index] == 0) return;
  alive_[index] = 0;
  const size_t reason = FindReason(rule, field, message);
  rejected_.push_back({static_cast<uint32_t>(index), static_cast<uint32_t>(reason)});
  ++counts_[KeyOf(rule, field)];
}

// Equal reasons come close together; many different ones only from a hostile sender.
size_t Verdicts::FindReason(Rule rule, std::string_view field, std::string_view message) {
  const size_t look_back = std::min<size_t>(reasons_.size(), 64);
  for (size_t i = reasons_.size(); i-- > reasons_.size() - look_back;) {
    const Reason& reason = reasons_[i];
    if (reason.rule == rule && reason.field == field && reason.message == message) return i;
  }
  if (reasons_.size() < kMaxReasons) {
    reasons_.push_back({rule, std::string(field), std::string(message)});
  } else if (reasons_.size() == kMaxReasons) {
    reasons_.push_back({rule, "", "too many different refusals in one batch to list them"});
  }
  return reasons_.size() - 1;
}

// Names of undeclared fields are the sender's and not bounded: they are told back, not counted.
Verdicts::Key Verdicts::KeyOf(Rule rule, std::string_view field) {
  const bool foreign = rule == Rule::kUndeclaredField || rule == Rule::kFieldDropped;
  return Key(rule, foreign ? std::string() : std::string(field));
}

void Verdicts::Report(v1::AppendResponse& response) const {
  response.set_accepted(static_cast<uint32_t>(accepted()));
  response.set_rejected(static_cast<uint32_t>(rejected()));
  std::vector<Entry> first = rejected_;
  const size_t shown = std::min(first.size(), limits::kMaxRejectsReported);
  std::partial_sort(first.begin(), first.begin() + static_cast<ptrdiff_t>(shown), first.end(),
                    [](const Entry& a, const Entry& b) { return a.index < b.index; });
  for (size_t i = 0; i < shown; ++i) {
    const Reason& reason = reasons_[first[i].reason];
    v1::Reject& reject = *response.add_rejects();
    reject.set_index(first[i].index);
    reject.set_field(reason.field);
    reject.set_rule(std::string(NameOf(reason.rule)));
    reject.set_message(reason.message);
  }
}

}  // namespace televault::ingest
