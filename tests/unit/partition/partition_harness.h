#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/sim_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/gate.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/merger.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/partition_reader.h"
#include "vault/partition/partition_writer.h"
#include "vault/store/meta.h"

namespace televault::partition::testing {

// A store whose process dies after a number of writes: later ones have no effect and fail. With
// `apply_last` the write at which it dies still reaches the disk, but its caller hears of a
// failure.
// Threads: any.
class MortalStore final : public store::Store {
 public:
  explicit MortalStore(std::unique_ptr<store::Store> inner) : inner_(std::move(inner)) {}
  void DieAfter(uint64_t writes, bool apply_last) {
    const std::lock_guard lock(mu_);
    left_ = writes;
    apply_last_ = apply_last;
  }
  bool died() const {
    const std::lock_guard lock(mu_);
    return died_;
  }
  // Called before every read of a block, to interleave. Set before threads start.
  void BeforeReads(std::function<void()> call) { before_read_ = std::move(call); }

  absl::StatusOr<StoreEpoch> AcquireLease(StoreEpoch above) override {
    return inner_->AcquireLease(above);
  }
  store::CommitOutcome Commit(StoreEpoch epoch, const store::CommitBatch& batch) override {
    const Fate fate = Next();
    if (fate == Fate::kLost) return store::CommitOutcome::kUnknown;
    const store::CommitOutcome outcome = inner_->Commit(epoch, batch);
    return fate == Fate::kDone ? outcome : store::CommitOutcome::kUnknown;
  }
  absl::StatusOr<std::unique_ptr<store::View>> Pin() override { return inner_->Pin(); }
  absl::Status PutBlock(const BlockId& id, std::span<const store::BlockChunk> chunks) override {
    return Write([&] { return inner_->PutBlock(id, chunks); });
  }
  absl::StatusOr<std::vector<std::string>> ReadBlock(const BlockId& id,
                                                     std::span<const uint32_t> chunks) override {
    if (before_read_) before_read_();
    absl::StatusOr<std::vector<std::string>> read = inner_->ReadBlock(id, chunks);
    if (read.ok() && damage_ && !read->front().empty()) read->front()[0] ^= 1;
    return read;
  }
  absl::Status EraseBlock(const BlockId& id) override {
    ++block_calls_;
    return Write([&] { return inner_->EraseBlock(id); });
  }
  absl::StatusOr<std::vector<BlockId>> ListBlocks() override {
    ++block_calls_;
    return inner_->ListBlocks();
  }
  // Of ListBlocks and EraseBlock, so far.
  uint64_t block_calls() const { return block_calls_; }
  absl::StatusOr<store::EraseReport> ErasePartition(PartitionId partition) override {
    return inner_->ErasePartition(partition);
  }
  absl::Status Checkpoint(const std::string& directory) override {
    return inner_->Checkpoint(directory);
  }
  absl::StatusOr<uint64_t> DiskBytes() override { return inner_->DiskBytes(); }
  store::StoreCaps caps() const override { return inner_->caps(); }
  void DamageReads(bool damage) { damage_ = damage; }

 private:
  // What becomes of a write: done and told, done and told as failed, not done.
  enum class Fate { kDone, kUntold, kLost };

  Fate Next() {
    const std::lock_guard lock(mu_);
    if (left_ > 0) {
      --left_;
      return Fate::kDone;
    }
    return !std::exchange(died_, true) && apply_last_ ? Fate::kUntold : Fate::kLost;
  }
  template <class Call>
  absl::Status Write(Call call) {
    const Fate fate = Next();
    if (fate == Fate::kDone) return call();
    if (fate == Fate::kUntold) call().IgnoreError();
    return absl::UnavailableError("the process died");
  }

  const std::unique_ptr<store::Store> inner_;
  std::function<void()> before_read_;
  std::atomic<bool> damage_ = false;
  std::atomic<uint64_t> block_calls_ = 0;
  mutable std::mutex mu_;  // guards all below
  uint64_t left_ = std::numeric_limits<uint64_t>::max();
  bool apply_last_ = false;
  bool died_ = false;
};

// Commits one unit at a time; the tree is another folder's business.
class DirectJournal final : public store::Journal {
 public:
  DirectJournal(store::Store& store, StoreEpoch epoch, std::atomic<uint64_t>& next_id)
      : store_(store), epoch_(epoch), next_id_(next_id) {}

