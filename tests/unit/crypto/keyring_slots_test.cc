// The keyring's main promises, wherever its slot secrets are.
#include <filesystem>

#include "tests/support/pkcs11_faults.h"
#include "tests/unit/crypto/slot_backends.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/pkcs11_replica.h"

namespace televault::crypto {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::Pkcs11Faults;
using televault::testing::SeededRandom;
using televault::testing::SoftTokens;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr VaultId kVault = TokenBackend::kVault;
constexpr WallTime kNow{1'795'435'200'000'000};
constexpr PartitionId P(int32_t day) { return {DatasetId(1), Day(day)}; }

SecretBytes Root() {
  SeededRandom random(99);
  return NewKey(random);
}
std::string Fingerprint(const SecretBytes& key) { return ToHex(KeyedHash16(key, "test", {})); }

class KeyringSlotsTest : public SlotBackendTest {
 protected:
  void SetUp() override {
    SlotBackendTest::SetUp();
    if (backend_ == nullptr) return;
    OpenSlots();
    auto keyring = Keyring::Create(Options(), {}, Root(), kNow);
    TV_CHECK(keyring.ok());
    keyring_ = *std::move(keyring);
  }
  void OpenSlots() {
    slots_.reset();
    slots_ = backend_->Open();
  }
  KeyringOptions Options() {
    return {.fs = PosixFileSystem(),
            .slots = *slots_,
            .random = random_,
            .vault = kVault,
            .directories = {dirs_[0].path(), dirs_[1].path()},
            .on_new_generation = nullptr,
            .replicas = slots_->marked(),
            .check_replicas = [this](std::span<const ReplicaId> known) -> absl::Status {
              for (const ReplicaId& id : known) TV_RETURN_IF_ERROR(slots_->Ask(id));
              return absl::OkStatus();
            }};
  }
  void Reopen() {
    keyring_.reset();
    OpenSlots();
    auto keyring = Keyring::Load(Options());
    ASSERT_THAT(keyring, IsOk());
    keyring_ = *std::move(keyring);
    keyring_->Settle();
    ASSERT_THAT(keyring_->Unseal(Root()), IsOk());
  }
  std::string KeyringPath(int dir, uint64_t slot) {
    return dirs_[dir].Path("keyring." + std::to_string(slot));
  }

  TempDirectory dirs_[2];
  SeededRandom random_{11};
  std::unique_ptr<KeySlots> slots_;
  std::unique_ptr<Keyring> keyring_;
};

TEST_P(KeyringSlotsTest, TheSameKeysAfterAReload) {
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef key, keyring_->EnsureDataKey(P(1), kNow));
  const std::string before = Fingerprint(key->key);
  EXPECT_EQ(keyring_->replicas(), 2u);
  Reopen();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef same, keyring_->EnsureDataKey(P(1), kNow));
  EXPECT_EQ(Fingerprint(same->key), before);
  EXPECT_EQ(keyring_->KnownReplicas().size(), slots_->marked().size()) << "from the first write on";
}

// Root key, old keyring file, and what could be copied of the slot: nothing opens.
TEST_P(KeyringSlotsTest, AnOldCopyDoesNotOpenAfterTheShred) {
  ASSERT_THAT(keyring_->EnsureDataKey(P(1), kNow), IsOk());
  ASSERT_THAT(keyring_->EnsureDataKey(P(2), kNow + microseconds(1)), IsOk());
  const uint64_t old_slot = keyring_->slot();
  backend_->Steal(old_slot);
  TV_ASSERT_OK_AND_ASSIGN(const std::string copy,
                          PosixFileSystem().ReadFile(KeyringPath(0, old_slot), 1 << 20));
  keyring_->Seal();
  TV_ASSERT_OK_AND_ASSIGN(const ShredReport report, keyring_->Shred(std::vector{P(1)}));
  EXPECT_EQ(report.slot_kind, SlotKind::kBestEffort);
  TV_ASSERT_OK_AND_ASSIGN(const auto left, slots_->List());
  EXPECT_THAT(left, ElementsAre(keyring_->slot()));
  EXPECT_FALSE(std::filesystem::exists(KeyringPath(1, old_slot)));

  backend_->PutBackStolen(old_slot);
  for (const int dir : {0, 1}) {
    ASSERT_THAT(ReplaceFile(PosixFileSystem(), KeyringPath(dir, old_slot), AsBytes(copy), 0600),
                IsOk());
  }
  EXPECT_THAT(slots_->Load(old_slot), StatusIs(absl::StatusCode::kNotFound));
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes live, slots_->Load(keyring_->slot()));
  for (const uint64_t slot : {old_slot, keyring_->slot()}) {
    std::string identity = "keyring";
    PutLittleEndian(identity, slot);
    EXPECT_FALSE(Open(live, Use::kKeyring, AsBytes(identity), AsBytes(copy), kVault).ok());
  }
  Reopen();
  EXPECT_THAT(keyring_->DataKeys(P(1)), IsEmpty());
  EXPECT_THAT(keyring_->DataKeys(P(2)), SizeIs(1));
  ASSERT_THAT(keyring_->Shred(ShredRequest()), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto cleared, slots_->List());
  EXPECT_THAT(cleared, ElementsAre(keyring_->slot()));
}

