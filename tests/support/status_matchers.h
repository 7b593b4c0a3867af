#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ostream>
#include <string>

#include "vault/base/status.h"

namespace televault::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

// EXPECT_THAT(call, IsOk())
MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// EXPECT_THAT(call, StatusIs(absl::StatusCode::kNotFound, HasSubstr("no dataset")))
MATCHER_P2(StatusIs, code, message, "") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::ExplainMatchResult(message, std::string(StatusOf(arg).message()),
                                       result_listener);
}
MATCHER_P(StatusIs, code, "") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

// EXPECT_THAT(call, HasReason(reason::kSealed))
MATCHER_P(HasReason, expected, "") {
  *result_listener << StatusOf(arg).ToString();
  return ReasonOf(StatusOf(arg)) == expected;
}

}  // namespace televault::testing

// For tests: unwraps a StatusOr or fails the test.
#define TV_ASSERT_OK_AND_ASSIGN(lhs, expression) \
  TV_ASSERT_OK_AND_ASSIGN_IMPL(TV_STATUS_CONCAT(tv_status_or_, __LINE__), lhs, expression)
#define TV_ASSERT_OK_AND_ASSIGN_IMPL(status_or, lhs, expression) \
  auto status_or = (expression);                                 \
  ASSERT_TRUE(status_or.ok()) << status_or.status();             \
  lhs = std::move(status_or).value()
