#include "tests/crash/load.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"

namespace televault::crash {
namespace {

constexpr uint64_t kRowsPerPart = 10;  // at least; the manifest's k_min

size_t Below(std::mt19937_64& random, size_t bound) { return random() % bound; }

// The same column many times over, so that an answer soon is too large for one entry and is sent
// in windows.
std::string Columns(const char* expression, int times) {
  std::string columns;
  for (int i = 0; i < times; ++i) absl::StrAppend(&columns, ", ", expression, " AS wide", i);
  return columns;
}

const std::string& AggregateSql() {
  static const std::string sql = absl::StrCat(
      "SELECT date_trunc('day', event_time) AS day, batch, count(*) AS n, sum(w) AS s",
      Columns("date_trunc('day', event_time)", 200), " FROM crash_events GROUP BY 1, 2");
  return sql;
}

// A kill under a call looks like this: the transport ended, the vault said nothing.
bool IsGone(const client::Error& error) {
  return !error.from_vault && error.code == absl::StatusCode::kUnavailable;
}

void AddRows(const v1::QueryBatch& batch, bool rows_mode, Answer& answer, Ledger& ledger) {
  for (const v1::ColumnData& column : batch.columns()) {
    if (column.suppressed().find('\1') != std::string::npos) {
      ledger.Breach("a cell of an answer was withheld");
    }
  }
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const auto cell = [&](int column) { return batch.columns(column).ints(static_cast<int>(row)); };
    const int32_t day = DayOf({cell(0)}).value();
    Part& part = answer[{static_cast<uint64_t>(cell(1)), day}];
    if (rows_mode) {
      ++part.rows;
      part.sum += cell(2);
    } else {
      part = {part.rows + static_cast<uint64_t>(cell(2)), part.sum + cell(3)};
    }
  }
}

void NoteTrailer(const v1::QueryTrailer& trailer, const Answer& answer, bool rows_mode,
                 Ledger& ledger) {
  ledger.SawReceipt(rows_mode ? "row query" : "query", trailer.receipt());
  for (const v1::PartitionRefusal& refusal : trailer.refusals()) {
    if (refusal.reason() == reason::kQuarantined) {
      ledger.Breach("partition " + refusal.day() + " is quarantined");
    }
  }
  // An answer without any group looks the same for nothing and for too little.
  if (trailer.suppressed_groups() && !answer.empty()) ledger.Breach("a group was withheld");
}

// To the end of the stream, or of the vault. `got` says in either case what has come.
absl::Status ReadAnswer(client::MessageStream<v1::QueryResponse>& stream, Answer& answer,
                        Delivery& got, Ledger& ledger) {
  while (true) {
    v1::QueryResponse part;
    TV_ASSIGN_OR_RETURN(const bool more, stream.Next(part));
    if (!more) return absl::OkStatus();
    if (part.has_header()) {
      got.entry = part.header().audit_intent_index();
      ledger.SawIndex(*got.entry);
    }
    if (part.has_batch()) {
      got.received += part.batch().rows();
      AddRows(part.batch(), got.rows_mode, answer, ledger);
    }
    if (!part.has_trailer()) continue;
    got.whole = true;
    NoteTrailer(part.trailer(), answer, got.rows_mode, ledger);
  }
}

}  // namespace

const std::string& RowSql() {
  static const std::string sql =
      absl::StrCat("SELECT event_time, batch, w", Columns("event_time", 64), " FROM crash_events");
  return sql;
}

Fate FateOf(const absl::Status& status, const std::string& what, Ledger& ledger) {
  if (status.ok()) return Fate::kOk;
  const client::Error error = client::ErrorOf(status);
  if (IsGone(error)) return Fate::kGone;
  for (const std::string_view expected :
       {reason::kLockedDown, reason::kSealed, reason::kStaleLockEpoch, reason::kOverloaded,
        reason::kExpired}) {
    if (error.reason == expected) return Fate::kRefused;
  }
  ledger.Breach(absl::StrCat(what, ": ", status.ToString(), " (", error.reason, ")"));
  return Fate::kGone;
}

