// Ends the real daemon at every named crash point once, under load, and holds it against
// everything that clients were told.
//
// usage: crash_points_test [--seed=N] [--point=NAME[:N]]

#include "tests/crash/crash_points.h"

#include <iostream>
#include <random>

#include "tests/crash/crash_main.h"

namespace televault::crash {
namespace {

using testing::IsOk;

// From the start of the daemon to the end of a day, so that keys are made and destroyed.
constexpr microseconds kMidnightLead{900'000};
// Micro-batches are old enough to be merged then.
constexpr microseconds kLater{70'000'000};
constexpr milliseconds kUsualBound{4'000};
constexpr milliseconds kMidnightBound{12'000};
constexpr milliseconds kLoadBetween{400};

TEST(CrashPoints, EveryOneFiresAndNothingPromisedIsLost) {
  std::mt19937_64 random(TheFlags().seed);
  std::vector<std::string> points(std::begin(kCrashPoints), std::end(kCrashPoints));
  if (!TheFlags().point.empty()) points = {TheFlags().point};
  Scene scene;
  ASSERT_THAT(scene.SetUp(), IsOk());
  // Two days of data, so that the first expiry has something to destroy.
  for (int day = 0; day < 2; ++day) {
    ASSERT_THAT(scene.StartAndCheck(true, false), IsOk());
    scene.RunLoadAndKill(random(), kLoadBetween);
    scene.vault.AdvanceToMidnight(kMidnightLead);
  }
  scene.vault.Advance(kLater);
  ASSERT_THAT(scene.StartAndCheck(true, false), IsOk());
  scene.RunLoadAndKill(random(), kLoadBetween);
  for (const std::string& point : points) {
    SCOPED_TRACE(absl::StrCat("--point=", point, " of --seed=", TheFlags().seed));
    // First a usual start, which merges what the last one left; then one that sees a day end.
    scene.vault.Advance(kLater);
    bool fired = scene.RunToCrashPoint(point, random(), kUsualBound);
    if (!fired) {
      scene.vault.AdvanceToMidnight(kMidnightLead);
      fired = scene.RunToCrashPoint(point, random(), kMidnightBound);
    }
    EXPECT_TRUE(fired) << "not reached: " << point;
    scene.vault.Advance(kLater);
    ASSERT_THAT(scene.StartAndCheck(true, true), IsOk());
    scene.RunLoadAndKill(random(), kLoadBetween);
    ASSERT_TRUE(scene.Report()) << scene.vault.LogTail();
  }
  scene.Summarise(std::cout);
}

}  // namespace
}  // namespace televault::crash

int main(int argc, char** argv) { return televault::crash::Main(argc, argv); }
