#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vault/base/status.h"

namespace televault::crash {

using std::chrono::milliseconds;

// One run of a program, most often of the daemon; killed when destroyed, and with the test.
// Threads: one.
class Process {
 public:
  struct Options {
    std::vector<std::string> arguments;    // the program first
    std::vector<std::string> environment;  // "NAME=value", in addition
    std::string log_file;                  // stderr is appended to it; "" = our own
  };
  static absl::StatusOr<std::unique_ptr<Process>> Start(const Options& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits for a line of its output that begins with `prefix`. NOT_FOUND: it ended first.
  // DEADLINE_EXCEEDED: neither came.
  absl::Status AwaitLine(std::string_view prefix, milliseconds at_most);
  // True once it has ended.
  bool AwaitExit(milliseconds at_most);
  // SIGKILL, and waits for the end.
  void Kill();
  // After its end: the signal, or nothing where it ended by itself.
  std::optional<int> signal() const;
  int exit_code() const;

 private:
  Process(int pid, int pid_fd, int output) : pid_(pid), pid_fd_(pid_fd), output_(output) {}
  void Reap();

  const int pid_;
  const int pid_fd_;
  const int output_;
  std::string pending_;  // of its output, not a whole line yet
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace televault::crash