  absl::StatusOr<store::CommitReceipt> Commit(const store::CommitUnit& unit) override {
    if (unit.leaves.empty()) return absl::InvalidArgumentError("a unit without an audit leaf");
    if (refuse_) return absl::ResourceExhaustedError("disk full");
    switch (store_.Commit(epoch_, {unit.mutations})) {
      case store::CommitOutcome::kOk:
        return store::CommitReceipt{};
      case store::CommitOutcome::kUnknown:
        return WithReason(absl::UnavailableError("unknown"), reason::kOutcomeUnknown);
      default:
        return absl::InternalError("not expected in this test");
    }
  }
  void Refuse(bool refuse) { refuse_ = refuse; }
  store::CommitReceipt Head() const override { return {}; }
  absl::StatusOr<std::vector<audit::Hash>> InclusionProof(LeafIndex, uint64_t) const override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::vector<audit::Hash>> ConsistencyProof(uint64_t, uint64_t) const override {
    return absl::UnimplementedError("");
  }
  void WaitForGrowth(uint64_t, std::chrono::milliseconds) const override {}
  absl::StatusOr<std::vector<std::string>> ReadLeaves(LeafIndex, size_t) const override {
    return absl::UnimplementedError("");
  }
  uint64_t NextUniqueId() override { return next_id_++; }

 private:
  store::Store& store_;
  const StoreEpoch epoch_;
  std::atomic<uint64_t>& next_id_;
  std::atomic<bool> refuse_ = false;
};

class ClockGate final : public Gate {
 public:
  explicit ClockGate(const Clock& clock) : clock_(clock) {}
  absl::Status Check(GateAccess, const GateScope&) const override { return absl::OkStatus(); }
  LockEpoch epoch() const override { return LockEpoch(1); }
  WallTime ReadTime() const override { return clock_.Wall(); }

 private:
  const Clock& clock_;
};

// A disk on which nothing can be destroyed while it is told so.
class StubbornFileSystem final : public televault::testing::LossyFileSystem {
 public:
  absl::Status Shred(const std::string& path) override {
    if (refuse && Exists(path)) return absl::UnavailableError("the device answers nothing");
    return LossyFileSystem::Shred(path);
  }
  bool refuse = false;
};

// What lives as long as the disk: keys, clock, numbers.
struct Machine {
  televault::testing::FakeClock clock;
  televault::testing::SeededRandom random{7};
  televault::testing::TempDirectory directory;
  VaultId vault{.bytes = {1, 2, 3}};
  televault::testing::TempDirectory replica;
  StubbornFileSystem key_disk;
  crypto::FileKeySlots slots{key_disk, {directory.path(), replica.path()}};
  std::unique_ptr<crypto::Keyring> keyring;
  std::atomic<uint64_t> next_id{1};
  ClockGate gate{clock};

  const SecretBytes root = crypto::NewKey(random);

  Machine() { keyring = crypto::Keyring::Create(Keys(), {}, root, clock.Wall()).value(); }
  crypto::KeyringOptions Keys() {
    return {.fs = key_disk,
            .slots = slots,
            .random = random,
            .vault = vault,
            .directories = {directory.path(), replica.path()}};
  }
  PartitionId Today() const { return {DatasetId(4), DayOf(clock.Wall())}; }
};

// One process: everything that is rebuilt at a start.
struct Process {
  Machine& machine;
  MortalStore store;
  DirectJournal journal;
  store::MetaStore meta;
  std::unique_ptr<PartitionCatalog> catalog;
  PartitionWriter writer;
  PartitionReader reader;
  std::vector<MergeEvent> events;
  Merger merger;

  Process(Machine& on, std::unique_ptr<store::Store> inner)
      : machine(on),
        store(std::move(inner)),
        journal(store, store.AcquireLease(StoreEpoch(0)).value(), on.next_id),
        meta(on.vault, *on.keyring, on.random),
        catalog(PartitionCatalog::Load(store, meta, on.clock.Wall()).value()),
        writer(*catalog, *on.keyring, meta, journal, on.gate, on.random, on.vault),
        reader(store, meta, *on.keyring, *catalog, on.gate, on.vault),
        merger(Merger::Parts{.store = store,
                             .meta = meta,
                             .journal = journal,
                             .keyring = *on.keyring,
                             .catalog = *catalog,
                             .reader = reader,
                             .clock = on.clock,
                             .random = on.random,
                             .vault = on.vault},
               [this](const MergeEvent& event) {
                 events.push_back(event);
                 return std::vector<store::AuditLeaf>(1);
               }) {}

