#include "auth/rpc_policy.h"

#include <google/protobuf/descriptor.pb.h>

#include "tests/support/status_matchers.h"

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

TEST(PolicyTableTest, EveryMethodOfTheVaultHasAPolicy) {
  const auto table = BuildPolicyTable();
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(VaultServices().size(), 8u);
  size_t methods = 0;
  for (const auto* service : VaultServices()) {
    for (int i = 0; i < service->method_count(); ++i, ++methods) {
      const std::string name = "/" + service->full_name() + "/" + service->method(i)->name();
      EXPECT_NE(table->Find(name), nullptr) << name;
    }
  }
  EXPECT_EQ(table->methods().size(), methods + 5) << "three of OTLP, two of health";
  EXPECT_EQ(table->Find("/televault.v1.QueryService/Nothing"), nullptr);
  EXPECT_EQ(table->Find(""), nullptr);
}

TEST(PolicyTableTest, NoMethodOfTheVaultItselfIsPublic) {
  const auto table = BuildPolicyTable();
  ASSERT_THAT(table, IsOk());
  for (const auto& [name, policy] : table->methods()) {
    EXPECT_EQ(policy.capability() == v1::CAPABILITY_PUBLIC, name.starts_with("/grpc.health.v1."))
        << name;
  }
}

TEST(PolicyTableTest, LockdownAndAuditWorkAtEveryLevelAndQueriesDoNot) {
  const auto table = BuildPolicyTable();
  ASSERT_THAT(table, IsOk());
  for (const auto& [name, policy] : table->methods()) {
    if (name.starts_with("/televault.v1.IncidentService/")) {
      EXPECT_EQ(policy.during_lockdown(), v1::LOCKDOWN_RULE_ALWAYS) << name;
      EXPECT_TRUE(policy.while_sealed()) << name;
    }
    if (name.starts_with("/televault.v1.AuditService/")) {
      EXPECT_EQ(policy.during_lockdown(), v1::LOCKDOWN_RULE_ALWAYS) << name;
    }
    if (policy.capability() == v1::CAPABILITY_QUERY) {
      EXPECT_EQ(policy.during_lockdown(), v1::LOCKDOWN_RULE_READS) << name;
      EXPECT_EQ(policy.purpose(), v1::PURPOSE_RULE_REQUIRED) << name;
      EXPECT_FALSE(policy.while_sealed()) << name;
    }
    if (policy.capability() == v1::CAPABILITY_APPEND) {
      EXPECT_EQ(policy.during_lockdown(), v1::LOCKDOWN_RULE_ALL) << name;
    }
  }
}

// A service as somebody might add it, with the option left out or half filled.
class BadServiceTest : public ::testing::Test {
 protected:
  const google::protobuf::ServiceDescriptor* Build(const v1::Policy* policy) {
    google::protobuf::FileDescriptorProto file;
    file.set_name("bad.proto");
    file.set_package("bad");
    file.add_message_type()->set_name("M");
    auto* service = file.add_service();
    service->set_name("BadService");
    auto* method = service->add_method();
    method->set_name("Do");
    method->set_input_type(".bad.M");
    method->set_output_type(".bad.M");
    if (policy != nullptr) *method->mutable_options()->MutableExtension(v1::policy) = *policy;
    const auto* built = pool_.BuildFile(file);
    return built == nullptr ? nullptr : built->service(0);
  }

  google::protobuf::DescriptorPool pool_{google::protobuf::DescriptorPool::generated_pool()};
};

TEST_F(BadServiceTest, AMethodWithoutPolicyIsNamed) {
  const auto* service = Build(nullptr);
  ASSERT_NE(service, nullptr);
  EXPECT_THAT(PolicyTableBuilder().AddService(*service).Build(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/bad.BadService/Do")));
}

TEST_F(BadServiceTest, AnIncompletePolicyIsNamed) {
  v1::Policy policy;
  policy.set_capability(v1::CAPABILITY_QUERY);
  policy.set_purpose(v1::PURPOSE_RULE_NONE);
  const auto* service = Build(&policy);
  ASSERT_NE(service, nullptr);
  EXPECT_THAT(PolicyTableBuilder().AddService(*service).Build(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("during_lockdown")));
}

TEST(PolicyProblemTest, EveryMemberMustBeKnown) {
  v1::Policy good;
  good.set_capability(v1::CAPABILITY_OPERATE);
  good.set_purpose(v1::PURPOSE_RULE_NONE);
  good.set_during_lockdown(v1::LOCKDOWN_RULE_ALWAYS);
  EXPECT_EQ(PolicyProblem(good), "");
  for (const int bad : {0, 99, -1}) {
    v1::Policy policy = good;
    policy.set_capability(static_cast<v1::Capability>(bad));
    EXPECT_THAT(PolicyProblem(policy), HasSubstr("capability"));
    policy = good;
    policy.set_purpose(static_cast<v1::PurposeRule>(bad));
    EXPECT_THAT(PolicyProblem(policy), HasSubstr("purpose"));
    policy = good;
    policy.set_during_lockdown(static_cast<v1::LockdownRule>(bad));
    EXPECT_THAT(PolicyProblem(policy), HasSubstr("during_lockdown"));
  }
}

TEST(PolicyTableTest, AMethodIsDeclaredOnce) {
  v1::Policy policy;
  policy.set_capability(v1::CAPABILITY_OPERATE);
  policy.set_purpose(v1::PURPOSE_RULE_NONE);
  policy.set_during_lockdown(v1::LOCKDOWN_RULE_ALWAYS);
  EXPECT_THAT(PolicyTableBuilder().AddMethod("/a/B", policy).AddMethod("/a/B", policy).Build(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("twice")));
}

}  // namespace
}  // namespace televault::auth
