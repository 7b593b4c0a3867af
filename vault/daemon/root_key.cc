#include "vault/daemon/root_key.h"

#include <array>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_file.h"
#include "vault/service/log.h"
#include "vault/service/wire_time.h"

namespace televault::daemon {
namespace {

using crypto::RootSource;

constexpr microseconds kSharesLapse = std::chrono::minutes(10);
constexpr microseconds kChangeLapses = std::chrono::hours(1);

MonoTime After(const Clock& clock, microseconds time) {
  return {clock.Mono().nanos + time.count() * 1'000};
}

SecretBytes SecretOf(std::string_view text) {
  std::string copy(text);
  return crypto::TakeSecret({reinterpret_cast<uint8_t*>(copy.data()), copy.size()});
}

absl::StatusOr<RootSource> SourceOf(v1::RootSource source) {
  switch (source) {
    case v1::ROOT_SOURCE_KEYFILE:
      return RootSource::kKeyFile;
    case v1::ROOT_SOURCE_PASSPHRASE:
      return RootSource::kPassphrase;
    case v1::ROOT_SOURCE_SHARES:
      return RootSource::kShares;
    default:
      return absl::InvalidArgumentError(
          "target: say what the new root key is to be made from: a keyfile, a passphrase or "
          "shares");
  }
}

absl::Status NoChange() {
  return absl::FailedPreconditionError(
      "no change of the root key is under way: start one with `televault keys rotate root` or "
      "`televault keys reshare`");
}

}  // namespace

v1::RootSource ToWire(RootSource source) {
  switch (source) {
    case RootSource::kKeyFile:
      return v1::ROOT_SOURCE_KEYFILE;
    case RootSource::kPassphrase:
      return v1::ROOT_SOURCE_PASSPHRASE;
    case RootSource::kShares:
      return v1::ROOT_SOURCE_SHARES;
  }
  return v1::ROOT_SOURCE_UNSPECIFIED;
}

// --- unseal ---

// A change that ended half-way leaves two files, of which one opens the keyring, or only the one
// that was written ahead. Which of the two another one opens that a failed write left on disk, a
// start finds out: until then both stay where they are.
absl::StatusOr<SecretBytes> RootKey::ReadKeyfile() {
  auto root = parts_.is_credential ? crypto::ReadRootCredential(parts_.fs, parts_.keyfile)
                                   : crypto::ReadRootKeyFile(parts_.fs, parts_.keyfile);
  const absl::Status fits = root.ok() ? parts_.keyring.CheckRoot(*root) : root.status();
  if (fits.ok()) {
    DropNextKeyfile();
    return root;
  }
  // What is refused for what it is, or for who may read it, stays until an operator has seen to it.
  if (parts_.is_credential || absl::IsFailedPrecondition(fits)) return fits;
  auto next = crypto::ReadRootKeyFile(parts_.fs, next_keyfile());
  if (absl::IsNotFound(next.status())) return fits;
  const absl::Status next_fits = next.ok() ? parts_.keyring.CheckRoot(*next) : next.status();
  if (!next_fits.ok()) {
    return Annotate(fits, absl::StrCat(next_keyfile(), " does not open the vault either (",
                                       next_fits.message(), ")"));
  }
  if (!FilesMayGo()) return next;
  // It opens the vault under either name.
  if (const absl::Status named = InstallKeyfile(); !named.ok()) {
    service::Log(service::LogLevel::kWarning, "new root key not under its name yet",
                 {{"file", next_keyfile()}, {"why", std::string(named.message())}});
  }
  return next;
}

// What the keyring says of the root key is what every later start will find: no newer keyring, no
// write without a known end, and no replica that such a write has missed, may need another file.
bool RootKey::FilesMayGo() const {
  return parts_.keyring.settled() && !parts_.keyring.write_is_open();
}

// Another root key than that of the file opens the vault: the file is of a change that did not come
// to its end, or that did and could not remove what it had put aside.
void RootKey::DropNextKeyfile() {
  if (!FilesMayGo()) return;
  for (const std::string& path : {next_keyfile(), next_keyfile() + ".new"}) {
    const absl::Status gone = parts_.fs.Shred(path);
    if (absl::IsNotFound(gone) || MayNotLookAt(path)) continue;
    service::Log(service::LogLevel::kWarning,
                 gone.ok() ? "left-over root key destroyed" : "left-over root key not destroyed",
                 {{"file", path},
                  {"why", gone.ok() ? "a change of the root key had left it"
                                    : std::string(gone.message())}});
  }
}

void RootKey::DropLeftOver() {
  const std::lock_guard files(files_mu_);
  if (parts_.keyring.root_description().source != RootSource::kKeyFile) DropNextKeyfile();
}

// Whether the daemon may not even find out if there is such a file, because it may not search the
// directory. Where the root key comes from elsewhere that is in nobody's way.
bool RootKey::MayNotLookAt(const std::string& path) const {
  return absl::IsPermissionDenied(parts_.fs.FileSize(path).status());
}

// Before another change, and after one that failed: the file of the last one goes to its place if
// it is in force, and away if it is not. `takes_part`: the root key is in a keyfile, or is to be.
absl::Status RootKey::SettleKeyfile(bool takes_part) {
  if (parts_.keyring.write_is_open()) {
    return absl::FailedPreconditionError(
        "the last write of the keyring did not end well, or a key replica that may have missed it "
        "was not in its place at the start, and either root key may be in force after a restart: "
        "mend what keeps it from being written (see `televault status`), restart, and try again");
  }
  if (parts_.is_credential) return absl::OkStatus();
  if (!takes_part && MayNotLookAt(next_keyfile())) return absl::OkStatus();
  return SettleNextKeyfile();
}

absl::Status RootKey::SettleNextKeyfile() {
  const absl::Status unfinished = parts_.fs.Shred(next_keyfile() + ".new");
  if (!absl::IsNotFound(unfinished)) TV_RETURN_IF_ERROR(unfinished);
  const auto next = crypto::ReadRootKeyFile(parts_.fs, next_keyfile());
  if (absl::IsNotFound(next.status())) return absl::OkStatus();
  if (next.ok() && parts_.keyring.CheckRoot(*next).ok()) return InstallKeyfile();
  // Only what was read and opens nothing goes.
  if (!next.ok() && !absl::IsDataLoss(next.status())) return next.status();
  const absl::Status gone = parts_.fs.Shred(next_keyfile());
  return absl::IsNotFound(gone) ? absl::OkStatus() : gone;
}

absl::StatusOr<RootKey::Found> RootKey::GiveForUnseal(std::string_view secret) {
  // A seal may come in the middle of a change: whoever unseals then must not take the file that was
  // written ahead for a leftover.
  const std::unique_lock files(files_mu_, std::try_to_lock);
  if (!files.owns_lock()) {
    return absl::UnavailableError("the root key is being changed; try again in a moment");
  }
  const crypto::RootDescription description = parts_.keyring.root_description();
  Found found;
  if (description.source == RootSource::kKeyFile) {
    TV_ASSIGN_OR_RETURN(found.root, ReadKeyfile());
    return found;
  }
  if (description.source == RootSource::kPassphrase) {
    if (secret.empty()) return absl::InvalidArgumentError("this vault needs its passphrase");
    TV_ASSIGN_OR_RETURN(found.root, crypto::RootFromPassphrase(SecretOf(secret), description));
    TV_RETURN_IF_ERROR(parts_.keyring.CheckRoot(found.root));
    DropNextKeyfile();
    return found;
  }
  if (secret.empty()) return absl::InvalidArgumentError("this vault needs a share of its root key");
  const std::lock_guard lock(mu_);
  DropLapsed();
  if (!unsealing_.has_value() || unsealing_->set().id != description.shares.id) {
    unsealing_.emplace(description.shares);
  }
  TV_RETURN_IF_ERROR(unsealing_->Add(secret));
  unsealing_lapses_ = After(parts_.clock, kSharesLapse);
  found.progress = {static_cast<uint32_t>(unsealing_->given()),
                    static_cast<uint32_t>(unsealing_->needed())};
  if (!unsealing_->complete()) return found;
  auto root = unsealing_->Combine();
  unsealing_.reset();
  TV_RETURN_IF_ERROR(root.status());
  // Each was one of the set: this keyring is another one than the set was made for.
  TV_RETURN_IF_ERROR(Annotate(parts_.keyring.CheckRoot(*root),
                              "the shares are whole and of one set; all were forgotten"));
  DropNextKeyfile();
  found.root = *std::move(root);
  return found;
}

RootKey::Progress RootKey::UnsealProgress() const {
  const crypto::RootDescription description = parts_.keyring.root_description();
  if (description.source != RootSource::kShares) return {};
  const std::lock_guard lock(mu_);
  DropLapsed();
  return {unsealing_.has_value() ? static_cast<uint32_t>(unsealing_->given()) : 0,
          description.shares.threshold};
}

void RootKey::ForgetShares() {
  const std::lock_guard lock(mu_);
  unsealing_.reset();
}

void RootKey::ForgetLapsed() {
  const std::lock_guard lock(mu_);
  DropLapsed();
}

void RootKey::Forget() {
  const std::lock_guard lock(mu_);
  unsealing_.reset();
  pending_.reset();
}

void RootKey::DropLapsed() const {
  const MonoTime now = parts_.clock.Mono();
  if (unsealing_.has_value() && now >= unsealing_lapses_) unsealing_.reset();
  if (pending_.has_value() && now >= pending_->lapses) pending_.reset();
}

// --- change ---

// What the change does to files can be done, before anybody gives a secret for it: the keyring is
// not to be under a root key whose file has no place.
absl::Status RootKey::CheckKeyfile(RootSource target) {
  const bool leaves =
      parts_.keyring.root_description().source == RootSource::kKeyFile && !parts_.is_credential;
  const bool arrives = target == RootSource::kKeyFile;
  if (!leaves && !arrives) return absl::OkStatus();
  const auto present = crypto::ReadRootKeyFile(parts_.fs, parts_.keyfile);
  const bool there = !absl::IsNotFound(present.status());
  if (!present.ok() && there && !absl::IsDataLoss(present.status())) {
    return absl::FailedPreconditionError(present.status().message());
  }
  if (there && !leaves) {
    return absl::FailedPreconditionError(absl::StrCat(
        parts_.keyfile, " exists and is not this vault's root key: move it away first"));
  }
  // The change destroys it.
  const bool fits = present.ok() && parts_.keyring.CheckRoot(*present).ok();
  if (there && !fits) {
    return absl::FailedPreconditionError(
        absl::StrCat(parts_.keyfile, " is not this vault's root key (",
                     present.ok() ? "it opens another one" : present.status().message(),
                     "), and the change would destroy it: move it away first"));
  }
  if (!there && !arrives) {
    return absl::FailedPreconditionError(
        absl::StrCat(parts_.keyfile,
                     " is not there: put it back first, so that the change destroys it, or go to "
                     "another keyfile first"));
  }
  // To destroy it is to write to it: nothing is changed in one that is root's, and only read here.
  const absl::Status writable =
      there ? parts_.fs.OpenWritable(parts_.keyfile, OpenMode::kReopen, 0600).status()
            : absl::OkStatus();
  if (!writable.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the daemon may not write to its keyfile, and the change has to destroy it: ",
                     writable.message(), "; chown it to the daemon's user and chmod 600 it first"));
  }
  const absl::Status usable = CheckKeyfileDirectory();
  if (usable.ok()) return usable;
  return absl::FailedPreconditionError(
      absl::StrCat("the daemon has to be able to write to the directory of its keyfile, ",
                   ParentOf(parts_.keyfile), ": ", usable.message()));
}

