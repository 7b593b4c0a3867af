#include "tests/integration/query_differential/stored_table.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "vault/block/sequence.h"
#include "vault/daemon/init.h"

namespace televault::testing {
namespace {

constexpr Day kFirstDay(std::numeric_limits<int32_t>::min());
constexpr Day kLastDay(std::numeric_limits<int32_t>::max());
constexpr const char* kDatasets[] = {"events_hot", "events_merged", "events_mixed",
                                     "events_forced"};
constexpr block::Encoding kForced[] = {block::Encoding::kRaw,     block::Encoding::kDelta,
                                       block::Encoding::kDecimal, block::Encoding::kRunLength,
                                       block::Encoding::kPacked,  block::Encoding::kBitmap};

// Whether a day of the dataset is merged once `stage` is in. `index`: which of the days with data.
bool Merges(std::string_view dataset, size_t index, int stage) {
  if (dataset == "events_hot") return false;
  if (dataset == "events_merged" || dataset == "events_forced") return true;
  switch (index) {
    case 0:  // all of it
      return true;
    case 1:  // some blocks, the newest rows hot
      return stage < 2;
    case 2:  // one large block and everything else hot
      return stage == 0;
    case 3:  // nothing
      return false;
    default:  // one block
      return stage == kStages - 1;
  }
}

// The keys of one dataset serve all: the same subject has the same pseudonym everywhere.
class SharedKeys final : public ingest::SubjectKeys {
 public:
  SharedKeys(ingest::SubjectKeys& keys, DatasetId dataset) : keys_(keys), dataset_(dataset) {}
  absl::StatusOr<Ref> Salt(DatasetId, int64_t period) override {
    return keys_.Salt(dataset_, period);
  }
  absl::StatusOr<Ref> BlockedKey(DatasetId) override { return keys_.BlockedKey(dataset_); }

