#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "vault/base/file_system.h"

namespace televault::testing {

// A file system that loses power. Works on a real directory, so whoever reads past it (RocksDB)
// sees what a running process would see; it remembers what was not synced and PowerCut() takes it
// back: file contents to the last Sync, names to the last SyncDirectory of their parent.
// Threads: any; one lock.
// What it models: contents and names are independent (a synced file whose name was not synced is
// lost; a synced rename of an unsynced file gives an empty or torn file).
class LossyFileSystem : public FileSystem {
 public:
  explicit LossyFileSystem(FileSystem& base = PosixFileSystem());
  ~LossyFileSystem() override;

  // --- faults ---
  // Undoes everything not synced. With a seed each unsynced write and name survives or not at
  // random, writes torn at 512-byte sectors. Files opened before are dead: their calls fail.
  void PowerCut();
  void PowerCut(uint64_t seed);
  // The power goes off after `n` more mutating calls (writes, syncs, renames, …): the n+1st and
  // all later ones fail without effect until PowerCut() was called. For walking every step.
  void StopAfter(uint64_t n);
  bool stopped() const;
  uint64_t mutating_calls() const;  // so far
  // The n-th write (Append, WriteAt, Truncate, create) from now fails with `status`; 1 = the next.
  void FailWrite(uint64_t n, absl::Status status);
  // The n-th Sync or SyncDirectory from now fails; its data is NOT durable.
  void FailSync(uint64_t n, absl::Status status);
  // Whether a fault of FailWrite or FailSync is still ahead.
  bool fault_ahead() const;
  // FailWrite and FailSync count from the first call on at which `due` says true. It is asked with
  // the lock held, until the next cut of the power.
  void CountFaultsOnce(std::function<bool()> due);
  // Acknowledges the n-th Sync or SyncDirectory from now without doing it: what removing that call
  // from the product would do. A test that still passes proves nothing about durability.
  void SkipSync(uint64_t n);
  uint64_t syncs() const;  // Sync and SyncDirectory calls so far

  // --- FileSystem ---
  absl::StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path, OpenMode mode,
                                                             int permissions) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) override;
  absl::StatusOr<size_t> ReadInto(const std::string& path, uint64_t offset,
                                  std::span<uint8_t> out) override;
  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenPlain(const std::string& path) override;
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Exchange(const std::string& a, const std::string& b) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status CreateDirectory(const std::string& path, int permissions) override;
  absl::Status CreateNewDirectory(const std::string& path, int permissions) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  bool Exists(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;
  absl::StatusOr<size_t> ReadPrivate(const std::string& path, std::span<uint8_t> out) override;
  absl::Status Shred(const std::string& path) override;

 private:
  struct Impl;
  friend class LossyFile;
  std::unique_ptr<Impl> impl_;
};

}  // namespace televault::testing
