#include "tests/support/fault_file_system.h"

#include <utility>

namespace televault::testing {
namespace {

bool Named(const std::string& path, const std::string& part) {
  return !part.empty() && path.find(part) != std::string::npos;
}

class FaultFile final : public WritableFile {
 public:
  FaultFile(FaultFileSystem& fs, std::string path, std::unique_ptr<WritableFile> base)
      : fs_(fs), path_(std::move(path)), base_(std::move(base)) {}
  absl::Status Append(Bytes data) override {
    TV_RETURN_IF_ERROR(fs_.Touch(path_, true));
    return base_->Append(data);
  }
  absl::Status WriteAt(uint64_t offset, Bytes data) override {
    TV_RETURN_IF_ERROR(fs_.Touch(path_, true));
    return base_->WriteAt(offset, data);
  }
  absl::Status Truncate(uint64_t size) override { return base_->Truncate(size); }
  absl::Status Sync() override {
    TV_RETURN_IF_ERROR(fs_.Touch(path_, false));
    return base_->Sync();
  }
  absl::Status Close() override { return base_->Close(); }

 private:
  FaultFileSystem& fs_;
  const std::string path_;
  const std::unique_ptr<WritableFile> base_;
};

class FaultReader final : public ReadableFile {
 public:
  FaultReader(FaultFileSystem& fs, std::string path, std::unique_ptr<ReadableFile> base)
      : fs_(fs), path_(std::move(path)), base_(std::move(base)) {}
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    TV_RETURN_IF_ERROR(fs_.TouchToRead(path_));
    return base_->ReadAt(offset, out);
  }
  uint64_t SizeWhenOpened() const override { return base_->SizeWhenOpened(); }

 private:
  FaultFileSystem& fs_;
  const std::string path_;
  const std::unique_ptr<ReadableFile> base_;
};

}  // namespace

void FaultFileSystem::Hang(const std::string& part, int passes) {
  const std::lock_guard lock(mu_);
  hangs_ = part;
  passes_ = passes;
  reads_hang_ = false;
}

void FaultFileSystem::HangReadsToo(const std::string& part) {
  Hang(part);
  const std::lock_guard lock(mu_);
  reads_hang_ = true;
}

void FaultFileSystem::AwaitHanging() {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [this] { return hanging_ > 0; });
}

void FaultFileSystem::Release() {
  const std::lock_guard lock(mu_);
  hangs_.clear();
  changed_.notify_all();
}

void FaultFileSystem::Fill(const std::string& part) {
  const std::lock_guard lock(mu_);
  full_ = part;
}

void FaultFileSystem::Lose(const std::string& part) {
  const std::lock_guard lock(mu_);
  lost_ = part;
}

void FaultFileSystem::Deny(const std::string& part) {
  const std::lock_guard lock(mu_);
  denied_ = part;
}

void FaultFileSystem::Protect(const std::string& end) {
  const std::lock_guard lock(mu_);
  protected_ = end;
}

void FaultFileSystem::Precede(const std::string& end, std::function<void()> what) {
  const std::lock_guard lock(mu_);
  preceded_ = end;
  quicker_ = std::move(what);
}

void FaultFileSystem::GoBefore(const std::string& path) {
  std::function<void()> what;
  {
    const std::lock_guard lock(mu_);
    if (quicker_ == nullptr || !path.ends_with(preceded_)) return;
    what = std::exchange(quicker_, nullptr);
  }
  what();
}

absl::Status FaultFileSystem::Reach(const std::string& path) {
  const std::lock_guard lock(mu_);
  if (Named(path, lost_)) return absl::UnavailableError("the device does not answer");
  if (Named(path, denied_)) return absl::PermissionDeniedError("permission denied");
  return absl::OkStatus();
}

absl::Status FaultFileSystem::Touch(const std::string& path, bool writes) {
  std::unique_lock lock(mu_);
  if (Named(path, hangs_) && passes_-- <= 0) {
    ++hanging_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !Named(path, hangs_); });
    --hanging_;
  }
  if (writes && Named(path, full_)) return absl::ResourceExhaustedError("no space left on device");
  return absl::OkStatus();
}

absl::Status FaultFileSystem::TouchToRead(const std::string& path) {
  TV_RETURN_IF_ERROR(Reach(path));
  {
    const std::lock_guard lock(mu_);
    if (!reads_hang_) return absl::OkStatus();
  }
  return Touch(path, false);
}

absl::StatusOr<std::string> FaultFileSystem::ReadFile(const std::string& path, size_t max_bytes) {
  TV_RETURN_IF_ERROR(TouchToRead(path));
  return At(path).ReadFile(path, max_bytes);
}

absl::StatusOr<size_t> FaultFileSystem::ReadInto(const std::string& path, uint64_t offset,
                                                 std::span<uint8_t> out) {
  TV_RETURN_IF_ERROR(TouchToRead(path));
  return At(path).ReadInto(path, offset, out);
}

absl::StatusOr<std::unique_ptr<ReadableFile>> FaultFileSystem::OpenPlain(const std::string& path) {
  TV_RETURN_IF_ERROR(Reach(path));
  TV_ASSIGN_OR_RETURN(auto file, At(path).OpenPlain(path));
  return std::make_unique<FaultReader>(*this, path, std::move(file));
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultFileSystem::OpenWritable(const std::string& path,
                                                                            OpenMode mode,
                                                                            int permissions) {
  TV_RETURN_IF_ERROR(Touch(path, false));
  {
    const std::lock_guard lock(mu_);
    if (!protected_.empty() && path.ends_with(protected_)) {
      return absl::PermissionDeniedError("permission denied");
    }
  }
  TV_ASSIGN_OR_RETURN(auto file, At(path).OpenWritable(path, mode, permissions));
  return std::make_unique<FaultFile>(*this, path, std::move(file));
}

absl::StatusOr<size_t> FaultFileSystem::ReadPrivate(const std::string& path,
                                                    std::span<uint8_t> out) {
  TV_RETURN_IF_ERROR(TouchToRead(path));
  return At(path).ReadPrivate(path, out);
}

}  // namespace televault::testing
