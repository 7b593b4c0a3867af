#include "auth/decision.h"

#include <random>
#include <set>

#include "auth/roles.h"
#include "auth/rpc_policy.h"
#include "tests/support/status_matchers.h"

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;
using testing::IsOk;

constexpr int64_t kNow = 1'000'000;
constexpr int64_t kHour = 3'600'000'000;

v1::Policy PolicyOf(v1::Capability capability, v1::PurposeRule purpose, v1::LockdownRule rule) {
  v1::Policy policy;
  policy.set_capability(capability);
  policy.set_purpose(purpose);
  policy.set_during_lockdown(rule);
  return policy;
}

v1::Policy QueryPolicy() {
  return PolicyOf(v1::CAPABILITY_QUERY, v1::PURPOSE_RULE_REQUIRED, v1::LOCKDOWN_RULE_READS);
}

Digest DigestOf(uint8_t byte) {
  Digest digest{};
  digest.fill(byte);
  return digest;
}

// Everything one decision depends on; each test spoils one thing.
struct Scene {
  Principal principal;
  v1::Policy policy = QueryPolicy();
  Action action = Action::kAggregate;
  std::string dataset_name = "cli_usage";
  std::string purpose = "reliability";
  std::vector<std::string> fields = {"command", "version"};
  Digest query_digest = DigestOf(7);
  bool dataset_exists = true;
  DatasetPolicy dataset;
  bool has_grant = false;
  GrantView grant;
  bool has_lockdown = true;
  LockdownView lockdown;
  int64_t now_us = kNow;

  Decision Run() const {
    const Request request = {.policy = policy,
                             .action = action,
                             .dataset = dataset_name,
                             .purpose = purpose,
                             .fields = fields,
                             .query_digest = query_digest};
    return Decide(principal, request, dataset_exists ? &dataset : nullptr,
                  has_grant ? &grant : nullptr, has_lockdown ? &lockdown : nullptr, now_us);
  }
};

Scene AnalystScene() {
  Scene scene;
  scene.principal = {.person = "ana",
                     .accessor = "tva_ana",
                     .roles = {"analyst"},
                     .enrolled_at_us = 1,
                     .token_active_since_us = 1};
  scene.dataset.version = kDatasetPolicyVersion;
  scene.dataset.name = "cli_usage";
  scene.dataset.purposes = {"reliability", "usage"};
  scene.dataset.roles["analyst"] = {
      .mode = AccessMode::kAggregate, .purposes = {"usage", "reliability"}, .k_min = 10};
  scene.dataset.roles["investigator"] = {.mode = AccessMode::kRows,
                                         .purposes = {"reliability"},
                                         .approvals = 2,
                                         .max_grant_us = kHour,
                                         .masks = {{"version", {Mask::Kind::kTruncate, 3}}},
                                         .time_granularity_us = 60'000'000};
  scene.dataset.fields["command"] = {FieldClass::kInteraction, {"usage", "reliability"}};
  scene.dataset.fields["version"] = {FieldClass::kTechnical, {"reliability"}};
  scene.dataset.fields["event_time"] = {FieldClass::kTechnical, {"usage", "reliability"}};
  scene.dataset.read_only_after_us = kNow + 1;
  scene.dataset.digest = DigestOf(3);
  scene.lockdown = {.known = true, .epoch = 5, .items = {}};
  return scene;
}

Scene InvestigatorScene() {
  Scene scene = AnalystScene();
  scene.principal.roles = {"investigator"};
  scene.action = Action::kRows;
  scene.has_grant = true;
  scene.grant = {.id = "g1",
                 .dataset = "cli_usage",
                 .purpose = "reliability",
                 .person = "ana",
                 .token = "tva_ana",
                 .query_digest = DigestOf(7),
                 .policy_digest = DigestOf(3),
                 .approvals = 2,
                 .approved_at_us = kNow - 10,
                 .expires_at_us = kNow + 10};
  return scene;
}

Scene CollectorScene() {
  Scene scene = AnalystScene();
  scene.principal.roles = {"collector"};
  scene.principal.datasets = {"cli_usage"};
  scene.policy = PolicyOf(v1::CAPABILITY_APPEND, v1::PURPOSE_RULE_NONE, v1::LOCKDOWN_RULE_ALL);
  scene.action = Action::kAppend;
  scene.purpose = "";
  scene.fields.clear();
  return scene;
}

