// The files of a root key, before, while and after it is changed.

#include "vault/daemon/root_key.h"

#include <filesystem>
#include <functional>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <sys/stat.h>

#include "tests/support/fake_clock.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/crypto/hash.h"

namespace televault::daemon {
namespace {

using crypto::RootSource;
using televault::testing::FaultFileSystem;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;

class RootKeyTest : public ::testing::Test {
 protected:
  RootKeyTest() {
    std::filesystem::create_directory(directory_.Path("keys"));
    std::filesystem::create_directory(directory_.Path("files"));
    std::filesystem::permissions(directory_.Path("files"), std::filesystem::perms::owner_all);
  }
  crypto::KeyringOptions Options() {
    return {.fs = fs_,
            .slots = slots_,
            .random = random_,
            .vault = VaultId{{7}},
            .directories = {directory_.Path("keys")},
            .on_new_generation = nullptr,
            .replicas = {},
            .check_replicas = [this](std::span<const crypto::ReplicaId>) { return replicas_; }};
  }
  // A keyring under `root`, which the keyfile holds if that is where it is from.
  void Make(RootSource source = RootSource::kKeyFile) {
    root_ = crypto::NewKey(random_);
    crypto::RootDescription description;
    if (source == RootSource::kPassphrase) {
      description = crypto::NewPassphraseRoot(random_, 1, 8 << 20);
      std::string text = kPassphrase;
      root_ = *crypto::RootFromPassphrase(
          crypto::TakeSecret({reinterpret_cast<uint8_t*>(text.data()), text.size()}), description);
    }
    auto made = crypto::Keyring::Create(Options(), description, root_, clock_.Wall());
    TV_CHECK(made.ok());
    keyring_ = *std::move(made);
    if (source == RootSource::kKeyFile) Put(keyfile_, root_);
    Start();
  }
  // As after a restart: nothing of a change is remembered.
  void Start(bool is_credential = false) {
    key_.emplace(RootKey::Parts{.fs = fs_,
                                .clock = clock_,
                                .random = random_,
                                .keyring = *keyring_,
                                .keyfile = is_credential ? credential_ : keyfile_,
                                .is_credential = is_credential,
                                .default_keyfile = keyfile_});
  }
  // The same, with the keyring as it is on the disk.
  void Restart() {
    key_.reset();
    keyring_.reset();
    auto loaded = crypto::Keyring::Load(Options());
    TV_CHECK(loaded.ok());
    keyring_ = *std::move(loaded);
    keyring_->Settle();
    Start();
    key_->DropLeftOver();
  }
  void Put(const std::string& path, const SecretBytes& root) {
    std::filesystem::remove_all(path);
    TV_CHECK(crypto::CreateRootKeyFile(fs_, path, root).ok());
  }
  void PutAnother(const std::string& path) { Put(path, crypto::NewKey(random_)); }
  bool Holds(const std::string& path, const SecretBytes& root) {
    const auto there = crypto::ReadRootKeyFile(fs_, path);
    return there.ok() && crypto::EqualSecrets(*there, root);
  }
  static bool Exists(const std::string& path) { return std::filesystem::exists(path); }
  absl::Status Unseal(const std::string& secret = "") {
    const auto found = key_->GiveForUnseal(secret);
    EXPECT_TRUE(!found.ok() || crypto::EqualSecrets(found->root, root_));
    return found.status();
  }
  // From the keyfile to another one; OK when only CarryOut() is left.
  absl::Status StartToKeyfile() {
    v1::ChangeRootRequest request;
    request.set_target(v1::ROOT_SOURCE_KEYFILE);
    return key_->Start(request, "", "alice", clock_.Wall()).status();
  }
  // `secret`: the present one, where it is no file.
  absl::Status StartToShares(const std::string& secret = "") {
    v1::ChangeRootRequest request;
    request.set_target(v1::ROOT_SOURCE_SHARES);
    request.set_shares(2);
    request.set_threshold(2);
    TV_RETURN_IF_ERROR(key_->Start(request, "", "alice", clock_.Wall()).status());
    TV_ASSIGN_OR_RETURN(const auto step, key_->Give(request, secret, "bob"));
    for (const SecretBytes& share : step.shares) {
      TV_RETURN_IF_ERROR(key_->Give(request, crypto::RevealShare(share), "alice").status());
    }
    return absl::OkStatus();
  }
  absl::Status CarryOut() { return key_->CarryOut(clock_.Wall()); }

