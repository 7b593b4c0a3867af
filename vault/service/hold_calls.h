#pragma once

#include <string>

#include "televault/v1/retention_service.pb.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/crypto/keyring.h"
#include "vault/service/call.h"
#include "vault/service/data_plane.h"

// Legal holds: what a call asks, and how a hold is shown.
namespace televault::service {

absl::Status PlaceHold(DataPlaneSource& source, Random& random, Call& call,
                       const v1::PlaceHoldRequest& request, v1::PlaceHoldResponse& response);
absl::Status ReleaseHold(DataPlaneSource& source, Call& call, const v1::ReleaseHoldRequest& request,
                         v1::ReleaseHoldResponse& response);
absl::Status ListHolds(DataPlaneSource& source, Call& call, const v1::ListHoldsRequest& request,
                       v1::ListHoldsResponse& response);

}  // namespace televault::service
