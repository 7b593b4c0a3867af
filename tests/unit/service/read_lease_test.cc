#include "vault/service/read_lease.h"

#include <gtest/gtest.h>

#include "tests/support/memory_source.h"
#include "tests/support/status_matchers.h"

namespace televault::service {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;

struct Surroundings {
  testing::FakeGate gate;
  absl::Status caller;
  ReadLease LeaseUntil(int64_t valid_until_us) {
    return ReadLease({.gate = gate,
                      .access = GateAccess::kRows,
                      .scope = {},
                      .valid_until_us = valid_until_us,
                      .caller = [this] { return caller; }});
  }
};

TEST(ReadLeaseTest, EndsAtTheEarliestDeadlineOfTheDataInTheAnswer) {
  Surroundings around;
  ReadLease lease = around.LeaseUntil(0);
  EXPECT_THAT(lease.Check(), IsOk());
  lease.earliest_deadline() = around.gate.now.micros + 1;
  EXPECT_THAT(lease.Check(), IsOk());
  around.gate.now = around.gate.now + microseconds(1);
  EXPECT_THAT(lease.Check(), HasReason(reason::kExpired));
}

TEST(ReadLeaseTest, EndsWithTheGrant) {
  Surroundings around;
  const ReadLease lease = around.LeaseUntil(around.gate.now.micros + 1);
  EXPECT_THAT(lease.Check(), IsOk());
  around.gate.now = around.gate.now + microseconds(1);
  EXPECT_THAT(lease.Check(), HasReason(reason::kExpired));
}

// A wall clock that jumps ahead moves what may be read, not the end of a grant.
TEST(ReadLeaseTest, AGrantEndsByTheTimeItWasDecidedBy) {
  Surroundings around;
  around.gate.steady = around.gate.now;
  const ReadLease lease = around.LeaseUntil(around.gate.now.micros + 10);
  around.gate.now = around.gate.now + microseconds(1'000);
  EXPECT_THAT(lease.Check(), IsOk());
  around.gate.steady = *around.gate.steady + microseconds(10);
  EXPECT_THAT(lease.Check(), HasReason(reason::kExpired));
}

TEST(ReadLeaseTest, EndsWithTheTokenAndAtALockdown) {
  Surroundings around;
  const ReadLease lease = around.LeaseUntil(0);
  around.caller = WithReason(absl::UnauthenticatedError("revoked"), reason::kUnauthenticated);
  EXPECT_THAT(lease.Check(), HasReason(reason::kUnauthenticated));
  around.gate.shut = true;
  EXPECT_THAT(lease.Check(), HasReason(reason::kLockedDown));
}

}  // namespace
}  // namespace televault::service
