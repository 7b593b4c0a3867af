#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/secret_file.h"
#include "admin-cli/secret_input.h"

namespace televault::cli {
namespace {

// Argon2id, twice; a keyring that is wrapped anew.
constexpr client::milliseconds kChangeTimeout{300'000};
constexpr char kInstead[] =
    "the passphrase or shares are typed on a terminal or read with --passphrase-file, "
    "--new-passphrase-file and --share-file";

// --- status ---

std::string Root(const v1::RootKeyStatus& root) {
  const Json json = ToJson(root);
  std::string text = CellText(json["source"]);
  if (root.source() == v1::ROOT_SOURCE_SHARES) {
    absl::StrAppend(&text, ", ", root.threshold(), " of ", root.shares(), ", set ",
                    Printable(root.share_set()));
  }
  return absl::StrCat(text, ", since ", CellText(json["created_at"]));
}

std::string MetaKeys(const v1::GetKeysResponse& keys) {
  std::vector<std::string> parts;
  for (const v1::MetaKeyStatus& key : keys.meta_keys()) {
    std::string part = absl::StrCat(key.number(), " since ", CellText(ToJson(key)["created_at"]));
    if (!key.current()) {
      absl::StrAppend(&part, ", to be destroyed once ", HumanCount(key.records()),
                      " records are sealed again");
    }
    parts.push_back(std::move(part));
  }
  return absl::StrJoin(parts, "; ");
}

std::string Epochs(const v1::GetKeysResponse& keys) {
  int destroyed = 0;
  std::string current;
  for (const v1::AuditEpochStatus& epoch : keys.audit_epochs()) {
    destroyed += epoch.destroyed() ? 1 : 0;
    if (epoch.current()) {
      current = absl::StrCat(epoch.epoch(), " since ", CellText(ToJson(epoch)["created_at"]));
    }
  }
  return absl::StrCat(current, "; ", keys.audit_epochs_size(), " in all, ", destroyed,
                      " destroyed");
}

std::string Describe(const v1::RootChange& change) {
  if (change.phase() == v1::ROOT_CHANGE_PHASE_NONE) return "none";
  const Json json = ToJson(change);
  return absl::StrCat("to ", CellText(json["target"]), ", by ", Printable(change.started_by()),
                      ": ", change.given(), " of ", change.needed(),
                      change.phase() == v1::ROOT_CHANGE_PHASE_CONFIRM ? " new" : " present",
                      " secrets given, lapses at ", CellText(json["lapses_at"]));
}

absl::StatusOr<ExitCode> RunStatus(Context& context, const NoArgs&) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto keys, vault->GetKeys({}, call));
  if (context.format() != OutputFormat::kTable) {
    EmitObject(context, ToJson(keys));
    return ExitCode::kOk;
  }
  WriteFacts(context.out(),
             {{"root key", Root(keys.root())},
              {"change of it", Describe(keys.root_change())},
              {"keyring", absl::StrCat("generation ", keys.keyring_generation(), ", ",
                                       HumanBytes(keys.keyring_bytes()))},
              {"slot", absl::StrCat(keys.slot(), ", ", Printable(keys.slot_kind()), ", ",
                                    keys.slot_replicas(),
                                    keys.slot_replicas() == 1 ? " replica" : " replicas")},
              {"meta key", MetaKeys(keys)},
              {"audit epoch", Epochs(keys)}},
             context.table_style());
  context.out() << '\n';
  std::vector<Json> datasets;
  for (const v1::DatasetKeyStatus& one : keys.datasets()) datasets.push_back(ToJson(one));
  EmitList(context, datasets,
           {{"dataset", "dataset"},
            {"data keys", "data_keys", Align::kRight},
            {"first day", "first_day"},
            {"last day", "last_day"},
            {"due", "due", Align::kRight},
            {"held", "held", Align::kRight},
            {"events", "events", Align::kRight},
            {"bytes", "bytes", Align::kRight},
            {"salts", "salts", Align::kRight}});
  return ExitCode::kOk;
}

// --- change of the root key ---

struct ChangeArgs {
  std::string target;
  uint32_t shares = 0;
  uint32_t threshold = 0;
  std::vector<std::string> share_files;
  std::string passphrase_file;
  std::string new_passphrase_file;
  std::string shares_out;
  bool go_on = false;
  bool cancel = false;
};

void DeclareChange(CLI::App& verb, ChangeArgs& args) {
  verb.add_option("--share-file", args.share_files,
                  "Present shares, one a line, in a file only you can read, or - (repeatable)");
  verb.add_option("--passphrase-file", args.passphrase_file,
                  "The present passphrase: first line of a file only you can read, or -");
  verb.add_option("--shares-out", args.shares_out,
                  "New file for the new shares, readable by you only; they are read back from it");
  CLI::Option* const go_on =
      verb.add_flag("--continue", args.go_on, "Go on with the change that is under way");
  verb.add_flag("--cancel", args.cancel, "Forget the change that is under way")->excludes(go_on);
}

// Everything that one run of the command needs at hand.
struct ChangeRun {
  Context& context;
  client::Vault& vault;
  const ChangeArgs& args;
  std::unique_ptr<SecretFile> out;
  std::optional<SecretSource> present;
  std::optional<SecretSource> fresh;
};

absl::StatusOr<v1::RootChange> Send(ChangeRun& change, const v1::ChangeRootRequest& request,
                                    const client::SecretText& secret,
                                    const client::SecretText& new_passphrase) {
  Context& context = change.context;
  client::Call call = context.NewCall(kChangeTimeout);
  TV_ASSIGN_OR_RETURN(const auto response,
                      change.vault.ChangeRoot(request, secret, new_passphrase, call));
  context.Observe(response.receipt());
  if (call.shares.empty()) return response.change();
  if (change.out != nullptr) {
    WipedBuffer text;
    for (const client::SecretText& share : call.shares) {
      const std::string_view line = share.Reveal();
      text.insert(text.end(), line.begin(), line.end());
      text.push_back('\n');
    }
    TV_RETURN_IF_ERROR(change.out->WriteBytes(text));
    TV_ASSIGN_OR_RETURN(change.fresh, SecretSource::Open(context, {change.args.shares_out}));
    return response.change();
  }
  // The only time they are shown, so before anything else can fail. Not in the result: that waits.
  for (const client::SecretText& share : call.shares) {
    context.out() << "share  " << share.Reveal() << '\n';
  }
  context.out() << std::flush;
  context.Note(absl::StrCat(
      "Hand each of them to another person now: the vault cannot show them again. They take effect "
      "when ",
      response.change().needed(), " of them have been given back, here or with --continue."));
  return response.change();
}

absl::StatusOr<v1::ChangeRootRequest> StartOf(const ChangeArgs& args) {
  static const std::map<std::string, v1::RootSource> kTargets = {
      {"keyfile", v1::ROOT_SOURCE_KEYFILE},
      {"passphrase", v1::ROOT_SOURCE_PASSPHRASE},
      {"shares", v1::ROOT_SOURCE_SHARES}};
  v1::ChangeRootRequest request;
  request.set_step(v1::ROOT_CHANGE_STEP_START);
  const auto target = kTargets.find(args.target);
  if (target == kTargets.end()) {
    return absl::InvalidArgumentError("--to takes keyfile, passphrase or shares");
  }
  request.set_target(target->second);
  if (request.target() == v1::ROOT_SOURCE_SHARES) {
    request.set_shares(args.shares);
    request.set_threshold(args.threshold);
  } else if (!args.shares_out.empty()) {
    return absl::InvalidArgumentError("--shares-out goes with shares only");
  }
  return request;
}

// Whoever gives something for a change of another's knows what for.
absl::StatusOr<v1::RootChange> GoOn(ChangeRun& change) {
  client::Call call = change.context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto keys, change.vault.GetKeys({}, call));
  const v1::RootChange& under_way = keys.root_change();
  if (under_way.phase() == v1::ROOT_CHANGE_PHASE_NONE) {
    return absl::FailedPreconditionError("no change of the root key is under way");
  }
  const std::string target = CellText(ToJson(under_way)["target"]);
  if (!change.args.target.empty() && change.args.target != target) {
    return absl::FailedPreconditionError(
        absl::StrCat("a change to another target is under way: to ", target, ", started by ",
                     Printable(under_way.started_by())));
  }
  TV_RETURN_IF_ERROR(change.context.Confirm(
      absl::StrCat("This goes on with a change of the root key, ", Describe(under_way),
                   ". The present root key opens nothing any more then. Go on?")));
  return under_way;
}

