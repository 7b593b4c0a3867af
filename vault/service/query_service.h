#pragma once

#include <atomic>
#include <memory>

#include "televault/v1/query_service.grpc.pb.h"
#include "vault/base/limits.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/data_plane.h"
#include "vault/service/query_call.h"
#include "vault/service/read_lease.h"
#include "vault/service/stream_registry.h"

namespace televault::service {

struct QueryLimits {
  size_t memory_bytes = limits::kDefaultQueryMemoryBytes;
  size_t in_flight = 16;
  size_t threads = 2;
};

// Telemetry out. See docs/life-of-a-query.md.
class QueryServiceImpl final
    : public BytesService<v1::QueryService::Service, v1::QueryService::WithRawCallbackMethod_Query,
                          v1::QueryService::WithRawCallbackMethod_Explain> {
 public:
  QueryServiceImpl(Serving serving, DataPlaneSource& data, StreamRegistry& streams, Random& random,
                   QueryLimits query_limits)
      : serving_(serving), data_(data), streams_(streams), random_(random), limits_(query_limits) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Query(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* Explain(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;

 private:
  absl::Status RunQuery(Call& call, const v1::QueryRequest& request,
                        StreamWriter<v1::QueryResponse>& writer);
  absl::Status Execute(Call& call, const AdmittedQuery& admitted, DataPlane& data,
                       StreamWriter<v1::QueryResponse>& writer, const GateScope& scope,
                       ReadLease& lease);
  absl::Status RunExplain(Call& call, const v1::ExplainRequest& request,
                          v1::ExplainResponse& response);

  Serving serving_;
  DataPlaneSource& data_;
  StreamRegistry& streams_;
  Random& random_;
  const QueryLimits limits_;
  std::atomic<size_t> running_ = 0;
};

}  // namespace televault::service
