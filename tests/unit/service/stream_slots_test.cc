#include "vault/service/stream_slots.h"

#include <gtest/gtest.h>
#include <vector>

#include "tests/support/status_matchers.h"

namespace televault::service {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;

TEST(StreamSlotsTest, AreBoundedInTotalAndPerTokenAndComeBack) {
  StreamSlots slots(3, 2);
  std::vector<absl::StatusOr<std::unique_ptr<StreamSlots::Slot>>> held;
  held.push_back(slots.Take("a"));
  held.push_back(slots.Take("a"));
  EXPECT_THAT(held.back(), IsOk());
  EXPECT_THAT(slots.Take("a").status(), HasReason(reason::kOverloaded));
  held.push_back(slots.Take("b"));
  EXPECT_THAT(held.back(), IsOk());
  EXPECT_THAT(slots.Take("c").status(), HasReason(reason::kOverloaded));
  held.erase(held.begin());
  EXPECT_THAT(slots.Take("c"), IsOk());
  EXPECT_THAT(slots.Take("a"), IsOk());
}

}  // namespace
}  // namespace televault::service
