#include <cerrno>
#include <cmath>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"

namespace televault::cli {
namespace {

// As long as there is much to copy and to open.
constexpr client::milliseconds kBackupTimeout{12 * 3'600'000};
constexpr char kDaemon[] = "televaultd";

struct DirectoryArgs {
  std::string directory;
};
struct RestoreArgs {
  std::string directory;
  std::string data_dir;
  std::string config;
  std::string accepted;
  std::string static_files;
  std::string daemon;
};

void DeclareDirectory(CLI::App& verb, DirectoryArgs& args) {
  verb.add_option("directory", args.directory, "On the vault's machine, with an absolute path")
      ->required();
}

void DeclareRestore(CLI::App& verb, RestoreArgs& args) {
  verb.add_option("directory", args.directory, "The backup")->required();
  verb.add_option("--data-dir", args.data_dir,
                  "Data directory of the vault; its daemon is stopped");
  verb.add_option("--config", args.config, "TOML file of the daemon");
  verb.add_option("--accept-lost-history", args.accepted,
                  "Go on from a backup that is older than the anchor; say why. Recorded");
  verb.add_option(
      "--static-files", args.static_files,
      "Make a data directory that is lost again, out of copies of identity, control and "
      "tls in this directory");
  verb.add_option("--daemon", args.daemon, "The televaultd that does it; default: beside this one");
}

std::string Seconds(double seconds, uint64_t bytes) {
  std::string text = absl::StrCat(std::trunc(seconds * 10) / 10, " s");
  if (seconds > 0.05) {
    absl::StrAppend(&text, ", ",
                    HumanBytes(static_cast<uint64_t>(static_cast<double>(bytes) / seconds)), "/s");
  }
  return text;
}

void Show(Context& context, const v1::BackupSummary& summary, const Json& whole) {
  if (context.format() != OutputFormat::kTable) {
    EmitObject(context, whole);
    return;
  }
  const Json json = ToJson(summary);
  std::vector<std::pair<std::string, std::string>> facts = {
      {"backup", Printable(summary.directory())},
      {"made at", CellText(json.at("created_at"))},
      {"audit entries", HumanCount(summary.audit_size())},
      {"audit root", Printable(summary.audit_root())},
      {"size",
       absl::StrCat(HumanBytes(summary.bytes()), " in ", HumanCount(summary.files()), " files")},
      {"opened", absl::StrCat(HumanCount(summary.records()), " records, ",
                              HumanCount(summary.micro_batches()), " micro-batches, ",
                              HumanCount(summary.chunks()), " chunks of ",
                              HumanCount(summary.blocks()), " blocks")},
      {"events", HumanCount(summary.events())},
      {"partitions", absl::StrCat(HumanCount(summary.partitions()), ", of which nobody opens ",
                                  HumanCount(summary.shredded_partitions()))}};
  if (summary.copy_seconds() > 0) {
    facts.emplace_back("copied in", Seconds(summary.copy_seconds(), summary.bytes()));
  }
  facts.emplace_back("checked in", Seconds(summary.verify_seconds(), summary.bytes()));
  for (const std::string& problem : summary.problems()) {
    facts.emplace_back("problem", Printable(problem));
  }
  if (summary.problems().empty()) facts.emplace_back("problems", "none");
  WriteFacts(context.out(), facts, context.table_style());
}

// That a backup is not what it should be is a broken proof, not a failing vault.
absl::Status Explained(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return VerificationFailed(status);
}

template <class Response>
absl::StatusOr<ExitCode> Finish(Context& context, const absl::StatusOr<Response>& response) {
  if (!response.ok()) return Explained(response.status());
  context.Observe(response->receipt());
  Show(context, response->summary(), ToJson(*response));
  if (response->summary().problems().empty()) return ExitCode::kOk;
  context.Note("Not everything in it opens.");
  return ExitCode::kVerification;
}

absl::StatusOr<ExitCode> RunCreate(Context& context, const DirectoryArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::CreateBackupRequest request;
  request.set_directory(args.directory);
  client::Call call = context.NewCall(kBackupTimeout);
  return Finish(context, vault->CreateBackup(request, call));
}

absl::StatusOr<ExitCode> RunVerify(Context& context, const DirectoryArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::VerifyBackupRequest request;
  request.set_directory(args.directory);
  client::Call call = context.NewCall(kBackupTimeout);
  return Finish(context, vault->VerifyBackup(request, call));
}

// Installed in a directory of its own beside the one of this program, built in the same one.
std::string FindDaemon() {
  std::string self(4'096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
  self.resize(length > 0 ? static_cast<size_t>(length) : 0);
  const std::string here = self.substr(0, self.rfind('/'));
  for (const std::string& path :
       {absl::StrCat(here, "/", kDaemon), absl::StrCat(here, "/../sbin/", kDaemon),
        absl::StrCat("/usr/sbin/", kDaemon)}) {
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

// The daemon's own program does it: it knows keys and store, and takes the lock of a running one.
absl::StatusOr<ExitCode> RunRestore(Context& context, const RestoreArgs& args) {
  if (args.data_dir.empty() && args.config.empty()) {
    return absl::InvalidArgumentError("give --data-dir, or a --config that names it");
  }
  const std::string daemon = args.daemon.empty() ? FindDaemon() : args.daemon;
  if (daemon.empty()) {
    return absl::NotFoundError("there is no televaultd beside this program: give --daemon");
  }
  TV_RETURN_IF_ERROR(context.Confirm(
      "This puts the backup in the place of the vault's data; what came after it is not there any "
      "more. The old store is kept beside it. Restore now?"));
  std::vector<std::string> words{daemon, "restore", "--from", args.directory};
  const auto add = [&words](const char* flag, const std::string& value) {
    if (value.empty()) return;
    words.emplace_back(flag);
    words.push_back(value);
  };
  add("--data-dir", args.data_dir);
  add("--config", args.config);
  add("--accept-lost-history", args.accepted);
  add("--static-files", args.static_files);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  context.out() << std::flush;
  context.err() << std::flush;
  ::execv(daemon.c_str(), arguments.data());
  return absl::NotFoundError(
      absl::StrCat("cannot run ", daemon, ": ", std::generic_category().message(errno)));
}

}  // namespace

void AddBackup(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "backup", "Copies of the sealed data, never of keys");
  AddVerb(*noun, choice, "create", "Copy the sealed data while the vault serves, and open it all",
          &DeclareDirectory, &RunCreate);
  AddVerb(*noun, choice, "verify",
          "Check a backup against this vault; exit 3 where it does not hold", &DeclareDirectory,
          &RunVerify);
  AddVerb(*noun, choice, "restore", "Put a backup in the place of a stopped vault's data",
          &DeclareRestore, &RunRestore);
}

}  // namespace televault::cli