absl::StatusOr<Answer> ReadBatches(client::Vault& vault, bool rows, Ledger& ledger) {
  v1::QueryRequest request;
  request.set_sql(rows ? RowSql() : AggregateSql());
  request.set_purpose(kPurpose);
  client::Call call;
  TV_ASSIGN_OR_RETURN(const auto stream, vault.Query(request, call));
  Answer answer;
  Delivery got{.person = rows ? "ines" : "anna", .rows_mode = rows};
  const absl::Status status = ReadAnswer(*stream, answer, got, ledger);
  ledger.Delivered(got);
  TV_RETURN_IF_ERROR(status);
  if (!got.whole) ledger.Breach("an answer ended without its trailer");
  return answer;
}

absl::Status SendBatch(client::Vault& vault, const Batch& batch, const VaultUnderTest& clock,
                       Ledger& ledger) {
  client::Call call;
  TV_ASSIGN_OR_RETURN(const auto response, vault.Append(batch.request, call));
  NoteAppended(batch, response, clock.Now(), ledger);
  return absl::OkStatus();
}

void NoteAppended(const Batch& batch, const v1::AppendResponse& response, WallTime now,
                  Ledger& ledger) {
  uint64_t total = 0;
  uint64_t live = 0;
  for (const auto& [day, part] : batch.parts) {
    total += part.rows;
    if (EndOf(Day(day + kTtlDays)) > now + kEndsEarly) live += part.rows;
  }
  // A day may have expired on the way.
  if (response.accepted() != total && response.accepted() != live) {
    ledger.Breach(absl::StrCat("batch ", batch.number, ": ", response.accepted(), " of ", total,
                               " accepted: ", response.ShortDebugString()));
  }
  if (response.has_receipt()) ledger.SawReceipt("append", response.receipt());
  ledger.Acknowledged(batch.number);
}

absl::Status Lift(client::Vault& proposer, client::Vault& approver, const std::string& id,
                  Ledger& ledger) {
  client::Call call;
  v1::ProposeLiftRequest propose;
  propose.set_lockdown_id(id);
  propose.set_reason("the exercise is over");
  const auto proposed = proposer.ProposeLift(propose, call);
  // A vote that was opened before a crash goes on.
  if (!proposed.ok() && !absl::IsFailedPrecondition(proposed.status())) return proposed.status();
  if (proposed.ok()) ledger.SawReceipt("propose", proposed->receipt());
  ledger.Lifting(id);
  v1::ApproveLiftRequest approve;
  approve.set_lockdown_id(id);
  TV_ASSIGN_OR_RETURN(const auto approved, approver.ApproveLift(approve, call));
  if (!approved.lifted()) return absl::InternalError("two approvals did not lift");
  ledger.SawReceipt("lift", approved.receipt());
  ledger.Lifted(id);
  return absl::OkStatus();
}

Load::Load(const VaultUnderTest& vault, Ledger& ledger, const Options& options)
    : vault_(vault), ledger_(ledger), seed_(options.seed) {
  for (const auto work : {&Load::Append, &Load::Append, &Load::AppendStream, &Load::Query,
                          &Load::QueryRows, &Load::Administer, &Load::Audit}) {
    Run(work);
  }
  if (options.lockdowns) Run(&Load::Respond);
}

void Load::Run(void (Load::*work)(Random&)) {
  clients_.emplace_back([this, work, seed = ++seed_] {
    Random random(seed);
    (this->*work)(random);
  });
}

void Load::Stop() {
  stop_ = true;
  clients_.clear();
}

