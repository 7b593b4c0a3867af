#include "audit/entry.h"

#include <algorithm>
#include <array>
#include <google/protobuf/map.h>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"

#include "audit/encoding.h"
#include "audit/leaf.h"

namespace televault::audit {
namespace {

constexpr absl::Duration kTimeSlack = absl::Seconds(kTimeSlackSeconds);
constexpr char kTruncatedDetail[] = "truncated";
constexpr size_t kTextFields = 11;
constexpr size_t kFieldOverhead = 8;  // tag and length
constexpr size_t kNumberBytes = 512;  // all numbers together, with their tags

// What BoundEntry leaves is below the bound by arithmetic, not by luck.
static_assert(kMaxEntryQueryBytes + kTextFields * (kMaxEntryTextBytes + kFieldOverhead) +
                  3 * (kMaxEntryDigestBytes + kFieldOverhead) +
                  kMaxEntryLiterals * (kMaxEntryLiteralBytes + kFieldOverhead) +
                  kMaxEntryMasksBytes + kMaxEntryRolesBytes +
                  (kMaxEntryDetails + 1) *
                      (kMaxEntryDetailNameBytes + kMaxEntryTextBytes + 3 * kFieldOverhead) +
                  kNumberBytes <=
              kMaxEntryBytes);
// Two long details leave the query some room.
static_assert(2 * (kMaxEntryLongDetailBytes - kMaxEntryTextBytes) + kMaxEntryTextBytes <=
              kMaxEntryQueryBytes);
// The rest is the envelope's: salt, commitment, tag, version bytes.
static_assert(kMaxEntryBytes + 1'024 <= kMaxLeafBodyBytes);

// What came over the wire beside the messages (peers, metadata) may be any bytes, but an entry with
// text that is not UTF-8 could be written and never be read again.
void CutText(std::string& text, size_t max_bytes) {
  if (!IsUtf8(text)) text = ToUtf8(text);
  if (text.size() <= max_bytes) return;
  size_t end = max_bytes - kTruncatedMarker.size();
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;  // whole code points
  text.resize(end);
  text.append(kTruncatedMarker);
}

void CutDigest(std::string& digest) {
  if (digest.size() > kMaxEntryDigestBytes) digest.resize(kMaxEntryDigestBytes);
}

// Keeps the first items that fit `max_bytes` with their overhead. True where some were cut.
bool CutList(google::protobuf::RepeatedPtrField<std::string>& list, size_t max_bytes) {
  size_t used = 0;
  int kept = 0;
  for (; kept < list.size(); ++kept) {
    CutText(*list.Mutable(kept), kMaxEntryTextBytes);
    used += list.Get(kept).size() + kFieldOverhead;
    if (used > max_bytes) break;
  }
  if (kept == list.size()) return false;
  list.DeleteSubrange(kept, list.size() - kept);
  return true;
}

bool CutLiterals(AuditEntry& entry) {
  for (std::string& hash : *entry.mutable_literal_hashes()) CutDigest(hash);
  const int surplus = entry.literal_hashes_size() - static_cast<int>(kMaxEntryLiterals);
  if (surplus <= 0) return false;
  entry.mutable_literal_hashes()->DeleteSubrange(static_cast<int>(kMaxEntryLiterals), surplus);
  return true;
}

size_t MaxDetailBytes(std::string_view name) {
  const bool is_long = name == "receipt" || name == "holds";
  return is_long ? kMaxEntryLongDetailBytes : kMaxEntryTextBytes;
}

// What the details have of the query's room.
size_t BeyondText(const AuditEntry& entry) {
  size_t bytes = 0;
  for (const auto& [name, value] : entry.details()) {
    bytes += value.size() - std::min(value.size(), kMaxEntryTextBytes);
  }
  return bytes;
}

bool CutDetails(AuditEntry& entry) {
  std::map<std::string, std::string> sorted(entry.details().begin(), entry.details().end());
  auto& details = *entry.mutable_details();
  bool cut = false;
  size_t kept = 0;
  for (auto& [name, value] : sorted) {
    const bool marker = name == kTruncatedDetail;
    if (!marker &&
        (name.size() > kMaxEntryDetailNameBytes || !IsUtf8(name) || kept == kMaxEntryDetails)) {
      details.erase(name);
      cut = true;
      continue;
    }
    kept += marker ? 0 : 1;
    CutText(value, MaxDetailBytes(name));
    details[name] = value;
  }
  return cut;
}

// Once the details are cut.
void CutTexts(AuditEntry& entry) {
  CutText(*entry.mutable_normalized_query(), kMaxEntryQueryBytes - BeyondText(entry));
  const std::array<std::string*, kTextFields> texts = {entry.mutable_principal()->mutable_person(),
                                                       entry.mutable_principal()->mutable_token(),
                                                       entry.mutable_peer(),
                                                       entry.mutable_method(),
                                                       entry.mutable_dataset(),
                                                       entry.mutable_purpose(),
                                                       entry.mutable_query_fingerprint(),
                                                       entry.mutable_reason(),
                                                       entry.mutable_rule(),
                                                       entry.mutable_grant(),
                                                       entry.mutable_lockdown_level()};
  for (std::string* text : texts) CutText(*text, kMaxEntryTextBytes);
  CutDigest(*entry.mutable_id());
  CutDigest(*entry.mutable_policy_digest());
  CutDigest(*entry.mutable_response_digest());
}

// Bytes of a character at `rest` that a terminal might act on (C0, DEL, C1, direction changes), 0
// for any other.
size_t UnsafeBytes(std::string_view rest) {
  const auto at = [&](size_t i) { return i < rest.size() ? static_cast<uint8_t>(rest[i]) : 0; };
  if (at(0) < 0x20 || at(0) == 0x7F) return 1;
  if (at(0) == 0xC2 && at(1) >= 0x80 && at(1) <= 0x9F) return 2;
  if (at(0) != 0xE2) return 0;
  const bool embedding = at(1) == 0x80 && at(2) >= 0xA8 && at(2) <= 0xAE;
  const bool isolate = at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9;
  return embedding || isolate ? 3 : 0;
}

std::string Who(const AuditEntry& entry) {
  const record::v1::AuditPrincipal& principal = entry.principal();
  std::string who = principal.person();
  if (who.empty()) who = principal.token().empty() ? "an unauthenticated caller" : "a token";
  std::vector<std::string> notes;
  if (!principal.token().empty()) notes.push_back(absl::StrCat("token ", principal.token()));
  if (principal.roles_size() > 0) {
    notes.push_back(absl::StrCat("as ", absl::StrJoin(principal.roles(), "+")));
  }
  if (!entry.peer().empty()) notes.push_back(absl::StrCat("from ", entry.peer()));
  if (!notes.empty()) absl::StrAppend(&who, " (", absl::StrJoin(notes, ", "), ")");
  return who;
}

std::string_view LastPart(std::string_view method) {
  const size_t slash = method.rfind('/');
  return slash == std::string_view::npos ? method : method.substr(slash + 1);
}

// "/televault.v1.QueryService/Query" → "QueryService/Query".
std::string_view ShortMethod(std::string_view method) {
  const size_t slash = method.rfind('/');
  const size_t dot = slash == std::string_view::npos ? slash : method.rfind('.', slash);
  return dot == std::string_view::npos ? method : method.substr(dot + 1);
}

std::string What(const AuditEntry& entry) {
  const auto method = AsAbsl(ShortMethod(entry.method()));
  std::string what;
  switch (entry.kind()) {
    case record::v1::ENTRY_KIND_INTENT:
      what = absl::StrCat(Who(entry), " is about to call ", method);
      break;
    case record::v1::ENTRY_KIND_EVENT:
      what = absl::StrCat("the vault recorded ", method);
      if (!entry.principal().person().empty()) absl::StrAppend(&what, " by ", Who(entry));
      break;
    default:
      what = absl::StrCat(Who(entry), " called ", method);
  }
  if (!entry.dataset().empty()) absl::StrAppend(&what, " on dataset ", entry.dataset());
  if (!entry.purpose().empty()) absl::StrAppend(&what, " for purpose ", entry.purpose());
  return what;
}

std::string Decision(const AuditEntry& entry) {
  std::string decision;
  switch (entry.verdict()) {
    case record::v1::VERDICT_ALLOW:
      decision = "allowed";
      break;
    case record::v1::VERDICT_DENY:
      decision = "refused";
      break;
    default:
      return "";
  }
  if (!entry.reason().empty() && entry.reason() != "OK") {
    absl::StrAppend(&decision, " (", entry.reason(), ")");
  }
  if (!entry.rule().empty()) absl::StrAppend(&decision, " by rule ", entry.rule());
  if (!entry.grant().empty()) absl::StrAppend(&decision, " under grant ", entry.grant());
  if (!entry.lockdown_level().empty() && entry.lockdown_level() != "none") {
    absl::StrAppend(&decision, " in lockdown ", entry.lockdown_level());
  }
  return decision;
}

void AddCount(std::vector<std::string>& parts, uint64_t count, std::string_view noun) {
  if (count == 0) return;
  const bool plural = count != 1 && noun.find(' ') == std::string_view::npos;
  parts.push_back(absl::StrCat(count, " ", AsAbsl(noun), plural ? "s" : ""));
}

// What left the vault or came in.
std::string Amounts(const AuditEntry& entry) {
  std::vector<std::string> parts;
  AddCount(parts, entry.rows_debited(), "rows about to leave");
  AddCount(parts, entry.rows_returned(), "row");
  AddCount(parts, entry.groups_returned(), "group");
  AddCount(parts, entry.cells_returned(), "cell");
  AddCount(parts, entry.bytes_returned(), "byte");
  std::string amounts;
  if (!parts.empty()) amounts = absl::StrCat("returned ", absl::StrJoin(parts, ", "));
  parts.clear();
  AddCount(parts, entry.suppressed(), "cells withheld");
  AddCount(parts, entry.rows_scanned(), "rows scanned");
  AddCount(parts, entry.events_accepted(), "events accepted");
  AddCount(parts, entry.events_rejected(), "events rejected");
  if (!parts.empty()) {
    absl::StrAppend(&amounts, amounts.empty() ? "" : "; ", absl::StrJoin(parts, ", "));
  }
  return amounts;
}

std::string StatusText(int code) {
  constexpr std::array kNames = {"OK",
                                 "CANCELLED",
                                 "UNKNOWN",
                                 "INVALID_ARGUMENT",
                                 "DEADLINE_EXCEEDED",
                                 "NOT_FOUND",
                                 "ALREADY_EXISTS",
                                 "PERMISSION_DENIED",
                                 "RESOURCE_EXHAUSTED",
                                 "FAILED_PRECONDITION",
                                 "ABORTED",
                                 "OUT_OF_RANGE",
                                 "UNIMPLEMENTED",
                                 "INTERNAL",
                                 "UNAVAILABLE",
                                 "DATA_LOSS",
                                 "UNAUTHENTICATED"};
  if (code >= 0 && static_cast<size_t>(code) < kNames.size()) return kNames[code];
  return absl::StrCat("status ", code);
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Time TimeOf(const AuditEntry& entry) { return absl::FromUnixMicros(entry.time_us()); }

bool IsTimestamp(const google::protobuf::Timestamp& time) {
  constexpr int64_t kYear1 = -62'135'596'800;
  constexpr int64_t kYear10000 = 253'402'300'800;
  return time.seconds() >= kYear1 && time.seconds() < kYear10000 && time.nanos() >= 0 &&
         time.nanos() < 1'000'000'000;
}

bool MatchesText(const std::string& wanted, const std::string& found) {
  return wanted.empty() || wanted == found;
}

}  // namespace

std::string EscapedForTerminal(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t unsafe = UnsafeBytes(text);
    for (size_t i = 0; i < unsafe; ++i) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint8_t>(text[i]));
    }
    if (unsafe == 0) out.push_back(text[0]);
    text.remove_prefix(unsafe == 0 ? 1 : unsafe);
  }
  return out;
}

