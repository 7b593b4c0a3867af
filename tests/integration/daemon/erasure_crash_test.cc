// The real daemon killed at each step of an erasure: the next start carries it to its end.
#include "absl/strings/str_cat.h"

#include "tests/crash/crash_points.h"
#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

class ErasureCrashTest : public VaultTest {
 protected:
  ErasureCrashTest() : VaultTest({.config = "[merge]\ntick = \"1s\"\n"}) {}
};

TEST_F(ErasureCrashTest, AKillAtAnyStepIsMadeGoodByTheNextStart) {
  constexpr int kSubjects = 60;
  std::vector<v1::Event> events;
  for (int i = 0; i < kSubjects; ++i) {
    events.push_back(Usage(Yesterday(i), absl::StrCat("m", i), "build"));
  }
  for (int batch = 0; batch < 3; ++batch) {
    ASSERT_THAT(Append(*As(cast_.collector), RowsOf(events)), IsOk());
  }
  int erased = 0;
  for (const char* point : crash::kErasureCrashPoints) {
    SCOPED_TRACE(point);
    ASSERT_THAT(daemon_.Terminate(), IsOk());
    ASSERT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", point}}), IsOk());
    v1::EraseSubjectRequest request;
    request.set_dataset("cli_usage");
    request.set_subject(absl::StrCat("m", erased++));
    TV_ASSERT_OK_AND_ASSIGN(const auto asked, As(cast_.steward)->EraseSubject(request, call_));
    EXPECT_EQ(daemon_.WaitForEnd(), SIGKILL);
    ASSERT_THAT(daemon_.Start(), IsOk());
    v1::Erasure now;
    ASSERT_TRUE(Await([&] {
      v1::ListErasuresRequest list;
      list.set_id(asked.erasure().id());
      const auto listed = As(cast_.steward)->ListErasures(list, call_);
      if (listed.ok() && listed->erasures_size() == 1) now = listed->erasures(0);
      return now.state() == v1::ERASURE_STATE_SETTLED;
    }));
    EXPECT_EQ(now.events_removed(), 3U) << "counted once, however often it was begun";
    const auto partitions = As(cast_.steward)->ListPartitions({}, call_);
    ASSERT_THAT(partitions, IsOk());
    ASSERT_EQ(partitions->partitions_size(), 1);
    EXPECT_EQ(partitions->partitions(0).events(), static_cast<uint64_t>(3 * (kSubjects - erased)));
    EXPECT_FALSE(partitions->partitions(0).withheld());
    const auto keys = As(daemon_.alice())->GetKeys({}, call_);
    ASSERT_THAT(keys, IsOk());
    EXPECT_EQ(keys->datasets(0).data_keys(), 1U);
  }
}

}  // namespace
}  // namespace televault::testing
