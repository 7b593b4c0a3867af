// Preloaded into a daemon under test: while the file TELEVAULT_TEST_FULL_DISK exists, every file
// system has 100 MiB left, which the vault keeps for what has to be recorded all the same.

#include <cstdlib>
#include <dlfcn.h>
#include <sys/statvfs.h>
#include <unistd.h>

extern "C" int statvfs(const char* path, struct statvfs* out) noexcept {
  using Real = int (*)(const char*, struct statvfs*);
  static const auto real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "statvfs"));
  const int status = real(path, out);
  const char* flag = std::getenv("TELEVAULT_TEST_FULL_DISK");
  if (status != 0 || flag == nullptr || ::access(flag, F_OK) != 0) return status;
  out->f_bavail = (100UL << 20) / out->f_frsize;
  return status;
}