void BoundEntry(AuditEntry& entry) {
  std::vector<std::string> cut;
  if (CutList(*entry.mutable_masks(), kMaxEntryMasksBytes)) cut.push_back("masks");
  if (CutList(*entry.mutable_principal()->mutable_roles(), kMaxEntryRolesBytes)) {
    cut.push_back("roles");
  }
  if (CutLiterals(entry)) cut.push_back("literal_hashes");
  if (CutDetails(entry)) cut.push_back("details");
  CutTexts(entry);
  if (!cut.empty()) (*entry.mutable_details())[kTruncatedDetail] = absl::StrJoin(cut, ",");
}

std::string Sentence(const AuditEntry& entry) {
  std::string sentence =
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(entry.time_us()),
                                    absl::UTCTimeZone()),
                   " ", What(entry));
  if (const std::string decision = Decision(entry); !decision.empty()) {
    absl::StrAppend(&sentence, ": ", decision);
  }
  if (entry.kind() == record::v1::ENTRY_KIND_OUTCOME) {
    absl::StrAppend(&sentence, "; answered ", StatusText(entry.status()));
    if (entry.has_intent()) absl::StrAppend(&sentence, " to intent ", entry.intent_index());
    if (entry.duration_us() > 0) {
      absl::StrAppend(&sentence, " after ",
                      absl::FormatDuration(absl::Microseconds(entry.duration_us())));
    }
  }
  if (const std::string amounts = Amounts(entry); !amounts.empty()) {
    absl::StrAppend(&sentence, "; ", amounts);
  }
  if (entry.masks_size() > 0) {
    absl::StrAppend(&sentence, "; masked ", absl::StrJoin(entry.masks(), ", "));
  }
  if (!entry.normalized_query().empty()) {
    absl::StrAppend(&sentence, "; query: ", entry.normalized_query());
  }
  const std::map<std::string, std::string> details(entry.details().begin(), entry.details().end());
  for (const auto& [name, value] : details) absl::StrAppend(&sentence, "; ", name, "=", value);
  return EscapedForTerminal(sentence);
}

