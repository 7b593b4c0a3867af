#pragma once

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/block/batch_ops.h"
#include "vault/catalog/pseudonym.h"
#include "vault/ingest/ingestor.h"

namespace televault::ingest {

// Keeps what was handed over, as if it were committed.
class MemorySink final : public BatchSink {
 public:
  absl::StatusOr<partition::PreparedBatch> Prepare(PartitionId id, const catalog::Schema& schema,
                                                   const block::ColumnBatch& batch,
                                                   WallTime deadline) override {
    if (closed.contains(id.day)) {
      return WithReason(absl::FailedPreconditionError("closed"), reason::kExpired);
    }
    EXPECT_TRUE(block::Validate(batch).ok()) << block::Validate(batch);
    EXPECT_EQ(schema.dataset, id.dataset);
    days[id.day].push_back(batch);
    deadlines[id.day] = deadline;
    partition::PreparedBatch prepared;
    prepared.mutations.push_back({store::Family::kHot, "hot", "sealed"});
    prepared.on_committed = [this] { ++committed; };
    return prepared;
  }

  std::map<Day, std::vector<block::ColumnBatch>> days;
  std::map<Day, WallTime> deadlines;
  std::set<Day> closed;
  int committed = 0;
};

class MemoryKeys final : public SubjectKeys {
 public:
  absl::StatusOr<Ref> Salt(DatasetId dataset, int64_t period) override {
    return Key({dataset.value(), period});
  }
  absl::StatusOr<Ref> BlockedKey(DatasetId dataset) override {
    return Key({dataset.value(), INT64_MIN});
  }

 private:
  Ref Key(std::pair<uint32_t, int64_t> name) {
    Ref& key = keys_[name];
    if (!key) key = std::make_shared<const SecretBytes>(crypto::NewKey(random_));
    return key;
  }
  testing::SeededRandom random_{7};
  std::map<std::pair<uint32_t, int64_t>, Ref> keys_;
};

class MemoryBlocks final : public SubjectBlocks {
 public:
  bool Any(DatasetId) const override { return !hashes.empty(); }
  bool Blocked(DatasetId, const crypto::Hash16& hash) const override {
    return hashes.contains(hash);
  }
  std::set<crypto::Hash16> hashes;
};

class MemoryLedger final : public Ledger {
 public:
  absl::StatusOr<std::optional<record::v1::BatchRecord>> FindBatch(DatasetId,
                                                                   std::string_view id) override {
    const auto it = batches.find(std::string(id));
    if (it == batches.end()) return std::optional<record::v1::BatchRecord>();
    return std::optional<record::v1::BatchRecord>(it->second);
  }
  absl::StatusOr<store::Mutation> PutBatch(const record::v1::BatchRecord& record) override {
    pending_batches.push_back(record);
    return store::Mutation{store::Family::kMeta, "batch", "sealed"};
  }
  absl::StatusOr<uint64_t> RejectCount(const RejectKey& key) override {
    const auto it = rejects.find(key);
    return it == rejects.end() ? 0 : it->second;
  }
  absl::StatusOr<store::Mutation> PutRejectCount(const RejectKey& key, uint64_t events,
                                                 WallTime) override {
    pending_rejects[key] = events;
    return store::Mutation{store::Family::kMeta, "reject", "sealed"};
  }
  // What the journal does.
  void Commit() {
    for (const auto& record : pending_batches) batches[record.batch_id()] = record;
    for (const auto& [key, events] : pending_rejects) rejects[key] = events;
    Drop();
  }
  void Drop() {
    pending_batches.clear();
    pending_rejects.clear();
  }
  // Over all shards.
  uint64_t Count(const std::string& rule, const std::string& field) const {
    uint64_t sum = 0;
    for (const auto& [key, events] : rejects) {
      if (key.rule == rule && key.field == field) sum += events;
    }
    return sum;
  }

  std::map<std::string, record::v1::BatchRecord> batches;
  std::map<RejectKey, uint64_t> rejects;
  std::vector<record::v1::BatchRecord> pending_batches;
  std::map<RejectKey, uint64_t> pending_rejects;
};

// The door over memory, with the sample manifest.
class DoorTest : public ::testing::Test {
 protected:
  static DatasetPtr Dataset(std::vector<std::pair<std::string, std::string>> edits = {}) {
    std::ifstream in("deploy/samples/cli_usage.yaml", std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    for (const auto& [from, to] : edits) {
      EXPECT_NE(text.find(from), std::string::npos) << from;
      text = absl::StrReplaceAll(text, {{from, to}});
    }
    record::v1::DatasetRecord record;
    const catalog::Manifest manifest = catalog::ParseManifest(text).value();
    record.set_dataset_id(7);
    record.set_name(manifest.dataset);
    record.set_revision(manifest.revision);
    record.set_manifest(text);
    record.set_digest(catalog::ManifestDigest(text));
    const auto columns = catalog::AssignColumns(manifest, {}, nullptr).value();
    record.mutable_columns()->insert(columns.begin(), columns.end());
    return catalog::BuildDataset(record).value();
  }

  // `count` good events, one second apart, ending at now.
  v1::AppendRequest Good(int count) const {
    v1::AppendRequest request;
    request.set_dataset("cli_usage");
    request.mutable_consent()->set_given(true);
    request.mutable_consent()->set_notice_version(4);
    for (int i = 0; i < count; ++i) {
      v1::Event& event = *request.mutable_rows()->add_events();
      event.mutable_time()->set_seconds(now_.micros / 1'000'000 - (count - 1 - i));
      event.set_subject("m-" + std::to_string(i % 3));
      (*event.mutable_fields())["command"].set_string_value(i % 2 == 0 ? "build" : "serve");
      (*event.mutable_fields())["duration_ms"].set_double_value(i + 0.5);
      (*event.mutable_fields())["exit_code"].set_int_value(i % 2);
      (*event.mutable_fields())["version"].set_string_value("4.13.1");
    }
    return request;
  }
  static v1::Value& FieldOf(v1::AppendRequest& request, int event, const std::string& name) {
    return (*request.mutable_rows()->mutable_events(event)->mutable_fields())[name];
  }

  // Prepares and commits.
  absl::StatusOr<v1::AppendResponse> Append(const v1::AppendRequest& request,
                                            DatasetPtr dataset = nullptr) {
    if (dataset == nullptr) dataset = dataset_;
    TV_ASSIGN_OR_RETURN(PreparedAppend prepared, door_.Prepare(request, dataset, now_));
    ledger_.Commit();
    door_.Committed(prepared);
    return prepared.response;
  }
  // The rule that refused the only bad event, "" if none.
  std::string RuleFor(const v1::AppendRequest& request, DatasetPtr dataset = nullptr) {
    const auto response = Append(request, dataset);
    if (!response.ok()) return response.status().ToString();
    EXPECT_EQ(response->accepted() + response->rejected(),
              static_cast<uint32_t>(request.has_rows() ? request.rows().events_size()
                                                       : request.columns().rows()));
    return response->rejects_size() == 0 ? "" : response->rejects(0).rule();
  }

  const WallTime now_ = ParseRfc3339("2026-11-23T12:00:00Z").value();
  const DatasetPtr dataset_ = Dataset();
  MemorySink sink_;
  MemoryKeys keys_;
  MemoryBlocks blocks_;
  MemoryLedger ledger_;
  testing::SeededRandom random_{1};
  Ingestor door_{{sink_, keys_, blocks_, ledger_, random_}};
};

}  // namespace televault::ingest
