// Preloaded into a daemon under test: its own code sees a wall clock that is
// TELEVAULT_TEST_CLOCK_SHIFT_US microseconds ahead, so that days pass between two starts. The
// libraries it uses keep the true time, because the kernel ends their waits by it.

#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <time.h>

namespace {

using Real = int (*)(clockid_t, timespec*);

struct Shift {
  Real real;
  int64_t micros = 0;
  uintptr_t begin = UINTPTR_MAX;  // of the program itself
  uintptr_t end = 0;
};

// The first object is the program.
int NoteProgram(dl_phdr_info* info, size_t, void* out) {
  auto& shift = *static_cast<Shift*>(out);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    shift.begin = begin < shift.begin ? begin : shift.begin;
    shift.end = begin + header.p_memsz > shift.end ? begin + header.p_memsz : shift.end;
  }
  return 1;
}

Shift Load() {
  Shift shift;
  shift.real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "clock_gettime"));
  if (const char* text = std::getenv("TELEVAULT_TEST_CLOCK_SHIFT_US")) {
    shift.micros = std::atoll(text);
  }
  ::dl_iterate_phdr(&NoteProgram, &shift);
  return shift;
}

}  // namespace

extern "C" int clock_gettime(clockid_t id, timespec* out) noexcept {
  static const Shift shift = Load();
  const int status = shift.real(id, out);
  const auto caller = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  if (status != 0 || id != CLOCK_REALTIME || caller < shift.begin || caller >= shift.end) {
    return status;
  }
  const int64_t micros = out->tv_nsec / 1'000 + shift.micros % 1'000'000;
  out->tv_sec += shift.micros / 1'000'000 + micros / 1'000'000;
  out->tv_nsec = micros % 1'000'000 * 1'000 + out->tv_nsec % 1'000;
  return status;
}