// Writes what a change would write, under the name that it would use first.
absl::Status RootKey::CheckKeyfileDirectory() {
  const std::string name = next_keyfile() + ".new";
  const auto write = [&]() -> absl::Status {
    TV_ASSIGN_OR_RETURN(const auto file, parts_.fs.OpenWritable(name, OpenMode::kNew, 0600));
    TV_RETURN_IF_ERROR(file->Append(std::array<uint8_t, crypto::kKeyFileBytes>{}));
    TV_RETURN_IF_ERROR(file->Sync());
    return file->Close();
  };
  const absl::Status written = write();
  const absl::Status removed = parts_.fs.Remove(name);
  TV_RETURN_IF_ERROR(written);
  TV_RETURN_IF_ERROR(removed);
  return parts_.fs.SyncDirectory(ParentOf(parts_.keyfile));
}

absl::StatusOr<RootKey::Pending> RootKey::MakePending(const v1::ChangeRootRequest& request,
                                                      std::string_view new_passphrase) {
  TV_ASSIGN_OR_RETURN(const RootSource target, SourceOf(request.target()));
  Pending pending;
  pending.change.set_target(request.target());
  pending.description.source = target;
  if (target != RootSource::kPassphrase && !new_passphrase.empty()) {
    return absl::InvalidArgumentError("a new passphrase goes with the target passphrase only");
  }
  if (target != RootSource::kShares && (request.shares() != 0 || request.threshold() != 0)) {
    return absl::InvalidArgumentError("shares and threshold go with the target shares only");
  }
  if (target == RootSource::kKeyFile && parts_.is_credential) {
    return absl::FailedPreconditionError(
        "the keyfile is a systemd credential, which the daemon cannot replace: start it once "
        "with unseal.keyfile naming a file, rotate, and encrypt that file as the credential");
  }
  TV_RETURN_IF_ERROR(CheckKeyfile(target));
  switch (target) {
    case RootSource::kKeyFile:
      pending.root = crypto::NewKey(parts_.random);
      break;
    case RootSource::kPassphrase: {
      pending.description = crypto::NewPassphraseRoot(parts_.random);
      TV_ASSIGN_OR_RETURN(
          pending.root, crypto::RootFromPassphrase(SecretOf(new_passphrase), pending.description));
      break;
    }
    case RootSource::kShares: {
      pending.root = crypto::NewKey(parts_.random);
      TV_ASSIGN_OR_RETURN(
          crypto::SplitRoot split,
          crypto::Split(pending.root, request.shares(), request.threshold(), parts_.random));
      pending.description.shares = std::move(split.set);
      pending.texts = std::move(split.texts);
      pending.change.set_shares(request.shares());
      pending.change.set_threshold(request.threshold());
      break;
    }
  }
  return pending;
}

