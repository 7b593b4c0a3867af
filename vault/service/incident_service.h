#pragma once

#include "televault/v1/incident_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/stream_registry.h"

namespace televault::service {

// Lockdown. Works while sealed, in control mode and with a full disk.
class IncidentServiceImpl final : public v1::IncidentService::CallbackService {
 public:
  // `engaging` has a pool that serves nothing else and never waits for the journal: a lockdown does
  // not wait behind other calls. What it did is recorded on `recording`.
  IncidentServiceImpl(Serving serving, Serving engaging, WorkPool& recording,
                      StreamRegistry& streams)
      : serving_(serving), engaging_(engaging), recording_(recording), streams_(streams) {}

  grpc::ServerUnaryReactor* EngageLockdown(grpc::CallbackServerContext* context,
                                           const v1::EngageLockdownRequest* request,
                                           v1::EngageLockdownResponse* response) override;
  grpc::ServerUnaryReactor* GetLockdownStatus(grpc::CallbackServerContext* context,
                                              const v1::GetLockdownStatusRequest* request,
                                              v1::GetLockdownStatusResponse* response) override;
  grpc::ServerUnaryReactor* ProposeLift(grpc::CallbackServerContext* context,
                                        const v1::ProposeLiftRequest* request,
                                        v1::ProposeLiftResponse* response) override;
  grpc::ServerUnaryReactor* ApproveLift(grpc::CallbackServerContext* context,
                                        const v1::ApproveLiftRequest* request,
                                        v1::ApproveLiftResponse* response) override;

 private:
  Serving serving_;
  Serving engaging_;
  WorkPool& recording_;
  StreamRegistry& streams_;
};

}  // namespace televault::service
