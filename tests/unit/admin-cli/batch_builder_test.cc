#include "admin-cli/ingest/batch_builder.h"

#include <gtest/gtest.h>
#include <set>

namespace televault::cli {
namespace {

v1::Event Event(int64_t number) {
  v1::Event event;
  for (const char* const name : {"alpha", "beta", "gamma", "delta", "epsilon"}) {
    (*event.mutable_fields())[name].set_int_value(number);
  }
  return event;
}

std::vector<NumberedBatch> Build(const BatchOptions& options, int events) {
  BatchBuilder builder(options);
  std::vector<NumberedBatch> batches;
  for (int i = 0; i < events; ++i) {
    builder.Add("cli_usage", Event(i % 10), static_cast<uint64_t>(i + 1), batches);
  }
  for (NumberedBatch& batch : builder.Finish()) batches.push_back(std::move(batch));
  return batches;
}

TEST(BatchBuilderTest, CutsAtTheNumberOfEventsAndKeepsLines) {
  const auto batches = Build({.max_events = 10}, 25);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].lines.size(), 10u);
  EXPECT_EQ(batches[2].lines, (std::vector<uint64_t>{21, 22, 23, 24, 25}));
  EXPECT_EQ(batches[2].request.rows().events_size(), 5);
  EXPECT_EQ(batches[2].request.dataset(), "cli_usage");
}

TEST(BatchBuilderTest, CutsAtBytesAndStillTakesALargeEvent) {
  BatchBuilder builder({.max_events = 100, .max_bytes = 64});
  std::vector<NumberedBatch> full;
  v1::Event large;
  large.set_subject(std::string(200, 's'));
  builder.Add("d", large, 1, full);
  builder.Add("d", large, 2, full);
  EXPECT_EQ(full.size(), 1u);
  EXPECT_EQ(builder.Finish().size(), 1u);
}

TEST(BatchBuilderTest, TheSameInputMakesTheSameIds) {
  const auto first = Build({.max_events = 10}, 25);
  const auto second = Build({.max_events = 10}, 25);
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].request.batch_id(), second[i].request.batch_id());
    EXPECT_EQ(first[i].request.batch_id().size(), 16u);
  }
}

TEST(BatchBuilderTest, EqualBatchesOfOneRunAndOtherRunsHaveOtherIds) {
  std::set<std::string> ids;
  // Twenty events with a period of ten: both batches have the same content.
  for (const auto& batch : Build({.max_events = 10}, 20)) ids.insert(batch.request.batch_id());
  for (const auto& batch : Build({.max_events = 10, .run = "again"}, 20)) {
    ids.insert(batch.request.batch_id());
  }
  EXPECT_EQ(ids.size(), 4u);
}

TEST(BatchBuilderTest, KeepsDatasetsApart) {
  BatchBuilder builder({.max_events = 2});
  std::vector<NumberedBatch> full;
  builder.Add("a", Event(1), 1, full);
  builder.Add("b", Event(2), 2, full);
  builder.Add("a", Event(3), 3, full);
  ASSERT_EQ(full.size(), 1u);
  EXPECT_EQ(full[0].request.dataset(), "a");
  EXPECT_EQ(full[0].lines, (std::vector<uint64_t>{1, 3}));
  const auto rest = builder.Finish();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].request.dataset(), "b");
}

}  // namespace
}  // namespace televault::cli
