#include "vault/base/simd.h"

#include <atomic>

namespace televault {
namespace {

bool ProcessorHasAvx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

std::atomic<bool>& Enabled() {
  static std::atomic<bool> enabled{ProcessorHasAvx2()};
  return enabled;
}

}  // namespace

bool UseAvx2() { return Enabled().load(std::memory_order_relaxed); }

PortableScope::PortableScope() { Enabled().store(false, std::memory_order_relaxed); }
PortableScope::~PortableScope() { Enabled().store(ProcessorHasAvx2(), std::memory_order_relaxed); }

}  // namespace televault
