#include "auth/approval.h"

#include <algorithm>
#include <set>

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;

Capability CapabilityToVote(BallotKind kind) {
  switch (kind) {
    case BallotKind::kAccess:
      return v1::CAPABILITY_APPROVE_ACCESS;
    case BallotKind::kLift:
      return v1::CAPABILITY_LOCKDOWN;
    case BallotKind::kEnrolment:
      return v1::CAPABILITY_MANAGE_PERSONS;
    case BallotKind::kToken:
      return v1::CAPABILITY_MANAGE_TOKENS;
  }
  return v1::CAPABILITY_UNSPECIFIED;
}

}  // namespace

std::string_view VoteRefusalName(VoteRefusal refusal) {
  switch (refusal) {
    case VoteRefusal::kNone:
      return "OK";
    case VoteRefusal::kUnauthenticated:
      return "UNAUTHENTICATED";
    case VoteRefusal::kService:
      return "SERVICES_DO_NOT_VOTE";
    case VoteRefusal::kNoCapability:
      return "NO_CAPABILITY";
    case VoteRefusal::kExcluded:
      return "OWN_CAUSE";
    case VoteRefusal::kTooNew:
      return "ENROLLED_AFTERWARDS";
    case VoteRefusal::kAlreadyVoted:
      return "ALREADY_VOTED";
    case VoteRefusal::kClosed:
      break;
  }
  return "VOTE_CLOSED";
}

std::string_view VoteRefusalText(VoteRefusal refusal) {
  switch (refusal) {
    case VoteRefusal::kNone:
      return "the vote counts";
    case VoteRefusal::kUnauthenticated:
      return "voting needs a valid token of an enrolled person";
    case VoteRefusal::kService:
      return "a service never votes; use the token of a person";
    case VoteRefusal::kNoCapability:
      return "none of the token's roles may vote on this";
    case VoteRefusal::kExcluded:
      return "whoever asked for it or engaged it does not vote on it; another person must";
    case VoteRefusal::kTooNew:
      return "the person or the token was made after this was filed and does not vote on it";
    case VoteRefusal::kAlreadyVoted:
      return "this person has voted already; votes count persons, not tokens";
    case VoteRefusal::kClosed:
      break;
  }
  return "this is decided already";
}

uint32_t ApprovalsNeeded(const Ballot& ballot) { return std::max(ballot.needed, kMinApprovals); }

VoteRefusal MayVote(const Ballot& ballot, const Principal& voter) {
  if (!voter.authenticated()) return VoteRefusal::kUnauthenticated;
  if (voter.service) return VoteRefusal::kService;
  if (!CapabilitiesOf(voter.roles).Has(CapabilityToVote(ballot.kind))) {
    return VoteRefusal::kNoCapability;
  }
  if (voter.person == ballot.excluded) return VoteRefusal::kExcluded;
  const bool voted = std::any_of(ballot.votes.begin(), ballot.votes.end(),
                                 [&](const Vote& vote) { return vote.person == voter.person; });
  if (voted) return VoteRefusal::kAlreadyVoted;
  // A time of 0 is "unknown": it must not pass for "long ago".
  if (voter.enrolled_at_us <= 0 || voter.token_active_since_us <= 0 ||
      voter.enrolled_at_us >= ballot.filed_at_us ||
      voter.token_active_since_us >= ballot.filed_at_us) {
    return VoteRefusal::kTooNew;
  }
  if (Count(ballot).state != BallotState::kOpen) return VoteRefusal::kClosed;
  return VoteRefusal::kNone;
}

Tally Count(const Ballot& ballot, const std::function<bool(std::string_view)>& may_count) {
  Tally tally;
  tally.needed = ApprovalsNeeded(ballot);
  std::set<std::string_view> counted;
  bool denied = false;
  for (const Vote& vote : ballot.votes) {
    if (vote.person.empty() || vote.person == ballot.excluded) continue;
    if (may_count && !may_count(vote.person)) continue;
    if (!counted.insert(vote.person).second) continue;
    if (vote.approve) {
      ++tally.approvals;
    } else if (ballot.kind == BallotKind::kAccess) {
      denied = true;
    }
  }
  if (denied) {
    tally.state = BallotState::kDenied;
  } else if (tally.approvals >= tally.needed) {
    tally.state = BallotState::kApproved;
  }
  return tally;
}

}  // namespace televault::auth