TEST(DecideTest, AnAnalystGetsAggregatesWithTheManifestsK) {
  const Decision decision = AnalystScene().Run();
  EXPECT_TRUE(decision.allowed()) << ReasonName(decision.reason);
  EXPECT_EQ(decision.rule, "role:analyst");
  EXPECT_EQ(decision.role, "analyst");
  EXPECT_EQ(decision.mode, AccessMode::kAggregate);
  EXPECT_EQ(decision.k_min, 10u);
  EXPECT_EQ(decision.time_granularity_us, kDayUs);
  EXPECT_TRUE(decision.masks.empty());
  EXPECT_EQ(decision.policy_digest, DigestOf(3));
  EXPECT_EQ(decision.lock_epoch, 5u);
  EXPECT_EQ(decision.lockdown_level, v1::LOCKDOWN_LEVEL_NONE);
}

TEST(DecideTest, AnInvestigatorGetsRowsUnderTheGrantWithMasks) {
  const Decision decision = InvestigatorScene().Run();
  EXPECT_TRUE(decision.allowed()) << ReasonName(decision.reason);
  EXPECT_EQ(decision.rule, "grant:g1");
  EXPECT_EQ(decision.grant_id, "g1");
  EXPECT_EQ(decision.mode, AccessMode::kRows);
  EXPECT_EQ(decision.k_min, 0u);
  EXPECT_EQ(decision.valid_until_us, kNow + 10);
  EXPECT_EQ(decision.time_granularity_us, 60'000'000);
  ASSERT_EQ(decision.masks.size(), 1u);
  EXPECT_EQ(decision.masks.at("version"), (Mask{Mask::Kind::kTruncate, 3}));
}

TEST(DecideTest, ACollectorAppendsToTheDatasetItsTokenNames) {
  const Decision decision = CollectorScene().Run();
  EXPECT_TRUE(decision.allowed()) << ReasonName(decision.reason);
  EXPECT_EQ(decision.mode, AccessMode::kUnspecified);
}

struct Spoil {
  const char* what;
  void (*apply)(Scene&);
  Reason expected;
};

void ExpectEachDenies(const Scene& good, std::span<const Spoil> spoils) {
  ASSERT_TRUE(good.Run().allowed());
  for (const Spoil& spoil : spoils) {
    Scene scene = good;
    spoil.apply(scene);
    const Decision decision = scene.Run();
    EXPECT_FALSE(decision.allowed()) << spoil.what;
    EXPECT_EQ(ReasonName(decision.reason), ReasonName(spoil.expected)) << spoil.what;
    EXPECT_FALSE(decision.rule.empty()) << spoil.what;
    EXPECT_EQ(decision.mode, AccessMode::kUnspecified) << spoil.what;
    EXPECT_EQ(decision.grant_id, "") << spoil.what;
  }
}

