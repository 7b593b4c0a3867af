// What is left of a day after its deadline, looked for by somebody who has everything: the device,
// the memory of the process, old copies of the keyring, the root key.
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "televault/record/v1/state.pb.h"
#include "tests/integration/daemon/scenario.h"
#include "tests/support/forensics.h"
#include "tests/support/loop_disk.h"
#include "tests/support/opened_keyring.h"
#include "vault/base/clock.h"
#include "vault/crypto/aead_key.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/keyring_format.h"
#include "vault/crypto/secret_pass.h"
#include "vault/crypto/unseal.h"
#include "vault/store/meta.h"
#include "vault/store/rocks_store.h"

namespace televault::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kDiskBytes = uint64_t{448} << 20;
constexpr char kVersionMarker[] = "91827.36455.4637";
constexpr char kSubjectMarker[] = "subject-8d1f60c3e7";
constexpr double kNumberMarker = 48'151.623'42;
constexpr char kControlMarker[] = "this-one-is-written-in-the-clear";

std::string TextOf(const SecretBytes& secret) {
  return std::string(AsText(secret.Read(crypto::MintSecretPass())));
}

class ForensicTest : public VaultTest {
 protected:
  ForensicTest() : VaultTest({.config = "[retention]\ntick = \"1s\"\n[merge]\ntick = \"1s\"\n"}) {}

  void SetUp() override {
    const std::string none = disk_.MountAt(daemon_.data_dir(), daemon_.directory(), kDiskBytes);
    where_ = none.empty() && !disk_.image().empty()
                 ? "the device image of ext4 on a loop device, and process memory"
                 : "the files of the data directory, and process memory: no loop device here";
    std::cout << "searched: " << where_ << "\n";
    VaultTest::SetUp();
    if (HasFatalFailure()) return;
    TV_ASSERT_OK_AND_ASSIGN(
        const auto identity,
        daemon::ReadIdentity(PosixFileSystem(), daemon::Layout{daemon_.data_dir()}));
    vault_ = identity.vault;
    TV_ASSERT_OK_AND_ASSIGN(
        root_, crypto::ReadRootKeyFile(PosixFileSystem(), daemon_.data_dir() + ".keyfile"));
  }

