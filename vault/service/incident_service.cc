#include "vault/service/incident_service.h"

#include <algorithm>

#include "auth/approval.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

v1::Lockdown ToWire(const record::v1::LockdownRecord& record) {
  v1::Lockdown wire;
  wire.set_id(record.id());
  wire.set_level(static_cast<v1::LockdownLevel>(record.level()));
  wire.mutable_scope()->set_kind(static_cast<v1::ScopeKind>(record.scope_kind()));
  wire.mutable_scope()->set_name(record.scope_name());
  wire.set_reason(record.reason());
  wire.set_incident(record.incident());
  wire.set_engaged_by(record.engaged_by());
  *wire.mutable_engaged_at() = ToWireTime(record.engaged_at_us());
  if (record.lift_proposed_at_us() != 0) {
    v1::LiftVote& lift = *wire.mutable_lift();
    lift.set_proposed_by(record.lift_proposed_by());
    *lift.mutable_proposed_at() = ToWireTime(record.lift_proposed_at_us());
    lift.set_reason(record.lift_reason());
    *lift.mutable_approved_by() = record.lift_approved_by();
    lift.set_needed(auth::kMinApprovals);
  }
  return wire;
}

void NoteLockdown(Call& call, const record::v1::LockdownRecord& lockdown) {
  auto& details = *call.entry.mutable_details();
  details["lockdown"] = lockdown.id();
  details["level"] =
      std::string(auth::LevelName(static_cast<auth::LockdownLevel>(lockdown.level())));
  details["engaged_by"] = lockdown.engaged_by();
  details["scope"] = v1::ScopeKind_Name(static_cast<v1::ScopeKind>(lockdown.scope_kind())) +
                     (lockdown.scope_name().empty() ? "" : "=" + lockdown.scope_name());
}

absl::Status Engage(Front& front, StreamRegistry& streams, Call& call,
                    const v1::EngageLockdownRequest& request,
                    v1::EngageLockdownResponse& response) {
  incident::EngageOptions options;
  options.level = request.level();
  if (request.has_scope()) {
    options.scope = request.scope().kind();
    options.scope_name = request.scope().name();
  }
  options.reason = request.reason();
  options.incident = request.incident();
  options.engaged_by = call.principal.person;
  call.urgency = store::Urgency::kSecurity;
  // Before: a stream may see the lockdown while the others are told.
  const uint64_t cut_before = streams.cut();
  const MonoTime until{front.clock().Mono().nanos +
                       incident::LockdownManager::kAnswerWait.count() * 1'000};
  TV_ASSIGN_OR_RETURN(const incident::Engaged engaged, front.lockdown().Close(options));
  NoteLockdown(call, engaged.lockdown);
  (*call.entry.mutable_details())["durable"] = "false";
  *response.mutable_lockdown() = ToWire(engaged.lockdown);
  response.set_lock_epoch(engaged.lock_epoch.value());
  response.set_durable(false);
  streams.CutRefused();
  response.set_streams_cut(static_cast<uint32_t>(streams.cut() - cut_before));
  call.before_answer = [&front, &call, &response, engaged, until] {
    if (!front.lockdown().AwaitDurable(engaged, until)) return;
    (*call.entry.mutable_details())["durable"] = "true";
    response.set_durable(true);
  };
  return absl::OkStatus();
}

// Records the step before it is taken: nothing is lifted without a durable entry.
absl::Status TakeStep(Front& front, Call& call, const incident::LiftStep& step) {
  NoteLockdown(call, step.before);
  auto& details = *call.entry.mutable_details();
  details["lifts"] = step.lifts ? "true" : "false";
  call.urgency = store::Urgency::kSecurity;
  call.answer_unaudited = false;
  call.after_recording = [&front, step] { return front.lockdown().Apply(step); };
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* IncidentServiceImpl::EngageLockdown(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request,
                                                              grpc::ByteBuffer* response) {
  return ServeUnaryAnswerFirst<v1::EngageLockdownRequest, v1::EngageLockdownResponse>(
      engaging_, answer_first_, context, "/televault.v1.IncidentService/EngageLockdown", request,
      response, [this](auto& call, const auto& in, auto& out) {
        return Engage(engaging_.front, streams_, call, in, out);
      });
}

grpc::ServerUnaryReactor* IncidentServiceImpl::GetLockdownStatus(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetLockdownStatusRequest, v1::GetLockdownStatusResponse>(
      status_, context, "/televault.v1.IncidentService/GetLockdownStatus", request, response,
      [this](auto&, const auto&, auto& out) {
        *out.mutable_status() = serving_.front.lockdown().Status();
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* IncidentServiceImpl::ProposeLift(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return ServeUnary<v1::ProposeLiftRequest, v1::ProposeLiftResponse>(
      serving_, context, "/televault.v1.IncidentService/ProposeLift", request, response,
      [this](Call& call, const auto& in, auto& out) -> absl::Status {
        TV_ASSIGN_OR_RETURN(
            const incident::LiftStep step,
            serving_.front.lockdown().PlanProposal(in.lockdown_id(), in.reason(), call.principal,
                                                   serving_.front.VoteCounts()));
        *out.mutable_lockdown() = ToWire(step.after);
        return TakeStep(serving_.front, call, step);
      });
}

grpc::ServerUnaryReactor* IncidentServiceImpl::ApproveLift(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return ServeUnary<v1::ApproveLiftRequest, v1::ApproveLiftResponse>(
      serving_, context, "/televault.v1.IncidentService/ApproveLift", request, response,
      [this](Call& call, const auto& in, auto& out) -> absl::Status {
        TV_ASSIGN_OR_RETURN(const incident::LiftStep step,
                            serving_.front.lockdown().PlanApproval(in.lockdown_id(), call.principal,
                                                                   serving_.front.VoteCounts()));
        out.set_lifted(step.lifts);
        if (!step.lifts) *out.mutable_lockdown() = ToWire(step.after);
        return TakeStep(serving_.front, call, step);
      });
}

}  // namespace televault::service
