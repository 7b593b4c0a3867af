#include "vault/service/stream_registry.h"

#include <gtest/gtest.h>

namespace televault::service {
namespace {

TEST(StreamRegistry, WakesAndCountsOnlyWhatTheGateRefuses) {
  StreamRegistry registry;
  int woken = 0;
  const StreamRegistry::Entry refused(
      registry, {[] { return absl::UnavailableError("locked"); }, [&] { ++woken; }});
  const StreamRegistry::Entry allowed(
      registry, {[] { return absl::OkStatus(); }, [] { FAIL() << "must not be woken"; }});
  {
    const StreamRegistry::Entry gone(
        registry, {[] { return absl::UnavailableError("locked"); }, [&] { woken += 100; }});
  }
  EXPECT_EQ(registry.CutRefused(), 1u);
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace televault::service
