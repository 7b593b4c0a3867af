#pragma once

#include <functional>
#include <string>

#include "televault/v1/audit_service.grpc.pb.h"
#include "vault/crypto/audit_epoch.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/entry_reader.h"
#include "vault/service/literal_hashes.h"
#include "vault/service/stream_slots.h"
#include "vault/store/journal.h"

namespace televault::service {

// The audit trail, for auditors; proofs, for anybody with a token.
class AuditServiceImpl final
    : public BytesService<v1::AuditService::Service,
                          v1::AuditService::WithRawCallbackMethod_ListEntries,
                          v1::AuditService::WithRawCallbackMethod_GetEntry,
                          v1::AuditService::WithRawCallbackMethod_TailEntries,
                          v1::AuditService::WithRawCallbackMethod_GetCheckpoint,
                          v1::AuditService::WithRawCallbackMethod_GetInclusionProof,
                          v1::AuditService::WithRawCallbackMethod_GetConsistencyProof,
                          v1::AuditService::WithRawCallbackMethod_ExportLeaves,
                          v1::AuditService::WithRawCallbackMethod_ExportAuditKeys> {
 public:
  // As many as there may be at one time; `streams` needs a few threads more, to refuse with.
  static constexpr size_t kMaxStreams = 16;
  static constexpr size_t kMaxStreamsPerToken = 4;

  // `streams` serves tails and exports, which may take long.
  struct Log {
    store::Journal& journal;
    EntryReader& entries;
    const LiteralHashes& literals;
    const crypto::AuditEpochKeys& keys;
    VaultId vault;
    std::string vkey;
    // The newest checkpoint with a quorum of cosignatures; "" = none.
    std::function<std::string()> cosigned;
  };
  AuditServiceImpl(Serving serving, Serving streams, Log log)
      : serving_(serving), streams_(streams), log_(std::move(log)) {}

  grpc::ServerUnaryReactor* ListEntries(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetEntry(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* TailEntries(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetInclusionProof(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetConsistencyProof(grpc::CallbackServerContext* context,
                                                const grpc::ByteBuffer* request,
                                                grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ExportLeaves(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* ExportAuditKeys(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override;

 private:
  absl::Status Tail(Call& call, const v1::TailEntriesRequest& request,
                    StreamWriter<v1::TailEntriesResponse>& writer);
  absl::Status Export(Call& call, const v1::ExportLeavesRequest& request,
                      StreamWriter<v1::ExportLeavesResponse>& writer);

  Serving serving_;
  Serving streams_;
  StreamSlots slots_{kMaxStreams, kMaxStreamsPerToken};
  const Log log_;
};

}  // namespace televault::service