absl::Status CheckFilter(const v1::EntryFilter& filter) {
  if ((filter.has_since() && !IsTimestamp(filter.since())) ||
      (filter.has_until() && !IsTimestamp(filter.until()))) {
    return absl::InvalidArgumentError("filter: since and until must lie in the years 1 to 9999");
  }
  if (filter.has_since() && filter.has_until() &&
      ToTime(filter.since()) >= ToTime(filter.until())) {
    return absl::InvalidArgumentError("filter: since must be before until");
  }
  return absl::OkStatus();
}

bool Matches(const v1::EntryFilter& filter, const AuditEntry& entry) {
  const absl::Time time = TimeOf(entry);
  if (filter.has_since() && time < ToTime(filter.since())) return false;
  if (filter.has_until() && time >= ToTime(filter.until())) return false;
  if (!filter.method().empty() && filter.method() != entry.method() &&
      filter.method() != LastPart(entry.method())) {
    return false;
  }
  return MatchesText(filter.principal(), entry.principal().person()) &&
         MatchesText(filter.dataset(), entry.dataset()) &&
         MatchesText(filter.purpose(), entry.purpose()) &&
         (filter.verdict() == record::v1::VERDICT_UNSPECIFIED ||
          filter.verdict() == entry.verdict()) &&
         (filter.kind() == record::v1::ENTRY_KIND_UNSPECIFIED || filter.kind() == entry.kind());
}

