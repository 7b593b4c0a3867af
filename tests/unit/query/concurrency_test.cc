#include <atomic>
#include <thread>

#include "tests/unit/query/query_fixture.h"

namespace televault::query {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using Table = std::vector<std::vector<std::string>>;

// A gate that other threads shut while a query runs.
class LiveGate final : public Gate {
 public:
  absl::Status Check(GateAccess, const GateScope&) const override {
    if (!shut) return absl::OkStatus();
    return WithReason(absl::UnavailableError("lockdown"), reason::kLockedDown);
  }
  LockEpoch epoch() const override { return LockEpoch(epoch_number); }
  WallTime ReadTime() const override { return {now_us}; }

  std::atomic<bool> shut = false;
  std::atomic<uint64_t> epoch_number = 1;
  std::atomic<int64_t> now_us = kDay0 + 30 * kMicrosPerDay;
};

constexpr char kGroups[] =
    "SELECT command, count(*), count(DISTINCT subject), sum(count_of), min(count_of), "
    "max(count_of) FROM events WHERE count_of >= 3 GROUP BY command ORDER BY command";
constexpr char kRows[] = "SELECT subject, command, seconds FROM events WHERE count_of % 7 = 3";
constexpr char kSorted[] =
    "SELECT subject, command, seconds FROM events WHERE count_of % 7 = 3 ORDER BY seconds, command";

class QueryConcurrencyTest : public ::testing::TestWithParam<const char*> {
 protected:
  QueryConcurrencyTest() {
    for (int day = 0; day < 16; ++day) {
      std::vector<testing::Event> events;
      for (int i = 0; i < 5'000; ++i) {
        const std::string command = "command " + std::to_string((i + day) % 40);
        events.push_back(EventOf(i % 60, command.c_str(), i, kDay0 + day * kMicrosPerDay + i));
      }
      bench_.source.Add(testing::ToBatch(events));
    }
  }
  absl::Status Run(size_t threads, Table* table = nullptr) {
    TV_ASSIGN_OR_RETURN(const Plan plan, bench_.PlanOf(GetParam()));
    const ExecContext context{.gate = gate_,
                              .scope = {},
                              .clock = bench_.clock,
                              .deadline = {INT64_MAX},
                              .cancelled = &cancelled_,
                              .threads = threads};
    const auto sink = [this, table](v1::QueryBatch batch) {
      for (int row = 0; table != nullptr && row < static_cast<int>(batch.rows()); ++row) {
        table->emplace_back();
        for (const v1::ColumnData& data : batch.columns()) {
          table->back().push_back(Bench::Cell(data, row));
        }
      }
      return sink_status_;
    };
    return Execute(plan, bench_.source, context, sink, nullptr);
  }
  // Runs queries on two threads until `change` was made under them and each of them has told of it.
  template <class Change>
  std::vector<absl::Status> Interrupt(const Change& change) {
    std::vector<absl::Status> ends(2);
    std::atomic<int> finished{0};
    std::vector<std::jthread> callers;
    for (absl::Status& end : ends) {
      callers.emplace_back([this, &end, &finished] {
        while (end.ok()) {
          end = Run(3);
          ++finished;
        }
      });
    }
    while (finished < 2) std::this_thread::yield();
    change();
    callers.clear();
    return ends;
  }

  Bench bench_;
  LiveGate gate_;
  std::atomic<bool> cancelled_{false};
  absl::Status sink_status_;
};

TEST_P(QueryConcurrencyTest, TheAnswerIsTheSameForEveryNumberOfThreads) {
  Table one;
  ASSERT_THAT(Run(1, &one), IsOk());
  EXPECT_EQ(one.size(), GetParam() == kGroups ? 40u : 16u * 714u);
  for (const size_t threads : {2, 3, 8, 40}) {
    Table several;
    ASSERT_THAT(Run(threads, &several), IsOk());
    EXPECT_EQ(several, one) << threads << " threads";
  }
}

TEST_P(QueryConcurrencyTest, ALockdownEndsQueriesOnAllTheirThreads) {
  for (const absl::Status& end : Interrupt([this] {
         gate_.shut = true;
         ++gate_.epoch_number;
       })) {
    EXPECT_THAT(end, HasReason(reason::kLockedDown));
  }
}

TEST_P(QueryConcurrencyTest, ADayThatExpiresUnderAQueryIsLeftOutOrEndsIt) {
  const int64_t deadline = gate_.now_us + 1;
  bench_.source.unit(7).deadline = {deadline};
  Table before;
  ASSERT_THAT(Run(3, &before), IsOk());
  std::atomic<bool> expired{false};
  std::atomic<int> answers{0};
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 2; ++caller) {
      callers.emplace_back([&] {
        for (bool last = false; !last; ++answers) {
          last = expired;
          Table table;
          const absl::Status end = Run(3, &table);
          if (!end.ok()) {
            EXPECT_FALSE(last) << "it was listed after it expired";
            EXPECT_THAT(end, HasReason(reason::kExpired));
          } else if (last) {
            EXPECT_NE(table, before);
          }
        }
      });
    }
    while (answers < 2) std::this_thread::yield();
    gate_.now_us = deadline;
    expired = true;
  }
}

TEST_P(QueryConcurrencyTest, ACancellationEndsQueriesOnAllTheirThreads) {
  for (const absl::Status& end : Interrupt([this] { cancelled_ = true; })) {
    EXPECT_THAT(end, StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST_P(QueryConcurrencyTest, AUnitThatDoesNotOpenEndsTheQueryWhicheverThreadMeetsIt) {
  for (const size_t unit : {0, 1, 7, 15}) {
    bench_.source.Break(unit);
    for (const size_t threads : {1, 2, 3, 16}) {
      EXPECT_THAT(Run(threads), StatusIs(absl::StatusCode::kDataLoss)) << unit << ", " << threads;
    }
  }
}

TEST_P(QueryConcurrencyTest, WhoeverTakesNoMoreRowsEndsTheQuery) {
  sink_status_ = absl::UnavailableError("the caller is gone");
  for (const size_t threads : {1, 2, 3, 16}) {
    EXPECT_THAT(Run(threads), StatusIs(absl::StatusCode::kUnavailable)) << threads;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, QueryConcurrencyTest, ::testing::Values(kGroups, kRows, kSorted),
                         [](const auto& shape) {
                           if (shape.param == kGroups) return "Groups";
                           return shape.param == kRows ? "Rows" : "Sorted";
                         });

}  // namespace
}  // namespace televault::query
