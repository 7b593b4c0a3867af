// PostgreSQL 15, a server of its own in a directory of its own, as a contender of the suite; see
// contender.h. Durable as it comes (fsync, synchronous_commit), no index, statistics up to date.
//
// usage: postgres_peer CSV DIRECTORY FIRST_DAY
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <random>
#include <thread>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include <libpq-fe.h>

#include "tests/bench/contender.h"
#include "tests/bench/events.h"
#include "tests/bench/prepare.h"
#include "vault/base/check.h"

namespace televault::bench {
namespace {

constexpr char kBinaries[] = "/usr/lib/postgresql/15/bin/";
// Two processes scan, as many as there are cores.
constexpr char kSettings[] = R"(
listen_addresses = ''
unix_socket_directories = '$DIRECTORY'
shared_buffers = 4GB
work_mem = 256MB
max_wal_size = 8GB
max_worker_processes = 8
max_parallel_workers = 2
max_parallel_workers_per_gather = 1
parallel_leader_participation = on
TimeZone = 'UTC'
autovacuum = off
)";

const std::map<std::string, std::string>& Queries() {
  static const auto* const queries = new std::map<std::string, std::string>{
      {"count", "SELECT count(*) FROM usage"},
      {"commands", "SELECT command, count(*), avg(duration_ms) FROM usage GROUP BY command"},
      {"days",
       "SELECT date_trunc('day', event_time), os, count(*), avg(duration_ms) FROM usage "
       "WHERE duration_ms > 100 GROUP BY 1, 2"},
      {"users",
       "SELECT version, count(DISTINCT subject) FROM usage WHERE event_time >= date '$FIRST' + 10 "
       "AND event_time < date '$FIRST' + 14 GROUP BY version"},
      {"failures",
       "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) FROM usage "
       "WHERE exit_code <> 0"},
      {"slice",
       "SELECT command, count(*), avg(duration_ms) FROM usage "
       "WHERE event_time >= date '$FIRST' + 15 "
       "AND event_time < date '$FIRST' + 15 + interval '432 minutes' GROUP BY command"},
      {"subject",
       "SELECT event_time, command, version, duration_ms, exit_code FROM usage "
       "WHERE subject = '$SUBJECT'"},
  };
  return *queries;
}

class Postgres {
 public:
  Postgres(std::string csv, const std::string& directory, std::string first_day)
      : csv_(std::move(csv)),
        directory_(directory + "/postgres"),
        first_day_(std::move(first_day)) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    GiveAway();
    Run(absl::StrCat("initdb -D ", directory_, "/data -A trust -U bench --locale=C -E UTF8"));
    std::ofstream(directory_ + "/data/postgresql.conf", std::ios::app)
        << absl::StrReplaceAll(kSettings, {{"$DIRECTORY", directory_}});
    Start();
  }
  ~Postgres() {
    PQfinish(connection_);
    Stop();
  }

  Actions All() {
    return {{"pids", [this](const auto&) { return Pid(); }},
            {"load", [this](const auto&) { return Load(); }},
            {"restart", [this](const auto&) { return Restart(); }},
            {"write", [this](const auto& words) { return Write(words.at(1)); }},
            {"query", [this](const auto& words) { return Time(words.at(1)); }},
            {"rows", [this](const auto& words) { return Rows(words.at(1)); }}};
  }

 private:
  // The server refuses to run as root.
  void GiveAway() {
    if (geteuid() != 0) return;
    const passwd* const user = getpwnam("postgres");
    TV_CHECK(user != nullptr && chown(directory_.c_str(), user->pw_uid, user->pw_gid) == 0);
  }
  void Run(const std::string& command) {
    const std::string as = geteuid() == 0 ? "runuser -u postgres -- " : "";
    const std::string line =
        absl::StrCat("cd / && ", as, kBinaries, command, " >>", directory_, ".log 2>&1");
    if (std::system(line.c_str()) == 0) return;
    std::fprintf(stderr, "failed: %s\n", line.c_str());
    std::exit(1);
  }
  void Start() {
    Run(absl::StrCat("pg_ctl -D ", directory_, "/data -w -t 120 start"));
    connection_ = Connect();
  }
  PGconn* Connect() const {
    PGconn* const connection =
        PQconnectdb(absl::StrCat("host=", directory_, " user=bench dbname=postgres").c_str());
    TV_CHECK(PQstatus(connection) == CONNECTION_OK);
    return connection;
  }
  static void EndCopy(PGconn* connection) {
    TV_CHECK(PQputCopyEnd(connection, nullptr) == 1);
    for (PGresult* end = PQgetResult(connection); end != nullptr; end = PQgetResult(connection)) {
      TV_CHECK(PQresultStatus(end) == PGRES_COMMAND_OK);
      PQclear(end);
    }
  }
  void Stop() { Run(absl::StrCat("pg_ctl -D ", directory_, "/data -w -t 120 -m fast stop")); }
  void Check(bool good) const {
    if (good) return;
    std::fprintf(stderr, "PostgreSQL: %s\n", PQerrorMessage(connection_));
    std::exit(1);
  }
  // The server's own number: its workers are children of it.
  std::string Pid() {
    std::ifstream file(directory_ + "/data/postmaster.pid");
    std::string pid;
    std::getline(file, pid);
    return pid;
  }

