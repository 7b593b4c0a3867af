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
  uint64_t changes = 0;
  WallTime deadline{INT64_MAX};
  ReadLease LeaseUntil(int64_t valid_until_us) {
    return ReadLease({.gate = gate,
                      .access = GateAccess::kRows,
                      .scope = {},
                      .valid_until_us = valid_until_us,
                      .caller = [this] { return caller; },
                      .deadlines = {.changes = [this] { return changes; },
                                    .of_day = [this](Day) { return deadline; }}});
  }
};

TEST(ReadLeaseTest, EndsAtTheEarliestDeadlineOfTheDataInTheAnswer) {
  Surroundings around;
  ReadLease lease = around.LeaseUntil(0);
  EXPECT_THAT(lease.Check(), IsOk());
  lease.read_days().Add(Day(1), around.gate.now + microseconds(1));
  lease.read_days().Add(Day(2), around.gate.now + microseconds(2));
  EXPECT_THAT(lease.Check(), IsOk());
  around.gate.now = around.gate.now + microseconds(1);
  EXPECT_THAT(lease.Check(), HasReason(reason::kExpired));
}

// The lease used to hold the deadline as listed: what an answer held in memory left after a shorter
// TTL had destroyed the key of its day.
TEST(ReadLeaseTest, EndsAtADeadlineThatCameForward) {
  Surroundings around;
  ReadLease lease = around.LeaseUntil(0);
  lease.read_days().Add(Day(1), {INT64_MAX});
  EXPECT_THAT(lease.Check(), IsOk());
  around.deadline = around.gate.now;
  ++around.changes;
  EXPECT_THAT(lease.Check(), HasReason(reason::kExpired));
}

// Nobody asks again for a day that is read after the change was seen.
TEST(ReadLeaseTest, ADayIsAddedWithThePresentDeadlineNotTheListedOne) {
  Surroundings around;
  ReadLease lease = around.LeaseUntil(0);
  around.deadline = around.gate.now;
  ++around.changes;
  EXPECT_THAT(lease.Check(), IsOk());
  lease.read_days().Add(Day(1), {INT64_MAX});
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
