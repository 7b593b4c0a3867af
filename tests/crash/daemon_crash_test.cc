// Kills the real daemon at random moments under concurrent ingest, queries, lockdowns and
// administration, starts it again, and holds it against everything that clients were told.
//
// usage: daemon_crash_test [--seed=N] [--rounds=N]    or TELEVAULT_CRASH_ROUNDS=N

#include <iostream>
#include <random>

#include "tests/crash/crash_main.h"

namespace televault::crash {
namespace {

using testing::IsOk;

constexpr uint64_t kDefaultRounds = 200;
// Two days end within so many rounds; never more than 20 in one run, for the operators' tokens.
constexpr uint64_t kRoundsPerDay = 20;
constexpr uint64_t kMaxDays = 20;
// From the start of the daemon until load is on, measured generously.
constexpr microseconds kMidnightLead{900'000};
constexpr microseconds kBetweenRounds{70'000'000};  // lets micro-batches get old enough to merge

TEST(DaemonCrash, NothingPromisedIsLostWhenTheDaemonIsKilledAtRandom) {
  const Flags& flags = TheFlags();
  const uint64_t rounds = flags.rounds == 0 ? kDefaultRounds : flags.rounds;
  std::mt19937_64 random(flags.seed);
  Scene scene;
  ASSERT_THAT(scene.SetUp(), IsOk());
  const uint64_t per_day = std::max(kRoundsPerDay, rounds / kMaxDays);
  for (uint64_t round = 1; round <= rounds; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round, " of --seed=", flags.seed));
    if (round % per_day == 3) {
      scene.vault.AdvanceToMidnight(kMidnightLead);
    } else {
      scene.vault.Advance(kBetweenRounds);
    }
    if (random() % 8 == 0) scene.KillWhileStarting(milliseconds(random() % 400));
    ASSERT_THAT(scene.StartAndCheck(random() % 2 == 0, round % 10 == 0), IsOk());
    scene.RunLoadAndKill(random(), milliseconds(5 + random() % 700));
    ASSERT_TRUE(scene.Report()) << scene.vault.LogTail();
  }
  scene.vault.Advance(kBetweenRounds);
  ASSERT_THAT(scene.StartAndCheck(true, true), IsOk());
  ASSERT_TRUE(scene.Report()) << scene.vault.LogTail();
  scene.Summarise(std::cout);
}

}  // namespace
}  // namespace televault::crash

int main(int argc, char** argv) { return televault::crash::Main(argc, argv); }
