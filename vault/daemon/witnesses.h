#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "audit/policy.h"
#include "televault/v1/operator_service.pb.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/daemon/http_post.h"
#include "vault/service/recorder.h"
#include "vault/store/journal.h"

namespace televault::daemon {

// Has the log's newest checkpoint cosigned by the witnesses of a policy, keeps the newest one with
// a quorum, and records when the quorum is lost or a witness has seen another history.
// Refuses to touch what calls depend on: without any witness the vault serves as before.
// Threads: Submit one at a time; the rest any.  Borrows: journal, recorder, file system, clock.
// Invariants: (1) what Cosigned() answers was signed by the log and has the policy's quorum.
// (2) It is durable before it is answered, and its size never shrinks. (3) Entries are written on
// changes only, so that cosigning never grows the log by itself.
// Failure: whoever does not answer is asked again in the next round.
class Witnesses {
 public:
  // Rounds without a quorum after which it counts as missing: a witness may restart.
  static constexpr int kPatience = 3;
  // A quorum older than this is renewed, even if the log has not grown.
  static constexpr microseconds kRefresh{3'600'000'000};
  // For one witness in one round, however often it is asked.
  static constexpr microseconds kTimeout{5'000'000};
  // For all that did not answer in the round before, one of them at least, where there is a quorum
  // without them: the next round must not be late.
  static constexpr microseconds kForThoseAway{20'000'000};

  struct Parts {
    const store::Journal& journal;
    service::Recorder& recorder;
    FileSystem& fs;
    const Clock& clock;
    HttpPost post;
    audit::Policy policy;
    audit::VerifierKey log;
    std::string file;  // where the cosigned checkpoint is kept
  };
  // Reads what was kept; something that does not satisfy the policy (any more) counts as nothing.
  explicit Witnesses(Parts parts);

  // One round: asks the witnesses, unless the newest checkpoint has a quorum that is not old.
  // `go_on` is asked between witnesses and about once a second while one is waited for.
  void Submit(const std::function<bool()>& go_on);

  // The newest checkpoint with a quorum of cosignatures, as a signed note; "" = none yet.
  std::string Cosigned() const;
  v1::WitnessStatus Status() const;

 private:
  enum class Quorum { kUnknown, kReached, kMissing };
  struct Witness {
    uint64_t known_size = 0;  // that it cosigned last, as far as known
    bool refuses = false;     // it has seen another history
    uint64_t cosigned_size = 0;
    MonoTime asked_at;
    std::string problem;  // "" = it cosigned the newest it was asked for
  };
  struct Newest {
    audit::Note note;
    audit::Checkpoint checkpoint;
  };

  struct Turn {
    size_t index;
    bool away;  // it did not cosign when it was asked last
  };
  struct Patience {
    MonoTime until;
    const std::function<bool()>& go_on;
  };

  void Round(const std::function<bool()>& go_on);
  std::vector<Turn> Turns() const;
  MonoTime After(microseconds time) const;
  absl::StatusOr<Newest> NewestCheckpoint() const;
  bool Settled(const audit::Checkpoint& checkpoint) const;
  absl::StatusOr<audit::NoteSignature> Ask(size_t index, const Newest& newest,
                                           const std::function<bool()>& go_on);
  absl::StatusOr<HttpAnswer> PostTo(size_t index, const Newest& newest, uint64_t old_size,
                                    const Patience& patience) const;
  absl::Status HasSeenMore(uint64_t size, const Newest& newest) const;
  absl::StatusOr<audit::NoteSignature> Judge(size_t index, const Newest& newest, uint64_t old_size,
                                             const HttpAnswer& answer) const;
  absl::StatusOr<audit::NoteSignature> FindSignature(size_t index, const Newest& newest,
                                                     const std::string& body) const;
  void NoteAnswer(size_t index, uint64_t size, const absl::Status& status);
  absl::Status Keep(const Newest& newest, std::vector<audit::NoteSignature> cosignatures);
  void NoteQuorum(bool reached, size_t cosigners);
  uint64_t CosignedSize() const;
  // False where it does not stand in the trail.
  bool Record(const char* method, const std::string& reason,
              const std::vector<std::pair<std::string, std::string>>& details);

  const Parts parts_;
  mutable std::mutex mu_;  // guards everything below
  std::vector<Witness> witnesses_;
  std::string cosigned_;
  uint64_t cosigned_size_ = 0;
  WallTime cosigned_at_;
  Quorum quorum_ = Quorum::kUnknown;
  int rounds_without_ = 0;
};

// Reads the policy in `file` for the log `log`. INVALID_ARGUMENT: not a policy, one of other logs
// only, or a witness without a URL or with one that cannot be asked.
absl::StatusOr<audit::Policy> ReadWitnessPolicy(FileSystem& fs, const std::string& file,
                                                const audit::VerifierKey& log);

}  // namespace televault::daemon
