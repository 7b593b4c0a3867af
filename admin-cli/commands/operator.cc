#include <optional>

#include "absl/strings/str_cat.h"

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/secret_input.h"

namespace televault::cli {
namespace {

// Argon2id takes its time on purpose.
constexpr client::milliseconds kUnsealTimeout{120'000};
constexpr char kPassphraseInstead[] =
    "the passphrase is typed on a terminal or read with --passphrase-file";
constexpr char kShareInstead[] = "shares are typed on a terminal or read with --share-file";

struct UnsealArgs {
  std::string passphrase_file;
  std::vector<std::string> share_files;
  bool keyfile = false;
  bool forget_shares = false;
};

void DeclareUnseal(CLI::App& verb, UnsealArgs& args) {
  CLI::Option* const file = verb.add_option("--passphrase-file", args.passphrase_file,
                                            "First line of a file only you can read, or -");
  CLI::Option* const shares =
      verb.add_option("--share-file", args.share_files,
                      "Shares of the root key, one a line, in a file only you can read, or - "
                      "(repeatable)")
          ->excludes(file);
  verb.add_flag("--forget-shares", args.forget_shares,
                "First forget the shares that were given so far");
  verb.add_flag("--keyfile", args.keyfile, "The vault has its own keyfile: ask for nothing")
      ->excludes(file)
      ->excludes(shares);
}

absl::StatusOr<v1::UnsealResponse> Give(Context& context, client::Vault& vault,
                                        const v1::UnsealRequest& request,
                                        const client::SecretText& secret) {
  client::Call call = context.NewCall(kUnsealTimeout);
  TV_ASSIGN_OR_RETURN(auto response, vault.Unseal(request, secret, call));
  context.Observe(response.receipt());
  return response;
}

// Mistyped, or the same once more: worth another try at the terminal.
bool WorthTyping(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsAlreadyExists(status);
}

absl::StatusOr<v1::UnsealResponse> GiveShares(Context& context, client::Vault& vault,
                                              const UnsealArgs& args,
                                              const v1::GetStatusResponse& status) {
  TV_ASSIGN_OR_RETURN(SecretSource source, SecretSource::Open(context, args.share_files));
  v1::UnsealResponse last;
  last.set_seal(v1::SEAL_STATE_SEALED);
  last.set_shares_given(status.shares_given());
  last.set_shares_needed(status.shares_needed());
  while (last.seal() != v1::SEAL_STATE_UNSEALED) {
    TV_ASSIGN_OR_RETURN(
        const std::optional<client::SecretText> share,
        source.Next(absl::StrCat("Share (", last.shares_given(), " of ", last.shares_needed(),
                                 " given; empty line ends): "),
                    kShareInstead));
    if (!share.has_value()) break;
    auto given = Give(context, vault, {}, *share);
    if (!given.ok() && source.asks() && WorthTyping(given.status())) {
      context.err() << Explain(given.status()) << '\n';
      continue;
    }
    TV_RETURN_IF_ERROR(given.status());
    last = *std::move(given);
  }
  return last;
}

absl::StatusOr<v1::UnsealResponse> Unseal(Context& context, client::Vault& vault,
                                          const UnsealArgs& args,
                                          const v1::GetStatusResponse& status) {
  switch (status.root_source()) {
    case v1::ROOT_SOURCE_SHARES:
      return GiveShares(context, vault, args, status);
    case v1::ROOT_SOURCE_PASSPHRASE: {
      client::SecretText passphrase;
      if (!args.passphrase_file.empty()) {
        TV_ASSIGN_OR_RETURN(passphrase, client::ReadSecretFile(args.passphrase_file));
      } else if (!args.keyfile) {
        TV_ASSIGN_OR_RETURN(passphrase, TypeSecret(context, "Passphrase: ", kPassphraseInstead));
      }
      return Give(context, vault, {}, passphrase);
    }
    default:
      return Give(context, vault, {}, {});
  }
}

absl::StatusOr<ExitCode> RunUnseal(Context& context, const UnsealArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  if (args.forget_shares) {
    v1::UnsealRequest forget;
    forget.set_forget_shares(true);
    TV_RETURN_IF_ERROR(Give(context, *vault, forget, {}).status());
  }
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto status, vault->GetStatus({}, call));
  context.Observe(status.checkpoint());
  TV_ASSIGN_OR_RETURN(const auto response, Unseal(context, *vault, args, status));
  Json shown = ToJson(response);
  if (response.shares_needed() == 0) {
    shown.erase("shares_given");
    shown.erase("shares_needed");
  }
  EmitObject(context, shown);
  if (response.seal() == v1::SEAL_STATE_UNSEALED) return ExitCode::kOk;
  context.Note(
      absl::StrCat(response.shares_needed() - response.shares_given(),
                   " more shares unseal the vault; those given are kept for ten minutes."));
  return ExitCode::kPending;
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
                           {"root_source", ToJson(status)["root_source"]},
                           {"shares_given", status.shares_given()},
                           {"shares_needed", status.shares_needed()},
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
