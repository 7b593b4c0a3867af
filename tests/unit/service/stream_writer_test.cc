#include "vault/service/stream_writer.h"

#include <gtest/gtest.h>

#include "televault/v1/query_service.pb.h"
#include "tests/support/status_matchers.h"

namespace televault::service {
namespace {

using std::chrono::milliseconds;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;

// No call is bound to it, so that what it writes is never taken.
struct Stalled {
  bool aborted = false;
  StreamWriter<v1::QueryResponse> writer{
      [this] { aborted = true; },
      StreamPatience{.write = milliseconds(2), .last = milliseconds(1), .look = milliseconds(1)}};
};

TEST(StreamWriterTest, AMessageThatIsNotTakenEndsTheStreamAndCancelsTheCall) {
  Stalled stalled;
  EXPECT_THAT(stalled.writer.Write({}), IsOk());
  const absl::Status late = stalled.writer.Write({});
  EXPECT_THAT(late, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(stalled.aborted);
  stalled.writer.Finish(late);
  EXPECT_TRUE(stalled.aborted);
}

TEST(StreamWriterTest, AWriteThatWaitsSeesThatItsCheckChangedItsMindThoughNobodyWakesIt) {
  Stalled stalled;
  int looks = 0;
  stalled.writer.SetCheck([&looks]() -> absl::Status {
    if (++looks < 3) return absl::OkStatus();
    return WithReason(absl::FailedPreconditionError("over"), reason::kExpired);
  });
  EXPECT_THAT(stalled.writer.Write({}), IsOk());
  EXPECT_THAT(stalled.writer.Write({}), HasReason(reason::kExpired));
  EXPECT_EQ(looks, 3);
}

TEST(StreamWriterTest, NothingIsWrittenThatTheCheckRefuses) {
  Stalled stalled;
  stalled.writer.SetCheck([] { return absl::UnavailableError("shut"); });
  EXPECT_THAT(stalled.writer.Write({}), StatusIs(absl::StatusCode::kUnavailable));
  stalled.writer.Finish(absl::UnavailableError("shut"));
  EXPECT_FALSE(stalled.aborted) << "nothing was under way";
}

}  // namespace
}  // namespace televault::service
