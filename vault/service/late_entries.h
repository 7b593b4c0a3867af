#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "televault/record/v1/audit.pb.h"

namespace televault::service {

// Entries of calls that were answered before they were recorded and then found no room to be:
// kept until the journal takes them. Equal ones become one with a count, so that a flood stays
// small; which lockdown a call engaged is part of it, and there are few at one time.
// Refuses to forget a call: beyond the bounds it is still counted, by method alone.
// Threads: any.
// Invariants: (1) the counts of all entries taken and not put back equal the calls added. (2) There
// are never more than kMaxAllowed + kMaxRefused entries and one per method. (3) Refused calls never
// take the room of those that were carried out.
class LateEntries {
 public:
  static constexpr size_t kMaxAllowed = 1'024;
  static constexpr size_t kMaxRefused = 256;

  // `answered` is the time of the answer, RFC 3339.
  void Add(record::v1::AuditEntry entry, const std::string& answered);

  // All of them, each with details "calls" (how many) and "answered" (the first of them); what the
  // journal does not take has to be put back.
  std::vector<record::v1::AuditEntry> Take();
  void PutBack(record::v1::AuditEntry entry);

 private:
  struct Late {
    record::v1::AuditEntry entry;
    uint64_t calls = 0;
    std::string answered;
  };
  void Insert(Late late);

  std::mutex mu_;                     // guards all below
  std::map<std::string, Late> late_;  // by the entry itself
  size_t allowed_ = 0;
  size_t refused_ = 0;
};

}  // namespace televault::service
