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

// What goes on after a call was carried out that is answered before anything is written.
struct AnswerFirst {
  WorkPool&
      answering;  // one thread: waits in the order of the calls, each no longer than its bound
  WorkPool& recording;
};

// Reads what the transport knows. `context` must outlive the arrival.
Front::Arrival ArrivalOf(const grpc::CallbackServerContext& context, std::string method);

// Sets the trailing metadata that the call collected.
void SendTrailing(grpc::CallbackServerContext& context, const Call& call);

// Runs `work`; what a library throws past its wrapper becomes INTERNAL instead of ending the
// process.
absl::Status Guarded(const std::function<absl::Status()>& work);

// Runs the handler of an admitted stream, which records its outcome itself; where it throws
// instead, the outcome is recorded here.
absl::Status ConcludeIfThrown(Front& front, Call& call,
                              const std::function<absl::Status()>& handler);

// Records the outcome of a call that was answered already. Where `recording` is full the journal
// has stopped; that is logged, and the next start records the gap.
void RecordLater(WorkPool& recording, Front& front, std::shared_ptr<Call> call,
                 const absl::Status& status, bool admitted);

// No stream lives longer than an hour: whoever wants more calls again, and is admitted again.
void BoundLifetime(Call& call);

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
        const absl::Status status = Guarded([&] {
          return front.RunUnary(ArrivalOf(*context, method), response, call, [&](Call& admitted) {
            return Guarded([&] { return handler(admitted, *request, *response); });
          });
        });
        // A refused call must not leave half an answer behind.
        if (!status.ok()) response->Clear();
        SendTrailing(*context, call);
        reactor->Finish(ToGrpc(status));
      });
  if (!queued.ok()) reactor->Finish(ToGrpc(queued));
  return reactor;
}

// The same for a call that must be answered even while nothing can be written: admitted or
// refused, the answer goes out first, and its entry follows on `later.recording`. What the answer
// should wait for is in Call::before_answer and runs on `later.answering`. So a disk that is stuck
// holds no thread of the call's own pool. `handler` may use the call's context only until it
// returns.
template <class Request, class Response>
grpc::ServerUnaryReactor* ServeUnaryAnswerFirst(
    const Serving& serving, const AnswerFirst& later, grpc::CallbackServerContext* context,
    const char* method, const Request* request, Response* response,
    std::function<absl::Status(Call&, const Request&, Response&)> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued = serving.pool.Submit([&front = serving.front, later, context, method,
                                                   request, response, handler = std::move(handler),
                                                   reactor] {
    auto call = std::make_shared<Call>();
    call->answered_first = true;
    bool admitted = false;
    const absl::Status status = Guarded([&]() -> absl::Status {
      TV_RETURN_IF_ERROR(front.Admit(ArrivalOf(*context, method), *call));
      admitted = true;
      return handler(*call, *request, *response);
    });
    if (!status.ok()) response->Clear();
    // The context is gone once the answer is.
    call->cancelled = [] { return false; };
    call->metadata = [](std::string_view) { return std::string_view(); };
    const auto answer = [&front, &recording = later.recording, call, status, admitted, reactor] {
      reactor->Finish(ToGrpc(status));
      RecordLater(recording, front, call, status, admitted);
    };
    const bool waits = status.ok() && call->before_answer != nullptr &&
                       later.answering
                           .Submit([call, answer] {
                             (void)Guarded([&] {
                               std::exchange(call->before_answer, nullptr)();
                               return absl::OkStatus();
                             });
                             answer();
                           })
                           .ok();
    if (!waits) answer();
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
        const absl::Status status = Guarded([&]() -> absl::Status {
          TV_RETURN_IF_ERROR(front.Begin(ArrivalOf(*context, method), call));
          call.cancelled = [writer] { return writer->cancelled(); };
          BoundLifetime(call);
          return ConcludeIfThrown(front, call, [&] { return handler(call, *request, *writer); });
        });
        SendTrailing(*context, call);
        writer->Finish(status);
      });
  if (!queued.ok()) writer->Finish(queued);
  return writer;
}

}  // namespace televault::service
