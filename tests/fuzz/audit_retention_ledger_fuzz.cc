#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

#include "audit/encoding.h"
#include "audit/retention_ledger.h"
#include "vault/base/check.h"

using namespace televault::audit;

// One entry a line: kind (e, o, u = cannot be read), method, time, dataset and details, between
// tabs.
void Add(RetentionLedger& ledger, uint64_t index, const std::string& line) {
  const std::vector<std::string> words = absl::StrSplit(line, '\t');
  AuditEntry entry;
  int64_t time_us = 0;
  if (words.size() < 4 || words[0] == "u" || !absl::SimpleAtoi(words[2], &time_us)) {
    ledger.AddUnreadable(index);
    return;
  }
  entry.set_kind(words[0] == "e" ? televault::record::v1::ENTRY_KIND_EVENT
                                 : televault::record::v1::ENTRY_KIND_OUTCOME);
  entry.set_method(words[1]);
  entry.set_time_us(time_us);
  entry.set_dataset(words[3]);
  for (size_t i = 4; i < words.size(); ++i) {
    const std::pair<std::string, std::string> detail =
        absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    (*entry.mutable_details())[detail.first] = detail.second;
    if (detail.first == "rule") entry.set_rule(detail.second);
  }
  ledger.Add(index, entry);
}

// Whoever has the vault's keys writes what they like: the same is said of the same, and what cannot
// be read is never a pass.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const VerifierKey key = VerifierKey::Create("log", KeyType::kEd25519, PublicKey{}).value();
  std::vector<LedgerReport> reports;
  for (int i = 0; i < 2; ++i) {
    RetentionLedger ledger(key);
    uint64_t index = 0;
    for (const auto line : absl::StrSplit(text, '\n')) Add(ledger, index++, std::string(line));
    reports.push_back(std::move(ledger).Finish());
  }
  const LedgerReport& report = reports.front();
  TV_CHECK((report.verdict == LedgerVerdict::kBroken) == !report.findings.empty());
  TV_CHECK(report.verdict != LedgerVerdict::kHolds || report.unreadable == 0);
  TV_CHECK(report.verdict != LedgerVerdict::kHolds || report.undecided.empty());
  TV_CHECK(reports.back().verdict == report.verdict);
  TV_CHECK(reports.back().findings.size() == report.findings.size());
  TV_CHECK(reports.back().partitions.size() == report.partitions.size());
  return 0;
}
