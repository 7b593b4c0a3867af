#include "vault/base/bytes.h"

#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace televault {
namespace {

using testing::IsOk;
using testing::StatusIs;

TEST(Bytes, IntegersRoundTripInBothOrders) {
  std::string out;
  PutBigEndian<uint32_t>(out, 0x01020304);
  PutLittleEndian<int64_t>(out, -2);
  EXPECT_EQ(out.substr(0, 4), std::string("\x01\x02\x03\x04"));
  ByteReader reader(AsBytes(out));
  TV_ASSERT_OK_AND_ASSIGN(const auto big, reader.BigEndian<uint32_t>());
  TV_ASSERT_OK_AND_ASSIGN(const auto little, reader.LittleEndian<int64_t>());
  EXPECT_EQ(big, 0x01020304u);
  EXPECT_EQ(little, -2);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(Bytes, ReadingPastTheEndIsDataLoss) {
  ByteReader reader(AsBytes("abc"));
  EXPECT_THAT(reader.LittleEndian<uint32_t>(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(reader.Take(3), IsOk());
  EXPECT_THAT(reader.Take(1), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(Bytes, APrefixEndsWithAWholeCharacter) {
  EXPECT_EQ(Utf8Prefix("abc", 3), "abc");
  EXPECT_EQ(Utf8Prefix("abc", 2), "ab");
  EXPECT_EQ(Utf8Prefix("aß€😀", 10), "aß€😀");
  EXPECT_EQ(Utf8Prefix("aß€😀", 9), "aß€");
  EXPECT_EQ(Utf8Prefix("aß€😀", 5), "aß");
  EXPECT_EQ(Utf8Prefix("aß", 2), "a");
  EXPECT_EQ(Utf8Prefix("😀", 3), "");
  EXPECT_EQ(Utf8Prefix("", 0), "");
}

TEST(Bytes, HexRefusesOddLengthAndOtherCharacters) {
  EXPECT_EQ(ToHex(AsBytes(std::string("\x00\xff", 2))), "00ff");
  TV_ASSERT_OK_AND_ASSIGN(const std::string raw, FromHex("00FF"));
  EXPECT_EQ(raw, std::string("\x00\xff", 2));
  EXPECT_THAT(FromHex("0"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FromHex("0g"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FromHex(""), IsOk());
}

}  // namespace
}  // namespace televault