  // Rows numbered first..first+count-1, an event a second apart going backwards in time.
  static block::ColumnBatch Rows(PartitionId partition, int64_t first, size_t count) {
    block::ColumnBatch batch;
    batch.rows = count;
    batch.numbers = {0, 1, 2, 3};
    block::Column time = {.type = block::PhysicalType::kInt, .rows = count};
    block::Column subject = {.type = block::PhysicalType::kString, .rows = count};
    block::Column number = {.type = block::PhysicalType::kInt, .rows = count};
    block::Column text = {.type = block::PhysicalType::kString, .rows = count};
    for (size_t i = 0; i < count; ++i) {
      const int64_t n = first + static_cast<int64_t>(i);
      time.ints.push_back(EndOf(partition.day).micros - 1 - n % 80'000 * 1'000'000);
      std::string pseudonym = "subject-" + std::to_string(n % 100);
      pseudonym.resize(16, '.');
      subject.codes.push_back(subject.dictionary.Add(pseudonym));
      number.ints.push_back(n);
      text.codes.push_back(text.dictionary.Add("PLAINTEXT-MARKER-" + std::to_string(n % 7)));
    }
    batch.columns.push_back(std::move(time));
    batch.columns.push_back(std::move(subject));
    batch.columns.push_back(std::move(number));
    batch.columns.push_back(std::move(text));
    return batch;
  }

  absl::Status Append(PartitionId partition, const block::ColumnBatch& batch) {
    catalog::Schema schema;
    schema.dataset = partition.dataset;
    schema.revision = 3;
    TV_ASSIGN_OR_RETURN(
        PreparedBatch prepared,
        writer.Prepare(partition, schema, batch, EndOf(partition.day) + std::chrono::hours(24)));
    return Commit(prepared);
  }
  // Durable, and not reported yet; what is returned is to be held until it is.
  absl::StatusOr<std::optional<PartitionCatalog::RecordLock>> Write(PreparedBatch& prepared) {
    std::optional<PartitionCatalog::RecordLock> records;
    store::CommitUnit unit;
    unit.leaves.resize(1);
    unit.mutations = std::move(prepared.mutations);
    if (prepared.open) {
      records.emplace(catalog->LockRecords());
      TV_ASSIGN_OR_RETURN(Opening opening, prepared.open());
      unit.mutations.push_back(std::move(opening.record));
    }
    TV_RETURN_IF_ERROR(journal.Commit(unit).status());
    return records;
  }
  absl::Status Commit(PreparedBatch& prepared) {
    TV_ASSIGN_OR_RETURN(const auto records, Write(prepared));
    prepared.on_committed();
    return absl::OkStatus();
  }
  absl::Status Append(PartitionId partition, int64_t first, size_t count) {
    return Append(partition, Rows(partition, first, count));
  }

  // The numbers of every row a snapshot shows, ascending.
  static absl::StatusOr<std::vector<int64_t>> Numbers(const Snapshot& snapshot,
                                                      PartitionId partition) {
    TV_ASSIGN_OR_RETURN(const std::vector<Unit> units, snapshot.Units(partition));
    std::vector<int64_t> numbers;
    const std::vector<uint16_t> wanted = {2};
    for (const Unit& unit : units) {
      TV_ASSIGN_OR_RETURN(const block::ColumnBatch rows, snapshot.Read(unit, wanted));
      numbers.insert(numbers.end(), rows.columns[0].ints.begin(), rows.columns[0].ints.end());
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }
  absl::StatusOr<std::vector<int64_t>> Numbers(PartitionId partition) {
    TV_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, reader.Pin());
    return Numbers(*snapshot, partition);
  }
};

inline std::vector<int64_t> UpTo(size_t count) {
  std::vector<int64_t> numbers(count);
  for (size_t i = 0; i < count; ++i) numbers[i] = static_cast<int64_t>(i);
  return numbers;
}

}  // namespace televault::partition::testing
