#include "vault/base/work_pool.h"

#include <atomic>
#include <gtest/gtest.h>
#include <latch>

#include "tests/support/status_matchers.h"

namespace televault {
namespace {

using testing::HasReason;
using testing::IsOk;

TEST(WorkPool, RefusesBeyondItsBoundAndRunsAllItAccepted) {
  std::atomic<int> ran = 0;
  std::latch release(1);
  std::latch started(1);
  {
    WorkPool pool(1, 2);
    ASSERT_THAT(pool.Submit([&] {
      started.count_down();
      release.wait();
      ++ran;
    }),
                IsOk());
    started.wait();
    ASSERT_THAT(pool.Submit([&] { ++ran; }), IsOk());
    ASSERT_THAT(pool.Submit([&] { ++ran; }), IsOk());
    EXPECT_THAT(pool.Submit([&] { ++ran; }), HasReason(reason::kOverloaded));
    release.count_down();
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace televault
