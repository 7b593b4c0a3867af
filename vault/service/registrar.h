#pragma once

#include <string>

#include "televault/record/v1/state.pb.h"
#include "televault/v1/access_service.pb.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/control/control_store.h"
#include "vault/service/call.h"

namespace televault::service {

// Persons and tokens: the use case between the calls and the control store. Each function checks,
// fills the response and leaves the change in call.after_recording, so that its audit entry is
// durable first.
// Refuses to let one operator alone enrol a person or give out a guarded role.
// Threads: changes come from exclusive calls only. Borrows: control, random.
class Registrar {
 public:
  Registrar(control::ControlStore& control, Random& random) : control_(control), random_(random) {}

  absl::Status Enrol(Call& call, const v1::EnrolPersonRequest& request,
                     v1::EnrolPersonResponse& response);
  absl::Status Confirm(Call& call, const v1::ConfirmPersonRequest& request,
                       v1::ConfirmPersonResponse& response);
  absl::Status Disable(Call& call, const v1::DisablePersonRequest& request,
                       v1::DisablePersonResponse& response);
  absl::Status ListPersons(const v1::ListPersonsRequest& request,
                           v1::ListPersonsResponse& response) const;

  // The secret goes into call.trailing, nowhere else.
  absl::Status CreateToken(Call& call, const v1::CreateTokenRequest& request,
                           v1::CreateTokenResponse& response);
  absl::Status ConfirmToken(Call& call, const v1::ConfirmTokenRequest& request,
                            v1::ConfirmTokenResponse& response);
  absl::Status RevokeToken(Call& call, const v1::RevokeTokenRequest& request,
                           v1::RevokeTokenResponse& response);
  absl::Status RenewToken(Call& call, v1::RenewTokenResponse& response);
  absl::Status ListTokens(const Call& call, const v1::ListTokensRequest& request,
                          v1::ListTokensResponse& response) const;

 private:
  control::ControlStore& control_;
  Random& random_;
};

// A fresh token: its record, and its text, which exists nowhere else.
struct NewToken {
  record::v1::TokenRecord record;
  std::string text;
};
NewToken MakeToken(const std::vector<std::string>& roles, Random& random);

}  // namespace televault::service
