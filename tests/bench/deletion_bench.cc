// What deleting costs: expiry of a day on the real daemon with calls beside it, the erasure of one
// subject over many days, and the keyring at its limit. Prints Markdown rows `| measure | figure
// |`.
//
// usage: deletion_bench [--day-events N]... [--days D] [--per-day N]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

#include "tests/bench/events.h"
#include "tests/bench/prepare.h"
#include "tests/support/daemon_fixture.h"
#include "tests/support/temp_directory.h"
#include "vault/base/clock.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"

namespace televault::bench {
namespace {

constexpr uint32_t kBatch = 50'000;

// For as long as something is measured, or until it is looked at again.
void Wait(int milliseconds) { ::poll(nullptr, 0, milliseconds); }

std::string Millions(uint64_t events) { return absl::StrFormat("%.1f M", events / 1e6); }

// Everybody, and a dataset `builds` whose days can be old.
struct Scene {
  testing::Daemon daemon{{.config = "[retention]\ntick = \"1s\"\n[merge]\ntick = \"1s\"\n"}};
  testing::TokenOf collector;
  testing::TokenOf analyst;
  testing::TokenOf auditor;
  testing::TokenOf steward;
  uint32_t revision = 0;

  Scene() {
    Need(daemon.InitAndStart(), "start");
    collector = Need(daemon.Admit("collie", "collector", {"builds", "few"}), "collector");
    analyst = Need(daemon.Admit("anna", "analyst"), "analyst");
    auditor = Need(daemon.Admit("aude", "auditor"), "auditor");
    steward = Need(daemon.Admit("stella", "steward"), "steward");
    Apply("builds", "365d");
    revision = 0;
    Apply("few", "365d");
    revision = 1;
    Append("few", 1'000, 0);
  }
  void Apply(const std::string& dataset, const std::string& ttl) {
    v1::ApplyDatasetRequest request;
    request.set_manifest(
        absl::StrReplaceAll(Manifest(kBuildsManifest, dataset),
                            {{"ttl: 30d", "ttl: " + ttl},
                             {"past: 7d", "past: 365d"},
                             {"revision: 1", absl::StrCat("revision: ", ++revision)}}));
    client::Call call;
    const auto applied = Need(daemon.As(steward)->ApplyDataset(request, call), "apply");
    if (applied.applied()) return;
    std::fprintf(stderr, "%s\n", applied.DebugString().c_str());
    std::exit(1);
  }
  // Returns a subject of the events.
  std::string Append(const std::string& dataset, uint64_t events, int days_ago) {
    Random random(7);
    const auto vault = daemon.As(collector);
    std::string subject;
    for (uint64_t sent = 0; sent < events; sent += kBatch) {
      v1::AppendRequest batch = ColumnBatch(
          dataset, static_cast<uint32_t>(std::min<uint64_t>(kBatch, events - sent)), random);
      for (int i = 0; i < batch.columns().time_us_size(); ++i) {
        batch.mutable_columns()->set_time_us(i,
                                             batch.columns().time_us(i) - days_ago * kMicrosPerDay);
      }
      client::Call call{.timeout = client::milliseconds(120'000)};
      const auto answer = Need(vault->Append(batch, call), "append");
      if (answer.rejected() > 0) {
        std::fprintf(stderr, "refused: %s\n", answer.rejects(0).ShortDebugString().c_str());
        std::exit(1);
      }
      subject = batch.columns().subjects(0);
    }
    return subject;
  }
  // Until no micro-batch of `builds` is left.
  void AwaitMerges() {
    const auto vault = daemon.As(steward);
    while (true) {
      v1::ListPartitionsRequest request;
      request.set_dataset("builds");
      request.set_page_size(1'000);
      client::Call call;
      const auto listed = Need(vault->ListPartitions(request, call), "list");
      uint64_t hot = 0;
      for (const auto& one : listed.partitions()) hot += one.micro_batches();
      if (hot <= 2 * static_cast<uint64_t>(listed.partitions_size())) return;
      Wait(500);
    }
  }
  std::optional<int64_t> TimeOf(const std::string& method) {
    v1::ListEntriesRequest request;
    request.mutable_filter()->set_method(method);
    request.set_page_size(1);
    client::Call call;
    const auto listed = daemon.As(auditor)->ListEntries(request, call);
    if (!listed.ok() || listed->entries().empty()) return std::nullopt;
    return listed->entries(0).entry().time_us();
  }
};

// Small queries and appends one after the other, with the longest that one took.
class Foreground {
 public:
  explicit Foreground(Scene& scene) : scene_(scene), thread_([this] { Run(); }) {}
  ~Foreground() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Longest of each since the last call, in ms.
  std::pair<double, double> Longest() { return {query_.exchange(0), append_.exchange(0)}; }

 private:
  void Run() {
    const auto analyst = scene_.daemon.As(scene_.analyst);
    const auto collector = scene_.daemon.As(scene_.collector);
    Random random(3);
    while (!stop_) {
      auto start = Steady::now();
      v1::QueryRequest request;
      request.set_sql("SELECT command, count(*) FROM few GROUP BY command");
      request.set_purpose("reliability");
      client::Call call;
      const auto stream = Need(analyst->Query(request, call), "query");
      v1::QueryResponse response;
      while (Need(stream->Next(response), "query")) {
      }
      query_ = std::max<double>(query_, SecondsSince(start) * 1e3);
      start = Steady::now();
      Need(collector->Append(ColumnBatch("few", 10, random), call), "append");
      append_ = std::max<double>(append_, SecondsSince(start) * 1e3);
    }
  }
  Scene& scene_;
  std::atomic<bool> stop_{false};
  std::atomic<double> query_{0};
  std::atomic<double> append_{0};
  std::thread thread_;
};

void MeasureExpiry(uint64_t events) {
  Scene scene;
  scene.Append("builds", events, 0);
  scene.AwaitMerges();
  Foreground foreground(scene);
  Wait(3'000);
  const auto [query_before, append_before] = foreground.Longest();
  const WallTime end = EndOf(DayOf(Yesterday()));
  const auto seconds = (SystemClock().Wall() - end).count() / 1'000'000 + 6;
  const int64_t deadline = (end + microseconds(seconds * 1'000'000)).micros;
  scene.Apply("builds", absl::StrCat(seconds, "s"));
  const auto analyst = scene.daemon.As(scene.analyst);
  std::optional<int64_t> refused;
  std::optional<int64_t> purged;
  foreground.Longest();
  while (!purged.has_value()) {
    if (!refused.has_value()) {
      v1::QueryRequest request;
      request.set_sql("SELECT count(*) FROM builds");
      request.set_purpose("reliability");
      client::Call call;
      const auto stream = Need(analyst->Query(request, call), "query");
      v1::QueryResponse response;
      absl::StatusOr<bool> more = true;
      while (more.ok() && *more) {
        more = stream->Next(response);
        // One that was under way ends with an error.
        if (!more.ok() || response.trailer().refusals_size() > 0) {
          refused = SystemClock().Wall().micros;
        }
      }
      Wait(20);
    } else {
      purged = scene.TimeOf("retention.purge");
      Wait(100);
    }
  }
  const auto [query, append] = foreground.Longest();
  const auto shredded = scene.TimeOf("retention.shred");
  foreground.Stop();
  const auto after = [&](int64_t at) { return (at - deadline) / 1e3; };
  Print(absl::StrCat("day of ", Millions(events),
                     " events: deadline → refused / shred recorded / "
                     "bytes gone"),
        absl::StrFormat("%.0f / %.0f / %.0f ms (tick 1 s)", after(*refused), after(*shredded),
                        after(*purged)));
  Print(
      "meanwhile, longest small query / append of 10 (3 s before: the same)",
      absl::StrFormat("%.1f / %.1f ms (%.1f / %.1f)", query, append, query_before, append_before));
}

void MeasureErasure(int days, uint64_t per_day) {
  Scene scene;
  std::string subject;
  for (int day = 0; day < days; ++day) subject = scene.Append("builds", per_day, day);
  scene.AwaitMerges();
  Foreground foreground(scene);
  Wait(3'000);
  const auto [query_before, append_before] = foreground.Longest();
  const auto steward = scene.daemon.As(scene.steward);
  v1::EraseSubjectRequest request;
  request.set_dataset("builds");
  request.set_subject(subject);
  client::Call call;
  const auto start = Steady::now();
  v1::Erasure erasure = Need(steward->EraseSubject(request, call), "erase").erasure();
  const double answered = SecondsSince(start);
  while (erasure.state() != v1::ERASURE_STATE_SETTLED) {
    Wait(200);
    v1::ListErasuresRequest list;
    list.set_id(erasure.id());
    erasure = Need(steward->ListErasures(list, call), "list").erasures(0);
  }
  const double settled = SecondsSince(start);
  const auto [query, append] = foreground.Longest();
  foreground.Stop();
  Print(absl::StrCat("erase one subject of ", days, " days × ", Millions(per_day),
                     " events: hidden / settled"),
        absl::StrFormat("%.0f ms / %.1f s (%u days rewritten, %.2f M events/s)", answered * 1e3,
                        settled, erasure.partitions_rewritten(),
                        erasure.partitions_rewritten() * per_day / settled / 1e6));
  Print(
      "meanwhile, longest small query / append of 10 (3 s before: the same)",
      absl::StrFormat("%.1f / %.1f ms (%.1f / %.1f)", query, append, query_before, append_before));
}

double ResidentMiB() {
  std::ifstream status("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  status >> total >> resident;
  return static_cast<double>(resident) * 4'096 / (1 << 20);
}

void MeasureKeyring() {
  const testing::TempDirectory directory;
  crypto::FileKeySlots slots(PosixFileSystem(), {directory.path()});
  crypto::KeyringOptions options{.fs = PosixFileSystem(),
                                 .slots = slots,
                                 .random = SystemRandom(),
                                 .vault = VaultId{{1}},
                                 .directories = {directory.path()},
                                 .on_new_generation = nullptr};
  const SecretBytes root = crypto::NewKey(SystemRandom());
  const double empty = ResidentMiB();
  auto keyring = Need(crypto::Keyring::Create(options, {}, root, WallTime{1}), "create");
  std::vector<std::pair<PartitionId, WallTime>> days;
  for (size_t i = 0; i < limits::kMaxLivePartitions; ++i) {
    const auto number = static_cast<uint32_t>(i);
    days.push_back({{DatasetId(number / 700), Day(static_cast<int32_t>(number % 700))},
                    WallTime{static_cast<int64_t>(1'000 + i)}});
  }
  auto start = Steady::now();
  Need(keyring->EnsureDataKeys(days), "keys");
  Print("keyring: make 400,000 data keys in one write",
        absl::StrFormat("%.2f s", SecondsSince(start)));
  start = Steady::now();
  Need(keyring->Shred(std::vector{days[0].first, days[1].first}).status(), "shred");
  Print("keyring at the limit: shred (rewritten, sealed, synced, old slot destroyed)",
        absl::StrFormat("%.0f ms", SecondsSince(start) * 1e3));
  Print("keyring at the limit: memory",
        absl::StrFormat("%.0f MiB; file %.1f MiB", ResidentMiB() - empty,
                        static_cast<double>(keyring->file_bytes()) / (1 << 20)));
  start = Steady::now();
  Need(keyring->ChangeRoot({}, crypto::NewKey(SystemRandom()), WallTime{2}), "root");
  Print("keyring at the limit: root key changed", absl::StrFormat("%.2f s", SecondsSince(start)));
  keyring.reset();
  start = Steady::now();
  keyring = Need(crypto::Keyring::Load(options), "load");
  Print("keyring at the limit: open, sealed",
        absl::StrFormat("%.0f ms", SecondsSince(start) * 1e3));
}

int Main(int argc, char** argv) {
  std::vector<uint64_t> day_events;
  int days = 90;
  uint64_t per_day = 1'000'000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    uint64_t number = 0;
    TV_CHECK(absl::SimpleAtoi(argv[i + 1], &number));
    if (flag == "--day-events") day_events.push_back(number);
    if (flag == "--days") days = static_cast<int>(number);
    if (flag == "--per-day") per_day = number;
  }
  if (day_events.empty()) day_events = {1'000'000, 10'000'000};
  MeasureKeyring();
  for (const uint64_t events : day_events) MeasureExpiry(events);
  if (days > 0) MeasureErasure(days, per_day);
  return 0;
}

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) { return televault::bench::Main(argc, argv); }
