#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vault/base/file_system.h"

namespace televault::testing {

// A file system on which chosen files hang, find no room, cannot be reached or may not be;
// everything else is passed on. Threads: any. Borrows: base.
class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(FileSystem& base = PosixFileSystem()) : base_(base) {}
  ~FaultFileSystem() override { Release(); }

  // From now on the opening for writing, writes and syncs of files whose path contains `part` hang
  // until Release(); the first `passes` of them go through.
  void Hang(const std::string& part, int passes = 0);
  // The same, and reads hang, too.
  void HangReadsToo(const std::string& part);
  // Waits until somebody hangs.
  void AwaitHanging();
  void Release();
  // From now on writes to files whose path contains `part` are RESOURCE_EXHAUSTED.
  void Fill(const std::string& part);
  // From now on whatever is asked about files whose path contains `part` is UNAVAILABLE, as on a
  // device that does not answer; whether they exist cannot be found out. "" = nothing any more.
  void Lose(const std::string& part);
  // The same is PERMISSION_DENIED, as in a directory that may not be searched.
  void Deny(const std::string& part);
  // From now on nobody opens a file for writing whose path ends with `end`.
  void Protect(const std::string& end);
  // Whatever has `part` in its path is on `device`, which outlives this; before the first use.
  void Mount(const std::string& part, FileSystem& device) {
    mounted_ = part;
    device_ = &device;
  }

  // Once, before a directory is made whose path ends with `end`: somebody else is quicker.
  void Precede(const std::string& end, std::function<void()> what);

  absl::StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path, OpenMode mode,
                                                             int permissions) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) override;
  absl::StatusOr<size_t> ReadInto(const std::string& path, uint64_t offset,
                                  std::span<uint8_t> out) override;
  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenPlain(const std::string& path) override;
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override {
    TV_RETURN_IF_ERROR(Reach(path));
    return At(path).FileSize(path);
  }
  absl::Status Link(const std::string& from, const std::string& to) override {
    return At(from).Link(from, to);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return At(from).Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override {
    TV_RETURN_IF_ERROR(Reach(path));
    return At(path).Remove(path);
  }
  absl::Status CreateDirectory(const std::string& path, int permissions) override {
    GoBefore(path);
    return At(path).CreateDirectory(path, permissions);
  }
  absl::Status CreateNewDirectory(const std::string& path, int permissions) override {
    GoBefore(path);
    return At(path).CreateNewDirectory(path, permissions);
  }
  absl::Status RemoveDirectory(const std::string& path) override {
    return At(path).RemoveDirectory(path);
  }
  absl::Status SyncDirectory(const std::string& path) override {
    return At(path).SyncDirectory(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return At(directory).List(directory);
  }
  bool Exists(const std::string& path) override {
    return Reach(path).ok() && At(path).Exists(path);
  }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return At(path).FreeBytes(path);
  }
  absl::StatusOr<size_t> ReadPrivate(const std::string& path, std::span<uint8_t> out) override;
  absl::Status Shred(const std::string& path) override {
    TV_RETURN_IF_ERROR(Reach(path));
    return At(path).Shred(path);
  }

  // For the files it hands out: waits, or says that there is no room.
  absl::Status Touch(const std::string& path, bool writes);
  absl::Status TouchToRead(const std::string& path);

 private:
  FileSystem& At(const std::string& path) {
    return device_ != nullptr && path.find(mounted_) != std::string::npos ? *device_ : base_;
  }
  absl::Status Reach(const std::string& path);
  void GoBefore(const std::string& path);

  FileSystem& base_;
  std::string mounted_;
  FileSystem* device_ = nullptr;
  std::mutex mu_;  // guards the rest
  std::condition_variable changed_;
  std::string hangs_;  // "" = nothing
  int passes_ = 0;
  bool reads_hang_ = false;
  int hanging_ = 0;
  std::string full_;
  std::string lost_;
  std::string denied_;
  std::string protected_;
  std::string preceded_;
  std::function<void()> quicker_;
};

}  // namespace televault::testing
