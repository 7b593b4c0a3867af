#include "vault/store/cold_blocks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_writer.h"

#include "vault/base/bytes.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/store/rocks_status.h"

namespace televault::store {
namespace {

constexpr size_t kColdKeyBytes = 20;
constexpr int kDropAttempts = 3;

std::string DescribeBlock(const BlockId& id) {
  return absl::StrCat("block ", id.block, " of dataset ", id.partition.dataset.value(), " day ",
                      id.partition.day.value());
}

absl::StatusOr<BlockId> BlockOf(std::string_view key) {
  if (key.size() != kColdKeyBytes) {
    return absl::DataLossError("the cold family holds a key of a wrong length");
  }
  ByteReader reader(AsBytes(key));
  TV_ASSIGN_OR_RETURN(const uint32_t dataset, reader.BigEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const int32_t day, reader.BigEndian<int32_t>());
  TV_ASSIGN_OR_RETURN(const uint64_t block, reader.BigEndian<uint64_t>());
  return BlockId{{DatasetId(dataset), Day(day)}, block};
}

bool Overlaps(const rocksdb::LiveFileMetaData& file, std::string_view prefix) {
  const std::string end = PrefixEnd(prefix);
  return file.largestkey >= prefix && (end.empty() || file.smallestkey < end);
}

std::vector<rocksdb::LiveFileMetaData> FilesOver(rocksdb::DB& db, const std::string& family,
                                                 std::string_view prefix) {
  std::vector<rocksdb::LiveFileMetaData> files;
  db.GetLiveFilesMetaData(&files);
  std::erase_if(files, [&](const rocksdb::LiveFileMetaData& file) {
    return file.column_family_name != family || !Overlaps(file, prefix);
  });
  return files;
}

}  // namespace

std::string ColdPartitionPrefix(PartitionId partition) { return HotPrefix(partition); }

std::string ColdBlockPrefix(const BlockId& id) {
  std::string key = ColdPartitionPrefix(id.partition);
  PutBigEndian(key, id.block);
  return key;
}

std::string ColdKey(const BlockId& id, uint32_t chunk) {
  std::string key = ColdBlockPrefix(id);
  PutBigEndian(key, chunk);
  return key;
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xFF) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

ColdBlocks::ColdBlocks(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& family,
                       const rocksdb::Options& options, FileSystem& fs, std::string build_directory)
    : db_(db),
      family_(family),
      options_(options),
      fs_(fs),
      build_directory_(std::move(build_directory)) {}

absl::Status ColdBlocks::Put(const BlockId& id, std::span<const BlockChunk> chunks) {
  size_t bytes = 0;
  for (const BlockChunk& chunk : chunks) bytes += chunk.bytes.size();
  if (chunks.empty() || bytes > limits::kMaxBlockBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        DescribeBlock(id), " has ", chunks.size(), " chunks and ", bytes, " bytes; allowed are 1 ",
        "chunk or more and ", limits::kMaxBlockBytes, " bytes or fewer"));
  }
  const std::string path = absl::StrCat(build_directory_, "/", next_build_++, ".sst");
  TV_RETURN_IF_ERROR(Build(path, id, chunks));
  TV_CRASH_POINT("store.block_built");

  const std::lock_guard lock(mu_);
  TV_ASSIGN_OR_RETURN(const bool exists, AnyKey(ColdBlockPrefix(id)));
  if (exists) {
    TV_RETURN_IF_ERROR(fs_.Remove(path));
    return absl::AlreadyExistsError(absl::StrCat(DescribeBlock(id), " was put before"));
  }
  rocksdb::IngestExternalFileOptions ingest;
  ingest.move_files = true;
  ingest.snapshot_consistency = false;  // a block is found only through its committed record
  ingest.write_global_seqno = false;
  const rocksdb::Status status = db_.IngestExternalFile(&family_, {path}, ingest);
  TV_CRASH_POINT("store.block_ingested");
  return FromRocks(status, absl::StrCat("adding ", DescribeBlock(id)));
}

absl::Status ColdBlocks::Build(const std::string& path, const BlockId& id,
                               std::span<const BlockChunk> chunks) {
  std::vector<const BlockChunk*> sorted;
  for (const BlockChunk& chunk : chunks) sorted.push_back(&chunk);
  std::sort(sorted.begin(), sorted.end(),
            [](const BlockChunk* a, const BlockChunk* b) { return a->number < b->number; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i]->number == sorted[i - 1]->number) {
      return absl::InvalidArgumentError(
          absl::StrCat(DescribeBlock(id), " has two chunks ", sorted[i]->number));
    }
  }
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options_, &family_);
  const std::string doing = absl::StrCat("writing ", DescribeBlock(id));
  TV_RETURN_IF_ERROR(FromRocks(writer.Open(path), doing));
  for (const BlockChunk* chunk : sorted) {
    TV_RETURN_IF_ERROR(FromRocks(writer.Put(ColdKey(id, chunk->number), chunk->bytes), doing));
  }
  // Finish() syncs the file.
  return FromRocks(writer.Finish(), doing);
}

