#include "auth/dataset_policy.h"
#include "tests/support/status_matchers.h"

namespace televault::auth {
namespace {

using testing::IsOk;
using testing::StatusIs;

TEST(MaskTest, EveryMaskReadsBackAsItIsWritten) {
  for (const std::string text :
       {"visible", "hidden", "hash", "year", "truncate(1)", "truncate(3)", "truncate(65535)"}) {
    const auto mask = ParseMask(text);
    ASSERT_THAT(mask, IsOk()) << text;
    EXPECT_EQ(FormatMask(*mask), text);
  }
}

TEST(MaskTest, AnythingElseIsRefused) {
  for (const std::string text :
       {"", "Visible", "truncate", "truncate()", "truncate(0)", "truncate(03)", "truncate(65536)",
        "truncate(-1)", "truncate(3", "truncate(3))", "truncate( 3)", "truncate(99999999999)",
        "truncate(3)x", " hash"}) {
    EXPECT_THAT(ParseMask(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(MaskTest, WhatIsNotSetIsHidden) {
  EXPECT_EQ(FormatMask(Mask{}), "hidden");
  EXPECT_EQ(FormatMask(Mask{static_cast<Mask::Kind>(99), 0}), "hidden");
}

TEST(ModeTest, NamesAreThoseOfTheManifest) {
  EXPECT_EQ(ModeName(AccessMode::kAggregate), "aggregate");
  EXPECT_EQ(ModeName(AccessMode::kRows), "rows");
  EXPECT_EQ(ModeName(AccessMode::kDifferentialPrivacy), "dp");
  EXPECT_EQ(ModeName(AccessMode::kUnspecified), "");
}

}  // namespace
}  // namespace televault::auth
