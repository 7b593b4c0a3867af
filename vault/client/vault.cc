#include "vault/client/vault.h"

#include <grpcpp/grpcpp.h>
#include <thread>
#include <utility>

#include "televault/v1/access_service.grpc.pb.h"
#include "televault/v1/audit_service.grpc.pb.h"
#include "televault/v1/catalog_service.grpc.pb.h"
#include "televault/v1/incident_service.grpc.pb.h"
#include "televault/v1/ingest_service.grpc.pb.h"
#include "televault/v1/operator_service.grpc.pb.h"
#include "televault/v1/query_service.grpc.pb.h"
#include "televault/v1/retention_service.grpc.pb.h"
#include "vault/base/random.h"
#include "vault/client/dial.h"
#include "vault/client/retry.h"

namespace televault::client {
namespace {

enum class Repeat { kNever, kSafe };

gpr_timespec DeadlineAfter(milliseconds timeout) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_millis(timeout.count(), GPR_TIMESPAN));
}

std::string Trailing(const grpc::ClientContext& context, const char* key) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string()
                                 : std::string(found->second.data(), found->second.size());
}

absl::Status FromGrpc(const grpc::Status& status) {
  return FromWire(status.error_code(), status.error_message(), status.error_details());
}

void CopyTrailing(const grpc::ClientContext& context, Call& call) {
  call.audit_proof = Trailing(context, "televault-audit-proof-bin");
  call.token = Trailing(context, "televault-token-bin");
  call.shares.clear();
  const auto shares = context.GetServerTrailingMetadata().equal_range("televault-share-bin");
  for (auto share = shares.first; share != shares.second; ++share) {
    call.shares.emplace_back(std::string_view(share->second.data(), share->second.size()));
  }
}

// What goes with a call beside its message, by header.
using Secrets = std::vector<std::pair<const char*, const SecretText*>>;
constexpr char kUnsealHeader[] = "televault-unseal-bin";
constexpr char kNewRootHeader[] = "televault-new-root-bin";

template <class Message>
class GrpcStream final : public MessageStream<Message> {
 public:
  GrpcStream(std::unique_ptr<grpc::ClientContext> context, Call& call)
      : context_(std::move(context)), call_(call) {}
  ~GrpcStream() override {
    if (!ended_) {
      context_->TryCancel();
      Message ignored;
      while (reader_->Read(&ignored)) {
      }
      reader_->Finish();
    }
  }

  absl::StatusOr<bool> Next(Message& message) override {
    if (!ended_) {
      if (reader_->Read(&message)) return true;
      ended_ = true;
      status_ = FromGrpc(reader_->Finish());
      CopyTrailing(*context_, call_);
    }
    if (!status_.ok()) return status_;
    return false;
  }

  void Cancel() override { context_->TryCancel(); }

  std::unique_ptr<grpc::ClientReader<Message>> reader_;

 private:
  const std::unique_ptr<grpc::ClientContext> context_;
  Call& call_;
  bool ended_ = false;
  absl::Status status_;
};

class GrpcAppendChannel final : public AppendChannel {
 public:
  explicit GrpcAppendChannel(std::unique_ptr<grpc::ClientContext> context)
      : context_(std::move(context)) {}
  ~GrpcAppendChannel() override {
    if (ended_) return;
    context_->TryCancel();
    stream_->Finish();
  }

  absl::Status Send(const v1::AppendRequest& batch) override {
    if (ended_) return failure_;
    v1::AppendStreamRequest request;
    *request.mutable_append() = batch;
    return stream_->Write(request) ? absl::OkStatus() : End();
  }
  absl::StatusOr<v1::AppendStreamResponse> Receive() override {
    if (ended_) return failure_;
    v1::AppendStreamResponse response;
    if (stream_->Read(&response)) return response;
    return End();
  }
  absl::Status Finish() override {
    if (ended_) return failure_;
    stream_->WritesDone();
    v1::AppendStreamResponse late;
    if (stream_->Read(&late)) {
      return absl::InternalError("the vault answered more batches than were sent");
    }
    ended_ = true;
    failure_ = absl::FailedPreconditionError("the stream was finished; open a new one");
    return FromGrpc(stream_->Finish());
  }

