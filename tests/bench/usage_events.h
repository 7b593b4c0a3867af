#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>

#include "televault/v1/ingest_service.pb.h"
#include "vault/base/time.h"

namespace televault::bench {

// One event of the data set that every contender gets.
struct UsageEvent {
  int64_t time_us;
  uint32_t subject;
  uint32_t command;
  uint32_t version;
  uint32_t system;
  double duration_ms;  // two decimals
  int64_t exit_code;
};

inline constexpr uint64_t kUsageSeed = 7;

// Thirty days of events up to the end of yesterday in the order of their arrival: nearly that of
// time. 40 commands and 20 versions, the first of them common; 3 systems; log-normal durations
// (median 400 ms, sigma 1.5); 5 % fail; 200,000 subjects, all as busy.
// Equal seed, number and day give equal events. Threads: one.
class UsageEvents {
 public:
  static constexpr int kDays = 30;
  static constexpr uint32_t kSubjects = 200'000;

  UsageEvents(uint64_t seed, uint64_t events);
  static WallTime Begin();  // of the first day
  uint64_t left() const { return events_ - made_; }
  UsageEvent Next();

 private:
  const uint64_t events_;
  const int64_t begin_us_;
  uint64_t made_ = 0;
  std::mt19937_64 random_;
};

std::string SubjectName(uint32_t subject);
std::string CommandName(uint32_t command);
std::string UsageVersion(uint32_t version);
const char* SystemName(uint32_t system);

// The next `most` of `events`, or what is left, in columns, without a batch id.
v1::AppendRequest UsageColumns(const std::string& dataset, uint32_t most, UsageEvents& events);

}  // namespace televault::bench
