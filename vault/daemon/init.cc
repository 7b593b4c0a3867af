#include "vault/daemon/init.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "auth/principal.h"
#include "televault/record/v1/state.pb.h"
#include "vault/control/audit_signer.h"
#include "vault/control/control_keys.h"
#include "vault/control/control_store.h"
#include "vault/control/lock_file.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/shares.h"
#include "vault/crypto/unseal.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/open_key_slots.h"
#include "vault/daemon/tls_material.h"
#include "vault/service/registrar.h"

namespace televault::daemon {
namespace {

constexpr microseconds kOperatorTtl{30 * kMicrosPerDay};
constexpr microseconds kOperatorMaxTtl{365 * kMicrosPerDay};
constexpr int kCertificateDays = 825;

absl::Status CheckOptions(FileSystem& fs, const InitOptions& options) {
  if (options.operators.size() != 2 || options.operators[0] == options.operators[1]) {
    return absl::InvalidArgumentError(
        "a vault starts with exactly two operators, two persons: --operators alice,bob");
  }
  for (const std::string& name : options.operators) {
    TV_RETURN_IF_ERROR(auth::ValidatePersonName(name));
  }
  if (fs.Exists(options.data_dir)) {
    TV_ASSIGN_OR_RETURN(const auto names, fs.List(options.data_dir));
    if (!names.empty()) {
      return absl::AlreadyExistsError(absl::StrCat(
          options.data_dir, " is not empty: give a directory that does not exist yet"));
    }
  }
  return absl::OkStatus();
}

absl::Status MakeDirectories(FileSystem& fs, const Layout& layout, SlotBackend slots) {
  std::vector<std::string> directories{layout.data_dir, layout.control_dir(), layout.keyring_dir(),
                                       layout.tls_dir()};
  if (slots == SlotBackend::kFile) directories.push_back(layout.slot_dir());
  for (const std::string& directory : directories) {
    if (!fs.Exists(directory)) TV_RETURN_IF_ERROR(fs.CreateDirectory(directory, 0700));
  }
  return fs.SyncDirectory(layout.data_dir);
}

// Two operators, enrolled with each other's confirmation, and a token for each.
absl::StatusOr<record::v1::ControlRecord> FirstControlRecord(const InitOptions& options,
                                                             WallTime now, Random& random,
                                                             InitResult& result) {
  record::v1::ControlRecord control;
  for (size_t i = 0; i < options.operators.size(); ++i) {
    const std::string& name = options.operators[i];
    auto& person = *control.add_persons();
    person.set_name(name);
    person.set_proposed_by("init");
    person.set_confirmed_by("init");
    person.set_enrolled_at_us(now.micros);

    service::NewToken made = service::MakeToken({"operator"}, random);
    record::v1::TokenRecord& token = made.record;
    token.set_person(name);
    token.set_created_at_us(now.micros);
    token.set_active_since_us(now.micros);
    token.set_ttl_us(kOperatorTtl.count());
    token.set_expires_at_us((now + kOperatorTtl).micros);
    token.set_max_expires_at_us((now + kOperatorMaxTtl).micros);
    token.set_created_by("init");
    token.set_confirmed_by("init");
    *control.add_tokens() = token;
    result.tokens.push_back({name, token.accessor(), std::move(made.text), ""});
  }
  control.set_clock_high_water_us(now.micros);
  return control;
}

absl::Status WriteTokens(FileSystem& fs, const std::string& directory, InitResult& result) {
  if (directory.empty()) return absl::OkStatus();
  if (!fs.Exists(directory)) TV_RETURN_IF_ERROR(fs.CreateDirectory(directory, 0700));
  for (InitResult::OperatorToken& token : result.tokens) {
    token.file = directory + "/" + token.person + ".token";
    if (fs.Exists(token.file)) {
      return absl::AlreadyExistsError(token.file + " exists: a token is never overwritten");
    }
    TV_RETURN_IF_ERROR(ReplaceFile(fs, token.file, AsBytes(token.text + "\n"), 0600));
    token.text.clear();
  }
  return absl::OkStatus();
}

absl::Status WriteTls(FileSystem& fs, const Layout& layout, const std::vector<std::string>& hosts) {
  TV_ASSIGN_OR_RETURN(const TlsMaterial tls, MakeTlsMaterial(hosts, kCertificateDays));
  TV_RETURN_IF_ERROR(ReplaceFile(fs, layout.tls_dir() + "/ca.crt", AsBytes(tls.ca_cert), 0644));
  TV_RETURN_IF_ERROR(
      ReplaceFile(fs, layout.tls_dir() + "/server.crt", AsBytes(tls.server_cert), 0644));
  return ReplaceFile(fs, layout.tls_dir() + "/server.key", AsBytes(tls.server_key), 0600);
}

struct Root {
  crypto::RootDescription description;
  SecretBytes key;
};

absl::StatusOr<Root> MakeRoot(FileSystem& fs, Random& random, const InitOptions& options,
                              InitResult& result) {
  Root root;
  if (!options.passphrase.empty()) {
    root.description = crypto::NewPassphraseRoot(random);
    TV_ASSIGN_OR_RETURN(root.key, crypto::RootFromPassphrase(options.passphrase, root.description));
  } else if (options.shares != 0) {
    root.description.source = crypto::RootSource::kShares;
    root.key = crypto::NewKey(random);
    TV_ASSIGN_OR_RETURN(crypto::SplitRoot split,
                        crypto::Split(root.key, options.shares, options.threshold, random));
    root.description.shares = std::move(split.set);
    for (const SecretBytes& text : split.texts) {
      result.shares.push_back(crypto::RevealShare(text));
    }
  } else {
    root.description.source = crypto::RootSource::kKeyFile;
    TV_ASSIGN_OR_RETURN(root.key, crypto::CreateRootKeyFile(fs, result.keyfile, random));
  }
  return root;
}

// One share a line.
absl::Status WriteShares(FileSystem& fs, const std::string& file, InitResult& result) {
  if (file.empty() || result.shares.empty()) return absl::OkStatus();
  if (fs.Exists(file))
    return absl::AlreadyExistsError(file + " exists: shares are never overwritten");
  WipedBuffer text;
  for (std::string& share : result.shares) {
    text.insert(text.end(), share.begin(), share.end());
    text.push_back('\n');
    std::fill(share.begin(), share.end(), '\0');
  }
  result.shares.clear();
  return ReplaceFile(fs, file, text, 0600);
}

absl::StatusOr<InitResult> MakeVault(FileSystem& fs, Random& random, const InitOptions& options,
                                     const Identity& identity, crypto::KeySlots& slots,
                                     WallTime now) {
  const Layout layout{options.data_dir};
  TV_RETURN_IF_ERROR(MakeDirectories(fs, layout, identity.slots));
  InitResult result;
  TV_ASSIGN_OR_RETURN(const auto signer, control::AuditSigner::Create(fs, layout.signer_key(),
                                                                      identity.origin, random));
  result.vkey = signer->vkey();
  TV_ASSIGN_OR_RETURN(const auto keys,
                      control::ControlKeys::Create(fs, layout.control_key(), random));
  if (options.passphrase.empty() && options.shares == 0) {
    result.keyfile = options.keyfile.empty() ? layout.default_keyfile() : options.keyfile;
  }
  TV_ASSIGN_OR_RETURN(const Root root, MakeRoot(fs, random, options, result));
  TV_RETURN_IF_ERROR(WriteShares(fs, options.shares_file, result));
  TV_ASSIGN_OR_RETURN(const auto keyring,
                      crypto::Keyring::Create({.fs = fs,
                                               .slots = slots,
                                               .random = random,
                                               .vault = identity.vault,
                                               .directories = {layout.keyring_dir()},
                                               .on_new_generation = nullptr,
                                               .replicas = slots.marked()},
                                              root.description, root.key, now));
  TV_ASSIGN_OR_RETURN(record::v1::ControlRecord first,
                      FirstControlRecord(options, now, random, result));
  const crypto::AuditEpochInfo epoch = keyring->CurrentAuditEpoch();
  first.set_audit_epoch(epoch.epoch);
  first.set_audit_epoch_public_key(epoch.public_key.data(), epoch.public_key.size());
  TV_RETURN_IF_ERROR(control::ControlStore::Create({.fs = fs,
                                                    .random = random,
                                                    .key = keys->control(),
                                                    .vault = identity.vault,
                                                    .directory = layout.control_dir()},
                                                   std::move(first))
                         .status());
  TV_RETURN_IF_ERROR(
      control::LockFile::Create(fs, layout.lock_file(), keys->lock(), identity.vault, random)
          .status());
  TV_RETURN_IF_ERROR(WriteTls(fs, layout, options.tls_hosts));
  TV_RETURN_IF_ERROR(WriteTokens(fs, options.token_dir, result));
  // Last: only now is the directory a vault.
  TV_RETURN_IF_ERROR(ReplaceFile(fs, layout.identity(), AsBytes(FormatIdentity(identity)), 0644));
  return result;
}

}  // namespace

absl::StatusOr<InitResult> InitVault(FileSystem& fs, const Clock& clock, Random& random,
                                     const InitOptions& options) {
  TV_RETURN_IF_ERROR(CheckOptions(fs, options));
  const WallTime now = clock.Wall();
  if (now.micros < 0) {
    return absl::FailedPreconditionError(
        "this machine's clock is before 1970: set it, then make the vault; every deadline counts "
        "from it");
  }
  Identity identity;
  identity.origin = options.origin;
  identity.slots = options.pkcs11.module.empty() ? SlotBackend::kFile : SlotBackend::kPkcs11;
  random.Fill(identity.vault.bytes);
  TV_ASSIGN_OR_RETURN(const auto slots, NewKeySlots(fs, random, Layout{options.data_dir},
                                                    identity.vault, options.pkcs11));
  auto made = MakeVault(fs, random, options, identity, *slots, now);
  if (!made.ok()) {
    // Where the identity was written after all the directory looks like a vault; without its slots
    // it does not open, and is to be removed like any other that init did not finish.
    slots->Abandon();
    return made;
  }
  const std::vector<crypto::ReplicaId> ids = slots->marked();
  for (size_t i = 0; i < ids.size(); ++i) {
    made->slot_tokens.emplace_back(options.pkcs11.tokens[i], ids[i]);
  }
  return made;
}

}  // namespace televault::daemon
