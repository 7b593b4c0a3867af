#include "vault/client/append_stream.h"

#include <deque>
#include <map>

#include "tests/support/status_matchers.h"

namespace televault::client {
namespace {

using testing::IsOk;
using testing::StatusIs;

// A vault that stores batches by id and can be told to break streams and refuse batches.
struct FakeVault {
  std::map<std::string, int> stored;  // id → times received
  int opens = 0;
  // Streams that break after this many answers, by number of the stream from 1.
  std::map<int, int> break_after;
  // Refusals of the next sends of a batch, first one first.
  std::map<std::string, std::deque<v1::BatchError>> refuse;
  absl::Status break_with = absl::OkStatus();
};

class FakeChannel final : public AppendChannel {
 public:
  FakeChannel(FakeVault& vault, int number) : vault_(vault) {
    const auto found = vault.break_after.find(number);
    left_ = found == vault.break_after.end() ? -1 : found->second;
  }
  absl::Status Send(const v1::AppendRequest& batch) override {
    v1::AppendStreamResponse answer;
    auto& refusals = vault_.refuse[batch.batch_id()];
    if (!refusals.empty()) {
      *answer.mutable_error() = refusals.front();
      refusals.pop_front();
    } else {
      answer.mutable_append()->set_accepted(1);
      answer.mutable_append()->set_duplicate(vault_.stored[batch.batch_id()]++ > 0);
      answer.mutable_append()->set_batch_id(batch.batch_id());
    }
    answers_.push_back(answer);
    return absl::OkStatus();
  }
  absl::StatusOr<v1::AppendStreamResponse> Receive() override {
    if (left_ == 0) return vault_.break_with;
    if (left_ > 0) --left_;
    const v1::AppendStreamResponse answer = answers_.front();
    answers_.pop_front();
    return answer;
  }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  FakeVault& vault_;
  int left_;
  std::deque<v1::AppendStreamResponse> answers_;
};

class AppenderTest : public ::testing::Test {
 protected:
  AppenderTest() { vault_.break_with = FromWire(14, "connection lost", ""); }

  Appender Make(AppenderOptions options = {}) {
    return Appender(
        options,
        [this]() -> absl::StatusOr<std::unique_ptr<AppendChannel>> {
          ++vault_.opens;
          return std::unique_ptr<AppendChannel>(new FakeChannel(vault_, vault_.opens));
        },
        [this](milliseconds pause) { pauses_.push_back(pause); },
        [this](const v1::AppendRequest& request, const absl::StatusOr<v1::AppendResponse>& answer) {
          answered_.push_back(request.batch_id());
          if (!answer.ok()) refused_.push_back(answer.status());
        });
  }
  static v1::AppendRequest Batch(char name) {
    v1::AppendRequest batch;
    batch.set_batch_id(std::string(16, name));
    return batch;
  }
  static v1::BatchError Refusal(int code, const std::string& why, uint32_t retry_ms) {
    v1::BatchError error;
    error.set_code(code);
    error.set_reason(why);
    error.set_message("refused");
    error.set_retry_after_ms(retry_ms);
    return error;
  }

  FakeVault vault_;
  std::vector<milliseconds> pauses_;
  std::vector<std::string> answered_;
  std::vector<absl::Status> refused_;
};

TEST_F(AppenderTest, RefusesABatchWithoutAnId) {
  Appender appender = Make();
  EXPECT_THAT(appender.Append({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AppenderTest, AnswersComeInOrderAndAtMostAWindowIsUnanswered) {
  Appender appender = Make({.window = 2});
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) {
    ASSERT_THAT(appender.Append(Batch(name)), IsOk());
    EXPECT_LE(appender.unanswered(), 2u);
  }
  ASSERT_THAT(appender.Flush(), IsOk());
  std::string order;
  for (const std::string& id : answered_) order += id[0];
  EXPECT_EQ(order, "abcde");
  EXPECT_EQ(vault_.opens, 1);
}

TEST_F(AppenderTest, ABrokenStreamIsReopenedAndNothingIsAnsweredTwice) {
  vault_.break_after[1] = 1;
  vault_.break_after[2] = 0;
  Appender appender = Make({.window = 3});
  for (const char name : {'a', 'b', 'c', 'd'}) {
    ASSERT_THAT(appender.Append(Batch(name)), IsOk());
  }
  ASSERT_THAT(appender.Flush(), IsOk());
  std::string order;
  for (const std::string& id : answered_) order += id[0];
  EXPECT_EQ(order, "abcd");
  EXPECT_EQ(vault_.opens, 3);
  EXPECT_EQ(pauses_.size(), 2u);
  EXPECT_EQ(vault_.stored.size(), 4u);
}

TEST_F(AppenderTest, GivesUpAfterTheLastAttemptAndSaysHowManyAreUncertain) {
  for (int i = 1; i <= 20; ++i) vault_.break_after[i] = 0;
  Appender appender = Make({.window = 4, .max_attempts = 3});
  ASSERT_THAT(appender.Append(Batch('a')), IsOk());
  ASSERT_THAT(appender.Append(Batch('b')), IsOk());
  EXPECT_THAT(appender.Flush(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(appender.unanswered(), 2u);
  EXPECT_EQ(pauses_.size(), 2u);
}

TEST_F(AppenderTest, WaitsAsLongAsTheVaultAsksAndSendsTheBatchAgain) {
  vault_.refuse[std::string(16, 'a')] = {Refusal(14, "OVERLOADED", 700)};
  Appender appender = Make();
  ASSERT_THAT(appender.Append(Batch('a')), IsOk());
  ASSERT_THAT(appender.Append(Batch('b')), IsOk());
  ASSERT_THAT(appender.Flush(), IsOk());
  ASSERT_EQ(pauses_.size(), 1u);
  EXPECT_GE(pauses_[0], milliseconds(700));
  EXPECT_EQ(answered_.size(), 2u);
}

TEST_F(AppenderTest, ABatchThatIsWrongIsReportedAndTheOthersGoOn) {
  vault_.refuse[std::string(16, 'a')] = {Refusal(3, "UNKNOWN_DATASET", 0)};
  Appender appender = Make();
  ASSERT_THAT(appender.Append(Batch('a')), IsOk());
  ASSERT_THAT(appender.Append(Batch('b')), IsOk());
  ASSERT_THAT(appender.Flush(), IsOk());
  ASSERT_EQ(refused_.size(), 1u);
  EXPECT_THAT(refused_[0], StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(answered_.size(), 2u);
}

TEST_F(AppenderTest, ALockdownEndsItAtOnceUnlessItIsToBeOutlasted) {
  vault_.refuse[std::string(16, 'a')] = {Refusal(14, "LOCKED_DOWN", 30'000)};
  Appender stops = Make();
  ASSERT_THAT(stops.Append(Batch('a')), IsOk());
  EXPECT_THAT(stops.Flush(), testing::HasReason(reason::kLockedDown));
  EXPECT_TRUE(pauses_.empty());

  vault_.refuse[std::string(16, 'b')] = {Refusal(14, "LOCKED_DOWN", 30'000)};
  Appender waits = Make({.outlast_lockdown = true});
  ASSERT_THAT(waits.Append(Batch('b')), IsOk());
  EXPECT_THAT(waits.Flush(), IsOk());
  ASSERT_EQ(pauses_.size(), 1u);
  EXPECT_GE(pauses_[0], milliseconds(30'000));
}

}  // namespace
}  // namespace televault::client
