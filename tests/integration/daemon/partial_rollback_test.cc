// A part of the store put back to an older state while the vault was stopped, the rest and the
// anchor being the newest: what a start notices, and what only reading can.
#include <filesystem>
#include <map>
#include <optional>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>
#include <set>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "tests/support/trail.h"
#include "vault/daemon/layout.h"
#include "vault/store/cold_blocks.h"
#include "vault/store/log_layout.h"

namespace televault::daemon {
namespace {

using televault::testing::Answer;
using televault::testing::Append;
using televault::testing::Apply;
using televault::testing::Ask;
using televault::testing::BulkColumns;
using televault::testing::EntriesOf;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::Refusal;
using televault::testing::RowsOf;
using televault::testing::StatusIs;
using televault::testing::Usage;
using ::testing::HasSubstr;
using ::testing::SizeIs;

void Check(const rocksdb::Status& status) { ASSERT_TRUE(status.ok()) << status.ToString(); }

// The engine's files without the vault: what somebody with the disk in hand can read and write.
class PlainEngine {
 public:
  explicit PlainEngine(const std::string& vault_directory) {
    const std::string path = Layout{vault_directory}.store_dir() + "/db";
    options_.disable_auto_compactions = true;
    std::vector<std::string> names;
    Check(rocksdb::DB::ListColumnFamilies(options_, path, &names));
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, options_);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(options_, path, families, &handles, &db));
    TV_CHECK(db != nullptr);
    db_.reset(db);
    for (size_t i = 0; i < names.size(); ++i) families_[names[i]] = handles[i];
  }
  ~PlainEngine() {
    for (const auto& [name, family] : families_) Check(db_->DestroyColumnFamilyHandle(family));
    Check(db_->Close());
  }
  PlainEngine(const PlainEngine&) = delete;
  PlainEngine& operator=(const PlainEngine&) = delete;

  std::map<std::string, std::string> All(const std::string& family) const {
    std::map<std::string, std::string> all;
    const std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions(), families_.at(family)));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      all.emplace(it->key().ToString(), it->value().ToString());
    }
    Check(it->status());
    return all;
  }
  void Write(const std::string& family, const std::string& key,
             const std::optional<std::string>& value) {
    rocksdb::WriteOptions synced;
    synced.sync = true;
    rocksdb::ColumnFamilyHandle* const handle = families_.at(family);
    Check(value.has_value() ? db_->Put(synced, handle, key, *value)
                            : db_->Delete(synced, handle, key));
  }
  // Key of the first record → file.
  std::map<std::string, std::string> Files(const std::string& family) const {
    std::vector<rocksdb::LiveFileMetaData> files;
    db_->GetLiveFilesMetaData(&files);
    std::map<std::string, std::string> found;
    for (const auto& file : files) {
      if (file.column_family_name != family) continue;
      found.emplace(file.smallestkey, file.directory + "/" + file.relative_filename);
    }
    return found;
  }
  // Files and manifest of one family as they are in `other`. `scratch` does not exist yet.
  void TakeOver(const std::string& family, const PlainEngine& other, const std::string& scratch) {
    rocksdb::Checkpoint* made = nullptr;
    Check(rocksdb::Checkpoint::Create(other.db_.get(), &made));
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    rocksdb::ExportImportFilesMetaData* exported = nullptr;
    Check(checkpoint->ExportColumnFamily(other.families_.at(family), scratch, &exported));
    const std::unique_ptr<rocksdb::ExportImportFilesMetaData> files(exported);
    rocksdb::ColumnFamilyHandle*& handle = families_.at(family);
    Check(db_->DropColumnFamily(handle));
    Check(db_->DestroyColumnFamilyHandle(handle));
    handle = nullptr;
    Check(db_->CreateColumnFamilyWithImport(options_, family, rocksdb::ImportColumnFamilyOptions(),
                                            *files, &handle));
  }

 private:
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> families_;
};