absl::StatusOr<RootKey::Step> RootKey::Start(const v1::ChangeRootRequest& request,
                                             std::string_view new_passphrase, const std::string& by,
                                             WallTime now) {
  if (parts_.keyring.sealed()) {
    return WithReason(absl::UnavailableError("the vault is sealed: unseal it first"),
                      reason::kSealed);
  }
  {
    const std::lock_guard lock(mu_);
    DropLapsed();
    if (pending_.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat("a change of the root key, started by ", pending_->change.started_by(),
                       ", is under way: go on with it, or cancel it first (--cancel)"));
    }
  }
  Pending pending;
  {
    const std::lock_guard files(files_mu_);
    TV_RETURN_IF_ERROR(
        SettleKeyfile(request.target() == v1::ROOT_SOURCE_KEYFILE ||
                      parts_.keyring.root_description().source == RootSource::kKeyFile));
    TV_ASSIGN_OR_RETURN(pending, MakePending(request, new_passphrase));
  }
  pending.change.set_started_by(by);
  *pending.change.mutable_lapses_at() = service::ToWireTime(now + kChangeLapses);
  pending.lapses = After(parts_.clock, kChangeLapses);

  const std::lock_guard lock(mu_);
  pending_ = std::move(pending);
  const crypto::RootDescription present = parts_.keyring.root_description();
  // From one file of the daemon's own to another nothing changes hands.
  if (present.source == RootSource::kKeyFile && request.target() == v1::ROOT_SOURCE_KEYFILE) {
    return Advance();
  }
  pending_->change.set_phase(v1::ROOT_CHANGE_PHASE_AUTHORIZE);
  pending_->change.set_needed(1);
  if (present.source == RootSource::kShares) {
    pending_->collector.emplace(present.shares);
    pending_->change.set_needed(present.shares.threshold);
  }
  return Step{.change = pending_->change};
}

