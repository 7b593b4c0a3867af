#include "tests/crash/oracle.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"
#include "audit/proof_file.h"
#include "tests/crash/load.h"

namespace televault::crash {
namespace {

constexpr char kQuery[] = "/televault.v1.QueryService/Query";
constexpr size_t kEntriesLookedAt = 3;
constexpr microseconds kGrant{24LL * 3'600'000'000};
constexpr microseconds kGrantLeft{60'000'000};

// An error of a call made while checking is never expected: the vault is alone and at rest.
absl::Status Step(const absl::Status& status, const char* what) {
  return status.ok() ? status : Annotate(status, what);
}

}  // namespace

Oracle::Oracle(const VaultUnderTest& vault, Ledger& ledger, audit::VerifierKey key)
    : vault_(vault), ledger_(ledger), key_(std::move(key)) {}

absl::Status Oracle::Check(bool resend, bool thorough) {
  TV_RETURN_IF_ERROR(Step(CheckState(), "state"));
  TV_RETURN_IF_ERROR(Step(CheckLog(), "audit log"));
  if (thorough) TV_RETURN_IF_ERROR(Step(CheckWholeLog(), "whole audit log"));
  TV_RETURN_IF_ERROR(Step(LiftAll(), "lift"));
  if (resend) TV_RETURN_IF_ERROR(Step(Resend(), "send again"));
  TV_RETURN_IF_ERROR(Step(EnsureGrant(), "grant"));
  TV_RETURN_IF_ERROR(Step(CheckData(), "data"));
  TV_RETURN_IF_ERROR(Step(CheckTokens(), "tokens"));
  if (thorough) TV_RETURN_IF_ERROR(Step(CheckRetention(), "retention"));
  return absl::OkStatus();
}

absl::Status Oracle::CheckState() {
  client::Call call;
  const auto auditor = vault_.Connect("audrey");
  TV_ASSIGN_OR_RETURN(const auto lockdown, auditor->GetLockdownStatus({}, call));
  locks_ = lockdown.status();
  if (!locks_.durable()) ledger_.Breach("the lock state is not durable after a start");
  ledger_.CheckLocks(locks_);
  TV_ASSIGN_OR_RETURN(const auto status, auditor->GetStatus({}, call));
  if (!status.control_mode().empty()) {
    ledger_.Breach("the vault is in control mode: " + status.control_mode());
  }
  if (status.seal() != v1::SEAL_STATE_UNSEALED) ledger_.Breach("the vault started sealed");
  return absl::OkStatus();
}

absl::StatusOr<std::string> Oracle::Export(uint64_t first, std::vector<std::string>& leaves) const {
  v1::ExportLeavesRequest request;
  request.set_first_index(first);
  client::Call call;
  const auto auditor = vault_.Connect("audrey");
  TV_ASSIGN_OR_RETURN(const auto stream, auditor->ExportLeaves(request, call));
  std::string checkpoint;
  while (true) {
    v1::ExportLeavesResponse part;
    TV_ASSIGN_OR_RETURN(const bool more, stream->Next(part));
    if (!more) return checkpoint;
    for (std::string& leaf : *part.mutable_leaves()) leaves.push_back(std::move(leaf));
    if (!part.checkpoint().empty()) checkpoint = part.checkpoint();
  }
}

absl::Status Oracle::Extend() {
  std::vector<std::string> leaves;
  TV_ASSIGN_OR_RETURN(const std::string note, Export(leaf_hashes_.size(), leaves));
  for (const std::string& leaf : leaves) {
    TV_RETURN_IF_ERROR(log_.Append(audit::AsBytes(leaf)));
    leaf_hashes_.push_back(log_.last_leaf_hash());
    roots_.push_back(log_.tree().Root());
  }
  TV_ASSIGN_OR_RETURN(newest_, audit::OpenCheckpoint(note, key_));
  // The leaves that were exported before every crash still give the root that is signed now.
  return log_.Finish(*newest_);
}

absl::Status Oracle::CheckConsistency(const audit::Checkpoint& older) {
  v1::GetConsistencyProofRequest request;
  request.set_old_size(older.size);
  client::Call call;
  TV_ASSIGN_OR_RETURN(const auto response,
                      vault_.Connect("audrey")->GetConsistencyProof(request, call));
  std::vector<audit::Hash> hashes;
  for (const std::string& bytes : response.hashes()) {
    TV_ASSIGN_OR_RETURN(hashes.emplace_back(), audit::HashFromBytes(audit::AsBytes(bytes)));
  }
  TV_ASSIGN_OR_RETURN(const auto newer, audit::OpenCheckpoint(response.checkpoint(), key_));
  return audit::VerifyConsistency(older.Head(), newer.Head(), hashes);
}

void Oracle::CheckReceipt(const Seen& seen) {
  const v1::AuditReceipt& receipt = seen.receipt;
  const auto breach = [&](const std::string& what) {
    ledger_.Breach(
        absl::StrCat("receipt of ", seen.what, " for entry ", receipt.index(), ": ", what));
  };
  ++receipts_checked_;
  if (receipt.index() >= leaf_hashes_.size() || receipt.intent_index() > receipt.index()) {
    return breach("the entry is not in the log");
  }
  const auto checkpoint = audit::OpenCheckpoint(receipt.checkpoint(), key_);
  if (!checkpoint.ok()) return breach(checkpoint.status().ToString());
  if (checkpoint->size > roots_.size() || checkpoint->root != roots_[checkpoint->size - 1]) {
    return breach("the log does not extend its checkpoint");
  }
  const auto proof = audit::ParseProofFile(receipt.proof());
  if (!proof.ok()) return breach(proof.status().ToString());
  const auto verified = audit::VerifyProofFile(*proof, leaf_hashes_[receipt.index()], key_);
  if (!verified.ok()) breach(verified.status().ToString());
}

absl::Status Oracle::CheckLog() {
  const std::optional<audit::Checkpoint> pinned = newest_;
  TV_RETURN_IF_ERROR(Extend());
  if (ledger_.highest_index() >= leaf_hashes_.size()) {
    ledger_.Breach(absl::StrCat("entry ", ledger_.highest_index(),
                                " was named to a client; the "
                                "log has ",
                                leaf_hashes_.size()));
  }
  const std::vector<Seen> receipts = ledger_.TakeReceipts();
  const Seen* last = nullptr;
  for (const Seen& seen : receipts) {
    CheckReceipt(seen);
    if (last == nullptr || seen.receipt.size() > last->receipt.size()) last = &seen;
  }
  if (pinned.has_value()) TV_RETURN_IF_ERROR(CheckConsistency(*pinned));
  TV_RETURN_IF_ERROR(CheckDisclosures());
  if (last != nullptr) {
    TV_ASSIGN_OR_RETURN(const auto seen, audit::OpenCheckpoint(last->receipt.checkpoint(), key_));
    TV_RETURN_IF_ERROR(CheckConsistency(seen));
  }
  return CheckQueryEntries(receipts);
}

absl::Status Oracle::ReadTrail() {
  v1::TailEntriesRequest request;
  request.set_start_index(trail_end_);
  request.set_stop_at_head(true);
  client::Call call;
  const auto auditor = vault_.Connect("audrey");
  TV_ASSIGN_OR_RETURN(const auto stream, auditor->TailEntries(request, call));
  while (true) {
    v1::TailEntriesResponse part;
    TV_ASSIGN_OR_RETURN(const bool more, stream->Next(part));
    if (!more) return absl::OkStatus();
    trail_end_ = part.entry().index() + 1;
    const record::v1::AuditEntry& entry = part.entry().entry();
    const bool streamed = entry.kind() == record::v1::ENTRY_KIND_INTENT || entry.has_intent();
    if (streamed || entry.method() == kQuery) Note(part.entry().index(), entry, disclosures_);
  }
}

absl::Status Oracle::CheckDisclosures() {
  TV_RETURN_IF_ERROR(ReadTrail());
  for (const auto& [index, call] : disclosures_) {
    if (const std::string wrong = testing::Wrong(call); !wrong.empty()) {
      ledger_.Breach(absl::StrCat("call of entry ", index, ", ", call.person, ": ", wrong));
    }
  }
  for (const Delivery& got : ledger_.TakeDeliveries()) CheckDelivery(got);
  return absl::OkStatus();
}

void Oracle::CheckDelivery(const Delivery& got) {
  ++deliveries_checked_;
  if (got.received == 0) return;
  cut_short_ += got.whole ? 0 : 1;
  const auto breach = [&](const std::string& what) {
    ledger_.Breach(absl::StrCat(got.person, " got ", got.received,
                                got.rows_mode ? " rows" : " groups",
                                got.whole ? "" : " before the end", ": ", what));
  };
  if (!got.entry.has_value()) return breach("no header named their entry");
  const auto found = disclosures_.find(*got.entry);
  if (found == disclosures_.end()) return breach("their entry is not in the trail");
  const testing::Disclosure& call = found->second;
  if (call.method != kQuery || call.person != got.person) {
    return breach(absl::StrCat("entry ", *got.entry, " is about another call"));
  }
  const uint64_t on_record = got.rows_mode ? call.Rows() : call.Groups();
  if (on_record < got.received) {
    breach(absl::StrCat("the call of entry ", *got.entry, " covers ", on_record));
  }
}

absl::Status Oracle::CheckQueryEntries(const std::vector<Seen>& receipts) {
  const auto auditor = vault_.Connect("audrey");
  size_t left = kEntriesLookedAt;
  for (auto seen = receipts.rbegin(); seen != receipts.rend() && left > 0; ++seen) {
    if (seen->what != "query" && seen->what != "row query") continue;
    --left;
    v1::GetEntryRequest request;
    request.set_index(seen->receipt.index());
    client::Call call;
    TV_ASSIGN_OR_RETURN(const auto response, auditor->GetEntry(request, call));
    const record::v1::AuditEntry& entry = response.entry().entry();
    const char* const who = seen->what == "query" ? "anna" : "ines";
    if (entry.method() != kQuery || entry.principal().person() != who ||
        entry.verdict() != record::v1::VERDICT_ALLOW || entry.status() != 0) {
      ledger_.Breach(absl::StrCat("the entry of an answered ", seen->what,
                                  " says something else: ", entry.ShortDebugString()));
    }
    if (audit::LeafHash(audit::AsBytes(response.leaf())) != leaf_hashes_[seen->receipt.index()]) {
      ledger_.Breach("a leaf differs from the one that was exported");
    }
  }
  return absl::OkStatus();
}

absl::Status Oracle::CheckWholeLog() {
  std::vector<std::string> leaves;
  TV_ASSIGN_OR_RETURN(const std::string note, Export(0, leaves));
  audit::LeafStreamVerifier log(
      newest_.has_value() ? std::optional<audit::TreeHead>(newest_->Head()) : std::nullopt);
  for (const std::string& leaf : leaves) TV_RETURN_IF_ERROR(log.Append(audit::AsBytes(leaf)));
  TV_ASSIGN_OR_RETURN(const auto checkpoint, audit::OpenCheckpoint(note, key_));
  if (log.entries_without_key() > 0) {
    ledger_.Breach(absl::StrCat(log.entries_without_key(), " entries cannot be read by anybody"));
  }
  return log.Finish(checkpoint);
}

absl::Status Oracle::LiftAll() {
  // Reads stay refused as long as it is in force.
  const auto analyst = vault_.Connect("anna");
  if (locks_.level() >= v1::LOCKDOWN_LEVEL_READS && ReadBatches(*analyst, false, ledger_).ok()) {
    ledger_.Breach("a query was answered although the vault started locked");
  }
  const auto rob = vault_.Connect("rob");
  const auto ron = vault_.Connect("ron");
  for (const v1::Lockdown& lockdown : locks_.lockdowns()) {
    TV_RETURN_IF_ERROR(Lift(*rob, *ron, lockdown.id(), ledger_));
  }
  return absl::OkStatus();
}

absl::Status Oracle::Resend() {
  const auto collector = vault_.Connect("collie");
  for (const Batch& batch : ledger_.Open()) {
    if (batch.parts.rbegin()->first + kTtlDays < DayOf(vault_.Now()).value()) continue;
    TV_RETURN_IF_ERROR(SendBatch(*collector, batch, vault_, ledger_));
  }
  return absl::OkStatus();
}

absl::Status Oracle::EnsureGrant() {
  if (vault_.Now() + kGrantLeft < grant_ends_) return absl::OkStatus();
  client::Call call;
  v1::RequestAccessRequest request;
  request.set_sql(RowSql());
  request.set_purpose(kPurpose);
  request.set_grant_s(static_cast<uint64_t>(kGrant.count() / 1'000'000));
  request.set_reason("rows are counted after a crash");
  const WallTime asked = vault_.Now();
  TV_ASSIGN_OR_RETURN(const auto asked_for, vault_.Connect("ines")->RequestAccess(request, call));
  v1::VoteAccessRequest vote;
  vote.set_id(asked_for.request().id());
  vote.set_approve(true);
  for (const char* steward : {"sam", "sue"}) {
    TV_RETURN_IF_ERROR(vault_.Connect(steward)->VoteAccess(vote, call).status());
  }
  grant_ends_ = asked + kGrant;
  return absl::OkStatus();
}

absl::Status Oracle::CheckData() {
  const auto analyst = vault_.Connect("anna");
  const auto investigator = vault_.Connect("ines");
  for (const bool rows : {false, true}) {
    Ledger::Reading reading{.ttl_days = kTtlDays, .settle = true};
    absl::StatusOr<Answer> answer;
    // A day that ends while it is read ends the query, once.
    for (int attempt = 0; attempt < 2; ++attempt) {
      reading.asked_at = ledger_.Now();
      reading.before = vault_.Now();
      answer = ReadBatches(rows ? *investigator : *analyst, rows, ledger_);
      if (ReasonOf(answer.status()) != reason::kExpired) break;
    }
    TV_RETURN_IF_ERROR(answer.status());
    reading.after = vault_.Now();
    ledger_.Check(*answer, reading, rows ? "rows after a crash" : "after a crash");
  }
  ledger_.ForgetBefore(DayOf(vault_.Now()).value() - kTtlDays);
  return absl::OkStatus();
}

absl::Status Oracle::CheckTokens() {
  const auto operator_vault = vault_.Connect("alice");
  std::map<std::string, v1::TokenState> states;
  v1::ListTokensRequest request;
  request.set_person("audrey");
  request.set_page_size(1'000);
  do {
    client::Call call;
    TV_ASSIGN_OR_RETURN(const auto page, operator_vault->ListTokens(request, call));
    for (const v1::Token& token : page.tokens()) states[token.accessor()] = token.state();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  ledger_.CheckTokens(states);
  return absl::OkStatus();
}

absl::Status Oracle::CheckRetention() {
  const auto steward = vault_.Connect("sam");
  const auto auditor = vault_.Connect("audrey");
  const WallTime now = vault_.Now();
  client::Call call;
  TV_RETURN_IF_ERROR(steward->RunRetention({}, call).status());
  TV_ASSIGN_OR_RETURN(const auto partitions, steward->ListPartitions({}, call));
  for (const v1::Partition& partition : partitions.partitions()) {
    const bool due = partition.deadline().seconds() * 1'000'000 <= now.micros;
    if (due && partition.state() != v1::PARTITION_STATE_PURGED) {
      ledger_.Breach("the bytes of " + partition.day() + " are due and still there");
    }
    const bool near = partition.deadline().seconds() * 1'000'000 <= (now + kEndsEarly).micros;
    if (!near && partition.state() != v1::PARTITION_STATE_LIVE) {
      ledger_.Breach("the partition of " + partition.day() + " ended before its deadline");
    }
  }
  TV_ASSIGN_OR_RETURN(const auto receipts, steward->ListReceipts({}, call));
  for (const v1::DeletionReceipt& receipt : receipts.receipts()) {
    const auto note = audit::ParseNote(receipt.signed_note());
    if (!note.ok() || !audit::VerifyNote(*note, {&key_, 1}).ok()) {
      ledger_.Breach("the deletion receipt of " + receipt.day() + " does not verify");
    }
    v1::GetEntryRequest request;
    request.set_index(receipt.shredded_leaf());
    TV_ASSIGN_OR_RETURN(const auto shredded, auditor->GetEntry(request, call));
    if (shredded.entry().entry().method() != "retention.shred") {
      ledger_.Breach(absl::StrCat("the deletion receipt of ", receipt.day(), " names entry ",
                                  receipt.shredded_leaf(), ", which is no shred"));
    }
  }
  return absl::OkStatus();
}

}  // namespace televault::crash
