#pragma once

#include "televault/v1/retention_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/data_plane.h"

namespace televault::service {

// Expiry seen and run by hand.
class RetentionServiceImpl final
    : public BytesService<v1::RetentionService::Service,
                          v1::RetentionService::WithRawCallbackMethod_RunRetention,
                          v1::RetentionService::WithRawCallbackMethod_ListPartitions,
                          v1::RetentionService::WithRawCallbackMethod_ListReceipts> {
 public:
  RetentionServiceImpl(Serving serving, DataPlaneSource& data) : serving_(serving), data_(data) {}

  grpc::ServerUnaryReactor* RunRetention(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListPartitions(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListReceipts(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;

 private:
  Serving serving_;
  DataPlaneSource& data_;
};

}  // namespace televault::service
