// RocksDB alone, as a contender for writing: values of as many bytes as the vault seals for a
// batch, each of them synced before the next, by two threads. See contender.h.
//
// usage: rocksdb_peer DIRECTORY
#include <atomic>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"

#include "tests/bench/contender.h"
#include "tests/bench/prepare.h"
#include "vault/base/check.h"

namespace televault::bench {
namespace {

constexpr int kThreads = 2;

class RocksDb {
 public:
  explicit RocksDb(const std::string& directory) {
    rocksdb::Options options;
    options.create_if_missing = true;
    // As the vault has it: what is sealed does not compress.
    options.compression = rocksdb::kNoCompression;
    rocksdb::DB* db = nullptr;
    TV_CHECK(rocksdb::DB::Open(options, directory + "/rocksdb", &db).ok());
    db_.reset(db);
  }

  Actions All() {
    return {{"pids", [](const auto&) { return absl::StrCat(::getpid()); }},
            {"write", [this](const auto& words) {
               return Write(Number(words.at(1)), Number(words.at(2)));
             }}};
  }

 private:
  static uint64_t Number(const std::string& word) {
    uint64_t number = 0;
    TV_CHECK(absl::SimpleAtoi(word, &number));
    return number;
  }

  std::string Write(uint64_t values, uint64_t bytes) {
    // Nothing that repeats itself.
    std::mt19937_64 random(1);
    std::string value(bytes, '\0');
    for (char& c : value) c = static_cast<char>(random());
    std::atomic<uint64_t> taken{0};
    const auto start = Steady::now();
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        rocksdb::WriteOptions durable;
        durable.sync = true;
        while (taken++ < values) {
          TV_CHECK(db_->Put(durable, absl::StrCat("batch", next_++), value).ok());
        }
      });
    }
    threads.clear();
    return SecondsText(SecondsSince(start));
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::atomic<uint64_t> next_{0};
};

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: rocksdb_peer DIRECTORY\n");
    return 2;
  }
  televault::bench::RocksDb rocksdb(argv[1]);
  televault::bench::ServeLines(rocksdb.All());
  return 0;
}
