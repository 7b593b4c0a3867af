#include "auth/rpc_policy.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "televault/v1/access_service.pb.h"
#include "televault/v1/audit_service.pb.h"
#include "televault/v1/catalog_service.pb.h"
#include "televault/v1/incident_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "televault/v1/operator_service.pb.h"
#include "televault/v1/query_service.pb.h"
#include "televault/v1/retention_service.pb.h"

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;

v1::Policy MakePolicy(v1::Capability capability, v1::LockdownRule during_lockdown,
                      bool while_sealed) {
  v1::Policy policy;
  policy.set_capability(capability);
  policy.set_purpose(v1::PURPOSE_RULE_NONE);
  policy.set_during_lockdown(during_lockdown);
  policy.set_while_sealed(while_sealed);
  return policy;
}

}  // namespace

const v1::Policy* PolicyTable::Find(std::string_view method) const {
  const auto found = methods_.find(method);
  return found == methods_.end() ? nullptr : &found->second;
}

std::string PolicyProblem(const v1::Policy& policy) {
  if (policy.capability() == v1::CAPABILITY_UNSPECIFIED ||
      !v1::Capability_IsValid(policy.capability())) {
    return "capability is missing or unknown";
  }
  if (policy.purpose() == v1::PURPOSE_RULE_UNSPECIFIED ||
      !v1::PurposeRule_IsValid(policy.purpose())) {
    return "purpose is missing or unknown";
  }
  if (policy.during_lockdown() == v1::LOCKDOWN_RULE_UNSPECIFIED ||
      !v1::LockdownRule_IsValid(policy.during_lockdown())) {
    return "during_lockdown is missing or unknown";
  }
  return "";
}

PolicyTableBuilder& PolicyTableBuilder::AddService(
    const google::protobuf::ServiceDescriptor& service) {
  for (int i = 0; i < service.method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *service.method(i);
    const std::string name = absl::StrCat("/", service.full_name(), "/", method.name());
    if (!method.options().HasExtension(v1::policy)) {
      problems_.push_back(absl::StrCat(name, ": no option televault.v1.policy"));
      continue;
    }
    AddMethod(name, method.options().GetExtension(v1::policy));
  }
  return *this;
}

PolicyTableBuilder& PolicyTableBuilder::AddMethod(std::string method, const v1::Policy& policy) {
  if (const std::string problem = PolicyProblem(policy); !problem.empty()) {
    problems_.push_back(absl::StrCat(method, ": ", problem));
  } else if (table_.methods_.contains(method)) {
    problems_.push_back(absl::StrCat(method, ": declared twice"));
  } else {
    table_.methods_.emplace(std::move(method), policy);
  }
  return *this;
}

absl::StatusOr<PolicyTable> PolicyTableBuilder::Build() const {
  if (!problems_.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("every RPC declares its policy; ", absl::StrJoin(problems_, "; ")));
  }
  return table_;
}

std::vector<const google::protobuf::ServiceDescriptor*> VaultServices() {
  const google::protobuf::FileDescriptor* const files[] = {
      v1::CreateTokenRequest::descriptor()->file(),
      v1::GetEntryRequest::descriptor()->file(),
      v1::ApplyDatasetRequest::descriptor()->file(),
      v1::EngageLockdownRequest::descriptor()->file(),
      v1::AppendRequest::descriptor()->file(),
      v1::UnsealRequest::descriptor()->file(),
      v1::QueryRequest::descriptor()->file(),
      v1::RunRetentionRequest::descriptor()->file(),
  };
  std::vector<const google::protobuf::ServiceDescriptor*> services;
  for (const google::protobuf::FileDescriptor* file : files) {
    for (int i = 0; i < file->service_count(); ++i) services.push_back(file->service(i));
  }
  return services;
}

absl::StatusOr<PolicyTable> BuildPolicyTable() {
  PolicyTableBuilder builder;
  for (const google::protobuf::ServiceDescriptor* service : VaultServices()) {
    builder.AddService(*service);
  }
  const v1::Policy append = MakePolicy(v1::CAPABILITY_APPEND, v1::LOCKDOWN_RULE_ALL, false);
  const v1::Policy open = MakePolicy(v1::CAPABILITY_PUBLIC, v1::LOCKDOWN_RULE_ALWAYS, true);
  builder.AddMethod("/opentelemetry.proto.collector.logs.v1.LogsService/Export", append)
      .AddMethod("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", append)
      .AddMethod("/opentelemetry.proto.collector.trace.v1.TraceService/Export", append)
      .AddMethod("/grpc.health.v1.Health/Check", open)
      .AddMethod("/grpc.health.v1.Health/Watch", open);
  return builder.Build();
}

}  // namespace televault::auth
