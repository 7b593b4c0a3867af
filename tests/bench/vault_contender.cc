// The vault as one contender of the suite: the real daemon, filled with the data set, asked over
// its socket. See contender.h for how it is driven and usage_events.h for the data.
//
// usage: vault_contender EVENTS
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"

#include "tests/bench/contender.h"
#include "tests/bench/events.h"
#include "tests/bench/prepare.h"
#include "tests/bench/usage_events.h"
#include "tests/support/daemon_fixture.h"
#include "vault/base/check.h"
#include "vault/client/append_stream.h"

namespace televault::bench {
namespace {

constexpr uint32_t kBatch = 10'000;
constexpr uint32_t kRowBatch = 1'000;
constexpr size_t kSenders = 2;

std::string DayText(int day) {
  const int64_t micros = UsageEvents::Begin().micros + day * kMicrosPerDay;
  return absl::StrCat("timestamp '", FormatDay(DayOf({micros})), "'");
}

// $D10 stands for the begin of the tenth day, $SUBJECT for a pseudonym.
const std::map<std::string, std::string>& Queries() {
  static const auto* const queries = new std::map<std::string, std::string>{
      {"count", "SELECT count(*) AS events FROM usage"},
      {"commands",
       "SELECT command, count(*) AS events, avg(duration_ms) AS mean FROM usage GROUP BY command"},
      {"days",
       "SELECT date_trunc('day', event_time) AS day, os, count(*) AS events, "
       "avg(duration_ms) AS mean FROM usage WHERE duration_ms > 100 "
       "GROUP BY date_trunc('day', event_time), os"},
      {"users",
       "SELECT version, count(DISTINCT subject) AS users FROM usage "
       "WHERE event_time >= $D10 AND event_time < $D14 GROUP BY version"},
      {"failures",
       "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95 FROM usage "
       "WHERE exit_code <> 0"},
      {"slice",
       "SELECT command, count(*) AS events, avg(duration_ms) AS mean FROM usage "
       "WHERE event_time >= $D15 AND event_time < $D15 + interval '432 minutes' GROUP BY command"},
      {"subject",
       "SELECT event_time, command, version, duration_ms, exit_code FROM usage "
       "WHERE subject = '$SUBJECT'"},
      {"a_subject", "SELECT subject FROM usage ORDER BY duration_ms DESC LIMIT 1"},
  };
  return *queries;
}

std::string SqlOf(const std::string& name, const std::string& subject) {
  return absl::StrReplaceAll(
      Queries().at(name),
      {{"$D10", DayText(10)}, {"$D14", DayText(14)}, {"$D15", DayText(15)}, {"$SUBJECT", subject}});
}

nlohmann::json ValueOf(const v1::ResultColumn& meta, const v1::ColumnData& column, int row) {
  if (!column.nulls().empty() && column.nulls()[static_cast<size_t>(row)] != 0) return nullptr;
  if (meta.kind() == v1::FIELD_KIND_DOUBLE) return column.doubles(row);
  if (column.codes_size() > 0) return column.dictionary(static_cast<int>(column.codes(row)));
  return column.ints(row);
}

class Contender {
 public:
  explicit Contender(uint64_t events) : events_(events) {
    daemon_ = std::make_unique<testing::Daemon>();
    people_ = Prepare(*daemon_, {{"usage", "tests/bench/usage.yaml"}, {"builds"}});
  }

  Actions All() {
    return {{"pids", [this](const auto&) { return absl::StrCat(daemon_->pid()); }},
            {"load", [this](const auto&) { return Load(); }},
            {"restart", [this](const auto&) { return Restart(); }},
            {"write", [this](const auto& words) { return Write(words.at(1), words.at(2)); }},
            {"query", [this](const auto& words) { return Time(words.at(1), words.at(2)); }},
            {"rows", [this](const auto& words) { return Rows(words.at(1), words.at(2)).dump(); }}};
  }

