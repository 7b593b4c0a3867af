#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "auth/roles.h"

namespace televault::auth {

// Compiled in: no setting, manifest or record lowers it.
inline constexpr uint32_t kMinApprovals = 2;
static_assert(kMinApprovals >= 2);

// What is voted on. Times in microseconds.
enum class BallotKind : uint8_t {
  kAccess,     // k stewards, never the requester; one denial ends it
  kLift,       // k responders, never who engaged it, nobody enrolled since
  kEnrolment,  // proposer and one other operator
  kToken,      // creator and one other operator
};

struct Vote {
  std::string person;
  bool approve = false;
  int64_t at_us = 0;
};

struct Ballot {
  BallotKind kind = BallotKind::kAccess;
  // Who never votes on it: the requester or the engager; "" = nobody.
  std::string excluded;
  // When the thing was filed: request, engagement, proposal. Persons and tokens made at that moment
  // or later do not vote.
  int64_t filed_at_us = 0;
  // What the manifest or the request says; counts as at least kMinApprovals.
  uint32_t needed = kMinApprovals;
  // In order of casting. For kEnrolment and kToken the proposer's approval is the first.
  std::vector<Vote> votes;
};

enum class VoteRefusal : uint8_t {
  kNone = 0,
  kUnauthenticated,
  kService,       // a service never votes
  kNoCapability,  // kAccess: APPROVE_ACCESS, kLift: LOCKDOWN, else MANAGE_PERSONS, MANAGE_TOKENS
  kExcluded,      // asked for it or engaged it
  kTooNew,        // person or token made after the thing was filed
  kAlreadyVoted,  // one vote per person
  kClosed,        // decided already
};

std::string_view VoteRefusalName(VoteRefusal refusal);
std::string_view VoteRefusalText(VoteRefusal refusal);

// Whether `voter` may cast a vote now.
VoteRefusal MayVote(const Ballot& ballot, const Principal& voter);

// The approvals that decide: never below kMinApprovals.
uint32_t ApprovalsNeeded(const Ballot& ballot);

enum class BallotState : uint8_t { kOpen = 0, kApproved, kDenied };

struct Tally {
  BallotState state = BallotState::kOpen;
  // Distinct eligible persons.
  uint32_t approvals = 0;
  uint32_t needed = kMinApprovals;
};

// Counts. Votes of the excluded person, second votes and votes of persons for whom `may_count` says
// no (disabled since) do not count; an empty `may_count` counts everybody. A counted denial ends a
// kAccess ballot; on the others denials only do not approve.
Tally Count(const Ballot& ballot, const std::function<bool(std::string_view)>& may_count = {});

}  // namespace televault::auth
