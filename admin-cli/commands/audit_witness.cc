#include "admin-cli/commands/audit_witness.h"

#include <csignal>
#include <pthread.h>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "admin-cli/witness/witness.h"
#include "admin-cli/witness/witness_server.h"
#include "audit/policy.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"

namespace televault::cli {
namespace {

struct WitnessArgs {
  std::string directory;
  std::string name;
  std::string listen = "127.0.0.1:8859";
  std::vector<std::string> logs;
};

void DeclareWitness(CLI::App& verb, WitnessArgs& args) {
  verb.add_option("--state", args.directory,
                  "Directory of its key and of what it has cosigned; made at the first start")
      ->required();
  verb.add_option("--name", args.name, "Name of its key, e.g. witness.example.org/1; first start");
  verb.add_option("--log", args.logs, "Verifier key (vkey) of a log to cosign; may be repeated")
      ->required();
  verb.add_option("--listen", args.listen, "HOST:PORT; port 0 takes a free one")
      ->capture_default_str();
}

struct HostAndPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostAndPort> ParseListen(const std::string& text) {
  constexpr int kMaxPort = 65'535;
  const size_t colon = text.rfind(':');
  HostAndPort parsed;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &parsed.port) || parsed.port < 0 ||
      parsed.port > kMaxPort) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen must be HOST:PORT with a port from 0 to 65535, not ", text));
  }
  parsed.host = text.substr(0, colon);
  if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  }
  return parsed;
}

absl::StatusOr<ExitCode> RunWitness(Context& context, const WitnessArgs& args) {
  TV_ASSIGN_OR_RETURN(const HostAndPort address, ParseListen(args.listen));
  Witness::Options options{.directory = args.directory, .name = args.name, .logs = {}};
  for (const std::string& log : args.logs) {
    TV_ASSIGN_OR_RETURN(audit::VerifierKey key, audit::VerifierKey::Parse(log));
    options.logs.push_back(std::move(key));
  }
  TV_ASSIGN_OR_RETURN(const auto witness,
                      Witness::Open(options, {PosixFileSystem(), SystemClock(), SystemRandom()}));
  TV_ASSIGN_OR_RETURN(const auto server,
                      WitnessServer::Bind(*witness, SystemClock(), address.host, address.port));

  // The thread that serves inherits the mask: the signals come here and nowhere else.
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);
  std::thread serving([&] { server->Run(); });
  context.out() << "witness " << witness->key().Text() << '\n'
                << "READY http://" << args.listen.substr(0, args.listen.rfind(':')) << ':'
                << server->port() << '\n'
                << std::flush;
  int signal = 0;
  sigwait(&stops, &signal);
  server->Stop();
  serving.join();
  return ExitCode::kOk;
}

}  // namespace

void AddAuditWitness(CLI::App& audit, Choice& choice) {
  AddVerb(audit, choice, "witness", "Serve a witness that cosigns checkpoints of logs it knows",
          &DeclareWitness, &RunWitness);
}

}  // namespace televault::cli
