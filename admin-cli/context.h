#pragma once

#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "admin-cli/exit_code.h"
#include "admin-cli/output/table.h"
#include "televault/v1/types.pb.h"
#include "vault/client/vault.h"

namespace televault::cli {

enum class OutputFormat { kTable, kJson, kJsonLines, kCsv };

// The flags that every command understands.
struct GlobalOptions {
  std::string address;  // "": the local socket
  std::string token_file;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string output;        // "": a table on a terminal, JSON in a pipe
  std::string timeout;       // "30s"; "": the command's own
  std::string log_key;       // vkey of the log, where the caller knows it from elsewhere
  bool spreadsheet = false;  // CSV is for a program that runs cells as formulas
  bool no_color = false;
  bool yes = false;
  bool quiet = false;
};

// Where a command reads and writes.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  size_t width = 0;  // columns; 0 = unknown
};

// What a running command has at hand: its output, the connection (dialled at first use) and the
// checkpoints it has seen.
// Threads: one.  Borrows: the streams.
class Context {
 public:
  // `options` as parsed. INVALID_ARGUMENT for an output format or timeout that does not exist.
  static absl::StatusOr<std::unique_ptr<Context>> Create(GlobalOptions options, Terminal terminal);

  const GlobalOptions& options() const { return options_; }
  std::ostream& out() { return terminal_.out; }
  std::ostream& err() { return terminal_.err; }
  const Terminal& terminal() const { return terminal_; }
  OutputFormat format() const { return format_; }
  bool color() const { return color_; }
  TableStyle table_style() const;

  // One line on stderr; nothing with --quiet.
  void Note(std::string_view text);
  // Asks on the terminal; OK only for an explicit yes (or --yes). Without a terminal and without
  // --yes the command is refused.
  absl::Status Confirm(std::string_view question);
  // Whether Confirm can be answered: for commands that first have to fetch what they ask about.
  absl::Status MayConfirm() const;

  // Errors: INVALID_ARGUMENT (address, token), NOT_FOUND, PERMISSION_DENIED (files).
  absl::StatusOr<client::Vault*> Connect();
  bool connected() const { return vault_ != nullptr; }
  // Where the vault is reached.
  std::string address() const;
  // A call with the timeout of the command line, else `usual` (0: the client's own).
  client::Call NewCall(client::milliseconds usual = client::milliseconds(0));
  // Whether anything was asked of the vault.
  bool asked() const { return asked_; }

  // Remembers a signed checkpoint for the comparison with the pin at the end of the command. Of
  // more than kMaxCheckpoints the largest are kept, and the newest: a log that was cut back while
  // the command ran is shorter than one of them.
  void Observe(std::string_view checkpoint);
  void Observe(const v1::AuditReceipt& receipt) { Observe(receipt.checkpoint()); }
  const std::vector<std::string>& checkpoints() const { return checkpoints_; }
  // They hold: only the last one is compared again, so that a long tail does not ask for proofs of
  // the same ones every hour.
  void ForgetCompared();

  // What the command did must be reported as done, also where the history could not be compared.
  void ResultStands() { result_stands_ = true; }
  bool result_stands() const { return result_stands_; }

 private:
  Context(GlobalOptions options, Terminal terminal);

  GlobalOptions options_;
  Terminal terminal_;
  OutputFormat format_ = OutputFormat::kJson;
  bool color_ = false;
  client::milliseconds timeout_{0};
  std::unique_ptr<client::Vault> vault_;
  bool asked_ = false;
  std::vector<std::string> checkpoints_;
  bool result_stands_ = false;
};

// The token of TELEVAULT_TOKEN_FILE, --token-file or TELEVAULT_TOKEN, in the order flag, file
// variable, value variable; empty where none is given. Its form is checked.
absl::StatusOr<client::SecretText> FindToken(const GlobalOptions& options);

// "" where the variable is not set.
std::string Environment(const char* name);

}  // namespace televault::cli
