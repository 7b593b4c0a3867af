#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "vault/base/status.h"

namespace televault::client {

// A refused or failed call as the CLI and the gateway act on it.
struct Error {
  absl::StatusCode code = absl::StatusCode::kOk;
  // google.rpc.ErrorInfo.reason, "" where the server sent none.
  std::string reason;
  std::string message;
  // google.rpc.RetryInfo: shortest wait before sending again; absent = sending again is no use.
  std::optional<std::chrono::milliseconds> retry_after;
  // A call ended with it; false for errors that arose on this side (files, arguments).
  bool from_call = false;
  // The vault itself said so; false where it could not be reached or did not answer in time.
  bool from_vault = false;
};

// What `status`, returned by a call of this library, says.
Error ErrorOf(const absl::Status& status);

// The status of a call: `code` and `message` as gRPC gave them, `details` the bytes of
// grpc-status-details-bin (untrusted; what does not parse is ignored).
absl::Status FromWire(int code, std::string_view message, std::string_view details);

}  // namespace televault::client
