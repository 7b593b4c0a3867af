#include "vault/base/file_system.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>  // RENAME_EXCHANGE
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "vault/base/crash_point.h"
#include "vault/base/private_file.h"
#include "vault/base/random.h"

namespace televault {
namespace {

absl::Status ErrnoStatus(int error, std::string_view what, const std::string& path) {
  const std::string text = absl::StrCat("cannot ", absl::string_view(what.data(), what.size()), " ",
                                        path, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case ENOSPC:
    case EDQUOT:
      return WithReason(absl::ResourceExhaustedError(text), reason::kDiskFull);
    case EFBIG:
      return absl::ResourceExhaustedError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

// Repeats a system call that a signal interrupted.
template <class Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

// Closing is never repeated: Linux has released the descriptor even where it reports EINTR.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::Status WriteAll(int fd, uint64_t offset, Bytes data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written =
        Retry([&] { return ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset)); });
    if (written < 0) return ErrnoStatus(errno, "write", path);
    // A regular file takes at least one byte or says why not.
    if (written == 0) return absl::UnavailableError(absl::StrCat("cannot write ", path));
    data = data.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SizeOf(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, "examine", path);
  return static_cast<uint64_t>(info.st_size);
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(int fd, uint64_t size, std::string path)
      : fd_(fd), size_(size), path_(std::move(path)) {}

  absl::Status Append(Bytes data) override {
    TV_RETURN_IF_ERROR(WriteAll(fd_.get(), size_, data, path_));
    size_ += data.size();
    return absl::OkStatus();
  }
  absl::Status WriteAt(uint64_t offset, Bytes data) override {
    TV_RETURN_IF_ERROR(WriteAll(fd_.get(), offset, data, path_));
    size_ = std::max(size_, offset + data.size());
    return absl::OkStatus();
  }
  absl::Status Truncate(uint64_t size) override {
    if (Retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
      return ErrnoStatus(errno, "truncate", path_);
    }
    size_ = size;
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    // Not repeated on EIO: the kernel forgets the error and the pages with it.
    if (Retry([&] { return ::fdatasync(fd_.get()); }) != 0) {
      return ErrnoStatus(errno, "sync", path_);
    }
    return absl::OkStatus();
  }
  absl::Status Close() override {
    const int fd = fd_.Release();
    if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return ErrnoStatus(errno, "close", path_);
    return absl::OkStatus();
  }

 private:
  Descriptor fd_;
  uint64_t size_;  // where Append goes
  const std::string path_;
};

absl::StatusOr<size_t> ReadFrom(int fd, uint64_t offset, std::span<uint8_t> out,
                                const std::string& path) {
  size_t total = 0;
  while (total < out.size()) {
    const ssize_t count = Retry([&] {
      return ::pread(fd, out.data() + total, out.size() - total,
                     static_cast<off_t>(offset + total));
    });
    if (count < 0) return ErrnoStatus(errno, "read", path);
    if (count == 0) break;
    total += static_cast<size_t>(count);
  }
  return total;
}

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(int fd, uint64_t size, std::string path)
      : fd_(fd), size_(size), path_(std::move(path)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    return ReadFrom(fd_.get(), offset, out, path_);
  }
  uint64_t SizeWhenOpened() const override { return size_; }

 private:
  const Descriptor fd_;
  const uint64_t size_;
  const std::string path_;
};

int FlagsFor(OpenMode mode) {
  switch (mode) {
    case OpenMode::kNew:
      return O_EXCL;
    case OpenMode::kTruncate:
      return O_TRUNC;
    case OpenMode::kReopen:
      break;
  }
  return 0;
}

absl::Status OverwriteInPlace(int fd, uint64_t size, bool random_bytes, const std::string& path) {
  std::array<uint8_t, 4096> chunk{};
  for (uint64_t at = 0; at < size; at += chunk.size()) {
    if (random_bytes) SystemRandom().Fill(chunk);
    const size_t length = static_cast<size_t>(std::min<uint64_t>(chunk.size(), size - at));
    TV_RETURN_IF_ERROR(WriteAll(fd, at, Bytes(chunk).first(length), path));
  }
  if (Retry([&] { return ::fsync(fd); }) != 0) return ErrnoStatus(errno, "sync", path);
  return absl::OkStatus();
}

