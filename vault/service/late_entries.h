#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "televault/record/v1/audit.pb.h"

namespace televault::service {

// Entries of calls that could not be recorded when they were answered: kept until the journal takes
// them. Equal ones become one with a count, so that a flood stays
// small; which lockdown a call engaged is part of it, and there are few at one time.
// Refuses to forget a call: beyond the bounds it is still counted, by method alone.
// Threads: any.
// Invariants: (1) the counts of all entries taken and not added again equal the calls added. (2)
// There are never more than kMaxCarriedOut + kMaxRefused entries and one per method. (3) Refused
// calls never take the room of those that were carried out.
class LateEntries {
 public:
  static constexpr size_t kMaxCarriedOut = 1'024;
  static constexpr size_t kMaxRefused = 256;

  struct Late {
    record::v1::AuditEntry entry;
    uint64_t calls = 0;
    std::string answered;  // the first of them, RFC 3339
  };
  // Whether the call did what it asked for; else it was refused or failed.
  static bool CarriedOut(const record::v1::AuditEntry& entry);

  void Add(record::v1::AuditEntry entry, uint64_t calls, const std::string& answered);
  // All of them; what the journal does not take has to be added again.
  std::vector<Late> Take();
  // What the log is to say: the entry with details "calls" and "answered".
  static record::v1::AuditEntry EntryOf(const Late& late);

 private:
  std::mutex mu_;                     // guards all below
  std::map<std::string, Late> late_;  // by the entry itself
  size_t carried_out_ = 0;
  size_t refused_ = 0;
};

}  // namespace televault::service
