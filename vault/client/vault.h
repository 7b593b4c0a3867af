#pragma once

#include <memory>

#include "televault/v1/access_service.pb.h"
#include "televault/v1/audit_service.pb.h"
#include "televault/v1/catalog_service.pb.h"
#include "televault/v1/incident_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "televault/v1/operator_service.pb.h"
#include "televault/v1/query_service.pb.h"
#include "televault/v1/retention_service.pb.h"
#include "vault/client/append_stream.h"
#include "vault/client/credentials.h"
#include "vault/client/error.h"
#include "vault/client/options.h"

namespace televault::client {

// The messages of one server stream, in order.
// Threads: one reads; Cancel may come from any.
// Failure: the error the call ended with; every later Next() repeats it.
template <class Message>
class MessageStream {
 public:
  virtual ~MessageStream() = default;
  // True: `message` is the next one. False: the stream ended in order.
  virtual absl::StatusOr<bool> Next(Message& message) = 0;
  virtual void Cancel() = 0;
};

// A connection to one vault with one token; every RPC of the contract under its own name.
// Every call has a deadline. Calls that change nothing when repeated (reads, votes are not among
// them, appends with a batch id are) are sent again within bounds, see retry.h.
// Refuses plaintext TCP: a vault is reached through a UNIX socket or TLS.
// Threads: any.  Borrows: nothing.
// Failure: absl::Status with what ErrorOf() reads; connecting happens at the first call.
class Vault {
 public:
  // `token` may be empty where the caller has none (the vault will say UNAUTHENTICATED).
  // Errors: INVALID_ARGUMENT (address), NOT_FOUND and PERMISSION_DENIED (PEM files).
  static absl::StatusOr<std::unique_ptr<Vault>> Dial(const Options& options, SecretText token);
  ~Vault();
  Vault(const Vault&) = delete;
  Vault& operator=(const Vault&) = delete;

