#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/time.h"

namespace televault::service {

// Counts refused calls that may come in floods (of unknown callers, and such that found no room),
// so that a flood costs one entry per peer and second instead of one per call, with exact counts.
// Refuses to forget a count: what is taken must be recorded by the caller.
// Threads: any.
// Invariants: (1) the sum of all counts handed out equals the calls noted. (2) At most kMaxPeers
// peers are told apart; further ones are counted as "others".
class RefusalCounts {
 public:
  static constexpr size_t kMaxPeers = 1'024;

  struct Count {
    std::string peer;
    std::string reason;
    uint64_t calls = 0;
    int64_t second = 0;  // since 1970
  };

  // True if this is the first such call of the peer in this second: record it at once. Otherwise
  // it is counted and comes back from Take().
  bool Note(std::string_view peer, std::string_view reason, WallTime now);

  // Counts a call that cannot be recorded at once.
  void Add(std::string_view peer, std::string_view reason, WallTime now);

  // Counts of seconds before the one of `now`.
  std::vector<Count> Take(WallTime now);

 private:
  // The count of `peer` for the second of `now`, which may be new: 0 calls then.
  Count& CountOf(std::string_view peer, std::string_view reason, WallTime now, bool& fresh);

  std::mutex mu_;                                     // guards all below
  std::map<std::string, Count, std::less<>> counts_;  // by peer
  std::vector<Count> finished_;
};

}  // namespace televault::service
