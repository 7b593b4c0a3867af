#include "vault/partition/partition_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "televault/record/v1/state.pb.h"
#include "vault/base/limits.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/sealing.h"
#include "vault/store/meta.h"

namespace televault::partition {
namespace {

// What else a commit has to carry: records, audit leaf.
constexpr size_t kCommitReserve = limits::MiB;

absl::Status CheckBatch(PartitionId id, const block::ColumnBatch& batch) {
  if (batch.rows == 0 || batch.rows > limits::kMaxEventsPerAppend) {
    return absl::InvalidArgumentError(absl::StrCat("a batch of ", batch.rows, " rows; 1 to ",
                                                   limits::kMaxEventsPerAppend, " are allowed"));
  }
  TV_RETURN_IF_ERROR(block::Validate(batch));
  const block::Column* time = batch.Find(block::kEventTimeColumn);
  if (time == nullptr || time->type != block::PhysicalType::kInt || !time->nulls.empty()) {
    return absl::InvalidArgumentError("a batch has no event_time column without NULLs");
  }
  const auto [least, most] = std::minmax_element(time->ints.begin(), time->ints.end());
  if (*least < StartOf(id.day).micros || *most >= EndOf(id.day).micros) {
    return absl::InvalidArgumentError(
        absl::StrCat("a batch for ", FormatDay(id.day), " holds events of another day"));
  }
  return absl::OkStatus();
}

absl::Status CheckWritable(const PartitionInfo& info, WallTime now) {
  if (info.state == State::kLive && now < info.deadline) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "the partition of ", FormatDay(info.id.day),
                        " is past its deadline; events of that day are no longer accepted")),
                    reason::kExpired);
}

// An opening that was given up may have left its key, with an earlier deadline: without the key the
// partition would be there and could not be read.
absl::Status FollowKeys(const crypto::Keyring& keyring, WallTime now, PartitionInfo& info) {
  for (const crypto::DataKeyInfo& key : keyring.DataKeys(info.id)) {
    info.deadline = std::min(info.deadline, key.deadline);
  }
  if (now < info.deadline) return absl::OkStatus();
  return WithReason(
      absl::UnavailableError(absl::StrCat("a key of ", FormatDay(info.id.day),
                                          " is being destroyed; send the batch again later")),
      reason::kOverloaded);
}

bool HasKey(const crypto::Keyring& keyring, const PartitionInfo& info) {
  const std::vector<crypto::DataKeyInfo> keys = keyring.DataKeys(info.id);
  return std::any_of(keys.begin(), keys.end(),
                     [&](const crypto::DataKeyInfo& key) { return key.id == info.key; });
}

record::v1::PartitionRecord RecordOf(const PartitionInfo& info) {
  record::v1::PartitionRecord record;
  record.set_dataset_id(info.id.dataset.value());
  record.set_day(info.id.day.value());
  record.set_key_id(info.key.value());
  record.set_state(record::v1::PARTITION_STATE_LIVE);
  record.set_deadline_us(info.deadline.micros);
  record.set_opened_at_us(static_cast<uint64_t>(info.opened_at.micros));
  record.set_quarantined(info.quarantined);
  SetErasedState(info.erased, record);
  return record;
}

}  // namespace

PartitionWriter::PartitionWriter(PartitionCatalog& catalog, crypto::Keyring& keyring,
                                 store::MetaStore& meta, store::Journal& journal, const Gate& gate,
                                 Random& random, VaultId vault)
    : catalog_(catalog),
      keyring_(keyring),
      meta_(meta),
      journal_(journal),
      gate_(gate),
      random_(random),
      vault_(vault) {}