// The present root key was shown. Called with mu_ held.
RootKey::Step RootKey::Advance() {
  Pending& pending = *pending_;
  if (pending.description.source != RootSource::kShares) return Complete();
  pending.collector.emplace(pending.description.shares);
  pending.change.set_given(0);
  pending.change.set_phase(v1::ROOT_CHANGE_PHASE_CONFIRM);
  pending.change.set_needed(pending.description.shares.threshold);
  return Step{.change = pending.change, .shares = std::exchange(pending.texts, {})};
}

// Only the answer says that it is done: until the step is recorded and carried out it is not.
RootKey::Step RootKey::Complete() {
  pending_->complete = true;
  pending_->collector.reset();
  Step step{.change = pending_->change, .shares = {}, .complete = true};
  step.change.set_phase(v1::ROOT_CHANGE_PHASE_DONE);
  step.change.set_given(0);
  step.change.set_needed(0);
  return step;
}

absl::Status RootKey::CheckPassphrase(std::string_view secret) const {
  TV_ASSIGN_OR_RETURN(
      const SecretBytes root,
      crypto::RootFromPassphrase(SecretOf(secret), parts_.keyring.root_description()));
  return parts_.keyring.CheckRoot(root);
}

// But for a passphrase, which takes its time and is checked before mu_ is held.
absl::Status RootKey::Authorize(std::string_view secret, const std::string& by) {
  const RootSource present = parts_.keyring.root_description().source;
  if (present == RootSource::kKeyFile && by == pending_->change.started_by()) {
    return WithReason(absl::PermissionDeniedError(
                          "the root key leaves the daemon's keyfile: another operator than the one "
                          "who started this goes on with it"),
                      reason::kDenied);
  }
  if (present != RootSource::kShares) {
    pending_->change.set_given(1);
    return absl::OkStatus();
  }
  return Collect(secret).status();
}