  // Access.
  absl::StatusOr<v1::EnrolPersonResponse> EnrolPerson(const v1::EnrolPersonRequest& request,
                                                      Call& call);
  absl::StatusOr<v1::ConfirmPersonResponse> ConfirmPerson(const v1::ConfirmPersonRequest& request,
                                                          Call& call);
  absl::StatusOr<v1::ListPersonsResponse> ListPersons(const v1::ListPersonsRequest& request,
                                                      Call& call);
  absl::StatusOr<v1::DisablePersonResponse> DisablePerson(const v1::DisablePersonRequest& request,
                                                          Call& call);
  absl::StatusOr<v1::CreateTokenResponse> CreateToken(const v1::CreateTokenRequest& request,
                                                      Call& call);
  absl::StatusOr<v1::ConfirmTokenResponse> ConfirmToken(const v1::ConfirmTokenRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::ListTokensResponse> ListTokens(const v1::ListTokensRequest& request,
                                                    Call& call);
  absl::StatusOr<v1::RevokeTokenResponse> RevokeToken(const v1::RevokeTokenRequest& request,
                                                      Call& call);
  absl::StatusOr<v1::RenewTokenResponse> RenewToken(const v1::RenewTokenRequest& request,
                                                    Call& call);
  absl::StatusOr<v1::ListRolesResponse> ListRoles(const v1::ListRolesRequest& request, Call& call);
  absl::StatusOr<v1::RequestAccessResponse> RequestAccess(const v1::RequestAccessRequest& request,
                                                          Call& call);
  absl::StatusOr<v1::ListAccessRequestsResponse> ListAccessRequests(
      const v1::ListAccessRequestsRequest& request, Call& call);
  absl::StatusOr<v1::GetAccessRequestResponse> GetAccessRequest(
      const v1::GetAccessRequestRequest& request, Call& call);
  absl::StatusOr<v1::VoteAccessResponse> VoteAccess(const v1::VoteAccessRequest& request,
                                                    Call& call);
  absl::StatusOr<v1::RevokeAccessResponse> RevokeAccess(const v1::RevokeAccessRequest& request,
                                                        Call& call);

  // Audit.
  absl::StatusOr<v1::ListEntriesResponse> ListEntries(const v1::ListEntriesRequest& request,
                                                      Call& call);
  absl::StatusOr<v1::GetEntryResponse> GetEntry(const v1::GetEntryRequest& request, Call& call);
  absl::StatusOr<std::unique_ptr<MessageStream<v1::TailEntriesResponse>>> TailEntries(
      const v1::TailEntriesRequest& request, Call& call);
  absl::StatusOr<v1::GetCheckpointResponse> GetCheckpoint(const v1::GetCheckpointRequest& request,
                                                          Call& call);
  absl::StatusOr<v1::GetInclusionProofResponse> GetInclusionProof(
      const v1::GetInclusionProofRequest& request, Call& call);
  absl::StatusOr<v1::GetConsistencyProofResponse> GetConsistencyProof(
      const v1::GetConsistencyProofRequest& request, Call& call);
  absl::StatusOr<v1::ExportAuditKeysResponse> ExportAuditKeys(
      const v1::ExportAuditKeysRequest& request, Call& call);
  absl::StatusOr<std::unique_ptr<MessageStream<v1::ExportLeavesResponse>>> ExportLeaves(
      const v1::ExportLeavesRequest& request, Call& call);

  // Catalog.
  absl::StatusOr<v1::ApplyDatasetResponse> ApplyDataset(const v1::ApplyDatasetRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(const v1::ListDatasetsRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::GetDatasetResponse> GetDataset(const v1::GetDatasetRequest& request,
                                                    Call& call);

  // Incident.
  absl::StatusOr<v1::EngageLockdownResponse> EngageLockdown(
      const v1::EngageLockdownRequest& request, Call& call);
  absl::StatusOr<v1::GetLockdownStatusResponse> GetLockdownStatus(
      const v1::GetLockdownStatusRequest& request, Call& call);
  absl::StatusOr<v1::ProposeLiftResponse> ProposeLift(const v1::ProposeLiftRequest& request,
                                                      Call& call);
  absl::StatusOr<v1::ApproveLiftResponse> ApproveLift(const v1::ApproveLiftRequest& request,
                                                      Call& call);

  // Ingest. An append with a batch id is repeatable.
  absl::StatusOr<v1::AppendResponse> Append(const v1::AppendRequest& request, Call& call);
  absl::StatusOr<v1::ListRejectsResponse> ListRejects(const v1::ListRejectsRequest& request,
                                                      Call& call);
  absl::StatusOr<std::unique_ptr<AppendChannel>> OpenAppendStream(const Call& call);

  // Operator.
  absl::StatusOr<v1::GetStatusResponse> GetStatus(const v1::GetStatusRequest& request, Call& call);
  // On the vault's machine; they take hours where there is much, so give the call a timeout.
  absl::StatusOr<v1::CreateBackupResponse> CreateBackup(const v1::CreateBackupRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::VerifyBackupResponse> VerifyBackup(const v1::VerifyBackupRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::SealResponse> Seal(const v1::SealRequest& request, Call& call);
  // The passphrase, or one share, travels as call metadata; empty where the vault unseals by
  // keyfile.
  absl::StatusOr<v1::UnsealResponse> Unseal(const v1::UnsealRequest& request,
                                            const SecretText& secret, Call& call);
  absl::StatusOr<v1::GetKeysResponse> GetKeys(const v1::GetKeysRequest& request, Call& call);
  absl::StatusOr<v1::RotateKeyResponse> RotateKey(const v1::RotateKeyRequest& request, Call& call);
  // `secret`: what the vault waits for (GIVE); `new_passphrase`: with START. Both travel as call
  // metadata. New shares are in call.shares.
  absl::StatusOr<v1::ChangeRootResponse> ChangeRoot(const v1::ChangeRootRequest& request,
                                                    const SecretText& secret,
                                                    const SecretText& new_passphrase, Call& call);

  // Query. A query is never sent twice: each run discloses and is audited.
  absl::StatusOr<std::unique_ptr<MessageStream<v1::QueryResponse>>> Query(
      const v1::QueryRequest& request, Call& call);
  absl::StatusOr<v1::ExplainResponse> Explain(const v1::ExplainRequest& request, Call& call);

  // Retention.
  absl::StatusOr<v1::RunRetentionResponse> RunRetention(const v1::RunRetentionRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::ListPartitionsResponse> ListPartitions(
      const v1::ListPartitionsRequest& request, Call& call);
  absl::StatusOr<v1::ListReceiptsResponse> ListReceipts(const v1::ListReceiptsRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::PlaceHoldResponse> PlaceHold(const v1::PlaceHoldRequest& request, Call& call);
  absl::StatusOr<v1::ReleaseHoldResponse> ReleaseHold(const v1::ReleaseHoldRequest& request,
                                                      Call& call);
  absl::StatusOr<v1::ListHoldsResponse> ListHolds(const v1::ListHoldsRequest& request, Call& call);
  absl::StatusOr<v1::EraseSubjectResponse> EraseSubject(const v1::EraseSubjectRequest& request,
                                                        Call& call);
  absl::StatusOr<v1::ListErasuresResponse> ListErasures(const v1::ListErasuresRequest& request,
                                                        Call& call);

 private:
  struct Impl;
  explicit Vault(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace televault::client
