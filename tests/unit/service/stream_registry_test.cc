#include "vault/service/stream_registry.h"

#include <gtest/gtest.h>

namespace televault::service {
namespace {

TEST(StreamRegistry, WakesAndCountsOnlyWhatTheGateRefuses) {
  StreamRegistry registry;
  int woken = 0;
  StreamRegistry::Entry refused(
      registry, {[] { return absl::UnavailableError("locked"); }, [&] { ++woken; }});
  const StreamRegistry::Entry allowed(
      registry, {[] { return absl::OkStatus(); }, [] { FAIL() << "must not be woken"; }});
  {
    const StreamRegistry::Entry gone(
        registry, {[] { return absl::UnavailableError("locked"); }, [&] { woken += 100; }});
  }
  registry.CutRefused();
  EXPECT_EQ(registry.cut(), 1u);
  EXPECT_EQ(woken, 1);
  refused.Ended(WithReason(absl::UnavailableError("locked"), reason::kLockedDown));
  registry.CutRefused();
  EXPECT_EQ(registry.cut(), 1u) << "each is counted once";
}

TEST(StreamRegistry, AStreamThatSawTheLockdownItselfWasCutToo) {
  StreamRegistry registry;
  const StreamRegistry::Stream stream{[] { return absl::OkStatus(); }, [] {}};
  StreamRegistry::Entry(registry, stream).Ended(absl::OkStatus());
  StreamRegistry::Entry(registry, stream).Ended(absl::CancelledError("gone"));
  EXPECT_EQ(registry.cut(), 0u);
  StreamRegistry::Entry(registry, stream)
      .Ended(WithReason(absl::UnavailableError("locked"), reason::kLockedDown));
  registry.CutRefused();
  EXPECT_EQ(registry.cut(), 1u);
}

}  // namespace
}  // namespace televault::service
