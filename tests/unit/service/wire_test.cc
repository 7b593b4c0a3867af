#include <vector>

#include "tests/support/status_matchers.h"
#include "vault/service/paging.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

using televault::testing::StatusIs;

TEST(WireTime, FloorsBeforeTheEpochAndStaysInProtobufsRange) {
  EXPECT_EQ(ToWireTime(-1).seconds(), -1);
  EXPECT_EQ(ToWireTime(-1).nanos(), 999'999'000);
  EXPECT_EQ(ToWireTime(1'500'000).seconds(), 1);
  EXPECT_EQ(ToWireTime(1'500'000).nanos(), 500'000'000);
  EXPECT_EQ(ToWireTime(INT64_MAX).seconds(), 253'402'300'799);
  EXPECT_EQ(ToWireTime(INT64_MIN).seconds(), -62'135'596'800);
}

TEST(Paging, PagesCoverEveryItemOnce) {
  const std::vector<int> items = {1, 2, 3, 4, 5};
  std::vector<int> seen;
  std::string token;
  do {
    TV_ASSERT_OK_AND_ASSIGN(const Page page, ParsePage(2, token));
    token = EachOnPage(items, page, [&](int item) { seen.push_back(item); });
  } while (!token.empty());
  EXPECT_EQ(seen, items);
}

TEST(Paging, RefusesForeignTokensAndHugePages) {
  EXPECT_THAT(ParsePage(1'001, ""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParsePage(0, "abc"), StatusIs(absl::StatusCode::kInvalidArgument));
  TV_ASSERT_OK_AND_ASSIGN(const Page beyond, ParsePage(0, "99"));
  EXPECT_EQ(EachOnPage(std::vector<int>{1}, beyond, [](int) { FAIL(); }), "");
}

}  // namespace
}  // namespace televault::service