// The joined key once there are enough shares; empty before.
absl::StatusOr<SecretBytes> RootKey::Collect(std::string_view secret) {
  crypto::ShareCollector& collector = *pending_->collector;
  TV_RETURN_IF_ERROR(collector.Add(secret));
  pending_->change.set_given(static_cast<uint32_t>(collector.given()));
  if (!collector.complete()) return SecretBytes();
  auto root = collector.Combine();
  collector.Forget();
  TV_RETURN_IF_ERROR(root.status());
  if (pending_->change.phase() == v1::ROOT_CHANGE_PHASE_AUTHORIZE) {
    TV_RETURN_IF_ERROR(parts_.keyring.CheckRoot(*root));
  } else {
    // Each share was checked by its digest: what they make is what was split.
    TV_CHECK(crypto::EqualSecrets(*root, pending_->root));
  }
  return root;
}

absl::StatusOr<RootKey::Step> RootKey::Give(const v1::ChangeRootRequest& expected,
                                            std::string_view secret, const std::string& by) {
  const RootSource present = parts_.keyring.root_description().source;
  std::string started;
  {
    const std::lock_guard lock(mu_);
    DropLapsed();
    if (!pending_.has_value() || pending_->complete) return NoChange();
    const v1::RootChange& change = pending_->change;
    if (expected.target() != change.target() || expected.shares() != change.shares() ||
        expected.threshold() != change.threshold()) {
      return absl::FailedPreconditionError(
          absl::StrCat("another change than that is under way, started by ", change.started_by(),
                       ": look at `televault keys status` before anything is given for it"));
    }
    started = change.SerializeAsString();
  }
  const bool confirming = Change().phase() == v1::ROOT_CHANGE_PHASE_CONFIRM;
  if (secret.empty() && (confirming || present != RootSource::kKeyFile)) {
    return absl::InvalidArgumentError("nothing was given: send the passphrase or one share");
  }
  if (!confirming && present == RootSource::kPassphrase) {
    TV_RETURN_IF_ERROR(CheckPassphrase(secret));
  }
  const std::lock_guard lock(mu_);
  // Calls come one at a time; a seal or the hour may have ended it.
  if (!pending_.has_value() || pending_->change.SerializeAsString() != started) return NoChange();
  v1::RootChange& change = pending_->change;
  if (confirming) {
    TV_RETURN_IF_ERROR(Collect(secret).status());
  } else {
    TV_RETURN_IF_ERROR(Authorize(secret, by));
  }
  if (change.given() < change.needed()) return Step{.change = change};
  return confirming ? Complete() : Advance();
}

void RootKey::Abandon() {
  const std::lock_guard lock(mu_);
  if (pending_.has_value() && pending_->complete) pending_.reset();
}

