#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "televault/v1/ingest_service.pb.h"

namespace televault::ingest {

// Why an event is refused. The names are published and stable.
enum class Rule : uint8_t {
  kNoConsent,        // NO_CONSENT
  kOldConsent,       // OLD_CONSENT
  kDoNotTrack,       // DO_NOT_TRACK
  kTooLarge,         // TOO_LARGE
  kUnreadable,       // UNREADABLE: the foreign record could not be mapped
  kUndeclaredField,  // UNDECLARED_FIELD
  kFieldDropped,     // FIELD_DROPPED: counted only, the event is kept
  kMissingField,     // MISSING_FIELD
  kWrongType,        // WRONG_TYPE
  kPattern,          // PATTERN
  kTooLong,          // TOO_LONG
  kNotInEnum,        // NOT_IN_ENUM
  kOutOfRange,       // OUT_OF_RANGE
  kNotFinite,        // NOT_FINITE
  kNoTime,           // NO_TIME
  kTooOld,           // TOO_OLD
  kInFuture,         // IN_FUTURE
  kExpired,          // EXPIRED
  kNoSubject,        // NO_SUBJECT
  kBadSubject,       // BAD_SUBJECT
  kBlockedSubject,   // BLOCKED_SUBJECT
  kDuplicateEvent,   // DUPLICATE_EVENT
};

std::string_view NameOf(Rule rule);

// Which events of a batch are refused and why: the first rule counts.
// Refuses: values; only declared names and rules get in.  Threads: one.  Borrows: nothing.
// Invariants: (1) alive() has one entry per event. (2) accepted() + rejected() = events.
class Verdicts {
 public:
  explicit Verdicts(size_t events) : alive_(events, 1) {}

  bool Alive(size_t index) const { return alive_[index] != 0; }
  const std::vector<uint8_t>& alive() const { return alive_; }
  size_t rejected() const { return rejected_.size(); }
  size_t accepted() const { return alive_.size() - rejected_.size(); }

  // `message` says what would be right; kept for the first events only.
  void Reject(size_t index, Rule rule, std::string_view field, std::string_view message);
  // Something was left out of an event that is kept.
  void CountOnly(Rule rule, std::string_view field) { ++counts_[KeyOf(rule, field)]; }

  // Per rule and field.
  using Key = std::pair<Rule, std::string>;
  const std::map<Key, uint64_t>& counts() const { return counts_; }
  // Counts and the first limits::kMaxRejectsReported rejects.
  void Report(v1::AppendResponse& response) const;

 private:
  static Key KeyOf(Rule rule, std::string_view field);
  size_t FindReason(Rule rule, std::string_view field, std::string_view message);

  struct Entry {
    uint32_t index;
    uint32_t reason;  // into reasons_
  };
  struct Reason {
    Rule rule;
    std::string field;
    std::string message;
  };
  std::vector<uint8_t> alive_;
  std::vector<Entry> rejected_;
  std::vector<Reason> reasons_;
  std::map<Key, uint64_t> counts_;
};

}  // namespace televault::ingest
