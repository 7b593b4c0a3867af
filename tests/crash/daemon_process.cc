#include "tests/crash/daemon_process.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"

namespace televault::crash {
namespace {

using Clock = std::chrono::steady_clock;

int LeftUntil(Clock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

bool Readable(int fd, int timeout_ms) {
  pollfd poll_for{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&poll_for, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// Between fork and exec: only what a signal handler may do.
[[noreturn]] void Become(char* const* arguments, char* const* environment, int output, int log) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(output, STDOUT_FILENO);
  if (log >= 0) ::dup2(log, STDERR_FILENO);
  ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const Options& options) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = options.environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(environment);
  int output[2];
  TV_CHECK(::pipe2(output, O_CLOEXEC) == 0);
  int log = -1;
  if (!options.log_file.empty()) {
    log = ::open(options.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    TV_CHECK(log >= 0);
  }
  const pid_t pid = ::fork();
  if (pid == 0) Become(argv.data(), envp.data(), output[1], log);
  ::close(output[1]);
  if (log >= 0) ::close(log);
  if (pid < 0) return absl::UnavailableError(absl::StrCat("fork: ", std::strerror(errno)));
  const int pid_fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  TV_CHECK(pid_fd >= 0);
  return std::unique_ptr<Process>(new Process(pid, pid_fd, output[0]));
}

Process::~Process() {
  Kill();
  ::close(pid_fd_);
  ::close(output_);
}

absl::Status Process::AwaitLine(std::string_view prefix, milliseconds at_most) {
  const auto end = Clock::now() + at_most;
  while (true) {
    for (size_t line = pending_.find('\n'); line != std::string::npos; line = pending_.find('\n')) {
      const bool found = pending_.starts_with(prefix);
      pending_.erase(0, line + 1);
      if (found) return absl::OkStatus();
    }
    if (!Readable(output_, LeftUntil(end))) {
      return absl::DeadlineExceededError("the process neither got ready nor ended");
    }
    char bytes[512];
    const ssize_t count = ::read(output_, bytes, sizeof bytes);
    if (count <= 0) return absl::NotFoundError("the process ended");
    pending_.append(bytes, static_cast<size_t>(count));
  }
}

bool Process::AwaitExit(milliseconds at_most) {
  if (ended_) return true;
  if (!Readable(pid_fd_, static_cast<int>(at_most.count()))) return false;
  Reap();
  return true;
}

void Process::Kill() {
  if (ended_) return;
  ::syscall(SYS_pidfd_send_signal, pid_fd_, SIGKILL, nullptr, 0);
  Reap();
}

void Process::Reap() {
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
}

std::optional<int> Process::signal() const {
  TV_CHECK(ended_);
  if (!WIFSIGNALED(status_)) return std::nullopt;
  return WTERMSIG(status_);
}

int Process::exit_code() const {
  TV_CHECK(ended_);
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

}  // namespace televault::crash
