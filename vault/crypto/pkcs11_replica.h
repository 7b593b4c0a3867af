#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/pkcs11_session.h"

namespace televault::crypto {

// One token as a replica of one vault's slot secrets (docs/formats/keyring-v1.md): for each slot a
// key that never leaves the token, and the secret sealed under it as a data object; and a mark.
// Every label begins with the id of the vault. Refuses to touch anything without that id; to
// believe that something is gone unless the mark is seen by the same session: a token that logged
// us out, or another token under the same label, shows no private objects and no error either. Logs
// in again once for a session that is lost, and never again after the token has refused the PIN:
// tokens lock. Threads: any; one call at a time. Invariants: (1) a key is made before its secret is
// stored, and destroyed before it. (2) What is half made or half destroyed is in List() and goes
// with Erase(). Failure: UNAVAILABLE, with the label of the token and what would be right.
class Pkcs11Replica {
 public:
  // What all tokens of a vault have in common.
  struct Access {
    std::shared_ptr<Pkcs11Module> module;
    std::shared_ptr<const SecretBytes> pin;
    std::string pin_file;  // to name it in errors
    VaultId vault;
    // Tests: instead of the best that the token offers.
    std::optional<TokenCipher> cipher;
  };
  Pkcs11Replica(Access access, std::string label)
      : access_(std::move(access)), label_(std::move(label)) {}

  const std::string& label() const { return label_; }

  // Opens the token and reads its mark, which is asked for from then on. NOT_FOUND: no such token,
  // or one without a mark of this vault. UNAUTHENTICATED: the PIN. FAILED_PRECONDITION: a token
  // that cannot be used.
  absl::Status Open();
  // Opens a token that has nothing of this vault and marks it. ALREADY_EXISTS.
  absl::Status OpenNew(Random& random);
  // Once open. Does not change.
  const ReplicaId& id() const { return *id_; }
  bool hardware() const { return hardware_; }
  // Whether the token is in its place and answers.
  absl::Status Ask();

  // NOT_FOUND: nothing, or a part only. DATA_LOSS: it does not open.
  absl::StatusOr<SecretBytes> Get(uint64_t slot);
  // ALREADY_EXISTS where there is anything of the slot.
  absl::Status PutNew(uint64_t slot, const SecretBytes& secret, Random& random);
  // In place of whatever there is of the slot.
  absl::Status Put(uint64_t slot, const SecretBytes& secret, Random& random);
  // Idempotent; OK when a new search finds nothing.
  absl::Status Erase(uint64_t slot);
  absl::StatusOr<std::vector<uint64_t>> List();
  // Everything of this vault, the mark last: for a vault that did not come to be.
  absl::Status EraseAll();

 private:
  using Work = std::function<absl::Status(Pkcs11Session&)>;
  // Runs `work` in a session that sees the token's objects; again where the session was lost.
  absl::Status Run(const Work& work);
  absl::Status Connect();
  // ABORTED where the mark that is known is not seen.
  absl::Status CheckMark(Pkcs11Session& session);
  absl::StatusOr<ReplicaId> ReadMark(Pkcs11Session& session);
  absl::StatusOr<std::vector<uint64_t>> ListIn(Pkcs11Session& session);
  absl::StatusOr<SecretBytes> GetFrom(Pkcs11Session& session, uint64_t slot);
  absl::Status MakeIn(Pkcs11Session& session, uint64_t slot, const SecretBytes& secret,
                      Random& random);
  absl::Status EraseFrom(Pkcs11Session& session, uint64_t slot);

  std::string LabelOf(uint64_t slot) const;
  std::string MarkLabel() const;
  absl::Status OfToken(const absl::Status& status) const;

  const Access access_;
  const std::string label_;
  std::mutex mu_;  // guards the session and what it says; held over calls of the token
  std::unique_ptr<Pkcs11Session> session_;
  absl::Status refused_;         // the PIN, for good
  std::optional<ReplicaId> id_;  // set once, while opening
  bool hardware_ = false;        // the same
};

}  // namespace televault::crypto
