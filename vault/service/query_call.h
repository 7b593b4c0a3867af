#pragma once

#include <string>
#include <vector>

#include "televault/v1/query_service.pb.h"
#include "vault/base/status.h"
#include "vault/query/disclosure.h"
#include "vault/query/plan.h"
#include "vault/service/call.h"
#include "vault/service/data_plane.h"
#include "vault/service/front.h"

namespace televault::service {

// One query from text to a plan that the caller may run.
struct AdmittedQuery {
  catalog::DatasetPtr dataset;
  query::ParsedQuery parsed;
  query::Plan plan;
  auth::Digest digest{};
};

// What the query is for: `kRun` needs the grant that row mode wants, `kPlan` asks about a plan
// (explain, access request) and discloses nothing.
enum class QueryIntent { kRun, kPlan };

struct QueryText {
  std::string sql;
  std::string purpose;
  std::vector<v1::Value> parameters;
  std::string grant;  // "" = any live one
};

// Parses, binds, decides (fields and purpose included) and restricts. Fills the call's decision and
// entry. A dataset that the caller may not know of answers like one that does not exist.
absl::StatusOr<AdmittedQuery> AdmitQuery(Front& front, DataPlane& data, Call& call,
                                         const QueryText& text, QueryIntent intent);

// BLAKE2b-256 over text, purpose and parameters: what exactly a grant was given for.
auth::Digest QueryDigest(const QueryText& text);

// The kind of reading the gate is asked about.
GateAccess AccessOf(const auth::Decision& decision);
GateScope ScopeOf(const Call& call);

}  // namespace televault::service
