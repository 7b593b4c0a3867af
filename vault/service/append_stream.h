#pragma once

#include <grpcpp/grpcpp.h>

#include "televault/v1/ingest_service.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/data_plane.h"

namespace televault::service {

// One AppendStream call: reads a batch, works on a pool thread, answers, reads the next.
// Every message is a call of its own: authenticated, decided and recorded by itself, so that a
// token revoked or a lockdown engaged in the middle takes effect at the next message; one that is
// no batch at all is refused and the stream goes on. Refuses to read ahead: the client's flow
// control is the backpressure. Threads: one message at a time; reactions from gRPC, work from the
// pool. Deletes itself in OnDone.
class AppendStreamReactor final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  AppendStreamReactor(Serving serving, DataPlaneSource& data, grpc::CallbackServerContext& context);

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }
  void Work();

  Serving serving_;
  DataPlaneSource& data_;
  grpc::CallbackServerContext& context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

}  // namespace televault::service