 private:
  // Both senders take the next batch in turn, so that events arrive in the order they were made.
  std::string Load() {
    UsageEvents events(kUsageSeed, events_);
    std::mutex mu;
    const auto start = Steady::now();
    std::vector<std::jthread> senders;
    for (size_t i = 0; i < kSenders; ++i) {
      senders.emplace_back([&, i] {
        Send(i, [&]() -> std::optional<v1::AppendRequest> {
          const std::lock_guard lock(mu);
          if (events.left() == 0) return std::nullopt;
          return UsageColumns("usage", kBatch, events);
        });
      });
    }
    senders.clear();
    const double sent = SecondsSince(start);
    const v1::Partition all = AwaitMerges(*daemon_, people_, "usage");
    TV_CHECK(all.events() == events_);
    const double merged = SecondsSince(start);
    AskForGrants();
    return absl::StrFormat("%.3f %.3f %d %d", sent, merged, all.bytes(), all.blocks());
  }

  void Send(size_t sender, const std::function<std::optional<v1::AppendRequest>()>& next) {
    const auto vault = daemon_->As(people_.collector);
    Random random(100 + sender);
    client::Appender appender(
        {}, [&vault] { return vault->OpenAppendStream({.timeout = std::chrono::minutes(60)}); },
        [](client::milliseconds) { std::this_thread::yield(); },
        [](const v1::AppendRequest& request, const absl::StatusOr<v1::AppendResponse>& answer) {
          const auto response = Need(answer, "append");
          const auto sent = static_cast<uint32_t>(request.rows().events_size());
          if (response.accepted() != std::max(sent, request.columns().rows())) {
            std::fprintf(stderr, "%s\n", response.ShortDebugString().substr(0, 500).c_str());
            std::exit(1);
          }
        });
    while (std::optional<v1::AppendRequest> batch = next()) {
      batch->set_batch_id(BatchId(random));
      Need(appender.Append(*std::move(batch)), "append");
    }
    Need(appender.Flush(), "append");
  }

  // So many batches of ten fields over two streams, in columns or in rows; the answer ends with the
  // sealed bytes of a batch.
  std::string Write(const std::string& kind, const std::string& batches) {
    auto& pools = pools_[kind];
    if (pools.empty()) {
      Random random(3);
      for (size_t sender = 0; sender < kSenders; ++sender) {
        for (int i = 0; i < 20; ++i) {
          pools[sender].push_back(kind == "rows" ? RowBatch("builds", kRowBatch, random)
                                                 : ColumnBatch("builds", kBatch, random));
        }
      }
      BytesWritten();
      Stream(pools, 1);
      sealed_bytes_[kind] = BytesWritten();
    }
    uint64_t count = 0;
    TV_CHECK(absl::SimpleAtoi(batches, &count));
    const auto start = Steady::now();
    Stream(pools, count);
    return absl::StrCat(SecondsText(SecondsSince(start)), " ", sealed_bytes_[kind]);
  }

  void Stream(const std::map<size_t, std::vector<v1::AppendRequest>>& pools, uint64_t count) {
    std::atomic<uint64_t> taken{0};
    std::vector<std::jthread> senders;
    for (size_t sender = 0; sender < kSenders; ++sender) {
      senders.emplace_back([&, sender] {
        Send(sender + 10 * ++calls_, [&]() -> std::optional<v1::AppendRequest> {
          const uint64_t at = taken++;
          if (at >= count) return std::nullopt;
          const std::vector<v1::AppendRequest>& pool = pools.at(sender);
          return pool[at % pool.size()];
        });
      });
    }
  }

  // What the dataset grew by since the last call.
  uint64_t BytesWritten() {
    v1::ListPartitionsRequest request;
    request.set_dataset("builds");
    client::Call call;
    const auto listed = Need(daemon_->As(people_.steward)->ListPartitions(request, call), "list");
    uint64_t bytes = 0;
    for (const v1::Partition& partition : listed.partitions()) bytes += partition.bytes();
    return bytes - std::exchange(bytes_, bytes);
  }

