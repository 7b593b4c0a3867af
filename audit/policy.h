#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "audit/checkpoint.h"
#include "audit/note.h"

// Whose signatures a checkpoint must carry to be believed (C2SP tlog-policy).
namespace televault::audit {

inline constexpr size_t kMaxPolicyBytes = 64 * 1024;
// Logs, witnesses and groups, each.
inline constexpr size_t kMaxPolicyNames = 128;

struct PolicyLog {
  VerifierKey key;  // its name is the log's origin
  std::string url;  // "" = none
};
struct PolicyWitness {
  std::string name;  // within the policy; the key has one of its own
  VerifierKey key;
  std::string url;  // submission prefix; "" = none
};

// Logs, witnesses, and which of the witnesses are enough.
// Refuses whatever the specification does not allow; nothing is ignored but comments.
// Threads: any.  Borrows: nothing.
// Invariants: (1) no two logs and no two witnesses have one public key. (2) A witness counts in one
// place of the quorum only.
class Policy {
 public:
  // INVALID_ARGUMENT names the line and what would be right.
  static absl::StatusOr<Policy> Parse(std::string_view text);

  const std::vector<PolicyLog>& logs() const { return logs_; }
  const std::vector<PolicyWitness>& witnesses() const { return witnesses_; }
  // True for `quorum none`: the log's own signature is enough.
  bool WantsNoWitness() const { return quorum_ == kNobody; }
  // Whether the witnesses with `cosigned[i]` are enough. Bounds: one element per witness.
  bool IsQuorum(const std::vector<bool>& cosigned) const;

 private:
  class Reader;
  static constexpr size_t kNobody = SIZE_MAX;

  Policy() = default;
  bool HasWitnessed(size_t member, const std::vector<bool>& cosigned) const;

  // Members are numbered: witnesses from 0, groups from kMaxPolicyNames. A group's members were
  // defined before it, so that walking them ends.
  struct Group {
    size_t threshold = 1;
    std::vector<size_t> members;
  };
  std::vector<PolicyLog> logs_;
  std::vector<PolicyWitness> witnesses_;
  std::vector<Group> groups_;
  size_t quorum_ = kNobody;
};

struct Cosigner {
  std::string name;          // of the policy
  uint64_t timestamp_s = 0;  // POSIX seconds at which it cosigned
};

// A checkpoint and who vouches for it.
struct PolicyCheck {
  Checkpoint checkpoint;
  std::vector<Cosigner> cosigners;  // in the order of the policy
  bool quorum = false;
  // POSIX seconds: the latest time at or after which a quorum has cosigned. Absent without a
  // quorum, and where the policy wants no witness.
  std::optional<uint64_t> quorum_at_s;
};

// Who of `policy` vouches for the signed checkpoint `note`. The log's own signature must be there
// and right: that of `log`, or with nullptr of one the policy lists. A policy that lists logs must
// list `log`. INVALID_ARGUMENT (syntax) or FAILED_PRECONDITION (a signature of a known key is
// wrong, the log is not one of the policy). A missing quorum is no error: see PolicyCheck::quorum.
absl::StatusOr<PolicyCheck> CheckPolicy(std::string_view note, const Policy& policy,
                                        const VerifierKey* log);

}  // namespace televault::audit
