#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "tests/support/temp_directory.h"
#include "vault/base/status.h"
#include "vault/client/vault.h"

namespace televault::testing {

// What a child process left behind.
struct ProcessResult {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

// A process that runs beside the test and is killed with this.
// Threads: one.
class BackgroundProcess {
 public:
  // `arguments` begin with the binary; standard error goes to the file `error_path`.
  BackgroundProcess(const std::vector<std::string>& arguments, const std::string& error_path,
                    const Environment& environment = {});
  ~BackgroundProcess();
  BackgroundProcess(const BackgroundProcess&) = delete;
  BackgroundProcess& operator=(const BackgroundProcess&) = delete;
  // Waits for the next line of standard output, which begins with `prefix`; what follows that.
  absl::StatusOr<std::string> AwaitLine(const std::string& prefix);
  // SIGTERM, to the end of the process: its exit code, -1 for a signal.
  int Terminate();

 private:
  const std::string error_path_;
  pid_t pid_ = 0;
  int out_ = -1;
  std::string read_;  // and not handed out yet
};

// Asks `holds` every 50 ms, for half a minute at most.
bool Await(const std::function<bool()>& holds);

// Runs `arguments` (the first is the binary) to its end; output goes through files in `directory`.
absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& arguments,
                                         const std::string& directory,
                                         const Environment& environment = {});

// Everything a file holds; "" where it cannot be read.
std::string ReadWholeFile(const std::string& path);

struct DaemonOptions {
  std::string binary;      // "" = the televaultd of this build
  std::string passphrase;  // not empty: a passphrase vault, started sealed
  // TOML; tables go last, so it starts with top-level keys. "@DIRECTORY@" becomes directory().
  std::string config;
  std::vector<std::string> listen;  // beside the socket; ports may be 0
  Environment environment;
  std::vector<std::string> init_flags = {};  // beside what Daemon::Init gives
};

// A person's token as it was given out.
struct TokenOf {
  std::string person;
  std::string accessor;
  std::string text;
  std::string path;  // file with the text, for the command line
};

// The real daemon with a vault of its own in a fresh directory, reached through a UNIX socket.
// Refuses to start twice.
// Threads: one. Invariants: (1) the process is gone when this is. (2) Nothing waits for a time:
// Start waits for READY, Kill and Terminate for the end of the process.
// Failure: a status with what the daemon said.
class Daemon {
 public:
  explicit Daemon(DaemonOptions options = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // `televaultd init` with the operators alice and bob.
  absl::Status Init();
  // Instead of Init: a copy of everything that a stopped daemon has, keys, anchor and tokens too.
  absl::Status InitAsCopyOf(const Daemon& stopped);
  // `televaultd serve`, to READY. `extra` is added to the environment of this run, `flags` to its
  // command line.
  absl::Status Start(const Environment& extra = {}, const std::vector<std::string>& flags = {});
  absl::Status InitAndStart();
  // kill -9, to the end of the process.
  void Kill();
  // SIGTERM, to the end of the process; an error unless it exits with 0.
  absl::Status Terminate();
  absl::Status Restart();
  // Waits until the process ended by itself (a crash point); the signal, or 0 for an exit.
  int WaitForEnd();
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }

  // A connection that sends every call once.
  std::unique_ptr<client::Vault> As(const std::string& token_text) const;
  std::unique_ptr<client::Vault> As(const TokenOf& token) const { return As(token.text); }

  const TokenOf& alice() const { return operators_[0]; }
  const TokenOf& bob() const { return operators_[1]; }
  // Alice proposes, bob confirms.
  absl::Status Enrol(const std::string& person, bool service = false);
  // A token for an enrolled person, made by alice and confirmed by bob where that is needed.
  absl::StatusOr<TokenOf> MakeToken(const v1::CreateTokenRequest& request);
  // Enrols and makes a token in one go. `datasets` is for collectors.
  absl::StatusOr<TokenOf> Admit(const std::string& person, const std::string& role,
                                const std::vector<std::string>& datasets = {});

  const std::string& directory() const { return directory_.path(); }
  std::string data_dir() const { return directory_.Path("vault"); }
  std::string socket() const { return directory_.Path("socket"); }
  std::string binary() const;
  // The address that was announced for `listen[index]`.
  std::string listener(size_t index) const;
  // "name+hash+key" as init printed it.
  const std::string& vkey() const { return vkey_; }
  // Everything the daemon wrote to standard output and error so far, init included.
  std::string Output() const;

 private:
  absl::Status AwaitReady(int out);
  absl::Status Exited(const std::string& what);

  const DaemonOptions options_;
  TempDirectory directory_;
  std::vector<TokenOf> operators_;
  std::string vkey_;
  std::string said_;  // by init, and by every serve on standard output
  pid_t pid_ = 0;
  int out_ = -1;  // read end of the daemon's standard output
};

}  // namespace televault::testing
