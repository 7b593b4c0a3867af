#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/key_slots.h"

namespace televault::crypto {

class Pkcs11Replica;

// Where the tokens of a vault are.
struct Pkcs11Settings {
  std::string module;               // absolute path; "" = slot secrets are in files
  std::vector<std::string> tokens;  // labels, 1 to limits::kMaxSlotTokens
  std::string pin_file;             // of the user PIN that all of them have
};
// INVALID_ARGUMENT says what does not go together; OK where nothing is set.
absl::Status CheckPkcs11Settings(const Pkcs11Settings& settings);

// Slot secrets on PKCS#11 tokens, one replica each: what Pkcs11Replica says of one holds for all.
// Hardware where every token's slot says so, else best effort: a token of software is files again.
// Refuses tokens without a mark of this vault. One that is missing when the slots are opened stays
// missing until they are opened anew.
// Threads: as KeySlots. Borrows: random.
class Pkcs11KeySlots final : public KeySlots {
 public:
  // The marked tokens among `settings`. An error where none can be used, that of the first:
  // UNAUTHENTICATED for a wrong PIN, which must not be tried again and again.
  static absl::StatusOr<std::unique_ptr<Pkcs11KeySlots>> Open(const Pkcs11Settings& settings,
                                                              const VaultId& vault, Random& random);
  // For a new vault, or one more token: marks all of `settings`, or none. ALREADY_EXISTS where one
  // holds anything of this vault.
  static absl::StatusOr<std::unique_ptr<Pkcs11KeySlots>> Mark(const Pkcs11Settings& settings,
                                                              const VaultId& vault, Random& random);
  Pkcs11KeySlots(std::vector<std::unique_ptr<Pkcs11Replica>> opened,
                 std::vector<std::string> problems, Random& random);
  ~Pkcs11KeySlots() override;

  SlotKind kind() const override { return kind_; }
  size_t replicas() const override { return replicas_.size(); }
  absl::StatusOr<SecretBytes> Create(uint64_t slot, Random& random) override;
  absl::StatusOr<std::vector<SecretBytes>> LoadAll(uint64_t slot) override;
  absl::Status Repair(uint64_t slot, const SecretBytes& secret) override;
  absl::Status Destroy(uint64_t slot) override;
  absl::StatusOr<std::vector<uint64_t>> List() override;
  std::vector<ReplicaId> marked() const override;
  absl::Status Ask(const ReplicaId& id) override;
  absl::Status LastAnswer(const ReplicaId& id) const override;
  // Takes everything of this vault off the tokens.
  void Abandon() override;
  std::vector<std::string> problems() const override { return problems_; }

 private:
  const std::vector<std::unique_ptr<Pkcs11Replica>> replicas_;
  const std::vector<std::string> problems_;
  const SlotKind kind_;
  Random& random_;                 // for what Repair makes
  mutable std::mutex answers_mu_;  // guards answers_; never held over a call of a token
  std::map<ReplicaId, absl::Status> answers_;
};

}  // namespace televault::crypto