  std::unique_ptr<grpc::ClientReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>>
      stream_;

 private:
  // Why the stream broke; never OK.
  absl::Status End() {
    ended_ = true;
    failure_ = FromGrpc(stream_->Finish());
    if (failure_.ok()) failure_ = absl::UnavailableError("the vault ended the stream early");
    return failure_;
  }

  const std::unique_ptr<grpc::ClientContext> context_;
  bool ended_ = false;
  absl::Status failure_;  // once ended: what every later call says; gRPC itself would abort
};

}  // namespace

struct Vault::Impl {
  Impl(const Options& chosen, SecretText secret, const std::shared_ptr<grpc::Channel>& channel)
      : options(chosen),
        token(std::move(secret)),
        access(v1::AccessService::NewStub(channel)),
        audit(v1::AuditService::NewStub(channel)),
        catalog(v1::CatalogService::NewStub(channel)),
        incident(v1::IncidentService::NewStub(channel)),
        ingest(v1::IngestService::NewStub(channel)),
        oper(v1::OperatorService::NewStub(channel)),
        query(v1::QueryService::NewStub(channel)),
        retention(v1::RetentionService::NewStub(channel)) {}

  // The token is copied into gRPC's metadata; that copy is freed with the context.
  std::unique_ptr<grpc::ClientContext> NewContext(const Call& call) const {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(DeadlineAfter(call.timeout.count() > 0 ? call.timeout : options.timeout));
    if (!token.empty()) {
      context->AddMetadata("authorization", "Bearer " + std::string(token.Reveal()));
    }
    return context;
  }

  void Wait(milliseconds pause) const {
    if (options.pause) {
      options.pause(pause);
    } else {
      std::this_thread::sleep_for(pause);
    }
  }

  template <class Response, class Method, class Stub, class Request>
  absl::StatusOr<Response> Unary(Method method, Stub& stub, Repeat repeat, const Request& request,
                                 Call& call, const Secrets& secrets = {}) const {
    for (int attempt = 1;; ++attempt) {
      const auto context = NewContext(call);
      for (const auto& [header, secret] : secrets) {
        if (!secret->empty()) context->AddMetadata(header, std::string(secret->Reveal()));
      }
      Response response;
      const absl::Status status = FromGrpc((stub.*method)(context.get(), request, &response));
      CopyTrailing(*context, call);
      if (status.ok()) return response;
      const Error error = ErrorOf(status);
      if (repeat == Repeat::kNever || attempt >= options.max_attempts || !WorthRepeating(error)) {
        return status;
      }
      Wait(PauseAfter(attempt, error, SystemRandom()));
    }
  }

  template <class Message, class Method, class Stub, class Request>
  std::unique_ptr<MessageStream<Message>> Stream(Method method, Stub& stub, const Request& request,
                                                 Call& call) const {
    auto context = NewContext(call);
    grpc::ClientContext* const raw = context.get();
    auto stream = std::make_unique<GrpcStream<Message>>(std::move(context), call);
    stream->reader_ = (stub.*method)(raw, request);
    return stream;
  }

  const Options options;
  const SecretText token;
  const std::unique_ptr<v1::AccessService::Stub> access;
  const std::unique_ptr<v1::AuditService::Stub> audit;
  const std::unique_ptr<v1::CatalogService::Stub> catalog;
  const std::unique_ptr<v1::IncidentService::Stub> incident;
  const std::unique_ptr<v1::IngestService::Stub> ingest;
  const std::unique_ptr<v1::OperatorService::Stub> oper;
  const std::unique_ptr<v1::QueryService::Stub> query;
  const std::unique_ptr<v1::RetentionService::Stub> retention;
};

