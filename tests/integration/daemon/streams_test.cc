// Streams end when what allowed them ends, on the real daemon.
#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

class StreamsTest : public VaultTest {
 protected:
  absl::Status Revoke(const TokenOf& token) {
    v1::RevokeTokenRequest request;
    request.set_accessor(token.accessor);
    return As(daemon_.alice())->RevokeToken(request, call_).status();
  }
  // Reads to the end.
  template <class Message>
  static absl::Status Drain(client::MessageStream<Message>& stream) {
    Message message;
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more) more = stream.Next(message);
    return more.status();
  }
};

TEST_F(StreamsTest, ATailEndsWithItsToken) {
  const auto auditor = As(cast_.auditor);
  client::Call stream_call;
  TV_ASSERT_OK_AND_ASSIGN(const auto tail, auditor->TailEntries({}, stream_call));
  v1::TailEntriesResponse entry;
  ASSERT_THAT(tail->Next(entry), IsOk());
  ASSERT_THAT(Revoke(cast_.auditor), IsOk());
  EXPECT_EQ(Refusal(Drain(*tail)), "UNAUTHENTICATED UNAUTHENTICATED");
}

TEST_F(StreamsTest, ATailEndsWhenItsPersonIsDisabled) {
  const auto auditor = As(cast_.auditor);
  client::Call stream_call;
  TV_ASSERT_OK_AND_ASSIGN(const auto tail, auditor->TailEntries({}, stream_call));
  v1::TailEntriesResponse entry;
  ASSERT_THAT(tail->Next(entry), IsOk());
  v1::DisablePersonRequest request;
  request.set_name(cast_.auditor.person);
  ASSERT_THAT(As(daemon_.alice())->DisablePerson(request, call_), IsOk());
  EXPECT_EQ(Refusal(Drain(*tail)), "UNAUTHENTICATED UNAUTHENTICATED");
}

TEST_F(StreamsTest, OneTokenHasFourTailsAndTheVaultGoesOnAnswering) {
  const auto auditor = As(cast_.auditor);
  std::vector<std::unique_ptr<client::MessageStream<v1::TailEntriesResponse>>> tails;
  client::Call stream_call;
  v1::TailEntriesResponse entry;
  for (int i = 0; i < 4; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(auto tail, auditor->TailEntries({}, stream_call));
    ASSERT_THAT(tail->Next(entry), IsOk());
    tails.push_back(std::move(tail));
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto fifth, auditor->TailEntries({}, stream_call));
  EXPECT_EQ(Refusal(fifth->Next(entry)), "RESOURCE_EXHAUSTED OVERLOADED");
  EXPECT_THAT(As(daemon_.alice())->GetStatus({}, call_), IsOk());
}

TEST_F(StreamsTest, ARefusedLockdownIsAnsweredAndRecorded) {
  v1::EngageLockdownRequest request;
  request.set_level(v1::LOCKDOWN_LEVEL_ALL);
  request.set_reason("not mine to do");
  EXPECT_EQ(Refusal(As(cast_.collector)->EngageLockdown(request, call_)),
            "PERMISSION_DENIED DENIED");
  EXPECT_THAT(AwaitEntry(*As(cast_.auditor), "EngageLockdown"), IsOk());
}

}  // namespace
}  // namespace televault::testing
