// SQLCipher in this process, the usual encrypted embedded engine, as a contender of the suite; see
// contender.h. It has no percentiles.
//
// usage: sqlcipher_peer CSV DIRECTORY FIRST_DAY_US
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

#include "sqlcipher/sqlite3.h"
#include "tests/bench/contender.h"
#include "tests/bench/prepare.h"
#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/time.h"
#include "vault/query/calendar.h"

namespace televault::bench {
namespace {

const std::map<std::string, std::string>& Queries() {
  static const auto* const queries = new std::map<std::string, std::string>{
      {"count", "SELECT count(*) FROM usage"},
      {"commands", "SELECT command, count(*), avg(duration_ms) FROM usage GROUP BY command"},
      {"days",
       "SELECT event_time - event_time % 86400000000, os, count(*), avg(duration_ms) FROM usage "
       "WHERE duration_ms > 100 GROUP BY 1, 2"},
      {"users",
       "SELECT version, count(DISTINCT subject) FROM usage WHERE event_time >= $D10 "
       "AND event_time < $D14 GROUP BY version"},
      {"slice",
       "SELECT command, count(*), avg(duration_ms) FROM usage WHERE event_time >= $D15 "
       "AND event_time < $D15 + 25920000000 GROUP BY command"},
      {"subject",
       "SELECT event_time, command, version, duration_ms, exit_code FROM usage "
       "WHERE subject = x'$SUBJECT'"},
  };
  return *queries;
}

class SqlCipher {
 public:
  SqlCipher(std::string csv, const std::string& directory, int64_t first_day_us)
      : csv_(std::move(csv)), path_(directory + "/sqlcipher.db"), first_day_us_(first_day_us) {
    std::filesystem::remove(path_);
    Open();
  }
  ~SqlCipher() { sqlite3_close(db_); }

  Actions All() {
    return {{"pids", [](const auto&) { return absl::StrCat(::getpid()); }},
            {"load", [this](const auto&) { return Load(); }},
            {"restart", [this](const auto&) { return Restart(); }},
            {"query", [this](const auto& words) { return Time(words.at(1)); }},
            {"rows", [this](const auto& words) { return Rows(words.at(1)).dump(); }}};
  }

 private:
  void Check(bool good) const {
    if (good) return;
    std::fprintf(stderr, "SQLCipher: %s\n", sqlite3_errmsg(db_));
    std::exit(1);
  }
  void Do(const std::string& sql) {
    Check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  void Open() {
    Check(sqlite3_open(path_.c_str(), &db_) == SQLITE_OK);
    Do("PRAGMA key = 'a key of the benchmark'");
    Do("PRAGMA journal_mode = WAL");
    Do("PRAGMA synchronous = FULL");
    Do("PRAGMA cache_size = -2000000");  // KiB: everything fits
  }

  std::string Load() {
    const auto start = Steady::now();
    Do("CREATE TABLE usage (event_time INTEGER, subject BLOB, command TEXT, version TEXT, os TEXT, "
       "duration_ms REAL, exit_code INTEGER)");
    Do("BEGIN");
    sqlite3_stmt* insert = nullptr;
    Check(sqlite3_prepare_v2(db_, "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?)", -1, &insert,
                             nullptr) == SQLITE_OK);
    std::ifstream file(csv_);
    for (std::string line; std::getline(file, line);) Insert(insert, line);
    sqlite3_finalize(insert);
    Do("COMMIT");
    Do("PRAGMA wal_checkpoint(TRUNCATE)");
    const nlohmann::json found =
        RowsOf("SELECT hex(subject) FROM usage ORDER BY duration_ms DESC LIMIT 1");
    subject_ = found.at(0).at(0).get<std::string>();
    return absl::StrFormat("%.3f %d", SecondsSince(start), std::filesystem::file_size(path_));
  }

  void Insert(sqlite3_stmt* insert, const std::string& line) {
    const std::vector<std::string> words = absl::StrSplit(line, ',');
    const std::string subject = *FromHex(absl::StrReplaceAll(words.at(1), {{"-", ""}}));
    double duration = 0;
    int64_t exit_code = 0;
    const auto time = query::ParseTimestamp(words.at(0));
    TV_CHECK(time.has_value() && absl::SimpleAtod(words.at(5), &duration) &&
             absl::SimpleAtoi(words.at(6), &exit_code));
    sqlite3_bind_int64(insert, 1, *time);
    sqlite3_bind_blob(insert, 2, subject.data(), static_cast<int>(subject.size()),
                      SQLITE_TRANSIENT);
    for (int i = 2; i < 5; ++i) {
      sqlite3_bind_text(insert, i + 1, words[static_cast<size_t>(i)].c_str(), -1, SQLITE_TRANSIENT);
    }
    sqlite3_bind_double(insert, 6, duration);
    sqlite3_bind_int64(insert, 7, exit_code);
    Check(sqlite3_step(insert) == SQLITE_DONE);
    sqlite3_reset(insert);
  }

  std::string Restart() {
    sqlite3_close(db_);
    const auto start = Steady::now();
    Open();
    return SecondsText(SecondsSince(start));
  }

  std::string SqlOf(const std::string& name) const {
    const auto day = [this](int number) {
      return absl::StrCat(first_day_us_ + number * kMicrosPerDay);
    };
    return absl::StrReplaceAll(
        Queries().at(name),
        {{"$D10", day(10)}, {"$D14", day(14)}, {"$D15", day(15)}, {"$SUBJECT", subject_}});
  }
  std::string Time(const std::string& name) {
    const auto start = Steady::now();
    TV_CHECK(!RowsOf(SqlOf(name)).empty());
    return SecondsText(SecondsSince(start));
  }
  nlohmann::json Rows(const std::string& name) { return RowsOf(SqlOf(name)); }

  nlohmann::json RowsOf(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    nlohmann::json rows = nlohmann::json::array();
    int step = 0;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
      nlohmann::json row = nlohmann::json::array();
      for (int c = 0; c < sqlite3_column_count(statement); ++c) {
        row.push_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, c)));
      }
      rows.push_back(std::move(row));
    }
    Check(step == SQLITE_DONE);
    sqlite3_finalize(statement);
    return rows;
  }

  const std::string csv_;
  const std::string path_;
  const int64_t first_day_us_;
  sqlite3* db_ = nullptr;
  std::string subject_;
};

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  int64_t first_day_us = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[3], &first_day_us)) {
    std::fprintf(stderr, "usage: sqlcipher_peer CSV DIRECTORY FIRST_DAY_US\n");
    return 2;
  }
  televault::bench::SqlCipher engine(argv[1], argv[2], first_day_us);
  televault::bench::ServeLines(engine.All());
  return 0;
}
