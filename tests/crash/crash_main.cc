#include "tests/crash/crash_main.h"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <signal.h>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace televault::crash {
namespace {

Flags flags;

bool ReadFlag(absl::string_view argument, absl::string_view name, uint64_t& value) {
  return absl::ConsumePrefix(&argument, name) && absl::SimpleAtoi(argument, &value);
}

}  // namespace

const Flags& TheFlags() { return flags; }

int Main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  flags.seed = static_cast<uint64_t>(now) % 1'000'000;
  if (const char* rounds = std::getenv("TELEVAULT_CRASH_ROUNDS")) {
    (void)absl::SimpleAtoi(rounds, &flags.rounds);
  }
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument(argv[i]);
    absl::string_view point = argument;
    if (absl::ConsumePrefix(&point, "--point=")) {
      flags.point = std::string(point);
    } else if (!ReadFlag(argument, "--seed=", flags.seed) &&
               !ReadFlag(argument, "--rounds=", flags.rounds)) {
      std::cerr << "unknown argument " << argv[i] << ": --seed=N --rounds=N --point=NAME\n";
      return 2;
    }
  }
  std::cout << "--seed=" << flags.seed << std::endl;
  return RUN_ALL_TESTS();
}

absl::Status Scene::SetUp() {
  TV_RETURN_IF_ERROR(vault.SetUp());
  TV_ASSIGN_OR_RETURN(audit::VerifierKey key, audit::VerifierKey::Parse(vault.vkey()));
  oracle_ = std::make_unique<Oracle>(vault, ledger, std::move(key));
  return absl::OkStatus();
}

void Scene::KillWhileStarting(milliseconds after) {
  if (!vault.Launch("").ok() || vault.process().AwaitExit(after)) {
    ledger.Breach("the daemon ended while it started");
  }
  vault.process().Kill();
  ++kills_;
}

absl::Status Scene::StartAndCheck(bool resend, bool thorough) {
  TV_RETURN_IF_ERROR(vault.Launch(""));
  const absl::Status ready = vault.AwaitReady();
  if (!ready.ok()) return Annotate(ready, "start: " + vault.LogTail());
  TV_RETURN_IF_ERROR(vault.RenewOperators());
  return oracle_->Check(resend, thorough);
}

void Scene::RunLoadAndKill(uint64_t seed, milliseconds after) {
  Load load(vault, ledger, {.seed = seed, .lockdowns = seed % 2 == 0});
  if (vault.process().AwaitExit(after)) ledger.Breach("the daemon ended by itself");
  vault.process().Kill();
  ++kills_;
}

bool Scene::RunToCrashPoint(const std::string& point, uint64_t seed, milliseconds at_most) {
  if (!vault.Launch(point).ok()) return false;
  bool fired = false;
  if (vault.AwaitReady().ok()) {
    Load load(vault, ledger, {.seed = seed});
    fired = vault.process().AwaitExit(at_most);
    vault.process().Kill();
  } else {
    fired = vault.process().AwaitExit(kReadyBound);
  }
  vault.process().Kill();
  ++kills_;
  return fired && vault.process().signal() == SIGKILL;
}

bool Scene::Report() {
  const std::vector<std::string> breaches = ledger.TakeBreaches();
  for (size_t i = 0; i < breaches.size() && i < 20; ++i) ADD_FAILURE() << breaches[i];
  return breaches.empty();
}

void Scene::Summarise(std::ostream& out) const {
  out << kills_ << " kills, " << ledger.acknowledged() << " acknowledged batches, "
      << oracle_->leaves() << " audit entries, " << oracle_->receipts_checked()
      << " receipts checked, " << oracle_->deliveries_checked()
      << " answers held against the trail, " << oracle_->cut_short() << " of them cut short\n";
}

}  // namespace televault::crash