// A vault with two days of data, stopped. Of the day before yesterday nothing has changed since the
// older copy was made; of yesterday there is more, in another block and other micro-batches.
class PartialRollbackTest : public InProcessTest {
 protected:
  PartialRollbackTest() : InProcessTest(PosixFileSystem()) {}

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    ASSERT_THAT(Apply(*As("steward"), televault::testing::SampleManifest("cli_usage")), IsOk());
    collector_ = TokenFor("collector");
    analyst_ = TokenFor("analyst");
    StoreRows(2);
    StoreRows(1);
    MergeAll();
    StoreRows(1);
    RefuseOne();
    for (const auto& info : (*vault_->Data())->partitions->All()) partitions_.push_back(info.id);
    ASSERT_THAT(partitions_, SizeIs(2));
    End();
    newest_ = config_.data_dir;
    older_ = CopyVault(newest_, "older");
    GoOn();
  }
  // What happened after the copy, in the vault that `config_` names.
  void GoOn() {
    Start();
    StoreRows(1);
    MergeAll();
    StoreRows(1);
    RefuseOne();
    End();
  }
  std::string CopyVault(const std::string& from, const std::string& name) const {
    const std::string copy = directory_.Path(name);
    std::filesystem::copy(from, copy, std::filesystem::copy_options::recursive);
    for (const char* const beside : {".anchor", ".keyfile"}) {
      std::filesystem::copy(from + beside, copy + beside);
    }
    return copy;
  }

  // Opens, and no more than that: a vault in quarantine is not unsealed.
  void Open(const std::string& adopt_reason = "") {
    config_.adopt_reason = adopt_reason;
    TV_ASSERT_OK_AND_ASSIGN(
        vault_,
        Vault::Open(config_, {.fs = PosixFileSystem(), .clock = clock_, .random = SystemRandom()}));
  }
  void ExpectQuarantine(const std::string& why) {
    ASSERT_NO_FATAL_FAILURE(Open());
    EXPECT_THAT(vault_->lockdown().control_mode(), HasSubstr(why));
    EXPECT_THAT(vault_->UnsealWithKeyfile(), HasReason(reason::kControlMode));
    EXPECT_THAT(vault_->Data(), HasReason(reason::kControlMode));
    End();
  }

  WallTime NoonBefore(int days) { return clock_.Wall() - microseconds(days * kMicrosPerDay); }
  void StoreRows(int days_ago) {
    ASSERT_THAT(
        Append(*Connect(collector_), BulkColumns("cli_usage", NoonBefore(days_ago), kRows, kRows)),
        IsOk());
  }
  // Counted in a record that is there already the second time.
  void RefuseOne() {
    TV_ASSERT_OK_AND_ASSIGN(
        const auto answer,
        Append(*Connect(collector_), RowsOf({Usage(NoonBefore(1), "m", "no such command")})));
    ASSERT_EQ(answer.rejected(), 1u);
  }
  void MergeAll() {
    TV_ASSERT_OK_AND_ASSIGN(const auto data, vault_->Data());
    for (const auto& info : data->partitions->All()) {
      ASSERT_THAT(data->merger->Merge(info.id), IsOk());
    }
  }
  // All rows of one day, or what was said instead.
  std::string Count(int days_ago) {
    const Day day = DayOf(NoonBefore(days_ago));
    const Answer answer = Ask(
        *Connect(analyst_),
        absl::StrCat("SELECT count(*) FROM cli_usage WHERE command = 'build' "
                     "AND event_time >= '",
                     FormatDay(day), "' AND event_time < '", FormatDay(Day(day.value() + 1)), "'"),
        "usage");
    return answer.status.ok() ? answer.rows.at(0).at(0) : Refusal(answer.status);
  }
  size_t QuarantineEntries() {
    size_t found = 0;
    for (const auto& entry : EntriesOf(*vault_)) found += entry.method() == "partition.quarantine";
    return found;
  }
  // The day before yesterday is answered as ever, yesterday is not, and that stays and is recorded.
  void ExpectYesterdayToBeQuarantined() {
    for (int start = 0; start < 2; ++start) {
      ASSERT_NO_FATAL_FAILURE(Start());
      EXPECT_EQ(QuarantineEntries(), start == 0 ? 0u : 1u);
      EXPECT_EQ(Count(2), absl::StrCat(kRows / 2));
      EXPECT_EQ(Count(1), "DATA_LOSS QUARANTINED");
      EXPECT_EQ(QuarantineEntries(), 1u);
      EXPECT_EQ(Count(2), absl::StrCat(kRows / 2));
      End();
    }
  }

  static constexpr uint32_t kRows = 1'000;
  std::string collector_;
  std::string analyst_;
  std::vector<PartitionId> partitions_;  // of the day before yesterday, of yesterday
  std::string newest_;
  std::string older_;
};

TEST_F(PartialRollbackTest, WithoutOneNothingIsAmiss) {
  { const PlainEngine engine(newest_); }
  Start();
  EXPECT_EQ(Count(2), absl::StrCat(kRows / 2));
  EXPECT_EQ(Count(1), absl::StrCat(4 * kRows / 2));
  EXPECT_EQ(QuarantineEntries(), 0u);
}

