#include "vault/service/adapter.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <span>
#include <string_view>
#include <typeinfo>

#include "vault/base/limits.h"
#include "vault/service/log.h"
#include "vault/service/request_bytes.h"
#include "vault/service/request_size.h"

namespace televault::service {

Front::Arrival ArrivalOf(const grpc::CallbackServerContext& context, std::string method) {
  using std::chrono::system_clock;
  Front::Arrival arrival;
  arrival.method = std::move(method);
  arrival.peer = context.peer();
  const system_clock::time_point deadline = context.deadline();
  arrival.has_deadline = deadline != system_clock::time_point::max();
  // gRPC hands the deadline over as wall time of its own clock; only the distance matters.
  if (arrival.has_deadline) {
    const gpr_timespec left =
        gpr_time_sub(context.raw_deadline(), gpr_now(context.raw_deadline().clock_type));
    arrival.time_left = std::chrono::seconds(left.tv_sec) + std::chrono::nanoseconds(left.tv_nsec);
  }
  arrival.cancelled = [&context] { return context.IsCancelled(); };
  arrival.metadata = [&context](std::string_view name) -> std::string_view {
    const auto& all = context.client_metadata();
    const auto found = all.find(grpc::string_ref(name.data(), name.size()));
    if (found == all.end()) return {};
    return {found->second.data(), found->second.size()};
  };
  return arrival;
}

absl::Status Guarded(const std::function<absl::Status()>& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    // Its text may hold a value: the type has to do.
    Log(LogLevel::kError, "exception in a call", {{"type", typeid(error).name()}});
    return absl::InternalError("the vault failed to carry this out; its log says more");
  }
}

absl::Status ConcludeIfThrown(Front& front, Call& call,
                              const std::function<absl::Status()>& handler) {
  bool returned = false;
  const absl::Status status = Guarded([&] {
    absl::Status outcome = handler();
    returned = true;
    return outcome;
  });
  // Where this fails the next start records that the outcome is unknown.
  if (!returned) (void)front.Conclude(call, status).status();
  return status;
}

absl::Status ParseRequest(const grpc::ByteBuffer& bytes, RequestMemory& memory,
                          RequestMemory::Share& share, google::protobuf::Message& request) {
  const google::protobuf::Descriptor& type = *request.GetDescriptor();
  const RequestBounds bounds = BoundsOf(type);
  grpc::Slice whole;
  if (!bytes.Valid() || !bytes.DumpToSingleSlice(&whole).ok()) {
    return NotAMessage(type.full_name());
  }
  std::string_view text(reinterpret_cast<const char*>(whole.begin()), whole.size());
  if (text.size() > bounds.bytes) return RequestTooLarge(bounds.bytes);
  std::string inflated;
  if (!text.empty() && LooksLikeGzip(*whole.begin())) {
    const std::span<const uint8_t> piece(whole.begin(), whole.size());
    TV_ASSIGN_OR_RETURN(inflated, Inflate({&piece, 1}, bounds.bytes));
    text = inflated;
  }
  TV_ASSIGN_OR_RETURN(const size_t parsed_bytes, ParsedBytes(text, type, bounds.parsed_bytes));
  // The others are small, and some of them have to work when nothing else does.
  if (bounds.bytes > limits::kMaxPlainRequestBytes) {
    TV_ASSIGN_OR_RETURN(share, memory.Take(parsed_bytes));
  }
  if (!request.ParseFromArray(text.data(), static_cast<int>(text.size()))) {
    return NotAMessage(type.full_name());
  }
  return absl::OkStatus();
}

absl::Status NotQueued(Front& front, const grpc::CallbackServerContext& context,
                       const std::string& method, const absl::Status& why) {
  front.CountOverload(method, context.peer());
  return why;
}

void RecordLater(WorkPool& recording, Front& front, const std::shared_ptr<Call>& call,
                 const absl::Status& status, bool admitted) {
  const absl::Status queued = recording.Submit([&front, call, status, admitted] {
    (void)Guarded([&]() -> absl::Status {
      front.CountUse(*call);
      return admitted ? front.Conclude(*call, status).status() : front.RecordRefused(*call, status);
    });
  });
  // Nothing here may wait, not even for whoever reads the log.
  if (!queued.ok()) {
    if (call->limited_uses) (*call->entry.mutable_details())["use_counted"] = "false";
    front.RecordWhenPossible(*call, status);
  }
}

void BoundLifetime(Call& call) {
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
  call.deadline.nanos = std::min(call.deadline.nanos, call.started.nanos + kLongest.count());
}

void SendTrailing(grpc::CallbackServerContext& context, const Call& call) {
  for (const auto& [name, value] : call.trailing) context.AddTrailingMetadata(name, value);
}

}  // namespace televault::service
