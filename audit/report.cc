#include "audit/report.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "audit/encoding.h"
#include "audit/peer.h"

namespace televault::audit {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr std::string_view kQuery = "/televault.v1.QueryService/Query";
constexpr std::string_view kUnseal = "/televault.v1.OperatorService/Unseal";
constexpr std::string_view kUnsealAtStart = "operator.unseal";
constexpr std::string_view kLockdowns = "/televault.v1.IncidentService/";
constexpr std::string_view kLockdownStatus = "/televault.v1.IncidentService/GetLockdownStatus";

// Events that somebody should know of, and what they mean.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kNotableEvents = {{
    {"audit.gap", "a lockdown took effect while the trail could not be written"},
    {"audit.quorum_missing", "too few witnesses cosign the log"},
    {"audit.witness_refuses", "a witness refuses the log: it has seen another history"},
    {"daemon.adopt", "the vault was made to go on from a state that contradicts its anchor"},
    {"partition.quarantine", "a partition was found damaged and is not served"},
}};

std::string TimeText(int64_t micros, const char* format = "%Y-%m-%dT%H:%M:%SZ") {
  return absl::FormatTime(format, absl::FromUnixMicros(micros), absl::UTCTimeZone());
}

std::string WhoOf(const AuditEntry& entry) {
  if (!entry.principal().person().empty()) return entry.principal().person();
  return entry.peer().empty() ? "unauthenticated"
                              : absl::StrCat("unauthenticated ", HostOfPeer(entry.peer()));
}

// One entry may speak for a flood of calls.
uint64_t CallsOf(const AuditEntry& entry) {
  const auto calls = entry.details().find("calls");
  uint64_t count = 0;
  if (calls == entry.details().end() || !absl::SimpleAtoi(calls->second, &count)) return 1;
  return std::max<uint64_t>(count, 1);
}

bool IsUnknownEnd(const AuditEntry& entry) { return entry.reason() == "UNKNOWN_CRASH"; }

template <typename Totals>
void Extend(Totals& totals, int64_t time_us) {
  totals.first_us = std::min(totals.first_us, time_us);
  totals.last_us = std::max(totals.last_us, time_us);
}

// A cell of a Markdown table in which nothing can end the cell, the line or start markup.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : EscapedForTerminal(text)) {
    if (std::string_view("\\`*_{}[]<>#|!~&").find(c) != std::string_view::npos) {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out.empty() ? "–" : out;
}

std::string Row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) absl::StrAppend(&line, " ", cell, " |");
  return line + "\n";
}

std::string Number(uint64_t value) { return absl::StrCat(value); }

void AppendReads(const TrailReport& report, std::string& out) {
  out += "## Who read what\n\n";
  if (report.reads.empty()) {
    out += "Nobody.\n\n";
    return;
  }
  out += Row({"person", "dataset", "purpose", "queries", "of single rows", "rows", "debited",
              "groups", "cells", "withheld", "bytes", "end unknown", "first", "last"});
  out += "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|---|\n";
  for (const auto& [key, totals] : report.reads) {
    out += Row({Cell(key.person), Cell(key.dataset), Cell(key.purpose), Number(totals.calls),
                Number(totals.row_calls), Number(totals.rows), Number(totals.debited_rows),
                Number(totals.groups), Number(totals.cells), Number(totals.withheld),
                Number(totals.bytes), Number(totals.unknown_ends), TimeText(totals.first_us),
                TimeText(totals.last_us)});
  }
  out += "\n";
}

void AppendRefusals(const TrailReport& report, std::string& out) {
  out += "## Refused\n\n";
  if (report.refusals.empty()) {
    out += "Nothing.\n\n";
    return;
  }
  out += Row({"who", "what", "why", "calls", "first", "last"});
  out += "|---|---|---|--:|---|---|\n";
  for (const auto& [key, totals] : report.refusals) {
    out += Row({Cell(key.who), Cell(key.method), Cell(key.reason), Number(totals.calls),
                TimeText(totals.first_us), TimeText(totals.last_us)});
  }
  out += "\n";
}

