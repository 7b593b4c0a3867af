#include "vault/base/status.h"

#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace televault {
namespace {

using testing::HasReason;
using testing::IsOk;

TEST(Status, ReasonTravelsThroughAnnotation) {
  const absl::Status locked = WithReason(absl::UnavailableError("locked"), reason::kLockedDown);
  const absl::Status annotated = Annotate(locked, "query");
  EXPECT_EQ(annotated.message(), "query: locked");
  EXPECT_THAT(annotated, HasReason(reason::kLockedDown));
  EXPECT_EQ(annotated.code(), absl::StatusCode::kUnavailable);
}

TEST(Status, OkCarriesNoReason) {
  EXPECT_THAT(WithReason(absl::OkStatus(), reason::kSealed), IsOk());
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
}

}  // namespace
}  // namespace televault
