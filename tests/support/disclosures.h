#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include "televault/record/v1/audit.pb.h"

namespace televault::testing {

// What the entries of one call say may have left the vault, and how it ended.
struct Disclosure {
  std::string method;
  std::string person;
  bool intent = false;    // stands as an intent
  bool streamed = false;  // an entry names it as its intent
  int outcomes = 0;
  bool unknown = false;   // the outcome is UNKNOWN_CRASH
  uint64_t debited = 0;   // rows, before each window
  uint64_t returned = 0;  // rows or groups, as the outcome says

  // How much may have left: what the outcome says, or while there is none all that was announced.
  uint64_t Rows() const { return Ended() ? returned : debited; }
  // One intent covers all groups of an answer.
  uint64_t Groups() const {
    if (Ended()) return returned;
    return intent ? std::numeric_limits<uint64_t>::max() : 0;
  }

 private:
  bool Ended() const { return outcomes > 0 && !unknown; }
};

// By the index of the intent, or of the only entry.
using Disclosures = std::map<uint64_t, Disclosure>;

// Takes the next entry of the trail. Events disclose nothing.
inline void Note(uint64_t index, const record::v1::AuditEntry& entry, Disclosures& disclosures) {
  if (entry.kind() == record::v1::ENTRY_KIND_EVENT) return;
  Disclosure& call = disclosures[entry.has_intent() ? entry.intent_index() : index];
  call.method = entry.method();
  call.person = entry.principal().person();
  call.streamed |= entry.has_intent();
  if (entry.kind() == record::v1::ENTRY_KIND_INTENT) {
    call.intent |= !entry.has_intent();
    call.debited += entry.rows_debited();
    return;
  }
  ++call.outcomes;
  call.unknown = entry.reason() == "UNKNOWN_CRASH";
  call.returned = entry.rows_returned() + entry.groups_returned();
}

// What is wrong with a trail in which nothing is under way; "" = nothing.
inline std::string Wrong(const Disclosure& call) {
  if (call.streamed && !call.intent) return "an entry names an intent that is none";
  if (call.outcomes == 0) return "an intent has no outcome";
  return call.outcomes == 1 ? "" : "an intent has " + std::to_string(call.outcomes) + " outcomes";
}

}  // namespace televault::testing
