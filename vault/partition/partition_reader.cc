#include "vault/partition/partition_reader.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/footer_cache.h"
#include "vault/partition/sealing.h"
#include "vault/partition/unit_manifest.h"
#include "vault/store/meta.h"
#include "vault/store/store.h"

namespace televault::partition {
namespace {

absl::Status Expired(PartitionId id) {
  return WithReason(absl::FailedPreconditionError(
                        absl::StrCat("the partition of ", FormatDay(id.day),
                                     " is past its deadline and can no longer be read")),
                    reason::kExpired);
}

absl::Status Quarantined(PartitionId id, std::string_view why) {
  return WithReason(absl::DataLossError(absl::StrCat(
                        "the partition of ", FormatDay(id.day),
                        " is quarantined: ", absl::string_view(why.data(), why.size()),
                        "; queries over that day are refused until it is restored or purged")),
                    reason::kQuarantined);
}

absl::Status Rewritten() {
  return WithReason(
      absl::UnavailableError("a day was rewritten while it was read; run the query again"),
      reason::kOverloaded);
}

Unit UnitOf(const record::v1::BlockRecord& record) {
  auto manifest = std::make_shared<UnitManifest>();
  manifest->block = record;
  return {.kind = Unit::Kind::kBlock,
          .partition = {DatasetId(record.dataset_id()), Day(record.day())},
          .id = record.block(),
          .rows = record.rows(),
          .min_time = {record.min_time_us()},
          .max_time = {record.max_time_us()},
          .manifest = std::move(manifest)};
}

Unit UnitOf(const record::v1::MicroBatchRecord& record) {
  auto manifest = std::make_shared<UnitManifest>();
  manifest->micro_batch = record;
  return {.kind = Unit::Kind::kMicroBatch,
          .partition = {DatasetId(record.dataset_id()), Day(record.day())},
          .id = record.batch(),
          .rows = record.rows(),
          .min_time = {record.min_time_us()},
          .max_time = {record.max_time_us()},
          .manifest = std::move(manifest)};
}

}  // namespace

KeyId KeyOf(const Unit& unit) {
  return KeyId(unit.kind == Unit::Kind::kBlock ? unit.manifest->block.key_id()
                                               : unit.manifest->micro_batch.key_id());
}

class PartitionReader::PinnedSnapshot final : public Snapshot {
 public:
  PinnedSnapshot(PartitionReader& reader, std::unique_ptr<store::View> view, uint64_t pin)
      : reader_(reader), view_(std::move(view)), pin_(pin) {}
  ~PinnedSnapshot() override {
    view_.reset();
    const std::lock_guard lock(reader_.mu_);
    reader_.pins_.erase(reader_.pins_.find(pin_));
  }

  absl::StatusOr<std::vector<PartitionInfo>> Partitions(DatasetId dataset, Day first,
                                                        Day last) const override;
  absl::StatusOr<ErasedState> Erased(PartitionId partition) const override;
  absl::StatusOr<SubjectListRef> LeftOut(PartitionId partition,
                                         const ErasedState& erased) const override;
  absl::StatusOr<std::vector<Unit>> Units(PartitionId partition) const override;
  absl::StatusOr<std::shared_ptr<const block::Footer>> Footer(const Unit& unit) const override;
  absl::StatusOr<bool> MayContainSubject(const Unit& unit, std::string_view subject) const override;
  absl::StatusOr<std::unique_ptr<block::UnitColumns>> Open(
      const Unit& unit, std::span<const uint16_t> columns) const override;
  absl::StatusOr<block::ColumnBatch> Read(const Unit& unit,
                                          std::span<const uint16_t> columns) const override;
  absl::StatusOr<block::ColumnBatch> ReadAll(const Unit& unit) const override;

 private:
  class BlockColumns;

  absl::Status CheckReadable(PartitionId id) const;
  // What a failure to open means: an expired partition, one to quarantine, or the error itself.
  absl::Status Explain(const Unit& unit, const absl::Status& failure) const;
  absl::Status Explain(PartitionId partition, const absl::Status& failure) const;
  bool StillListed(const Unit& unit) const;
  absl::StatusOr<block::ColumnBatch> ReadMicroBatch(const Unit& unit,
                                                    std::span<const uint16_t> columns) const;
  absl::StatusOr<std::shared_ptr<const block::Footer>> LoadFooter(const Unit& unit) const;

