#pragma once

#include "televault/v1/retention_service.grpc.pb.h"
#include "vault/base/random.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/data_plane.h"

namespace televault::service {

// Expiry seen and run by hand, legal holds, erasures.
class RetentionServiceImpl final
    : public BytesService<v1::RetentionService::Service,
                          v1::RetentionService::WithRawCallbackMethod_RunRetention,
                          v1::RetentionService::WithRawCallbackMethod_ListPartitions,
                          v1::RetentionService::WithRawCallbackMethod_ListReceipts,
                          v1::RetentionService::WithRawCallbackMethod_PlaceHold,
                          v1::RetentionService::WithRawCallbackMethod_ReleaseHold,
                          v1::RetentionService::WithRawCallbackMethod_ListHolds,
                          v1::RetentionService::WithRawCallbackMethod_EraseSubject,
                          v1::RetentionService::WithRawCallbackMethod_ListErasures> {
 public:
  RetentionServiceImpl(Serving serving, DataPlaneSource& data, Random& random)
      : serving_(serving), data_(data), random_(random) {}

  grpc::ServerUnaryReactor* RunRetention(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListPartitions(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListReceipts(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PlaceHold(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ReleaseHold(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListHolds(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* EraseSubject(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListErasures(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;

 private:
  Serving serving_;
  DataPlaneSource& data_;
  Random& random_;
};

}  // namespace televault::service
