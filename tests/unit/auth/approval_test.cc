#include "auth/approval.h"

#include <gtest/gtest.h>
#include <set>

namespace televault::auth {
namespace {

constexpr int64_t kFiled = 1'000;

Principal Voter(std::string person, std::string role) {
  return {.person = person,
          .accessor = "tva_" + person,
          .roles = {std::move(role)},
          .enrolled_at_us = kFiled - 100,
          .token_active_since_us = kFiled - 50};
}

std::string RoleFor(BallotKind kind) {
  switch (kind) {
    case BallotKind::kAccess:
      return "steward";
    case BallotKind::kLift:
      return "responder";
    default:
      return "operator";
  }
}

constexpr BallotKind kKinds[] = {BallotKind::kAccess, BallotKind::kLift, BallotKind::kEnrolment,
                                 BallotKind::kToken};

Ballot Open(BallotKind kind, std::vector<Vote> votes = {}) {
  return {.kind = kind, .excluded = "ines", .filed_at_us = kFiled, .needed = 2, .votes = votes};
}

TEST(MayVoteTest, AnEnrolledPersonWithTheRoleMay) {
  for (const BallotKind kind : kKinds) {
    EXPECT_EQ(MayVote(Open(kind), Voter("ana", RoleFor(kind))), VoteRefusal::kNone);
  }
}

TEST(MayVoteTest, OnlyTheRoleThatFitsTheBallotMay) {
  for (const BallotKind kind : kKinds) {
    for (const Role& role : BuiltInRoles()) {
      const VoteRefusal refusal = MayVote(Open(kind), Voter("ana", std::string(role.name)));
      EXPECT_EQ(refusal,
                role.name == RoleFor(kind) ? VoteRefusal::kNone : VoteRefusal::kNoCapability)
          << role.name;
    }
  }
}

TEST(MayVoteTest, NobodyVotesInTheirOwnCause) {
  for (const BallotKind kind : kKinds) {
    EXPECT_EQ(MayVote(Open(kind), Voter("ines", RoleFor(kind))), VoteRefusal::kExcluded);
  }
}

TEST(MayVoteTest, ServicesAndAnonymousCallersNeverVote) {
  Principal service = Voter("bot", "steward");
  service.service = true;
  EXPECT_EQ(MayVote(Open(BallotKind::kAccess), service), VoteRefusal::kService);
  EXPECT_EQ(MayVote(Open(BallotKind::kAccess), Principal{}), VoteRefusal::kUnauthenticated);
}

TEST(MayVoteTest, PersonsAndTokensMadeAtOrAfterTheFilingDoNot) {
  for (const int64_t at : {kFiled, kFiled + 1, int64_t{0}, int64_t{-5}}) {
    Principal person = Voter("ana", "responder");
    person.enrolled_at_us = at;
    EXPECT_EQ(MayVote(Open(BallotKind::kLift), person), VoteRefusal::kTooNew) << at;
    Principal token = Voter("ana", "responder");
    token.token_active_since_us = at;
    EXPECT_EQ(MayVote(Open(BallotKind::kLift), token), VoteRefusal::kTooNew) << at;
  }
}

TEST(MayVoteTest, OnePersonVotesOnceWithWhateverToken) {
  Principal again = Voter("ana", "steward");
  again.accessor = "tva_another";
  EXPECT_EQ(MayVote(Open(BallotKind::kAccess, {{"ana", true, 1}}), again),
            VoteRefusal::kAlreadyVoted);
}

TEST(MayVoteTest, ADecidedBallotIsClosed) {
  EXPECT_EQ(MayVote(Open(BallotKind::kAccess, {{"bob", true, 1}, {"cleo", true, 2}}),
                    Voter("ana", "steward")),
            VoteRefusal::kClosed);
  EXPECT_EQ(MayVote(Open(BallotKind::kAccess, {{"bob", false, 1}}), Voter("ana", "steward")),
            VoteRefusal::kClosed);
}

TEST(CountTest, TwoDistinctPersonsDecideWhateverTheRecordSays) {
  for (const uint32_t needed : {0u, 1u, 2u}) {
    for (const BallotKind kind : kKinds) {
      Ballot ballot = Open(kind);
      ballot.needed = needed;
      EXPECT_EQ(Count(ballot).state, BallotState::kOpen);
      ballot.votes.push_back({"ana", true, 1});
      EXPECT_EQ(Count(ballot).state, BallotState::kOpen);
      ballot.votes.push_back({"ana", true, 2});
      EXPECT_EQ(Count(ballot).state, BallotState::kOpen) << "a second vote of one person";
      ballot.votes.push_back({"ines", true, 3});
      EXPECT_EQ(Count(ballot).state, BallotState::kOpen) << "the excluded person";
      ballot.votes.push_back({"", true, 4});
      EXPECT_EQ(Count(ballot).state, BallotState::kOpen) << "nobody";
      ballot.votes.push_back({"bob", true, 5});
      EXPECT_EQ(Count(ballot).state, BallotState::kApproved);
      EXPECT_EQ(Count(ballot).approvals, 2u);
      EXPECT_EQ(Count(ballot).needed, 2u);
    }
  }
}

TEST(CountTest, AStricterManifestNeedsMore) {
  Ballot ballot = Open(BallotKind::kAccess, {{"ana", true, 1}, {"bob", true, 2}});
  ballot.needed = 3;
  EXPECT_EQ(Count(ballot).state, BallotState::kOpen);
  ballot.votes.push_back({"cleo", true, 3});
  EXPECT_EQ(Count(ballot).state, BallotState::kApproved);
}

TEST(CountTest, OneDenialEndsAnAccessRequestOnly) {
  const std::vector<Vote> votes = {{"ana", true, 1}, {"bob", true, 2}, {"cleo", false, 3}};
  EXPECT_EQ(Count(Open(BallotKind::kAccess, votes)).state, BallotState::kDenied);
  EXPECT_EQ(Count(Open(BallotKind::kLift, votes)).state, BallotState::kApproved);
}

TEST(CountTest, VotesOfDisabledPersonsDoNotCount) {
  const Ballot ballot = Open(BallotKind::kAccess, {{"ana", true, 1}, {"bob", true, 2}});
  const auto not_bob = [](std::string_view person) { return person != "bob"; };
  EXPECT_EQ(Count(ballot, not_bob).state, BallotState::kOpen);
  EXPECT_EQ(Count(ballot, not_bob).approvals, 1u);
}

TEST(VoteRefusalTest, EveryRefusalHasItsOwnNameAndText) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(VoteRefusal::kClosed); ++i) {
    const auto refusal = static_cast<VoteRefusal>(i);
    EXPECT_TRUE(names.insert(VoteRefusalName(refusal)).second) << i;
    EXPECT_FALSE(VoteRefusalText(refusal).empty());
  }
}

}  // namespace
}  // namespace televault::auth