// The record lock is held: whoever opened the partition first has reported it, and nobody changes
// it now.
absl::StatusOr<Opening> PartitionWriter::OpeningRecord(const PartitionInfo& prepared) const {
  // An erasure came to its deadline and took the key of a day that was not on record yet; meanwhile
  // it may be, under another one.
  if (!HasKey(keyring_, prepared)) {
    return WithReason(
        absl::UnavailableError(absl::StrCat("the key made for ", FormatDay(prepared.id.day),
                                            " was destroyed meanwhile; send the batch again")),
        reason::kOverloaded);
  }
  PartitionInfo info = prepared;
  Opening opening{.change = Opening::Change::kOpens};
  if (const auto known = catalog_.Find(prepared.id); known.has_value()) {
    if (!CheckWritable(*known, gate_.ReadTime()).ok()) {
      return WithReason(absl::UnavailableError(
                            absl::StrCat("the partition of ", FormatDay(info.id.day),
                                         " was opened and ended meanwhile; send the batch again")),
                        reason::kOverloaded);
    }
    info = *known;
    info.deadline = std::min(info.deadline, prepared.deadline);
    opening.change =
        info.deadline < known->deadline ? Opening::Change::kShortens : Opening::Change::kNone;
  }
  opening.id = info.id;
  opening.key = info.key;
  opening.deadline = info.deadline;
  TV_ASSIGN_OR_RETURN(opening.record, meta_.Put(store::RecordKind::kPartition,
                                                store::RecordId(info.id), RecordOf(info)));
  return opening;
}

void PartitionWriter::Committed(const PartitionInfo& info, bool opened, uint64_t rows,
                                uint64_t bytes, WallTime at) {
  if (opened) catalog_.OnOpened(info);
  catalog_.OnMicroBatch(info.id, rows, bytes, at);
}

absl::StatusOr<PreparedBatch> PartitionWriter::Prepare(PartitionId id,
                                                       const catalog::Schema& schema,
                                                       const block::ColumnBatch& batch,
                                                       WallTime deadline) {
  TV_RETURN_IF_ERROR(CheckBatch(id, batch));
  const WallTime now = gate_.ReadTime();
  std::optional<PartitionCatalog::Opening> target = catalog_.Open(id, deadline, now);
  if (!target.has_value()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the vault holds ", limits::kMaxLivePartitions,
                     " live partitions already; shorten a TTL or wait for one to expire"));
  }
  TV_RETURN_IF_ERROR(CheckWritable(target->info, now));
  // Only a partition that opens gets a key made: one that is shredded meanwhile must not get a
  // second life under a new key.
  TV_ASSIGN_OR_RETURN(const crypto::DataKeyRef key,
                      target->opens ? keyring_.EnsureDataKey(id, target->info.deadline)
                                    : keyring_.DataKeyFor(id, target->info.key));
  if (target->opens) {
    target->info.key = key->id;
    TV_RETURN_IF_ERROR(FollowKeys(keyring_, now, target->info));
  }
  const uint64_t number = journal_.NextUniqueId();
  const SealingContext context{.key = *key, .vault = vault_};
  TV_ASSIGN_OR_RETURN(SealedMicroBatch sealed,
                      SealMicroBatch(context, id, number, schema.revision, batch, now, random_));
  const uint64_t bytes = sealed.value.size();
  if (bytes > limits::kMaxCommitBytes - kCommitReserve) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a batch of ", bytes, " sealed bytes does not fit one commit of ",
        limits::kMaxCommitBytes - kCommitReserve, " bytes; send fewer events at once"));
  }
  PreparedBatch prepared;
  if (target->opens) prepared.open = [this, info = target->info] { return OpeningRecord(info); };
  TV_ASSIGN_OR_RETURN(store::Mutation record,
                      meta_.Put(store::RecordKind::kMicroBatch,
                                store::RecordId(BlockId{id, number}), sealed.record));
  prepared.mutations.push_back(std::move(record));
  prepared.mutations.push_back({.family = store::Family::kHot,
                                .key = store::HotKey(id, number),
                                .value = std::move(sealed.value)});
  prepared.on_committed = [this, target = *target, rows = batch.rows, bytes, now] {
    Committed(target.info, target.opens, rows, bytes, now);
  };
  return prepared;
}

}  // namespace televault::partition