void AppendCounts(std::string_view title, std::string_view column,
                  const std::map<std::string, uint64_t>& counts, std::string& out) {
  absl::StrAppend(&out, "## ", AsAbsl(title), "\n\n");
  if (counts.empty()) {
    out += "None.\n\n";
    return;
  }
  out += Row({std::string(column), "times"});
  out += "|---|--:|\n";
  for (const auto& [name, count] : counts) out += Row({Cell(name), Number(count)});
  out += "\n";
}

void AppendAnomalies(const TrailReport& report, std::string& out) {
  out += "## What stands out\n\n";
  if (report.anomalies.empty()) {
    out += "Nothing.\n";
    return;
  }
  for (const Anomaly& anomaly : report.anomalies) {
    absl::StrAppend(&out, "- ", TimeText(anomaly.time_us), ", entry ", anomaly.index, " (",
                    Cell(anomaly.kind), "): ", Cell(anomaly.text), "\n");
  }
  if (report.anomalies_left_out > 0) {
    absl::StrAppend(&out, "- and ", report.anomalies_left_out,
                    " more; report on a shorter time to see them\n");
  }
}

}  // namespace

void ReportBuilder::AddUnreadable() { ++report_.unreadable; }

void ReportBuilder::Add(uint64_t index, const AuditEntry& entry) {
  ++report_.entries;
  Extend(report_, entry.time_us());
  if (entry.kind() == record::v1::ENTRY_KIND_INTENT) {
    ReadTotals& totals = ReadsOf(entry);
    totals.debited_rows += entry.rows_debited();
    Extend(totals, entry.time_us());
    return;  // its outcome follows
  }
  const bool denied = entry.verdict() == record::v1::VERDICT_DENY;
  // A stream that was cut by a lockdown or a revocation is refused, after what had left.
  const bool read =
      entry.kind() == record::v1::ENTRY_KIND_OUTCOME && entry.method() == kQuery &&
      (entry.cells_returned() > 0 || IsUnknownEnd(entry) || (entry.status() == 0 && !denied));
  if (read) AddRead(index, entry);
  if (entry.kind() == record::v1::ENTRY_KIND_EVENT) AddEvent(index, entry);
  if (denied) {
    AddRefusal(index, entry);
  } else if (entry.kind() == record::v1::ENTRY_KIND_EVENT) {
    ++report_.events[entry.method()];
  } else if (!read && entry.status() == 0) {
    report_.calls[entry.method()] += CallsOf(entry);
    if (entry.method().starts_with(kLockdowns) && entry.method() != kLockdownStatus) {
      AddAnomaly(index, entry.time_us(), "lockdown", Sentence(entry));
    }
  }
  if (entry.method() == kUnseal && entry.status() != 0) {
    AddAnomaly(index, entry.time_us(), "failed_unseal",
               absl::StrCat(WhoOf(entry), " could not unseal: ", entry.reason()));
  }
  if (entry.reason() == "NOT_CARRIED_OUT") {
    AddAnomaly(index, entry.time_us(), "not_carried_out", "was recorded as done and then failed");
  }
}

ReadTotals& ReportBuilder::ReadsOf(const AuditEntry& entry) {
  return report_.reads[{entry.principal().person(), entry.dataset(), entry.purpose()}];
}

void ReportBuilder::AddRead(uint64_t index, const AuditEntry& entry) {
  ReadTotals& totals = ReadsOf(entry);
  ++totals.calls;
  Extend(totals, entry.time_us());
  if (IsUnknownEnd(entry)) {
    ++totals.unknown_ends;
    AddAnomaly(index, entry.time_us(), "unknown_end",
               absl::StrCat("the vault ended while it answered ", WhoOf(entry),
                            "; what was sent is at most what was recorded before"));
    return;
  }
  totals.row_calls += entry.rows_returned() > 0 ? 1 : 0;
  totals.rows += entry.rows_returned();
  totals.groups += entry.groups_returned();
  totals.cells += entry.cells_returned();
  totals.withheld += entry.suppressed();
  totals.bytes += entry.bytes_returned();
  Day& day = by_day_[entry.principal().person()][entry.time_us() / kDayUs];
  day.cells += entry.cells_returned();
  day.last_index = index;
  day.last_us = entry.time_us();
}

