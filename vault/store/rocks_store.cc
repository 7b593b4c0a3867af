#include "vault/store/rocks_store.h"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_partitioner.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/store/cold_blocks.h"
#include "vault/store/rocks_file_system.h"
#include "vault/store/rocks_status.h"
#include "vault/store/space_reserve.h"

namespace televault::store {
namespace {

constexpr size_t kPartitionPrefixBytes = 8;
// Partitions whose last deletion is remembered before those that no view predates are forgotten.
constexpr size_t kMaxHotDeletes = 4'096;
constexpr char kFormatKey[] = "format";
constexpr char kFormat[] = "televault.store.v1";
constexpr char kLeaseKey[] = "lease";
constexpr std::array<const char*, 5> kFamilyNames = {"default", "meta", "audit", "hot", "cold"};
constexpr size_t kDefaultHandle = 0;
constexpr size_t HandleOf(Family family) { return static_cast<size_t>(family) + 1; }

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

// The engine's own log would repeat keys and paths; errors reach us as statuses.
class NullLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions DbOptions(const RocksStoreOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  db.env = env;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.info_log = std::make_shared<NullLogger>();
  db.paranoid_checks = true;
  db.atomic_flush = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.max_total_wal_size = options.max_wal_bytes;
  db.max_open_files = options.max_open_files;
  db.max_background_jobs = 2;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  // One file per block: looking at each of them at open would make open time grow with the data.
  db.skip_stats_update_on_db_open = true;
  db.skip_checking_sst_file_sizes_on_db_open = true;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const std::shared_ptr<rocksdb::Cache>& cache,
                                           size_t write_buffer_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.checksum = rocksdb::kXXH3;  // this RocksDB has no CRC32 instructions
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.compression = rocksdb::kNoCompression;  // values are ciphertext
  family.bottommost_compression = rocksdb::kNoCompression;
  family.write_buffer_size = write_buffer_bytes;
  family.force_consistency_checks = true;
  return family;
}

rocksdb::ColumnFamilyOptions ColdOptions(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions cold = FamilyOptions(cache, size_t{1} << 20);
  cold.disable_auto_compactions = true;
  cold.sst_partitioner_factory =
      rocksdb::NewSstPartitionerFixedPrefixFactory(kPartitionPrefixBytes);
  return cold;
}

// The open database; views keep it open.
struct Database {
  std::shared_ptr<rocksdb::FileSystem> file_system;
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;

  ~Database() {
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
    if (db != nullptr) db->Close().PermitUncheckedError();
  }
  rocksdb::ColumnFamilyHandle* Handle(Family family) const { return handles[HandleOf(family)]; }
};

class RocksView final : public View {
 public:
  explicit RocksView(std::shared_ptr<Database> database)
      : database_(std::move(database)), snapshot_(database_->db->GetSnapshot()) {}
  ~RocksView() override { database_->db->ReleaseSnapshot(snapshot_); }

  absl::StatusOr<std::string> Get(Family family, std::string_view key) const override {
    TV_CHECK(family != Family::kCold);
    std::string value;
    const rocksdb::Status status =
        database_->db->Get(Options(), database_->Handle(family), ToSlice(key), &value);
    if (status.IsNotFound()) return absl::NotFoundError("the store has no such key");
    TV_RETURN_IF_ERROR(FromRocks(status, "reading a record"));
    return value;
  }

  absl::Status Scan(
      Family family, std::string_view prefix, std::string_view start,
      const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    TV_CHECK(family != Family::kCold);
    const std::string end = PrefixEnd(prefix);
    const rocksdb::Slice bound(end);
    rocksdb::ReadOptions options = Options();
    if (!end.empty()) options.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> it(
        database_->db->NewIterator(options, database_->Handle(family)));
    for (it->Seek(ToSlice(start > prefix ? start : prefix)); it->Valid(); it->Next()) {
      if (!visit({it->key().data(), it->key().size()}, {it->value().data(), it->value().size()})) {
        break;
      }
    }
    return FromRocks(it->status(), "scanning records");
  }

 private:
  rocksdb::ReadOptions Options() const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_;
    return options;
  }

  const std::shared_ptr<Database> database_;
  const rocksdb::Snapshot* const snapshot_;
};

std::string ReservePath(const RocksStoreOptions& options) { return options.directory + "/reserve"; }

class RocksStore final : public Store {
 public:
  RocksStore(const RocksStoreOptions& options, std::shared_ptr<Database> database,
             const rocksdb::Options& cold_options, bool read_only)
      : read_only_(read_only),
        directory_(options.directory),
        fs_(options.fs),
        database_(std::move(database)),
        cold_options_(cold_options),
        cold_(*database_->db, *database_->Handle(Family::kCold), cold_options_, options.fs,
              options.directory + "/build"),
        reserve_(options.fs, {options.directory, ReservePath(options), options.keep_free_bytes,
                              options.reserve_bytes}) {}

