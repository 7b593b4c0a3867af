#pragma once

#include <functional>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>
#include <utility>

#include "vault/base/work_pool.h"
#include "vault/service/front.h"
#include "vault/service/status_map.h"
#include "vault/service/stream_writer.h"

// Between gRPC's callback threads and the vault: gRPC gets its thread back at once, the work
// happens on our own bounded pool. Nothing of the domain runs here.
namespace televault::service {

// What every service needs to serve.
struct Serving {
  Front& front;
  WorkPool& pool;
};

// Reads what the transport knows. `context` must outlive the arrival.
Front::Arrival ArrivalOf(const grpc::CallbackServerContext& context, std::string method);

// Sets the trailing metadata that the call collected.
void SendTrailing(grpc::CallbackServerContext& context, const Call& call);

// Answers one unary call: `handler` fills the response on a pool thread.
template <class Request, class Response>
grpc::ServerUnaryReactor* ServeUnary(
    const Serving& serving, grpc::CallbackServerContext* context, const char* method,
    const Request* request, Response* response,
    std::function<absl::Status(Call&, const Request&, Response&)> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued =
      serving.pool.Submit([&front = serving.front, context, method, request, response,
                           handler = std::move(handler), reactor] {
        Call call;
        const absl::Status status =
            front.RunUnary(ArrivalOf(*context, method), response, call,
                           [&](Call& admitted) { return handler(admitted, *request, *response); });
        // A refused call must not leave half an answer behind.
        if (!status.ok()) response->Clear();
        SendTrailing(*context, call);
        reactor->Finish(ToGrpc(status));
      });
  if (!queued.ok()) reactor->Finish(ToGrpc(queued));
  return reactor;
}

// The same for a call that must be answered even while nothing can be recorded: the answer goes out
// first, the entry follows on the same pool thread. `handler` may use the call's context only until
// it returns.
template <class Request, class Response>
grpc::ServerUnaryReactor* ServeUnaryAnswerFirst(
    const Serving& serving, grpc::CallbackServerContext* context, const char* method,
    const Request* request, Response* response,
    std::function<absl::Status(Call&, const Request&, Response&)> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued =
      serving.pool.Submit([&front = serving.front, context, method, request, response,
                           handler = std::move(handler), reactor] {
        Call call;
        absl::Status status = front.Begin(ArrivalOf(*context, method), call);
        const bool admitted = status.ok();
        if (admitted) status = handler(call, *request, *response);
        if (!status.ok()) response->Clear();
        reactor->Finish(ToGrpc(status));
        // Where this fails the journal has stopped; the next start records the gap.
        if (admitted) (void)front.Conclude(call, status).status();
      });
  if (!queued.ok()) reactor->Finish(ToGrpc(queued));
  return reactor;
}

// Answers one server-streamed call: `handler` admits, writes and records by itself.
template <class Request, class Response>
grpc::ServerWriteReactor<Response>* ServeStream(
    const Serving& serving, grpc::CallbackServerContext* context, const char* method,
    const Request* request,
    std::function<absl::Status(Call&, const Request&, StreamWriter<Response>&)> handler) {
  auto* writer = new StreamWriter<Response>([context] { context->TryCancel(); });
  const absl::Status queued = serving.pool.Submit(
      [&front = serving.front, context, method, request, writer, handler = std::move(handler)] {
        Call call;
        absl::Status status = front.Begin(ArrivalOf(*context, method), call);
        if (status.ok()) {
          call.cancelled = [writer] { return writer->cancelled(); };
          status = handler(call, *request, *writer);
        }
        SendTrailing(*context, call);
        writer->Finish(status);
      });
  if (!queued.ok()) writer->Finish(queued);
  return writer;
}

}  // namespace televault::service