TEST_P(KeyringSlotsTest, LivesOnWithEitherReplicaAndRepairsTheOther) {
  ASSERT_THAT(keyring_->EnsureDataKey(P(1), kNow), IsOk());
  for (const int lost : {0, 1}) {
    backend_->Lose(lost, keyring_->slot());
    std::filesystem::remove(KeyringPath(lost, keyring_->slot()));
    Reopen();
    EXPECT_THAT(keyring_->DataKeys(P(1)), SizeIs(1)) << lost;
  }
  backend_->Damage(0, keyring_->slot());
  Reopen();
  backend_->Lose(1, keyring_->slot());
  Reopen();
  EXPECT_THAT(keyring_->EnsureDataKey(P(1), kNow), IsOk());
}

// The one that opens the keyring goes to the other replica, whichever is asked first; while they
// differ nothing is sealed under either.
TEST_P(KeyringSlotsTest, ADifferentSecretOnAReplicaIsReplacedByTheOneThatOpens) {
  ASSERT_THAT(keyring_->EnsureDataKey(P(1), kNow), IsOk());
  for (const int replica : {0, 1}) {
    backend_->Replace(replica, keyring_->slot());
    ASSERT_NO_FATAL_FAILURE(Reopen());
    EXPECT_THAT(keyring_->DataKeys(P(1)), SizeIs(1)) << replica;
    backend_->Lose(1 - replica, keyring_->slot());
    ASSERT_NO_FATAL_FAILURE(Reopen());
    EXPECT_THAT(keyring_->DataKeys(P(1)), SizeIs(1)) << replica;
  }
  const uint64_t slot = keyring_->slot();
  backend_->Replace(0, slot);
  EXPECT_THAT(keyring_->EnsureDataKey(P(2), kNow),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("different secrets")));
  ASSERT_THAT(keyring_->EnsureDataKey(P(2), kNow), IsOk());
  EXPECT_GT(keyring_->slot(), slot);
  ASSERT_NO_FATAL_FAILURE(Reopen());
  EXPECT_THAT(keyring_->DataKeys(P(2)), SizeIs(1));
}

// What a crash in the middle of the next slot's making leaves.
TEST_P(KeyringSlotsTest, AHalfMadeSlotIsClearedByTheNextStart) {
  ASSERT_THAT(keyring_->EnsureDataKey(P(1), kNow), IsOk());
  const uint64_t slot = keyring_->slot();
  for (const int replica : {0, 1}) {
    backend_->HalfMake(replica, slot + 1);
    Reopen();
    EXPECT_EQ(keyring_->slot(), slot);
    TV_ASSERT_OK_AND_ASSIGN(const auto left, slots_->List());
    EXPECT_THAT(left, ElementsAre(slot)) << replica;
  }
  ASSERT_THAT(keyring_->Shred(std::vector{P(1)}), IsOk());
}

INSTANTIATE_TEST_SUITE_P(, KeyringSlotsTest, AllSlotBackends(), BackendName);

// A vault of its own on two tokens, whose module stops at a chosen call.
class StoppedShred {
 public:
  StoppedShred(const SoftTokens& tokens, VaultId vault) : tokens_(tokens), vault_(vault) {}

