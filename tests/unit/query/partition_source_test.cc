#include "vault/query/partition_source.h"

#include <gtest/gtest.h>

#include "tests/support/memory_source.h"
#include "tests/support/no_erasures.h"
#include "tests/unit/partition/partition_harness.h"

namespace televault::query {
namespace {

using partition::testing::Machine;
using partition::testing::Process;
using televault::testing::HasReason;
using televault::testing::IsOk;

class PartitionSourceTest : public ::testing::Test {
 protected:
  PartitionSourceTest() {
    schema_.dataset = day_.dataset;
    gate_.now = machine_.clock.Wall();
  }

  Machine machine_;
  const PartitionId day_ = machine_.Today();
  Process process_{machine_, std::make_unique<televault::testing::SimStore>(
                                 std::make_shared<televault::testing::SimDisk>(1))};
  televault::testing::FakeGate gate_;
  catalog::Schema schema_;
  televault::testing::NoErasures erasures_;
  partition::PartitionReader reader_{process_.store,    process_.meta, *machine_.keyring,
                                     *process_.catalog, gate_,         machine_.vault};
};

// Days were skipped by the time that follows a jump of the clock and listed as refused by the one
// that does not: days between the two were in neither.
TEST_F(PartitionSourceTest, ADayThatAJumpOfTheClockSkipsIsListedAsRefused) {
  ASSERT_THAT(process_.Append(day_, 0, 10), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, reader_.Pin());
  PartitionSource source(*snapshot, schema_, *process_.catalog, gate_, erasures_, Mode::kRows);
  TV_ASSERT_OK_AND_ASSIGN(const Listing readable, source.List({}));
  EXPECT_EQ(readable.units.size(), 1u);
  EXPECT_TRUE(readable.refusals.empty());

  gate_.steady = gate_.now;
  gate_.now = process_.catalog->Find(day_)->deadline;
  TV_ASSERT_OK_AND_ASSIGN(const Listing jumped, source.List({}));
  EXPECT_TRUE(jumped.units.empty());
  ASSERT_EQ(jumped.refusals.size(), 1u);
  EXPECT_EQ(jumped.refusals[0].day, day_.day);
  EXPECT_EQ(jumped.refusals[0].reason, reason::kExpired);
}

// It refused every query over its dataset, whatever days that was about.
TEST_F(PartitionSourceTest, ADayInQuarantineRefusesNoOtherDay) {
  const PartitionId damaged{day_.dataset, Day(day_.day.value() - 1)};
  ASSERT_THAT(process_.Append(day_, 0, 10), IsOk());
  ASSERT_THAT(process_.Append(damaged, 0, 10), IsOk());
  ASSERT_TRUE(process_.catalog->OnQuarantined(damaged));
  TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, reader_.Pin());
  PartitionSource source(*snapshot, schema_, *process_.catalog, gate_, erasures_, Mode::kRows);
  EXPECT_THAT(source.List({}), HasReason(reason::kQuarantined));
  EXPECT_THAT(source.List({.end = StartOf(day_.day)}), HasReason(reason::kQuarantined));
  TV_ASSERT_OK_AND_ASSIGN(const Listing rest, source.List({.begin = StartOf(day_.day)}));
  EXPECT_EQ(rest.units.size(), 1u);
  EXPECT_EQ(rest.partitions, 2u);
  EXPECT_EQ(rest.partitions_pruned, 1u);
  TV_ASSERT_OK_AND_ASSIGN(const Listing none,
                          source.List({.begin = StartOf(day_.day), .end = StartOf(day_.day)}));
  EXPECT_TRUE(none.units.empty());
}

}  // namespace
}  // namespace televault::query