  // Gives yesterday a deadline `seconds` from now; asked again after a kill it is the same.
  absl::StatusOr<v1::ApplyDatasetResponse> ExpireIn(int seconds) {
    const WallTime end = EndOf(DayOf(Yesterday(0)));
    if (ttl_ == 0) {
      ttl_ = (SystemClock().Wall() - end).count() / 1'000'000 + seconds;
      deadline_ = end + microseconds(ttl_ * 1'000'000);
    }
    return Apply(*As(cast_.steward),
                 SampleManifest("cli_usage", {{"ttl: 90d", absl::StrCat("ttl: ", ttl_, "s")},
                                              {"revision: 1", "revision: 2"}}));
  }
  // Yesterday with rows in it.
  void Store(bool to_be_merged = false) {
    const WallTime noon = Yesterday(0);
    std::vector<v1::Event> events;
    for (int i = 0; i < 30; ++i) {
      v1::Event event = Usage(noon + microseconds(i), absl::StrCat(kSubjectMarker, i), "build");
      (*event.mutable_fields())["version"] = Text(kVersionMarker);
      (*event.mutable_fields())["duration_ms"] = Real(kNumberMarker);
      events.push_back(std::move(event));
    }
    for (int batch = 0; batch < 3; ++batch) {
      ASSERT_THAT(Append(*As(cast_.collector), RowsOf(events)), IsOk());
    }
    for (int batch = 0; to_be_merged && batch < 2; ++batch) {
      ASSERT_THAT(Append(*As(cast_.collector), BulkColumns("cli_usage", noon, 40'000, 500)),
                  IsOk());
    }
    EXPECT_THAT(Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage").rows,
                Not(IsEmpty()));
  }
  void AwaitDeadline() {
    while (SystemClock().Wall() <= deadline_) ::poll(nullptr, 0, 50);  // time alone makes it pass
  }
  void AwaitPurge(int times = 1) {
    ASSERT_TRUE(Await([&] {
      return Entries(*As(cast_.auditor), ByMethod("retention.purge")).size() >=
             static_cast<size_t>(times);
    }));
  }

  // Everything that opens the day, as it is before the shred.
  void CollectKeys() {
    OpenedKeyring keyring;
    ASSERT_THAT(keyring.Open(daemon_.data_dir(), vault_), IsOk());
    ASSERT_THAT(keyring->Unseal(root_), IsOk());
    keys_.clear();
    for (const crypto::DataKeyInfo& info : keyring->AllDataKeys()) {
      TV_ASSERT_OK_AND_ASSIGN(const auto key, keyring->DataKeyFor(info.partition, info.id));
      keys_.emplace_back("data key", TextOf(key->key));
      data_key_ = key;
    }
    ASSERT_EQ(keys_.size(), 1U);
    const uint64_t slot = keyring->slot();
    crypto::FileKeySlots slots(PosixFileSystem(), {daemon_.data_dir() + "/slots"});
    TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots.Load(slot));
    keys_.emplace_back("slot secret", TextOf(secret));
    old_keyring_ = ReadWholeFile(absl::StrCat(daemon_.data_dir(), "/keyring/keyring.", slot));
    old_slot_ = slot;
    ASSERT_FALSE(old_keyring_.empty());
  }
  // The keys of blocks and batches, from the records of a copy of the stopped vault.
  void CollectBlockKeys() {
    const std::string copy = daemon_.directory() + "/copy";
    std::filesystem::copy(daemon_.data_dir(), copy, std::filesystem::copy_options::recursive);
    OpenedKeyring keyring;
    ASSERT_THAT(keyring.Open(copy, vault_), IsOk());
    ASSERT_THAT(keyring->Unseal(root_), IsOk());
    SeededRandom random(1);
    const store::MetaStore meta(vault_, *keyring, random);
    TV_ASSERT_OK_AND_ASSIGN(const auto store, store::OpenRocksStore({.directory = copy + "/store",
                                                                     .fs = PosixFileSystem()}));
    TV_ASSERT_OK_AND_ASSIGN(const auto view, store->Pin());
    constexpr std::array<uint8_t, 16> kPersonal = {'t', 'e', 'l', 'e', 'v', 'a', 'u', 'l',
                                                   't', '.', 'b', 'l', 'k', '.', 'v', '1'};
    ASSERT_THAT(meta.Scan<record::v1::BlockRecord>(
                    *view, store::RecordKind::kBlock, store::RecordId(),
                    [&](const record::v1::BlockRecord& record) {
                      std::array<uint8_t, 16> salt{};
                      std::copy(record.salt().begin(), record.salt().end(), salt.begin());
                      const crypto::internal::CommittedKey key(
                          data_key_->key, salt, kPersonal,
                          static_cast<uint8_t>(record.format_version()),
                          static_cast<crypto::Algorithm>(record.algorithm()));
                      keys_.emplace_back("block key", AsText(key.key()));
                      return true;
                    }),
                IsOk());
    ASSERT_GE(keys_.size(), 3U) << "no block was made of the batches";
    // What is sealed of the day, too: a piece of each chunk and micro-batch.
    TV_ASSERT_OK_AND_ASSIGN(const auto blocks, store->ListBlocks());
    constexpr uint32_t kChunks[] = {0, 1};  // of the times and of the subjects
    for (const BlockId& id : blocks) {
      TV_ASSERT_OK_AND_ASSIGN(const auto chunks, store->ReadBlock(id, kChunks));
      for (const std::string& chunk : chunks) AddSealed(chunk);
    }
    ASSERT_THAT(view->Scan(store::Family::kHot, "", "",
                           [&](std::string_view, std::string_view value) {
                             AddSealed(value);
                             return true;
                           }),
                IsOk());
    ASSERT_GE(sealed_.size(), 2U);
  }

  void AddSealed(std::string_view bytes) {
    ASSERT_GE(bytes.size(), 64U);
    sealed_.emplace_back(absl::StrCat("sealed ", sealed_.size()),
                         bytes.substr(bytes.size() / 2, 24));
  }
  std::vector<std::string> OnDisk(const std::vector<Needle>& needles) {
    ::sync();
    const auto found = disk_.image().empty() ? FindUnder(daemon_.data_dir(), needles)
                                             : FindInFile(disk_.image(), needles);
    EXPECT_THAT(found, IsOk());
    return found.ok() ? *found : std::vector<std::string>();
  }
  std::vector<std::string> InMemory(const std::vector<Needle>& needles) {
    const auto found = FindInMemory(daemon_.pid(), needles);
    EXPECT_THAT(found, IsOk());
    return found.ok() ? *found : std::vector<std::string>();
  }

  // With everything that is left nothing of the day opens.
  void ExpectGone() {
    EXPECT_THAT(OnDisk(keys_), IsEmpty());
    if (daemon_.running()) {
      EXPECT_THAT(InMemory(keys_), IsEmpty());
    }
    // No secret that is left opens the keyring of before.
    crypto::FileKeySlots slots(PosixFileSystem(), {daemon_.data_dir() + "/slots"});
    const auto left = slots.List();
    ASSERT_THAT(left, IsOk());
    EXPECT_THAT(*left, Not(Contains(old_slot_)));
    for (const uint64_t slot : *left) {
      TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots.Load(slot));
      for (const SecretBytes* key : std::initializer_list<const SecretBytes*>{&secret, &root_}) {
        EXPECT_FALSE(crypto::Open(*key, crypto::Use::kKeyring,
                                  AsBytes(crypto::KeyringIdentity(old_slot_)),
                                  AsBytes(old_keyring_), vault_)
                         .ok());
      }
    }
    // The one in force knows no key of the day, with the root key at hand.
    OpenedKeyring keyring;
    ASSERT_THAT(keyring.Open(daemon_.data_dir(), vault_), IsOk());
    ASSERT_THAT(keyring->Unseal(root_), IsOk());
    EXPECT_THAT(keyring->AllDataKeys(), IsEmpty());
    EXPECT_THAT(OnDisk(Markers()), IsEmpty());
  }
  static std::vector<Needle> Markers() {
    return {{"version", kVersionMarker},
            {"subject", kSubjectMarker},
            {"number", {reinterpret_cast<const char*>(&kNumberMarker), sizeof(kNumberMarker)}}};
  }

