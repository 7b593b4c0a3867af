#include "vault/service/adapter.h"

#include <chrono>

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

void SendTrailing(grpc::CallbackServerContext& context, const Call& call) {
  for (const auto& [name, value] : call.trailing) context.AddTrailingMetadata(name, value);
}

}  // namespace televault::service
