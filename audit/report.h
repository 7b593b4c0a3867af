#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "audit/entry.h"

// Who read what, for which purpose, how much, what was refused, and what stands out.
namespace televault::audit {

inline constexpr size_t kMaxReportAnomalies = 1'000;

struct ReadKey {
  std::string person;
  std::string dataset;
  std::string purpose;
  auto operator<=>(const ReadKey&) const = default;
};
// Queries of which something was answered, also such that were cut.
struct ReadTotals {
  uint64_t calls = 0;
  uint64_t row_calls = 0;  // of them: single rows were asked for
  uint64_t rows = 0;
  uint64_t groups = 0;
  uint64_t cells = 0;
  uint64_t withheld = 0;  // cells and groups
  uint64_t bytes = 0;
  uint64_t unknown_ends = 0;  // answers a crash cut short; what they sent is in debited_rows only
  uint64_t debited_rows = 0;  // recorded before rows were sent; a crash makes it the upper bound
  int64_t first_us = INT64_MAX;
  int64_t last_us = INT64_MIN;
};

struct RefusalKey {
  std::string who;  // person, or the peer of an unauthenticated caller
  std::string method;
  std::string reason;
  auto operator<=>(const RefusalKey&) const = default;
};
struct RefusalTotals {
  uint64_t calls = 0;
  int64_t first_us = INT64_MAX;
  int64_t last_us = INT64_MIN;
};

// Something a reviewer should look at: which entry, and why.
struct Anomaly {
  uint64_t index = 0;
  int64_t time_us = 0;
  std::string kind;  // stable, e.g. "unknown_end"
  std::string text;
};

struct TrailReport {
  uint64_t entries = 0;
  uint64_t unreadable = 0;  // their audit epoch was destroyed
  int64_t first_us = INT64_MAX;
  int64_t last_us = INT64_MIN;
  std::map<ReadKey, ReadTotals> reads;
  std::map<RefusalKey, RefusalTotals> refusals;
  std::map<std::string, uint64_t> calls;   // allowed and carried out, by method
  std::map<std::string, uint64_t> events;  // without a call, by method
  std::vector<Anomaly> anomalies;          // in the order of the log
  uint64_t anomalies_left_out = 0;         // beyond kMaxReportAnomalies
};

// Sums up entries one by one, in the order of the log.
// Refuses to judge: what stands out is listed with the rule that picked it.
// Threads: one at a time.  Borrows: nothing.
// Invariants: (1) every query of which something was answered is in exactly one of reads. (2) Every
// refusal is in exactly one of refusals, floods with their exact counts; an answer that was cut is
// in both.
class ReportBuilder {
 public:
  // A person with that many refusals within one hour stands out.
  static constexpr uint64_t kManyRefusals = 10;
  // A day on which a person got that many times the cells of the median of their other days, given
  // at least three others, stands out.
  static constexpr uint64_t kUnusualFactor = 10;
  static constexpr size_t kDaysToCompare = 3;

  void Add(uint64_t index, const AuditEntry& entry);
  void AddUnreadable();
  TrailReport Finish() &&;

 private:
  ReadTotals& ReadsOf(const AuditEntry& entry);
  void AddRead(uint64_t index, const AuditEntry& entry);
  void AddRefusal(uint64_t index, const AuditEntry& entry);
  void AddEvent(uint64_t index, const AuditEntry& entry);
  void AddAnomaly(uint64_t index, int64_t time_us, std::string kind, std::string text);
  void AddUnusualDays();

  struct Hour {
    int64_t hour = INT64_MIN;  // since 1970
    uint64_t refusals = 0;
  };
  struct Day {
    uint64_t last_index = 0;
    int64_t last_us = 0;
    uint64_t cells = 0;
  };
  TrailReport report_;
  std::map<std::string, Hour> refused_;                   // by who
  std::map<std::string, std::map<int64_t, Day>> by_day_;  // by person
};

// The report as Markdown. Everything that came from callers is escaped.
std::string ReportMarkdown(const TrailReport& report);

}  // namespace televault::audit
