#pragma once

#include <functional>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
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

// Records the outcome of a call that was answered already. Where `recording` is full the journal is
// stuck: then its entry waits in the front, see Front::RecordWhenPossible.
void RecordLater(WorkPool& recording, Front& front, const std::shared_ptr<Call>& call,
                 const absl::Status& status, bool admitted);

// Counts a call that found no room in its pool, for the audit trail; returns `why`.
absl::Status NotQueued(Front& front, const grpc::CallbackServerContext& context,
                       const std::string& method, const absl::Status& why);

// No stream lives longer than an hour: whoever wants more calls again, and is admitted again.
void BoundLifetime(Call& call);

// Parses a request, also one that came compressed with gzip. INVALID_ARGUMENT with reason MALFORMED
// where `bytes` is no message of that type; RESOURCE_EXHAUSTED where it has, inflated or parsed,
// more than BoundsOf() its type, of which no more than that is ever held, and with reason
// OVERLOADED where the calls in flight leave no memory for it. `share` has to outlive the request.
absl::Status ParseRequest(const grpc::ByteBuffer& bytes, RequestMemory& memory,
                          RequestMemory::Share& share, google::protobuf::Message& request);

// INTERNAL where a message cannot be written as bytes.
template <class Response>
absl::Status WriteResponse(const Response& response, grpc::ByteBuffer& bytes) {
  bytes.Clear();
  bool own = false;
  if (grpc::SerializationTraits<Response>::Serialize(response, &bytes, &own).ok()) {
    return absl::OkStatus();
  }
  return absl::InternalError("the answer cannot be written as a message");
}

// Answers one unary call: `handler` fills the response on a pool thread. The request is parsed once
// the caller is known: bytes that are no message are a refused call like any other.
template <class Request, class Response>
grpc::ServerUnaryReactor* ServeUnary(
    const Serving& serving, grpc::CallbackServerContext* context, const char* method,
    const grpc::ByteBuffer* request, grpc::ByteBuffer* response,
    std::function<absl::Status(Call&, const Request&, Response&)> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued =
      serving.pool.Submit([&front = serving.front, context, method, request, response,
                           handler = std::move(handler), reactor] {
        Call call;
        Response answer;
        absl::Status status = Guarded([&] {
          return front.RunUnary(ArrivalOf(*context, method), &answer, call, [&](Call& admitted) {
            return Guarded([&]() -> absl::Status {
              RequestMemory::Share share;
              Request message;
              TV_RETURN_IF_ERROR(ParseRequest(*request, front.request_memory(), share, message));
              return handler(admitted, message, answer);
            });
          });
        });
        if (status.ok()) status = WriteResponse(answer, *response);
        SendTrailing(*context, call);
        reactor->Finish(ToGrpc(status));
      });
  if (!queued.ok()) reactor->Finish(ToGrpc(NotQueued(serving.front, *context, method, queued)));
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
    const char* method, const grpc::ByteBuffer* request, grpc::ByteBuffer* response,
    std::function<absl::Status(Call&, const Request&, Response&)> handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued =
      serving.pool.Submit([&front = serving.front, later, context, method, request, response,
                           handler = std::move(handler), reactor] {
        auto call = std::make_shared<Call>();
        call->answered_first = true;
        const auto message = std::make_shared<Response>();
        bool admitted = false;
        const absl::Status status = Guarded([&]() -> absl::Status {
          TV_RETURN_IF_ERROR(front.Admit(ArrivalOf(*context, method), *call));
          admitted = true;
          RequestMemory::Share share;
          Request parsed;
          TV_RETURN_IF_ERROR(ParseRequest(*request, front.request_memory(), share, parsed));
          return handler(*call, parsed, *message);
        });
        // The context is gone once the answer is.
        call->cancelled = [] { return false; };
        call->metadata = [](std::string_view) { return std::string_view(); };
        const auto answer = [&front, &recording = later.recording, call, status, admitted, message,
                             response, reactor] {
          reactor->Finish(ToGrpc(status.ok() ? WriteResponse(*message, *response) : status));
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
  if (!queued.ok()) reactor->Finish(ToGrpc(NotQueued(serving.front, *context, method, queued)));
  return reactor;
}

// Answers one server-streamed call: `handler` admits, writes and records by itself.
template <class Request, class Response>
grpc::ServerWriteReactor<grpc::ByteBuffer>* ServeStream(
    const Serving& serving, grpc::CallbackServerContext* context, const char* method,
    const grpc::ByteBuffer* request,
    std::function<absl::Status(Call&, const Request&, StreamWriter<Response>&)> handler) {
  auto* writer = new StreamWriter<Response>([context] { context->TryCancel(); });
  const absl::Status queued = serving.pool.Submit([&front = serving.front, context, method, request,
                                                   writer, handler = std::move(handler)] {
    Call call;
    const absl::Status status = Guarded([&]() -> absl::Status {
      TV_RETURN_IF_ERROR(front.Begin(ArrivalOf(*context, method), call));
      call.cancelled = [writer] { return writer->cancelled(); };
      BoundLifetime(call);
      RequestMemory::Share share;
      Request message;
      const absl::Status parsed = ParseRequest(*request, front.request_memory(), share, message);
      if (!parsed.ok()) return front.Refuse(call, parsed);
      return ConcludeIfThrown(front, call, [&] { return handler(call, message, *writer); });
    });
    SendTrailing(*context, call);
    writer->Finish(status);
  });
  if (!queued.ok()) writer->Finish(NotQueued(serving.front, *context, method, queued));
  return writer;
}

}  // namespace televault::service
