#include "auth/roles.h"

#include "tests/support/status_matchers.h"

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;
using Names = std::vector<std::string>;

TEST(RolesTest, TheEightBuiltInRolesAreThere) {
  std::vector<std::string> names;
  for (const Role& role : BuiltInRoles()) names.emplace_back(role.name);
  EXPECT_THAT(names, UnorderedElementsAre("operator", "steward", "collector", "analyst",
                                          "investigator", "publisher", "auditor", "responder"));
}

TEST(RolesTest, ExactlyTheRolesThatDecideOrReadRowsNeedASecondPerson) {
  for (const Role& role : BuiltInRoles()) {
    const bool expected = role.name == "operator" || role.name == "steward" ||
                          role.name == "responder" || role.name == "investigator";
    EXPECT_EQ(role.guarded, expected) << role.name;
    EXPECT_EQ(NeedsConfirmation(Names{std::string(role.name)}), expected) << role.name;
  }
  EXPECT_TRUE(NeedsConfirmation(Names{"analyst", "steward"}));
  EXPECT_TRUE(NeedsConfirmation(Names{"unheard-of"}));
}

// role → what the table of the design says it may not do.
TEST(RolesTest, NoRoleMayDoWhatTheTableForbidsIt) {
  const auto has = [](std::string_view role, Capability capability) {
    return FindRole(role)->capabilities.Has(capability);
  };
  for (const Role& role : BuiltInRoles()) {
    const bool reads = role.name == "analyst" || role.name == "investigator";
    EXPECT_EQ(role.capabilities.Has(v1::CAPABILITY_QUERY), reads) << role.name;
    EXPECT_EQ(role.capabilities.Has(v1::CAPABILITY_READ_AUDIT), role.name == "auditor");
    EXPECT_EQ(role.capabilities.Has(v1::CAPABILITY_LOCKDOWN), role.name == "responder");
    EXPECT_EQ(role.capabilities.Has(v1::CAPABILITY_APPEND), role.name == "collector");
    EXPECT_EQ(role.capabilities.Has(v1::CAPABILITY_APPROVE_ACCESS), role.name == "steward");
    EXPECT_EQ(role.capabilities.Has(v1::CAPABILITY_MANAGE_TOKENS), role.name == "operator");
    EXPECT_EQ(role.capabilities.Has(v1::CAPABILITY_MANAGE_PERSONS), role.name == "operator");
    EXPECT_FALSE(role.capabilities.Has(v1::CAPABILITY_UNSPECIFIED));
    EXPECT_FALSE(role.description.empty());
  }
  EXPECT_FALSE(has("analyst", v1::CAPABILITY_REQUEST_ACCESS));
  EXPECT_TRUE(has("investigator", v1::CAPABILITY_REQUEST_ACCESS));
  EXPECT_EQ(FindRole("collector")->capabilities, CapabilitySet{v1::CAPABILITY_APPEND});
  EXPECT_EQ(FindRole("root"), nullptr);
}

// All 256 combinations of roles against the rule in its own words.
TEST(RolesTest, CombinedDutiesAreFoundInEveryCombination) {
  const auto roles = BuiltInRoles();
  for (unsigned mask = 0; mask < 1u << roles.size(); ++mask) {
    Names names;
    CapabilitySet set;
    for (size_t i = 0; i < roles.size(); ++i) {
      if ((mask >> i & 1) == 0) continue;
      names.emplace_back(roles[i].name);
      set.AddAll(roles[i].capabilities);
    }
    EXPECT_EQ(CapabilitiesOf(names), set);
    const auto with = [&](std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    const bool reads = with("analyst") || with("investigator");
    const bool guards = with("operator") || with("steward") || with("auditor") || with("responder");
    const bool expected = (reads && guards) || (with("auditor") && with("operator")) ||
                          (with("collector") && names.size() > 1);
    EXPECT_EQ(CombinesDuties(names), expected) << ::testing::PrintToString(names);
  }
}

TEST(RolesTest, AddingARoleNeverEndsACombinationOfDuties) {
  const auto roles = BuiltInRoles();
  for (const Role& a : roles) {
    for (const Role& b : roles) {
      const Names two = {std::string(a.name), std::string(b.name)};
      if (!CombinesDuties(two)) continue;
      for (const Role& c : roles) {
        EXPECT_TRUE(CombinesDuties(Names{two[0], two[1], std::string(c.name)}));
      }
    }
  }
}

TEST(RolesTest, RoleListsAreChecked) {
  EXPECT_THAT(ValidateRoles(Names{"analyst"}), IsOk());
  EXPECT_THAT(ValidateRoles(Names{}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 8")));
  EXPECT_THAT(ValidateRoles(Names{"analyst", "analyst"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  EXPECT_THAT(ValidateRoles(Names{"analyst", "admin"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("role 2")));
  EXPECT_THAT(ValidateRoles(Names(9, "analyst")), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RolesTest, TheKindOfATokenFollowsItsRoles) {
  EXPECT_EQ(TokenKindOf(Names{"operator", "steward"}), TokenKind::kOperator);
  EXPECT_EQ(TokenKindOf(Names{"collector"}), TokenKind::kWrite);
  EXPECT_EQ(TokenKindOf(Names{"collector", "analyst"}), TokenKind::kRole);
  EXPECT_EQ(TokenKindOf(Names{"responder"}), TokenKind::kRole);
  EXPECT_EQ(TokenKindOf(Names{}), TokenKind::kRole);
}

TEST(CapabilitySetTest, UnknownNumbersAreNeverMembers) {
  CapabilitySet set;
  for (const int number : {-1, 0, 16, 31, 32, 64, 1000}) {
    set.Add(static_cast<Capability>(number));
    EXPECT_FALSE(set.Has(static_cast<Capability>(number))) << number;
  }
  EXPECT_TRUE(set.empty());
  set.Add(v1::CAPABILITY_QUERY);
  set.Add(v1::CAPABILITY_APPEND);
  EXPECT_EQ(set.Members(), (std::vector<Capability>{v1::CAPABILITY_APPEND, v1::CAPABILITY_QUERY}));
}

}  // namespace
}  // namespace televault::auth