  static constexpr char kPassphrase[] = "correct horse battery";
  televault::testing::TempDirectory directory_;
  FaultFileSystem fs_;
  televault::testing::FakeClock clock_;
  televault::testing::SeededRandom random_{3};
  crypto::FileKeySlots slots_{fs_, {directory_.Path("keys")}};
  absl::Status replicas_;  // what every write asks for first
  SecretBytes root_;
  std::unique_ptr<crypto::Keyring> keyring_;
  const std::string keyfile_ = directory_.Path("files/keyfile");
  const std::string next_ = keyfile_ + ".next";
  const std::string credential_ = directory_.Path("files/credential");
  std::optional<RootKey> key_;
};

TEST_F(RootKeyTest, WhatWasWrittenAheadOpensWhereTheOldFileIsGoneOrDamaged) {
  Make();
  for (const bool damaged : {false, true}) {
    SCOPED_TRACE(damaged);
    Put(next_, root_);
    std::filesystem::remove(keyfile_);
    // A shred that was cut short.
    if (damaged) {
      ASSERT_THAT(fs_.OpenWritable(keyfile_, OpenMode::kNew, 0600), IsOk());
    }
    ASSERT_THAT(Unseal(), IsOk());
    EXPECT_TRUE(Holds(keyfile_, root_));
    EXPECT_FALSE(Exists(next_));
  }
  std::filesystem::remove(keyfile_);
  PutAnother(next_);
  EXPECT_THAT(Unseal(), StatusIs(absl::StatusCode::kNotFound, HasSubstr(keyfile_)));
  EXPECT_TRUE(Exists(next_));
}

// The failed write may be in force after a restart, under the root key of the file that is not in
// force now: it was destroyed.
TEST_F(RootKeyTest, NoFileGoesWhileAWriteOfTheKeyringIsOpen) {
  Make();
  Put(next_, root_);
  const SecretBytes other = crypto::NewKey(random_);
  Put(keyfile_, other);
  fs_.Fill("keys/keyring.");
  ASSERT_FALSE(keyring_->RecordLockEpoch(LockEpoch(7)).ok());
  ASSERT_TRUE(keyring_->write_is_open());
  ASSERT_THAT(Unseal(), IsOk());
  EXPECT_TRUE(Holds(keyfile_, other));
  EXPECT_TRUE(Holds(next_, root_));
  key_->DropLeftOver();
  EXPECT_TRUE(Holds(next_, root_));
  EXPECT_THAT(StartToKeyfile(), StatusIs(kRefused, HasSubstr("did not end well")));

  fs_.Fill("");
  ASSERT_THAT(keyring_->RecordLockEpoch(LockEpoch(7)), IsOk());
  ASSERT_THAT(Unseal(), IsOk());
  EXPECT_TRUE(Holds(keyfile_, root_));
  EXPECT_FALSE(Exists(next_));
}

// Killed before the keyring was on the replica, and started without it: the root key that opens
// what the replica has was destroyed, and where the other disk died then nothing opened any more.
TEST_F(RootKeyTest, NoFileGoesThatAReplicaMayNeedWhichIsNotInItsPlace) {
  for (const RootSource source : {RootSource::kKeyFile, RootSource::kPassphrase}) {
    std::filesystem::remove_all(directory_.Path("keys"));
    std::filesystem::create_directory(directory_.Path("keys"));
    Make(source);
    const bool is_file = source == RootSource::kKeyFile;
    const std::string secret = is_file ? "" : kPassphrase;
    const std::string& old_file = is_file ? keyfile_ : next_;
    const SecretBytes old_root = crypto::NewKey(random_);
    if (is_file) Put(next_, root_);
    Put(old_file, old_root);

    replicas_ = absl::FailedPreconditionError("a replica is not in its place");
    Restart();
    ASSERT_THAT(Unseal(secret), IsOk());
    ASSERT_THAT(keyring_->Unseal(root_), IsOk());
    EXPECT_TRUE(Holds(old_file, old_root));
    EXPECT_THAT(StartToKeyfile(), StatusIs(kRefused, HasSubstr("was not in its place")));
    EXPECT_TRUE(Holds(old_file, old_root));

    replicas_ = absl::OkStatus();
    Restart();
    ASSERT_THAT(Unseal(secret), IsOk());
    EXPECT_FALSE(Holds(old_file, old_root));
    EXPECT_FALSE(Exists(next_));
    EXPECT_EQ(Holds(keyfile_, root_), is_file);
    std::filesystem::remove(keyfile_);
  }
}

TEST_F(RootKeyTest, AChangeThatTheKeyringRefusedLeavesTheFilesAsTheyWere) {
  Make();
  ASSERT_THAT(StartToKeyfile(), IsOk());
  replicas_ = absl::FailedPreconditionError("a replica is not in its place");
  EXPECT_THAT(CarryOut(), StatusIs(kRefused, HasSubstr("was not changed")));
  EXPECT_TRUE(Holds(keyfile_, root_));
  EXPECT_FALSE(Exists(next_));
  replicas_ = absl::OkStatus();

  // Here the file had been put aside.
  ASSERT_THAT(StartToShares(), IsOk());
  replicas_ = absl::FailedPreconditionError("a replica is not in its place");
  EXPECT_THAT(CarryOut(), StatusIs(kRefused, HasSubstr("was not changed")));
  EXPECT_TRUE(Holds(keyfile_, root_));
  EXPECT_FALSE(Exists(next_));
  replicas_ = absl::OkStatus();
  ASSERT_THAT(StartToShares(), IsOk());
  ASSERT_THAT(CarryOut(), IsOk());
  EXPECT_FALSE(Exists(keyfile_));
  EXPECT_FALSE(Exists(next_));
}

TEST_F(RootKeyTest, AChangeWithoutAKnownEndKeepsBothFiles) {
  Make();
  ASSERT_THAT(StartToKeyfile(), IsOk());
  fs_.Fill("keys/keyring.");
  EXPECT_THAT(CarryOut(), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("keep both")));
  EXPECT_TRUE(Holds(keyfile_, root_));
  EXPECT_TRUE(Exists(next_));
  ASSERT_THAT(Unseal(), IsOk());
  EXPECT_TRUE(Exists(next_));
}

// Shares were handed out, and two persons had gone on with it, before this was found.
TEST_F(RootKeyTest, AChangeIsRefusedBeforeAnythingElseWhereItsFileHasNoPlace) {
  Make();
  fs_.Fill("files/keyfile.next");
  for (const std::function<absl::Status()>& start :
       {std::function([this] { return StartToKeyfile(); }),
        std::function([this] { return StartToShares(); })}) {
    EXPECT_THAT(start(), StatusIs(kRefused, HasSubstr("able to write")));
    EXPECT_THAT(key_->Cancel(), StatusIs(kRefused, HasSubstr("no change")));
  }
  fs_.Fill("");
  EXPECT_FALSE(Exists(next_ + ".new"));
  std::filesystem::rename(keyfile_, keyfile_ + ".elsewhere");
  EXPECT_THAT(StartToShares(), StatusIs(kRefused, HasSubstr("put it back first")));
  // What it would destroy is somebody else's.
  const SecretBytes other = crypto::NewKey(random_);
  Put(keyfile_, other);
  EXPECT_THAT(StartToKeyfile(), StatusIs(kRefused, HasSubstr("would destroy it")));
  EXPECT_TRUE(Holds(keyfile_, other));
  std::filesystem::rename(keyfile_ + ".elsewhere", keyfile_);
  EXPECT_THAT(StartToKeyfile(), IsOk());
  ASSERT_THAT(CarryOut(), IsOk());
  EXPECT_FALSE(Holds(keyfile_, root_));
}

// It is root's, and the daemon only reads it.
TEST_F(RootKeyTest, AKeyfileThatTheDaemonMayNotWriteToIsNotChanged) {
  Make();
  fs_.Protect("files/keyfile");
  EXPECT_THAT(StartToKeyfile(), StatusIs(kRefused, HasSubstr("may not write to its keyfile")));
  EXPECT_THAT(StartToShares(), StatusIs(kRefused, HasSubstr("may not write to its keyfile")));
  EXPECT_TRUE(Holds(keyfile_, root_));
  EXPECT_FALSE(Exists(next_));
}

TEST_F(RootKeyTest, ToAKeyfileWhoseDirectoryIsNotThereNobodyChanges) {
  Make(RootSource::kPassphrase);
  std::filesystem::remove_all(directory_.Path("files"));
  const uint64_t generation = keyring_->generation();
  EXPECT_THAT(StartToKeyfile(), StatusIs(kRefused, HasSubstr(directory_.Path("files"))));
  EXPECT_THAT(key_->Cancel(), StatusIs(kRefused, HasSubstr("no change")));
  EXPECT_EQ(keyring_->generation(), generation);
}

TEST_F(RootKeyTest, WhatWasLeftOfAKeyfileGoesWhereTheRootKeyComesFromElsewhere) {
  Make(RootSource::kPassphrase);
  for (const bool at_open : {true, false}) {
    SCOPED_TRACE(at_open);
    PutAnother(next_);
    PutAnother(next_ + ".new");
    if (at_open) {
      key_->DropLeftOver();
    } else {
      EXPECT_FALSE(Unseal("a wrong passphrase").ok());
      EXPECT_TRUE(Exists(next_));
      ASSERT_THAT(Unseal(kPassphrase), IsOk());
    }
    EXPECT_FALSE(Exists(next_));
    EXPECT_FALSE(Exists(next_ + ".new"));
  }
}

TEST_F(RootKeyTest, WhatWasLeftOfAKeyfileThatBecameACredentialGoesToo) {
  Make();
  Put(credential_, root_);
  PutAnother(next_);
  key_->DropLeftOver();
  EXPECT_TRUE(Exists(next_)) << "it may be the one in force";
  Start(/*is_credential=*/true);
  key_->DropLeftOver();
  EXPECT_TRUE(Exists(next_));
  ASSERT_THAT(Unseal(), IsOk());
  EXPECT_FALSE(Exists(next_));
  EXPECT_TRUE(Holds(keyfile_, root_));

  // Another key than the credential's may be in force.
  Put(next_, root_);
  PutAnother(credential_);
  EXPECT_THAT(Unseal(), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(Exists(next_));
}

// `unseal.keyfile` names a place that the daemon may not search, and nothing there concerns a vault
// that never had a keyfile: no change of its root key was possible, and every start warned.
TEST_F(RootKeyTest, WhereNoKeyfileTakesPartNobodyHasToLookAtOne) {
  Make(RootSource::kPassphrase);
  fs_.Deny("files/");
  ::testing::internal::CaptureStdout();
  key_->DropLeftOver();
  ASSERT_THAT(Unseal(kPassphrase), IsOk());
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_FALSE(StartToKeyfile().ok()) << "here one does";
  replicas_ = absl::FailedPreconditionError("a replica is not in its place");
  ASSERT_THAT(StartToShares(kPassphrase), IsOk());
  EXPECT_THAT(CarryOut(), StatusIs(kRefused, HasSubstr("was not changed")));
  replicas_ = absl::OkStatus();
  ASSERT_THAT(StartToShares(kPassphrase), IsOk());
  ASSERT_THAT(CarryOut(), IsOk());
  EXPECT_EQ(keyring_->root_description().source, RootSource::kShares);
}

TEST_F(RootKeyTest, AKeyfileThatIsNoPlainFileOrNotPrivateIsRefusedWhateverIsBesideIt) {
  Make();
  const std::string real = keyfile_ + ".real";
  std::filesystem::rename(keyfile_, real);
  Put(next_, root_);
  const std::vector<std::function<void()>> ways = {
      [&] { ASSERT_EQ(::symlink(real.c_str(), keyfile_.c_str()), 0); },
      [&] { ASSERT_EQ(::mkfifo(keyfile_.c_str(), 0600), 0); },
      [&] { std::filesystem::create_directory(keyfile_); },
  };
  for (const auto& make : ways) {
    make();
    EXPECT_THAT(Unseal(), StatusIs(kRefused, HasSubstr("no plain file")));
    EXPECT_TRUE(Holds(next_, root_));
    EXPECT_TRUE(Holds(real, root_));
    std::filesystem::remove_all(keyfile_);
  }
  Put(keyfile_, root_);
  ASSERT_EQ(::chmod(keyfile_.c_str(), 0640), 0);
  EXPECT_THAT(Unseal(), StatusIs(kRefused, HasSubstr("chmod 600")));
  EXPECT_TRUE(Holds(next_, root_));

  // The mode of a credential is the service manager's business.
  Put(credential_, root_);
  ASSERT_EQ(::chmod(credential_.c_str(), 0440), 0);
  Start(/*is_credential=*/true);
  EXPECT_THAT(Unseal(), IsOk());
}

// Sealed and unsealed in the middle of a change, the file that was written ahead was taken for a
// leftover; the change then destroyed the old one, and the new root key was nowhere.
TEST_F(RootKeyTest, AnUnsealInTheMiddleOfAChangeTakesNoFileAway) {
  Make();
  ASSERT_THAT(StartToKeyfile(), IsOk());
  fs_.Hang("keys/slot.");
  auto change = std::async(std::launch::async, [this] { return CarryOut(); });
  fs_.AwaitHanging();
  EXPECT_THAT(Unseal(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("try again")));
  EXPECT_TRUE(Exists(next_));
  fs_.Release();
  ASSERT_THAT(change.get(), IsOk());
  EXPECT_FALSE(Holds(keyfile_, root_));
  const auto found = key_->GiveForUnseal("");
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(keyring_->CheckRoot(found->root), IsOk());
}

}  // namespace
}  // namespace televault::daemon