absl::Status RootKey::Cancel() {
  const std::lock_guard lock(mu_);
  DropLapsed();
  if (!pending_.has_value()) return NoChange();
  pending_.reset();
  return absl::OkStatus();
}

v1::RootChange RootKey::Change() const {
  const std::lock_guard lock(mu_);
  DropLapsed();
  if (pending_.has_value()) return pending_->change;
  v1::RootChange none;
  none.set_phase(v1::ROOT_CHANGE_PHASE_NONE);
  return none;
}

// The new file in the place of the old one, which is destroyed as far as a file can be.
absl::Status RootKey::InstallKeyfile() {
  const absl::Status shredded = parts_.fs.Shred(parts_.keyfile);
  if (!absl::IsNotFound(shredded)) TV_RETURN_IF_ERROR(shredded);
  TV_CRASH_POINT("root.old_keyfile_gone");
  TV_RETURN_IF_ERROR(parts_.fs.Rename(next_keyfile(), parts_.keyfile));
  return parts_.fs.SyncDirectory(ParentOf(parts_.keyfile));
}

// Before the keyring is written: a start looks beside the keyfile, too.
absl::Status RootKey::WriteAhead(const Pending& pending, bool leaves_keyfile) {
  if (pending.description.source == RootSource::kKeyFile) {
    return crypto::CreateRootKeyFile(parts_.fs, next_keyfile(), pending.root);
  }
  if (!leaves_keyfile) return absl::OkStatus();
  // A start that finds the change undone puts it back, and removes it where it was done.
  TV_RETURN_IF_ERROR(
      Annotate(parts_.fs.Rename(parts_.keyfile, next_keyfile()),
               "the present keyfile has to be removed, so its directory must be writable"));
  return parts_.fs.SyncDirectory(ParentOf(parts_.keyfile));
}

// The keyring knows which root key is in force, unless a write of it may have reached the disk.
absl::Status RootKey::NotChanged(const absl::Status& why, bool takes_part) {
  if (parts_.keyring.write_is_open()) {
    return Annotate(why,
                    "the old root key or the new one may be in force after a restart, keep "
                    "both");
  }
  if (const absl::Status settled = SettleKeyfile(takes_part); !settled.ok()) {
    service::Log(service::LogLevel::kWarning, "root key not changed, its file is not in order",
                 {{"file", next_keyfile()}, {"why", std::string(settled.message())}});
  }
  return Annotate(why, "the root key was not changed");
}

absl::Status RootKey::CarryOut(WallTime now) {
  std::optional<Pending> taken;
  {
    const std::lock_guard lock(mu_);
    if (!pending_.has_value() || !pending_->complete) return NoChange();
    taken = std::exchange(pending_, std::nullopt);
  }
  const Pending& pending = *taken;
  const std::lock_guard files_lock(files_mu_);
  const bool was_keyfile = parts_.keyring.root_description().source == RootSource::kKeyFile;
  const bool is_keyfile = pending.description.source == RootSource::kKeyFile;
  const bool leaves_keyfile = was_keyfile && !is_keyfile && !parts_.is_credential;
  const bool takes_part = was_keyfile || is_keyfile;
  TV_RETURN_IF_ERROR(SettleKeyfile(takes_part));
  if (const absl::Status ahead = WriteAhead(pending, leaves_keyfile); !ahead.ok()) {
    return NotChanged(ahead, takes_part);
  }
  TV_CRASH_POINT("root.new_keyfile");
  const absl::Status changed = parts_.keyring.ChangeRoot(pending.description, pending.root, now);
  if (!changed.ok()) return NotChanged(changed, takes_part);
  TV_CRASH_POINT("root.changed");
  // It is in force. What is left to do with files is no failure of the change.
  absl::Status files;
  if (is_keyfile) {
    files = InstallKeyfile();
  } else if (leaves_keyfile) {
    files = parts_.fs.Shred(next_keyfile());  // opens nothing any more, but copies of old keyrings
  }
  if (!files.ok()) {
    service::Log(service::LogLevel::kWarning, "root key changed, its file is not in order",
                 {{"file", parts_.keyfile}, {"why", std::string(files.message())}});
  }
  return absl::OkStatus();
}

}  // namespace televault::daemon
