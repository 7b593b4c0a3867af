#pragma once

#include "televault/v1/incident_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/stream_registry.h"

namespace televault::service {

// Lockdown. Works while sealed, in control mode and with a full disk.
class IncidentServiceImpl final
    : public BytesService<v1::IncidentService::Service,
                          v1::IncidentService::WithRawCallbackMethod_EngageLockdown,
                          v1::IncidentService::WithRawCallbackMethod_GetLockdownStatus,
                          v1::IncidentService::WithRawCallbackMethod_ProposeLift,
                          v1::IncidentService::WithRawCallbackMethod_ApproveLift> {
 public:
  // `status` has a pool on which nothing waits for other calls. `engaging` has a pool that serves
  // nothing else and never waits for a disk: a lockdown does not wait behind other calls, nor
  // behind other lockdowns that are being written.
  IncidentServiceImpl(Serving serving, Serving status, Serving engaging,
                      const AnswerFirst& answer_first, StreamRegistry& streams)
      : serving_(serving),
        status_(status),
        engaging_(engaging),
        answer_first_(answer_first),
        streams_(streams) {}

  grpc::ServerUnaryReactor* EngageLockdown(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetLockdownStatus(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ProposeLift(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ApproveLift(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;

 private:
  Serving serving_;
  Serving status_;
  Serving engaging_;
  const AnswerFirst answer_first_;
  StreamRegistry& streams_;
};

}  // namespace televault::service
