#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "admin-cli/file_lock.h"
#include "audit/verifier.h"
#include "vault/base/status.h"

namespace televault::cli {

// What this machine remembers of one log (docs/formats/client-pin-v1.md).
struct Pin {
  std::string vkey;
  std::string checkpoint;  // newest seen, signed with vkey
};

std::string FormatPin(const Pin& pin);
// Errors: INVALID_ARGUMENT where the text is no pin of this version, or as audit::OpenCheckpoint.
absl::StatusOr<Pin> ParsePin(std::string_view text);

// Name of the file of kind `suffix` (".pin") about the log or address `subject`: everything but
// letters, digits, '.', '-' and '_' as %XX, so that no subject leaves the directory or meets
// another's file. Names of one kind all end alike, and so never like what stands beside them for a
// while (".new", ".lock"), whatever the subject ends in.
std::string FileNameOf(std::string_view subject, std::string_view suffix);

// $XDG_STATE_HOME/televault or ~/.local/state/televault. NOT_FOUND where neither is set.
absl::StatusOr<std::string> PinDirectory();

// Address of a vault as its file is named: relative socket paths made absolute, hosts in small
// letters.
std::string PlainAddress(const std::string& address);

// Origin of the log that this user knows at `address` (plain); "" before the first use. An error
// where the record is there and cannot be read: that is never a first use.
absl::StatusOr<std::string> OriginAt(const std::string& directory, const std::string& address);
// Durable and atomic.
absl::Status RememberOrigin(const std::string& directory, const std::string& address,
                            const std::string& origin);
// Path of that record, for messages.
std::string AddressFile(const std::string& directory, const std::string& address);

// The pin of `origin`, absent where there is no such file. Makes nothing, so it is for commands
// that only look; a pin is replaced in one step, so it needs no lock. Failure: a pin that cannot be
// read is an error, never absent.
absl::StatusOr<std::optional<Pin>> ReadPin(const std::string& directory, std::string_view origin);

// The pin of one log, held under an exclusive lock from Open to destruction, so that two commands
// at once cannot move it backwards.
// Threads: one.  Borrows: nothing.
// Failure: a pin that cannot be read is an error, never a first use.
class PinFile {
 public:
  // Creates the directory (0700) where it is missing.
  static absl::StatusOr<std::unique_ptr<PinFile>> Open(const std::string& directory,
                                                       std::string_view origin);
  // Absent on first use.
  const std::optional<Pin>& pin() const { return pin_; }
  const std::string& path() const { return path_; }
  // Durable and atomic.
  absl::Status Store(const Pin& pin);

 private:
  PinFile(std::string path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  const std::string path_;
  const FileLock lock_;
  std::optional<Pin> pin_;
};

}  // namespace televault::cli
