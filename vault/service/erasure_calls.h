#pragma once

#include "televault/v1/retention_service.pb.h"
#include "vault/base/clock.h"
#include "vault/base/status.h"
#include "vault/service/call.h"
#include "vault/service/data_plane.h"

// Erasures of subjects: what a call asks, and how an erasure is shown.
namespace televault::service {

absl::Status EraseSubject(DataPlaneSource& source, const Clock& clock, Call& call,
                          const v1::EraseSubjectRequest& request,
                          v1::EraseSubjectResponse& response);
absl::Status ListErasures(DataPlaneSource& source, Call& call,
                          const v1::ListErasuresRequest& request,
                          v1::ListErasuresResponse& response);

}  // namespace televault::service
