#pragma once

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <sodium.h>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "audit/deletion_receipt.h"
#include "audit/retention_ledger.h"

namespace televault::audit {

inline constexpr int64_t kMidnight = 1'767'312'000'000'000;  // 2026-01-02T00:00:00Z, end of kDay
inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kHour = 3'600 * kSecond;
inline constexpr int64_t kDays = 24 * kHour;
inline constexpr int64_t kDeadline = kMidnight + 30 * kDays;
inline constexpr char kDay[] = "2026-01-01";
inline constexpr char kHold[] = "abababababababababababababababab";
inline constexpr char kErasure[] = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

// A trail that is written as a vault writes it, and may then be changed.
class Trail {
 public:
  struct Leaf {
    bool readable = true;
    AuditEntry entry;
  };
  Trail() {
    EXPECT_GE(sodium_init(), 0);
    std::array<uint8_t, crypto_sign_SEEDBYTES> seed{};
    PublicKey public_key{};
    crypto_sign_seed_keypair(public_key.data(), secret_.data(), seed.data());
    key_ = VerifierKey::Create("vault.example.org/log", KeyType::kEd25519, public_key).value();
  }

  std::string Sign(const std::string& text) const {
    return Note{text, {SignText(text, *key_, SigningKey(secret_)).value()}}.Text();
  }
  AuditEntry& Event(const std::string& method, int64_t at) {
    Leaf leaf;
    leaf.entry.set_kind(record::v1::ENTRY_KIND_EVENT);
    leaf.entry.set_method(method);
    leaf.entry.set_time_us(at);
    leaf.entry.set_dataset("usage");
    leaf.entry.set_reason("OK");
    leaves_.push_back(std::move(leaf));
    return leaves_.back().entry;
  }
  AuditEntry& Call(const std::string& method, int64_t at) {
    AuditEntry& entry = Event("/televault.v1." + method, at);
    entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
    return entry;
  }
  static void Set(AuditEntry& entry, const std::string& name, const std::string& value) {
    (*entry.mutable_details())[name] = value;
  }