TEST(DecideTest, EachThingMissingFromAnAggregateQueryDeniesIt) {
  const Spoil spoils[] = {
      {"no token", [](Scene& s) { s.principal = {}; }, Reason::kUnauthenticated},
      {"person only", [](Scene& s) { s.principal.accessor = ""; }, Reason::kUnauthenticated},
      {"no roles", [](Scene& s) { s.principal.roles.clear(); }, Reason::kNoCapability},
      {"unknown role", [](Scene& s) { s.principal.roles = {"root"}; }, Reason::kNoCapability},
      {"no dataset", [](Scene& s) { s.dataset_exists = false; }, Reason::kUnknownDataset},
      {"unnamed dataset", [](Scene& s) { s.dataset_name = ""; }, Reason::kUnknownDataset},
      {"other dataset", [](Scene& s) { s.dataset.name = "x"; }, Reason::kInvalidPolicy},
      {"policy version 0", [](Scene& s) { s.dataset.version = 0; }, Reason::kInvalidPolicy},
      {"policy version 2", [](Scene& s) { s.dataset.version = 2; }, Reason::kInvalidPolicy},
      {"token bound elsewhere", [](Scene& s) { s.principal.datasets = {"other"}; },
       Reason::kDatasetNotInToken},
      {"no purpose", [](Scene& s) { s.purpose = ""; }, Reason::kPurposeMissing},
      {"purpose not in token", [](Scene& s) { s.principal.purposes = {"usage"}; },
       Reason::kPurposeNotInToken},
      {"purpose not in dataset", [](Scene& s) { s.dataset.purposes = {"usage"}; },
       Reason::kPurposeNotInDataset},
      {"purpose not in role", [](Scene& s) { s.dataset.roles["analyst"].purposes = {"usage"}; },
       Reason::kPurposeNotInRole},
      {"role without purposes", [](Scene& s) { s.dataset.roles["analyst"].purposes.clear(); },
       Reason::kPurposeNotInRole},
      {"purpose not in field", [](Scene& s) { s.dataset.fields["version"].purposes = {"usage"}; },
       Reason::kPurposeNotInField},
      {"undeclared field", [](Scene& s) { s.fields.push_back("secret"); }, Reason::kUnknownField},
      {"role not in dataset", [](Scene& s) { s.dataset.roles.erase("analyst"); },
       Reason::kRoleNotInDataset},
      {"exact times in groups",
       [](Scene& s) { s.dataset.roles["analyst"].time_granularity_us = 0; },
       Reason::kInvalidPolicy},
      {"k of zero", [](Scene& s) { s.dataset.roles["analyst"].k_min = 0; }, Reason::kInvalidPolicy},
      {"no mode", [](Scene& s) { s.dataset.roles["analyst"].mode = AccessMode::kUnspecified; },
       Reason::kInvalidPolicy},
      {"dp only",
       [](Scene& s) { s.dataset.roles["analyst"].mode = AccessMode::kDifferentialPrivacy; },
       Reason::kModeNotAllowed},
      {"rows", [](Scene& s) { s.action = Action::kRows; }, Reason::kModeNotAllowed},
      {"plan of rows", [](Scene& s) { s.action = Action::kPlanRows; }, Reason::kModeNotAllowed},
      {"lock state unreadable", [](Scene& s) { s.has_lockdown = false; }, Reason::kLockedDown},
      {"lock state unknown", [](Scene& s) { s.lockdown.known = false; }, Reason::kLockedDown},
      {"rpc without capability", [](Scene& s) { s.policy.clear_capability(); },
       Reason::kInvalidPolicy},
      {"rpc of unknown capability",
       [](Scene& s) { s.policy.set_capability(static_cast<v1::Capability>(30)); },
       Reason::kInvalidPolicy},
      {"rpc without lockdown rule", [](Scene& s) { s.policy.clear_during_lockdown(); },
       Reason::kInvalidPolicy},
      {"rpc that needs no purpose", [](Scene& s) { s.policy.set_purpose(v1::PURPOSE_RULE_NONE); },
       Reason::kInvalidPolicy},
      {"rpc that ignores lockdown",
       [](Scene& s) { s.policy.set_during_lockdown(v1::LOCKDOWN_RULE_ALWAYS); },
       Reason::kInvalidPolicy},
      {"rpc for something else",
       [](Scene& s) { s.policy.set_capability(v1::CAPABILITY_READ_CATALOG); },
       Reason::kInvalidPolicy},
  };
  ExpectEachDenies(AnalystScene(), spoils);
}

TEST(DecideTest, AGrantRunsExactlyWhatWasApproved) {
  const Spoil spoils[] = {
      {"no grant", [](Scene& s) { s.has_grant = false; }, Reason::kGrantMissing},
      {"empty grant", [](Scene& s) { s.grant = {}; }, Reason::kGrantMismatch},
      {"nameless grant", [](Scene& s) { s.grant.id = ""; }, Reason::kGrantMismatch},
      {"other query", [](Scene& s) { s.query_digest = DigestOf(8); }, Reason::kGrantMismatch},
      {"no query digest on either side",
       [](Scene& s) { s.query_digest = s.grant.query_digest = {}; }, Reason::kGrantMismatch},
      {"other purpose", [](Scene& s) { s.grant.purpose = "usage"; }, Reason::kGrantMismatch},
      {"other token", [](Scene& s) { s.grant.token = "tva_bob"; }, Reason::kGrantMismatch},
      {"other person", [](Scene& s) { s.grant.person = "bob"; }, Reason::kGrantMismatch},
      {"other dataset", [](Scene& s) { s.grant.dataset = "x"; }, Reason::kGrantMismatch},
      {"manifest changed since", [](Scene& s) { s.dataset.digest = DigestOf(4); },
       Reason::kGrantMismatch},
      {"zero approvals", [](Scene& s) { s.grant.approvals = 0; }, Reason::kGrantPending},
      {"one approval", [](Scene& s) { s.grant.approvals = 1; }, Reason::kGrantPending},
      {"manifest wants three", [](Scene& s) { s.dataset.roles["investigator"].approvals = 3; },
       Reason::kGrantPending},
      {"not approved yet", [](Scene& s) { s.grant.approved_at_us = 0; }, Reason::kGrantPending},
      {"approved in the future", [](Scene& s) { s.grant.approved_at_us = kNow + 1; },
       Reason::kGrantPending},
      {"over at its very end", [](Scene& s) { s.grant.expires_at_us = kNow; }, Reason::kGrantOver},
      {"denied", [](Scene& s) { s.grant.denied = true; }, Reason::kGrantOver},
      {"revoked", [](Scene& s) { s.grant.revoked = true; }, Reason::kGrantOver},
      {"longer than the manifest allows",
       [](Scene& s) { s.grant.expires_at_us = s.grant.approved_at_us + kHour + 1; },
       Reason::kGrantMismatch},
      {"manifest of one approval", [](Scene& s) { s.dataset.roles["investigator"].approvals = 1; },
       Reason::kInvalidPolicy},
      {"manifest of no approvals", [](Scene& s) { s.dataset.roles["investigator"].approvals = 0; },
       Reason::kInvalidPolicy},
      {"manifest without bound", [](Scene& s) { s.dataset.roles["investigator"].max_grant_us = 0; },
       Reason::kInvalidPolicy},
  };
  ExpectEachDenies(InvestigatorScene(), spoils);
}

