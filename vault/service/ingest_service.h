#pragma once

#include "opentelemetry/proto/collector/logs/v1/logs_service.grpc.pb.h"
#include "televault/v1/ingest_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/data_plane.h"

namespace televault::service {

// Telemetry in, native protocol.
class IngestServiceImpl final
    : public BytesService<v1::IngestService::Service,
                          v1::IngestService::WithRawCallbackMethod_Append,
                          v1::IngestService::WithRawCallbackMethod_AppendStream,
                          v1::IngestService::WithRawCallbackMethod_ListRejects> {
 public:
  IngestServiceImpl(Serving serving, DataPlaneSource& data) : serving_(serving), data_(data) {}

  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* AppendStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListRejects(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;

 private:
  Serving serving_;
  DataPlaneSource& data_;
};

// Telemetry in, OpenTelemetry logs.
class OtlpLogsServiceImpl final
    : public BytesService<
          opentelemetry::proto::collector::logs::v1::LogsService::Service,
          opentelemetry::proto::collector::logs::v1::LogsService::WithRawCallbackMethod_Export> {
 public:
  OtlpLogsServiceImpl(Serving serving, DataPlaneSource& data) : serving_(serving), data_(data) {}

  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;

 private:
  Serving serving_;
  DataPlaneSource& data_;
};

}  // namespace televault::service
