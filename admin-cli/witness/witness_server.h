#pragma once

#include <memory>
#include <string>

#include "admin-cli/witness/witness.h"
#include "vault/base/clock.h"

namespace televault::cli {

// Serves one witness over HTTP: POST /add-checkpoint (C2SP tlog-witness), one request for each
// connection. Plain HTTP: what is submitted and answered is public and signed; TLS and rate limits
// are a front's.
// Refuses whoever asks for much: connections in all and of one address, bytes of headers and body,
// and the whole time of a connection are bounded.
// Threads: Run blocks and serves all connections; Stop from any other.
// Borrows: the witness, the clock.
class WitnessServer {
 public:
  static constexpr unsigned kMaxConnections = 256;
  static constexpr unsigned kMaxConnectionsOfOneAddress = 32;
  // From being accepted to being closed, however it drips.
  static constexpr microseconds kMaxConnectionTime{20'000'000};

  // Binds. UNAVAILABLE: the address is taken or not one of this machine's. Port 0: any free one.
  static absl::StatusOr<std::unique_ptr<WitnessServer>> Bind(Witness& witness, const Clock& clock,
                                                             const std::string& host, int port);
  ~WitnessServer();

  int port() const { return port_; }
  // Serves until Stop.
  void Run();
  // Run comes back within a second.
  void Stop();

 private:
  struct Http;
  WitnessServer(std::unique_ptr<Http> http, int port);
  std::unique_ptr<Http> http_;
  int port_;
};

}  // namespace televault::cli