  PGresult* Execute(const std::string& sql) {
    PGresult* const result = PQexec(connection_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    Check(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
    return result;
  }
  void Do(const std::string& sql) { PQclear(Execute(sql)); }

  std::string Load() {
    const auto start = Steady::now();
    Do("CREATE TABLE usage (event_time timestamp, subject uuid, command text, version text, "
       "os text, duration_ms double precision, exit_code bigint)");
    PGresult* const copying = PQexec(connection_, "COPY usage FROM STDIN (FORMAT csv)");
    Check(PQresultStatus(copying) == PGRES_COPY_IN);
    PQclear(copying);
    std::ifstream file(csv_, std::ios::binary);
    std::vector<char> piece(1 << 20);
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
      Check(PQputCopyData(connection_, piece.data(), static_cast<int>(file.gcount())) == 1);
    }
    EndCopy(connection_);
    Do("VACUUM ANALYZE usage");
    Do("CHECKPOINT");
    PGresult* const found = Execute("SELECT subject FROM usage ORDER BY duration_ms DESC LIMIT 1");
    subject_ = PQgetvalue(found, 0, 0);
    PQclear(found);
    PGresult* const size = Execute("SELECT pg_total_relation_size('usage')");
    const std::string bytes = PQgetvalue(size, 0, 0);
    PQclear(size);
    return absl::StrFormat("%.3f %s", SecondsSince(start), bytes);
  }

  // So many batches of 1,000 rows of ten fields, each a COPY that is durable before the next, over
  // two connections.
  std::string Write(const std::string& batches) {
    uint64_t count = 0;
    TV_CHECK(absl::SimpleAtoi(batches, &count));
    if (rows_.empty()) {
      Do("CREATE TABLE builds (event_time timestamp, subject text, command text, version text, "
         "os text, duration_ms double precision, exit_code bigint, modules bigint, cached bigint, "
         "cores bigint)");
      std::mt19937_64 random(3);
      for (int i = 0; i < 20; ++i) rows_.push_back(CsvBatch(1'000, random));
    }
    std::atomic<uint64_t> taken{0};
    const auto start = Steady::now();
    std::vector<std::jthread> clients;
    for (int c = 0; c < 2; ++c) {
      clients.emplace_back([&] {
        PGconn* const connection = Connect();
        for (uint64_t at = taken++; at < count; at = taken++) {
          const std::string& rows = rows_[at % rows_.size()];
          PGresult* const copying = PQexec(connection, "COPY builds FROM STDIN (FORMAT csv)");
          TV_CHECK(PQresultStatus(copying) == PGRES_COPY_IN);
          PQclear(copying);
          TV_CHECK(PQputCopyData(connection, rows.data(), static_cast<int>(rows.size())) == 1);
          EndCopy(connection);
        }
        PQfinish(connection);
      });
    }
    clients.clear();
    return SecondsText(SecondsSince(start));
  }

  std::string Restart() {
    PQfinish(connection_);
    Stop();
    const auto start = Steady::now();
    Start();
    return SecondsText(SecondsSince(start));
  }

  std::string SqlOf(const std::string& name) const {
    return absl::StrReplaceAll(Queries().at(name),
                               {{"$FIRST", first_day_}, {"$SUBJECT", subject_}});
  }
  std::string Time(const std::string& name) {
    const std::string sql = SqlOf(name);
    const auto start = Steady::now();
    PGresult* const result = Execute(sql);
    const double seconds = SecondsSince(start);
    TV_CHECK(PQntuples(result) > 0);
    PQclear(result);
    return SecondsText(seconds);
  }
  std::string Rows(const std::string& name) {
    PGresult* const result = Execute(SqlOf(name));
    nlohmann::json rows = nlohmann::json::array();
    for (int r = 0; r < PQntuples(result); ++r) {
      nlohmann::json row = nlohmann::json::array();
      for (int c = 0; c < PQnfields(result); ++c) row.push_back(PQgetvalue(result, r, c));
      rows.push_back(std::move(row));
    }
    PQclear(result);
    return rows.dump();
  }

  const std::string csv_;
  const std::string directory_;
  const std::string first_day_;
  PGconn* connection_ = nullptr;
  std::string subject_;
  std::vector<std::string> rows_;  // to write
};

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: postgres_peer CSV DIRECTORY FIRST_DAY\n");
    return 2;
  }
  televault::bench::Postgres postgres(argv[1], argv[2], argv[3]);
  televault::bench::ServeLines(postgres.All());
  return 0;
}
