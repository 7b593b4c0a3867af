#pragma once

#include <memory>
#include <string>

#include "admin-cli/witness/witness.h"

namespace televault::cli {

// Serves one witness over HTTP: POST /add-checkpoint (C2SP tlog-witness). Plain HTTP: what is
// submitted and answered is public and signed; TLS and rate limits are a front's.
// Threads: Run blocks; Stop from any other.  Borrows: the witness.
class WitnessServer {
 public:
  // Binds. UNAVAILABLE: the address is taken or not one of this machine's. Port 0: any free one.
  static absl::StatusOr<std::unique_ptr<WitnessServer>> Bind(Witness& witness,
                                                             const std::string& host, int port);
  ~WitnessServer();

  int port() const { return port_; }
  // Serves until Stop.
  void Run();
  void Stop();
  // Run came back.
  bool ended() const;

 private:
  struct Http;
  WitnessServer(std::unique_ptr<Http> http, int port);
  std::unique_ptr<Http> http_;
  int port_;
};

}  // namespace televault::cli
