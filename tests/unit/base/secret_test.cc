#include "vault/base/secret.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <type_traits>
#include <unistd.h>

#include "vault/base/locked_memory.h"

namespace televault {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_default_constructible_v<SecretPass>);

TEST(Secret, StartsZeroedAndMoves) {
  SecretBytes secret(32);
  EXPECT_EQ(secret.size(), 32u);
  SecretBytes moved = std::move(secret);
  EXPECT_EQ(moved.size(), 32u);
}

// AddressSanitizer and ThreadSanitizer let every mlock() succeed without doing anything.
// (__SANITIZE_THREAD__ is taken away, see deploy/cmake/televault_toolchain.cmake.)
#if !defined(__SANITIZE_ADDRESS__) && !defined(_GLIBCXX_TSAN)

// 0 where the lack of locked memory is told. Ends the process as somebody whom the limit binds.
[[noreturn]] void TakeASecretWithoutLockedMemory() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) ::_exit(2);
  if (::geteuid() == 0 && ::setuid(65'534) != 0) ::_exit(3);
  const bool before = SecretsMayBeSwapped();
  const SecretBytes secret(32);
  ::_exit(!before && SecretsMayBeSwapped() ? 0 : 1);
}

// Memory that may be swapped used to be taken without a word.
TEST(SecretDeathTest, SaysWhereMemoryCannotBeLocked) {
  EXPECT_EXIT(TakeASecretWithoutLockedMemory(), ::testing::ExitedWithCode(0), "");
}

#endif

}  // namespace
}  // namespace televault
