#include "vault/service/query_call.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/query/parse.h"

namespace televault::service {
namespace {

query::Mask ToQueryMask(const auth::Mask& mask) {
  switch (mask.kind) {
    case auth::Mask::Kind::kVisible:
      return {query::MaskKind::kVisible, 0};
    case auth::Mask::Kind::kHash:
      return {query::MaskKind::kHash, 0};
    case auth::Mask::Kind::kTruncate:
      return {query::MaskKind::kTruncate, mask.length};
    case auth::Mask::Kind::kYear:
      return {query::MaskKind::kYear, 0};
    case auth::Mask::Kind::kHidden:
      break;
  }
  return {query::MaskKind::kHidden, 0};
}

// Hashes for the `hash` mask hold within one dataset and grant, never across them.
std::function<std::string(std::string_view)> MaskHash(DataPlane& data, const Call& call) {
  auto key = std::make_shared<SecretBytes>(
      crypto::DeriveKey(data.mask_key, "televault.mask",
                        AsBytes(absl::StrCat(call.entry.dataset(), "\n", call.decision.grant_id))));
  return [key](std::string_view value) {
    const crypto::Hash16 hash = crypto::KeyedHash16(*key, "televault.maskv", AsBytes(value));
    return ToHex(hash);
  };
}

// The coarser of what fits: an answer made of groups never has exact times.
query::TimeGranularity GranularityOf(const auth::Decision& decision) {
  constexpr int64_t kHourUs = auth::kDayUs / 24;
  if (decision.mode == auth::AccessMode::kRows && decision.time_granularity_us == 0) {
    return query::TimeGranularity::kExact;
  }
  const bool hours = decision.time_granularity_us > 0 && decision.time_granularity_us <= kHourUs;
  return hours ? query::TimeGranularity::kHour : query::TimeGranularity::kDay;
}

query::Disclosure DisclosureOf(DataPlane& data, const Call& call, const catalog::Dataset& dataset) {
  const auth::Decision& decision = call.decision;
  query::Disclosure disclosure;
  disclosure.mode =
      decision.mode == auth::AccessMode::kRows ? query::Mode::kRows : query::Mode::kAggregate;
  disclosure.k_min = decision.k_min;
  for (const auto& [field, mask] : decision.masks) {
    disclosure.masks.emplace(field, ToQueryMask(mask));
  }
  disclosure.time_granularity = GranularityOf(decision);
  disclosure.rotate.reset();
  if (dataset.manifest.what.subject.has_value()) {
    disclosure.rotate = dataset.manifest.what.subject->rotate;
  }
  disclosure.hash = MaskHash(data, call);
  return disclosure;
}

auth::Action ActionOf(bool aggregate, QueryIntent intent) {
  if (intent == QueryIntent::kPlan) {
    return aggregate ? auth::Action::kPlanAggregate : auth::Action::kPlanRows;
  }
  return aggregate ? auth::Action::kAggregate : auth::Action::kRows;
}

// What was asked, without its literals: those are kept as hashes, parameters first.
absl::Status NoteQuery(const DataPlane& data, Call& call, const query::ParsedQuery& parsed,
                       const QueryText& text) {
  call.entry.set_dataset(parsed.dataset);
  call.entry.set_purpose(text.purpose);
  call.entry.set_normalized_query(parsed.normalized);
  call.entry.set_query_fingerprint(parsed.fingerprint);
  std::vector<std::string> literals;
  for (const v1::Value& parameter : text.parameters) {
    for (std::string& literal : LiteralTexts(parameter)) literals.push_back(std::move(literal));
  }
  literals.insert(literals.end(), parsed.literals.begin(), parsed.literals.end());
  TV_ASSIGN_OR_RETURN(const std::vector<std::string> hashes, data.literals.Of(literals));
  call.entry.mutable_literal_hashes()->Assign(hashes.begin(), hashes.end());
  return absl::OkStatus();
}

}  // namespace

auth::Digest QueryDigest(const QueryText& text) {
  std::string input;
  const auto add = [&input](std::string_view part) {
    PutLittleEndian<uint64_t>(input, part.size());
    input += part;
  };
  add(text.sql);
  add(text.purpose);
  for (const v1::Value& value : text.parameters) add(value.SerializeAsString());
  return crypto::PlainHash32(AsBytes(input));
}

GateAccess AccessOf(const auth::Decision& decision) {
  return decision.mode == auth::AccessMode::kRows ? GateAccess::kRows : GateAccess::kAggregates;
}

GateScope ScopeOf(const Call& call) {
  return {call.entry.dataset(), call.principal.roles, call.principal.accessor,
          call.entry.purpose()};
}

absl::StatusOr<AdmittedQuery> AdmitQuery(Front& front, DataPlane& data, Call& call,
                                         const QueryText& text, QueryIntent intent) {
  auth::Request request;
  request.policy = call.policy;
  request.purpose = text.purpose;
  request.action = ActionOf(true, intent);

  TV_ASSIGN_OR_RETURN(query::ParsedQuery parsed, query::Parse(text.sql));
  TV_RETURN_IF_ERROR(NoteQuery(data, call, parsed, text));
  request.dataset = parsed.dataset;
  const auto dataset = data.catalog->Find(parsed.dataset);
  if (!dataset.ok() || !auth::MaySee(call.principal, (*dataset)->policy)) {
    TV_RETURN_IF_ERROR(front.Decide(call, request, nullptr, nullptr));
    return absl::InternalError("a query without a dataset was allowed");
  }
  TV_ASSIGN_OR_RETURN(query::Plan plan,
                      query::Bind(parsed, (*dataset)->schema, text.parameters, call.now));
  const std::vector<std::string> fields = plan.fields();
  request.action = ActionOf(plan.is_aggregate(), intent);
  request.fields = fields;
  request.query_digest = QueryDigest(text);
  const auto grant =
      data.access->FindGrant(call.principal.accessor, request.query_digest, text.grant, call.now);
  TV_RETURN_IF_ERROR(
      front.Decide(call, request, &(*dataset)->policy, grant.has_value() ? &*grant : nullptr));
  TV_ASSIGN_OR_RETURN(plan, query::Restrict(plan, DisclosureOf(data, call, **dataset)));
  return AdmittedQuery{*dataset, std::move(parsed), std::move(plan), request.query_digest};
}

}  // namespace televault::service