  AuditEntry& OfPartition(const char* method, int64_t at) {
    AuditEntry& entry = Event(method, at);
    Set(entry, "day", day_);
    Set(entry, "deadline", ReceiptTime(deadline_));
    Set(entry, "key_id", absl::StrCat(key_id_));
    Set(entry, "pseudonym", "0123");
    return entry;
  }
  AuditEntry& Open(int64_t at = kMidnight - kHour) { return OfPartition("partition.open", at); }
  AuditEntry& Shred(int64_t at = kDeadline + 5 * kSecond) {
    AuditEntry& entry = OfPartition("retention.shred", at);
    if (!shredded_at_.has_value()) shredded_at_ = at;
    Set(entry, "events", "12");
    Set(entry, "destruction", "best_effort");
    Set(entry, "shredded_at", ReceiptTime(*shredded_at_));
    if (!holds_.empty()) Set(entry, "holds", holds_);
    shredded_leaf_ = leaves_.size() - 1;
    return entry;
  }
  DeletionReceipt Receipt(int64_t at) const {
    return {.dataset = "0123",
            .day = day_,
            .key_id = key_id_,
            .events = 12,
            .deadline = ReceiptTime(deadline_),
            .shredded_at = ReceiptTime(shredded_at_.value_or(at)),
            .purged_at = ReceiptTime(at),
            .shredded_leaf = shredded_leaf_,
            .destruction = "best_effort",
            .holds = holds_};
  }
  AuditEntry& Purge(int64_t at = kDeadline + 9 * kSecond) {
    AuditEntry& entry = OfPartition("retention.purge", at);
    Set(entry, "purged_at", ReceiptTime(at));
    Set(entry, "shredded_leaf", absl::StrCat(shredded_leaf_));
    Set(entry, "receipt", Sign(DeletionReceiptText(Receipt(at))));
    return entry;
  }
  AuditEntry& Place(int64_t at, int64_t until) {
    AuditEntry& entry = Call("RetentionService/PlaceHold", at);
    Set(entry, "hold", kHold);
    Set(entry, "first_day", "");
    Set(entry, "last_day", kDay);
    Set(entry, "until", ReceiptTime(until));
    return entry;
  }
  AuditEntry& Release(int64_t at) {
    AuditEntry& entry = Call("RetentionService/ReleaseHold", at);
    Set(entry, "hold", kHold);
    Set(entry, "ended_at", ReceiptTime(at));
    return entry;
  }
  AuditEntry& Apply(int64_t at, const std::string& ttl, uint64_t moved) {
    AuditEntry& entry = Call("CatalogService/ApplyDataset", at);
    Set(entry, "applied", "true");
    if (!ttl.empty()) Set(entry, "ttl", ttl);
    Set(entry, "deadlines_moved", absl::StrCat(moved));
    return entry;
  }
  AuditEntry& Ask(int64_t at = kMidnight, uint64_t number = 7) {
    AuditEntry& entry = Call("RetentionService/EraseSubject", at);
    asked_at_ = at;
    Set(entry, "erasure", kErasure);
    Set(entry, "known", "no");
    Set(entry, "number", absl::StrCat(number));
    Set(entry, "pseudonym", "0123");
    Set(entry, "requested_at", ReceiptTime(at));
    Set(entry, "deadline", ReceiptTime(at + 3 * kDays));
    return entry;
  }
  AuditEntry& Begin(int64_t at, uint64_t events = 3) {
    AuditEntry& entry = OfPartition("erasure.begin", at);
    Set(entry, "events", absl::StrCat(events));
    return entry;
  }
  AuditEntry& Rewrite(int64_t at, uint64_t up_to = 7) {
    AuditEntry& entry = OfPartition("erasure.rewrite", at);
    Set(entry, "key_id", absl::StrCat(++key_id_));
    Set(entry, "rewritten", "yes");
    Set(entry, "erased_up_to", absl::StrCat(up_to));
    return entry;
  }
  AuditEntry& Settle(int64_t at) {
    AuditEntry& entry = Event("erasure.settled", at);
    Set(entry, "erasure", kErasure);
    Set(entry, "settled_at", ReceiptTime(at));
    Set(entry, "partitions", "1");
    Set(entry, "events", "3");
    Set(entry, "destruction", "hardware");
    if (!holds_.empty()) Set(entry, "holds", holds_);
    Set(entry, "receipt",
        Sign(ErasureReceiptText({.dataset = "0123",
                                 .id = kErasure,
                                 .requested_at = ReceiptTime(asked_at_),
                                 .deadline = ReceiptTime(asked_at_ + 3 * kDays),
                                 .settled_at = ReceiptTime(at),
                                 .partitions = 1,
                                 .events = 3,
                                 .destruction = "hardware",
                                 .holds = holds_})));
    return entry;
  }
  // From a backup that has all that is here, with so many legal holds in the keyring. What follows
  // is as of then; `lost`: history that came after the backup.
  AuditEntry& Restore(int64_t at, uint64_t holds, bool lost = true) {
    const size_t size = leaves_.size();
    Event("daemon.start", at);
    AuditEntry& entry = Event("backup.restore", at);
    entry.set_dataset("");
    Set(entry, "holds", absl::StrCat(holds));
    Set(entry, "new_size", absl::StrCat(size));
    Set(entry, "history_lost", lost ? "yes" : "no");
    return entry;
  }
  AuditEntry& KeyringHold(int64_t at, int64_t placed, int64_t until) {
    AuditEntry& entry = Event("backup.restore.hold", at);
    Set(entry, "hold", kHold);
    Set(entry, "first_day", "");
    Set(entry, "last_day", kDay);
    Set(entry, "placed_at", ReceiptTime(placed));
    Set(entry, "until", ReceiptTime(until));
    return entry;
  }
  // A shred in lost history, as it is recorded after the restore.
  AuditEntry& RestoredShred(int64_t at) {
    deadline_ = std::min(deadline_, at);
    AuditEntry& entry = Shred(at);
    entry.set_rule("restore");
    return entry;
  }
  AuditEntry& RestoredKey(int64_t at) {
    ++key_id_;
    return OfPartition("backup.restore.key", at);
  }
  AuditEntry& Followed(int64_t at) { return Event("backup.restore.ledger", at); }
  // Another day of the dataset, under another key.
  void NextDay() {
    day_ = "2026-01-02";
    deadline_ += kDays;
    ++key_id_;
    shredded_at_.reset();
  }
  void End(int64_t at) { Event("daemon.stop", at); }

  LedgerReport Judge() const {
    RetentionLedger ledger(*key_);
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if (leaves_[i].readable) {
        ledger.Add(i, leaves_[i].entry);
      } else {
        ledger.AddUnreadable(i);
      }
    }
    return std::move(ledger).Finish();
  }
  std::vector<Leaf>& leaves() { return leaves_; }

  int64_t deadline_ = kDeadline;
  std::string holds_;

 private:
  std::array<uint8_t, kSigningKeyBytes> secret_{};
  std::optional<VerifierKey> key_;
  std::vector<Leaf> leaves_;
  std::string day_ = kDay;
  uint64_t key_id_ = 17;
  std::optional<int64_t> shredded_at_;
  uint64_t shredded_leaf_ = 0;
  int64_t asked_at_ = 0;
};

inline std::vector<std::string> Kinds(const std::vector<LedgerFinding>& findings) {
  std::vector<std::string> kinds;
  for (const LedgerFinding& finding : findings) kinds.push_back(finding.kind);
  return kinds;
}
inline std::vector<std::string> Broken(const Trail& trail) {
  const LedgerReport report = trail.Judge();
  EXPECT_EQ(report.verdict == LedgerVerdict::kBroken, !report.findings.empty());
  return Kinds(report.findings);
}

}  // namespace televault::audit
