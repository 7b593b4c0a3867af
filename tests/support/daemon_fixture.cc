#include "tests/support/daemon_fixture.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#include "vault/base/check.h"

extern char** environ;

namespace televault::testing {
namespace {

// How long a start may take before it counts as failed; far beyond what it needs.
constexpr int kReadyTimeoutMs = 120'000;

// argv and envp, made before the fork: the child of a threaded process must not allocate.
class Strings {
 public:
  explicit Strings(std::vector<std::string> texts) : texts_(std::move(texts)) {
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

std::vector<std::string> EnvironmentWith(const Environment& extra) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool replaced = text.starts_with("TELEVAULT_CRASH_POINT=") || text.starts_with("GTEST_");
    for (const auto& [name, value] : extra) replaced |= text.starts_with(name + "=");
    if (!replaced) all.emplace_back(text);
  }
  for (const auto& [name, value] : extra) all.push_back(name + "=" + value);
  return all;
}

// Starts a process whose standard output and error are the given descriptors. It dies with us.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& arguments,
                            const Environment& environment, int out, int err) {
  Strings argv(arguments);
  Strings envp(EnvironmentWith(environment));
  const pid_t pid = ::fork();
  if (pid < 0) return absl::InternalError("fork failed");
  if (pid > 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_DFL);
  if (::dup2(out, STDOUT_FILENO) < 0 || ::dup2(err, STDERR_FILENO) < 0) ::_exit(126);
  ::execve(argv.data()[0], argv.data(), envp.data());
  ::_exit(127);
}

int OpenForWriting(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  TV_CHECK(fd >= 0);
  return fd;
}

int AwaitEnd(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) TV_CHECK(errno == EINTR);
  return status;
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  TV_CHECK(::chmod(path.c_str(), 0600) == 0);
}

}  // namespace

std::string ReadWholeFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& arguments,
                                         const std::string& directory,
                                         const Environment& environment) {
  const std::string out_path = directory + "/process.out";
  const std::string err_path = directory + "/process.err";
  ::unlink(out_path.c_str());
  ::unlink(err_path.c_str());
  const int out = OpenForWriting(out_path);
  const int err = OpenForWriting(err_path);
  const auto pid = Spawn(arguments, environment, out, err);
  ::close(out);
  ::close(err);
  if (!pid.ok()) return pid.status();
  const int status = AwaitEnd(*pid);
  ProcessResult result;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  result.out = ReadWholeFile(out_path);
  result.err = ReadWholeFile(err_path);
  ::unlink(out_path.c_str());
  ::unlink(err_path.c_str());
  return result;
}

BackgroundProcess::BackgroundProcess(const std::vector<std::string>& arguments,
                                     const std::string& error_path, const Environment& environment)
    : error_path_(error_path) {
  int pipe_ends[2];
  TV_CHECK(::pipe2(pipe_ends, O_CLOEXEC) == 0);
  const int err = OpenForWriting(error_path);
  const auto pid = Spawn(arguments, environment, pipe_ends[1], err);
  ::close(pipe_ends[1]);
  ::close(err);
  TV_CHECK(pid.ok());
  pid_ = *pid;
  out_ = pipe_ends[0];
}

BackgroundProcess::~BackgroundProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    AwaitEnd(pid_);
  }
  ::close(out_);
}

