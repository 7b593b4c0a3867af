#include "vault/service/access_desk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

constexpr size_t kMaxPendingPerPerson = 20;
constexpr microseconds kRequestLapses{7 * kMicrosPerDay};

auth::Ballot BallotOf(const record::v1::AccessRequestRecord& record) {
  auth::Ballot ballot;
  ballot.kind = auth::BallotKind::kAccess;
  ballot.excluded = record.requested_by();
  ballot.filed_at_us = record.requested_at_us();
  ballot.needed = record.approvals_needed();
  for (const auto& vote : record.votes()) {
    ballot.votes.push_back({vote.person(), vote.approve(), vote.at_us()});
  }
  return ballot;
}

int64_t GrantEnd(const record::v1::AccessRequestRecord& record) {
  return record.approved_at_us() + static_cast<int64_t>(record.grant_s()) * 1'000'000;
}

// From when on nothing can become of the request, however it ended.
int64_t Over(const record::v1::AccessRequestRecord& record) {
  return record.approved_at_us() == 0 ? record.lapses_at_us() : GrantEnd(record);
}

auth::Digest ToDigest(const std::string& bytes) {
  auth::Digest digest{};
  if (bytes.size() == digest.size()) std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

absl::Status NoSuchRequest() {
  return absl::NotFoundError("no such access request; `televault access list` shows those you see");
}

// Live before pending before over.
int Preference(v1::AccessState state) {
  return state == v1::ACCESS_STATE_LIVE ? 0 : state == v1::ACCESS_STATE_PENDING ? 1 : 2;
}

}  // namespace

absl::Status AccessDesk::Load(const store::View& view) {
  decltype(records_) loaded;
  TV_RETURN_IF_ERROR(meta_.Scan<record::v1::AccessRequestRecord>(
      view, store::RecordKind::kAccessRequest, store::RecordId(),
      [&](const record::v1::AccessRequestRecord& record) {
        loaded[record.id()] = record;
        return true;
      }));
  const std::lock_guard lock(mu_);
  records_ = std::move(loaded);
  return absl::OkStatus();
}

auth::GrantView AccessDesk::GrantOf(const record::v1::AccessRequestRecord& record) const {
  const auth::Tally tally = auth::Count(BallotOf(record), may_count_);
  auth::GrantView grant;
  grant.id = record.id();
  grant.dataset = record.dataset();
  grant.purpose = record.purpose();
  grant.person = record.requested_by();
  grant.token = record.token();
  grant.query_digest = ToDigest(record.query_digest());
  grant.policy_digest = ToDigest(record.policy_digest());
  grant.approvals = tally.approvals;
  grant.approved_at_us = record.approved_at_us();
  grant.expires_at_us = Over(record);
  grant.denied = tally.state == auth::BallotState::kDenied;
  grant.revoked = record.revoked();
  return grant;
}

v1::AccessState AccessDesk::StateOf(const record::v1::AccessRequestRecord& record,
                                    WallTime now) const {
  if (record.revoked()) return v1::ACCESS_STATE_REVOKED;
  switch (auth::Count(BallotOf(record), may_count_).state) {
    case auth::BallotState::kDenied:
      return v1::ACCESS_STATE_DENIED;
    case auth::BallotState::kApproved:
      return now.micros < GrantEnd(record) ? v1::ACCESS_STATE_LIVE : v1::ACCESS_STATE_EXPIRED;
    case auth::BallotState::kOpen:
      break;
  }
  return now.micros < record.lapses_at_us() ? v1::ACCESS_STATE_PENDING : v1::ACCESS_STATE_EXPIRED;
}

absl::StatusOr<AccessDesk::Change> AccessDesk::Changed(record::v1::AccessRequestRecord record) {
  TV_ASSIGN_OR_RETURN(
      store::Mutation mutation,
      meta_.Put(store::RecordKind::kAccessRequest, store::RecordId::Named(record.id()), record));
  auto publish = [this, record] {
    const std::lock_guard lock(mu_);
    records_[record.id()] = record;
  };
  return Change{std::move(record), std::move(mutation), std::move(publish)};
}

absl::StatusOr<AccessDesk::Change> AccessDesk::Request(const auth::Principal& by, Asked asked,
                                                       WallTime now) {
  {
    const std::lock_guard lock(mu_);
    const auto pending = std::count_if(records_.begin(), records_.end(), [&](const auto& item) {
      return item.second.requested_by() == by.person &&
             StateOf(item.second, now) == v1::ACCESS_STATE_PENDING;
    });
    if (static_cast<size_t>(pending) >= kMaxPendingPerPerson) {
      return absl::ResourceExhaustedError(
          absl::StrCat("you have ", kMaxPendingPerPerson,
                       " requests pending; revoke one with `televault access revoke ID`"));
    }
  }
  uint8_t id[6];
  random_.Fill(id);
  record::v1::AccessRequestRecord record;
  record.set_id("req-" + ToHex(id));
  record.set_dataset(std::move(asked.dataset));
  record.set_purpose(std::move(asked.purpose));
  record.set_requested_by(by.person);
  record.set_token(by.accessor);
  record.set_sql(std::move(asked.sql));
  for (const v1::Value& value : asked.parameters) value.SerializeToString(record.add_parameters());
  record.set_normalized_sql(std::move(asked.normalized_sql));
  record.set_fingerprint(std::move(asked.fingerprint));
  record.set_query_digest(asked.query_digest.data(), asked.query_digest.size());
  record.set_policy_digest(asked.policy_digest.data(), asked.policy_digest.size());
  for (std::string& field : asked.fields) record.add_fields(std::move(field));
  record.set_reason(std::move(asked.reason));
  record.set_requested_at_us(now.micros);
  record.set_lapses_at_us((now + kRequestLapses).micros);
  record.set_grant_s(asked.grant_s);
  record.set_approvals_needed(asked.approvals_needed);
  return Changed(std::move(record));
}

