#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/token.h"
#include "televault/record/v1/state.pb.h"
#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"

namespace televault::control {

class ControlFile;

struct ControlStoreOptions {
  FileSystem& fs;
  Random& random;
  const SecretBytes& key;  // ControlKeys::control(); outlives the store
  VaultId vault;
  std::string directory;  // exists; holds control.0 and control.1
};

// Persons, token verifiers, the clock's high-water and the audit epoch's public half: what must be
// known while the vault is sealed (docs/formats/control-v1.md).
// Refuses to decide who may change what (auth does) and to keep a token's text.
// Threads: any. Lookups take a shared snapshot and never wait for a write.
// Invariants: (1) a change is durable before it is visible. (2) Accessors, verifiers and person
// names are unique. (3) A revoked token never becomes valid again; a disabled person neither.
// (4) A fault never brings back an older state silently: a slot that does not open is DATA_LOSS
// unless the other one is provably newer. (5) What was opened is read-only until Settle(): nothing
// that is written can make an older copy look newer than it is.
// Failure: a failed write is UNAVAILABLE (or RESOURCE_EXHAUSTED) and changes nothing in memory; the
// next write supersedes whatever reached the disk.
class ControlStore {
 public:
  // ALREADY_EXISTS.
  static absl::StatusOr<std::unique_ptr<ControlStore>> Create(ControlStoreOptions options,
                                                              record::v1::ControlRecord initial);
  // Lookups work; every change is FAILED_PRECONDITION until Settle(). NOT_FOUND; DATA_LOSS:
  // damaged.
  static absl::StatusOr<std::unique_ptr<ControlStore>> Open(ControlStoreOptions options);
  ~ControlStore();

  // The caller has held generation() against everything that is known of it (store::OpenEngine), or
  // an operator adopted what is there.
  void Settle() { settled_ = true; }
  bool settled() const { return settled_; }

  // --- lookups ---
  // Revoked, pending and expired ones too: the caller audits why it refuses. Verifiers are compared
  // in constant time.
  std::optional<record::v1::TokenRecord> FindByVerifier(const auth::TokenVerifier& verifier) const;
  std::optional<record::v1::TokenRecord> FindToken(std::string_view accessor) const;
  std::optional<record::v1::PersonRecord> FindPerson(std::string_view name) const;
  std::vector<record::v1::TokenRecord> Tokens() const;
  std::vector<record::v1::PersonRecord> Persons() const;
  uint64_t generation() const;
  WallTime ClockHighWater() const;
  // The whole record, e.g. for status.
  std::shared_ptr<const record::v1::ControlRecord> Snapshot() const;

  // --- changes; durable when OK ---
  // A person without `confirmed_by` is proposed. ALREADY_EXISTS, INVALID_ARGUMENT (name),
  // RESOURCE_EXHAUSTED (limits::kMaxPersons).
  absl::Status EnrolPerson(record::v1::PersonRecord person);
  // FAILED_PRECONDITION where the proposer confirms or it is confirmed already. NOT_FOUND.
  absl::Status ConfirmPerson(std::string_view name, std::string_view confirmed_by, WallTime now);
  absl::Status DisablePerson(std::string_view name);  // and revokes all tokens of the person
  // ALREADY_EXISTS (accessor or verifier), NOT_FOUND (person or parent), INVALID_ARGUMENT,
  // RESOURCE_EXHAUSTED (limits::kMaxTokens that are not expired). Forgets tokens that expired more
  // than limits::kDaysTokensAreListed before the new one is made, and all expired ones where room
  // is needed; never one whose descendants are known. The audit trail remembers them.
  absl::Status AddToken(record::v1::TokenRecord token);
  // Ends `pending`; FAILED_PRECONDITION where the creator confirms.
  absl::Status ConfirmToken(std::string_view accessor, std::string_view confirmed_by, WallTime now);
  // Revokes the token and all its descendants; returns their accessors (those not revoked before).
  absl::StatusOr<std::vector<std::string>> Revoke(std::string_view accessor);
  absl::StatusOr<std::vector<std::string>> RevokeMany(const std::vector<std::string>& accessors);
  // Moves the expiry to min(now + ttl, max_expires_at). FAILED_PRECONDITION: revoked, pending or
  // expired.
  absl::StatusOr<WallTime> Renew(std::string_view accessor, WallTime now);
  // Counts one use of a token with limited uses; RESOURCE_EXHAUSTED when none is left. OK without a
  // write for other tokens.
  absl::Status UseOnce(std::string_view accessor);
  // Never goes back: an earlier time is ignored.
  absl::Status AdvanceClockHighWater(WallTime high_water);
  absl::Status SetAuditEpoch(uint32_t epoch, const std::array<uint8_t, 32>& public_key);

 private:
  struct Index;
  explicit ControlStore(ControlStoreOptions options);
  // Applies `change` to a copy, writes it, swaps.
  absl::Status Update(const std::function<absl::Status(record::v1::ControlRecord&)>& change);
  std::shared_ptr<const Index> index() const;

  const ControlStoreOptions options_;
  std::atomic<bool> settled_{false};
  std::mutex write_mu_;  // guards file_; taken before mu_
  std::unique_ptr<ControlFile> file_;
  mutable std::mutex mu_;  // guards index_
  std::shared_ptr<const Index> index_;
};

}  // namespace televault::control