absl::StatusOr<std::string> BackgroundProcess::AwaitLine(const std::string& prefix) {
  size_t end = 0;
  while ((end = read_.find('\n')) == std::string::npos) {
    pollfd waiting{out_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, kReadyTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    char buffer[512];
    const ssize_t got = ready > 0 ? ::read(out_, buffer, sizeof buffer) : 0;
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::InternalError("no line came: " + ReadWholeFile(error_path_));
    read_.append(buffer, static_cast<size_t>(got));
  }
  const std::string line = read_.substr(0, end);
  read_.erase(0, end + 1);
  if (line.starts_with(prefix)) return line.substr(prefix.size());
  return absl::InternalError("another line than " + prefix + "…: " + line);
}

int BackgroundProcess::Terminate() {
  ::kill(pid_, SIGTERM);
  const int status = AwaitEnd(pid_);
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool Await(const std::function<bool()>& holds) {
  constexpr int kTimes = 600;
  constexpr int kIntervalMs = 50;
  for (int i = 0; i < kTimes; ++i) {
    if (holds()) return true;
    ::poll(nullptr, 0, kIntervalMs);
  }
  return false;
}

Daemon::Daemon(DaemonOptions options) : options_(std::move(options)) {}

Daemon::~Daemon() { Kill(); }

std::string Daemon::binary() const {
  return options_.binary.empty() ? TELEVAULTD_BINARY : options_.binary;
}

absl::Status Daemon::Init() {
  std::vector<std::string> arguments = {binary(),      "init",
                                        "--data-dir",  data_dir(),
                                        "--origin",    "vault.test/televault",
                                        "--operators", "alice,bob",
                                        "--token-dir", directory_.Path("tokens")};
  arguments.insert(arguments.end(), options_.init_flags.begin(), options_.init_flags.end());
  if (!options_.passphrase.empty()) {
    const std::string file = directory_.Path("passphrase");
    WriteFile(file, options_.passphrase + "\n");
    arguments.insert(arguments.end(), {"--unseal", "passphrase", "--passphrase-file", file});
  }
  auto result = RunProcess(arguments, directory(), options_.environment);
  if (!result.ok()) return result.status();
  said_ += result->out + result->err;
  if (result->exit_code != 0) return absl::InternalError("init failed: " + result->err);
  if (!options_.passphrase.empty()) ::unlink(directory_.Path("passphrase").c_str());
  {
    constexpr std::string_view line_text = "log key   ";
    const size_t at = result->out.find(line_text);
    if (at == std::string::npos) return absl::InternalError("init printed no log key");
    const size_t begin = at + line_text.size();
    vkey_ = result->out.substr(begin, result->out.find('\n', begin) - begin);
  }
  for (const char* person : {"alice", "bob"}) {
    TokenOf token;
    token.person = person;
    token.path = directory_.Path(std::string("tokens/") + person + ".token");
    token.text = ReadWholeFile(token.path);
    while (!token.text.empty() && token.text.back() == '\n') token.text.pop_back();
    if (token.text.empty()) return absl::InternalError("init wrote no token");
    operators_.push_back(std::move(token));
  }
  WriteFile(directory_.Path("televault.toml"),
            absl::StrReplaceAll(options_.config, {{"@DIRECTORY@", directory()}}));
  return absl::OkStatus();
}

absl::Status Daemon::InitAsCopyOf(const Daemon& stopped) {
  TV_CHECK(!stopped.running());
  for (const auto& entry : std::filesystem::directory_iterator(stopped.directory())) {
    if (entry.is_socket()) continue;
    std::filesystem::copy(entry.path(),
                          std::filesystem::path(directory()) / entry.path().filename(),
                          std::filesystem::copy_options::recursive);
  }
  operators_ = stopped.operators_;
  vkey_ = stopped.vkey_;
  WriteFile(directory_.Path("televault.toml"),
            absl::StrReplaceAll(options_.config, {{"@DIRECTORY@", directory()}}));
  return absl::OkStatus();
}

absl::Status Daemon::Start(const Environment& extra, const std::vector<std::string>& flags) {
  TV_CHECK(pid_ == 0);
  int pipe_ends[2];
  TV_CHECK(::pipe2(pipe_ends, O_CLOEXEC) == 0);
  const int err = OpenForWriting(directory_.Path("daemon.log"));
  Environment environment = options_.environment;
  environment.insert(environment.end(), extra.begin(), extra.end());
  std::vector<std::string> arguments = {
      binary(),     "serve",    "--config", directory_.Path("televault.toml"),
      "--data-dir", data_dir(), "--listen", "unix:" + socket()};
  for (const std::string& address : options_.listen) {
    arguments.insert(arguments.end(), {"--listen", address});
  }
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const auto pid = Spawn(arguments, environment, pipe_ends[1], err);
  ::close(pipe_ends[1]);
  ::close(err);
  out_ = pipe_ends[0];
  if (!pid.ok()) return pid.status();
  pid_ = *pid;
  return AwaitReady(out_);
}

absl::Status Daemon::AwaitReady(int out) {
  std::string text;
  for (;;) {
    pollfd waiting{out, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, kReadyTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      Kill();
      return absl::DeadlineExceededError("not READY in time: " + Output());
    }
    char buffer[512];
    const ssize_t got = ::read(out, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      said_ += text;
      return Exited("the daemon ended before READY");
    }
    text.append(buffer, static_cast<size_t>(got));
    if (text.find('\n') == std::string::npos) continue;
    said_ += text;
    if (text.starts_with("READY addr=unix:" + socket())) return absl::OkStatus();
    return absl::InternalError("the first line is not READY: " + text);
  }
}

absl::Status Daemon::Exited(const std::string& what) {
  AwaitEnd(pid_);
  pid_ = 0;
  ::close(out_);
  return absl::InternalError(what + ": " + Output());
}

absl::Status Daemon::InitAndStart() {
  if (const absl::Status made = Init(); !made.ok()) return made;
  return Start();
}

void Daemon::Kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  AwaitEnd(pid_);
  pid_ = 0;
  ::close(out_);
}

int Daemon::WaitForEnd() {
  TV_CHECK(pid_ != 0);
  const int status = AwaitEnd(pid_);
  pid_ = 0;
  ::close(out_);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

absl::Status Daemon::Terminate() {
  TV_CHECK(pid_ != 0);
  ::kill(pid_, SIGTERM);
  const int status = AwaitEnd(pid_);
  pid_ = 0;
  char buffer[512];
  for (ssize_t got = 0; (got = ::read(out_, buffer, sizeof buffer)) > 0;) {
    said_.append(buffer, static_cast<size_t>(got));
  }
  ::close(out_);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("ended with status ", status, ": ", Output()));
}

absl::Status Daemon::Restart() {
  if (const absl::Status ended = Terminate(); !ended.ok()) return ended;
  return Start();
}

std::unique_ptr<client::Vault> Daemon::As(const std::string& token_text) const {
  client::Options options;
  options.address = "unix:" + socket();
  options.timeout = client::milliseconds(60'000);
  options.max_attempts = 1;
  auto vault = client::Vault::Dial(options, client::SecretText(token_text));
  TV_CHECK(vault.ok());
  return std::move(*vault);
}

absl::Status Daemon::Enrol(const std::string& person, bool service) {
  client::Call call;
  v1::EnrolPersonRequest propose;
  propose.set_name(person);
  propose.set_service(service);
  if (auto done = As(alice())->EnrolPerson(propose, call); !done.ok()) return done.status();
  v1::ConfirmPersonRequest confirm;
  confirm.set_name(person);
  return As(bob())->ConfirmPerson(confirm, call).status();
}

absl::StatusOr<TokenOf> Daemon::MakeToken(const v1::CreateTokenRequest& request) {
  client::Call call;
  const auto made = As(alice())->CreateToken(request, call);
  if (!made.ok()) return made.status();
  TokenOf token;
  token.person = request.person();
  token.accessor = made->token().accessor();
  token.text = call.token;
  token.path = directory_.Path("tokens/" + token.accessor + ".token");
  WriteFile(token.path, token.text + "\n");
  if (made->token().state() == v1::TOKEN_STATE_PENDING) {
    v1::ConfirmTokenRequest confirm;
    confirm.set_accessor(token.accessor);
    if (auto done = As(bob())->ConfirmToken(confirm, call); !done.ok()) return done.status();
  }
  return token;
}

absl::StatusOr<TokenOf> Daemon::Admit(const std::string& person, const std::string& role,
                                      const std::vector<std::string>& datasets) {
  if (const absl::Status enrolled = Enrol(person); !enrolled.ok()) return enrolled;
  v1::CreateTokenRequest request;
  request.set_person(person);
  request.add_roles(role);
  for (const std::string& dataset : datasets) request.add_datasets(dataset);
  return MakeToken(request);
}

std::string Daemon::listener(size_t index) const {
  const size_t at = said_.rfind("READY addr=");
  TV_CHECK(at != std::string::npos);
  const std::vector<std::string> addresses =
      absl::StrSplit(said_.substr(at + 11, said_.find('\n', at) - at - 11), ',');
  TV_CHECK(index + 1 < addresses.size());
  return addresses[index + 1];
}

std::string Daemon::Output() const { return said_ + ReadWholeFile(directory_.Path("daemon.log")); }

}  // namespace televault::testing