  PartitionReader& reader_;
  std::unique_ptr<store::View> view_;
  const uint64_t pin_;
};

// Reads and opens a chunk where it is asked for.
class PartitionReader::PinnedSnapshot::BlockColumns final : public block::UnitColumns,
                                                            private block::ChunkOpener {
 public:
  BlockColumns(const PinnedSnapshot& snapshot, const Unit& unit,
               std::shared_ptr<const block::Footer> footer, BlockOpener opener)
      : snapshot_(snapshot), unit_(unit), footer_(std::move(footer)), opener_(std::move(opener)) {}

  size_t rows() const override { return unit_.rows; }
  absl::StatusOr<block::UnitColumn*> Find(uint16_t column) override {
    const block::FooterColumn* const stored = footer_->Find(column);
    if (stored == nullptr) return nullptr;
    block::ChunkOpener& opener = *this;
    return &columns_.try_emplace(column, *stored, unit_.rows, opener).first->second;
  }
  absl::Status Explain(const absl::Status& failure) override {
    return snapshot_.Explain(unit_, failure);
  }

 private:
  absl::StatusOr<std::vector<WipedBuffer>> Open(uint32_t first, uint32_t count) override {
    std::vector<uint32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), first);
    const BlockId id{unit_.partition, unit_.id};
    TV_ASSIGN_OR_RETURN(const std::vector<std::string> sealed,
                        snapshot_.reader_.store_.ReadBlock(id, numbers));
    std::vector<WipedBuffer> opened;
    for (uint32_t i = 0; i < count; ++i) {
      TV_ASSIGN_OR_RETURN(WipedBuffer plain, opener_.Open(numbers[i], sealed[i]));
      opened.push_back(std::move(plain));
    }
    return opened;
  }

  const PinnedSnapshot& snapshot_;
  const Unit unit_;
  const std::shared_ptr<const block::Footer> footer_;
  const BlockOpener opener_;
  std::map<uint16_t, block::UnitColumn> columns_;
};

absl::Status PartitionReader::PinnedSnapshot::CheckReadable(PartitionId id) const {
  const std::optional<PartitionInfo> info = reader_.catalog_.FindForReading(id);
  if (!info.has_value()) {
    return absl::NotFoundError(absl::StrCat("no partition of ", FormatDay(id.day)));
  }
  if (info->state != State::kLive || reader_.gate_.ReadTime() >= info->deadline) return Expired(id);
  if (info->quarantined) return Quarantined(id, "a part of it did not verify");
  return absl::OkStatus();
}

bool PartitionReader::PinnedSnapshot::StillListed(const Unit& unit) const {
  absl::StatusOr<std::unique_ptr<store::View>> now = reader_.store_.Pin();
  if (!now.ok()) return true;
  record::v1::BlockRecord record;
  return reader_.meta_
             .Get(**now, store::RecordKind::kBlock,
                  store::RecordId(BlockId{unit.partition, unit.id}), record)
             .code() != absl::StatusCode::kNotFound;
}

absl::Status PartitionReader::PinnedSnapshot::Explain(PartitionId partition,
                                                      const absl::Status& failure) const {
  // A purge removes bytes under a running query: that is no damage.
  TV_RETURN_IF_ERROR(CheckReadable(partition));
  // This key is gone: an erasure has put another in its place, or the partition is being shredded.
  if (absl::IsNotFound(failure) && ReasonOf(failure) == reason::kExpired) {
    return reader_.keyring_.DataKeys(partition).empty() ? failure : Rewritten();
  }
  const bool missing = absl::IsNotFound(failure) && ReasonOf(failure).empty();
  if (!missing && !absl::IsDataLoss(failure)) return failure;
  const std::string_view why(failure.message().data(), failure.message().size());
  reader_.Quarantine(partition, why);
  return Quarantined(partition, why);
}

absl::Status PartitionReader::PinnedSnapshot::Explain(const Unit& unit,
                                                      const absl::Status& failure) const {
  const bool missing = absl::IsNotFound(failure) && ReasonOf(failure).empty();
  if (missing && unit.kind == Unit::Kind::kBlock && CheckReadable(unit.partition).ok() &&
      !StillListed(unit)) {
    return Rewritten();
  }
  return Explain(unit.partition, failure);
}

absl::StatusOr<std::vector<PartitionInfo>> PartitionReader::PinnedSnapshot::Partitions(
    DatasetId dataset, Day first, Day last) const {
  std::vector<PartitionInfo> readable;
  const WallTime now = reader_.gate_.ReadTime();
  // Not those alone whose opening was reported: the view may already hold what a commit brought,
  // and a batch of several days is seen whole or not at all.
  for (const PartitionInfo& info : reader_.catalog_.ListForReading(dataset, first, last)) {
    if (info.state != State::kLive || now >= info.deadline) continue;
    TV_RETURN_IF_ERROR(CheckReadable(info.id));
    readable.push_back(info);
  }
  return readable;
}

absl::StatusOr<ErasedState> PartitionReader::PinnedSnapshot::Erased(PartitionId partition) const {
  const auto record = reader_.meta_.Get<record::v1::PartitionRecord>(
      *view_, store::RecordKind::kPartition, store::RecordId(partition));
  if (absl::IsNotFound(record.status())) return ErasedState();
  TV_RETURN_IF_ERROR(record.status());
  return ErasedStateOf(*record);
}

