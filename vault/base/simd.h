#pragma once

namespace televault {

// Whether code that was compiled for AVX2 may run here. Such code has a portable twin that gives
// the same results.
bool UseAvx2();

// Takes the portable path while it lives, to compare the two. Threads: one at a time; nobody else
// calls UseAvx2() while it is made or ended.
class PortableScope {
 public:
  PortableScope();
  ~PortableScope();
  PortableScope(const PortableScope&) = delete;
  PortableScope& operator=(const PortableScope&) = delete;
};

}  // namespace televault

// A function that is inlined into its twins, each compiled for another set of instructions.
#define TV_INLINE_BODY [[gnu::always_inline]] inline
#if defined(__x86_64__)
#define TV_AVX2 [[gnu::target("avx2")]]
#else
#define TV_AVX2
#endif