absl::StatusOr<v1::RootChange> Begin(ChangeRun& change) {
  if (!change.args.shares_out.empty()) {
    TV_ASSIGN_OR_RETURN(change.out, SecretFile::Create(change.args.shares_out));
  }
  if (change.args.go_on) return GoOn(change);
  TV_ASSIGN_OR_RETURN(const v1::ChangeRootRequest request, StartOf(change.args));
  TV_RETURN_IF_ERROR(
      change.context.Confirm("This puts a new root key in place of the present one, which opens "
                             "nothing any more. Go on?"));
  client::SecretText passphrase;
  if (request.target() == v1::ROOT_SOURCE_PASSPHRASE) {
    if (change.args.new_passphrase_file.empty()) {
      TV_ASSIGN_OR_RETURN(passphrase, TypeNewPassphrase(change.context, kInstead));
    } else {
      TV_ASSIGN_OR_RETURN(passphrase, client::ReadSecretFile(change.args.new_passphrase_file));
    }
  }
  return Send(change, request, {}, passphrase);
}

absl::StatusOr<bool> NeedsAWord(ChangeRun& change, const v1::RootChange& state) {
  if (state.phase() != v1::ROOT_CHANGE_PHASE_AUTHORIZE) return false;
  client::Call call = change.context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto keys, change.vault.GetKeys({}, call));
  return keys.root().source() == v1::ROOT_SOURCE_KEYFILE;
}

