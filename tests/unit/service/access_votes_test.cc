#include <set>

#include "tests/unit/partition/partition_harness.h"
#include "vault/service/access_desk.h"

namespace televault::service {
namespace {

using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::SimStore;
using televault::testing::StatusIs;

class AccessVotesTest : public ::testing::Test {
 protected:
  AccessVotesTest()
      : store_(std::make_unique<SimStore>(std::make_shared<SimDisk>(1))),
        meta_(machine_.vault, *machine_.keyring, machine_.random) {
    epoch_ = store_->AcquireLease(StoreEpoch(0)).value();
  }

  static auth::Principal Person(const std::string& name, const std::string& role) {
    auth::Principal person;
    person.person = name;
    person.accessor = "tva_" + name;
    person.roles = {role};
    person.enrolled_at_us = 1;
    person.token_active_since_us = 1;
    return person;
  }
  static AccessDesk::Asked Question() {
    AccessDesk::Asked asked;
    asked.dataset = "cli_usage";
    asked.purpose = "reliability";
    asked.sql = "SELECT version FROM cli_usage WHERE exit_code = 7";
    asked.normalized_sql = "SELECT version FROM cli_usage WHERE exit_code = $1";
    asked.query_digest = {1, 2, 3};
    asked.policy_digest = {9};
    asked.reason = "a crash";
    asked.grant_s = 3'600;
    asked.approvals_needed = 2;
    return asked;
  }
  // Makes the change durable, as the front does.
  record::v1::AccessRequestRecord Take(AccessDesk::Change change) {
    EXPECT_EQ(store_->Commit(epoch_, {{std::move(change.mutation)}}), store::CommitOutcome::kOk);
    change.on_committed();
    return change.record;
  }

