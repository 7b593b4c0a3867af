// What a backup costs: how fast it is made, verified and put back, and how long it keeps small
// appends waiting meanwhile. Prints Markdown rows `| measure | figure |`.
//
// usage: backup_bench [--events N]   2,000,000 unless told
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "tests/bench/events.h"
#include "tests/bench/prepare.h"
#include "tests/support/daemon_fixture.h"
#include "vault/base/check.h"

namespace televault::bench {
namespace {

constexpr uint64_t kDefaultEvents = 2'000'000;
constexpr uint32_t kBatch = 10'000;
constexpr uint32_t kSmallBatch = 10;
constexpr size_t kQuietAppends = 1'000;

std::string Rate(const v1::BackupSummary& summary, double seconds) {
  return absl::StrFormat("%.0f MB/s (%.1f MB in %.2f s)",
                         static_cast<double>(summary.bytes()) / seconds / 1e6,
                         static_cast<double>(summary.bytes()) / 1e6, seconds);
}

// Small appends one after the other, and how long each took.
class Foreground {
 public:
  Foreground(testing::Daemon& daemon, const std::string& token) {
    thread_ = std::jthread([this, &daemon, token](const std::stop_token& stop) {
      const auto vault = daemon.As(token);
      Random random(5);
      while (!stop.stop_requested()) {
        v1::AppendRequest batch = ColumnBatch("builds", kSmallBatch, random);
        batch.set_batch_id(BatchId(random));
        client::Call call;
        const auto start = Steady::now();
        Need(vault->Append(batch, call), "append");
        seconds_.push_back(SecondsSince(start));
        ++count_;
      }
    });
  }
  std::string End() {
    thread_ = std::jthread();
    TV_CHECK(!seconds_.empty());
    std::sort(seconds_.begin(), seconds_.end());
    const auto at = [this](double q) {
      return seconds_[static_cast<size_t>(q * static_cast<double>(seconds_.size() - 1))] * 1e3;
    };
    return absl::StrFormat("p50 %.1f ms, p99 %.1f ms, worst %.1f ms of %d", at(0.5), at(0.99),
                           at(1), seconds_.size());
  }

  size_t count() const { return count_; }

 private:
  std::vector<double> seconds_;  // the thread's, while there is one
  std::atomic<size_t> count_{0};
  std::jthread thread_;
};

std::string Fill(testing::Daemon& daemon, uint64_t events) {
  const testing::TokenOf collector = Prepare(daemon, {{"builds"}}).collector;
  client::Call call;
  Random random(2);
  std::vector<v1::AppendRequest> batches;
  for (int i = 0; i < 20; ++i) batches.push_back(ColumnBatch("builds", kBatch, random));
  const auto vault = daemon.As(collector);
  for (uint64_t i = 0; i < events / kBatch; ++i) {
    v1::AppendRequest& batch = batches[i % batches.size()];
    batch.set_batch_id(BatchId(random));
    Need(vault->Append(batch, call), "append");
  }
  return collector.text;
}

void Run(uint64_t events) {
  testing::Daemon daemon;
  const std::string collector = Fill(daemon, events);
  client::Call call;
  call.timeout = client::milliseconds(3'600'000);
  const auto vault = daemon.As(daemon.alice());

  Foreground quiet(daemon, collector);
  TV_CHECK(testing::Await([&quiet] { return quiet.count() >= kQuietAppends; }));
  Print("small appends, nothing else under way", quiet.End());

  v1::CreateBackupRequest create;
  create.set_directory(daemon.directory() + "/backup");
  Foreground beside(daemon, collector);
  const auto made = Need(vault->CreateBackup(create, call), "create").summary();
  Print("small appends while a backup is made", beside.End());
  TV_CHECK(made.problems().empty() && made.events() >= events);
  Print(absl::StrCat("backup of ", made.events(), " events: copied"),
        Rate(made, made.copy_seconds()));
  Print("read again and opened, every tag", Rate(made, made.verify_seconds()));

  v1::VerifyBackupRequest verify;
  verify.set_directory(create.directory());
  const auto verified = Need(vault->VerifyBackup(verify, call), "verify").summary();
  Print("backup verify", Rate(verified, verified.verify_seconds()));

  Need(daemon.Terminate(), "stop");
  const auto start = Steady::now();
  const auto restored = Need(
      testing::RunProcess({daemon.binary(), "restore", "--data-dir", daemon.data_dir(), "--from",
                           create.directory(), "--accept-lost-history", "a measurement"},
                          daemon.directory()),
      "restore");
  if (restored.exit_code != 0) std::fprintf(stderr, "%s", restored.err.c_str());
  TV_CHECK(restored.exit_code == 0);
  Print("restore", Rate(made, SecondsSince(start)));
  const auto started = Steady::now();
  Need(daemon.Start(), "start");
  Print("first start after it, to READY", absl::StrFormat("%.2f s", SecondsSince(started)));
}

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  uint64_t events = televault::bench::kDefaultEvents;
  if (argc == 3 && std::string_view(argv[1]) == "--events") {
    TV_CHECK(absl::SimpleAtoi(argv[2], &events));
  }
  televault::bench::Run(events);
  return 0;
}