  std::unique_ptr<Pkcs11KeySlots> Slots(Pkcs11Faults* faults, bool first) {
    auto module = Pkcs11Module::Load(SoftTokens::Module());
    TV_CHECK(module.ok());
    if (faults != nullptr) faults->Install(**module);
    auto pin = ReadPinFile(tokens_.pin_file());
    TV_CHECK(pin.ok());
    const Pkcs11Replica::Access access{*module,
                                       std::make_shared<const SecretBytes>(*std::move(pin)),
                                       tokens_.pin_file(), vault_, std::nullopt};
    std::vector<std::unique_ptr<Pkcs11Replica>> replicas;
    for (const char* label : {"a", "b"}) {
      replicas.push_back(std::make_unique<Pkcs11Replica>(access, label));
      TV_CHECK((first ? replicas.back()->OpenNew(random_) : replicas.back()->Open()).ok());
    }
    return std::make_unique<Pkcs11KeySlots>(std::move(replicas), std::vector<std::string>(),
                                            random_);
  }
  KeyringOptions Options(KeySlots& slots) {
    return {.fs = PosixFileSystem(),
            .slots = slots,
            .random = random_,
            .vault = vault_,
            .directories = {dir_.path()},
            .on_new_generation = nullptr,
            .replicas = slots.marked(),
            .check_replicas = nullptr};
  }

 private:
  const SoftTokens& tokens_;
  const VaultId vault_;
  TempDirectory dir_{TempDirectory::InMemory()};
  SeededRandom random_{3};
};

// The process, or the device, ends at every single call of a shred. Afterwards the old or the new
// generation opens, other keys are unharmed, where Shred had said OK the key is gone, and finishing
// works from wherever it stopped.
TEST(KeyringOnTokens, AStopAtAnyCallOfAShredLeavesTheOldOrTheNewGeneration) {
  TV_SKIP_WITHOUT_SOFT_TOKENS();
  const SoftTokens tokens({"a", "b"});
  // Keeps the module loaded, so that it need not read its tokens every time.
  const auto keep = Pkcs11Module::Load(SoftTokens::Module());
  uint64_t old_ones = 0;
  uint64_t new_ones = 0;
  bool done = false;
  for (uint64_t step = 0; !done; ++step) {
    VaultId vault;
    std::copy_n(reinterpret_cast<const uint8_t*>(&step), sizeof step, vault.bytes.begin());
    StoppedShred f(tokens, vault);
    std::string kept_before;
    KeyId kept_id;
    {
      Pkcs11Faults faults;
      const auto slots = f.Slots(&faults, /*first=*/true);
      TV_ASSERT_OK_AND_ASSIGN(const auto keyring,
                              Keyring::Create(f.Options(*slots), {}, Root(), kNow));
      ASSERT_THAT(keyring->EnsureDataKey(P(1), kNow), IsOk());
      TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef kept, keyring->EnsureDataKey(P(2), kNow));
      kept_before = Fingerprint(kept->key);
      kept_id = kept->id;
      faults.stop_after = faults.calls + step;
      done = keyring->Shred(std::vector{P(1)}).ok();
    }
    const auto slots = f.Slots(nullptr, /*first=*/false);
    auto again = Keyring::Load(f.Options(*slots));
    ASSERT_THAT(again, IsOk()) << "step " << step;
    ++((*again)->DataKeys(P(1)).empty() ? new_ones : old_ones);
    if (done) {
      EXPECT_THAT((*again)->DataKeys(P(1)), IsEmpty());
    }
    (*again)->Settle();
    ASSERT_THAT((*again)->Unseal(Root()), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef key, (*again)->DataKeyFor(P(2), kept_id));
    ASSERT_EQ(Fingerprint(key->key), kept_before);
    ASSERT_THAT((*again)->Shred(std::vector{P(1)}), IsOk()) << "step " << step;
    EXPECT_THAT((*again)->DataKeyFor(P(1), KeyId(1)), HasReason(reason::kExpired));
    TV_ASSERT_OK_AND_ASSIGN(const auto left, slots->List());
    EXPECT_THAT(left, ElementsAre((*again)->slot())) << "step " << step;
    slots->Abandon();
  }
  EXPECT_GT(old_ones, 20u);
  RecordProperty("steps", static_cast<int>(old_ones + new_ones));
  EXPECT_GT(new_ones, 20u);
}

}  // namespace
}  // namespace televault::crypto