  partition::testing::Machine machine_;
  std::unique_ptr<store::Store> store_;
  StoreEpoch epoch_;
  store::MetaStore meta_;
  std::set<std::string> disabled_;
  AccessDesk desk_{meta_, machine_.random, [this](std::string_view name) {
                     return !disabled_.contains(std::string(name));
                   }};
  WallTime now_ = machine_.clock.Wall();
};

TEST_F(AccessVotesTest, TwoOthersMakeAGrantThatEnds) {
  TV_ASSERT_OK_AND_ASSIGN(auto filed,
                          desk_.Request(Person("erin", "investigator"), Question(), now_));
  const std::string id = Take(std::move(filed)).id();
  const WallTime later = now_ + std::chrono::seconds(1);
  EXPECT_THAT(desk_.CastVote(id, Person("erin", "steward"), true, later),
              StatusIs(absl::StatusCode::kPermissionDenied));
  TV_ASSERT_OK_AND_ASSIGN(auto first, desk_.CastVote(id, Person("carol", "steward"), true, later));
  Take(std::move(first));
  EXPECT_THAT(desk_.CastVote(id, Person("carol", "steward"), true, later),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(desk_.StateOf(desk_.Find(id).value(), later), v1::ACCESS_STATE_PENDING);
  TV_ASSERT_OK_AND_ASSIGN(auto second, desk_.CastVote(id, Person("hal", "steward"), true, later));
  Take(std::move(second));

  const auto grant = desk_.FindGrant("tva_erin", {1, 2, 3}, "", later);
  ASSERT_TRUE(grant.has_value());
  EXPECT_EQ(grant->approvals, 2u);
  EXPECT_EQ(desk_.StateOf(desk_.Find(id).value(), later), v1::ACCESS_STATE_LIVE);
  EXPECT_EQ(desk_.StateOf(desk_.Find(id).value(), later + std::chrono::hours(1)),
            v1::ACCESS_STATE_EXPIRED);
  EXPECT_FALSE(desk_.FindGrant("tva_other", {1, 2, 3}, "", later).has_value());
  EXPECT_FALSE(desk_.FindGrant("tva_erin", {4}, "", later).has_value());
}

TEST_F(AccessVotesTest, OneDenialEndsARequest) {
  TV_ASSERT_OK_AND_ASSIGN(auto filed,
                          desk_.Request(Person("erin", "investigator"), Question(), now_));
  const std::string id = Take(std::move(filed)).id();
  const WallTime later = now_ + std::chrono::seconds(1);
  TV_ASSERT_OK_AND_ASSIGN(auto denied, desk_.CastVote(id, Person("hal", "steward"), false, later));
  Take(std::move(denied));
  EXPECT_EQ(desk_.StateOf(desk_.Find(id).value(), later), v1::ACCESS_STATE_DENIED);
  EXPECT_THAT(desk_.CastVote(id, Person("carol", "steward"), true, later),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(AccessVotesTest, AVoteThatWasNotCommittedDoesNotCount) {
  TV_ASSERT_OK_AND_ASSIGN(auto filed,
                          desk_.Request(Person("erin", "investigator"), Question(), now_));
  const std::string id = Take(std::move(filed)).id();
  const WallTime later = now_ + std::chrono::seconds(1);
  ASSERT_THAT(desk_.CastVote(id, Person("carol", "steward"), true, later), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(auto vote, desk_.CastVote(id, Person("hal", "steward"), true, later));
  EXPECT_EQ(Take(std::move(vote)).votes_size(), 1);
  EXPECT_EQ(desk_.StateOf(desk_.Find(id).value(), later), v1::ACCESS_STATE_PENDING);
}

TEST_F(AccessVotesTest, TheVoteOfADisabledPersonStopsCounting) {
  TV_ASSERT_OK_AND_ASSIGN(auto filed,
                          desk_.Request(Person("erin", "investigator"), Question(), now_));
  const std::string id = Take(std::move(filed)).id();
  const WallTime later = now_ + std::chrono::seconds(1);
  for (const char* name : {"carol", "hal"}) {
    TV_ASSERT_OK_AND_ASSIGN(auto vote, desk_.CastVote(id, Person(name, "steward"), true, later));
    Take(std::move(vote));
  }
  EXPECT_EQ(desk_.StateOf(desk_.Find(id).value(), later), v1::ACCESS_STATE_LIVE);
  disabled_.insert("hal");
  EXPECT_EQ(desk_.FindGrant("tva_erin", {1, 2, 3}, "", later)->approvals, 1u);
  EXPECT_NE(desk_.StateOf(desk_.Find(id).value(), later), v1::ACCESS_STATE_LIVE);
}

TEST_F(AccessVotesTest, HistoryComesBackAfterARestart) {
  TV_ASSERT_OK_AND_ASSIGN(auto filed,
                          desk_.Request(Person("erin", "investigator"), Question(), now_));
  const std::string id = Take(std::move(filed)).id();
  AccessDesk after(meta_, machine_.random, nullptr);
  TV_ASSERT_OK_AND_ASSIGN(const auto view, store_->Pin());
  ASSERT_THAT(after.Load(*view), IsOk());
  EXPECT_EQ(after.Find(id)->sql(), Question().sql);
  TV_ASSERT_OK_AND_ASSIGN(auto revoked, after.Revoke(id, now_));
  EXPECT_TRUE(revoked.record.revoked());
}

TEST_F(AccessVotesTest, NobodyFloodsTheApprovers) {
  for (int i = 0; i < 20; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(auto filed,
                            desk_.Request(Person("erin", "investigator"), Question(), now_));
    Take(std::move(filed));
  }
  EXPECT_THAT(desk_.Request(Person("erin", "investigator"), Question(), now_),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(desk_.Request(Person("ivan", "investigator"), Question(), now_), IsOk());
}

TEST_F(AccessVotesTest, OnlyThoseConcernedSeeTheLiterals) {
  TV_ASSERT_OK_AND_ASSIGN(auto filed,
                          desk_.Request(Person("erin", "investigator"), Question(), now_));
  const auto wire = desk_.ToWire(filed.record, false, now_);
  EXPECT_EQ(wire.sql(), "");
  EXPECT_EQ(wire.reason(), "");
  EXPECT_EQ(desk_.ToWire(filed.record, true, now_).sql(), Question().sql);
}

TEST_F(AccessVotesTest, TheLiteralsOfAQueryGoAMonthAfterItIsOver) {
  AccessDesk::Asked first = Question();
  first.parameters.resize(1);
  first.parameters[0].set_string_value("subject-7");
  const auto approved =
      Take(desk_.Request(Person("ines", "investigator"), std::move(first), now_).value());
  const auto lapsed = Take(desk_.Request(Person("ines", "investigator"), Question(), now_).value());
  for (const char* steward : {"sam", "sue"}) {
    Take(desk_.CastVote(approved.id(), Person(steward, "steward"), true, now_).value());
  }
  const WallTime over = now_ + std::chrono::hours(1);
  const WallTime due = over + AccessDesk::kTextKept;
  TV_ASSERT_OK_AND_ASSIGN(auto changes, desk_.ForgetText(due - microseconds(1), 10));
  EXPECT_TRUE(changes.empty());
  TV_ASSERT_OK_AND_ASSIGN(changes, desk_.ForgetText(due, 10));
  ASSERT_EQ(changes.size(), 1u);
  Take(std::move(changes[0]));
  TV_ASSERT_OK_AND_ASSIGN(const auto kept, desk_.Find(approved.id()));
  EXPECT_EQ(kept.sql(), "");
  EXPECT_EQ(kept.parameters_size(), 0);
  EXPECT_EQ(kept.normalized_sql(), Question().normalized_sql);
  EXPECT_EQ(kept.votes_size(), 2);
  const WallTime later = WallTime{lapsed.lapses_at_us()} + AccessDesk::kTextKept;
  TV_ASSERT_OK_AND_ASSIGN(changes, desk_.ForgetText(later, 10));
  ASSERT_EQ(changes.size(), 1u) << "the first one has no text any more";
  EXPECT_EQ(changes[0].record.id(), lapsed.id());
}

}  // namespace
}  // namespace televault::service
