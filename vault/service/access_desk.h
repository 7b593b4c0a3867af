#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/approval.h"
#include "auth/decision.h"
#include "auth/principal.h"
#include "televault/record/v1/state.pb.h"
#include "televault/v1/access_service.pb.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/store/meta.h"
#include "vault/store/store.h"

namespace televault::service {

// Requests for row access, their votes and the grants that come of them.
// Refuses to decide who may vote (auth::MayVote does) and to commit.
// Threads: any; changes come from exclusive calls only, one at a time.
// Borrows: meta, random.
// Invariants: (1) a request's query, parameters, purpose, token and policy never change. (2) A vote
// is counted only once it is durable. (3) Who asked, for which purpose, for what kind of query and
// who voted stays readable for good; the query's literals go with ForgetText.
class AccessDesk {
 public:
  // Whether a person's vote still counts: enrolled and not disabled since.
  using MayCount = std::function<bool(std::string_view person)>;
  AccessDesk(const store::MetaStore& meta, Random& random, MayCount may_count)
      : meta_(meta), random_(random), may_count_(std::move(may_count)) {}

  absl::Status Load(const store::View& view);

  // What exactly is asked for.
  struct Asked {
    std::string dataset;
    std::string purpose;
    std::string sql;
    std::vector<v1::Value> parameters;  // of $1, $2, …
    std::string normalized_sql;
    std::string fingerprint;
    std::vector<std::string> fields;
    auth::Digest query_digest{};
    auth::Digest policy_digest{};
    std::string reason;
    uint64_t grant_s = 0;
    uint32_t approvals_needed = 0;
  };

  // A changed record with what must be committed for it to hold.
  struct Change {
    record::v1::AccessRequestRecord record;
    store::Mutation mutation;
    std::function<void()> on_committed;
  };
  // RESOURCE_EXHAUSTED: too many requests of this person are pending.
  absl::StatusOr<Change> Request(const auth::Principal& by, Asked asked, WallTime now);
  // NOT_FOUND; PERMISSION_DENIED where `voter` may not; FAILED_PRECONDITION where it is decided.
  absl::StatusOr<Change> CastVote(std::string_view id, const auth::Principal& voter, bool approve,
                                  WallTime now);
  // Ends a pending request or a live grant.
  absl::StatusOr<Change> Revoke(std::string_view id, WallTime now);

  // Requests that were over for kTextKept, without the literals of their query: at most `at_most`.
  // Nobody can vote on them or use them any more, so that this may run beside exclusive calls.
  static constexpr microseconds kTextKept{30 * kMicrosPerDay};
  absl::StatusOr<std::vector<Change>> ForgetText(WallTime now, size_t at_most);

  absl::StatusOr<record::v1::AccessRequestRecord> Find(std::string_view id) const;
  // Newest first.
  std::vector<record::v1::AccessRequestRecord> All() const;

  // The grant under which `token` may run the query with this digest: a live one before a pending
  // one before one that is over; nothing where it was never asked for. `id`: only this one.
  std::optional<auth::GrantView> FindGrant(std::string_view token, const auth::Digest& query_digest,
                                           std::string_view id, WallTime now) const;

  // PERMISSION_DENIED once the grant `id` was revoked.
  absl::Status StillGranted(std::string_view id) const;

  v1::AccessState StateOf(const record::v1::AccessRequestRecord& record, WallTime now) const;
  // The wire form. `with_text`: the viewer may see the query with its literals and parameters.
  v1::AccessRequest ToWire(const record::v1::AccessRequestRecord& record, bool with_text,
                           WallTime now) const;

 private:
  auth::GrantView GrantOf(const record::v1::AccessRequestRecord& record) const;
  absl::StatusOr<Change> Changed(record::v1::AccessRequestRecord record);

  const store::MetaStore& meta_;
  Random& random_;
  const MayCount may_count_;
  mutable std::mutex mu_;  // guards records_
  std::map<std::string, record::v1::AccessRequestRecord, std::less<>> records_;
};

}  // namespace televault::service
