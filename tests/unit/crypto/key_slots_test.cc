// What every place for slot secrets keeps to.
#include "vault/crypto/key_slots.h"

#include "tests/unit/crypto/slot_backends.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class KeySlotsTest : public SlotBackendTest {
 protected:
  void SetUp() override {
    SlotBackendTest::SetUp();
    if (backend_ != nullptr) slots_ = backend_->Open();
  }
  std::vector<uint64_t> Listed() {
    const auto listed = slots_->List();
    EXPECT_THAT(listed, IsOk());
    return listed.ok() ? *listed : std::vector<uint64_t>{};
  }
  void ExpectLoads(uint64_t slot, const SecretBytes& secret) {
    const auto loaded = slots_->Load(slot);
    ASSERT_THAT(loaded, IsOk());
    EXPECT_TRUE(EqualSecrets(*loaded, secret));
  }

  SeededRandom random_{1};
  std::unique_ptr<KeySlots> slots_;
};

TEST_P(KeySlotsTest, HandOutWhatTheyMadeUntilItIsDestroyed) {
  EXPECT_EQ(slots_->replicas(), 2u);
  EXPECT_EQ(slots_->kind(), SlotKind::kBestEffort);
  EXPECT_THAT(Listed(), IsEmpty());
  EXPECT_THAT(slots_->Load(7), StatusIs(absl::StatusCode::kNotFound));
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes seventh, slots_->Create(7, random_));
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes twelfth, slots_->Create(12, random_));
  EXPECT_FALSE(EqualSecrets(seventh, twelfth));
  EXPECT_THAT(Listed(), ElementsAre(7, 12));
  slots_ = nullptr;
  slots_ = backend_->Open();
  ExpectLoads(7, seventh);
  ExpectLoads(12, twelfth);
  ASSERT_THAT(slots_->Destroy(7), IsOk());
  EXPECT_THAT(slots_->Load(7), StatusIs(absl::StatusCode::kNotFound));
  ExpectLoads(12, twelfth);
  EXPECT_THAT(Listed(), ElementsAre(12));
  EXPECT_THAT(slots_->Destroy(7), IsOk());
  EXPECT_THAT(slots_->Destroy(99), IsOk());
}

TEST_P(KeySlotsTest, NeverOverwriteOne) {
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots_->Create(1, random_));
  EXPECT_THAT(slots_->Create(1, random_), StatusIs(absl::StatusCode::kAlreadyExists));
  ExpectLoads(1, secret);
}

TEST_P(KeySlotsTest, SurviveTheLossOfEitherReplicaAndRepairIt) {
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots_->Create(3, random_));
  for (const int lost : {0, 1}) {
    backend_->Lose(lost, 3);
    ExpectLoads(3, secret);
    EXPECT_THAT(Listed(), ElementsAre(3));
    ASSERT_THAT(slots_->Repair(3, secret), IsOk());
  }
  backend_->Lose(0, 3);
  backend_->Lose(1, 3);
  EXPECT_THAT(slots_->Load(3), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Listed(), IsEmpty());
}

TEST_P(KeySlotsTest, PassOverDamageAndReplaceIt) {
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots_->Create(3, random_));
  backend_->Damage(0, 3);
  ExpectLoads(3, secret);
  ASSERT_THAT(slots_->Repair(3, secret), IsOk());
  backend_->Lose(1, 3);
  ExpectLoads(3, secret);
}

// A replica of another time, or a secret that somebody put there who knows it: that one was there
// was enough to leave it alone.
TEST_P(KeySlotsTest, ReplaceAnotherSecretUnderTheNumberOfTheirs) {
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots_->Create(3, random_));
  for (const int replica : {0, 1}) {
    backend_->Replace(replica, 3);
    EXPECT_THAT(slots_->Load(3), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("different")));
    TV_ASSERT_OK_AND_ASSIGN(const auto both, slots_->LoadAll(3));
    EXPECT_THAT(both, SizeIs(2));
    ASSERT_THAT(slots_->Repair(3, secret), IsOk());
    ExpectLoads(3, secret);
    backend_->Lose(1 - replica, 3);
    ExpectLoads(3, secret);
    ASSERT_THAT(slots_->Repair(3, secret), IsOk());
  }
}

TEST_P(KeySlotsTest, ListAndDestroyWhatIsHalfMade) {
  for (const int replica : {0, 1}) {
    backend_->HalfMake(replica, 5);
    EXPECT_THAT(Listed(), ElementsAre(5)) << replica;
    EXPECT_THAT(slots_->Load(5), StatusIs(absl::StatusCode::kNotFound));
    ASSERT_THAT(slots_->Destroy(5), IsOk());
    EXPECT_THAT(Listed(), IsEmpty()) << replica;
  }
}

TEST_P(KeySlotsTest, NobodyElsesMarksAreTheirs) {
  const ReplicaId stranger{9};
  EXPECT_THAT(slots_->Ask(stranger), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(slots_->LastAnswer(stranger), StatusIs(absl::StatusCode::kNotFound));
  for (const ReplicaId& id : slots_->marked()) {
    EXPECT_THAT(slots_->Ask(id), IsOk());
    EXPECT_THAT(slots_->LastAnswer(id), IsOk());
  }
  EXPECT_EQ(slots_->marked(), backend_->marked());
}

INSTANTIATE_TEST_SUITE_P(, KeySlotsTest, AllSlotBackends(), BackendName);

}  // namespace
}  // namespace televault::crypto
