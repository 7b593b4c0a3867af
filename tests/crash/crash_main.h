#pragma once

#include <gtest/gtest.h>
#include <iosfwd>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

#include "tests/crash/ledger.h"
#include "tests/crash/load.h"
#include "tests/crash/oracle.h"
#include "tests/crash/vault_under_test.h"
#include "tests/support/status_matchers.h"

namespace televault::crash {

struct Flags {
  uint64_t seed = 0;
  uint64_t rounds = 0;  // 0 = the test's own number
  std::string point;    // one crash point only
};
const Flags& TheFlags();

// Reads the flags, prints the seed, runs the tests.
int Main(int argc, char** argv);

// A vault, what is known about it, and what has been done to it.
class Scene {
 public:
  absl::Status SetUp();

  // Launches, kills after a while, however far the start has come.
  void KillWhileStarting(milliseconds after);
  absl::Status StartAndCheck(bool resend, bool thorough);
  // Puts load on the running daemon, and kills it after a while.
  void RunLoadAndKill(uint64_t seed, milliseconds after);
  // Launches with a crash point armed and puts load on until it fires. False: it did not.
  bool RunToCrashPoint(const std::string& point, uint64_t seed, milliseconds at_most);
  // Adds what was found to the test's failures; true if nothing was.
  bool Report();
  void Summarise(std::ostream& out) const;

  VaultUnderTest vault;
  Ledger ledger;

 private:
  std::unique_ptr<Oracle> oracle_;
  uint64_t kills_ = 0;
};

}  // namespace televault::crash