absl::StatusOr<SubjectListRef> PartitionReader::PinnedSnapshot::LeftOut(
    PartitionId partition, const ErasedState& erased) const {
  if (erased.left_out.empty()) return nullptr;
  const auto key = reader_.keyring_.DataKeyFor(partition, erased.left_out_key);
  if (!key.ok()) return Explain(partition, key.status());
  auto subjects = OpenSubjects({.key = **key, .vault = reader_.vault_}, partition, erased.left_out);
  if (!subjects.ok()) return Explain(partition, subjects.status());
  return std::make_shared<const SubjectList>(*std::move(subjects));
}

absl::StatusOr<std::vector<Unit>> PartitionReader::PinnedSnapshot::Units(
    PartitionId partition) const {
  TV_RETURN_IF_ERROR(CheckReadable(partition));
  std::vector<Unit> units;
  TV_RETURN_IF_ERROR(reader_.meta_.Scan<record::v1::BlockRecord>(
      *view_, store::RecordKind::kBlock, store::RecordId(partition),
      [&](const record::v1::BlockRecord& record) {
        units.push_back(UnitOf(record));
        return true;
      }));
  TV_RETURN_IF_ERROR(reader_.meta_.Scan<record::v1::MicroBatchRecord>(
      *view_, store::RecordKind::kMicroBatch, store::RecordId(partition),
      [&](const record::v1::MicroBatchRecord& record) {
        units.push_back(UnitOf(record));
        return true;
      }));
  return units;
}

absl::StatusOr<std::shared_ptr<const block::Footer>> PartitionReader::PinnedSnapshot::LoadFooter(
    const Unit& unit) const {
  const BlockId id{unit.partition, unit.id};
  if (std::shared_ptr<const block::Footer> held = reader_.cache_->Find(id)) return held;
  TV_ASSIGN_OR_RETURN(const crypto::DataKeyRef key,
                      reader_.keyring_.DataKeyFor(unit.partition, KeyOf(unit)));
  TV_ASSIGN_OR_RETURN(const std::vector<std::string> sealed,
                      reader_.store_.ReadBlock(id, std::span(&store::kFooterChunk, 1)));
  const SealingContext context{.key = *key, .vault = reader_.vault_};
  TV_ASSIGN_OR_RETURN(const BlockOpener opener, BlockOpener::Create(context, unit.manifest->block));
  TV_ASSIGN_OR_RETURN(block::Footer footer, opener.OpenFooter(sealed.front()));
  auto shared = std::make_shared<const block::Footer>(std::move(footer));
  reader_.cache_->Insert(id, shared);
  // Shredded while it was opened: whoever shreds forgets what is cached once the key is gone, and
  // may have done so before this was.
  if (const auto kept = reader_.keyring_.DataKeyFor(unit.partition, KeyOf(unit)); !kept.ok()) {
    reader_.Forget(unit.partition);
    return kept.status();
  }
  return shared;
}

absl::StatusOr<std::shared_ptr<const block::Footer>> PartitionReader::PinnedSnapshot::Footer(
    const Unit& unit) const {
  TV_RETURN_IF_ERROR(CheckReadable(unit.partition));
  if (unit.kind == Unit::Kind::kMicroBatch) return std::shared_ptr<const block::Footer>();
  absl::StatusOr<std::shared_ptr<const block::Footer>> footer = LoadFooter(unit);
  if (!footer.ok()) return Explain(unit, footer.status());
  return footer;
}

absl::StatusOr<bool> PartitionReader::PinnedSnapshot::MayContainSubject(
    const Unit& unit, std::string_view subject) const {
  TV_ASSIGN_OR_RETURN(const std::shared_ptr<const block::Footer> footer, Footer(unit));
  return footer == nullptr || (footer->has_subjects && footer->subjects.MayContain(subject));
}

absl::StatusOr<block::ColumnBatch> PartitionReader::PinnedSnapshot::ReadMicroBatch(
    const Unit& unit, std::span<const uint16_t> columns) const {
  TV_ASSIGN_OR_RETURN(const crypto::DataKeyRef key,
                      reader_.keyring_.DataKeyFor(unit.partition, KeyOf(unit)));
  TV_ASSIGN_OR_RETURN(const std::string sealed,
                      view_->Get(store::Family::kHot, store::HotKey(unit.partition, unit.id)));
  const SealingContext context{.key = *key, .vault = reader_.vault_};
  return OpenMicroBatch(context, unit.manifest->micro_batch, sealed, columns);
}

