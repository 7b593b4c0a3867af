#pragma once

#include "televault/v1/catalog_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/data_plane.h"

namespace televault::service {

// Manifests in and out.
class CatalogServiceImpl final
    : public BytesService<v1::CatalogService::Service,
                          v1::CatalogService::WithRawCallbackMethod_ApplyDataset,
                          v1::CatalogService::WithRawCallbackMethod_ListDatasets,
                          v1::CatalogService::WithRawCallbackMethod_GetDataset> {
 public:
  CatalogServiceImpl(Serving serving, DataPlaneSource& data) : serving_(serving), data_(data) {}

  grpc::ServerUnaryReactor* ApplyDataset(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;

 private:
  absl::Status Apply(Call& call, const v1::ApplyDatasetRequest& request,
                     v1::ApplyDatasetResponse& response);
  absl::Status List(Call& call, const v1::ListDatasetsRequest& request,
                    v1::ListDatasetsResponse& response);
  absl::Status Get(Call& call, const v1::GetDatasetRequest& request,
                   v1::GetDatasetResponse& response);

  Serving serving_;
  DataPlaneSource& data_;
};

}  // namespace televault::service
