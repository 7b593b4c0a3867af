#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "audit/policy.h"
#include "vault/base/check.h"

using namespace televault::audit;

// Whoever writes a policy decides what a vault believes: all witnesses together are always enough,
// none is enough only where the policy says so.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto policy = Policy::Parse({reinterpret_cast<const char*>(data), size});
  if (!policy.ok()) return 0;
  const size_t witnesses = policy->witnesses().size();
  TV_CHECK(policy->IsQuorum(std::vector<bool>(witnesses, true)));
  TV_CHECK(policy->IsQuorum(std::vector<bool>(witnesses, false)) == policy->WantsNoWitness());
  return 0;
}