Batch Load::NewBatch(Random& random) {
  Batch batch;
  batch.number = ledger_.NewNumber();
  const WallTime now = vault_.Now();
  const Day today = DayOf(now);
  batch.request.set_dataset(kDataset);
  std::string id;
  for (int i = 0; i < 2; ++i) PutLittleEndian<uint64_t>(id, random());
  batch.request.set_batch_id(id);
  batch.request.mutable_consent()->set_given(true);
  batch.request.mutable_consent()->set_notice_version(1);
  v1::Columns& columns = *batch.request.mutable_columns();
  v1::ColumnData& numbers = *columns.add_columns();
  v1::ColumnData& weights = *columns.add_columns();
  numbers.set_name("batch");
  weights.set_name("w");
  for (const int32_t back : {0, 1}) {
    if (back == 1 && Below(random, 2) == 0) continue;
    const Day day(today.value() - back);
    Part& part = batch.parts[day.value()];
    part.rows = kRowsPerPart + Below(random, 40);
    for (uint64_t row = 0; row < part.rows; ++row) {
      const auto weight = static_cast<int64_t>(100 + Below(random, 100));
      part.sum += weight;
      weights.add_ints(weight);
      numbers.add_ints(static_cast<int64_t>(batch.number));
      const int64_t span = back == 0 ? now.micros - StartOf(day).micros : kMicrosPerDay;
      columns.add_time_us(StartOf(day).micros + static_cast<int64_t>(random() % (span + 1)) -
                          (back == 1 ? 1 : 0));
    }
    columns.set_rows(columns.rows() + static_cast<uint32_t>(part.rows));
  }
  ledger_.Sent(batch);
  return batch;
}

void Load::Append(Random& random) {
  const auto collector = vault_.Connect("collie");
  while (Going()) {
    const Batch batch = NewBatch(random);
    const uint64_t held = ledger_.Held(v1::LOCKDOWN_LEVEL_ALL);
    const absl::Status status = SendBatch(*collector, batch, vault_, ledger_);
    if (status.ok() && held != 0 && ledger_.Held(v1::LOCKDOWN_LEVEL_ALL) == held) {
      ledger_.Breach(absl::StrCat("batch ", batch.number, " was taken during a lockdown"));
    }
    if (FateOf(status, "append", ledger_) == Fate::kGone) return;
  }
}

void Load::AppendStream(Random& random) {
  const auto collector = vault_.Connect("collie");
  while (Going()) {
    client::Call call;
    call.timeout = 6 * kCallBound;
    auto channel = collector->OpenAppendStream(call);
    if (!channel.ok()) return;
    bool broken = false;
    for (int round = 0; Going() && !broken && round < 8; ++round) {
      std::vector<Batch> batches;
      for (int i = 0; i < 3 && !broken; ++i) {
        batches.push_back(NewBatch(random));
        broken = !(*channel)->Send(batches.back().request).ok();
      }
      for (const Batch& batch : batches) {
        if (broken) break;
        const auto answer = (*channel)->Receive();
        broken = !answer.ok();
        if (!broken && answer->has_append()) {
          NoteAppended(batch, answer->append(), vault_.Now(), ledger_);
        }
      }
    }
    if (FateOf((*channel)->Finish(), "append stream", ledger_) == Fate::kGone) return;
  }
}

void Load::Query(Random&) {
  const auto analyst = vault_.Connect("anna");
  while (Going()) {
    Ledger::Reading reading{
        .asked_at = ledger_.Now(), .before = vault_.Now(), .ttl_days = kTtlDays};
    const uint64_t held = ledger_.Held(v1::LOCKDOWN_LEVEL_READS);
    const auto answer = ReadBatches(*analyst, false, ledger_);
    reading.after = vault_.Now();
    if (answer.ok()) {
      if (held != 0 && ledger_.Held(v1::LOCKDOWN_LEVEL_READS) == held) {
        ledger_.Breach("a query was answered during a lockdown");
      }
      ledger_.Check(*answer, reading, "under load");
    }
    if (FateOf(answer.status(), "query", ledger_) == Fate::kGone) return;
  }
}

