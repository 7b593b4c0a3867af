#include <iostream>
#include <termios.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"

namespace televault::cli {
namespace {

constexpr size_t kMaxPassphraseBytes = 1024;
// Argon2id takes its time on purpose.
constexpr client::milliseconds kUnsealTimeout{120'000};

struct UnsealArgs {
  std::string passphrase_file;
  bool keyfile = false;
};

// Switches the terminal's echo off while it lives.
// Threads: one.  Borrows: the terminal of `fd`.
class EchoOff {
 public:
  explicit EchoOff(int fd) : fd_(fd), changed_(tcgetattr(fd, &before_) == 0) {
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (changed_) changed_ = tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  ~EchoOff() {
    if (changed_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  bool silent() const { return changed_; }

 private:
  const int fd_;
  termios before_{};
  bool changed_;
};

absl::StatusOr<client::SecretText> TypePassphrase(Context& context) {
  if (!context.terminal().in_is_terminal) {
    return absl::FailedPreconditionError(
        "the passphrase is typed on a terminal or read with --passphrase-file, and --keyfile "
        "unseals without one");
  }
  const EchoOff echo(STDIN_FILENO);
  if (!echo.silent()) {
    return absl::FailedPreconditionError(
        "the terminal's echo cannot be switched off: use --passphrase-file");
  }
  context.err() << "Passphrase: " << std::flush;
  WipedBuffer typed;
  char c = 0;
  while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
    if (typed.size() == kMaxPassphraseBytes) {
      return absl::InvalidArgumentError("a passphrase has at most 1024 bytes");
    }
    typed.push_back(static_cast<uint8_t>(c));
  }
  context.err() << '\n';
  return client::SecretText({reinterpret_cast<const char*>(typed.data()), typed.size()});
}

absl::StatusOr<client::SecretText> FindPassphrase(Context& context, const UnsealArgs& args) {
  if (args.keyfile) return client::SecretText();
  if (args.passphrase_file.empty()) return TypePassphrase(context);
  TV_ASSIGN_OR_RETURN(client::SecretText secret, client::ReadSecretFile(args.passphrase_file));
  if (secret.size() > kMaxPassphraseBytes) {
    return absl::InvalidArgumentError("a passphrase has at most 1024 bytes");
  }
  return secret;
}

void DeclareUnseal(CLI::App& verb, UnsealArgs& args) {
  CLI::Option* const file = verb.add_option("--passphrase-file", args.passphrase_file,
                                            "First line of a file only you can read, or -");
  verb.add_flag("--keyfile", args.keyfile, "The vault has its own keyfile: ask for nothing")
      ->excludes(file);
}

absl::StatusOr<ExitCode> RunUnseal(Context& context, const UnsealArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  TV_ASSIGN_OR_RETURN(const client::SecretText passphrase, FindPassphrase(context, args));
  client::Call call = context.NewCall(kUnsealTimeout);
  TV_ASSIGN_OR_RETURN(const auto response, vault->Unseal({}, passphrase, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response));
  return response.seal() == v1::SEAL_STATE_UNSEALED ? ExitCode::kOk : ExitCode::kLocked;
}

absl::StatusOr<ExitCode> RunSeal(Context& context, const NoArgs&) {
  TV_RETURN_IF_ERROR(context.Confirm(
      "This wipes every key from the vault's memory: nothing is read or ingested until an operator "
      "unseals it. Seal now?"));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->Seal({}, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunSealStatus(Context& context, const NoArgs&) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto status, vault->GetStatus({}, call));
  context.Observe(status.checkpoint());
  const bool open = status.seal() == v1::SEAL_STATE_UNSEALED;
  EmitObject(context, Json{{"seal", open ? "unsealed" : "sealed"},
                           {"control_mode", status.control_mode()},
                           {"keyring_generation", status.keyring_generation()},
                           {"slot_kind", status.slot_kind()}});
  return open && status.control_mode().empty() ? ExitCode::kOk : ExitCode::kLocked;
}

}  // namespace

void AddOperator(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "operator", "Seal and unseal");
  AddVerb(*noun, choice, "unseal", "Bring the root key into memory", &DeclareUnseal, &RunUnseal);
  AddVerb(*noun, choice, "seal", "Wipe every key from memory", &DeclareNothing, &RunSeal);
  AddVerb(*noun, choice, "status", "Sealed or not; exit 5 when sealed", &DeclareNothing,
          &RunSealStatus);
}

}  // namespace televault::cli
