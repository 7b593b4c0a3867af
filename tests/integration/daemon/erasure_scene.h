#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "vault/erasure/eraser.h"

// A vault in this process with events of forty subjects on two days, and the people who query and
// erase them. Its work is done when a test says so.
namespace televault::daemon {

inline constexpr char kRows[] =
    "SELECT command, duration_ms FROM cli_usage ORDER BY duration_ms LIMIT 1000";
inline constexpr char kCount[] = "SELECT count(*) FROM cli_usage";
inline constexpr int kSubjects = 40;

class ErasureTest : public InProcessTest {
 protected:
  ErasureTest() : InProcessTest(PosixFileSystem()) {}

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    ASSERT_THAT(televault::testing::Apply(*As("steward"),
                                          televault::testing::SampleManifest(
                                              "cli_usage", {{"rotate: 90d", "rotate: 1d"}})),
                televault::testing::IsOk());
    collector_ = As("collector");
    analyst_ = As("analyst");
    investigator_token_ = TokenFor("investigator");
    investigator_ = Connect(investigator_token_);
    steward_ = As("steward");
    second_steward_ = As("steward");
    // The number of an event is its duration, so that rows can be told apart.
    for (int subject = 0; subject < kSubjects; ++subject) {
      ASSERT_EQ(Append(subject, 0, subject).rejected(), 0U);
    }
    // Of one of them there is more, on another day and so under another salt.
    ASSERT_EQ(Append(7, 1, 1007).rejected(), 0U);
    for (int subject = 20; subject < 35; ++subject) {
      ASSERT_EQ(Append(subject, 1, 1000 + subject).rejected(), 0U);
    }
    ASSERT_NO_FATAL_FAILURE(Grant());
  }

  const crypto::Keyring& keyring() {
    return dynamic_cast<const crypto::Keyring&>(vault_->audit_keys());
  }
  void Restart() {
    End();
    ASSERT_NO_FATAL_FAILURE(Start());
  }
  v1::AppendResponse Append(int subject, int days_ago, double number) {
    const WallTime at = clock_.Wall() - microseconds((1 + days_ago) * kMicrosPerDay);
    v1::Event event = televault::testing::Usage(at, absl::StrCat("s", subject), "build");
    (*event.mutable_fields())["duration_ms"] = televault::testing::Real(number);
    const auto appended =
        televault::testing::Append(*collector_, televault::testing::RowsOf({event}));
    EXPECT_THAT(appended, televault::testing::IsOk());
    return appended.ok() ? *appended : v1::AppendResponse();
  }
  void Grant() {
    v1::RequestAccessRequest request;
    request.set_sql(kRows);
    request.set_purpose("reliability");
    request.set_grant_s(3'600);
    request.set_reason("test");
    client::Call call;
    clock_.Advance(microseconds(1'000'000));  // who votes was there before it was asked
    const auto asked = investigator_->RequestAccess(request, call);
    ASSERT_THAT(asked, televault::testing::IsOk());
    v1::VoteAccessRequest vote;
    vote.set_id(grant_ = asked->request().id());
    vote.set_approve(true);
    ASSERT_THAT(steward_->VoteAccess(vote, call), televault::testing::IsOk());
    ASSERT_THAT(second_steward_->VoteAccess(vote, call), televault::testing::IsOk());
  }
  // The numbers of the rows that the investigator gets.
  std::set<int> Rows() {
    const televault::testing::Answer answer =
        televault::testing::Ask(*investigator_, kRows, "reliability", grant_);
    EXPECT_THAT(answer.status, televault::testing::IsOk());
    std::set<int> numbers;
    for (const auto& row : answer.rows) numbers.insert(std::atoi(row[1].c_str()));
    return numbers;
  }
  // What count(*) is for the analyst, "days refused" where days are withheld.
  std::string Count() {
    const televault::testing::Answer answer = televault::testing::Ask(*analyst_, kCount, "usage");
    EXPECT_THAT(answer.status, televault::testing::IsOk());
    std::string text = answer.rows.empty() ? "nothing" : answer.rows[0][0];
    for (const auto& refused : answer.trailer.refusals()) {
      absl::StrAppend(&text, " ", refused.reason());
    }
    return text;
  }
  v1::Erasure Erase(int subject) {
    v1::EraseSubjectRequest request;
    request.set_dataset("cli_usage");
    request.set_subject(absl::StrCat("s", subject));
    client::Call call;
    const auto erased = steward_->EraseSubject(request, call);
    EXPECT_THAT(erased, televault::testing::IsOk());
    return erased.ok() ? erased->erasure() : v1::Erasure();
  }
  v1::Erasure Look(const std::string& id) {
    v1::ListErasuresRequest request;
    request.set_id(id);
    client::Call call;
    const auto listed = steward_->ListErasures(request, call);
    EXPECT_THAT(listed, televault::testing::IsOk());
    return listed.ok() && listed->erasures_size() == 1 ? listed->erasures(0) : v1::Erasure();
  }
  erasure::EraserReport RunEraser() {
    const auto data = vault_->Data();
    EXPECT_THAT(data, televault::testing::IsOk());
    const auto report = (*data)->eraser->RunOnce([] { return false; });
    EXPECT_THAT(report, televault::testing::IsOk());
    return report.ok() ? *report : erasure::EraserReport();
  }
  std::vector<crypto::DataKeyInfo> Keys(int days_ago) {
    const auto data = vault_->Data();
    const Day day = DayOf(clock_.Wall() - microseconds((1 + days_ago) * kMicrosPerDay));
    for (const auto& info : (*data)->partitions->All()) {
      if (info.id.day == day) return keyring().DataKeys(info.id);
    }
    return {};
  }

  std::unique_ptr<client::Vault> collector_;
  std::unique_ptr<client::Vault> analyst_;
  std::unique_ptr<client::Vault> investigator_;
  std::unique_ptr<client::Vault> steward_;
  std::unique_ptr<client::Vault> second_steward_;
  std::string investigator_token_;
  std::string grant_;
};

}  // namespace televault::daemon