ExitCode Pending(Context& context, const v1::RootChange& state) {
  EmitObject(context, ToJson(state));
  context.Note(absl::StrCat("Pending: ", state.needed() - state.given(),
                            " more to be given, with --continue; out of a keyfile, another "
                            "operator's --continue."));
  return ExitCode::kPending;
}

absl::StatusOr<ExitCode> RunChange(Context& context, const ChangeArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  ChangeRun change{context, *vault, args, nullptr, std::nullopt, std::nullopt};
  v1::ChangeRootRequest give;
  give.set_step(v1::ROOT_CHANGE_STEP_GIVE);
  if (args.cancel) {
    give.set_step(v1::ROOT_CHANGE_STEP_CANCEL);
    TV_ASSIGN_OR_RETURN(const auto none, Send(change, give, {}, {}));
    EmitObject(context, ToJson(none));
    return ExitCode::kOk;
  }
  std::vector<std::string> files = args.share_files;
  if (!args.passphrase_file.empty()) files.push_back(args.passphrase_file);
  TV_ASSIGN_OR_RETURN(change.present, SecretSource::Open(context, files));
  TV_ASSIGN_OR_RETURN(v1::RootChange state, Begin(change));
  const v1::RootChangePhase first = state.phase();
  give.set_target(state.target());
  give.set_shares(state.shares());
  give.set_threshold(state.threshold());
  // Out of a keyfile: another operator's word, and no secret.
  TV_ASSIGN_OR_RETURN(const bool by_word, NeedsAWord(change, state));
  if (by_word) {
    if (!args.go_on) return Pending(context, state);
    TV_ASSIGN_OR_RETURN(state, Send(change, give, {}, {}));
  }
  while (state.phase() != v1::ROOT_CHANGE_PHASE_DONE) {
    const bool confirming = state.phase() == v1::ROOT_CHANGE_PHASE_CONFIRM;
    // Files of the command line are for the phase that it began in.
    if (confirming && !change.fresh.has_value() && state.phase() != first) {
      TV_ASSIGN_OR_RETURN(change.fresh, SecretSource::Open(context, {}));
      if (!context.terminal().in_is_terminal) break;
    }
    SecretSource& source = confirming && change.fresh.has_value() ? *change.fresh : *change.present;
    TV_ASSIGN_OR_RETURN(
        const std::optional<client::SecretText> secret,
        source.Next(
            absl::StrCat(confirming ? "New share" : "Present passphrase or share", " (",
                         state.given(), " of ", state.needed(), " given; empty line ends): "),
            kInstead));
    if (!secret.has_value()) break;
    auto next = Send(change, give, *secret, {});
    if (!next.ok() && source.asks() &&
        (absl::IsInvalidArgument(next.status()) || absl::IsAlreadyExists(next.status()))) {
      context.err() << Explain(next.status()) << '\n';
      continue;
    }
    TV_RETURN_IF_ERROR(next.status());
    state = *std::move(next);
  }
  if (state.phase() != v1::ROOT_CHANGE_PHASE_DONE) return Pending(context, state);
  EmitObject(context, ToJson(state));
  return ExitCode::kOk;
}

