#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/time.h"

namespace televault::service {

// Counts refused calls that may come in floods (of unknown callers, and such that found no room),
// so that a flood costs one entry per kind and second instead of one per call, with exact counts.
// Refuses to forget a count: what is taken must be recorded by the caller.
// Threads: any.
// Invariants: (1) the sum of all counts handed out equals the calls noted. (2) At most kMaxKinds
// kinds are told apart in a second, and as many of calls with a known token; further ones are
// counted by reason under the peer "others". (3) Calls without a known token never take the room of
// those with one. (4) While nobody takes them, at most kMaxFinished counts wait; further ones
// become one for each reason.
class RefusalCounts {
 public:
  static constexpr size_t kMaxKinds = 256;
  static constexpr size_t kMaxFinished = 4 * kMaxKinds;

  // What one entry can speak for.
  struct Kind {
    std::string peer;    // audit::HostOfPeer: who opens many connections is one
    std::string reason;  // one of a few
    // Of a token that is known and was refused; else "".
    std::string person;
    std::string token;  // accessor
    auto operator<=>(const Kind&) const = default;
  };
  struct Count {
    Kind kind;
    uint64_t calls = 0;
    int64_t second = 0;  // since 1970
  };

  // True if this is the first such call in this second: record it at once. Otherwise it is counted
  // and comes back from Take().
  bool Note(const Kind& kind, WallTime now);

  // Counts a call that cannot be recorded at once.
  void Add(const Kind& kind, WallTime now);

  // Counts of seconds before the one of `now`.
  std::vector<Count> Take(WallTime now);

 private:
  // The count of `kind` for the second of `now`, which may be new: 0 calls then.
  Count& CountOf(const Kind& kind, WallTime now, bool& fresh);

  void Finish(const Count& count);

  std::mutex mu_;  // guards all below
  std::map<Kind, Count> counts_;
  size_t with_token_ = 0;  // of them
  std::vector<Count> finished_;
  std::map<std::string, Count> rest_;  // by reason
};

}  // namespace televault::service
