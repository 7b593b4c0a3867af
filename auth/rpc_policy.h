#pragma once

#include <functional>
#include <google/protobuf/descriptor.h>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "televault/v1/options.pb.h"

namespace televault::auth {

// The policy of every method the daemon answers, by full name ("/televault.v1.QueryService/Query").
// Immutable. A method that is not in it is refused.
class PolicyTable {
 public:
  using Map = std::map<std::string, ::televault::v1::Policy, std::less<>>;

  // nullptr where the method has no policy.
  const ::televault::v1::Policy* Find(std::string_view method) const;
  const Map& methods() const { return methods_; }

 private:
  friend class PolicyTableBuilder;
  Map methods_;
};

// Collects policies; the first error wins and Build() returns it.
class PolicyTableBuilder {
 public:
  // Reads option televault.v1.policy of each method.
  PolicyTableBuilder& AddService(const google::protobuf::ServiceDescriptor& service);
  // For upstream services that cannot carry our option.
  PolicyTableBuilder& AddMethod(std::string method, const ::televault::v1::Policy& policy);
  // FAILED_PRECONDITION names every method without a complete policy.
  absl::StatusOr<PolicyTable> Build() const;

 private:
  PolicyTable table_;
  std::vector<std::string> problems_;
};

// "" when complete, else what is missing or unknown.
std::string PolicyProblem(const ::televault::v1::Policy& policy);

// Every service of televault.v1.
std::vector<const google::protobuf::ServiceDescriptor*> VaultServices();

// televault.v1, OTLP (logs, metrics, traces: APPEND) and grpc.health.v1 (PUBLIC). The daemon does
// not start, and a test fails, where it is an error.
absl::StatusOr<PolicyTable> BuildPolicyTable();

}  // namespace televault::auth