bool EndsBefore(const v1::EntryFilter& filter, const AuditEntry& entry) {
  return filter.has_since() && TimeOf(entry) < ToTime(filter.since()) - kTimeSlack;
}

absl::StatusOr<LeafSpan> SpanOf(const v1::EntryFilter& filter, uint64_t size, EntryOfLeaf read) {
  // Bounds where the leaves end for which `before` certainly holds.
  const auto bisect =
      [&](uint64_t begin,
          absl::FunctionRef<bool(const AuditEntry&)> before) -> absl::StatusOr<uint64_t> {
    uint64_t end = size;
    while (begin < end) {
      const uint64_t middle = begin + (end - begin) / 2;
      std::optional<AuditEntry> entry;
      uint64_t at = middle;
      for (; at < end && !entry.has_value(); ++at) {
        auto found = read(at);
        if (!found.ok()) return found.status();
        entry = *std::move(found);
      }
      if (entry.has_value() && before(*entry)) {
        begin = at;
      } else {
        end = middle;
      }
    }
    return begin;
  };
  LeafSpan span{0, size};
  if (filter.has_since()) {
    const auto begin =
        bisect(0, [&](const AuditEntry& entry) { return EndsBefore(filter, entry); });
    if (!begin.ok()) return begin.status();
    span.begin = *begin;
  }
  if (filter.has_until()) {
    const auto end = bisect(span.begin, [&](const AuditEntry& entry) {
      return TimeOf(entry) < ToTime(filter.until()) + kTimeSlack;
    });
    if (!end.ok()) return end.status();
    span.end = *end;
  }
  // What says no time may belong to what stands before it.
  for (; span.end < size; ++span.end) {
    const auto entry = read(span.end);
    if (!entry.ok()) return entry.status();
    if (entry->has_value()) break;
  }
  return span;
}

}  // namespace televault::audit
