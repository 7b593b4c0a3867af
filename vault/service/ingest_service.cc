#include "vault/service/ingest_service.h"

#include <memory>
#include <mutex>

#include "vault/base/limits.h"
#include "vault/ingest/vault_ports.h"
#include "vault/service/append_stream.h"
#include "vault/service/ingest_call.h"
#include "vault/service/paging.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

using OtlpResponse = opentelemetry::proto::collector::logs::v1::ExportLogsServiceResponse;

absl::Status ListRejectsPage(DataPlaneSource& source, const Call& call,
                             const v1::ListRejectsRequest& request,
                             v1::ListRejectsResponse& response) {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  TV_ASSIGN_OR_RETURN(const auto view, data->store.Pin());
  TV_ASSIGN_OR_RETURN(auto counts, ingest::ListRejectCounts(*view, data->meta, std::nullopt));
  std::erase_if(counts, [&](const record::v1::RejectCountRecord& record) {
    const auto dataset = data->catalog->Find(DatasetId(record.dataset_id()));
    return !dataset.ok() || !auth::MaySee(call.principal, (*dataset)->policy) ||
           (!request.dataset().empty() && (*dataset)->name != request.dataset());
  });
  response.set_next_page_token(EachOnPage(counts, page, [&](const auto& record) {
    v1::RejectCount& out = *response.add_counts();
    WallTime last_at{record.last_at_us()};
    if (const auto dataset = data->catalog->Find(DatasetId(record.dataset_id())); dataset.ok()) {
      out.set_dataset((*dataset)->name);
      // To the microsecond it would tell when a single machine was active.
      if (!auth::MaySeeExactFigures(call.principal, (*dataset)->policy)) {
        last_at = StartOf(DayOf(last_at));
      }
    }
    out.set_source(record.source());
    out.set_rule(record.rule());
    out.set_field(record.field());
    out.set_events(record.events());
    *out.mutable_last_at() = ToWireTime(last_at);
  }));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* IngestServiceImpl::Append(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) {
  return ServeUnary<v1::AppendRequest, v1::AppendResponse>(
      serving_, context, kAppendMethod, request, response,
      [this](Call& call, const auto& in, auto& out) {
        return AppendBatch(serving_.front, data_, call, in, out);
      });
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* IngestServiceImpl::AppendStream(
    grpc::CallbackServerContext* context) {
  return new AppendStreamReactor(serving_, data_, *context);
}

grpc::ServerUnaryReactor* IngestServiceImpl::ListRejects(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListRejectsRequest, v1::ListRejectsResponse>(
      serving_, context, "/televault.v1.IngestService/ListRejects", request, response,
      [this](Call& call, const auto& in, auto& out) {
        return ListRejectsPage(data_, call, in, out);
      });
}

grpc::ServerUnaryReactor* OtlpLogsServiceImpl::Export(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request,
                                                      grpc::ByteBuffer* response) {
  return ServeUnary<ingest::OtlpLogsRequest, OtlpResponse>(
      serving_, context, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", request,
      response, [this](Call& call, const auto& in, auto& out) {
        return ExportLogs(serving_.front, data_, call, in, out);
      });
}

}  // namespace televault::service
