#include "vault/backup/restore_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/hash.h"

namespace televault::backup {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;

class RestoreOrderTest : public ::testing::Test {
 protected:
  RestoreOrder TheOrder() const {
    RestoreOrder order;
    order.vault.bytes.fill(3);
    order.made_at = {1'795'428'000'123'456};
    order.head = {12, audit::LeafHash(AsBytes("a"))};
    order.anchored = true;
    order.anchor_commits = 40;
    order.anchor = {44, audit::LeafHash(AsBytes("b"))};
    order.commits = 11;
    order.meta_sum.fill(6);
    order.control_generation = 7;
    order.anchor_control_generation = 5;
    order.store_epoch = StoreEpoch(9);
    order.lock_epoch = LockEpoch(2);
    order.keyring_generation = 17;
    order.accepted = "the disk\nburnt – really";
    order.by = "uid 0";
    return order;
  }
  testing::SeededRandom random_{4};
  const SecretBytes key_ = crypto::NewKey(random_);
};

TEST_F(RestoreOrderTest, IsReadAsItWasWritten) {
  for (const bool plain : {true, false}) {
    RestoreOrder order = TheOrder();
    if (plain) order = {};
    order.adopted = order.put_back = !plain;
    order.follows = plain;
    TV_ASSERT_OK_AND_ASSIGN(const RestoreOrder read, ParseOrder(FormatOrder(order, key_), key_));
    EXPECT_EQ(read, order);
  }
}

TEST_F(RestoreOrderTest, NoOtherKeyAndNoOtherByteIsTaken) {
  const std::string text = FormatOrder(TheOrder(), key_);
  EXPECT_THAT(ParseOrder(text, crypto::NewKey(random_)), StatusIs(absl::StatusCode::kDataLoss));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_THAT(ParseOrder(changed, key_), StatusIs(absl::StatusCode::kDataLoss)) << i;
    EXPECT_THAT(ParseOrder(text.substr(0, i), key_), StatusIs(absl::StatusCode::kDataLoss)) << i;
  }
}

TEST_F(RestoreOrderTest, AcceptsWhatWasKnownAndOnce) {
  const RestoreOrder order = TheOrder();
  FoundAtStart found{.anchor = store::AnchorState{.seq = 40,
                                                  .tree_size = 44,
                                                  .root = order.anchor.root,
                                                  .keyring_generation = 17,
                                                  .control_generation = 5},
                     .keyring_generation = 17,
                     .control_generation = 7};
  EXPECT_TRUE(AcceptsLostHistory(order, found));
  const auto with = [&](auto change) {
    RestoreOrder other = order;
    change(other);
    return AcceptsLostHistory(other, found);
  };
  EXPECT_FALSE(with([](RestoreOrder& other) { other.accepted = ""; }));
  EXPECT_FALSE(with([](RestoreOrder& other) { other.started = true; })) << "it was used";
  EXPECT_FALSE(with([](RestoreOrder& other) { other.anchored = false; })) << "it came since";
  EXPECT_FALSE(with([](RestoreOrder& other) { other.anchor_commits = 41; }));
  EXPECT_FALSE(with([](RestoreOrder& other) { other.anchor.size = 45; }));
  EXPECT_FALSE(with([](RestoreOrder& other) { other.anchor.root[0] ^= 1; }));
  EXPECT_FALSE(with([](RestoreOrder& other) { other.keyring_generation = 18; }));
  EXPECT_FALSE(with([](RestoreOrder& other) { other.control_generation = 8; }));
  found.anchor->keyring_generation = 18;
  EXPECT_FALSE(AcceptsLostHistory(order, found));
  found.anchor->keyring_generation = 17;
  found.anchor->control_generation = 8;
  EXPECT_FALSE(AcceptsLostHistory(order, found)) << "control files older than the anchor";
  found.anchor = std::nullopt;
  EXPECT_FALSE(AcceptsLostHistory(order, found)) << "it went since";
  EXPECT_TRUE(with([](RestoreOrder& other) { other.anchored = false; }));
  found.keyring_generation = 18;
  EXPECT_FALSE(with([](RestoreOrder& other) { other.anchored = false; })) << "it was followed";
}

TEST_F(RestoreOrderTest, AcceptsOlderControlFilesOnlyAsTheyWerePutBack) {
  RestoreOrder order = TheOrder();
  order.control_generation = 3;  // of which the anchor saw 5
  const auto accepts = [&](uint64_t control, uint64_t anchored) {
    return AcceptsLostHistory(order, {.anchor = store::AnchorState{.seq = 40,
                                                                   .tree_size = 44,
                                                                   .root = order.anchor.root,
                                                                   .control_generation = anchored},
                                      .keyring_generation = 17,
                                      .control_generation = control});
  };
  EXPECT_TRUE(accepts(3, 5));
  EXPECT_FALSE(accepts(2, 5));
  EXPECT_FALSE(accepts(4, 5));
  EXPECT_FALSE(accepts(5, 5));
  EXPECT_FALSE(accepts(3, 6));
  EXPECT_FALSE(accepts(3, 4));
}

TEST_F(RestoreOrderTest, LiesInTheStoreUntilItIsRemoved) {
  testing::TempDirectory directory;
  FileSystem& fs = PosixFileSystem();
  TV_ASSERT_OK_AND_ASSIGN(const auto none, ReadOrder(fs, directory.path(), key_));
  EXPECT_FALSE(none.has_value());
  ASSERT_THAT(WriteOrder(fs, directory.path(), TheOrder(), key_), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto found, ReadOrder(fs, directory.path(), key_));
  EXPECT_EQ(found, TheOrder());
  ASSERT_THAT(RemoveOrder(fs, directory.path()), IsOk());
  ASSERT_THAT(RemoveOrder(fs, directory.path()), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto gone, ReadOrder(fs, directory.path(), key_));
  EXPECT_FALSE(gone.has_value());
}

}  // namespace
}  // namespace televault::backup