// The manifest and files of one family, the others being new.
TEST_F(PartialRollbackTest, OfTheRecordsOrTheTrailIsNoticedAtTheStart) {
  const std::map<std::string, std::string> families = {{"meta", "stale, missing or added"},
                                                       {"audit", "stale, missing or added"}};
  for (const auto& [family, why] : families) {
    SCOPED_TRACE(family);
    const std::string copy = CopyVault(newest_, "with-old-" + family);
    {
      const PlainEngine older(older_);
      PlainEngine engine(copy);
      engine.TakeOver(family, older, directory_.Path("exported-" + family));
    }
    config_.data_dir = copy;
    ExpectQuarantine(why);
    ExpectQuarantine(why);
  }
}

// Both of them agree with each other; the anchor has seen more.
TEST_F(PartialRollbackTest, OfTheRecordsAndTheTrailIsNoticedByTheAnchor) {
  {
    const PlainEngine older(older_);
    PlainEngine engine(newest_);
    for (const char* const family : {"meta", "audit"}) {
      engine.TakeOver(family, older, directory_.Path(family));
    }
  }
  ExpectQuarantine("older than the anchor");
}

class DataRollbackTest : public PartialRollbackTest,
                         public ::testing::WithParamInterface<const char*> {};

TEST_P(DataRollbackTest, QuarantinesTheDayThatWasPutBack) {
  {
    const PlainEngine older(older_);
    PlainEngine engine(newest_);
    engine.TakeOver(GetParam(), older, directory_.Path("exported"));
  }
  ExpectYesterdayToBeQuarantined();
}

INSTANTIATE_TEST_SUITE_P(Families, DataRollbackTest, ::testing::Values("hot", "cold"));

// The same vault went another way from the older copy on: same names, same keys, same sizes, and
// the engine itself sees nothing amiss.
TEST_F(PartialRollbackTest, OfABlocksBytesUnderTheirOwnKeysIsNoticedByReading) {
  config_.data_dir = CopyVault(older_, "other");
  GoOn();
  std::map<std::string, std::string> other;
  {
    const PlainEngine engine(config_.data_dir);
    other = engine.All("cold");
  }
  config_.data_dir = newest_;
  size_t replaced = 0;
  {
    PlainEngine engine(newest_);
    for (const auto& [key, value] : engine.All("cold")) {
      if (!key.starts_with(store::ColdPartitionPrefix(partitions_[1]))) {
        engine.Write("cold", key, value);  // so that one file holds blocks of two days
        continue;
      }
      ASSERT_TRUE(other.contains(key)) << "the other history has another block";
      EXPECT_EQ(other.at(key).size(), value.size());
      EXPECT_NE(other.at(key), value);
      engine.Write("cold", key, other.at(key));
      ++replaced;
    }
  }
  ASSERT_GT(replaced, 0u);
  ExpectYesterdayToBeQuarantined();
}

// One record at a time as it was: changed back, taken away again, or there once more.
TEST_F(PartialRollbackTest, OfOneRecordIsNoticedAtTheStart) {
  std::map<std::string, std::string> older;
  std::map<std::string, std::string> newest;
  {
    const PlainEngine engine(older_);
    older = engine.All("meta");
  }
  {
    const PlainEngine engine(newest_);
    newest = engine.All("meta");
  }
  std::set<std::string> keys;
  for (const auto& records : {older, newest}) {
    for (const auto& [key, value] : records) keys.insert(key);
  }
  const auto value_in = [](const std::map<std::string, std::string>& records,
                           const std::string& key) -> std::optional<std::string> {
    const auto found = records.find(key);
    return found == records.end() ? std::nullopt : std::optional(found->second);
  };
  const auto write = [&](const std::string& key, const std::optional<std::string>& value) {
    PlainEngine(newest_).Write("meta", key, value);
  };
  size_t changed = 0;
  size_t missing = 0;
  size_t back = 0;
  for (const std::string& key : keys) {
    const auto before = value_in(older, key);
    const auto now = value_in(newest, key);
    if (before == now) continue;
    SCOPED_TRACE(ToHex(AsBytes(key)));
    changed += before.has_value() && now.has_value();
    missing += !before.has_value();
    back += !now.has_value();
    write(key, before);
    ExpectQuarantine("stale, missing or added");
    write(key, now);
  }
  EXPECT_GT(changed, 0u);
  EXPECT_GT(missing, 0u);
  EXPECT_GT(back, 0u);
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(Count(1), absl::StrCat(4 * kRows / 2)) << "as it was it is right";
}

