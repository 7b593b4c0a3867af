// What a user of the real daemon gets, end to end: client, gRPC, decision, audit record on disk,
// sealing or opening. Prints Markdown rows `| measure | figure |`.
//
// usage: vault_bench [--events N]   events of the large dataset, 10,000,000 unless told
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "opentelemetry/proto/collector/logs/v1/logs_service.grpc.pb.h"
#include "tests/bench/events.h"
#include "tests/bench/prepare.h"
#include "tests/support/daemon_fixture.h"
#include "vault/base/check.h"
#include "vault/client/append_stream.h"

namespace televault::bench {
namespace {

namespace otlp = opentelemetry::proto::collector::logs::v1;
constexpr uint64_t kDefaultEvents = 10'000'000;
constexpr uint32_t kColumnBatch = 10'000;
constexpr uint32_t kRowBatch = 1'000;
constexpr uint32_t kOtlpBatch = 512;
constexpr uint32_t kSmallBatch = 10;
constexpr int kRepeats = 9;
constexpr std::chrono::seconds kSpan(5);  // of each measure of calls per second
constexpr int kPairs = 9;
constexpr std::chrono::milliseconds kPairSpan(1'000);  // of each half of a pair

constexpr char kGroupBy[] =
    "SELECT command, os, count(*) AS builds, avg(duration_ms) AS mean, max(duration_ms) AS most "
    "FROM builds WHERE exit_code <> 0 GROUP BY command, os ORDER BY builds DESC";
constexpr char kSmallQuery[] = "SELECT command, count(*) AS builds FROM few GROUP BY command";

std::string Thousands(double number) {
  std::string digits = absl::StrFormat("%.0f", number);
  for (size_t at = digits.size(); at > 3;) digits.insert(digits.begin() + (at -= 3), ',');
  return digits;
}

std::string Milliseconds(double seconds) { return absl::StrFormat("%.1f ms", seconds * 1e3); }

double Quantile(std::vector<double> values, double q) {
  TV_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

// Everybody, the datasets, and a few events in "few".
People PrepareWithFew(testing::Daemon& daemon, const std::vector<BenchDataset>& datasets) {
  People people = Prepare(daemon, datasets);
  Random random(1);
  client::Call call;
  Need(daemon.As(people.collector)->Append(ColumnBatch("few", kRowBatch, random), call), "append");
  return people;
}

class Bench {
 public:
  explicit Bench(uint64_t events) : events_(events) {}

  void Run() {
    people_ = PrepareWithFew(daemon_, {{"builds"}, {"few"}, {"rows"}, {"otlp"}, {"small"}});
    AppendColumns();
    MergeColumns();
    GroupBy();
    AppendRows();
    ExportOtlp();
    AppendSmall();
    QuerySmall();
  }

 private:
  // Two streams; batches are made beforehand, and sent again under other ids.
  void AppendColumns() {
    std::array<std::vector<v1::AppendRequest>, 2> batches;
    Random random(2);
    for (auto& mine : batches) {
      for (int i = 0; i < 20; ++i) mine.push_back(ColumnBatch("builds", kColumnBatch, random));
    }
    std::atomic<uint64_t> left = events_ / kColumnBatch;
    const auto start = Steady::now();
    std::vector<std::jthread> clients;
    for (auto& mine : batches) {
      clients.emplace_back([this, &mine, &left, seed = random()] { Stream(mine, left, seed); });
    }
    clients.clear();
    const double seconds = SecondsSince(start);
    const auto sent = static_cast<double>(events_ / kColumnBatch * kColumnBatch);
    Print(absl::StrCat("native columnar ingest, ", Thousands(sent),
                       " events of 10 fields, batches "
                       "of 10,000, 2 streams"),
          Thousands(sent / seconds) + " events/s");
  }

  void Stream(std::vector<v1::AppendRequest>& batches, std::atomic<uint64_t>& left, uint64_t seed) {
    const auto vault = daemon_.As(people_.collector);
    Random random(seed);
    client::Appender appender(
        {}, [&vault] { return vault->OpenAppendStream({.timeout = std::chrono::minutes(10)}); },
        [](client::milliseconds) { std::this_thread::yield(); },
        [](const v1::AppendRequest& request, const absl::StatusOr<v1::AppendResponse>& answer) {
          const auto response = Need(answer, "append");
          TV_CHECK(response.accepted() == request.columns().rows());
        });
    for (size_t i = 0;; ++i) {
      uint64_t now = left.load();
      while (now > 0 && !left.compare_exchange_weak(now, now - 1)) {
      }
      if (now == 0) break;
      v1::AppendRequest& batch = batches[i % batches.size()];
      batch.set_batch_id(BatchId(random));
      Need(appender.Append(batch), "append");
    }
    Need(appender.Flush(), "append");
  }

  void MergeColumns() {
    const auto start = Steady::now();
    const v1::Partition all = AwaitMerges(daemon_, people_, "builds");
    Print("merged into blocks after", absl::StrFormat("%.1f s more", SecondsSince(start)));
    Print("sealed bytes per event after the merge",
          absl::StrFormat("%.1f in %d blocks",
                          static_cast<double>(all.bytes()) / static_cast<double>(all.events()),
                          all.blocks()));
  }

  size_t Ask(client::Vault& vault, const char* sql) {
    v1::QueryRequest request;
    request.set_sql(sql);
    request.set_purpose("reliability");
    client::Call call;
    const auto stream = Need(vault.Query(request, call), "query");
    v1::QueryResponse response;
    size_t rows = 0;
    while (Need(stream->Next(response), "query")) rows += response.batch().rows();
    TV_CHECK(rows > 0);
    return rows;
  }

  double TimeOf(client::Vault& vault, const char* sql) {
    const auto start = Steady::now();
    Ask(vault, sql);
    return SecondsSince(start);
  }

  void GroupBy() {
    const std::string what = absl::StrCat("filter and group-by of two keys over ",
                                          Thousands(static_cast<double>(events_)), " events, k 10");
    Need(daemon_.Restart(), "restart");
    const auto analyst = daemon_.As(people_.analyst);
    Print(what + ", first query after the start", Milliseconds(TimeOf(*analyst, kGroupBy)));
    std::vector<double> times;
    for (int i = 0; i < kRepeats; ++i) times.push_back(TimeOf(*analyst, kGroupBy));
    Print(what + ", repeated",
          absl::StrCat(Milliseconds(Quantile(times, 0.5)), " (", Milliseconds(Quantile(times, 0)),
                       " to ", Milliseconds(Quantile(times, 1)), ")"));
  }

  // Calls `work(client number)` from so many threads for a while; returns calls per second and
  // appends each call's seconds.
  template <class Work>
  double PerSecond(int clients, Work work, std::vector<double>* times = nullptr,
                   std::chrono::milliseconds span = kSpan) {
    std::atomic<uint64_t> calls = 0;
    std::vector<std::vector<double>> all(static_cast<size_t>(clients));
    const auto start = Steady::now();
    std::vector<std::jthread> threads;
    for (int i = 0; i < clients; ++i) {
      threads.emplace_back([&, i] {
        auto call = work(i);
        while (Steady::now() - start < span) {
          const auto begin = Steady::now();
          call();
          all[static_cast<size_t>(i)].push_back(SecondsSince(begin));
          ++calls;
        }
      });
    }
    threads.clear();
    const double seconds = SecondsSince(start);
    if (times != nullptr) {
      for (const auto& mine : all) times->insert(times->end(), mine.begin(), mine.end());
    }
    return static_cast<double>(calls) / seconds;
  }

  auto Appending(const char* dataset, uint32_t events, bool columns) {
    return [this, dataset, events, columns](int client) {
      Random random(100 + static_cast<uint64_t>(client));
      auto batch =
          columns ? ColumnBatch(dataset, events, random) : RowBatch(dataset, events, random);
      return [vault = std::shared_ptr(daemon_.As(people_.collector)), batch, random]() mutable {
        batch.set_batch_id(BatchId(random));
        client::Call call;
        const auto response = Need(vault->Append(batch, call), "append");
        TV_CHECK(response.rejected() == 0);
      };
    };
  }

  void AppendRows() {
    const double calls = PerSecond(4, Appending("rows", kRowBatch, false));
    Print("native row ingest, batches of 1,000, 4 clients",
          Thousands(calls * kRowBatch) + " events/s");
  }

  void AppendSmall() {
    std::vector<double> times;
    const double calls = PerSecond(64, Appending("small", kSmallBatch, false), &times);
    Print("durable audited appends of 10 events, 64 clients",
          absl::StrCat(Thousands(calls), " calls/s, p50 ", Milliseconds(Quantile(times, 0.5)),
                       ", p99 ", Milliseconds(Quantile(times, 0.99))));
  }

  void ExportOtlp() {
    const double calls = PerSecond(8, [this](int client) {
      Random random(200 + static_cast<uint64_t>(client));
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      std::shared_ptr<otlp::LogsService::Stub> stub =
          otlp::LogsService::NewStub(grpc::CreateCustomChannel(
              "unix:" + daemon_.socket(), grpc::InsecureChannelCredentials(), arguments));
      return [this, stub, batch = OtlpBatch("otlp", kOtlpBatch, random)] {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
        context.AddMetadata("authorization", "Bearer " + people_.collector.text);
        otlp::ExportLogsServiceResponse response;
        const grpc::Status status = stub->Export(&context, batch, &response);
        if (!status.ok() || response.has_partial_success()) {
          std::fprintf(stderr, "export: %s %s\n", status.error_message().c_str(),
                       response.DebugString().c_str());
          std::exit(1);
        }
      };
    });
    Print("OTLP/gRPC logs, 10 attributes, batches of 512, 8 clients",
          Thousands(calls * kOtlpBatch) + " events/s");
  }

  // Times of small queries of so many clients, and how many came in a second.
  struct Answers {
    std::vector<double> times;
    std::vector<double> p50;
    std::vector<double> per_second;
    std::string Text() const {
      return absl::StrCat(Thousands(Quantile(per_second, 0.5)), " queries/s, p50 ",
                          Milliseconds(Quantile(p50, 0.5)), ", p99 ",
                          Milliseconds(Quantile(times, 0.99)));
    }
  };
  void AskFor(const testing::Daemon& daemon, const People& people, int clients, Answers& answers) {
    std::vector<double> times;
    answers.per_second.push_back(PerSecond(
        clients,
        [&](int) {
          return [this, vault = std::shared_ptr(daemon.As(people.analyst))] {
            Ask(*vault, kSmallQuery);
          };
        },
        &times, kPairSpan));
    answers.p50.push_back(Quantile(times, 0.5));
    answers.times.insert(answers.times.end(), times.begin(), times.end());
  }

  // The same query on a daemon with nothing else to do, on one that records nothing besides, and
  // what a durable write costs on this disk, in turn.
  void QuerySmall() {
    // As many queries at one time as there are clients.
    const std::string config = "[limits]\nqueries_in_flight = 64\n";
    testing::Daemon audited({.config = config});
    const People here = PrepareWithFew(audited, {{"few"}});
    testing::Daemon unaudited({.binary = TELEVAULTD_NULL_AUDIT, .config = config});
    const People there = PrepareWithFew(unaudited, {{"few"}});
    for (const int clients : {1, 16, 64}) {
      Answers with;
      Answers without;
      std::vector<double> syncs;
      std::vector<double> ratios;
      for (int pair = 0; pair < kPairs; ++pair) {
        if (pair % 2 == 0) AskFor(audited, here, clients, with);
        AskFor(unaudited, there, clients, without);
        if (pair % 2 != 0) AskFor(audited, here, clients, with);
        syncs.push_back(Sync());
        ratios.push_back((with.p50.back() - without.p50.back()) / syncs.back());
      }
      const std::string who = absl::StrCat(clients, clients == 1 ? " client" : " clients");
      Print("audited query over 1,000 events, " + who, with.Text());
      Print("the same in a build without audit, " + who, without.Text());
      Print("append of 4 KiB and fdatasync on this disk in between, p50",
            absl::StrFormat("%.2f ms", Quantile(syncs, 0.5) * 1e3));
      Print("p50 with audit minus p50 without, in fdatasyncs (P11), " + who,
            absl::StrFormat("%.2f (%.2f to %.2f)", Quantile(ratios, 0.5), Quantile(ratios, 0),
                            Quantile(ratios, 1)));
    }
  }

  // Median seconds of one durable write at the end of a file on the vault's disk, which costs the
  // file system more than one in its middle.
  double Sync() {
    const std::string path = daemon_.directory() + "/sync";
    const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    TV_CHECK(file >= 0);
    const std::string bytes(4'096, 'x');
    std::vector<double> times;
    for (int i = 0; i < 100; ++i) {
      const auto start = Steady::now();
      TV_CHECK(::write(file, bytes.data(), bytes.size()) == 4'096 && ::fdatasync(file) == 0);
      times.push_back(SecondsSince(start));
    }
    ::close(file);
    return Quantile(times, 0.5);
  }

  const uint64_t events_;
  testing::Daemon daemon_;
  People people_;
};

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  uint64_t events = televault::bench::kDefaultEvents;
  const bool told = argc == 3 && std::string_view(argv[1]) == "--events";
  if (argc != 1 && !(told && absl::SimpleAtoi(argv[2], &events) && events >= 100'000)) {
    std::fprintf(stderr, "usage: %s [--events N]   N at least 100000\n", argv[0]);
    return 2;
  }
  televault::bench::Bench(events).Run();
  return 0;
}
