#include "vault/incident/lock_file_store.h"

#include <fstream>

#include "tests/support/fake_clock.h"
#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"

namespace televault::incident {
namespace {

namespace v1 = ::televault::v1;
using testing::IsOk;

constexpr VaultId kVault{{3}};

// The manager on the real lock file, with power cuts.
class LockFileStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(control::LockFile::Create(fs_, path_, key_, kVault, random_), IsOk());
  }

  std::unique_ptr<LockdownManager> Start() {
    auto file = control::LockFile::Open(fs_, path_, key_, kVault, random_);
    std::unique_ptr<LockStateStore> store;
    if (file.ok()) store = std::make_unique<LockFileStore>(*std::move(file));
    return std::make_unique<LockdownManager>(LockdownManager::Options{
        .clock = clock_, .random = random_, .store = std::move(store), .sealed = false});
  }

  static EngageOptions Reads(std::string dataset) {
    return {.level = v1::LOCKDOWN_LEVEL_READS,
            .scope = v1::SCOPE_KIND_DATASET,
            .scope_name = std::move(dataset),
            .reason = std::string(limits::kMaxReasonBytes, 'r'),
            .incident = std::string(limits::kMaxNameBytes, 'i'),
            .engaged_by = std::string(limits::kMaxNameBytes, 'p')};
  }

  testing::TempDirectory dir_;
  testing::LossyFileSystem fs_;
  testing::FakeClock clock_;
  testing::SeededRandom random_{1};
  const SecretBytes key_ = crypto::NewKey(random_);
  const std::string path_ = dir_.Path("lock");
};

TEST_F(LockFileStoreTest, AFreshVaultStartsOpenAndDurable) {
  const auto manager = Start();
  EXPECT_THAT(manager->Check(GateAccess::kRows, {}), IsOk());
  EXPECT_TRUE(manager->durable());
}

TEST_F(LockFileStoreTest, AnAcknowledgedLockdownSurvivesAPowerCut) {
  auto manager = Start();
  const auto engaged = manager->Engage(Reads("d"));
  ASSERT_THAT(engaged, IsOk());
  EXPECT_TRUE(engaged->durable);
  manager.reset();
  fs_.PowerCut();
  manager = Start();
  EXPECT_FALSE(manager->Check(GateAccess::kAggregates, {.dataset = "d"}).ok());
  EXPECT_THAT(manager->Check(GateAccess::kIngest, {.dataset = "d"}), IsOk());
}

TEST_F(LockFileStoreTest, AsManyLockdownsAsThereCanBeFitTheFile) {
  auto manager = Start();
  for (size_t i = 0; i <= limits::kMaxScopedLockdowns; ++i) {
    EngageOptions options = Reads(std::string(limits::kMaxNameBytes - 2, 'd') + std::to_string(i));
    options.scope_name.resize(limits::kMaxNameBytes, '0');
    const auto engaged = manager->Engage(options);
    ASSERT_THAT(engaged, IsOk());
    ASSERT_TRUE(engaged->durable) << i;
  }
  for (size_t i = 0; i < limits::kMaxWideLockdowns + 4; ++i) {
    EngageOptions options = Reads("");
    options.scope = v1::SCOPE_KIND_EVERYTHING;
    options.engaged_by = std::string(limits::kMaxNameBytes - 2, 'q') + std::to_string(i);
    const auto engaged = manager->Engage(options);
    ASSERT_THAT(engaged, IsOk());
    ASSERT_TRUE(engaged->durable) << i;
  }
}

TEST_F(LockFileStoreTest, ADamagedFileStartsLockedAtAll) {
  Start().reset();
  fs_.PowerCut();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40);
    file.write("damage", 6);
  }
  const auto manager = Start();
  EXPECT_FALSE(manager->Check(GateAccess::kIngest, {}).ok());
  EXPECT_EQ(manager->Status().level(), v1::LOCKDOWN_LEVEL_ALL);
}

}  // namespace
}  // namespace televault::incident
