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
  stats.approximate = true;
  stats.refusals.push_back({Day(20'000), "EXPIRED"});
  return stats;
}

TEST(TrailerTest, SaysNothingAboutTheWorkBehindAnAggregateAnswer) {
  const v1::QueryTrailer trailer = TrailerFor(auth::AccessMode::kAggregate, SomeStats(), 2, 900);
  EXPECT_EQ(trailer.rows(), 2u);
  EXPECT_EQ(trailer.suppressed_groups(), 7u);
  EXPECT_TRUE(trailer.approximate());
  EXPECT_EQ(trailer.refusals_size(), 1);
  EXPECT_EQ(trailer.rows_scanned(), 0u);
  EXPECT_EQ(trailer.partitions_read(), 0u);
  EXPECT_EQ(trailer.partitions_pruned(), 0u);
  EXPECT_EQ(trailer.blocks_read(), 0u);
  EXPECT_EQ(trailer.blocks_pruned(), 0u);
  EXPECT_EQ(trailer.duration_us(), 0u);
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
