#include "auth/lockdown.h"

#include "tests/support/status_matchers.h"

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;
using testing::IsOk;
using testing::StatusIs;

constexpr v1::LockdownLevel kLevels[] = {v1::LOCKDOWN_LEVEL_ROWS, v1::LOCKDOWN_LEVEL_READS,
                                         v1::LOCKDOWN_LEVEL_ALL, v1::LOCKDOWN_LEVEL_SEAL};

LockdownView View(std::vector<LockdownItem> items) {
  return {.known = true, .epoch = 1, .items = std::move(items)};
}

TEST(LockdownTest, AnUnknownViewIsLockedAtAll) {
  EXPECT_EQ(StrictestLevel(LockdownView{}, {}), v1::LOCKDOWN_LEVEL_ALL);
  EXPECT_EQ(StrictestLevel(View({}), {}), v1::LOCKDOWN_LEVEL_NONE);
}

TEST(LockdownTest, ASealInAnUnknownViewIsStillASeal) {
  LockdownView view;
  view.items.push_back({v1::LOCKDOWN_LEVEL_SEAL, v1::SCOPE_KIND_EVERYTHING, ""});
  EXPECT_EQ(StrictestLevel(view, {}), v1::LOCKDOWN_LEVEL_SEAL);
}

TEST(LockdownTest, EachScopeCoversWhatItNamesAndNothingElse) {
  const std::vector<std::string> roles = {"analyst", "steward"};
  const LockdownTarget target = {
      .dataset = "cli_usage", .roles = roles, .token = "tva_1", .purpose = "usage"};
  const auto level = [&](v1::ScopeKind scope, std::string name) {
    return StrictestLevel(View({{v1::LOCKDOWN_LEVEL_READS, scope, std::move(name)}}), target);
  };
  EXPECT_EQ(level(v1::SCOPE_KIND_EVERYTHING, ""), v1::LOCKDOWN_LEVEL_READS);
  EXPECT_EQ(level(v1::SCOPE_KIND_DATASET, "cli_usage"), v1::LOCKDOWN_LEVEL_READS);
  EXPECT_EQ(level(v1::SCOPE_KIND_DATASET, "cli_usag"), v1::LOCKDOWN_LEVEL_NONE);
  EXPECT_EQ(level(v1::SCOPE_KIND_ROLE, "steward"), v1::LOCKDOWN_LEVEL_READS);
  EXPECT_EQ(level(v1::SCOPE_KIND_ROLE, "auditor"), v1::LOCKDOWN_LEVEL_NONE);
  EXPECT_EQ(level(v1::SCOPE_KIND_TOKEN, "tva_1"), v1::LOCKDOWN_LEVEL_READS);
  EXPECT_EQ(level(v1::SCOPE_KIND_TOKEN, "tva_2"), v1::LOCKDOWN_LEVEL_NONE);
  EXPECT_EQ(level(v1::SCOPE_KIND_PURPOSE, "usage"), v1::LOCKDOWN_LEVEL_READS);
  EXPECT_EQ(level(v1::SCOPE_KIND_PURPOSE, "reliability"), v1::LOCKDOWN_LEVEL_NONE);
  // A scope whose name was lost matches no call that names nothing.
  EXPECT_EQ(StrictestLevel(View({{v1::LOCKDOWN_LEVEL_ALL, v1::SCOPE_KIND_DATASET, ""}}), {}),
            v1::LOCKDOWN_LEVEL_NONE);
}

TEST(LockdownTest, TheStrictestOfSeveralWinsInAnyOrder) {
  for (const auto a : kLevels) {
    for (const auto b : kLevels) {
      const LockdownView view =
          View({{a, v1::SCOPE_KIND_EVERYTHING, ""}, {b, v1::SCOPE_KIND_DATASET, "d"}});
      EXPECT_EQ(StrictestLevel(view, {.dataset = "d"}), std::max(a, b));
      EXPECT_EQ(StrictestLevel(view, {.dataset = "other"}), a);
    }
  }
}

TEST(LockdownTest, UnknownLevelsAndScopesCountAsAllOverEverything) {
  for (const int level : {-1, 0, 1, 6, 77}) {
    const LockdownView view =
        View({{static_cast<LockdownLevel>(level), v1::SCOPE_KIND_DATASET, "d"}});
    EXPECT_EQ(StrictestLevel(view, {.dataset = "other"}), v1::LOCKDOWN_LEVEL_ALL) << level;
  }
  for (const int scope : {-1, 0, 6, 77}) {
    const LockdownView view = View({{v1::LOCKDOWN_LEVEL_ROWS, static_cast<ScopeKind>(scope), "x"}});
    EXPECT_EQ(StrictestLevel(view, {}), v1::LOCKDOWN_LEVEL_ALL) << scope;
  }
}

TEST(LockdownTest, OnlyWellFormedLockdownsAreAccepted) {
  for (const auto level : kLevels) {
    EXPECT_THAT(ValidateLockdown(level, v1::SCOPE_KIND_EVERYTHING, ""), IsOk());
    EXPECT_THAT(ValidateLockdown(level, v1::SCOPE_KIND_EVERYTHING, "x"),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(ValidateLockdown(level, v1::SCOPE_KIND_DATASET, "d").ok(),
              level != v1::LOCKDOWN_LEVEL_SEAL);
    EXPECT_THAT(ValidateLockdown(level, v1::SCOPE_KIND_DATASET, ""),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(ValidateLockdown(level, v1::SCOPE_KIND_UNSPECIFIED, ""),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(ValidateLockdown(level, v1::SCOPE_KIND_ROLE, std::string(65, 'r')),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  for (const int level : {0, 1, 6}) {
    EXPECT_THAT(ValidateLockdown(static_cast<LockdownLevel>(level), v1::SCOPE_KIND_EVERYTHING, ""),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(LockdownTest, LevelsHaveTheNamesOfTheDocumentation) {
  EXPECT_EQ(LevelName(v1::LOCKDOWN_LEVEL_NONE), "none");
  EXPECT_EQ(LevelName(v1::LOCKDOWN_LEVEL_ROWS), "rows");
  EXPECT_EQ(LevelName(v1::LOCKDOWN_LEVEL_READS), "reads");
  EXPECT_EQ(LevelName(v1::LOCKDOWN_LEVEL_ALL), "all");
  EXPECT_EQ(LevelName(v1::LOCKDOWN_LEVEL_SEAL), "seal");
  EXPECT_EQ(LevelName(v1::LOCKDOWN_LEVEL_UNSPECIFIED), "all");
}

}  // namespace
}  // namespace televault::auth
