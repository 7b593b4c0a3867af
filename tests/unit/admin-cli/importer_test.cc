#include "admin-cli/ingest/importer.h"

#include <deque>

#include "absl/strings/str_cat.h"

#include "tests/support/status_matchers.h"

namespace televault::cli {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;

// Refuses every event of subject "bad".
class PickyChannel final : public client::AppendChannel {
 public:
  absl::Status Send(const v1::AppendRequest& batch) override {
    v1::AppendStreamResponse answer;
    for (int i = 0; i < batch.rows().events_size(); ++i) {
      if (batch.rows().events(i).subject() != "bad") continue;
      v1::Reject* const reject = answer.mutable_append()->add_rejects();
      reject->set_index(static_cast<uint32_t>(i));
      reject->set_rule("PATTERN");
      reject->set_field("version");
    }
    const auto rejected = static_cast<uint32_t>(answer.append().rejects_size());
    answer.mutable_append()->set_rejected(rejected);
    answer.mutable_append()->set_accepted(static_cast<uint32_t>(batch.rows().events_size()) -
                                          rejected);
    answers_.push_back(answer);
    return absl::OkStatus();
  }
  absl::StatusOr<v1::AppendStreamResponse> Receive() override {
    const auto answer = answers_.front();
    answers_.pop_front();
    return answer;
  }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  std::deque<v1::AppendStreamResponse> answers_;
};

mapping::Record Record(uint64_t number, const std::string& subject,
                       const std::string& dataset = "") {
  mapping::Record record;
  record.number = number;
  record.subject = subject;
  record.dataset = dataset;
  return record;
}

TEST(ImporterTest, EveryRecordIsAcceptedOrRefusedWithItsLine) {
  std::vector<Refusal> refusals;
  Importer importer(
      "cli_usage", {}, {.max_events = 3}, {},
      [] {
        return absl::StatusOr<std::unique_ptr<client::AppendChannel>>(
            std::make_unique<PickyChannel>());
      },
      [](client::milliseconds) {},
      {.on_refusal = [&](const Refusal& refusal) { refusals.push_back(refusal); },
       .on_checkpoint = [](const std::string&) {},
       .on_progress = [](const ImportCounts&) {}});
  mapping::ParsedRecords records;
  for (uint64_t line = 1; line <= 7; ++line) {
    if (line == 4) {
      records.errors.push_back({line, "not JSON"});
    } else {
      records.records.push_back(Record(line, line == 6 ? "bad" : "good"));
    }
  }
  ASSERT_THAT(importer.Feed(std::move(records)), IsOk());
  ASSERT_THAT(importer.Finish(), IsOk());
  EXPECT_EQ(importer.counts().read, 7u);
  EXPECT_EQ(importer.counts().accepted, 5u);
  EXPECT_EQ(importer.counts().rejected, 1u);
  EXPECT_EQ(importer.counts().unreadable, 1u);
  EXPECT_EQ(importer.counts().refused(), 2u);
  ASSERT_EQ(refusals.size(), 2u);
  EXPECT_EQ(refusals[0].line, 4u);
  EXPECT_EQ(refusals[1].line, 6u);
  EXPECT_EQ(refusals[1].rule, "PATTERN");
}

TEST(ImporterTest, ARecordThatNamesNoDatasetIsRefusedNotGuessed) {
  std::vector<Refusal> refusals;
  Importer importer(
      "", {}, {}, {},
      [] {
        return absl::StatusOr<std::unique_ptr<client::AppendChannel>>(
            std::make_unique<PickyChannel>());
      },
      [](client::milliseconds) {},
      {.on_refusal = [&](const Refusal& refusal) { refusals.push_back(refusal); },
       .on_checkpoint = [](const std::string&) {},
       .on_progress = [](const ImportCounts&) {}});
  mapping::ParsedRecords records;
  records.records = {Record(1, "a", "builds"), Record(2, "b")};
  ASSERT_THAT(importer.Feed(std::move(records)), IsOk());
  ASSERT_THAT(importer.Finish(), IsOk());
  EXPECT_EQ(importer.counts().accepted, 1u);
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(refusals[0].rule, "NO_DATASET");
}

// Answers every batch with the same refusal and counts what was sent.
class DenyingChannel final : public client::AppendChannel {
 public:
  explicit DenyingChannel(int& sent) : sent_(sent) {}
  absl::Status Send(const v1::AppendRequest&) override {
    ++sent_;
    return absl::OkStatus();
  }
  absl::StatusOr<v1::AppendStreamResponse> Receive() override {
    v1::AppendStreamResponse answer;
    answer.mutable_error()->set_code(static_cast<int>(absl::StatusCode::kPermissionDenied));
    answer.mutable_error()->set_reason(std::string(reason::kDenied));
    return answer;
  }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  int& sent_;
};

// A whole file used to be sent where the token may not write into the dataset.
TEST(ImporterTest, ARefusalThatEveryBatchWouldMeetEndsTheImport) {
  for (const std::string dataset : {"cli_usage", ""}) {
    SCOPED_TRACE(dataset);
    int sent = 0;
    Importer importer(
        dataset, {}, {.max_events = 1}, {.window = 2},
        [&] {
          return absl::StatusOr<std::unique_ptr<client::AppendChannel>>(
              std::make_unique<DenyingChannel>(sent));
        },
        [](client::milliseconds) {},
        {.on_refusal = [](const Refusal&) {},
         .on_checkpoint = [](const std::string&) {},
         .on_progress = [](const ImportCounts&) {}});
    mapping::ParsedRecords records;
    for (uint64_t line = 1; line <= 50; ++line) {
      records.records.push_back(Record(line, "a", absl::StrCat("dataset_", line)));
    }
    absl::Status status = importer.Feed(std::move(records));
    if (status.ok()) status = importer.Finish();
    if (dataset.empty()) {
      EXPECT_THAT(status, IsOk()) << "another dataset may be allowed";
      EXPECT_EQ(sent, 50);
    } else {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied));
      EXPECT_LE(sent, 4);
    }
    EXPECT_THAT(importer.all_refused(), StatusIs(absl::StatusCode::kPermissionDenied));
  }
}

}  // namespace
}  // namespace televault::cli
