#pragma once

#include "opentelemetry/proto/collector/logs/v1/logs_service.grpc.pb.h"
#include "televault/v1/ingest_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/data_plane.h"

namespace televault::service {

// Telemetry in, native protocol.
class IngestServiceImpl final : public v1::IngestService::CallbackService {
 public:
  IngestServiceImpl(Serving serving, DataPlaneSource& data) : serving_(serving), data_(data) {}

  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context,
                                   const v1::AppendRequest* request,
                                   v1::AppendResponse* response) override;
  grpc::ServerBidiReactor<v1::AppendStreamRequest, v1::AppendStreamResponse>* AppendStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListRejects(grpc::CallbackServerContext* context,
                                        const v1::ListRejectsRequest* request,
                                        v1::ListRejectsResponse* response) override;

 private:
  Serving serving_;
  DataPlaneSource& data_;
};

// Telemetry in, OpenTelemetry logs.
class OtlpLogsServiceImpl final
    : public opentelemetry::proto::collector::logs::v1::LogsService::CallbackService {
 public:
  OtlpLogsServiceImpl(Serving serving, DataPlaneSource& data) : serving_(serving), data_(data) {}

  grpc::ServerUnaryReactor* Export(
      grpc::CallbackServerContext* context,
      const opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest* request,
      opentelemetry::proto::collector::logs::v1::ExportLogsServiceResponse* response) override;

 private:
  Serving serving_;
  DataPlaneSource& data_;
};

}  // namespace televault::service