  LoopDisk disk_;
  std::string where_;
  VaultId vault_;
  SecretBytes root_;
  WallTime deadline_;
  int64_t ttl_ = 0;
  std::vector<Needle> keys_;
  std::vector<Needle> sealed_;
  crypto::DataKeyRef data_key_;
  std::string old_keyring_;
  uint64_t old_slot_ = 0;
};

TEST_F(ForensicTest, NothingOfADayIsLeftAfterItsDeadline) {
  ASSERT_NO_FATAL_FAILURE(Store(/*to_be_merged=*/true));
  ASSERT_TRUE(Await([&] {
    const auto listed = As(cast_.steward)->ListPartitions({}, call_);
    return listed.ok() && listed->partitions_size() == 1 && listed->partitions(0).blocks() > 0;
  }));
  ASSERT_NO_FATAL_FAILURE(CollectKeys());

  // Positive controls: the scanner finds what is there, on the disk and in memory, and the keyring
  // opens.
  {
    std::ofstream control(daemon_.data_dir() + "/control-marker");
    control << kControlMarker << std::flush;
  }
  EXPECT_THAT(OnDisk({{"control", kControlMarker}}), UnorderedElementsAre("control"));
  EXPECT_THAT(OnDisk(keys_), UnorderedElementsAre("slot secret")) << "a file, before the shred";
  EXPECT_THAT(InMemory(keys_), IsSupersetOf({"data key"}));
  EXPECT_THAT(OnDisk(Markers()), IsEmpty()) << "plaintext is on the device at no time";

  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_NO_FATAL_FAILURE(CollectBlockKeys());
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_THAT(Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage").rows,
              Not(IsEmpty()));

  TV_ASSERT_OK_AND_ASSIGN(const auto sealed, FindUnder(daemon_.data_dir(), sealed_));
  EXPECT_EQ(sealed.size(), sealed_.size()) << "in the files of the store, before the purge";
  ASSERT_THAT(ExpireIn(2), IsOk());
  AwaitDeadline();
  EXPECT_THAT(Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage").rows, IsEmpty());
  ASSERT_NO_FATAL_FAILURE(AwaitPurge());
  std::cout << "purged " << (SystemClock().Wall() - deadline_).count() / 1'000
            << " ms after the deadline\n";
  ExpectGone();
  TV_ASSERT_OK_AND_ASSIGN(const auto left, FindUnder(daemon_.data_dir(), sealed_));
  EXPECT_THAT(left, IsEmpty()) << "no file holds a byte of the day any more";
  // Keys are locked in memory, and of what is not nothing was swapped; no core can be had of it.
  std::ifstream status(absl::StrCat("/proc/", daemon_.pid(), "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmSwap:")) {
      EXPECT_THAT(line, ::testing::HasSubstr(" 0 kB"));
    }
  }
  ASSERT_THAT(daemon_.Restart(), IsOk());
  ExpectGone();
}

class KilledTest : public ForensicTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(KilledTest, LeavesNoMoreThanARunThatEnds) {
  ASSERT_NO_FATAL_FAILURE(Store());
  ASSERT_NO_FATAL_FAILURE(CollectKeys());
  EXPECT_THAT(InMemory(keys_), IsSupersetOf({"data key"}));
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", GetParam()}}), IsOk());
  (void)ExpireIn(1);  // some of the steps are taken for a new deadline, too
  EXPECT_EQ(daemon_.WaitForEnd(), SIGKILL);
  ASSERT_THAT(daemon_.Start(), IsOk());
  ASSERT_THAT(ExpireIn(1), IsOk());
  AwaitDeadline();
  ASSERT_NO_FATAL_FAILURE(AwaitPurge());
  ExpectGone();
}

INSTANTIATE_TEST_SUITE_P(Steps, KilledTest,
                         ::testing::Values("retention.before_shred", "keyring.generation_durable",
                                           "keyring.anchored", "file.shred.overwritten",
                                           "keyring.slot_destroyed",
                                           "retention.after_shred_recorded",
                                           "retention.after_purge_deletes"),
                         [](const auto& step) {
                           std::string name = step.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace televault::testing
