#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/scenario.h"
#include "vault/base/clock.h"

namespace televault::testing {

// The real daemon with a key replica, rows on two days, and the command line to make backups with.
class BackupScene : public VaultTest {
 protected:
  static constexpr uint32_t kRows = 5'000;
  static constexpr int kOldDay = 3;  // days ago; expires under a TTL of two days
  static constexpr int kNewDay = 1;

  BackupScene()
      : VaultTest({.config = "[keys]\nreplicas = [\"@DIRECTORY@/replica\"]\n"
                             "[retention]\ntick = \"1s\"\n[merge]\ntick = \"1s\"\n"}) {}
  void SetUp() override {
    ASSERT_THAT(daemon_.Init(), IsOk());
    ASSERT_EQ(
        Run({daemon_.binary(), "key-replica", "add", "--data-dir", daemon_.data_dir(), replica()})
            .exit_code,
        0);
    ASSERT_THAT(daemon_.Start(), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
    ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("cli_usage")), IsOk());
    Store(kOldDay);
    Store(kNewDay);
  }

  ProcessResult Run(const std::vector<std::string>& arguments,
                    const Environment& environment = {}) {
    const auto result = RunProcess(arguments, daemon_.directory(), environment);
    EXPECT_THAT(result, IsOk());
    return result.ok() ? *result : ProcessResult();
  }
  ProcessResult Cli(std::vector<std::string> arguments) {
    return RunCli(daemon_, daemon_.alice(), arguments);
  }
  // `televaultd restore` of the vault's own data directory.
  ProcessResult Restore(const std::string& backup, std::vector<std::string> more = {},
                        const Environment& environment = {}) {
    std::vector<std::string> arguments = {daemon_.binary(), "restore",
                                          "--data-dir",     daemon_.data_dir(),
                                          "--config",       daemon_.directory() + "/televault.toml",
                                          "--from",         backup};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments, environment);
  }
  static std::vector<std::string> Accepting() {
    return {"--accept-lost-history", "the disk was replaced"};
  }

  void Store(int days_ago) {
    TV_ASSERT_OK_AND_ASSIGN(
        const auto stored,
        Append(*As(cast_.collector), BulkColumns("cli_usage", NoonBefore(days_ago), kRows, 100)));
    ASSERT_EQ(stored.accepted(), kRows) << stored.DebugString();
  }
  static WallTime NoonBefore(int days) {
    return Yesterday(0) - microseconds((days - 1) * kMicrosPerDay);
  }
  // Rows of one command on one day, or why not.
  std::string Count(int days_ago) {
    const Day day = DayOf(NoonBefore(days_ago));
    const Answer answer = Ask(
        *As(cast_.analyst),
        absl::StrCat("SELECT count(*) FROM cli_usage WHERE command = 'build' AND event_time >= '",
                     FormatDay(day), "' AND event_time < '", FormatDay(Day(day.value() + 1)), "'"),
        "usage");
    if (!answer.status.ok()) return Refusal(answer.status);
    return answer.rows.empty() ? "no rows" : answer.rows[0][0];
  }
  std::string AllOf() const { return absl::StrCat(kRows / 2); }

  v1::BackupSummary Create(const std::string& name) {
    v1::CreateBackupRequest request;
    request.set_directory(backup(name));
    const auto made = As(daemon_.alice())->CreateBackup(request, call_);
    EXPECT_THAT(made, IsOk());
    return made.ok() ? made->summary() : v1::BackupSummary();
  }
  absl::StatusOr<v1::VerifyBackupResponse> Verify(const std::string& name) {
    v1::VerifyBackupRequest request;
    request.set_directory(backup(name));
    return As(daemon_.alice())->VerifyBackup(request, call_);
  }

  // Two responders lift whatever is in force.
  void LiftAll() {
    TV_ASSERT_OK_AND_ASSIGN(const auto status, As(cast_.auditor)->GetLockdownStatus({}, call_));
    for (const auto& lockdown : status.status().lockdowns()) {
      v1::ProposeLiftRequest propose;
      propose.set_lockdown_id(lockdown.id());
      propose.set_reason("looked at");
      ASSERT_THAT(As(cast_.responder)->ProposeLift(propose, call_), IsOk());
      v1::ApproveLiftRequest approve;
      approve.set_lockdown_id(lockdown.id());
      ASSERT_THAT(As(cast_.second_responder)->ApproveLift(approve, call_), IsOk());
    }
  }
  v1::LockdownStatus Lockdowns() {
    const auto status = As(cast_.auditor)->GetLockdownStatus({}, call_);
    EXPECT_THAT(status, IsOk());
    return status.ok() ? status->status() : v1::LockdownStatus();
  }
  uint64_t AuditSize() {
    const auto status = As(daemon_.alice())->GetStatus({}, call_);
    EXPECT_THAT(status, IsOk());
    return status.ok() ? status->audit_size() : 0;
  }
  v1::PartitionState StateOf(int days_ago) {
    const auto listed = As(cast_.steward)->ListPartitions({}, call_);
    EXPECT_THAT(listed, IsOk());
    for (const auto& partition : listed->partitions()) {
      if (partition.day() == FormatDay(DayOf(NoonBefore(days_ago)))) return partition.state();
    }
    return v1::PARTITION_STATE_UNSPECIFIED;
  }

  std::string backup(const std::string& name) const { return daemon_.directory() + "/" + name; }
  std::string replica() const { return daemon_.directory() + "/replica"; }
  std::string store() const { return daemon_.data_dir() + "/store"; }
};

}  // namespace televault::testing
