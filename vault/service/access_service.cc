#include "vault/service/access_service.h"

#include <algorithm>
#include <utility>

#include "auth/roles.h"
#include "vault/base/limits.h"
#include "vault/service/paging.h"
#include "vault/service/query_call.h"

namespace televault::service {
namespace {

absl::Status ListAllRoles(v1::ListRolesResponse& response) {
  for (const auth::Role& role : auth::BuiltInRoles()) {
    v1::Role& out = *response.add_roles();
    out.set_name(std::string(role.name));
    out.set_description(std::string(role.description));
    out.set_guarded(role.guarded);
    for (const v1::Capability capability : role.capabilities.Members()) {
      out.add_capabilities(capability);
    }
  }
  return absl::OkStatus();
}

bool Approves(const Call& call) {
  return auth::CapabilitiesOf(call.principal.roles).Has(v1::CAPABILITY_APPROVE_ACCESS);
}

// Requests are their requester's and the approvers' business, within the datasets of the token.
bool MaySeeRequest(const Call& call, const record::v1::AccessRequestRecord& record) {
  const auto& bound = call.principal.datasets;
  if (!bound.empty() && std::find(bound.begin(), bound.end(), record.dataset()) == bound.end()) {
    return false;
  }
  return record.requested_by() == call.principal.person || Approves(call);
}

absl::StatusOr<record::v1::AccessRequestRecord> FindVisible(const DataPlane& data, const Call& call,
                                                            const std::string& id) {
  auto record = data.access->Find(id);
  if (record.ok() && !MaySeeRequest(call, *record)) return data.access->Find("");
  return record;
}

void Take(Call& call, AccessDesk::Change change) {
  call.entry.set_dataset(change.record.dataset());
  call.entry.set_purpose(change.record.purpose());
  call.entry.set_grant(change.record.id());
  call.mutations.push_back(std::move(change.mutation));
  call.on_committed = std::move(change.on_committed);
}

absl::Status ListRequests(DataPlaneSource& source, const Call& call,
                          const v1::ListAccessRequestsRequest& request,
                          v1::ListAccessRequestsResponse& response) {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  auto records = data->access->All();
  std::erase_if(records, [&](const auto& record) {
    return !MaySeeRequest(call, record) ||
           (request.state() != v1::ACCESS_STATE_UNSPECIFIED &&
            request.state() != data->access->StateOf(record, call.now));
  });
  response.set_next_page_token(EachOnPage(records, page, [&](const auto& record) {
    *response.add_requests() = data->access->ToWire(record, true, call.now);
  }));
  return absl::OkStatus();
}

absl::Status GetRequest(DataPlaneSource& source, const Call& call,
                        const v1::GetAccessRequestRequest& request,
                        v1::GetAccessRequestResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  TV_ASSIGN_OR_RETURN(const auto record, FindVisible(*data, call, request.id()));
  *response.mutable_request() = data->access->ToWire(record, true, call.now);
  return absl::OkStatus();
}

absl::Status Vote(Front& front, DataPlaneSource& source, Call& call,
                  const v1::VoteAccessRequest& request, v1::VoteAccessResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  TV_ASSIGN_OR_RETURN(const auto asked, FindVisible(*data, call, request.id()));
  TV_RETURN_IF_ERROR(front.DecideCall(call, asked.dataset(), asked.purpose()));
  (*call.entry.mutable_details())["vote"] = request.approve() ? "approve" : "deny";
  TV_ASSIGN_OR_RETURN(
      AccessDesk::Change change,
      data->access->CastVote(request.id(), call.principal, request.approve(), call.now));
  *response.mutable_request() = data->access->ToWire(change.record, true, call.now);
  Take(call, std::move(change));
  return absl::OkStatus();
}

absl::Status Revoke(DataPlaneSource& source, Call& call, const v1::RevokeAccessRequest& request,
                    v1::RevokeAccessResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  TV_RETURN_IF_ERROR(FindVisible(*data, call, request.id()).status());
  TV_ASSIGN_OR_RETURN(AccessDesk::Change change, data->access->Revoke(request.id(), call.now));
  *response.mutable_request() = data->access->ToWire(change.record, true, call.now);
  call.urgency = store::Urgency::kSecurity;
  Take(call, std::move(change));
  return absl::OkStatus();
}

}  // namespace

absl::Status AccessServiceImpl::Request(Call& call, const v1::RequestAccessRequest& request,
                                        v1::RequestAccessResponse& response) {
  constexpr uint64_t kMinGrantS = 60;
  if (request.reason().empty() || request.reason().size() > limits::kMaxReasonBytes) {
    return absl::InvalidArgumentError(
        "reason: say in 1 to 1024 bytes what the rows are needed for");
  }
  TV_ASSIGN_OR_RETURN(const auto data, data_.Data());
  QueryText text;
  text.sql = request.sql();
  text.purpose = request.purpose();
  text.parameters.assign(request.parameters().begin(), request.parameters().end());
  TV_ASSIGN_OR_RETURN(const AdmittedQuery admitted,
                      AdmitQuery(serving_.front, *data, call, text, QueryIntent::kPlan));
  const auto max_grant_s = static_cast<uint64_t>(call.decision.max_grant_us / 1'000'000);
  if (call.decision.approvals_needed == 0) {
    return absl::FailedPreconditionError(
        "this query needs no approval: run it with `televault query`");
  }
  if (request.grant_s() < kMinGrantS || request.grant_s() > max_grant_s) {
    return absl::InvalidArgumentError("the grant must last from 60s to the " +
                                      std::to_string(max_grant_s) +
                                      "s that the dataset's manifest allows");
  }
  AccessDesk::Asked asked;
  asked.dataset = admitted.dataset->name;
  asked.purpose = request.purpose();
  asked.sql = request.sql();
  asked.parameters = text.parameters;
  asked.normalized_sql = admitted.parsed.normalized;
  asked.fingerprint = admitted.parsed.fingerprint;
  asked.fields = admitted.plan.fields();
  asked.query_digest = admitted.digest;
  asked.policy_digest = call.decision.policy_digest;
  asked.reason = request.reason();
  asked.grant_s = request.grant_s();
  asked.approvals_needed = call.decision.approvals_needed;
  TV_ASSIGN_OR_RETURN(AccessDesk::Change change,
                      data->access->Request(call.principal, std::move(asked), call.now));
  *response.mutable_request() = data->access->ToWire(change.record, true, call.now);
  Take(call, std::move(change));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AccessServiceImpl::EnrolPerson(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::EnrolPersonRequest, v1::EnrolPersonResponse>(
      serving_, context, "/televault.v1.AccessService/EnrolPerson", request, response,
      [this](Call& call, const v1::EnrolPersonRequest& in, v1::EnrolPersonResponse& out) {
        return registrar_.Enrol(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::ConfirmPerson(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return ServeUnary<v1::ConfirmPersonRequest, v1::ConfirmPersonResponse>(
      serving_, context, "/televault.v1.AccessService/ConfirmPerson", request, response,
      [this](Call& call, const v1::ConfirmPersonRequest& in, v1::ConfirmPersonResponse& out) {
        return registrar_.Confirm(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::ListPersons(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListPersonsRequest, v1::ListPersonsResponse>(
      serving_, context, "/televault.v1.AccessService/ListPersons", request, response,
      [this](Call&, const v1::ListPersonsRequest& in, v1::ListPersonsResponse& out) {
        return registrar_.ListPersons(in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::DisablePerson(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return ServeUnary<v1::DisablePersonRequest, v1::DisablePersonResponse>(
      urgent_, context, "/televault.v1.AccessService/DisablePerson", request, response,
      [this](Call& call, const v1::DisablePersonRequest& in, v1::DisablePersonResponse& out) {
        return registrar_.Disable(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::CreateToken(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::CreateTokenRequest, v1::CreateTokenResponse>(
      serving_, context, "/televault.v1.AccessService/CreateToken", request, response,
      [this](Call& call, const v1::CreateTokenRequest& in, v1::CreateTokenResponse& out) {
        return registrar_.CreateToken(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::ConfirmToken(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  return ServeUnary<v1::ConfirmTokenRequest, v1::ConfirmTokenResponse>(
      serving_, context, "/televault.v1.AccessService/ConfirmToken", request, response,
      [this](Call& call, const v1::ConfirmTokenRequest& in, v1::ConfirmTokenResponse& out) {
        return registrar_.ConfirmToken(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::ListTokens(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request,
                                                        grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListTokensRequest, v1::ListTokensResponse>(
      serving_, context, "/televault.v1.AccessService/ListTokens", request, response,
      [this](Call& call, const v1::ListTokensRequest& in, v1::ListTokensResponse& out) {
        return registrar_.ListTokens(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::RevokeToken(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::RevokeTokenRequest, v1::RevokeTokenResponse>(
      urgent_, context, "/televault.v1.AccessService/RevokeToken", request, response,
      [this](Call& call, const v1::RevokeTokenRequest& in, v1::RevokeTokenResponse& out) {
        return registrar_.RevokeToken(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::RenewToken(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request,
                                                        grpc::ByteBuffer* response) {
  return ServeUnary<v1::RenewTokenRequest, v1::RenewTokenResponse>(
      serving_, context, "/televault.v1.AccessService/RenewToken", request, response,
      [this](Call& call, const v1::RenewTokenRequest&, v1::RenewTokenResponse& out) {
        return registrar_.RenewToken(call, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::ListRoles(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request,
                                                       grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListRolesRequest, v1::ListRolesResponse>(
      serving_, context, "/televault.v1.AccessService/ListRoles", request, response,
      [](Call&, const v1::ListRolesRequest&, v1::ListRolesResponse& out) {
        return ListAllRoles(out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::RequestAccess(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return ServeUnary<v1::RequestAccessRequest, v1::RequestAccessResponse>(
      serving_, context, "/televault.v1.AccessService/RequestAccess", request, response,
      [this](Call& call, const v1::RequestAccessRequest& in, v1::RequestAccessResponse& out) {
        return Request(call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::ListAccessRequests(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListAccessRequestsRequest, v1::ListAccessRequestsResponse>(
      serving_, context, "/televault.v1.AccessService/ListAccessRequests", request, response,
      [this](Call& call, const v1::ListAccessRequestsRequest& in,
             v1::ListAccessRequestsResponse& out) { return ListRequests(data_, call, in, out); });
}

grpc::ServerUnaryReactor* AccessServiceImpl::GetAccessRequest(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request,
                                                              grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetAccessRequestRequest, v1::GetAccessRequestResponse>(
      serving_, context, "/televault.v1.AccessService/GetAccessRequest", request, response,
      [this](Call& call, const v1::GetAccessRequestRequest& in, v1::GetAccessRequestResponse& out) {
        return GetRequest(data_, call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::VoteAccess(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request,
                                                        grpc::ByteBuffer* response) {
  return ServeUnary<v1::VoteAccessRequest, v1::VoteAccessResponse>(
      serving_, context, "/televault.v1.AccessService/VoteAccess", request, response,
      [this](Call& call, const v1::VoteAccessRequest& in, v1::VoteAccessResponse& out) {
        return Vote(serving_.front, data_, call, in, out);
      });
}

grpc::ServerUnaryReactor* AccessServiceImpl::RevokeAccess(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  return ServeUnary<v1::RevokeAccessRequest, v1::RevokeAccessResponse>(
      serving_, context, "/televault.v1.AccessService/RevokeAccess", request, response,
      [this](Call& call, const v1::RevokeAccessRequest& in, v1::RevokeAccessResponse& out) {
        return Revoke(data_, call, in, out);
      });
}

}  // namespace televault::service
