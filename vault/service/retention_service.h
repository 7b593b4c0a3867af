#pragma once

#include "televault/v1/retention_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/data_plane.h"

namespace televault::service {

// Expiry seen and run by hand.
class RetentionServiceImpl final : public v1::RetentionService::CallbackService {
 public:
  RetentionServiceImpl(Serving serving, DataPlaneSource& data) : serving_(serving), data_(data) {}

  grpc::ServerUnaryReactor* RunRetention(grpc::CallbackServerContext* context,
                                         const v1::RunRetentionRequest* request,
                                         v1::RunRetentionResponse* response) override;
  grpc::ServerUnaryReactor* ListPartitions(grpc::CallbackServerContext* context,
                                           const v1::ListPartitionsRequest* request,
                                           v1::ListPartitionsResponse* response) override;
  grpc::ServerUnaryReactor* ListReceipts(grpc::CallbackServerContext* context,
                                         const v1::ListReceiptsRequest* request,
                                         v1::ListReceiptsResponse* response) override;

 private:
  Serving serving_;
  DataPlaneSource& data_;
};

}  // namespace televault::service
