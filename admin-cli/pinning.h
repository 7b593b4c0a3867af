#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/verifier.h"
#include "vault/base/status.h"

namespace televault::cli {

class Context;

// What the comparison asks the vault for; a seam for tests.
struct LogSource {
  // Proof between two sizes of the log. Errors as the call's.
  std::function<absl::StatusOr<std::vector<audit::Hash>>(uint64_t old_size, uint64_t new_size)>
      consistency;
  // Newest signed checkpoint.
  std::function<absl::StatusOr<std::string>()> newest;
};

// Compares one signed checkpoint with the pin and moves the pin where the log has grown.
// A checkpoint that is older than the pin is no rollback by itself, because another command may
// have moved the pin meanwhile: then the newest checkpoint must extend the pin, and the older one
// must be a prefix of the pin. VERIFICATION_FAILED (exit 3): bad signature, another history, a
// shorter log.
absl::Status CheckAgainstPin(audit::LogPin& pin, const audit::VerifierKey& key,
                             std::string_view checkpoint, const LogSource& source);

// Holds the checkpoints that the command has seen (see Context::Observe) against the pin of its
// log, and stores what moved. Does nothing where the command did not connect. VERIFICATION_FAILED,
// too, where the vault shows none.
absl::Status CheckPins(Context& context);

// Whether the log `origin` may be the one at `address`: it is the one known there, or the first, or
// the caller accepts a change. Everything else is VERIFICATION_FAILED (exit 3): a vault names its
// own log, so another name would otherwise pass for a first use.
absl::Status CheckOrigin(const std::string& directory, const std::string& address,
                         const std::string& origin, bool accept_change);

// First line of a signed note: the log it claims to speak for ("" where there is no line). Only
// chooses the pin file; the signature decides.
std::string OriginOf(std::string_view note);

// The vkey that checkpoints of `origin` must be signed with: --log-key, else the pinned one.
// NOT_FOUND where there is neither.
absl::StatusOr<audit::VerifierKey> KnownLogKey(const Context& context, std::string_view origin);

}  // namespace televault::cli