  absl::StatusOr<StoreEpoch> AcquireLease(StoreEpoch above) override;
  CommitOutcome Commit(StoreEpoch epoch, const CommitBatch& batch) override;
  absl::StatusOr<std::unique_ptr<View>> Pin() override;
  absl::Status PutBlock(const BlockId& id, std::span<const BlockChunk> chunks) override;
  absl::StatusOr<std::vector<std::string>> ReadBlock(const BlockId& id,
                                                     std::span<const uint32_t> chunks) override {
    return cold_.Read(id, chunks);
  }
  absl::Status EraseBlock(const BlockId& id) override {
    TV_RETURN_IF_ERROR(CheckWritable());
    return cold_.Erase(id);
  }
  absl::StatusOr<std::vector<BlockId>> ListBlocks() override { return cold_.List(); }
  absl::StatusOr<EraseReport> ErasePartition(PartitionId partition) override;
  absl::Status Checkpoint(const std::string& directory) override;
  absl::StatusOr<uint64_t> DiskBytes() override;
  StoreCaps caps() const override { return {.durable = true, .multi_node = false}; }

 private:
  struct Traces;
  absl::Status CheckWritable() const {
    return read_only_ ? absl::FailedPreconditionError("the store is open to be looked at")
                      : absl::OkStatus();
  }
  void NoteHotDeletes(const CommitBatch& batch);
  absl::Status EraseHot(const std::string& prefix, EraseReport& report, Traces& traces);
  absl::Status RollLog(Traces& traces);

  rocksdb::DB& db() const { return *database_->db; }