// --- rotate ---

struct RotateArgs {
  std::string key;
  ChangeArgs change;
};

void DeclareRotate(CLI::App& verb, RotateArgs& args) {
  verb.add_option("key", args.key, "root, meta, audit-epoch or slot")
      ->required()
      ->check(CLI::IsMember({"root", "meta", "audit-epoch", "slot"}));
  verb.add_option("--to", args.change.target,
                  "root: what the new one is made from, keyfile or passphrase")
      ->check(CLI::IsMember({"keyfile", "passphrase"}));
  verb.add_option("--new-passphrase-file", args.change.new_passphrase_file,
                  "The new passphrase: first line of a file only you can read, or -");
  DeclareChange(verb, args.change);
}

absl::StatusOr<ExitCode> RunRotate(Context& context, const RotateArgs& args) {
  if (args.key == "root") {
    const bool starts = !args.change.go_on && !args.change.cancel;
    if (starts && args.change.target.empty()) {
      return absl::InvalidArgumentError(
          "--to keyfile or --to passphrase says what the new root key is made from; new shares are "
          "made with `televault keys reshare`");
    }
    return RunChange(context, args.change);
  }
  v1::RotateKeyRequest request;
  request.set_key(args.key == "meta"   ? v1::ROTATED_KEY_META
                  : args.key == "slot" ? v1::ROTATED_KEY_SLOT
                                       : v1::ROTATED_KEY_AUDIT_EPOCH);
  if (args.key == "meta") {
    TV_RETURN_IF_ERROR(context.Confirm(
        "Backups that were made before records are sealed again do not open any more then: make a "
        "new one afterwards. Rotate?"));
  }
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall(kChangeTimeout);
  TV_ASSIGN_OR_RETURN(const auto response, vault->RotateKey(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response));
  if (args.key == "meta") {
    context.Note(
        "Records are sealed again in the background; `televault keys status` says how far. "
        "Then make a new backup: older ones do not open any more.");
  }
  return ExitCode::kOk;
}

void DeclareReshare(CLI::App& verb, ChangeArgs& args) {
  args.target = "shares";
  args.shares = 5;
  args.threshold = 3;
  verb.add_option("--shares", args.shares, "How many; 2 to 32")->capture_default_str();
  verb.add_option("--threshold", args.threshold, "How many of them unseal; at least 2")
      ->capture_default_str();
  DeclareChange(verb, args);
}

}  // namespace

void AddKeys(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "keys", "Keys: their age, their rotation, their shares");
  AddVerb(*noun, choice, "status", "What keys there are and how much data needs which",
          &DeclareNothing, &RunStatus);
  AddVerb(*noun, choice, "rotate", "Put a fresh key in the place of one", &DeclareRotate,
          &RunRotate);
  AddVerb(*noun, choice, "reshare", "A new root key, in new shares", &DeclareReshare, &RunChange);
}

}  // namespace televault::cli