absl::StatusOr<std::vector<std::string>> ColdBlocks::Read(const BlockId& id,
                                                          std::span<const uint32_t> numbers) {
  std::vector<std::string> keys;
  keys.reserve(numbers.size());
  for (const uint32_t number : numbers) keys.push_back(ColdKey(id, number));
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  rocksdb::ReadOptions read;
  read.verify_checksums = false;  // the AEAD tag proves every chunk
  read.fill_cache = false;
  db_.MultiGet(read, &family_, keys.size(), slices.data(), values.data(), statuses.data());
  std::vector<std::string> chunks;
  chunks.reserve(numbers.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) {
      return absl::NotFoundError(
          absl::StrCat("the store has no chunk ", numbers[i], " of ", DescribeBlock(id)));
    }
    TV_RETURN_IF_ERROR(FromRocks(statuses[i], absl::StrCat("reading ", DescribeBlock(id))));
    chunks.emplace_back(values[i].data(), values[i].size());
  }
  return chunks;
}

absl::Status ColdBlocks::Erase(const BlockId& id) {
  EraseReport report;
  std::vector<std::string> dropped;
  TV_RETURN_IF_ERROR(DropRange(ColdBlockPrefix(id), report, dropped));
  if (report.remaining.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(DescribeBlock(id), ": ", report.remaining));
}

// A file is a block, so the manifest lists them and no file is read: one that is damaged keeps
// nobody from the others. Where several were compacted into one, its keys say which.
absl::StatusOr<std::vector<BlockId>> ColdBlocks::List() {
  std::set<BlockId> blocks;
  for (const rocksdb::LiveFileMetaData& file : FilesOver(db_, family_.GetName(), "")) {
    TV_ASSIGN_OR_RETURN(const BlockId first, BlockOf(file.smallestkey));
    TV_ASSIGN_OR_RETURN(const BlockId last, BlockOf(file.largestkey));
    blocks.insert(first);
    if (first != last) TV_RETURN_IF_ERROR(ListBetween(first, last, blocks));
  }
  return std::vector<BlockId>(blocks.begin(), blocks.end());
}

absl::Status ColdBlocks::ListBetween(const BlockId& first, const BlockId& last,
                                     std::set<BlockId>& blocks) {
  const std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(rocksdb::ReadOptions(), &family_));
  for (BlockId at = first; at != last;) {
    it->Seek(PrefixEnd(ColdBlockPrefix(at)));
    TV_RETURN_IF_ERROR(FromRocks(it->status(), "listing blocks"));
    if (!it->Valid()) break;
    TV_ASSIGN_OR_RETURN(at, BlockOf({it->key().data(), it->key().size()}));
    blocks.insert(at);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ColdBlocks::AnyKey(std::string_view prefix) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(read, &family_));
  it->Seek(rocksdb::Slice(prefix.data(), prefix.size()));
  TV_RETURN_IF_ERROR(FromRocks(it->status(), "looking for a block"));
  return it->Valid() && it->key().starts_with(rocksdb::Slice(prefix.data(), prefix.size()));
}

// RocksDB passes over files at level 0 and files being compacted and reports success all the same,
// so what is left is looked at and, where it does not go away, compacted out of level 0.
absl::Status ColdBlocks::DropRange(std::string_view prefix, EraseReport& report,
                                   std::vector<std::string>& dropped_paths) {
  const std::lock_guard lock(mu_);
  const std::string end_key = PrefixEnd(prefix);
  const rocksdb::Slice begin(prefix.data(), prefix.size());
  const rocksdb::Slice end(end_key);
  const rocksdb::Slice* const end_or_null = end_key.empty() ? nullptr : &end;
  const rocksdb::RangePtr range(&begin, end_or_null);
  for (int attempt = 0; attempt < kDropAttempts; ++attempt) {
    const auto before = FilesOver(db_, family_.GetName(), prefix);
    if (before.empty()) return absl::OkStatus();
    TV_RETURN_IF_ERROR(
        FromRocks(rocksdb::DeleteFilesInRanges(&db_, &family_, &range, 1, /*include_end=*/false),
                  "dropping the files of a range"));
    const auto after = FilesOver(db_, family_.GetName(), prefix);
    for (const auto& file : before) {
      if (std::any_of(after.begin(), after.end(),
                      [&](const auto& kept) { return kept.file_number == file.file_number; })) {
        continue;
      }
      ++report.files_removed;
      report.bytes_removed += file.size;
      dropped_paths.push_back(absl::StrCat(file.directory, "/", file.relative_filename));
    }
    if (after.empty()) return absl::OkStatus();
    rocksdb::CompactRangeOptions compact;
    compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    TV_RETURN_IF_ERROR(FromRocks(db_.CompactRange(compact, &family_, &begin, end_or_null),
                                 "compacting a range of the cold family"));
  }
  const size_t left = FilesOver(db_, family_.GetName(), prefix).size();
  report.remaining = absl::StrCat(left, " cold file(s) could not be dropped yet");
  return absl::OkStatus();
}

}  // namespace televault::store