TEST(DecideTest, AnAggregateOfARowsRoleNeedsTheGrantToo) {
  Scene scene = InvestigatorScene();
  scene.action = Action::kAggregate;
  EXPECT_TRUE(scene.Run().allowed());
  scene.has_grant = false;
  EXPECT_EQ(scene.Run().reason, Reason::kGrantMissing);
}

TEST(DecideTest, PlanningRowsNeedsNoGrantAndSaysWhatTheRequestNeeds) {
  Scene scene = InvestigatorScene();
  scene.has_grant = false;
  scene.action = Action::kPlanRows;
  for (const v1::Capability capability : {v1::CAPABILITY_QUERY, v1::CAPABILITY_REQUEST_ACCESS}) {
    scene.policy.set_capability(capability);
    scene.policy.set_during_lockdown(v1::LOCKDOWN_RULE_ROWS);
    const Decision decision = scene.Run();
    EXPECT_TRUE(decision.allowed()) << ReasonName(decision.reason);
    EXPECT_EQ(decision.approvals_needed, 2u);
    EXPECT_EQ(decision.max_grant_us, kHour);
    EXPECT_EQ(decision.valid_until_us, 0);
    EXPECT_EQ(decision.grant_id, "");
  }
  scene.principal.roles = {"analyst"};
  EXPECT_EQ(scene.Run().reason, Reason::kNoCapability) << "analysts do not ask for rows";
}

TEST(DecideTest, AppendingNeedsTheDatasetInTheTokenAndAReviewInForce) {
  const Spoil spoils[] = {
      {"unbound token", [](Scene& s) { s.principal.datasets.clear(); }, Reason::kDatasetNotInToken},
      {"bound elsewhere", [](Scene& s) { s.principal.datasets = {"x"}; },
       Reason::kDatasetNotInToken},
      {"at the review date", [](Scene& s) { s.dataset.read_only_after_us = kNow; },
       Reason::kReviewOverdue},
      {"no review date", [](Scene& s) { s.dataset.read_only_after_us = 0; },
       Reason::kReviewOverdue},
      {"no dataset", [](Scene& s) { s.dataset_exists = false; }, Reason::kUnknownDataset},
      {"analyst", [](Scene& s) { s.principal.roles = {"analyst"}; }, Reason::kNoCapability},
      {"rpc that appends during lockdown",
       [](Scene& s) { s.policy.set_during_lockdown(v1::LOCKDOWN_RULE_ALWAYS); },
       Reason::kInvalidPolicy},
  };
  ExpectEachDenies(CollectorScene(), spoils);
}

TEST(DecideTest, ReadingGoesOnAfterTheReviewDate) {
  Scene scene = AnalystScene();
  scene.dataset.read_only_after_us = kNow - 1;
  EXPECT_TRUE(scene.Run().allowed());
}