Vault::Vault(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Vault::~Vault() = default;

absl::StatusOr<std::unique_ptr<Vault>> Vault::Dial(const Options& options, SecretText token) {
  TV_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, OpenChannel(options));
  return std::unique_ptr<Vault>(
      new Vault(std::make_unique<Impl>(options, std::move(token), channel)));
}

absl::StatusOr<std::unique_ptr<AppendChannel>> Vault::OpenAppendStream(const Call& call) {
  auto context = impl_->NewContext(call);
  grpc::ClientContext* const raw = context.get();
  auto channel = std::make_unique<GrpcAppendChannel>(std::move(context));
  channel->stream_ = impl_->ingest->AppendStream(raw);
  return std::unique_ptr<AppendChannel>(std::move(channel));
}

absl::StatusOr<v1::UnsealResponse> Vault::Unseal(const v1::UnsealRequest& request,
                                                 const SecretText& secret, Call& call) {
  return impl_->Unary<v1::UnsealResponse>(&v1::OperatorService::Stub::Unseal, *impl_->oper,
                                          Repeat::kNever, request, call,
                                          {{kUnsealHeader, &secret}});
}

absl::StatusOr<v1::ChangeRootResponse> Vault::ChangeRoot(const v1::ChangeRootRequest& request,
                                                         const SecretText& secret,
                                                         const SecretText& new_passphrase,
                                                         Call& call) {
  return impl_->Unary<v1::ChangeRootResponse>(
      &v1::OperatorService::Stub::ChangeRoot, *impl_->oper, Repeat::kNever, request, call,
      {{kUnsealHeader, &secret}, {kNewRootHeader, &new_passphrase}});
}