absl::Status NotPlain(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      path,
      " is no plain file (a link, a directory, a pipe or a device): put the file itself there"));
}

// Opens nothing but a plain file, through no link in its place, and waits for nobody: a pipe would
// hold up whoever opens it.
absl::StatusOr<Descriptor> OpenIfPlain(const std::string& path, int mode) {
  struct stat info {};
  // To open a device may do something.
  if (::lstat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "examine", path);
  if (!S_ISREG(info.st_mode)) return NotPlain(path);
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Descriptor fd(Retry([&] { return ::open(path.c_str(), mode | kFlags); }));
  if (fd.get() < 0 && (errno == ELOOP || errno == ENXIO)) return NotPlain(path);
  if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
  // What was opened may be another file than what the name stood for a moment before.
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "examine", path);
  if (!S_ISREG(info.st_mode)) return NotPlain(path);
  return fd;
}

class PosixFileSystemImpl final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path, OpenMode mode,
                                                             int permissions) override {
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | FlagsFor(mode);
    Descriptor fd(Retry([&] { return ::open(path.c_str(), flags, permissions); }));
    if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
    TV_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(fd.get(), path));
    return std::make_unique<PosixWritableFile>(fd.Release(), size, path);
  }

  absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) override {
    Descriptor fd(Retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
    if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
    TV_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(fd.get(), path));
    PosixReadableFile file(fd.Release(), size, path);
    return ReadWhole(file, path, max_bytes);
  }

  absl::StatusOr<size_t> ReadInto(const std::string& path, uint64_t offset,
                                  std::span<uint8_t> out) override {
    const Descriptor fd(Retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
    if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
    return ReadFrom(fd.get(), offset, out, path);
  }

  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenPlain(const std::string& path) override {
    TV_ASSIGN_OR_RETURN(Descriptor fd, OpenIfPlain(path, O_RDONLY));
    TV_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(fd.get(), path));
    return std::make_unique<PosixReadableFile>(fd.Release(), size, path);
  }

  absl::StatusOr<uint64_t> FileSize(const std::string& path) override {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "examine", path);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, "link", to);
    return absl::OkStatus();
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, "rename", from);
    return absl::OkStatus();
  }
  absl::Status Exchange(const std::string& a, const std::string& b) override {
    if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) {
      return absl::OkStatus();
    }
    if (errno == EINVAL || errno == ENOSYS) return FileSystem::Exchange(a, b);
    return ErrnoStatus(errno, "exchange", a);
  }
  absl::Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return ErrnoStatus(errno, "remove", path);
    return absl::OkStatus();
  }
  absl::Status CreateDirectory(const std::string& path, int permissions) override {
    if (::mkdir(path.c_str(), static_cast<mode_t>(permissions)) == 0) return absl::OkStatus();
    const int error = errno;
    struct stat info {};
    const bool is_there = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    if (error == EEXIST && is_there) return absl::OkStatus();
    return ErrnoStatus(error, "create directory", path);
  }
  absl::Status CreateNewDirectory(const std::string& path, int permissions) override {
    if (::mkdir(path.c_str(), static_cast<mode_t>(permissions)) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "create directory", path);
  }
  absl::Status RemoveDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return ErrnoStatus(errno, "remove directory", path);
    return absl::OkStatus();
  }
  absl::Status SyncDirectory(const std::string& path) override {
    const Descriptor fd(
        Retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (fd.get() < 0) return ErrnoStatus(errno, "open directory", path);
    if (Retry([&] { return ::fsync(fd.get()); }) != 0) {
      return ErrnoStatus(errno, "sync directory", path);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    DIR* const dir = ::opendir(directory.c_str());
    if (dir == nullptr) return ErrnoStatus(errno, "list", directory);
    const absl::Cleanup close = [dir] { ::closedir(dir); };
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(dir);
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    if (errno != 0) return ErrnoStatus(errno, "list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  bool Exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs info {};
    if (Retry([&] { return ::statvfs(path.c_str(), &info); }) != 0) {
      return ErrnoStatus(errno, "examine the file system of", path);
    }
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

  absl::StatusOr<size_t> ReadPrivate(const std::string& path, std::span<uint8_t> out) override {
    TV_ASSIGN_OR_RETURN(const Descriptor fd, OpenIfPlain(path, O_RDONLY));
    const std::optional<FileAccess> access = AccessOf(fd.get());
    if (!access.has_value()) return ErrnoStatus(errno, "examine", path);
    TV_RETURN_IF_ERROR(CheckPrivate(path, *access, ThisProcess()));
    return ReadFrom(fd.get(), 0, out, path);
  }

  absl::Status Shred(const std::string& path) override {
    // What is destroyed is this file, not what somebody let the name point at; and a pipe that
    // nobody reads would hold up the destruction of keys.
    TV_ASSIGN_OR_RETURN(const Descriptor fd, OpenIfPlain(path, O_WRONLY));
    TV_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(fd.get(), path));
    TV_RETURN_IF_ERROR(OverwriteInPlace(fd.get(), size, /*random_bytes=*/true, path));
    TV_RETURN_IF_ERROR(OverwriteInPlace(fd.get(), size, /*random_bytes=*/false, path));
    TV_CRASH_POINT("file.shred.overwritten");
    // Lets a thin-provisioned or flash device drop the blocks; not every file system can.
    if (size > 0 && Retry([&] {
                      return ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                         static_cast<off_t>(size));
                    }) != 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS) {
      return ErrnoStatus(errno, "punch a hole into", path);
    }
    if (Retry([&] { return ::fsync(fd.get()); }) != 0) return ErrnoStatus(errno, "sync", path);
    TV_RETURN_IF_ERROR(Remove(path));
    TV_CRASH_POINT("file.shred.removed");
    return SyncDirectory(ParentOf(path));
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFileSystemImpl file_system;
  return file_system;
}

std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status FileSystem::Exchange(const std::string& a, const std::string& b) {
  return absl::UnimplementedError(
      absl::StrCat("this file system cannot exchange ", a, " and ", b, " in one step"));
}

absl::Status RemoveTree(FileSystem& fs, const std::string& path) {
  // The name itself first: what a link points at is somebody else's.
  const absl::Status removed = fs.Remove(path);
  if (removed.ok() || absl::IsNotFound(removed)) return absl::OkStatus();
  const auto names = fs.List(path);
  if (!names.ok()) return removed;
  for (const std::string& name : *names) {
    TV_RETURN_IF_ERROR(RemoveTree(fs, absl::StrCat(path, "/", name)));
  }
  return fs.RemoveDirectory(path);
}

absl::StatusOr<std::string> ReadWhole(ReadableFile& file, const std::string& path,
                                      size_t max_bytes) {
  const uint64_t size = file.SizeWhenOpened();
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, " has ", size, " bytes, more than the ", max_bytes, " allowed"));
  }
  std::string content(static_cast<size_t>(size), '\0');
  TV_ASSIGN_OR_RETURN(const size_t count,
                      file.ReadAt(0, {reinterpret_cast<uint8_t*>(content.data()), content.size()}));
  content.resize(count);
  return content;
}

absl::Status ReplaceFile(FileSystem& fs, const std::string& path, Bytes content, int permissions) {
  const std::string temporary = path + ".new";
  if (const absl::Status gone = fs.Remove(temporary); !gone.ok() && !absl::IsNotFound(gone)) {
    return gone;
  }
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                      fs.OpenWritable(temporary, OpenMode::kNew, permissions));
  TV_RETURN_IF_ERROR(file->Append(content));
  TV_CRASH_POINT("file.replace.written");
  TV_RETURN_IF_ERROR(file->Sync());
  TV_RETURN_IF_ERROR(file->Close());
  TV_CRASH_POINT("file.replace.synced");
  TV_RETURN_IF_ERROR(fs.Rename(temporary, path));
  TV_CRASH_POINT("file.replace.renamed");
  return fs.SyncDirectory(ParentOf(path));
}

}  // namespace televault