  const bool read_only_;
  const std::string directory_;
  FileSystem& fs_;
  const std::shared_ptr<Database> database_;
  const rocksdb::Options cold_options_;
  ColdBlocks cold_;
  SpaceReserve reserve_;
  std::atomic<uint64_t> epoch_{0};
  // Once set it stays: kUnknown or kCorrupt for every later write.
  std::atomic<CommitOutcome> failed_{CommitOutcome::kOk};
  std::mutex erase_mu_;  // one ErasePartition or Checkpoint at a time; guards lingering_
  // Files that were dropped but may still be on disk because something reads them.
  std::map<PartitionId, std::vector<std::string>> lingering_;
  std::mutex deletes_mu_;  // guards hot_deletes_
  // By partition prefix: views older than this may still see a deleted micro-batch. What was
  // deleted before the store was opened no view can see.
  std::map<std::string, uint64_t, std::less<>> hot_deletes_;
};

absl::StatusOr<StoreEpoch> RocksStore::AcquireLease(StoreEpoch above) {
  TV_RETURN_IF_ERROR(CheckWritable());
  rocksdb::ColumnFamilyHandle* const handle = database_->handles[kDefaultHandle];
  std::string stored;
  uint64_t last = 0;
  const rocksdb::Status found = db().Get(rocksdb::ReadOptions(), handle, kLeaseKey, &stored);
  if (!found.IsNotFound()) {
    TV_RETURN_IF_ERROR(FromRocks(found, "reading the lease"));
    TV_ASSIGN_OR_RETURN(last, ByteReader(AsBytes(stored)).BigEndian<uint64_t>());
  }
  const uint64_t epoch = std::max(last, above.value()) + 1;
  std::string value;
  PutBigEndian(value, epoch);
  rocksdb::WriteOptions write;
  write.sync = true;
  TV_RETURN_IF_ERROR(FromRocks(db().Put(write, handle, kLeaseKey, value), "taking the lease"));
  epoch_ = epoch;
  return StoreEpoch(epoch);
}

CommitOutcome RocksStore::Commit(StoreEpoch epoch, const CommitBatch& batch) {
  if (const CommitOutcome failed = failed_; failed != CommitOutcome::kOk) return failed;
  if (epoch_ == 0 || epoch.value() != epoch_) return CommitOutcome::kFenced;
  TV_CHECK(batch.Bytes() <= limits::kMaxCommitBytes);
  if (!reserve_.Admit(batch.Bytes(), batch.urgency).ok()) return CommitOutcome::kFull;

  rocksdb::WriteBatch write_batch(batch.Bytes(), /*max_bytes=*/0, /*protection_bytes_per_key=*/8,
                                  /*default_cf_ts_sz=*/0);
  rocksdb::Status status;
  for (const Mutation& mutation : batch.mutations) {
    TV_CHECK(mutation.family != Family::kCold);
    rocksdb::ColumnFamilyHandle* const handle = database_->Handle(mutation.family);
    status = mutation.value ? write_batch.Put(handle, mutation.key, *mutation.value)
                            : write_batch.Delete(handle, mutation.key);
    TV_CHECK(status.ok());
  }
  rocksdb::WriteOptions write;
  write.sync = true;
  TV_CRASH_POINT("store.before_commit");
  status = db().Write(write, &write_batch);
  TV_CRASH_POINT("store.after_commit");
  if (status.ok()) {
    NoteHotDeletes(batch);
    return CommitOutcome::kOk;
  }
  failed_ = status.IsCorruption() ? CommitOutcome::kCorrupt : CommitOutcome::kUnknown;
  return failed_;
}

void RocksStore::NoteHotDeletes(const CommitBatch& batch) {
  const uint64_t now = db().GetLatestSequenceNumber();
  const std::lock_guard lock(deletes_mu_);
  if (hot_deletes_.size() > kMaxHotDeletes) {
    uint64_t oldest_view = 0;
    db().GetIntProperty(rocksdb::DB::Properties::kOldestSnapshotSequence, &oldest_view);
    std::erase_if(hot_deletes_, [oldest_view](const auto& deleted) {
      return oldest_view == 0 || deleted.second <= oldest_view;
    });
  }
  for (const Mutation& mutation : batch.mutations) {
    if (mutation.family != Family::kHot || mutation.value.has_value()) continue;
    hot_deletes_[mutation.key.substr(0, kPartitionPrefixBytes)] = now;
  }
}

absl::StatusOr<std::unique_ptr<View>> RocksStore::Pin() {
  return std::make_unique<RocksView>(database_);
}

absl::Status RocksStore::PutBlock(const BlockId& id, std::span<const BlockChunk> chunks) {
  TV_RETURN_IF_ERROR(CheckWritable());
  if (failed_ != CommitOutcome::kOk) {
    return WithReason(absl::UnavailableError("the store stopped after a failed write; restart it"),
                      reason::kControlMode);
  }
  uint64_t bytes = 0;
  for (const BlockChunk& chunk : chunks) bytes += chunk.bytes.size();
  TV_RETURN_IF_ERROR(reserve_.Admit(bytes, Urgency::kOrdinary));
  return cold_.Put(id, chunks);
}

// What one ErasePartition run must see gone.
struct RocksStore::Traces {
  std::vector<std::string> files;  // paths that must leave the directory
  std::string why;                 // what is still there, in words
  void Add(std::string_view text) {
    absl::StrAppend(&why, why.empty() ? "" : "; ", absl::string_view(text.data(), text.size()));
  }
};

absl::StatusOr<EraseReport> RocksStore::ErasePartition(PartitionId partition) {
  TV_RETURN_IF_ERROR(CheckWritable());
  const std::lock_guard lock(erase_mu_);
  const std::string prefix = HotPrefix(partition);
  EraseReport report;
  Traces traces;
  traces.files = std::move(lingering_[partition]);
  lingering_.erase(partition);
  TV_RETURN_IF_ERROR(EraseHot(prefix, report, traces));
  TV_RETURN_IF_ERROR(cold_.DropRange(prefix, report, traces.files));
  if (!report.remaining.empty()) traces.Add(report.remaining);
  TV_RETURN_IF_ERROR(RollLog(traces));
  if (!absl::IsNotFound(fs_.FileSize(CopyDirectory(directory_)).status())) {
    traces.Add("a copy for a backup is being made, which holds older files");
  }

  std::erase_if(traces.files, [this](const std::string& path) {
    return absl::IsNotFound(fs_.FileSize(path).status());
  });
  if (!traces.files.empty()) {
    traces.Add(absl::StrCat(traces.files.size(),
                            " dropped file(s) are still open for reading, or cannot be looked at"));
    lingering_[partition] = std::move(traces.files);
  } else {
    TV_RETURN_IF_ERROR(fs_.SyncDirectory(directory_ + "/db"));
  }
  reserve_.Refill();
  report.remaining = std::move(traces.why);
  report.complete = report.remaining.empty();
  if (report.complete) {
    const std::lock_guard deletes_lock(deletes_mu_);
    hot_deletes_.erase(prefix);
  }
  return report;
}

// Deleted micro-batches leave the files only when a compaction rewrites them, and an older view
// keeps them alive even then.
absl::Status RocksStore::EraseHot(const std::string& prefix, EraseReport& report, Traces& traces) {
  uint64_t live = 0;
  {
    TV_ASSIGN_OR_RETURN(const std::unique_ptr<View> view, Pin());
    TV_RETURN_IF_ERROR(
        view->Scan(Family::kHot, prefix, "", [&](std::string_view, std::string_view) {
          ++live;
          return true;
        }));
  }
  if (live > 0) traces.Add(absl::StrCat(live, " micro-batch(es) were not deleted"));

  rocksdb::ColumnFamilyHandle* const hot = database_->Handle(Family::kHot);
  TV_RETURN_IF_ERROR(FromRocks(db().Flush(rocksdb::FlushOptions(), database_->handles),
                               "flushing before a purge"));
  uint64_t views = 0;
  uint64_t oldest_view = 0;
  uint64_t deleted_at = 0;
  {
    const std::lock_guard lock(deletes_mu_);
    if (const auto found = hot_deletes_.find(prefix); found != hot_deletes_.end()) {
      deleted_at = found->second;
    }
  }
  using Properties = rocksdb::DB::Properties;
  const bool known = db().GetIntProperty(Properties::kNumSnapshots, &views) &&
                     db().GetIntProperty(Properties::kOldestSnapshotSequence, &oldest_view);
  if (!known || (views > 0 && oldest_view < deleted_at)) {
    traces.Add("a view from before the deletion is still open");
  }
  const std::string end = PrefixEnd(prefix);
  std::vector<rocksdb::LiveFileMetaData> files;
  db().GetLiveFilesMetaData(&files);
  uint64_t touched_bytes = 0;
  for (const auto& file : files) {
    if (file.column_family_name != hot->GetName()) continue;
    if (file.largestkey < prefix || (!end.empty() && file.smallestkey >= end)) continue;
    traces.files.push_back(absl::StrCat(file.directory, "/", file.relative_filename));
    ++report.files_removed;
    touched_bytes += file.size;
  }
  if (touched_bytes == 0) return absl::OkStatus();
  report.bytes_removed += touched_bytes;
  rocksdb::CompactRangeOptions compact;
  compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  const rocksdb::Slice begin_slice(prefix), end_slice(end);
  return FromRocks(
      db().CompactRange(compact, hot, &begin_slice, end.empty() ? nullptr : &end_slice),
      "compacting the purged range");
}

// The write-ahead log repeats every micro-batch. After the flush of all families above only the
// log being written now may remain.
absl::Status RocksStore::RollLog(Traces& traces) {
  // The purge of obsolete files runs when deletions are enabled.
  TV_RETURN_IF_ERROR(FromRocks(db().DisableFileDeletions(), "rolling the log"));
  TV_RETURN_IF_ERROR(FromRocks(db().EnableFileDeletions(/*force=*/false), "rolling the log"));
  rocksdb::VectorLogPtr logs;
  TV_RETURN_IF_ERROR(FromRocks(db().GetSortedWalFiles(logs), "listing the write-ahead logs"));
  if (logs.size() > 1) {
    traces.Add(absl::StrCat(logs.size() - 1, " older write-ahead log(s) are not removed yet"));
  }
  return absl::OkStatus();
}

absl::Status RocksStore::Checkpoint(const std::string& directory) {
  TV_RETURN_IF_ERROR(CheckWritable());
  // An erasure that began before must find the copy, or the copy nothing of what it erased.
  const std::lock_guard lock(erase_mu_);
  TV_RETURN_IF_ERROR(fs_.CreateDirectory(directory, 0700));
  rocksdb::Checkpoint* raw = nullptr;
  TV_RETURN_IF_ERROR(FromRocks(rocksdb::Checkpoint::Create(&db(), &raw), "preparing a copy"));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  return FromRocks(checkpoint->CreateCheckpoint(directory + "/db"), "copying the store");
}

absl::StatusOr<uint64_t> RocksStore::DiskBytes() {
  uint64_t bytes = 0;
  for (rocksdb::ColumnFamilyHandle* handle : database_->handles) {
    uint64_t files = 0;
    if (!db().GetIntProperty(handle, rocksdb::DB::Properties::kTotalSstFilesSize, &files)) {
      return absl::UnavailableError("the engine does not say how much it holds");
    }
    bytes += files;
  }
  rocksdb::VectorLogPtr logs;
  TV_RETURN_IF_ERROR(FromRocks(db().GetSortedWalFiles(logs), "listing the write-ahead logs"));
  for (const auto& log : logs) bytes += log->SizeFileBytes();
  return bytes;
}

// The directories, durable (the engine syncs what is in its own, not the name of it), and empty of
// blocks that a crash left half built.
absl::Status PrepareDirectory(const RocksStoreOptions& options) {
  const std::string build = options.directory + "/build";
  for (const std::string& path : {options.directory, options.directory + "/db", build}) {
    if (!options.fs.Exists(path)) TV_RETURN_IF_ERROR(options.fs.CreateDirectory(path, 0700));
  }
  TV_RETURN_IF_ERROR(options.fs.SyncDirectory(options.directory));
  TV_RETURN_IF_ERROR(options.fs.SyncDirectory(ParentOf(options.directory)));
  if (const std::string copy = CopyDirectory(options.directory); options.fs.Exists(copy)) {
    TV_RETURN_IF_ERROR(RemoveTree(options.fs, copy));
  }
  TV_ASSIGN_OR_RETURN(const std::vector<std::string> leftovers, options.fs.List(build));
  for (const std::string& name : leftovers) {
    TV_RETURN_IF_ERROR(options.fs.Remove(absl::StrCat(build, "/", name)));
  }
  return absl::OkStatus();
}

absl::Status CheckFormat(Database& database, bool may_write) {
  rocksdb::ColumnFamilyHandle* const handle = database.handles[kDefaultHandle];
  std::string format;
  const rocksdb::Status found =
      database.db->Get(rocksdb::ReadOptions(), handle, kFormatKey, &format);
  if (found.IsNotFound() && may_write) {
    rocksdb::WriteOptions write;
    write.sync = true;
    return FromRocks(database.db->Put(write, handle, kFormatKey, kFormat), "writing the format");
  }
  TV_RETURN_IF_ERROR(FromRocks(found, "reading the format"));
  if (format == kFormat) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the store's format is not ", kFormat, ": use the version that wrote it"));
}

// What a database is opened with.
struct Opening {
  explicit Opening(const RocksStoreOptions& options) {
    database->file_system = AdaptFileSystem(options.fs);
    database->env = rocksdb::NewCompositeEnv(database->file_system);
    db_options = DbOptions(options, database->env.get());
    const auto cache = rocksdb::NewLRUCache(options.cache_bytes);
    cold = ColdOptions(cache);
    for (const char* name : kFamilyNames) {
      const bool is_cold = std::string_view(name) == "cold";
      families.emplace_back(name, is_cold ? cold : FamilyOptions(cache, limits::kWriteBufferBytes));
    }
  }
  rocksdb::Options cold_options() const { return rocksdb::Options(db_options, cold); }

