#include "vault/service/access_desk.h"

#include <gtest/gtest.h>

#include "tests/unit/partition/partition_harness.h"

namespace televault::service {
namespace {

using partition::testing::Machine;
using partition::testing::Process;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::SimStore;

TEST(AccessDeskTest, WhoVotesSeesTheParametersAlsoAfterARestart) {
  Machine machine;
  Process process(machine, std::make_unique<SimStore>(std::make_shared<SimDisk>(1)));
  AccessDesk desk(process.meta, machine.random, nullptr);
  AccessDesk::Asked asked;
  asked.sql = "SELECT text FROM d WHERE subject = $1 AND number > $2";
  asked.parameters.resize(2);
  asked.parameters[0].set_string_value("subject-7");
  asked.parameters[1].set_int_value(41);
  asked.grant_s = 600;
  asked.approvals_needed = 2;
  auth::Principal alice;
  alice.person = "alice";
  TV_ASSERT_OK_AND_ASSIGN(AccessDesk::Change change,
                          desk.Request(alice, std::move(asked), machine.clock.Wall()));
  store::CommitUnit unit;
  unit.leaves.resize(1);
  unit.mutations.push_back(std::move(change.mutation));
  ASSERT_THAT(process.journal.Commit(unit), IsOk());

  AccessDesk restarted(process.meta, machine.random, nullptr);
  TV_ASSERT_OK_AND_ASSIGN(const auto view, process.store.Pin());
  ASSERT_THAT(restarted.Load(*view), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto record, restarted.Find(change.record.id()));
  const auto wire = desk.ToWire(record, true, machine.clock.Wall());
  ASSERT_EQ(wire.parameters_size(), 2);
  EXPECT_EQ(wire.parameters(0).string_value(), "subject-7");
  EXPECT_EQ(wire.parameters(1).int_value(), 41);
  EXPECT_EQ(desk.ToWire(record, false, machine.clock.Wall()).parameters_size(), 0)
      << "literals are for the requester and the approvers";
}

}  // namespace
}  // namespace televault::service
