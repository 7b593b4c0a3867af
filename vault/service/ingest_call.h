#pragma once

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "vault/ingest/ingestor.h"
#include "vault/service/call.h"
#include "vault/service/data_plane.h"
#include "vault/service/front.h"

namespace televault::service {

inline constexpr char kAppendMethod[] = "/televault.v1.IngestService/Append";
inline constexpr char kAppendStreamMethod[] = "/televault.v1.IngestService/AppendStream";

// Decides, checks and prepares one native batch; what must be committed is left in the call.
absl::Status AppendBatch(Front& front, DataPlaneSource& source, Call& call,
                         const v1::AppendRequest& request, v1::AppendResponse& response);

// The same for OTLP logs. Records go to the dataset they name (televault.dataset), else to the only
// one of the token; all of a request is stored in one commit or nothing of it.
absl::Status ExportLogs(
    Front& front, DataPlaneSource& source, Call& call, const ingest::OtlpLogsRequest& request,
    opentelemetry::proto::collector::logs::v1::ExportLogsServiceResponse& response);

}  // namespace televault::service
