#pragma once

#include "televault/v1/audit_service.grpc.pb.h"
#include "vault/crypto/audit_sealer.h"
#include "vault/service/adapter.h"
#include "vault/service/entry_reader.h"
#include "vault/service/stream_slots.h"
#include "vault/store/journal.h"

namespace televault::service {

// The audit trail, for auditors; proofs, for anybody with a token.
class AuditServiceImpl final : public v1::AuditService::CallbackService {
 public:
  // As many as there may be at one time; `streams` needs a few threads more, to refuse with.
  static constexpr size_t kMaxStreams = 16;
  static constexpr size_t kMaxStreamsPerToken = 4;

  // `streams` serves tails and exports, which may take long.
  AuditServiceImpl(Serving serving, Serving streams, store::Journal& journal, EntryReader& entries,
                   std::string vkey)
      : serving_(serving),
        streams_(streams),
        journal_(journal),
        entries_(entries),
        vkey_(std::move(vkey)) {}

  grpc::ServerUnaryReactor* ListEntries(grpc::CallbackServerContext* context,
                                        const v1::ListEntriesRequest* request,
                                        v1::ListEntriesResponse* response) override;
  grpc::ServerUnaryReactor* GetEntry(grpc::CallbackServerContext* context,
                                     const v1::GetEntryRequest* request,
                                     v1::GetEntryResponse* response) override;
  grpc::ServerWriteReactor<v1::TailEntriesResponse>* TailEntries(
      grpc::CallbackServerContext* context, const v1::TailEntriesRequest* request) override;
  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context,
                                          const v1::GetCheckpointRequest* request,
                                          v1::GetCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* GetInclusionProof(grpc::CallbackServerContext* context,
                                              const v1::GetInclusionProofRequest* request,
                                              v1::GetInclusionProofResponse* response) override;
  grpc::ServerUnaryReactor* GetConsistencyProof(grpc::CallbackServerContext* context,
                                                const v1::GetConsistencyProofRequest* request,
                                                v1::GetConsistencyProofResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportLeavesResponse>* ExportLeaves(
      grpc::CallbackServerContext* context, const v1::ExportLeavesRequest* request) override;

 private:
  absl::Status Tail(Call& call, const v1::TailEntriesRequest& request,
                    StreamWriter<v1::TailEntriesResponse>& writer);
  absl::Status Export(Call& call, const v1::ExportLeavesRequest& request,
                      StreamWriter<v1::ExportLeavesResponse>& writer);

  Serving serving_;
  Serving streams_;
  StreamSlots slots_{kMaxStreams, kMaxStreamsPerToken};
  store::Journal& journal_;
  EntryReader& entries_;
  const std::string vkey_;
};

}  // namespace televault::service
