#pragma once

#include <grpcpp/channel.h>
#include <memory>
#include <string>

#include "vault/base/status.h"
#include "vault/client/options.h"

namespace televault::client {

// What gRPC is told to connect to.
struct Target {
  std::string uri;
  bool unix_socket = false;
};

// Understands "unix:PATH", a path that starts with '/', and "HOST:PORT" ([v6]:PORT).
// Errors: INVALID_ARGUMENT with the forms that are understood.
absl::StatusOr<Target> ParseAddress(std::string_view address);

// A channel with our message limits and TLS (1.2 or newer) on anything but a UNIX socket. Does not
// connect yet.
// Errors: INVALID_ARGUMENT (address, certificate without key), NOT_FOUND, PERMISSION_DENIED
// (files).
absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const Options& options);

// Keeps gRPC from writing lines of its own to stderr, for programs whose stderr is for people: what
// went wrong comes back as a status. Call it once.
void SilenceTransport();

}  // namespace televault::client
