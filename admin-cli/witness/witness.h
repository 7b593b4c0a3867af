#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "admin-cli/file_lock.h"
#include "audit/merkle.h"
#include "audit/note.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::cli {

// What a witness remembers of one log (docs/formats/witness-v1.md).
struct WitnessedState {
  std::string vkey;
  std::string checkpoint;  // the signed note it cosigned last
};
std::string FormatWitnessedState(const WitnessedState& state);
// INVALID_ARGUMENT where the text is no state of this version.
absl::StatusOr<WitnessedState> ParseWitnessedState(std::string_view text);

// Cosigns checkpoints of the logs it knows, each only if it extends the one before.
// Refuses to serve beside another witness on the same directory, and to cosign for a log after a
// write whose outcome is unknown.
// Threads: any.  Borrows: file system, clock.
// Invariants: (1) a head is durable before its cosignature exists. (2) Heads of a log only grow,
// each consistent with the one before. (3) The key never leaves wiped memory but to its file.
class Witness {
 public:
  struct Options {
    std::string directory;                 // made with mode 0700 where it is missing
    std::string name;                      // of the key; needed at the first start only
    std::vector<audit::VerifierKey> logs;  // that are cosigned
  };
  struct Surroundings {
    FileSystem& fs;
    const Clock& clock;
    Random& random;
  };
  // Makes the key at the first start. Errors: INVALID_ARGUMENT (no name at the first start, another
  // name than the key's, two keys for one origin), FAILED_PRECONDITION (another witness runs here,
  // a log's key is not the one it had), DATA_LOSS (key or state damaged), file errors.
  static absl::StatusOr<std::unique_ptr<Witness>> Open(const Options& options,
                                                       const Surroundings& surroundings);

  const audit::VerifierKey& key() const { return key_; }

  struct Answer {
    int http_status = 0;
    std::string content_type;
    std::string body;
  };
  // Answers the body of a POST to add-checkpoint.
  Answer AddCheckpoint(std::string_view body);

 private:
  struct Log {
    audit::VerifierKey key;
    std::string path;
    audit::TreeHead head;
    bool unknown = false;  // what is on disk, after a write that failed
  };

  Witness(const Surroundings& surroundings, FileLock lock, audit::VerifierKey key,
          WipedBuffer secret)
      : around_(surroundings),
        lock_(std::move(lock)),
        key_(std::move(key)),
        secret_(std::move(secret)) {}
  absl::Status AddLog(const std::string& directory, const audit::VerifierKey& key);

  const Surroundings around_;
  const FileLock lock_;
  const audit::VerifierKey key_;
  const WipedBuffer secret_;
  std::mutex mu_;                    // guards logs_; held from a decision until it is durable
  std::map<std::string, Log> logs_;  // by origin
};

}  // namespace televault::cli
