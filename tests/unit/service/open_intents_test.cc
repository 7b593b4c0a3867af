#include "vault/service/open_intents.h"

#include <gtest/gtest.h>

namespace televault::service {
namespace {

TEST(OpenIntentsTest, OldestIsBeforeEveryIntentThatMayBeOpen) {
  uint64_t size = 5;
  OpenIntents open([&] { return size; });
  EXPECT_EQ(open.Oldest(), 5u);
  const uint64_t first = open.Announce();
  size = 9;
  EXPECT_EQ(open.Oldest(), 5u) << "it may stand at 5 already";
  open.Stands(first, 7);
  EXPECT_EQ(open.Oldest(), 7u);
  const uint64_t second = open.Announce();
  const uint64_t third = open.Announce();
  open.Stands(second, 9);
  open.Close(7);
  EXPECT_EQ(open.Oldest(), 9u);
  open.Withdraw(third);
  open.Close(9);
  size = 12;
  EXPECT_EQ(open.Oldest(), 12u);
  open.Close(3);  // of an earlier run
  EXPECT_EQ(open.Oldest(), 12u);
}

}  // namespace
}  // namespace televault::service