 private:
  ingest::SubjectKeys& keys_;
  const DatasetId dataset_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StoredTable>> StoredTable::Open(uint64_t seed) {
  std::unique_ptr<StoredTable> table(new StoredTable);
  TV_RETURN_IF_ERROR(table->Start());
  TV_RETURN_IF_ERROR(table->Fill(seed));
  TV_RETURN_IF_ERROR(table->Describe());
  return table;
}

absl::Status StoredTable::Start() {
  daemon::InitOptions options;
  options.data_dir = directory_.Path("data");
  options.origin = "vault.example.org/differential";
  options.operators = {"alice", "bob"};
  options.tls_hosts = {"localhost"};
  TV_RETURN_IF_ERROR(daemon::InitVault(PosixFileSystem(), clock_, random_, options).status());
  service::ConfigureLog(service::LogFormat::kText, service::LogLevel::kWarning);
  daemon::Config config;
  config.data_dir = options.data_dir;
  TV_ASSIGN_OR_RETURN(vault_, daemon::Vault::Open(config, {PosixFileSystem(), clock_, random_}));
  TV_RETURN_IF_ERROR(vault_->UnsealWithKeyfile());
  TV_ASSIGN_OR_RETURN(data_, vault_->Data());
  return absl::OkStatus();
}

absl::Status StoredTable::Record(const char* method, std::vector<store::Mutation> mutations) {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  entry.set_method(method);
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  service::Recording recording;
  recording.mutations = std::move(mutations);
  return vault_->recorder().Record(std::move(entry), std::move(recording)).status();
}

absl::Status StoredTable::Apply(uint32_t revision) {
  layouts_.clear();
  for (const char* dataset : kDatasets) {
    TV_ASSIGN_OR_RETURN(
        catalog::PreparedApply prepared,
        data_->catalog->PrepareApply(ManifestOf(dataset, revision), "sam", clock_.Wall()));
    if (!prepared.applicable) {
      std::string why = "the manifest is refused:";
      for (const catalog::Finding& finding : prepared.findings) {
        why += " " + finding.code + " " + finding.path + " " + finding.message;
      }
      return absl::InternalError(why);
    }
    TV_RETURN_IF_ERROR(
        Record("/televault.v1.CatalogService/ApplyDataset", std::move(prepared.mutations)));
    prepared.on_committed();
    Layout layout;
    layout.dataset = dataset;
    TV_ASSIGN_OR_RETURN(layout.schema, data_->catalog->Find(dataset));
    layouts_.push_back(std::move(layout));
  }
  return absl::OkStatus();
}

absl::Status StoredTable::Append(ingest::Ingestor& ingestor, const SentBatch& batch) {
  for (const Layout& layout : layouts_) {
    TV_ASSIGN_OR_RETURN(
        ingest::PreparedAppend prepared,
        ingestor.Prepare(RequestOf(batch, layout.dataset), layout.schema, clock_.Wall()));
    if (prepared.response.accepted() != batch.events.size()) {
      return absl::InternalError("refused events: " +
                                 prepared.response.rejects(0).ShortDebugString());
    }
    const auto records = data_->partitions->LockRecords();
    for (const auto& open : prepared.openings) {
      TV_ASSIGN_OR_RETURN(partition::Opening opening, open());
      prepared.mutations.push_back(std::move(opening.record));
    }
    TV_RETURN_IF_ERROR(Record("/televault.v1.IngestService/Append", std::move(prepared.mutations)));
    ingestor.Committed(prepared);
  }
  return absl::OkStatus();
}

absl::Status StoredTable::Fill(uint64_t seed) {
  batches_ = GenerateTable(seed);
  TV_RETURN_IF_ERROR(Apply(1));
  SharedKeys keys(*data_->subject_keys, layouts_.front().schema->id);
  ingest::Ingestor ingestor({*data_->sink, keys, *data_->subject_blocks, *data_->ledger, random_});
  uint32_t revision = 1;
  int stage = 0;
  for (const SentBatch& batch : batches_) {
    if (batch.revision != revision) {
      TV_RETURN_IF_ERROR(Apply(revision = batch.revision));
    }
    if (batch.stage != stage) {
      TV_RETURN_IF_ERROR(MergeAfter(std::exchange(stage, batch.stage)));
    }
    TV_RETURN_IF_ERROR(Append(ingestor, batch));
  }
  return MergeAfter(stage);
}

absl::Status StoredTable::MergeAfter(int stage) {
  for (const Layout& layout : layouts_) {
    const auto partitions = data_->partitions->List(layout.schema->id, kFirstDay, kLastDay);
    for (size_t i = 0; i < partitions.size(); ++i) {
      if (!Merges(layout.dataset, i, stage)) continue;
      std::optional<block::ForcedEncoding> forced;
      if (layout.dataset == "events_forced")
        forced.emplace(kForced[(i + stage) % std::size(kForced)]);
      for (bool merged = true; merged;) {
        TV_ASSIGN_OR_RETURN(merged, data_->merger->Merge(partitions[i].id));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status StoredTable::Describe() {
  for (Layout& layout : layouts_) {
    TV_ASSIGN_OR_RETURN(const auto snapshot, data_->reader->Pin());
    TV_ASSIGN_OR_RETURN(const auto partitions,
                        snapshot->Partitions(layout.schema->id, kFirstDay, kLastDay));
    for (const partition::PartitionInfo& partition : partitions) {
      TV_ASSIGN_OR_RETURN(const auto units, snapshot->Units(partition.id));
      size_t blocks = 0;
      for (const partition::Unit& unit : units) {
        blocks += unit.kind == partition::Unit::Kind::kBlock ? 1 : 0;
        layout.rows += unit.rows;
      }
      layout.blocks += blocks;
      layout.micro_batches += units.size() - blocks;
      int& days = blocks == 0              ? layout.hot_days
                  : blocks == units.size() ? layout.merged_days
                                           : layout.mixed_days;
      ++days;
    }
  }
  return absl::OkStatus();
}

absl::Status StoredTable::WriteCsv(const std::string& path) {
  return testing::WriteCsv(batches_, layouts_.front().schema->id, *data_->subject_keys, path);
}

}  // namespace televault::testing
