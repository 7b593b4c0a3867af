#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/support/events.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/query/plan.h"

// SQL text → plan → restricted plan: whatever comes in, an answer or a status comes out, and no
// refusal is longer than an error text may be.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  static const catalog::Schema schema = televault::testing::EventSchema();
  const std::string_view sql(reinterpret_cast<const char*>(data), size);
  const auto parsed = query::Parse(sql);
  if (!parsed.ok()) {
    TV_CHECK(parsed.status().message().size() <= limits::kMaxErrorTextBytes);
    return 0;
  }
  const auto plan = query::Bind(*parsed, schema, {}, WallTime{1'795'435'200'000'000});
  if (!plan.ok()) {
    TV_CHECK(plan.status().message().size() <= limits::kMaxErrorTextBytes);
    return 0;
  }
  query::Disclosure disclosure;
  disclosure.masks["version"] = {query::MaskKind::kTruncate, 3};
  const auto restricted = query::Restrict(*plan, disclosure);
  if (restricted.ok()) TV_CHECK(!query::Explain(*restricted).empty());
  return 0;
}