void Load::QueryRows(Random&) {
  const auto investigator = vault_.Connect("ines");
  while (Going()) {
    Ledger::Reading reading{
        .asked_at = ledger_.Now(), .before = vault_.Now(), .ttl_days = kTtlDays};
    const auto answer = ReadBatches(*investigator, true, ledger_);
    reading.after = vault_.Now();
    if (answer.ok()) ledger_.Check(*answer, reading, "rows under load");
    // Without a grant there are no rows.
    if (absl::IsPermissionDenied(answer.status())) return;
    if (FateOf(answer.status(), "row query", ledger_) == Fate::kGone) return;
  }
}

void Load::Respond(Random& random) {
  const auto rita = vault_.Connect("rita");
  const auto rob = vault_.Connect("rob");
  const auto ron = vault_.Connect("ron");
  constexpr v1::LockdownLevel kLevels[] = {v1::LOCKDOWN_LEVEL_ROWS, v1::LOCKDOWN_LEVEL_READS,
                                           v1::LOCKDOWN_LEVEL_ALL};
  while (Going()) {
    v1::EngageLockdownRequest engage;
    engage.set_level(kLevels[Below(random, 3)]);
    engage.set_reason("an exercise");
    if (Below(random, 2) == 0) {
      engage.mutable_scope()->set_kind(v1::SCOPE_KIND_DATASET);
      engage.mutable_scope()->set_name(kDataset);
    }
    client::Call call;
    const auto engaged = rita->EngageLockdown(engage, call);
    if (FateOf(engaged.status(), "engage", ledger_) == Fate::kGone) return;
    if (!engaged->durable()) {
      ledger_.Breach("a lockdown was not durable on a sound disk");
      return;
    }
    ledger_.Engaged(engaged->lockdown().id(), engaged->lockdown().level(), engaged->lock_epoch());
    if (engaged->has_receipt()) ledger_.SawReceipt("engage", engaged->receipt());
    const absl::Status lifted = Lift(*rob, *ron, engaged->lockdown().id(), ledger_);
    if (FateOf(lifted, "lift", ledger_) == Fate::kGone) return;
  }
}

void Load::Administer(Random& random) {
  const auto alice = vault_.Connect("alice");
  // A vault has room for 16,384 tokens.
  for (int made_here = 0; Going() && made_here < 4; ++made_here) {
    v1::CreateTokenRequest create;
    create.set_person("audrey");
    create.add_roles("auditor");
    create.set_ttl_s(30 * 86'400);
    client::Call call;
    const auto made = alice->CreateToken(create, call);
    if (FateOf(made.status(), "create token", ledger_) == Fate::kGone) return;
    if (!made.ok()) continue;
    const std::string accessor = made->token().accessor();
    ledger_.TokenMade(accessor);
    ledger_.SawReceipt("create token", made->receipt());
    if (Below(random, 4) == 0) continue;
    ledger_.TokenRevoking(accessor);
    v1::RevokeTokenRequest revoke;
    revoke.set_accessor(accessor);
    const auto revoked = alice->RevokeToken(revoke, call);
    if (FateOf(revoked.status(), "revoke token", ledger_) == Fate::kGone) return;
    if (!revoked.ok()) continue;
    ledger_.TokenRevoked(accessor);
    ledger_.SawReceipt("revoke token", revoked->receipt());
  }
}

void Load::Audit(Random&) {
  const auto auditor = vault_.Connect("audrey");
  while (Going()) {
    v1::ListEntriesRequest list;
    list.set_page_size(20);
    client::Call call;
    const auto entries = auditor->ListEntries(list, call);
    if (FateOf(entries.status(), "list entries", ledger_) == Fate::kGone) return;
    if (!entries.ok()) continue;
    ledger_.SawReceipt("list entries", entries->receipt());
  }
}

}  // namespace televault::crash
