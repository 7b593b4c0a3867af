#pragma once

#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/merkle.h"
#include "audit/note.h"
#include "tests/support/daemon_fixture.h"
#include "tests/support/status_matchers.h"
#include "vault/base/time.h"
#include "vault/client/vault.h"

namespace televault::testing {

// Everybody a vault needs, one role each.
struct Cast {
  TokenOf collector;
  TokenOf analyst;
  TokenOf investigator;
  TokenOf steward;
  TokenOf second_steward;
  TokenOf third_steward;
  TokenOf auditor;
  TokenOf responder;
  TokenOf second_responder;
  TokenOf third_responder;
};

absl::StatusOr<Cast> AdmitEverybody(Daemon& daemon, const std::vector<std::string>& datasets);

// The sample manifest with the given replacements.
std::string SampleManifest(const std::string& name,
                           const std::vector<std::pair<std::string, std::string>>& changes = {});
absl::StatusOr<v1::ApplyDatasetResponse> Apply(client::Vault& steward, const std::string& manifest);

// A moment of yesterday, UTC: 12:00 and `seconds`.
WallTime Yesterday(int seconds);
v1::Value Text(const std::string& text);
v1::Value Number(int64_t number);
v1::Value Real(double number);
// An event of cli_usage.
v1::Event Usage(WallTime time, const std::string& subject, const std::string& command);
v1::AppendRequest RowsOf(const std::vector<v1::Event>& events);
// The same as columns: command only.
v1::AppendRequest ColumnsOf(const std::vector<v1::Event>& events);
// Many cheap events as columns: command and version, subjects "s0" … repeated over `subjects`.
v1::AppendRequest BulkColumns(const std::string& dataset, WallTime first, uint32_t rows,
                              uint32_t subjects);
absl::StatusOr<v1::AppendResponse> Append(client::Vault& collector, const v1::AppendRequest& batch);

// A whole answer, cells as text: "NULL", "WITHHELD" or the value.
struct Answer {
  absl::Status status;
  v1::QueryHeader header;
  std::vector<std::vector<std::string>> rows;
  v1::QueryTrailer trailer;
  std::string proof;  // trailing metadata
};
void AddRows(const v1::QueryHeader& header, const v1::QueryBatch& batch, Answer& answer);
Answer Ask(client::Vault& vault, const v1::QueryRequest& request);
Answer Ask(client::Vault& vault, const std::string& sql, const std::string& purpose,
           const std::string& grant = "");

// Newest first.
std::vector<v1::IndexedEntry> Entries(client::Vault& auditor, const v1::EntryFilter& filter = {});
v1::EntryFilter ByMethod(const std::string& method);
// Waits until the trail holds `count` entries of that method and returns the last of them.
absl::StatusOr<v1::IndexedEntry> AwaitEntry(client::Vault& auditor, const std::string& method,
                                            int count = 1);
// Whether a `.tlog-proof` shows that the entry stands in the vault's log: the leaf is read through
// `auditor`, everything else is checked with nothing but the log's public key.
absl::Status VerifyProof(const std::string& proof, client::Vault& auditor, const std::string& vkey);
audit::TreeHead HeadOf(const std::string& checkpoint, const std::string& vkey);

// The real command line with a person's token (none where its path is empty).
ProcessResult RunCli(const Daemon& daemon, const TokenOf& token,
                     const std::vector<std::string>& arguments, Environment environment = {});

// Status and google.rpc.ErrorInfo.reason of a refused call, e.g. "PERMISSION_DENIED DENIED".
std::string Refusal(const absl::Status& status);
template <class T>
std::string Refusal(const absl::StatusOr<T>& answer) {
  return Refusal(answer.status());
}

// A started vault with everybody in it and the sample dataset cli_usage.
class VaultTest : public ::testing::Test {
 protected:
  explicit VaultTest(DaemonOptions options = {}) : daemon_(std::move(options)) {}
  void SetUp() override;
  void TearDown() override;

  std::unique_ptr<client::Vault> As(const TokenOf& token) { return daemon_.As(token); }

  Daemon daemon_;
  Cast cast_;
  client::Call call_;
};

}  // namespace televault::testing
