#include "admin-cli/app.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include <CLI/CLI.hpp>

#include "admin-cli/output/held.h"
#include "admin-cli/output/text.h"
#include "admin-cli/pinning.h"
#include "admin-cli/version.h"
#include "vault/client/error.h"

namespace televault::cli {
namespace {

void DeclareGlobal(CLI::App& app, GlobalOptions& options) {
  app.add_option("--addr", options.address, "unix:PATH or HOST:PORT (TLS)")
      ->envname("TELEVAULT_ADDR");
  // Read by FindToken, not by the parser: its help would print the variable's value.
  app.add_option("--token-file", options.token_file,
                 "File with your token, readable by you only (TELEVAULT_TOKEN_FILE; "
                 "TELEVAULT_TOKEN holds the token itself)");
  app.add_option("--cacert", options.ca_file, "PEM of the certificate authority to trust");
  app.add_option("--cert", options.cert_file, "PEM of your client certificate");
  app.add_option("--key", options.key_file, "PEM of your client key");
  app.add_option("-o,--output", options.output,
                 "table, json, jsonl or csv; a table on a terminal, else json");
  app.add_flag("--spreadsheet", options.spreadsheet,
               "CSV: an apostrophe before texts that a spreadsheet would run as formulas");
  app.add_option("--timeout", options.timeout, "Deadline of each call, e.g. 30s");
  app.add_option("--log-key", options.log_key, "Key the audit log must be signed with (vkey)");
  app.add_flag("--no-color", options.no_color, "No colours (also NO_COLOR)");
  app.add_flag("--yes", options.yes, "Answer yes to every question");
  app.add_flag("--quiet", options.quiet, "No notes and no progress on stderr");
}

absl::StatusOr<ExitCode> RunVersion(Context& context, const NoArgs&) {
  context.out() << "televault " << kVersion << '\n';
  return ExitCode::kOk;
}

int Fail(Terminal& terminal, const absl::Status& status) {
  terminal.out << std::flush;
  terminal.err << "televault: " << Explain(status) << '\n';
  return static_cast<int>(ExitCodeOf(status));
}

// The parser's exceptions end here.
int ReportParse(const CLI::App& app, const CLI::ParseError& error, Terminal& terminal) {
  if (error.get_exit_code() == 0) return app.exit(error, terminal.out, terminal.err);
  // What is left over where a command should be is what was meant to be one.
  const std::vector<std::string> left = app.remaining(true);
  if (error.get_name() == "RequiredError" && !left.empty() && !left.front().starts_with('-')) {
    terminal.err << "televault: " << Printable(left.front())
                 << " is not a command here. See `televault --help` or `televault COMMAND "
                    "--help`.\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  terminal.err << "televault: " << Printable(error.what())
               << ". See `televault --help` or `televault COMMAND --help`.\n";
  return static_cast<int>(ExitCode::kUsage);
}

int RunChosen(const Choice& choice, GlobalOptions options, const Terminal& outside) {
  HeldOutput held(outside.out);
  Terminal terminal{.in = outside.in,
                    .out = held,
                    .err = outside.err,
                    .in_is_terminal = outside.in_is_terminal,
                    .out_is_terminal = outside.out_is_terminal,
                    .err_is_terminal = outside.err_is_terminal,
                    .width = outside.width};
  auto context = Context::Create(std::move(options), terminal);
  if (!context.ok()) return Fail(terminal, context.status());
  const absl::StatusOr<ExitCode> done = choice.action(**context);
  const absl::Status pins =
      ShowsHistory(**context, done.status()) ? CheckPins(**context) : absl::OkStatus();
  // What nobody could compare, or a disputed history answers, must not pass for an answer.
  if (!pins.ok() && !(*context)->result_stands() && held.Drop()) {
    (*context)->Note(
        "What the vault answered is not shown: the history behind it does not hold, or "
        "could not be compared.");
  }
  return Conclude(**context, terminal, done, pins);
}

}  // namespace

bool ShowsHistory(const Context& context, const absl::Status& done) {
  if (done.ok() || !context.checkpoints().empty()) return true;
  const client::Error error = client::ErrorOf(done);
  // "No such token" may be the very thing that a rollback took away.
  if (!error.from_call) return context.asked();
  return error.from_vault && error.code != absl::StatusCode::kUnauthenticated;
}

int Conclude(const Context& context, Terminal& terminal, const absl::StatusOr<ExitCode>& done,
             const absl::Status& pins) {
  const bool disputed = ExitCodeOf(pins) == ExitCode::kVerification;
  if (!done.ok()) {
    const int code = Fail(terminal, done.status());
    return disputed ? Fail(terminal, pins) : code;
  }
  if (disputed || (!pins.ok() && !context.result_stands())) return Fail(terminal, pins);
  if (!pins.ok()) {
    terminal.err
        << "televault: warning: this is done, but the audit log was not compared with what "
           "was seen before. "
        << Explain(pins) << '\n';
  }
  terminal.out << std::flush;
  if (!terminal.out) {
    return Fail(terminal, absl::DataLossError("standard output could not be written"));
  }
  return static_cast<int>(*done);
}

std::unique_ptr<CLI::App> BuildApp(GlobalOptions& options, Choice& choice) {
  auto app = std::make_unique<CLI::App>("Command line of a televault telemetry vault", "televault");
  app->require_subcommand(1);
  // Global flags are understood behind the verb, too.
  app->fallthrough();
  DeclareGlobal(*app, options);
  AddStatus(*app, choice);
  AddDataset(*app, choice);
  AddIngest(*app, choice);
  AddSource(*app, choice);
  AddQuery(*app, choice);
  AddAccess(*app, choice);
  AddPerson(*app, choice);
  AddToken(*app, choice);
  AddRole(*app, choice);
  AddAudit(*app, choice);
  AddLockdown(*app, choice);
  AddRetention(*app, choice);
  AddErase(*app, choice);
  AddOperator(*app, choice);
  AddKeys(*app, choice);
  AddBackup(*app, choice);
  AddLater(*app, choice);
  AddCompletion(*app, choice);
  AddVerb(*app, choice, "version", "Version of this program", &DeclareNothing, &RunVersion);
  return app;
}

int RunApp(int argc, const char* const* argv, Terminal terminal) {
  GlobalOptions options;
  Choice choice;
  const auto app = BuildApp(options, choice);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportParse(*app, error, terminal);
  }
  return RunChosen(choice, std::move(options), terminal);
}

}  // namespace televault::cli
