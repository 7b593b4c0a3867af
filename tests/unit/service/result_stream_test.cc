#include "vault/service/result_stream.h"

#include <gtest/gtest.h>

namespace televault::service {
namespace {

query::ExecStats SomeStats() {
  query::ExecStats stats;
  stats.rows_scanned = 1'000;
  stats.partitions_read = 3;
  stats.partitions_pruned = 4;
  stats.blocks_read = 5;
  stats.blocks_pruned = 6;
  stats.suppressed_groups = 7;
  stats.groups_withheld = true;
  stats.suppressed_cells = 8;
  stats.approximate = true;
  stats.refusals.push_back({Day(20'000), "EXPIRED"});
  return stats;
}

TEST(TrailerTest, SaysNothingAboutTheWorkBehindAnAggregateAnswer) {
  const v1::QueryTrailer trailer = TrailerFor(auth::AccessMode::kAggregate, SomeStats(), 2, 900);
  EXPECT_EQ(trailer.rows(), 2u);
  EXPECT_TRUE(trailer.approximate());
  EXPECT_EQ(trailer.refusals_size(), 1);
  EXPECT_EQ(trailer.rows_scanned(), 0u);
  EXPECT_EQ(trailer.partitions_read(), 0u);
  EXPECT_EQ(trailer.partitions_pruned(), 0u);
  EXPECT_EQ(trailer.blocks_read(), 0u);
  EXPECT_EQ(trailer.blocks_pruned(), 0u);
  EXPECT_EQ(trailer.duration_us(), 0u);
}

// It used to say how many groups were withheld: one group for each value of a field, and the
// exact number of rare ones was in the trailer.
TEST(TrailerTest, SaysThatSomethingIsWithheldAndNotHowMuch) {
  const auto said = [](uint64_t groups, uint64_t cells) {
    query::ExecStats stats;
    stats.groups_withheld = groups > 0;
    stats.suppressed_groups = groups;
    stats.suppressed_cells = cells;
    return TrailerFor(auth::AccessMode::kAggregate, stats, 2, 900).SerializeAsString();
  };
  EXPECT_EQ(said(2, 1), said(900, 70));
  EXPECT_NE(said(0, 1), said(0, 0));
  EXPECT_NE(said(1, 0), said(0, 0));
}

TEST(TrailerTest, SaysWhatARowAnswerTook) {
  const v1::QueryTrailer trailer = TrailerFor(auth::AccessMode::kRows, SomeStats(), 2, 900);
  EXPECT_EQ(trailer.rows_scanned(), 1'000u);
  EXPECT_EQ(trailer.partitions_pruned(), 4u);
  EXPECT_EQ(trailer.blocks_pruned(), 6u);
  EXPECT_EQ(trailer.duration_us(), 900u);
}

}  // namespace
}  // namespace televault::service