absl::StatusOr<AccessDesk::Change> AccessDesk::CastVote(std::string_view id,
                                                        const auth::Principal& voter, bool approve,
                                                        WallTime now) {
  TV_ASSIGN_OR_RETURN(record::v1::AccessRequestRecord record, Find(id));
  if (StateOf(record, now) != v1::ACCESS_STATE_PENDING) {
    return absl::FailedPreconditionError(
        "this request is decided or has lapsed; the requester can file a new one");
  }
  if (const auto refusal = auth::MayVote(BallotOf(record), voter);
      refusal != auth::VoteRefusal::kNone) {
    return WithReason(absl::PermissionDeniedError(std::string(auth::VoteRefusalText(refusal))),
                      reason::kDenied);
  }
  auto& vote = *record.add_votes();
  vote.set_person(voter.person);
  vote.set_approve(approve);
  vote.set_at_us(now.micros);
  if (auth::Count(BallotOf(record), may_count_).state == auth::BallotState::kApproved) {
    record.set_approved_at_us(now.micros);
  }
  return Changed(std::move(record));
}

absl::StatusOr<AccessDesk::Change> AccessDesk::Revoke(std::string_view id, WallTime now) {
  TV_ASSIGN_OR_RETURN(record::v1::AccessRequestRecord record, Find(id));
  const v1::AccessState state = StateOf(record, now);
  if (state != v1::ACCESS_STATE_PENDING && state != v1::ACCESS_STATE_LIVE) {
    return absl::FailedPreconditionError("this request is over already");
  }
  record.set_revoked(true);
  return Changed(std::move(record));
}

absl::StatusOr<std::vector<AccessDesk::Change>> AccessDesk::ForgetText(WallTime now,
                                                                       size_t at_most) {
  std::vector<record::v1::AccessRequestRecord> due;
  {
    const std::lock_guard lock(mu_);
    for (const auto& [id, record] : records_) {
      const bool has_text = !record.sql().empty() || record.parameters_size() > 0;
      if (!has_text || WallTime{Over(record)} + kTextKept > now) continue;
      if (due.size() == at_most) break;
      due.push_back(record);
    }
  }
  std::vector<Change> changes;
  for (record::v1::AccessRequestRecord& record : due) {
    record.clear_sql();
    record.clear_parameters();
    TV_ASSIGN_OR_RETURN(changes.emplace_back(), Changed(std::move(record)));
  }
  return changes;
}

absl::StatusOr<record::v1::AccessRequestRecord> AccessDesk::Find(std::string_view id) const {
  const std::lock_guard lock(mu_);
  const auto found = records_.find(id);
  if (found == records_.end()) return NoSuchRequest();
  return found->second;
}

std::vector<record::v1::AccessRequestRecord> AccessDesk::All() const {
  std::vector<record::v1::AccessRequestRecord> all;
  {
    const std::lock_guard lock(mu_);
    for (const auto& [id, record] : records_) all.push_back(record);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair(b.requested_at_us(), a.id()) < std::pair(a.requested_at_us(), b.id());
  });
  return all;
}

std::optional<auth::GrantView> AccessDesk::FindGrant(std::string_view token,
                                                     const auth::Digest& query_digest,
                                                     std::string_view id, WallTime now) const {
  const std::lock_guard lock(mu_);
  const record::v1::AccessRequestRecord* best = nullptr;
  for (const auto& [record_id, record] : records_) {
    if (record.token() != token) continue;
    if (!id.empty() ? record_id != id : ToDigest(record.query_digest()) != query_digest) continue;
    if (best == nullptr ||
        std::pair(Preference(StateOf(record, now)), -record.requested_at_us()) <
            std::pair(Preference(StateOf(*best, now)), -best->requested_at_us())) {
      best = &record;
    }
  }
  if (best == nullptr) return std::nullopt;
  return GrantOf(*best);
}

absl::Status AccessDesk::StillGranted(std::string_view id) const {
  const std::lock_guard lock(mu_);
  const auto found = records_.find(id);
  if (found != records_.end() && !found->second.revoked()) return absl::OkStatus();
  return WithReason(absl::PermissionDeniedError(
                        "the grant was revoked while its answer was on the way; ask who did"),
                    reason::kDenied);
}

v1::AccessRequest AccessDesk::ToWire(const record::v1::AccessRequestRecord& record, bool with_text,
                                     WallTime now) const {
  v1::AccessRequest wire;
  wire.set_id(record.id());
  wire.set_state(StateOf(record, now));
  wire.set_dataset(record.dataset());
  wire.set_purpose(record.purpose());
  wire.set_requested_by(record.requested_by());
  wire.set_token(record.token());
  wire.set_normalized_sql(record.normalized_sql());
  if (with_text) {
    wire.set_sql(record.sql());
    for (const std::string& value : record.parameters()) {
      TV_CHECK(wire.add_parameters()->ParseFromString(value));  // stored by Request, sealed since
    }
    wire.set_reason(record.reason());
  }
  wire.set_fingerprint(record.fingerprint());
  *wire.mutable_fields() = record.fields();
  *wire.mutable_requested_at() = ToWireTime(record.requested_at_us());
  wire.set_grant_s(record.grant_s());
  *wire.mutable_expires_at() = ToWireTime(Over(record));
  for (const auto& vote : record.votes()) {
    auto& out = *wire.add_votes();
    out.set_person(vote.person());
    out.set_approve(vote.approve());
    *out.mutable_at() = ToWireTime(vote.at_us());
  }
  wire.set_approvals_needed(auth::ApprovalsNeeded(BallotOf(record)));
  return wire;
}

}  // namespace televault::service