// The head that goes with an older trail, over the newest one.
TEST_F(PartialRollbackTest, OfTheHeadAloneIsNoticedAtTheStart) {
  std::string head;
  {
    const PlainEngine engine(older_);
    head = engine.All("audit").at(store::kHeadKey);
  }
  PlainEngine(newest_).Write("audit", store::kHeadKey, head);
  ExpectQuarantine("entries beyond its recorded head");
}

class ColdFileTest : public PartialRollbackTest {
 protected:
  // `file` holds `partition` alone; `stale` is put in its place under its name.
  void ExpectNoticed(PartitionId partition, const std::string& file, const std::string& stale) {
    const std::string kept = directory_.Path("kept");
    const auto over = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy(file, kept, over);
    std::filesystem::copy(stale, file, over);
    auto opened =
        Vault::Open(config_, {.fs = PosixFileSystem(), .clock = clock_, .random = SystemRandom()});
    if (opened.ok()) {
      vault_ = *std::move(opened);
      ASSERT_THAT(vault_->UnsealWithKeyfile(), IsOk());
      EXPECT_THAT(Read(partition), HasReason(reason::kQuarantined));
      EXPECT_EQ(QuarantineEntries(), ++quarantined_);
      End();
    } else {
      // The engine has looked at the file; it says its number.
      const std::string name = std::filesystem::path(file).stem();
      EXPECT_THAT(opened.status(), StatusIs(absl::StatusCode::kDataLoss,
                                            HasSubstr(name.substr(name.find_first_not_of('0')))));
      ++refused_;
    }
    std::filesystem::copy(kept, file, over);
  }
  absl::Status Read(PartitionId partition) {
    TV_ASSIGN_OR_RETURN(const auto data, vault_->Data());
    TV_ASSIGN_OR_RETURN(const auto snapshot, data->reader->Pin());
    TV_ASSIGN_OR_RETURN(const auto units, snapshot->Units(partition));
    for (const auto& unit : units) TV_RETURN_IF_ERROR(snapshot->ReadAll(unit).status());
    return absl::OkStatus();
  }
  // Key of a block's first chunk → the file.
  static std::map<std::string, std::string> ColdFiles(const std::string& vault_directory) {
    return PlainEngine(vault_directory).Files("cold");
  }

  size_t refused_ = 0;
  size_t quarantined_ = 0;
};

TEST_F(ColdFileTest, AnOlderOneOfItsOwnDayIsNoticed) {
  const auto of_yesterday = [&](const std::string& vault_directory) {
    const auto files = ColdFiles(vault_directory);
    const auto found = files.lower_bound(store::ColdPartitionPrefix(partitions_[1]));
    TV_CHECK(found != files.end());
    return found->second;
  };
  const std::string file = of_yesterday(newest_);
  const std::string stale = of_yesterday(older_);
  EXPECT_NE(std::filesystem::file_size(file), std::filesystem::file_size(stale));
  ExpectNoticed(partitions_[1], file, stale);
  EXPECT_EQ(refused_ + quarantined_, 1u);
}

// More files than the engine looks at when it opens: it refuses for some, and for the others the
// vault starts and one day is closed.
TEST_F(ColdFileTest, ASameSizedOneIsNoticedWhicheverItIs) {
  constexpr int kDays = 24;
  ASSERT_NO_FATAL_FAILURE(Start());
  for (int day = 0; day < kDays; ++day) {
    clock_.Advance(std::chrono::hours(24));
    StoreRows(0);
    MergeAll();
  }
  std::map<std::string, PartitionId> by_prefix;
  for (const auto& info : (*vault_->Data())->partitions->All()) {
    by_prefix.emplace(store::ColdPartitionPrefix(info.id), info.id);
  }
  End();
  std::map<uintmax_t, std::string> last_of_size;
  for (const auto& [key, file] : ColdFiles(newest_)) {
    std::string& last = last_of_size[std::filesystem::file_size(file)];
    if (!last.empty()) {
      SCOPED_TRACE(file);
      ExpectNoticed(by_prefix.at(key.substr(0, 8)), file, last);
    }
    last = file;
  }
  std::cout << refused_ << " refused, " << quarantined_ << " quarantined\n";
  EXPECT_GE(refused_ + quarantined_, kDays - 4u) << "few files have the same size";
  EXPECT_GT(quarantined_, 0u);
}

}  // namespace
}  // namespace televault::daemon