TEST(DecideTest, OfSeveralRolesTheOneThatDisclosesLeastDecides) {
  Scene scene = InvestigatorScene();
  scene.principal.roles = {"investigator", "analyst"};
  scene.action = Action::kAggregate;
  EXPECT_EQ(scene.Run().role, "investigator") << "a grant was brought along";
  scene.has_grant = false;
  EXPECT_EQ(scene.Run().role, "analyst");
  std::swap(scene.principal.roles[0], scene.principal.roles[1]);
  EXPECT_EQ(scene.Run().role, "analyst");
}

// Every RPC × every set of one role × every level: allowed exactly where the role has the
// capability and the RPC's rule lets the level pass.
TEST(DecideTest, TheMatrixOfRolesMethodsAndLockdownLevelsHolds) {
  const auto table = BuildPolicyTable();
  ASSERT_THAT(table, IsOk());
  std::vector<std::string> roles = {""};
  for (const Role& role : BuiltInRoles()) roles.emplace_back(role.name);
  size_t allowed = 0;
  for (const auto& [method, policy] : table->methods()) {
    for (const std::string& role : roles) {
      for (int level = v1::LOCKDOWN_LEVEL_NONE; level <= v1::LOCKDOWN_LEVEL_SEAL; ++level) {
        Scene scene = AnalystScene();
        scene.principal.roles =
            role.empty() ? std::vector<std::string>{} : std::vector<std::string>{role};
        scene.policy = policy;
        scene.action = Action::kCall;
        scene.dataset_exists = false;
        scene.dataset_name = "";
        if (level > v1::LOCKDOWN_LEVEL_NONE) {
          scene.lockdown.items = {
              {static_cast<LockdownLevel>(level), v1::SCOPE_KIND_EVERYTHING, ""}};
        }
        const bool capable =
            policy.capability() == v1::CAPABILITY_PUBLIC ||
            policy.capability() == v1::CAPABILITY_AUTHENTICATED ||
            (!role.empty() && FindRole(role)->capabilities.Has(policy.capability()));
        int stops_at = v1::LOCKDOWN_LEVEL_SEAL + 1;
        if (policy.during_lockdown() == v1::LOCKDOWN_RULE_ROWS) stops_at = v1::LOCKDOWN_LEVEL_ROWS;
        if (policy.during_lockdown() == v1::LOCKDOWN_RULE_READS) {
          stops_at = v1::LOCKDOWN_LEVEL_READS;
        }
        if (policy.during_lockdown() == v1::LOCKDOWN_RULE_ALL) stops_at = v1::LOCKDOWN_LEVEL_ALL;
        const Decision decision = scene.Run();
        EXPECT_EQ(decision.allowed(), capable && level < stops_at)
            << method << " " << role << " " << level << " " << ReasonName(decision.reason);
        EXPECT_EQ(decision.lockdown_level, level);
        allowed += decision.allowed();
      }
    }
  }
  EXPECT_GT(allowed, 100u);
}

TEST(DecideTest, LockdownStopsWhatItsLevelSays) {
  struct Row {
    Scene scene;
    int stops_at;
  };
  const Row rows[] = {{InvestigatorScene(), v1::LOCKDOWN_LEVEL_ROWS},
                      {AnalystScene(), v1::LOCKDOWN_LEVEL_READS},
                      {CollectorScene(), v1::LOCKDOWN_LEVEL_ALL}};
  for (const Row& row : rows) {
    const struct {
      v1::ScopeKind kind;
      std::string name;
      bool covers;
    } scopes[] = {{v1::SCOPE_KIND_EVERYTHING, "", true},
                  {v1::SCOPE_KIND_DATASET, "cli_usage", true},
                  {v1::SCOPE_KIND_DATASET, "other", false},
                  {v1::SCOPE_KIND_ROLE, row.scene.principal.roles[0], true},
                  {v1::SCOPE_KIND_ROLE, "other", false},
                  {v1::SCOPE_KIND_TOKEN, "tva_ana", true},
                  {v1::SCOPE_KIND_TOKEN, "tva_bob", false},
                  {v1::SCOPE_KIND_PURPOSE, "reliability", !row.scene.purpose.empty()},
                  {v1::SCOPE_KIND_PURPOSE, "usage", false}};
    for (const auto& scope : scopes) {
      for (int level = v1::LOCKDOWN_LEVEL_ROWS; level <= v1::LOCKDOWN_LEVEL_SEAL; ++level) {
        Scene scene = row.scene;
        scene.lockdown.items = {{static_cast<LockdownLevel>(level), scope.kind, scope.name}};
        EXPECT_EQ(scene.Run().allowed(), !(scope.covers && level >= row.stops_at))
            << scene.principal.roles[0] << " " << scope.kind << " " << scope.name << " " << level;
      }
    }
  }
}