absl::StatusOr<v1::EnrolPersonResponse> Vault::EnrolPerson(const v1::EnrolPersonRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::EnrolPersonResponse>(&v1::AccessService::Stub::EnrolPerson,
                                               *impl_->access, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ConfirmPersonResponse> Vault::ConfirmPerson(
    const v1::ConfirmPersonRequest& request, Call& call) {
  return impl_->Unary<v1::ConfirmPersonResponse>(&v1::AccessService::Stub::ConfirmPerson,
                                                 *impl_->access, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ListPersonsResponse> Vault::ListPersons(const v1::ListPersonsRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::ListPersonsResponse>(&v1::AccessService::Stub::ListPersons,
                                               *impl_->access, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::DisablePersonResponse> Vault::DisablePerson(
    const v1::DisablePersonRequest& request, Call& call) {
  return impl_->Unary<v1::DisablePersonResponse>(&v1::AccessService::Stub::DisablePerson,
                                                 *impl_->access, Repeat::kNever, request, call);
}
absl::StatusOr<v1::CreateTokenResponse> Vault::CreateToken(const v1::CreateTokenRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::CreateTokenResponse>(&v1::AccessService::Stub::CreateToken,
                                               *impl_->access, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ConfirmTokenResponse> Vault::ConfirmToken(const v1::ConfirmTokenRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::ConfirmTokenResponse>(&v1::AccessService::Stub::ConfirmToken,
                                                *impl_->access, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ListTokensResponse> Vault::ListTokens(const v1::ListTokensRequest& request,
                                                         Call& call) {
  return impl_->Unary<v1::ListTokensResponse>(&v1::AccessService::Stub::ListTokens, *impl_->access,
                                              Repeat::kSafe, request, call);
}
absl::StatusOr<v1::RevokeTokenResponse> Vault::RevokeToken(const v1::RevokeTokenRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::RevokeTokenResponse>(&v1::AccessService::Stub::RevokeToken,
                                               *impl_->access, Repeat::kNever, request, call);
}
absl::StatusOr<v1::RenewTokenResponse> Vault::RenewToken(const v1::RenewTokenRequest& request,
                                                         Call& call) {
  return impl_->Unary<v1::RenewTokenResponse>(&v1::AccessService::Stub::RenewToken, *impl_->access,
                                              Repeat::kNever, request, call);
}
absl::StatusOr<v1::ListRolesResponse> Vault::ListRoles(const v1::ListRolesRequest& request,
                                                       Call& call) {
  return impl_->Unary<v1::ListRolesResponse>(&v1::AccessService::Stub::ListRoles, *impl_->access,
                                             Repeat::kSafe, request, call);
}
absl::StatusOr<v1::RequestAccessResponse> Vault::RequestAccess(
    const v1::RequestAccessRequest& request, Call& call) {
  return impl_->Unary<v1::RequestAccessResponse>(&v1::AccessService::Stub::RequestAccess,
                                                 *impl_->access, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ListAccessRequestsResponse> Vault::ListAccessRequests(
    const v1::ListAccessRequestsRequest& request, Call& call) {
  return impl_->Unary<v1::ListAccessRequestsResponse>(&v1::AccessService::Stub::ListAccessRequests,
                                                      *impl_->access, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::GetAccessRequestResponse> Vault::GetAccessRequest(
    const v1::GetAccessRequestRequest& request, Call& call) {
  return impl_->Unary<v1::GetAccessRequestResponse>(&v1::AccessService::Stub::GetAccessRequest,
                                                    *impl_->access, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::VoteAccessResponse> Vault::VoteAccess(const v1::VoteAccessRequest& request,
                                                         Call& call) {
  return impl_->Unary<v1::VoteAccessResponse>(&v1::AccessService::Stub::VoteAccess, *impl_->access,
                                              Repeat::kNever, request, call);
}
absl::StatusOr<v1::RevokeAccessResponse> Vault::RevokeAccess(const v1::RevokeAccessRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::RevokeAccessResponse>(&v1::AccessService::Stub::RevokeAccess,
                                                *impl_->access, Repeat::kNever, request, call);
}

absl::StatusOr<v1::ListEntriesResponse> Vault::ListEntries(const v1::ListEntriesRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::ListEntriesResponse>(&v1::AuditService::Stub::ListEntries, *impl_->audit,
                                               Repeat::kSafe, request, call);
}
absl::StatusOr<v1::GetEntryResponse> Vault::GetEntry(const v1::GetEntryRequest& request,
                                                     Call& call) {
  return impl_->Unary<v1::GetEntryResponse>(&v1::AuditService::Stub::GetEntry, *impl_->audit,
                                            Repeat::kSafe, request, call);
}
absl::StatusOr<std::unique_ptr<MessageStream<v1::TailEntriesResponse>>> Vault::TailEntries(
    const v1::TailEntriesRequest& request, Call& call) {
  return impl_->Stream<v1::TailEntriesResponse>(&v1::AuditService::Stub::TailEntries, *impl_->audit,
                                                request, call);
}
absl::StatusOr<v1::GetCheckpointResponse> Vault::GetCheckpoint(
    const v1::GetCheckpointRequest& request, Call& call) {
  return impl_->Unary<v1::GetCheckpointResponse>(&v1::AuditService::Stub::GetCheckpoint,
                                                 *impl_->audit, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::GetInclusionProofResponse> Vault::GetInclusionProof(
    const v1::GetInclusionProofRequest& request, Call& call) {
  return impl_->Unary<v1::GetInclusionProofResponse>(&v1::AuditService::Stub::GetInclusionProof,
                                                     *impl_->audit, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::GetConsistencyProofResponse> Vault::GetConsistencyProof(
    const v1::GetConsistencyProofRequest& request, Call& call) {
  return impl_->Unary<v1::GetConsistencyProofResponse>(&v1::AuditService::Stub::GetConsistencyProof,
                                                       *impl_->audit, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::ExportAuditKeysResponse> Vault::ExportAuditKeys(
    const v1::ExportAuditKeysRequest& request, Call& call) {
  return impl_->Unary<v1::ExportAuditKeysResponse>(&v1::AuditService::Stub::ExportAuditKeys,
                                                   *impl_->audit, Repeat::kSafe, request, call);
}
absl::StatusOr<std::unique_ptr<MessageStream<v1::ExportLeavesResponse>>> Vault::ExportLeaves(
    const v1::ExportLeavesRequest& request, Call& call) {
  return impl_->Stream<v1::ExportLeavesResponse>(&v1::AuditService::Stub::ExportLeaves,
                                                 *impl_->audit, request, call);
}

absl::StatusOr<v1::ApplyDatasetResponse> Vault::ApplyDataset(const v1::ApplyDatasetRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::ApplyDatasetResponse>(&v1::CatalogService::Stub::ApplyDataset,
                                                *impl_->catalog, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ListDatasetsResponse> Vault::ListDatasets(const v1::ListDatasetsRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::ListDatasetsResponse>(&v1::CatalogService::Stub::ListDatasets,
                                                *impl_->catalog, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::GetDatasetResponse> Vault::GetDataset(const v1::GetDatasetRequest& request,
                                                         Call& call) {
  return impl_->Unary<v1::GetDatasetResponse>(&v1::CatalogService::Stub::GetDataset,
                                              *impl_->catalog, Repeat::kSafe, request, call);
}

absl::StatusOr<v1::EngageLockdownResponse> Vault::EngageLockdown(
    const v1::EngageLockdownRequest& request, Call& call) {
  return impl_->Unary<v1::EngageLockdownResponse>(&v1::IncidentService::Stub::EngageLockdown,
                                                  *impl_->incident, Repeat::kNever, request, call);
}
absl::StatusOr<v1::GetLockdownStatusResponse> Vault::GetLockdownStatus(
    const v1::GetLockdownStatusRequest& request, Call& call) {
  return impl_->Unary<v1::GetLockdownStatusResponse>(&v1::IncidentService::Stub::GetLockdownStatus,
                                                     *impl_->incident, Repeat::kSafe, request,
                                                     call);
}
absl::StatusOr<v1::ProposeLiftResponse> Vault::ProposeLift(const v1::ProposeLiftRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::ProposeLiftResponse>(&v1::IncidentService::Stub::ProposeLift,
                                               *impl_->incident, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ApproveLiftResponse> Vault::ApproveLift(const v1::ApproveLiftRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::ApproveLiftResponse>(&v1::IncidentService::Stub::ApproveLift,
                                               *impl_->incident, Repeat::kNever, request, call);
}

absl::StatusOr<v1::AppendResponse> Vault::Append(const v1::AppendRequest& request, Call& call) {
  return impl_->Unary<v1::AppendResponse>(
      &v1::IngestService::Stub::Append, *impl_->ingest,
      request.batch_id().empty() ? Repeat::kNever : Repeat::kSafe, request, call);
}
absl::StatusOr<v1::ListRejectsResponse> Vault::ListRejects(const v1::ListRejectsRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::ListRejectsResponse>(&v1::IngestService::Stub::ListRejects,
                                               *impl_->ingest, Repeat::kSafe, request, call);
}

absl::StatusOr<v1::GetStatusResponse> Vault::GetStatus(const v1::GetStatusRequest& request,
                                                       Call& call) {
  return impl_->Unary<v1::GetStatusResponse>(&v1::OperatorService::Stub::GetStatus, *impl_->oper,
                                             Repeat::kSafe, request, call);
}
absl::StatusOr<v1::CreateBackupResponse> Vault::CreateBackup(const v1::CreateBackupRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::CreateBackupResponse>(&v1::OperatorService::Stub::CreateBackup,
                                                *impl_->oper, Repeat::kNever, request, call);
}
absl::StatusOr<v1::VerifyBackupResponse> Vault::VerifyBackup(const v1::VerifyBackupRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::VerifyBackupResponse>(&v1::OperatorService::Stub::VerifyBackup,
                                                *impl_->oper, Repeat::kNever, request, call);
}
absl::StatusOr<v1::SealResponse> Vault::Seal(const v1::SealRequest& request, Call& call) {
  return impl_->Unary<v1::SealResponse>(&v1::OperatorService::Stub::Seal, *impl_->oper,
                                        Repeat::kNever, request, call);
}

absl::StatusOr<std::unique_ptr<MessageStream<v1::QueryResponse>>> Vault::Query(
    const v1::QueryRequest& request, Call& call) {
  return impl_->Stream<v1::QueryResponse>(&v1::QueryService::Stub::Query, *impl_->query, request,
                                          call);
}
absl::StatusOr<v1::ExplainResponse> Vault::Explain(const v1::ExplainRequest& request, Call& call) {
  return impl_->Unary<v1::ExplainResponse>(&v1::QueryService::Stub::Explain, *impl_->query,
                                           Repeat::kSafe, request, call);
}

absl::StatusOr<v1::RunRetentionResponse> Vault::RunRetention(const v1::RunRetentionRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::RunRetentionResponse>(&v1::RetentionService::Stub::RunRetention,
                                                *impl_->retention, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ListPartitionsResponse> Vault::ListPartitions(
    const v1::ListPartitionsRequest& request, Call& call) {
  return impl_->Unary<v1::ListPartitionsResponse>(&v1::RetentionService::Stub::ListPartitions,
                                                  *impl_->retention, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::ListReceiptsResponse> Vault::ListReceipts(const v1::ListReceiptsRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::ListReceiptsResponse>(&v1::RetentionService::Stub::ListReceipts,
                                                *impl_->retention, Repeat::kSafe, request, call);
}

absl::StatusOr<v1::GetKeysResponse> Vault::GetKeys(const v1::GetKeysRequest& request, Call& call) {
  return impl_->Unary<v1::GetKeysResponse>(&v1::OperatorService::Stub::GetKeys, *impl_->oper,
                                           Repeat::kSafe, request, call);
}
absl::StatusOr<v1::RotateKeyResponse> Vault::RotateKey(const v1::RotateKeyRequest& request,
                                                       Call& call) {
  return impl_->Unary<v1::RotateKeyResponse>(&v1::OperatorService::Stub::RotateKey, *impl_->oper,
                                             Repeat::kNever, request, call);
}
absl::StatusOr<v1::PlaceHoldResponse> Vault::PlaceHold(const v1::PlaceHoldRequest& request,
                                                       Call& call) {
  return impl_->Unary<v1::PlaceHoldResponse>(&v1::RetentionService::Stub::PlaceHold,
                                             *impl_->retention, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ReleaseHoldResponse> Vault::ReleaseHold(const v1::ReleaseHoldRequest& request,
                                                           Call& call) {
  return impl_->Unary<v1::ReleaseHoldResponse>(&v1::RetentionService::Stub::ReleaseHold,
                                               *impl_->retention, Repeat::kNever, request, call);
}
absl::StatusOr<v1::ListHoldsResponse> Vault::ListHolds(const v1::ListHoldsRequest& request,
                                                       Call& call) {
  return impl_->Unary<v1::ListHoldsResponse>(&v1::RetentionService::Stub::ListHolds,
                                             *impl_->retention, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::EraseSubjectResponse> Vault::EraseSubject(const v1::EraseSubjectRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::EraseSubjectResponse>(&v1::RetentionService::Stub::EraseSubject,
                                                *impl_->retention, Repeat::kSafe, request, call);
}
absl::StatusOr<v1::ListErasuresResponse> Vault::ListErasures(const v1::ListErasuresRequest& request,
                                                             Call& call) {
  return impl_->Unary<v1::ListErasuresResponse>(&v1::RetentionService::Stub::ListErasures,
                                                *impl_->retention, Repeat::kSafe, request, call);
}

}  // namespace televault::client
