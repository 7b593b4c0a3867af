// televaultd: the vault's daemon.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <malloc.h>
#include <optional>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/stubs/logging.h"
#include <CLI/CLI.hpp>

#include "vault/base/bytes.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/crypto/aead.h"
#include "vault/daemon/config.h"
#include "vault/daemon/directory_lock.h"
#include "vault/daemon/init.h"
#include "vault/daemon/key_replicas.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/notify.h"
#include "vault/daemon/passphrase.h"
#include "vault/daemon/restore.h"
#include "vault/daemon/served_vault.h"
#include "vault/daemon/vault.h"
#include "vault/daemon/version.h"

namespace televault::daemon {
namespace {

constexpr size_t kMaxConfigBytes = 256 * 1024;
constexpr auto kTick = timespec{0, 250'000'000};
constexpr auto kStartTick = timespec{0, 10'000'000};  // until READY

// A token has refused the PIN: the unit does not start the daemon again, because a few wrong ones
// lock the token.
constexpr int kExitPinRefused = 78;
// As the command line's: a backup that does not verify is told from one that cannot be read.
constexpr int kVerificationFailed = 3;

int Fail(const absl::Status& status) {
  std::cerr << "televaultd: " << status.message() << "\n";
  return absl::IsUnauthenticated(status) ? kExitPinRefused : 1;
}

// No core file, no debugger: the process holds keys.
void Harden() {
  ::prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::umask(0007);
}

// Signals are taken by one thread with sigtimedwait, never by a handler.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

struct ServeFlags {
  std::string config_file;
  std::string data_dir;
  std::vector<std::string> listen;
  std::string adopt_reason;
  std::string drop_key_replica;
};

absl::StatusOr<Config> ReadConfig(const std::string& file) {
  if (file.empty()) return Config();
  TV_ASSIGN_OR_RETURN(const std::string text, PosixFileSystem().ReadFile(file, kMaxConfigBytes));
  return ParseConfig(text, file);
}

absl::StatusOr<Config> LoadConfig(const ServeFlags& flags) {
  TV_ASSIGN_OR_RETURN(Config config, ReadConfig(flags.config_file));
  if (!flags.data_dir.empty()) config.data_dir = flags.data_dir;
  if (!flags.listen.empty()) config.listen = flags.listen;
  config.adopt_reason = flags.adopt_reason;
  config.drop_key_replica = flags.drop_key_replica;
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
  TV_RETURN_IF_ERROR(UseCredential(config, credentials == nullptr ? "" : credentials));
  const std::string tls_dir = Layout{config.data_dir}.tls_dir();
  if (config.tls.cert_file.empty() && config.tls.key_file.empty() &&
      PosixFileSystem().Exists(tls_dir + "/server.key")) {
    config.tls.cert_file = tls_dir + "/server.crt";
    config.tls.key_file = tls_dir + "/server.key";
  }
  TV_RETURN_IF_ERROR(CheckConfig(config));
  return config;
}

void Announce(const std::vector<std::string>& listening) {
  std::string addresses;
  for (const std::string& address : listening) {
    addresses += (addresses.empty() ? "" : ",") + address;
  }
  std::cout << "READY addr=" << addresses << std::endl;
  NotifySystemd("READY=1");
}

// A query takes and gives back memory for each block. By default pieces of 128 KiB and more come
// from the kernel each time and go back to it, which costs more than what is done with them.
void KeepFreedMemory() {
  constexpr int kLargest = 32 * 1024 * 1024;  // the most that glibc takes
  ::mallopt(M_MMAP_THRESHOLD, kLargest);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kLargest);
}

int Serve(const ServeFlags& flags) {
  KeepFreedMemory();
  const auto config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  if (crypto::NullCipher() && std::getenv("TELEVAULT_NULL_CIPHER_TEST") == nullptr) {
    return Fail(absl::FailedPreconditionError(
        "this binary was built without encryption, for one test, and serves nothing else"));
  }
  Harden();
  ArmCrashPointFromEnvironment();
  service::ConfigureLog(config->log_format, config->log_level);
  // A message that does not parse is an answer and an entry, not a line of protobuf's own.
  google::protobuf::SetLogHandler(nullptr);
  const sigset_t signals = BlockSignals();

  const auto lock = DirectoryLock::Take(config->data_dir);
  if (!lock.ok() && !absl::IsNotFound(lock.status())) return Fail(lock.status());
  auto vault = Vault::Open(*config, {PosixFileSystem(), SystemClock(), SystemRandom()});
  if (!vault.ok()) return Fail(vault.status());
  auto served = ServedVault::Start(*config, **vault);
  if (!served.ok()) return Fail(served.status());

  bool announced = false;
  int signal = 0;
  while ((signal = ::sigtimedwait(&signals, nullptr, announced ? &kTick : &kStartTick)) < 0) {
    if (!announced && (*served)->ready()) {
      announced = true;
      Announce((*served)->addresses());
    }
    (*served)->UpdateHealth();
  }
  service::Log(service::LogLevel::kInfo, "stopping", {{"signal", signal}});
  NotifySystemd("STOPPING=1");
  (*served)->Stop();
  return 0;
}

void AddTokenOptions(CLI::App* command, crypto::Pkcs11Settings& pkcs11) {
  command->add_option("--pkcs11-module", pkcs11.module, "PKCS#11 module, an absolute path");
  command->add_option("--pkcs11-token", pkcs11.tokens, "Label of a token; may be repeated");
  command->add_option("--pkcs11-pin-file", pkcs11.pin_file,
                      "File with the PIN of the tokens' user, mode 0600");
}

struct InitFlags {
  std::string data_dir;
  std::string unseal = "keyfile";
  std::string origin;
  std::string operators;
  std::string token_dir;
  std::string keyfile;
  std::string passphrase_file;
  size_t shares = 5;
  size_t threshold = 3;
  std::string shares_file;
  std::string tls_hosts = "localhost,127.0.0.1";
  std::string slots = "file";
  crypto::Pkcs11Settings pkcs11;
};

// What `serve` needs to find the tokens again.
void SayTokens(const crypto::Pkcs11Settings& pkcs11, const InitResult& result) {
  std::string labels;
  for (const auto& [label, id] : result.slot_tokens) {
    std::cout << "key slots " << label << "  (key replica " << ToHex(id) << ")\n";
    labels += (labels.empty() ? "\"" : ", \"") + label + "\"";
  }
  if (labels.empty()) return;
  std::error_code none;
  const std::filesystem::path pin_file = std::filesystem::absolute(pkcs11.pin_file, none);
  std::cout << "Put this into the configuration:\n[keys.pkcs11]\nmodule = \"" << pkcs11.module
            << "\"\ntokens = [" << labels << "]\npin_file = \""
            << (none ? pkcs11.pin_file : pin_file.string()) << "\"\n";
}

int Init(const InitFlags& flags) {
  Harden();
  InitOptions options;
  options.data_dir = flags.data_dir;
  options.origin = flags.origin;
  options.operators = absl::StrSplit(flags.operators, ',', absl::SkipEmpty());
  options.token_dir = flags.token_dir;
  options.keyfile = flags.keyfile;
  options.tls_hosts = absl::StrSplit(flags.tls_hosts, ',', absl::SkipEmpty());
  if ((flags.slots == "pkcs11") == flags.pkcs11.module.empty()) {
    return Fail(
        absl::InvalidArgumentError("--slots pkcs11 needs --pkcs11-module, --pkcs11-token and "
                                   "--pkcs11-pin-file, and they need it"));
  }
  if (const absl::Status right = crypto::CheckPkcs11Settings(flags.pkcs11); !right.ok()) {
    return Fail(right);
  }
  options.pkcs11 = flags.pkcs11;
  if (flags.unseal == "passphrase") {
    auto passphrase = ReadPassphrase(flags.passphrase_file, "New passphrase: ");
    if (!passphrase.ok()) return Fail(passphrase.status());
    options.passphrase = std::move(*passphrase);
  } else if (flags.unseal == "shares") {
    options.shares = flags.shares;
    options.threshold = flags.threshold;
    options.shares_file = flags.shares_file;
  }
  const auto result = InitVault(PosixFileSystem(), SystemClock(), SystemRandom(), options);
  if (!result.ok()) return Fail(result.status());
  std::cout << "A vault was made in " << flags.data_dir << "\n"
            << "log key   " << result->vkey << "\n";
  if (!result->keyfile.empty()) {
    std::cout << "root key  " << result->keyfile << "  (keep a copy in a safe place; without it"
              << " nothing can be read)\n";
  }
  for (const std::string& share : result->shares) {
    std::cout << "share     " << share << "  (shown once)\n";
  }
  if (flags.unseal == "shares") {
    std::cout << "Give each of the " << flags.shares << " shares"
              << (flags.shares_file.empty() ? "" : " in " + flags.shares_file)
              << " to another person: " << flags.threshold
              << " of them unseal the vault, and with fewer nothing can be read\n";
  }
  for (const auto& token : result->tokens) {
    std::cout << "operator  " << token.person << "  " << token.accessor << "  "
              << (token.file.empty() ? token.text + "  (shown once)" : token.file) << "\n";
  }
  SayTokens(flags.pkcs11, *result);
  return 0;
}

struct ReplicaFlags {
  std::string data_dir;
  std::string directory;
  crypto::Pkcs11Settings pkcs11;
};

int AddTokenReplica(const ReplicaFlags& flags, const Identity& identity) {
  if (identity.slots != SlotBackend::kPkcs11) {
    return Fail(absl::FailedPreconditionError(
        "this vault was made with its slot secrets in files: a token cannot be its key replica"));
  }
  if (flags.pkcs11.tokens.size() != 1) {
    return Fail(absl::InvalidArgumentError("one token is added at a time: --pkcs11-token LABEL"));
  }
  const auto made = crypto::Pkcs11KeySlots::Mark(flags.pkcs11, identity.vault, SystemRandom());
  if (!made.ok()) return Fail(made.status());
  std::cout
      << "key replica " << ToHex((*made)->marked().front()) << "\nAdd \""
      << flags.pkcs11.tokens.front()
      << "\" to keys.pkcs11.tokens and restart the daemon: it fills the replica at the start\n";
  return 0;
}

int AddReplica(const ReplicaFlags& flags) {
  Harden();
  const auto identity = ReadIdentity(PosixFileSystem(), Layout{flags.data_dir});
  if (!identity.ok()) return Fail(identity.status());
  const bool token = !flags.pkcs11.module.empty();
  if (token != flags.directory.empty()) {
    return Fail(absl::InvalidArgumentError("give a directory, or a token with --pkcs11-module"));
  }
  if (token) return AddTokenReplica(flags, *identity);
  const auto id =
      MarkKeyReplica(PosixFileSystem(), SystemRandom(), identity->vault, flags.directory);
  if (!id.ok()) return Fail(id.status());
  std::cout << "key replica " << ToHex(*id) << "\nAdd \"" << flags.directory
            << "\" to keys.replicas and restart the daemon: it fills the replica at the start\n";
  return 0;
}

struct RestoreFlags {
  std::string config_file;
  std::string data_dir;
  std::string from;
  std::string accepted;
  std::string static_files;
};

int Restore(const RestoreFlags& flags) {
  auto config = ReadConfig(flags.config_file);
  if (!config.ok()) return Fail(config.status());
  if (!flags.data_dir.empty()) config->data_dir = flags.data_dir;
  if (config->data_dir.empty()) {
    return Fail(absl::InvalidArgumentError("give --data-dir, or a --config that names it"));
  }
  Harden();
  ArmCrashPointFromEnvironment();
  const RestoreOptions options{.config = *config,
                               .backup = flags.from,
                               .accepted = flags.accepted,
                               .static_files = flags.static_files,
                               .by = absl::StrCat("uid ", ::getuid())};
  const auto report = RestoreVault(PosixFileSystem(), SystemClock(), SystemRandom(), options);
  if (!report.ok()) {
    Fail(report.status());
    return absl::IsDataLoss(report.status()) ? kVerificationFailed : 1;
  }
  const backup::Manifest& manifest = report->manifest;
  std::cout << "restored  " << config->data_dir << "/store, as of "
            << FormatRfc3339(manifest.created_at) << ": " << manifest.head.size
            << " audit entries, " << manifest.bytes << " bytes, "
            << static_cast<uint64_t>(static_cast<double>(manifest.bytes) /
                                     std::max(report->seconds, 0.001) / 1e6)
            << " MB/s\n";
  if (report->lost_entries > 0) {
    std::cout << "lost      " << report->lost_entries << " audit entries after it, and what they "
              << "speak of; clients that saw them will say so (exit 3)\n";
  }
  if (report->lost_control > 0) {
    std::cout << "rights    the control files are " << report->lost_control
              << " changes older than "
              << "the anchor knows: revoke again what was revoked since\n";
  }
  if (!report->kept.empty()) {
    std::cout << "kept      " << report->kept << " is the store of before; remove it when it is no "
              << "longer needed: what expires is not purged there\n";
  }
  std::cout
      << "next      start the daemon and unseal: it is locked at `all` until two persons lift "
      << "that\n";
  return 0;
}

int CheckConfigFile(const ServeFlags& flags) {
  const auto config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  std::cout << "ok\n";
  return 0;
}

void AddInitOptions(CLI::App* init, InitFlags& flags) {
  init->add_option("--data-dir", flags.data_dir, "Directory to make")->required();
  init->add_option("--unseal", flags.unseal, "Where the root key comes from")
      ->check(CLI::IsMember({"keyfile", "passphrase", "shares"}));
  init->add_option("--origin", flags.origin,
                   "Name of the audit log, e.g. "
                   "vault.example.org/televault")
      ->required();
  init->add_option("--operators", flags.operators, "The first two operators: alice,bob")
      ->required();
  init->add_option("--token-dir", flags.token_dir,
                   "Write the operators' tokens to files here instead of printing them");
  init->add_option("--keyfile", flags.keyfile, "Where to put the root key");
  init->add_option("--passphrase-file", flags.passphrase_file,
                   "Read the passphrase from this file instead of asking");
  init->add_option("--shares", flags.shares, "How many shares; 2 to 32")
      ->check(CLI::Range(2, 32))
      ->capture_default_str();
  init->add_option("--threshold", flags.threshold, "How many of them unseal; at least 2")
      ->capture_default_str();
  init->add_option("--shares-out", flags.shares_file,
                   "Write the shares to this file, one a line, instead of printing them");
  init->add_option("--tls-hosts", flags.tls_hosts, "Names in the server certificate");
  init->add_option("--slots", flags.slots, "Where the slot secrets are, for good")
      ->check(CLI::IsMember({"file", "pkcs11"}));
  AddTokenOptions(init, flags.pkcs11);
}

// "" where it is one; what is wrong with it otherwise.
std::string IsReason(const std::string& reason) {
  static_assert(limits::kMaxReasonBytes == 1024);
  return !reason.empty() && reason.size() <= limits::kMaxReasonBytes
             ? ""
             : "a reason has 1 to 1024 bytes";
}

void AddRestoreOptions(CLI::App& command, RestoreFlags& flags) {
  command.add_option("--config", flags.config_file, "TOML file of the daemon");
  command.add_option("--data-dir", flags.data_dir, "Directory made by init");
  command.add_option("--from", flags.from, "Directory of the backup")->required();
  command
      .add_option("--accept-lost-history", flags.accepted,
                  "Go on from a backup that is older than the anchor; say why. Recorded")
      ->check(IsReason);
  command.add_option("--static-files", flags.static_files,
                     "Make a data directory that is lost again, out of copies of identity, control "
                     "and tls in this directory");
}

int Main(int argc, char** argv) {
  CLI::App app{"televaultd: an access-controlled telemetry data vault"};
  app.require_subcommand(1);
  InitFlags init_flags;
  CLI::App* init = app.add_subcommand("init", "Make a new vault");
  AddInitOptions(init, init_flags);

  ServeFlags serve_flags;
  const auto add_serve_options = [&](CLI::App* command) {
    command->add_option("--config", serve_flags.config_file, "TOML file");
    command->add_option("--data-dir", serve_flags.data_dir, "Directory made by init");
    command->add_option("--listen", serve_flags.listen, "unix:PATH or HOST:PORT; may be repeated");
  };
  CLI::App* serve = app.add_subcommand("serve", "Serve a vault");
  add_serve_options(serve);
  serve
      ->add_option("--adopt-recovered-state", serve_flags.adopt_reason,
                   "Go on from a state that is older than the anchor; say why. Recorded, starts "
                   "locked at `all`")
      ->check(IsReason);
  serve->add_option("--drop-key-replica", serve_flags.drop_key_replica,
                    "Go on without this key replica (its id), which is lost. Recorded");
  ReplicaFlags replica_flags;
  CLI::App* replica =
      app.add_subcommand("key-replica", "Directories and tokens that hold copies of the keys");
  CLI::App* add_replica =
      replica->add_subcommand("add", "Prepare a directory, best on another device, or a token");
  add_replica->add_option("--data-dir", replica_flags.data_dir, "Directory made by init")
      ->required();
  add_replica->add_option("directory", replica_flags.directory, "Absent or empty");
  AddTokenOptions(add_replica, replica_flags.pkcs11);
  replica->require_subcommand(1);
  RestoreFlags restore_flags;
  CLI::App* restore = app.add_subcommand("restore", "Put a backup in the place of the store");
  AddRestoreOptions(*restore, restore_flags);
  CLI::App* config = app.add_subcommand("config", "Look at the configuration");
  CLI::App* check = config->add_subcommand("check", "Check a configuration without serving");
  add_serve_options(check);
  config->require_subcommand(1);
  CLI::App* version = app.add_subcommand("version", "Print the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  if (init->parsed()) return Init(init_flags);
  if (serve->parsed()) return Serve(serve_flags);
  if (add_replica->parsed()) return AddReplica(replica_flags);
  if (restore->parsed()) return Restore(restore_flags);
  if (check->parsed()) return CheckConfigFile(serve_flags);
  if (version->parsed()) std::cout << "televaultd " << kVersion << "\n";
  return 0;
}

}  // namespace
}  // namespace televault::daemon

int main(int argc, char** argv) { return televault::daemon::Main(argc, argv); }