void ReportBuilder::AddRefusal(uint64_t index, const AuditEntry& entry) {
  const uint64_t calls = CallsOf(entry);
  const std::string who = WhoOf(entry);
  RefusalTotals& totals = report_.refusals[{who, entry.method(), entry.reason()}];
  totals.calls += calls;
  Extend(totals, entry.time_us());
  Hour& hour = refused_[who];
  if (hour.hour != entry.time_us() / kHourUs) hour = {entry.time_us() / kHourUs, 0};
  const bool told = hour.refusals >= kManyRefusals;
  hour.refusals += calls;
  if (!told && hour.refusals >= kManyRefusals) {
    AddAnomaly(index, entry.time_us(), "many_refusals",
               absl::StrCat(who, " was refused ", kManyRefusals, " times or more within the hour"));
  }
}

void ReportBuilder::AddEvent(uint64_t index, const AuditEntry& entry) {
  if (entry.method() == kUnsealAtStart && entry.status() != 0) {
    AddAnomaly(index, entry.time_us(), "failed_unseal",
               "a start could not unseal: " + entry.reason());
  }
  for (const auto& [method, meaning] : kNotableEvents) {
    if (entry.method() != method) continue;
    std::string kind(method);
    std::replace(kind.begin(), kind.end(), '.', '_');
    AddAnomaly(index, entry.time_us(), std::move(kind), std::string(meaning));
  }
}

void ReportBuilder::AddAnomaly(uint64_t index, int64_t time_us, std::string kind,
                               std::string text) {
  if (report_.anomalies.size() == kMaxReportAnomalies) {
    ++report_.anomalies_left_out;
    return;
  }
  report_.anomalies.push_back({index, time_us, std::move(kind), std::move(text)});
}

void ReportBuilder::AddUnusualDays() {
  for (const auto& [person, days] : by_day_) {
    if (days.size() <= kDaysToCompare) continue;
    for (const auto& [day, totals] : days) {
      std::vector<uint64_t> others;
      for (const auto& [other, other_totals] : days) {
        if (other != day) others.push_back(other_totals.cells);
      }
      const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
      std::nth_element(others.begin(), middle, others.end());
      const uint64_t median = std::max<uint64_t>(*middle, 1);
      if (totals.cells / kUnusualFactor < median) continue;
      AddAnomaly(totals.last_index, totals.last_us, "unusual_volume",
                 absl::StrCat(person, " got ", totals.cells, " cells on ",
                              TimeText(day * kDayUs, "%Y-%m-%d"), ", ", *middle,
                              " on the median of the other days"));
    }
  }
}

TrailReport ReportBuilder::Finish() && {
  AddUnusualDays();
  std::stable_sort(report_.anomalies.begin(), report_.anomalies.end(),
                   [](const Anomaly& a, const Anomaly& b) { return a.index < b.index; });
  return std::move(report_);
}

std::string ReportMarkdown(const TrailReport& report) {
  std::string out = "# Audit report\n\n";
  if (report.entries > 0) {
    absl::StrAppend(&out, report.entries, " entries from ", TimeText(report.first_us), " to ",
                    TimeText(report.last_us), ".");
  } else {
    out += "No entries.";
  }
  if (report.unreadable > 0) {
    absl::StrAppend(&out, " ", report.unreadable,
                    " more cannot be read any more: the key of their audit epoch was destroyed.");
  }
  out += "\n\n";
  AppendReads(report, out);
  AppendRefusals(report, out);
  AppendCounts("Calls that were carried out", "method", report.calls, out);
  AppendCounts("Events", "event", report.events, out);
  AppendAnomalies(report, out);
  return out;
}

}  // namespace televault::audit
