#include "vault/store/rocks_file_system.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/io_status.h"

namespace televault::store {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr int kFilePermissions = 0600;
constexpr int kDirectoryPermissions = 0700;

IOStatus ToIoStatus(const absl::Status& status) {
  const std::string text(status.message());
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return IOStatus::OK();
    case absl::StatusCode::kNotFound:
      return IOStatus::PathNotFound(text);
    case absl::StatusCode::kResourceExhausted:
      return IOStatus::NoSpace(text);
    default:
      return IOStatus::IOError(text);
  }
}

Bytes ToBytes(const Slice& slice) {
  return {reinterpret_cast<const uint8_t*>(slice.data()), slice.size()};
}

// One file being written. RocksDB serialises the calls.
class AdaptedFile final : public rocksdb::FSWritableFile {
 public:
  AdaptedFile(std::unique_ptr<WritableFile> file, uint64_t size)
      : file_(std::move(file)), size_(size) {}

  // The two overloads that carry checksums fall back to these.
  using rocksdb::FSWritableFile::Append;
  using rocksdb::FSWritableFile::PositionedAppend;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const IOStatus status = ToIoStatus(file_->Append(ToBytes(data)));
    if (status.ok()) size_ += data.size();
    return status;
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    const IOStatus status = ToIoStatus(file_->Truncate(size));
    if (status.ok()) size_ = size;
    return status;
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return ToIoStatus(file_->Close()); }
  // Nothing is buffered above the FileSystem.
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return ToIoStatus(file_->Sync()); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  std::unique_ptr<WritableFile> file_;
  uint64_t size_;
};

class AdaptedDirectory final : public rocksdb::FSDirectory {
 public:
  AdaptedDirectory(FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return ToIoStatus(fs_.SyncDirectory(path_));
  }
  // Renamed or not: always the whole directory.
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FileSystem& fs_;
  const std::string path_;
};

// Inside it FileSystem is RocksDB's.
class AdaptedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit AdaptedFileSystem(televault::FileSystem& fs)
      : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), fs_(fs) {}

  static const char* kClassName() { return "televault"; }
  const char* Name() const override { return kClassName(); }

  IOStatus NewWritableFile(const std::string& name, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    return Open(name, OpenMode::kTruncate, 0, result);
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* debug) override {
    uint64_t size = 0;
    if (fs_.Exists(name)) {
      IOStatus status = target_->GetFileSize(name, options.io_options, &size, debug);
      if (!status.ok()) return status;
    }
    return Open(name, OpenMode::kReopen, size, result);
  }
  // Log recycling is off, and nothing else writes in place.
  IOStatus ReuseWritableFile(const std::string&, const std::string&, const FileOptions&,
                             std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("files are not reused");
  }
  IOStatus NewRandomRWFile(const std::string&, const FileOptions&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("files are not written in place");
  }
  IOStatus NewMemoryMappedFileBuffer(const std::string&,
                                     std::unique_ptr<rocksdb::MemoryMappedFileBuffer>*) override {
    return IOStatus::NotSupported("files are not mapped");
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* debug) override {
    bool is_directory = false;
    IOStatus status = target_->IsDirectory(name, options, &is_directory, debug);
    if (!status.ok()) return status;
    *result = std::make_unique<AdaptedDirectory>(fs_, name);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions&, IODebugContext*) override {
    return ToIoStatus(fs_.Remove(name));
  }
  IOStatus Truncate(const std::string& name, size_t size, const IOOptions&,
                    IODebugContext*) override {
    auto file = fs_.OpenWritable(name, OpenMode::kReopen, kFilePermissions);
    if (!file.ok()) return ToIoStatus(file.status());
    if (absl::Status status = (*file)->Truncate(size); !status.ok()) return ToIoStatus(status);
    return ToIoStatus((*file)->Close());
  }
  IOStatus CreateDir(const std::string& name, const IOOptions&, IODebugContext*) override {
    return ToIoStatus(fs_.CreateDirectory(name, kDirectoryPermissions));
  }
  IOStatus CreateDirIfMissing(const std::string& name, const IOOptions&, IODebugContext*) override {
    if (fs_.Exists(name)) return IOStatus::OK();
    return ToIoStatus(fs_.CreateDirectory(name, kDirectoryPermissions));
  }
  IOStatus DeleteDir(const std::string& name, const IOOptions&, IODebugContext*) override {
    return ToIoStatus(fs_.RemoveDirectory(name));
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    return ToIoStatus(fs_.Link(from, to));
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return ToIoStatus(fs_.Rename(from, to));
  }

 private:
  IOStatus Open(const std::string& name, OpenMode mode, uint64_t size,
                std::unique_ptr<rocksdb::FSWritableFile>* result) {
    auto file = fs_.OpenWritable(name, mode, kFilePermissions);
    if (!file.ok()) return ToIoStatus(file.status());
    *result = std::make_unique<AdaptedFile>(std::move(*file), size);
    return IOStatus::OK();
  }

  televault::FileSystem& fs_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> AdaptFileSystem(FileSystem& fs) {
  return std::make_shared<AdaptedFileSystem>(fs);
}

}  // namespace televault::store
