#include "tests/integration/daemon/scenario.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "audit/checkpoint.h"
#include "audit/proof_file.h"
#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/clock.h"

namespace televault::testing {

absl::StatusOr<Cast> AdmitEverybody(Daemon& daemon, const std::vector<std::string>& datasets) {
  Cast cast;
  struct Part {
    TokenOf* token;
    const char* person;
    const char* role;
  };
  for (const Part& part : {Part{&cast.collector, "collector-1", "collector"},
                           {&cast.analyst, "anna", "analyst"},
                           {&cast.investigator, "ivan", "investigator"},
                           {&cast.steward, "stella", "steward"},
                           {&cast.second_steward, "stefan", "steward"},
                           {&cast.third_steward, "sofia", "steward"},
                           {&cast.auditor, "aude", "auditor"},
                           {&cast.responder, "rita", "responder"},
                           {&cast.second_responder, "rolf", "responder"},
                           {&cast.third_responder, "ruth", "responder"}}) {
    const bool collects = std::string_view(part.role) == "collector";
    auto token =
        daemon.Admit(part.person, part.role, collects ? datasets : std::vector<std::string>());
    if (!token.ok()) return token.status();
    *part.token = std::move(*token);
  }
  return cast;
}

std::string SampleManifest(const std::string& name,
                           const std::vector<std::pair<std::string, std::string>>& changes) {
  std::string text = ReadWholeFile("deploy/samples/" + name + ".yaml");
  for (const auto& [from, to] : changes) {
    TV_CHECK(absl::StrReplaceAll({{from, to}}, &text) > 0);
  }
  return text;
}

absl::StatusOr<v1::ApplyDatasetResponse> Apply(client::Vault& steward,
                                               const std::string& manifest) {
  client::Call call;
  v1::ApplyDatasetRequest request;
  request.set_manifest(manifest);
  return steward.ApplyDataset(request, call);
}

WallTime Yesterday(int seconds) {
  const Day today = DayOf(SystemClock().Wall());
  return {EndOf(today).micros - 2 * kMicrosPerDay + kMicrosPerDay / 2 + seconds * 1'000'000LL};
}

v1::Value Text(const std::string& text) {
  v1::Value value;
  value.set_string_value(text);
  return value;
}
v1::Value Number(int64_t number) {
  v1::Value value;
  value.set_int_value(number);
  return value;
}
v1::Value Real(double number) {
  v1::Value value;
  value.set_double_value(number);
  return value;
}

v1::Event Usage(WallTime time, const std::string& subject, const std::string& command) {
  v1::Event event;
  event.mutable_time()->set_seconds(time.micros / 1'000'000);
  event.mutable_time()->set_nanos(static_cast<int32_t>(time.micros % 1'000'000) * 1'000);
  event.set_subject(subject);
  (*event.mutable_fields())["command"] = Text(command);
  return event;
}

namespace {

v1::AppendRequest BatchFor(const std::string& dataset) {
  v1::AppendRequest request;
  request.set_dataset(dataset);
  request.mutable_consent()->set_given(true);
  request.mutable_consent()->set_notice_version(4);
  return request;
}

uint32_t CodeOf(v1::ColumnData& column, const std::string& text) {
  const auto& dictionary = column.dictionary();
  const auto found = std::find(dictionary.begin(), dictionary.end(), text);
  if (found != dictionary.end()) return static_cast<uint32_t>(found - dictionary.begin());
  column.add_dictionary(text);
  return static_cast<uint32_t>(column.dictionary_size() - 1);
}

}  // namespace

v1::AppendRequest RowsOf(const std::vector<v1::Event>& events) {
  v1::AppendRequest request = BatchFor("cli_usage");
  for (const v1::Event& event : events) *request.mutable_rows()->add_events() = event;
  return request;
}

v1::AppendRequest ColumnsOf(const std::vector<v1::Event>& events) {
  v1::AppendRequest request = BatchFor("cli_usage");
  v1::Columns& columns = *request.mutable_columns();
  v1::ColumnData& command = *columns.add_columns();
  command.set_name("command");
  for (const v1::Event& event : events) {
    columns.set_rows(columns.rows() + 1);
    columns.add_time_us(event.time().seconds() * 1'000'000 + event.time().nanos() / 1'000);
    columns.add_subject_codes(static_cast<uint32_t>(columns.subjects_size()));
    columns.add_subjects(event.subject());
    command.add_codes(CodeOf(command, event.fields().at("command").string_value()));
  }
  return request;
}

v1::AppendRequest BulkColumns(const std::string& dataset, WallTime first, uint32_t rows,
                              uint32_t subjects) {
  v1::AppendRequest request = BatchFor(dataset);
  v1::Columns& columns = *request.mutable_columns();
  columns.set_rows(rows);
  for (uint32_t i = 0; i < subjects; ++i) columns.add_subjects(absl::StrCat("s", i));
  v1::ColumnData& command = *columns.add_columns();
  command.set_name("command");
  command.add_dictionary("build");
  command.add_dictionary("serve");
  v1::ColumnData& version = *columns.add_columns();
  version.set_name("version");
  for (uint32_t i = 0; i < 1'000; ++i) version.add_dictionary(absl::StrCat("3.", i, ".", i));
  for (uint32_t i = 0; i < rows; ++i) {
    columns.add_time_us(first.micros + i * 1'000LL);
    columns.add_subject_codes(i % subjects);
    command.add_codes(i % 2);
    version.add_codes(i % 1'000);
  }
  return request;
}

absl::StatusOr<v1::AppendResponse> Append(client::Vault& collector,
                                          const v1::AppendRequest& batch) {
  client::Call call;
  return collector.Append(batch, call);
}

namespace {

std::string CellOf(const v1::ColumnData& column, v1::FieldKind kind, int row) {
  const auto at = static_cast<size_t>(row);
  if (!column.suppressed().empty() && column.suppressed()[at] != 0) return "WITHHELD";
  if (!column.nulls().empty() && column.nulls()[at] != 0) return "NULL";
  switch (kind) {
    case v1::FIELD_KIND_DOUBLE:
      return absl::StrCat(column.doubles(row));
    case v1::FIELD_KIND_STRING:
    case v1::FIELD_KIND_ENUM:
    case v1::FIELD_KIND_SUBJECT:
      return column.dictionary(static_cast<int>(column.codes(row)));
    default:
      return absl::StrCat(column.ints(row));
  }
}

}  // namespace

void AddRows(const v1::QueryHeader& header, const v1::QueryBatch& batch, Answer& answer) {
  for (int row = 0; row < static_cast<int>(batch.rows()); ++row) {
    std::vector<std::string> cells;
    for (int c = 0; c < header.columns_size(); ++c) {
      cells.push_back(CellOf(batch.columns(c), header.columns(c).kind(), row));
    }
    answer.rows.push_back(std::move(cells));
  }
}

Answer Ask(client::Vault& vault, const v1::QueryRequest& request) {
  Answer answer;
  client::Call call;
  auto stream = vault.Query(request, call);
  if (!stream.ok()) {
    answer.status = stream.status();
    return answer;
  }
  v1::QueryResponse response;
  for (;;) {
    const absl::StatusOr<bool> more = (*stream)->Next(response);
    if (!more.ok()) answer.status = more.status();
    if (!more.ok() || !*more) break;
    if (response.has_header()) answer.header = response.header();
    if (response.has_batch()) AddRows(answer.header, response.batch(), answer);
    if (response.has_trailer()) answer.trailer = response.trailer();
  }
  answer.proof = call.audit_proof;
  return answer;
}

Answer Ask(client::Vault& vault, const std::string& sql, const std::string& purpose,
           const std::string& grant) {
  v1::QueryRequest request;
  request.set_sql(sql);
  request.set_purpose(purpose);
  request.set_grant(grant);
  return Ask(vault, request);
}

std::vector<v1::IndexedEntry> Entries(client::Vault& auditor, const v1::EntryFilter& filter) {
  std::vector<v1::IndexedEntry> entries;
  v1::ListEntriesRequest request;
  *request.mutable_filter() = filter;
  request.set_page_size(1'000);
  do {
    client::Call call;
    const auto page = auditor.ListEntries(request, call);
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) break;
    entries.insert(entries.end(), page->entries().begin(), page->entries().end());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return entries;
}

v1::EntryFilter ByMethod(const std::string& method) {
  v1::EntryFilter filter;
  filter.set_method(method);
  return filter;
}

absl::StatusOr<v1::IndexedEntry> AwaitEntry(client::Vault& auditor, const std::string& method,
                                            int count) {
  client::Call call;
  call.timeout = client::milliseconds(90'000);
  v1::TailEntriesRequest request;
  *request.mutable_filter() = ByMethod(method);
  auto stream = auditor.TailEntries(request, call);
  if (!stream.ok()) return stream.status();
  v1::TailEntriesResponse response;
  for (int seen = 0; seen < count; ++seen) {
    const absl::StatusOr<bool> more = (*stream)->Next(response);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OutOfRangeError("the tail ended");
  }
  return response.entry();
}

absl::Status VerifyProof(const std::string& proof, client::Vault& auditor,
                         const std::string& vkey) {
  const auto parsed = audit::ParseProofFile(proof);
  if (!parsed.ok()) return parsed.status();
  const auto key = audit::VerifierKey::Parse(vkey);
  if (!key.ok()) return key.status();
  client::Call call;
  v1::GetEntryRequest request;
  request.set_index(parsed->index);
  const auto entry = auditor.GetEntry(request, call);
  if (!entry.ok()) return entry.status();
  return audit::VerifyProofFile(*parsed, audit::LeafHash(AsBytes(entry->leaf())), *key).status();
}

audit::TreeHead HeadOf(const std::string& checkpoint, const std::string& vkey) {
  const auto key = audit::VerifierKey::Parse(vkey);
  EXPECT_THAT(key, IsOk());
  const auto opened = audit::OpenCheckpoint(checkpoint, *key);
  EXPECT_THAT(opened, IsOk());
  return opened.ok() ? opened->Head() : audit::TreeHead();
}

ProcessResult RunCli(const Daemon& daemon, const TokenOf& token,
                     const std::vector<std::string>& arguments, Environment environment) {
  std::vector<std::string> command = {TELEVAULT_BINARY};
  environment.emplace_back("TELEVAULT_ADDR", "unix:" + daemon.socket());
  if (!token.path.empty()) command.insert(command.end(), {"--token-file", token.path});
  command.insert(command.end(), arguments.begin(), arguments.end());
  environment.emplace_back("HOME", daemon.directory());
  environment.emplace_back("XDG_STATE_HOME", daemon.directory());
  const auto result = RunProcess(command, daemon.directory(), environment);
  EXPECT_THAT(result, IsOk());
  return result.ok() ? *result : ProcessResult();
}

std::string Refusal(const absl::Status& status) {
  const client::Error error = client::ErrorOf(status);
  return absl::StatusCodeToString(error.code) + " " + error.reason;
}

void VaultTest::SetUp() {
  ASSERT_THAT(daemon_.InitAndStart(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
  TV_ASSERT_OK_AND_ASSIGN(const auto applied,
                          Apply(*As(cast_.steward), SampleManifest("cli_usage")));
  ASSERT_TRUE(applied.applied()) << applied.DebugString();
}

void VaultTest::TearDown() {
  if (HasFailure()) std::cerr << daemon_.Output();
}

}  // namespace televault::testing