// Any further restriction, applied to any situation, never turns a deny into an allow.
TEST(DecideTest, AddingARestrictionNeverAllows) {
  std::mt19937_64 random(20261123);
  const auto pick = [&random](auto n) { return static_cast<size_t>(random() % n); };
  const auto some = [&](std::vector<std::string> all) {
    std::erase_if(all, [&](const std::string&) { return pick(2) == 0; });
    return all;
  };
  const std::vector<std::string> purposes = {"reliability", "usage"};
  const std::vector<std::string> roles = {"analyst", "investigator", "collector", "steward", "x"};
  const std::vector<std::string> fields = {"command", "version", "event_time", "nope"};
  constexpr void (*kRestrict[])(Scene&) = {
      [](Scene& s) {
        s.lockdown.items.push_back({v1::LOCKDOWN_LEVEL_ROWS, v1::SCOPE_KIND_EVERYTHING, ""});
      },
      [](Scene& s) {
        s.lockdown.items.push_back({v1::LOCKDOWN_LEVEL_ALL, v1::SCOPE_KIND_DATASET, "cli_usage"});
      },
      [](Scene& s) {
        s.lockdown.items.push_back({v1::LOCKDOWN_LEVEL_READS, v1::SCOPE_KIND_ROLE, "analyst"});
      },
      [](Scene& s) { s.lockdown.known = false; },
      [](Scene& s) { s.has_lockdown = false; },
      [](Scene& s) { s.principal.roles.clear(); },
      [](Scene& s) { s.principal.purposes = {"nothing"}; },
      [](Scene& s) { s.principal.datasets = {"nowhere"}; },
      [](Scene& s) { s.dataset_exists = false; },
      [](Scene& s) { s.dataset.version = 9; },
      [](Scene& s) { s.dataset.purposes.clear(); },
      [](Scene& s) { s.dataset.roles.erase("analyst"); },
      [](Scene& s) { s.dataset.roles.erase("investigator"); },
      [](Scene& s) { s.dataset.fields.erase("version"); },
      [](Scene& s) { s.dataset.fields["command"].purposes.clear(); },
      [](Scene& s) { s.dataset.roles["investigator"].approvals = 5; },
      [](Scene& s) { s.dataset.read_only_after_us = 0; },
      [](Scene& s) { s.fields.push_back("version"); },
      [](Scene& s) { s.has_grant = false; },
      [](Scene& s) { s.grant.revoked = true; },
      [](Scene& s) { s.grant.expires_at_us = 0; },
      [](Scene& s) { s.grant.approvals = 1; },
      [](Scene& s) { s.query_digest = DigestOf(99); },
      [](Scene& s) { s.policy.clear_capability(); },
  };
  size_t allowed = 0, restricted = 0;
  for (int round = 0; round < 20'000; ++round) {
    Scene scene = pick(3) == 0   ? CollectorScene()
                  : pick(2) == 0 ? InvestigatorScene()
                                 : AnalystScene();
    if (pick(2) == 0) scene.principal.roles = some(roles);
    if (pick(3) == 0) scene.principal.purposes = some(purposes);
    if (pick(4) == 0) scene.fields = some(fields);
    if (pick(4) == 0) scene.dataset.roles["analyst"].purposes = some(purposes);
    if (pick(5) == 0) scene.action = static_cast<Action>(pick(6));
    if (pick(5) == 0) scene.purpose = purposes[pick(2)];
    if (pick(8) == 0) scene.grant.approvals = static_cast<uint32_t>(pick(4));
    const bool before = scene.Run().allowed();
    allowed += before;
    kRestrict[pick(std::size(kRestrict))](scene);
    const bool after = scene.Run().allowed();
    EXPECT_TRUE(before || !after) << "round " << round;
    restricted += before && !after;
  }
  EXPECT_GT(allowed, 2'000u) << "the property must not hold because nothing is ever allowed";
  EXPECT_GT(restricted, 500u);
}

TEST(DecideTest, EverythingAtItsDefaultDenies) {
  const Decision decision = Decide({}, {}, nullptr, nullptr, nullptr, 0);
  EXPECT_FALSE(decision.allowed());
  EXPECT_FALSE(Decision{}.allowed());
  const DatasetPolicy empty;
  const LockdownView open = {.known = true, .epoch = 0, .items = {}};
  for (int action = 1; action <= 5; ++action) {
    Scene scene = AnalystScene();
    scene.dataset = empty;
    scene.dataset.name = "cli_usage";
    scene.action = static_cast<Action>(action);
    EXPECT_FALSE(scene.Run().allowed()) << action;
  }
  EXPECT_FALSE(Decide({}, {.policy = QueryPolicy()}, &empty, nullptr, &open, 0).allowed());
  Scene scene = AnalystScene();
  scene.action = static_cast<Action>(77);
  EXPECT_FALSE(scene.Run().allowed());
}

TEST(MaySeeTest, OnlyWhoMayUseADatasetSeesIt) {
  const Scene scene = AnalystScene();
  const auto may_see = [&](std::vector<std::string> roles, std::vector<std::string> purposes = {},
                           std::vector<std::string> datasets = {}) {
    Principal principal = scene.principal;
    principal.roles = std::move(roles);
    principal.purposes = std::move(purposes);
    principal.datasets = std::move(datasets);
    return MaySee(principal, scene.dataset);
  };
  EXPECT_TRUE(may_see({"analyst"}));
  EXPECT_TRUE(may_see({"steward"}));
  EXPECT_TRUE(may_see({"investigator"}));
  EXPECT_FALSE(may_see({"publisher"})) << "the manifest does not name it";
  EXPECT_FALSE(may_see({"operator"}));
  EXPECT_FALSE(may_see({"auditor"}));
  EXPECT_FALSE(may_see({"responder"}));
  EXPECT_FALSE(may_see({"collector"}));
  EXPECT_FALSE(may_see({}));
  EXPECT_FALSE(may_see({"investigator"}, {"usage"})) << "its role has reliability only";
  EXPECT_FALSE(may_see({"steward"}, {}, {"other"}));
  EXPECT_TRUE(may_see({"steward"}, {}, {"cli_usage"}));
  EXPECT_FALSE(MaySee(Principal{}, scene.dataset));
}

// Figures that change with a single event are for those whom small groups are not withheld from.
TEST(MaySeeTest, OnlyStewardsAndReadersOfRowsSeeExactFigures) {
  const Scene scene = AnalystScene();
  const auto exact = [&](std::vector<std::string> roles, std::vector<std::string> purposes = {},
                         std::vector<std::string> datasets = {}) {
    Principal principal = scene.principal;
    principal.roles = std::move(roles);
    principal.purposes = std::move(purposes);
    principal.datasets = std::move(datasets);
    return MaySeeExactFigures(principal, scene.dataset);
  };
  EXPECT_FALSE(exact({"analyst"}));
  EXPECT_FALSE(exact({"publisher"}));
  EXPECT_TRUE(exact({"steward"}));
  EXPECT_TRUE(exact({"investigator"}));
  EXPECT_FALSE(exact({"investigator"}, {"usage"})) << "its role has reliability only";
  EXPECT_FALSE(exact({"steward"}, {}, {"other"}));
  EXPECT_FALSE(MaySeeExactFigures(Principal{}, scene.dataset));
}

TEST(MaySeeTest, ACatalogCallForAnInvisibleDatasetLooksLikeNoSuchDataset) {
  Scene scene = AnalystScene();
  scene.policy =
      PolicyOf(v1::CAPABILITY_READ_CATALOG, v1::PURPOSE_RULE_NONE, v1::LOCKDOWN_RULE_ALWAYS);
  scene.action = Action::kCall;
  scene.purpose = "";
  EXPECT_TRUE(scene.Run().allowed());
  scene.dataset.roles.erase("analyst");
  EXPECT_EQ(scene.Run().reason, Reason::kUnknownDataset);
}

TEST(ReasonTest, EveryReasonHasItsOwnName) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Reason::kGrantOver); ++i) {
    EXPECT_TRUE(names.insert(ReasonName(static_cast<Reason>(i))).second);
    EXPECT_FALSE(ReasonText(static_cast<Reason>(i)).empty());
  }
  EXPECT_EQ(ReasonName(static_cast<Reason>(200)), "INVALID_POLICY");
  EXPECT_EQ(ReasonText(Reason::kRoleNotInDataset), ReasonText(Reason::kUnknownDataset))
      << "the caller does not learn which datasets exist";
}

}  // namespace
}  // namespace televault::auth
