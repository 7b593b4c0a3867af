#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"

namespace televault::crypto {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::TempDirectory;

constexpr WallTime kNow{1'795'435'200'000'000};
constexpr PartitionId P(int32_t day) { return {DatasetId(1), Day(day)}; }

// Lets a test step in between wherever random bytes are asked for.
class InterruptedRandom final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    if (const auto call = std::exchange(interrupt, nullptr)) call();
    inner_.Fill(out);
  }
  std::function<void()> interrupt;  // called once; set while no other thread runs

 private:
  SeededRandom inner_{11};
};

class KeyringConcurrencyTest : public ::testing::Test {
 protected:
  SecretBytes Root(uint64_t seed) {
    SeededRandom random(seed);
    return NewKey(random);
  }

  TempDirectory directory_;
  InterruptedRandom random_;
  FileKeySlots slots_{PosixFileSystem(), {directory_.path()}};
  std::unique_ptr<Keyring> keyring_ = Keyring::Create({.fs = PosixFileSystem(),
                                                       .slots = slots_,
                                                       .random = random_,
                                                       .vault = VaultId{{7}},
                                                       .directories = {directory_.path()},
                                                       .on_new_generation = {}},
                                                      {}, Root(1), kNow)
                                          .value();
};

TEST_F(KeyringConcurrencyTest, AVaultThatIsSealedWhileItsRootChangesStaysSealed) {
  ASSERT_THAT(keyring_->EnsureDataKey(P(1), kNow), IsOk());
  random_.interrupt = [this] { keyring_->Seal(); };
  ASSERT_THAT(keyring_->ChangeRoot({}, Root(2), WallTime{9}), IsOk());
  EXPECT_TRUE(keyring_->sealed());
  EXPECT_THAT(keyring_->EnsureDataKey(P(1), kNow), HasReason(reason::kSealed));
  EXPECT_FALSE(keyring_->Unseal(Root(1)).ok());
  ASSERT_THAT(keyring_->Unseal(Root(2)), IsOk());
  EXPECT_THAT(keyring_->EnsureDataKey(P(1), kNow), IsOk());
}

TEST_F(KeyringConcurrencyTest, CallersThatOpenAKeyAtOnceShareOneCopy) {
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef made, keyring_->EnsureDataKey(P(1), kNow));
  const KeyId id = made->id;
  constexpr int kThreads = 4;
  for (int round = 0; round < 50; ++round) {
    keyring_->Seal();  // forgets the opened copies
    ASSERT_THAT(keyring_->Unseal(Root(1)), IsOk());
    std::vector<DataKeyRef> keys(kThreads);
    {
      std::latch start(kThreads);
      std::vector<std::jthread> threads;
      for (DataKeyRef& key : keys) {
        threads.emplace_back([&, this] {
          start.arrive_and_wait();
          key = keyring_->DataKeyFor(P(1), id).value();
        });
      }
    }
    for (const DataKeyRef& key : keys) ASSERT_EQ(key, keys[0]) << "round " << round;
  }
}

TEST_F(KeyringConcurrencyTest, KeysOpenAllTheTimeWhileTheRootChanges) {
  // More than are kept open, so that reading them in turn opens each one anew.
  constexpr int32_t kKeys = 600;
  std::vector<std::pair<PartitionId, WallTime>> wanted;
  for (int32_t day = 0; day < kKeys; ++day) wanted.emplace_back(P(day), kNow);
  ASSERT_THAT(keyring_->EnsureDataKeys(wanted), IsOk());
  const std::vector<DataKeyInfo> infos = keyring_->AllDataKeys();
  std::atomic<bool> done{false};
  std::vector<std::jthread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, this] {
      for (size_t i = 0; !done; ++i) {
        const DataKeyInfo& info = infos[i % infos.size()];
        ASSERT_THAT(keyring_->DataKeyFor(info.partition, info.id), IsOk());
        ASSERT_THAT(keyring_->SubjectSalt(DatasetId(1), 1), IsOk());
      }
    });
  }
  for (uint64_t change = 2; change < 12; ++change) {
    EXPECT_THAT(keyring_->ChangeRoot({}, Root(change), WallTime{9}), IsOk());
    // Forgets the salt that is kept open.
    ShredRequest request;
    request.partitions = {P(static_cast<int32_t>(kKeys + change))};
    request.salts = {{DatasetId(2), 1}};
    ASSERT_THAT(keyring_->SubjectSalt(DatasetId(2), 1), IsOk());
    EXPECT_THAT(keyring_->Shred(request), IsOk());
  }
  done = true;
}

}  // namespace
}  // namespace televault::crypto
