#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "audit/sha256.h"
#include "televault/record/v1/audit.pb.h"
#include "vault/store/store.h"

namespace televault::service {

// Entries of calls that could not be recorded when they were answered: kept until the journal takes
// them. Equal ones become one with a count, so that a flood stays small.
// Refuses to forget a call while the process lives: beyond the bounds it is still counted, by
// method, outcome and token.
// Threads: any.
// Invariants: (1) the counts of all entries taken and not added again equal the calls added. (2)
// There are never more than kMaxSecurity + 2 * kMaxOthers entries, those of streams that had begun,
// and one per method, outcome and token. (3) What any caller can cause never takes the room of
// security events, and calls without a known token never that of those with one.
class LateEntries {
 public:
  static constexpr size_t kMaxSecurity = 1'024;
  static constexpr size_t kMaxOthers = 256;

  struct Late {
    record::v1::AuditEntry entry;
    store::Urgency urgency = store::Urgency::kTrail;
    uint64_t calls = 1;
    std::string answered;  // the first of them, RFC 3339
  };
  void Add(Late late);
  // All of them; what the journal does not take has to be added again.
  std::vector<Late> Take();
  // What the log is to say: the entry with details "calls" and "answered".
  static record::v1::AuditEntry EntryOf(const Late& late);

 private:
  struct Share {
    size_t most;
    size_t held = 0;
  };
  Share& ShareOf(const Late& late);

  std::mutex mu_;                     // guards all below
  std::map<audit::Hash, Late> late_;  // by the entry itself
  Share security_{kMaxSecurity};
  Share with_token_{kMaxOthers};
  Share without_token_{kMaxOthers};
};

}  // namespace televault::service
