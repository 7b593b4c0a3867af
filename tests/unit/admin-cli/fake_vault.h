#pragma once

#include <atomic>
#include <functional>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>

#include "audit/proof_file.h"
#include "televault/v1/audit_service.grpc.pb.h"
#include "tests/unit/admin-cli/log_fixture.h"

namespace televault::cli {

// The audit service of a vault over a FakeLog, on a UNIX socket. What it answers is set between
// calls of the command line; it can be told to behave as no vault should.
class FakeVault final : public v1::AuditService::Service {
 public:
  FakeVault(const FakeLog& log, const std::string& socket) : log_(log) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
  }
  ~FakeVault() override { server_->Shutdown(); }

  uint64_t size = 0;           // of the log, as it is shown
  uint64_t exported_size = 0;  // of the log when it is exported; 0: the same
  uint64_t cosigned_size = 0;  // 0: nothing was
  // What one stream brings before it is cut, and what the cut looks like.
  uint64_t per_stream = UINT64_MAX;
  grpc::Status cut{grpc::StatusCode::DEADLINE_EXCEEDED, "took too long"};
  // How it proves that it only grew.
  enum class Proof { kRight, kEmpty, kTorn, kRefused, kBusy };
  Proof proof = Proof::kRight;
  bool shows_checkpoint = true;
  std::string vkey;      // "": the log's
  std::string cosigned;  // "": the log's own signature alone
  // Answers a listing.
  std::function<void(const v1::ListEntriesRequest&, v1::ListEntriesResponse&)> on_list;
  std::atomic<int> streams{0};

  // Called when a stream begins, with its number from 1.
  std::function<void(int stream)> on_stream = [](int) {};

  grpc::Status GetCheckpoint(grpc::ServerContext*, const v1::GetCheckpointRequest*,
                             v1::GetCheckpointResponse* response) override {
    if (!shows_checkpoint) return grpc::Status::OK;
    response->set_checkpoint(log_.Checkpoint(size));
    response->set_vkey(vkey.empty() ? log_.key().Text() : vkey);
    if (cosigned_size > 0) response->set_cosigned(Cosigned());
    return grpc::Status::OK;
  }
  grpc::Status GetConsistencyProof(grpc::ServerContext*, const v1::GetConsistencyProofRequest* in,
                                   v1::GetConsistencyProofResponse* response) override {
    if (in->new_size() > Exported()) return {grpc::StatusCode::INVALID_ARGUMENT, "new_size"};
    switch (proof) {
      case Proof::kRight:
        break;
      case Proof::kEmpty:
        return grpc::Status::OK;
      case Proof::kTorn:
        response->add_hashes(std::string(audit::kHashBytes - 1, 'x'));
        return grpc::Status::OK;
      case Proof::kRefused:
        return {grpc::StatusCode::INVALID_ARGUMENT, "no proof"};
      case Proof::kBusy:
        return {grpc::StatusCode::UNAVAILABLE, "later"};
    }
    for (const audit::Hash& hash : log_.Consistency(in->old_size(), in->new_size())) {
      response->add_hashes(hash.data(), hash.size());
    }
    return grpc::Status::OK;
  }
  grpc::Status ListEntries(grpc::ServerContext*, const v1::ListEntriesRequest* in,
                           v1::ListEntriesResponse* response) override {
    if (on_list) on_list(*in, *response);
    return grpc::Status::OK;
  }
  grpc::Status GetEntry(grpc::ServerContext*, const v1::GetEntryRequest* in,
                        v1::GetEntryResponse* response) override {
    response->mutable_entry()->set_index(in->index());
    response->mutable_entry()->mutable_entry()->set_method("made.up");
    response->set_leaf(log_.leaves()[in->index()]);
    response->set_proof(audit::FormatProofFile({.index = in->index(),
                                                .hashes = log_.Inclusion(in->index(), size),
                                                .extra = std::nullopt,
                                                .checkpoint = log_.Checkpoint(size)}));
    return grpc::Status::OK;
  }
  grpc::Status ExportLeaves(grpc::ServerContext*, const v1::ExportLeavesRequest* in,
                            grpc::ServerWriter<v1::ExportLeavesResponse>* writer) override {
    on_stream(++streams);
    const uint64_t end = in->cosigned() ? cosigned_size : Exported();
    if (in->first_index() > end) return {grpc::StatusCode::INVALID_ARGUMENT, "first_index"};
    for (uint64_t next = in->first_index(), sent = 0; next < end; ++next, ++sent) {
      if (sent == per_stream) return cut;
      v1::ExportLeavesResponse part;
      part.set_first_index(next);
      part.add_leaves(log_.leaves()[next]);
      writer->Write(part);
    }
    v1::ExportLeavesResponse last;
    last.set_first_index(end);
    last.set_checkpoint(in->cosigned() ? Cosigned() : log_.Checkpoint(end));
    writer->Write(last);
    return grpc::Status::OK;
  }

  // Entries that say no more than their index; a tail that does not stop at the head is cut there.
  grpc::Status TailEntries(grpc::ServerContext*, const v1::TailEntriesRequest* in,
                           grpc::ServerWriter<v1::TailEntriesResponse>* writer) override {
    on_stream(++streams);
    for (uint64_t next = in->start_index(), sent = 0; next < size; ++next, ++sent) {
      if (sent == per_stream) return cut;
      v1::TailEntriesResponse part;
      part.mutable_entry()->set_index(next);
      part.mutable_entry()->mutable_entry()->set_kind(record::v1::ENTRY_KIND_EVENT);
      part.mutable_entry()->mutable_entry()->set_method("number." + std::to_string(next));
      writer->Write(part);
    }
    return in->stop_at_head() ? grpc::Status::OK : cut;
  }

 private:
  std::string Cosigned() const {
    return cosigned.empty() ? log_.Checkpoint(cosigned_size) : cosigned;
  }
  uint64_t Exported() const { return exported_size > 0 ? exported_size : size; }

  const FakeLog& log_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace televault::cli
