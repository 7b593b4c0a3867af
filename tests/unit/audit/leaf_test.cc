#include "audit/leaf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::HasSubstr;

const LeafKeyId kKeyId = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

TEST(Leaves, AreLaidOutAsDocumented) {
  const auto leaf = EncodeLeaf({LeafType::kEntry, kKeyId, AsBytes("body")});
  ASSERT_THAT(leaf, IsOk());
  EXPECT_EQ(testing::ToHex(AsBytes(*leaf)), "0102000102030405060708090a0b0c0d0e0f626f6479");
  const std::vector<uint8_t> sealed(kKeyLeafBodyBytes, 0xAB);
  const auto key_leaf = EncodeLeaf({LeafType::kKey, kKeyId, sealed});
  ASSERT_THAT(key_leaf, IsOk());
  EXPECT_EQ(key_leaf->size(), 98u);
  EXPECT_EQ(key_leaf->substr(0, 18), LeafHeader(LeafType::kKey, kKeyId));
}

TEST(Leaves, GoThereAndBackUpToTheLargest) {
  for (const size_t length : {size_t{1}, size_t{80}, kMaxLeafBodyBytes}) {
    const std::vector<uint8_t> body(length, 0x5A);
    const auto bytes = EncodeLeaf({LeafType::kEntry, kKeyId, body});
    ASSERT_THAT(bytes, IsOk());
    EXPECT_LE(bytes->size(), kMaxLeafBytes);
    const auto leaf = ParseLeaf(AsBytes(*bytes));
    ASSERT_THAT(leaf, IsOk());
    EXPECT_EQ(leaf->type, LeafType::kEntry);
    EXPECT_EQ(leaf->key_id, kKeyId);
    EXPECT_TRUE(std::equal(leaf->body.begin(), leaf->body.end(), body.begin(), body.end()));
  }
}

TEST(Leaves, ThatCannotBeStoredAreNotEncoded) {
  const std::vector<uint8_t> too_long(kMaxLeafBodyBytes + 1);
  const std::vector<uint8_t> short_key(kKeyLeafBodyBytes - 1);
  EXPECT_THAT(EncodeLeaf({LeafType::kEntry, kKeyId, {}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(EncodeLeaf({LeafType::kEntry, kKeyId, too_long}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(EncodeLeaf({LeafType::kKey, kKeyId, short_key}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Leaves, DamagedHeadersSayWhichByteIsWrong) {
  const std::string good = EncodeLeaf({LeafType::kEntry, kKeyId, AsBytes("body")}).value();
  const auto message = [](const std::string& bytes) {
    const auto leaf = ParseLeaf(AsBytes(bytes));
    EXPECT_THAT(leaf, StatusIs(absl::StatusCode::kDataLoss));
    return std::string(leaf.status().message());
  };
  EXPECT_THAT(message(good.substr(0, 17)), HasSubstr("17 bytes long"));
  EXPECT_THAT(message(good.substr(0, 18)), HasSubstr("body is empty"));
  EXPECT_THAT(message(std::string(1, 2) + good.substr(1)), HasSubstr("byte 0 (version) is 2"));
  EXPECT_THAT(message(good.substr(0, 1) + std::string(1, 3) + good.substr(2)),
              HasSubstr("byte 1 (type) is 3"));
  EXPECT_THAT(message(good.substr(0, 1) + std::string(1, 1) + good.substr(2)), HasSubstr("80"));
  EXPECT_THAT(message(good + std::string(kMaxLeafBytes, 'x')), HasSubstr("65535"));
}

}  // namespace
}  // namespace televault::audit
