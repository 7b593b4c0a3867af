#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "televault/v1/operator_service.pb.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/shares.h"
#include "vault/crypto/unseal.h"

namespace televault::daemon {

v1::RootSource ToWire(crypto::RootSource source);

// Where the root key comes from at an unseal, and how another one takes its place.
// Refuses to keep the root key, to change it for anybody who does not show the present one, to let
// new shares take effect before enough of them were given back.
// Threads: any; changes come one at a time. Borrows: everything handed in.
// Invariants: (1) at every instant what is on disk or in the hands of the operators opens the
// keyring. (2) What was given is wiped when it has served, when it lapses, and at a seal. (3) While
// a write of the keyring is open, or has not reached a replica as far as is known, no file of a
// root key goes.
// Failure: a wrong secret is PERMISSION_DENIED, a malformed one INVALID_ARGUMENT; nothing changes.
class RootKey {
 public:
  struct Parts {
    FileSystem& fs;
    const Clock& clock;
    Random& random;
    crypto::Keyring& keyring;
    std::string keyfile;
    bool is_credential = false;  // the keyfile is handed in by systemd: it cannot be replaced
    // Where the keyfile was before it became a credential, unless another place was named.
    std::string default_keyfile;
  };
  explicit RootKey(Parts parts) : parts_(std::move(parts)) {}

  // Once the keyring is settled: destroys what a change left of a keyfile where the root key does
  // not come from one any more.
  void DropLeftOver();

  // --- unseal -----------------------------------------------------------------------------------
  struct Progress {
    uint32_t given = 0;
    uint32_t needed = 0;  // 0: the root key is not made from shares
  };
  struct Found {
    SecretBytes root;  // empty: more shares are needed
    Progress progress;
  };
  // `secret`: the passphrase or one share; "" for a keyfile. The root key is the keyring's.
  absl::StatusOr<Found> GiveForUnseal(std::string_view secret);
  Progress UnsealProgress() const;
  void ForgetShares();  // given for an unseal
  void ForgetLapsed();  // of both, what nobody went on with in time
  void Forget();        // both

  // --- change of the root key -------------------------------------------------------------------
  struct Step {
    v1::RootChange change;
    std::vector<SecretBytes> shares;  // new ones: to be handed out once
    bool complete = false;            // CarryOut() puts the new root key in force
  };
  absl::StatusOr<Step> Start(const v1::ChangeRootRequest& request, std::string_view new_passphrase,
                             const std::string& by, WallTime now);
  // `secret`: what is waited for. `by`: a keyfile has no secret to show, so that another operator
  // than the one who started gives their word instead. What `expected` says of the target must be
  // what is under way: whoever gives a share knows what for.
  absl::StatusOr<Step> Give(const v1::ChangeRootRequest& expected, std::string_view secret,
                            const std::string& by);
  // FAILED_PRECONDITION: none is under way.
  absl::Status Cancel();
  // A step that was complete could not be recorded: the change is forgotten.
  void Abandon();
  v1::RootChange Change() const;
  absl::Status CarryOut(WallTime now);

 private:
  struct Pending {
    v1::RootChange change;
    crypto::RootDescription description;
    SecretBytes root;
    std::vector<SecretBytes> texts;
    std::optional<crypto::ShareCollector> collector;  // of shares that are waited for
    MonoTime lapses;
    bool complete = false;
  };

  // With files_mu_ held:
  absl::StatusOr<SecretBytes> ReadKeyfile();
  bool FilesMayGo() const;
  absl::Status InstallKeyfile();
  bool MayNotLookAt(const std::string& path) const;
  absl::Status SettleKeyfile(bool takes_part);
  absl::Status SettleNextKeyfile();
  void DropNextKeyfile();
  absl::Status CheckKeyfile(crypto::RootSource target);
  absl::Status CheckKeyfileDirectory();
  absl::Status WriteAhead(const Pending& pending, bool leaves_keyfile);
  absl::Status NotChanged(const absl::Status& why, bool takes_part);
  absl::StatusOr<Pending> MakePending(const v1::ChangeRootRequest& request,
                                      std::string_view new_passphrase);
  absl::Status Authorize(std::string_view secret, const std::string& by);
  absl::Status CheckPassphrase(std::string_view secret) const;
  absl::StatusOr<SecretBytes> Collect(std::string_view secret);
  Step Advance();
  Step Complete();
  void DropLapsed() const;
  std::string next_keyfile() const {
    return (parts_.is_credential ? parts_.default_keyfile : parts_.keyfile) + ".next";
  }

  const Parts parts_;
  std::mutex files_mu_;    // one at a time changes the files, or goes by them; before mu_
  mutable std::mutex mu_;  // guards everything below
  mutable std::optional<crypto::ShareCollector> unsealing_;
  mutable MonoTime unsealing_lapses_;
  mutable std::optional<Pending> pending_;
};

}  // namespace televault::daemon