  // Single rows need the approval of two stewards, for each text.
  void AskForGrants() {
    Grant("a_subject");
    subject_ = Rows("a_subject", "rows").at(0).at(0).get<std::string>();
    for (const auto& [name, sql] : Queries()) {
      if (name != "a_subject") Grant(name);
    }
  }

  void Grant(const std::string& name) {
    v1::RequestAccessRequest request;
    request.set_sql(SqlOf(name, subject_));
    request.set_purpose("reliability");
    request.set_grant_s(3'600);
    request.set_reason("benchmark");
    client::Call call;
    const auto asked = Need(daemon_->As(people_.investigator)->RequestAccess(request, call), "ask");
    v1::VoteAccessRequest vote;
    vote.set_id(asked.request().id());
    vote.set_approve(true);
    Need(daemon_->As(people_.steward)->VoteAccess(vote, call), "vote");
    Need(daemon_->As(people_.second_steward)->VoteAccess(vote, call), "vote");
    grants_[name] = asked.request().id();
  }

  std::string Restart() {
    const auto start = Steady::now();
    analyst_.reset();
    investigator_.reset();
    Need(daemon_->Restart(), "restart");
    return SecondsText(SecondsSince(start));
  }

  // `mode`: aggregate (the analyst, disclosure control) or rows (the investigator, a grant).
  template <class OnPart>
  void Ask(const std::string& name, const std::string& mode, const OnPart& on_part) {
    const bool rows = mode == "rows";
    auto& vault = rows ? investigator_ : analyst_;
    if (vault == nullptr) vault = daemon_->As(rows ? people_.investigator : people_.analyst);
    v1::QueryRequest request;
    request.set_sql(SqlOf(name, subject_));
    request.set_purpose("reliability");
    if (rows) request.set_grant(grants_.at(name));
    client::Call call;
    call.timeout = std::chrono::minutes(10);
    const auto stream = Need(vault->Query(request, call), name.c_str());
    v1::QueryResponse response;
    while (Need(stream->Next(response), name.c_str())) on_part(response);
  }

  std::string Time(const std::string& name, const std::string& mode) {
    const auto start = Steady::now();
    uint64_t rows = 0;
    Ask(name, mode, [&](const v1::QueryResponse& part) { rows += part.batch().rows(); });
    TV_CHECK(rows > 0);
    return SecondsText(SecondsSince(start));
  }

  nlohmann::json Rows(const std::string& name, const std::string& mode) {
    nlohmann::json rows = nlohmann::json::array();
    v1::QueryHeader header;
    Ask(name, mode, [&](const v1::QueryResponse& part) {
      if (part.has_header()) header = part.header();
      for (int r = 0; r < static_cast<int>(part.batch().rows()); ++r) {
        nlohmann::json row = nlohmann::json::array();
        for (int c = 0; c < header.columns_size(); ++c) {
          row.push_back(ValueOf(header.columns(c), part.batch().columns(c), r));
        }
        rows.push_back(std::move(row));
      }
    });
    return rows;
  }

  const uint64_t events_;
  std::unique_ptr<testing::Daemon> daemon_;
  People people_;
  std::unique_ptr<client::Vault> analyst_;
  std::unique_ptr<client::Vault> investigator_;
  std::string subject_ = "00000000000000000000000000000000";
  std::map<std::string, std::string> grants_;
  // Of writing: requests by kind and sender, made once.
  std::map<std::string, std::map<size_t, std::vector<v1::AppendRequest>>> pools_;
  std::map<std::string, uint64_t> sealed_bytes_;
  uint64_t bytes_ = 0;
  std::atomic<uint64_t> calls_{0};
};

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  uint64_t events = 0;
  if (argc != 2 || !absl::SimpleAtoi(argv[1], &events) || events == 0) {
    std::fprintf(stderr, "usage: vault_contender EVENTS\n");
    return 2;
  }
  televault::bench::Contender contender(events);
  televault::bench::ServeLines(contender.All());
  return 0;
}