  const std::shared_ptr<Database> database = std::make_shared<Database>();
  rocksdb::DBOptions db_options;
  rocksdb::ColumnFamilyOptions cold;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
};

}  // namespace

std::string CopyDirectory(const std::string& store_directory) { return store_directory + "/copy"; }

absl::StatusOr<std::unique_ptr<Store>> OpenRocksStoreReadOnly(const RocksStoreOptions& options) {
  RocksStoreOptions read_only = options;
  read_only.reserve_bytes = 0;
  Opening opening(read_only);
  Database& database = *opening.database;
  opening.db_options.create_if_missing = false;
  opening.db_options.create_missing_column_families = false;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(opening.db_options, options.directory + "/db", opening.families,
                                   &database.handles, &db, /*error_if_wal_file_exists=*/false);
  database.db.reset(db);
  TV_RETURN_IF_ERROR(FromRocks(status, absl::StrCat("opening the copy in ", options.directory)));
  TV_RETURN_IF_ERROR(CheckFormat(database, /*may_write=*/false));
  return std::make_unique<RocksStore>(read_only, opening.database, opening.cold_options(),
                                      /*read_only=*/true);
}

absl::StatusOr<std::unique_ptr<Store>> OpenRocksStore(const RocksStoreOptions& options) {
  TV_RETURN_IF_ERROR(PrepareDirectory(options));
  Opening opening(options);
  const std::shared_ptr<Database>& database = opening.database;
  rocksdb::DB* db = nullptr;
  const auto open = [&] {
    return rocksdb::DB::Open(opening.db_options, options.directory + "/db", opening.families,
                             &database->handles, &db);
  };
  rocksdb::Status status = open();
  // Opening writes a log and a manifest: what is reserved for security events is for this, too, as
  // there are none without it.
  if (status.IsNoSpace() && options.fs.Remove(ReservePath(options)).ok()) status = open();
  database->db.reset(db);
  TV_RETURN_IF_ERROR(FromRocks(status, absl::StrCat("opening the store in ", options.directory)));
  TV_RETURN_IF_ERROR(CheckFormat(*database, /*may_write=*/true));
  return std::make_unique<RocksStore>(options, database, opening.cold_options(),
                                      /*read_only=*/false);
}

}  // namespace televault::store
