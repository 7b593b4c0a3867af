#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/crash/daemon_process.h"
#include "tests/support/temp_directory.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/client/vault.h"

namespace televault::crash {

inline constexpr char kDataset[] = "crash_events";
inline constexpr char kPurpose[] = "reliability";
inline constexpr int32_t kTtlDays = 1;
inline constexpr milliseconds kCallBound{10'000};
inline constexpr milliseconds kReadyBound{20'000};

// A vault on disk, the people who use it, and at most one daemon that serves it.
// The daemon's wall clock runs ahead by a shift that only grows.
// Threads: Connect() and Now() from any while a daemon runs, the rest one.
class VaultUnderTest {
 public:
  VaultUnderTest();

  // Makes the vault, enrols people and applies the dataset.
  absl::Status SetUp();

  // Starts the daemon; `crash_point` as in TELEVAULT_CRASH_POINT, or "". Does not wait.
  absl::Status Launch(const std::string& crash_point);
  absl::Status AwaitReady() { return process_->AwaitLine("READY", kReadyBound); }
  Process& process() { return *process_; }

  // A connection of `person` to the daemon that runs now. Sends every call once.
  std::unique_ptr<client::Vault> Connect(const std::string& person) const;
  // Extends the operators' tokens.
  absl::Status RenewOperators() const;

  // The daemon's wall clock.
  WallTime Now() const;
  // Takes effect with the next Launch.
  void Advance(microseconds by) { shift_ += by; }
  // The next midnight comes `lead` after now.
  void AdvanceToMidnight(microseconds lead);

  const std::string& directory() const { return files_.path(); }
  // The end of the daemon's log.
  std::string LogTail() const;
  const std::string& vkey() const { return vkey_; }

 private:
  absl::Status Init();
  absl::Status Enrol();
  absl::Status GiveToken(client::Vault& maker, client::Vault& confirmer, const std::string& person,
                         const std::string& role);
  absl::Status ApplyDataset() const;
  std::string Manifest() const;

  const testing::TempDirectory files_;
  microseconds shift_{0};
  int launches_ = 0;
  std::string socket_;
  std::string vkey_;
  std::map<std::string, std::string> tokens_;  // by person
  std::unique_ptr<Process> process_;
};

}  // namespace televault::crash
