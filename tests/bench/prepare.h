#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/bench/events.h"
#include "tests/support/daemon_fixture.h"
#include "vault/base/status.h"

namespace televault::bench {

using Steady = std::chrono::steady_clock;
inline double SecondsSince(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

// A measuring tool has nothing to save: what fails ends it.
template <class T>
T Need(absl::StatusOr<T> result, const char* what) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s: %s\n", what, result.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(result);
}
inline void Need(const absl::Status& status, const char* what) {
  Need(status.ok() ? absl::StatusOr<bool>(true) : absl::StatusOr<bool>(status), what);
}

// A row of a Markdown table.
void Print(const std::string& measure, const std::string& figure);

struct People {
  testing::TokenOf collector;
  testing::TokenOf analyst;
  testing::TokenOf investigator;
  testing::TokenOf auditor;
  testing::TokenOf steward;
  testing::TokenOf second_steward;
};

struct BenchDataset {
  std::string name;
  std::string manifest = kBuildsManifest;
};

// Starts the daemon with a token for everybody and the datasets applied.
People Prepare(testing::Daemon& daemon, const std::vector<BenchDataset>& datasets);

// Every merge leaves an audit entry: follows them until nothing of the dataset is left to merge,
// about a minute where its days have closed. The sum over its partitions.
v1::Partition AwaitMerges(const testing::Daemon& daemon, const People& people,
                          const std::string& dataset);

}  // namespace televault::bench
