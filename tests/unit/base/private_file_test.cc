#include "vault/base/private_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/status_matchers.h"

namespace televault {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::StatusIs;

constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;
constexpr uid_t kDaemon = 990;
constexpr gid_t kItsGroup = 991;
constexpr gid_t kAnotherOfIts = 44;
constexpr char kBothWays[] =
    "chown it to this user and chmod 600 it, or keep it root's with this user's group and mode "
    "0640";

const FileReader kReader{.user = kDaemon, .groups = {kAnotherOfIts, kItsGroup}};
const FileReader kRootReader{.user = 0, .groups = {0, kItsGroup}};

absl::Status Check(uid_t owner, gid_t group, mode_t permissions,
                   const FileReader& reader = kReader) {
  return CheckPrivate("F", {.owner = owner, .group = group, .mode = S_IFREG | permissions}, reader);
}

// With a keyfile of root's that its group reads the daemon cannot change its own key. It was told
// to chmod it to 600, after which it could not open it at all.
TEST(PrivateFile, OneOfRootsMayBeReadByTheReadersGroup) {
  for (const gid_t group : {kItsGroup, kAnotherOfIts}) {
    EXPECT_THAT(Check(0, group, 0640), IsOk());
    EXPECT_THAT(Check(0, group, 0440), IsOk());
  }
  for (const mode_t permissions : {0660, 0650, 0670, 0620, 0610, 0644, 0642, 0641, 0604}) {
    EXPECT_THAT(Check(0, kItsGroup, permissions),
                StatusIs(kRefused, AllOf(HasSubstr("open to others"), HasSubstr(kBothWays))));
  }
  EXPECT_THAT(Check(0, 12, 0640), StatusIs(kRefused, HasSubstr(kBothWays)));
  EXPECT_THAT(Check(0, 0, 0640), StatusIs(kRefused, HasSubstr(kBothWays)));
}

TEST(PrivateFile, WhatIsTheReadersOwnIsForNobodyElse) {
  for (const mode_t permissions : {0600, 0400, 0700}) {
    EXPECT_THAT(Check(kDaemon, kItsGroup, permissions), IsOk());
    EXPECT_THAT(Check(0, kItsGroup, permissions), IsOk());
  }
  for (const mode_t permissions : {0640, 0604}) {
    EXPECT_THAT(Check(kDaemon, kItsGroup, permissions),
                StatusIs(kRefused, AllOf(HasSubstr("chmod 600 it"), Not(HasSubstr("chown")))));
  }
  EXPECT_THAT(Check(1000, kItsGroup, 0600),
              StatusIs(kRefused, AllOf(HasSubstr("belongs to uid 1000, and this is uid 990"),
                                       HasSubstr(kBothWays))));
}

TEST(PrivateFile, RootNeedsNoGroup) {
  EXPECT_THAT(Check(0, 0, 0600, kRootReader), IsOk());
  for (const gid_t group : {gid_t{0}, kItsGroup}) {
    EXPECT_THAT(Check(0, group, 0640, kRootReader),
                StatusIs(kRefused, AllOf(HasSubstr("chmod 600 it"), Not(HasSubstr("chown")))));
  }
  EXPECT_THAT(Check(kDaemon, kItsGroup, 0600, kRootReader),
              StatusIs(kRefused, HasSubstr("chown it to root and chmod 600 it")));
}

// Then the bits of the group are those of whoever the list names.
TEST(PrivateFile, TheGroupOfAFileWithAnAccessListIsNotTheReadersAlone) {
  EXPECT_THAT(
      CheckPrivate(
          "F", {.owner = 0, .group = kItsGroup, .mode = S_IFREG | 0640, .has_access_list = true},
          kReader),
      StatusIs(kRefused, HasSubstr("setfacl -b")));
}

TEST(PrivateFile, ThisProcessIsInItsEffectiveGroup) {
  EXPECT_EQ(ThisProcess().user, ::geteuid());
  EXPECT_THAT(ThisProcess().groups, Contains(::getegid()));
}

}  // namespace
}  // namespace televault