absl::StatusOr<std::unique_ptr<block::UnitColumns>> PartitionReader::PinnedSnapshot::Open(
    const Unit& unit, std::span<const uint16_t> columns) const {
  TV_RETURN_IF_ERROR(CheckReadable(unit.partition));
  if (columns.empty()) {
    return std::make_unique<block::DecodedColumns>(block::ColumnBatch{.rows = unit.rows});
  }
  if (unit.kind == Unit::Kind::kMicroBatch) {
    absl::StatusOr<block::ColumnBatch> rows = ReadMicroBatch(unit, columns);
    if (!rows.ok()) return Explain(unit, rows.status());
    return std::make_unique<block::DecodedColumns>(*std::move(rows));
  }
  TV_ASSIGN_OR_RETURN(std::shared_ptr<const block::Footer> footer, Footer(unit));
  const auto key = reader_.keyring_.DataKeyFor(unit.partition, KeyOf(unit));
  if (!key.ok()) return Explain(unit, key.status());
  const SealingContext context{.key = **key, .vault = reader_.vault_};
  auto opener = BlockOpener::Create(context, unit.manifest->block);
  if (!opener.ok()) return Explain(unit, opener.status());
  return std::make_unique<BlockColumns>(*this, unit, std::move(footer), *std::move(opener));
}

absl::StatusOr<block::ColumnBatch> PartitionReader::PinnedSnapshot::Read(
    const Unit& unit, std::span<const uint16_t> columns) const {
  if (unit.kind == Unit::Kind::kMicroBatch && !columns.empty()) {
    TV_RETURN_IF_ERROR(CheckReadable(unit.partition));
    absl::StatusOr<block::ColumnBatch> rows = ReadMicroBatch(unit, columns);
    return rows.ok() ? std::move(rows) : Explain(unit, rows.status());
  }
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<block::UnitColumns> opened, Open(unit, columns));
  block::ColumnBatch batch;
  batch.rows = unit.rows;
  for (const uint16_t number : columns) {
    TV_ASSIGN_OR_RETURN(block::UnitColumn* const column, opened->Find(number));
    if (column == nullptr) continue;
    TV_ASSIGN_OR_RETURN(block::Column whole, column->ReadAll());
    batch.numbers.push_back(number);
    batch.columns.push_back(std::move(whole));
  }
  return batch;
}

absl::StatusOr<block::ColumnBatch> PartitionReader::PinnedSnapshot::ReadAll(
    const Unit& unit) const {
  TV_RETURN_IF_ERROR(CheckReadable(unit.partition));
  if (unit.kind == Unit::Kind::kMicroBatch) {
    absl::StatusOr<block::ColumnBatch> rows = ReadMicroBatch(unit, {});
    if (!rows.ok()) return Explain(unit, rows.status());
    return rows;
  }
  TV_ASSIGN_OR_RETURN(const std::shared_ptr<const block::Footer> footer, Footer(unit));
  std::vector<uint16_t> numbers;
  for (const block::FooterColumn& column : footer->columns) numbers.push_back(column.number);
  return Read(unit, numbers);
}

PartitionReader::PartitionReader(store::Store& store, store::MetaStore& meta,
                                 crypto::Keyring& keyring, PartitionCatalog& catalog,
                                 const Gate& gate, VaultId vault)
    : store_(store),
      meta_(meta),
      keyring_(keyring),
      catalog_(catalog),
      gate_(gate),
      vault_(vault),
      cache_(std::make_unique<FooterCache>(limits::kMaxFooterCacheBytes)) {}

PartitionReader::~PartitionReader() = default;

absl::StatusOr<std::unique_ptr<Snapshot>> PartitionReader::Pin() {
  uint64_t pin = 0;
  {
    // The number comes before the view: whoever asks about older pins must not miss this one.
    const std::lock_guard lock(mu_);
    pin = next_pin_++;
    pins_.insert(pin);
  }
  absl::StatusOr<std::unique_ptr<store::View>> view = store_.Pin();
  if (!view.ok()) {
    const std::lock_guard lock(mu_);
    pins_.erase(pins_.find(pin));
    return view.status();
  }
  return std::make_unique<PinnedSnapshot>(*this, *std::move(view), pin);
}

void PartitionReader::Forget(PartitionId partition) { cache_->Forget(partition); }

void PartitionReader::SetQuarantineListener(
    std::function<void(PartitionId, std::string_view)> listener) {
  on_quarantine_ = std::move(listener);
}

void PartitionReader::Quarantine(PartitionId partition, std::string_view why) {
  if (!catalog_.OnQuarantined(partition)) return;
  if (on_quarantine_) on_quarantine_(partition, why);
}

uint64_t PartitionReader::PinMark() const {
  const std::lock_guard lock(mu_);
  return next_pin_;
}

bool PartitionReader::PinnedBefore(uint64_t mark) const {
  const std::lock_guard lock(mu_);
  return !pins_.empty() && *pins_.begin() < mark;
}

}  // namespace televault::partition
