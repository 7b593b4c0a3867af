#include "vault/service/append_stream.h"

#include "vault/service/ingest_call.h"

namespace televault::service {

AppendStreamReactor::AppendStreamReactor(Serving serving, DataPlaneSource& data,
                                         grpc::CallbackServerContext& context)
    : serving_(serving), data_(data), context_(context) {
  StartRead(&request_);
}

void AppendStreamReactor::OnReadDone(bool ok) {
  if (!ok) {
    Finish(grpc::Status::OK);  // the client has sent all it wanted
    return;
  }
  const absl::Status queued = serving_.pool.Submit([this] { Work(); });
  if (!queued.ok()) {
    Finish(ToGrpc(NotQueued(serving_.front, context_, kAppendStreamMethod, queued)));
  }
}

void AppendStreamReactor::Work() {
  v1::AppendStreamResponse response;
  Call call;
  const absl::Status status = Guarded([&] {
    return serving_.front.RunUnary(
        ArrivalOf(context_, kAppendStreamMethod), response.mutable_append(), call,
        [&](Call& admitted) {
          return Guarded([&]() -> absl::Status {
            RequestMemory::Share share;
            v1::AppendStreamRequest request;
            TV_RETURN_IF_ERROR(
                ParseRequest(request_, serving_.front.request_memory(), share, request));
            return AppendBatch(serving_.front, data_, admitted, request.append(),
                               *response.mutable_append());
          });
        });
  });
  // Nobody to go on talking to: the whole stream ends.
  if (absl::IsUnauthenticated(status) || absl::IsCancelled(status)) {
    Finish(ToGrpc(status));
    return;
  }
  if (!status.ok()) {
    response.clear_append();
    v1::BatchError& error = *response.mutable_error();
    const grpc::Status wire = ToGrpc(status);
    error.set_code(static_cast<int>(wire.error_code()));
    error.set_message(wire.error_message());
    error.set_reason(ReasonOf(status));
    error.set_retry_after_ms(static_cast<uint32_t>(RetryAfterMillis(status)));
  }
  if (const absl::Status written = WriteResponse(response, response_); !written.ok()) {
    Finish(ToGrpc(written));
    return;
  }
  StartWrite(&response_);
}

void AppendStreamReactor::OnWriteDone(bool ok) {
  if (!ok) {
    Finish(grpc::Status::CANCELLED);
    return;
  }
  StartRead(&request_);
}

}  // namespace televault::service
