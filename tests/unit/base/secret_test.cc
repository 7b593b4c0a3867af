#include "vault/base/secret.h"

#include <gtest/gtest.h>
#include <type_traits>

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

}  // namespace
}  // namespace televault
