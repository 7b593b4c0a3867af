#pragma once

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "tests/support/daemon_fixture.h"
#include "vault/base/check.h"

namespace televault::testing {

// ext4 on a loop device, or tmpfs of the same size where the machine has none. In a mount namespace
// of the test: nothing is left of it, however the test ends.
class LoopDisk {
 public:
  // "" or why there is none.
  std::string MountAt(const std::string& path, const std::string& scratch, uint64_t bytes) {
    path_ = path;
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return "no mount namespace of its own: it takes root";
    }
    TV_CHECK(::mkdir(path.c_str(), 0700) == 0);
    image_ = scratch + "/disk";
    std::ofstream(image_).close();
    std::filesystem::resize_file(image_, bytes);
    const auto made = RunProcess({"/sbin/mkfs.ext4", "-q", "-m", "0", image_}, scratch);
    if (made.ok() && made->exit_code == 0) {
      const auto mounted = RunProcess({"/bin/mount", "-o", "loop", image_, path}, scratch);
      if (mounted.ok() && mounted->exit_code == 0) {
        kind_ = "ext4 on a loop device";
        std::filesystem::remove(path + "/lost+found");
        return "";
      }
    }
    const std::string size = absl::StrCat("size=", bytes);
    image_.clear();
    if (::mount("tmpfs", path.c_str(), "tmpfs", 0, size.c_str()) != 0) return "no tmpfs either";
    kind_ = "tmpfs: this machine gives no loop device";
    return "";
  }
  ~LoopDisk() {
    if (!kind_.empty()) ::umount2(path_.c_str(), MNT_DETACH);
  }
  const std::string& kind() const { return kind_; }
  // The file behind the loop device; "" on tmpfs.
  const std::string& image() const { return image_; }

  uint64_t Free() const {
    struct statvfs state {};
    TV_CHECK(::statvfs(path_.c_str(), &state) == 0);
    return state.f_bavail * state.f_frsize;
  }
  // Somebody else's file grows or shrinks until so much is left.
  void LeaveFree(uint64_t bytes) {
    const std::string ballast = path_ + "/ballast";
    const int file = ::open(ballast.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    TV_CHECK(file >= 0);
    const uint64_t now = Free();
    const auto size = static_cast<uint64_t>(::lseek(file, 0, SEEK_END));
    if (now < bytes) {
      TV_CHECK(::ftruncate(file, static_cast<off_t>(size - std::min(size, bytes - now))) == 0);
    } else {
      // To the last block: the file's own bookkeeping takes some.
      for (uint64_t step = now - bytes; step >= 4'096; step /= 2) {
        const auto end = static_cast<off_t>(::lseek(file, 0, SEEK_END));
        if (::fallocate(file, 0, end, static_cast<off_t>(step)) != 0) continue;
        if (Free() <= bytes) break;
      }
    }
    ::close(file);
  }

 private:
  std::string path_;
  std::string image_;
  std::string kind_;
};

}  // namespace televault::testing
