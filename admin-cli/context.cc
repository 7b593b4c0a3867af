#include "admin-cli/context.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "admin-cli/output/text.h"
#include "audit/checkpoint.h"
#include "auth/token.h"
#include "vault/base/time.h"

namespace televault::cli {
namespace {

constexpr char kDefaultAddress[] = "unix:/run/televault/televault.sock";
// One command sees a handful; a long tail must not pile them up.
constexpr size_t kMaxCheckpoints = 16;

// What the checkpoint claims; one that cannot be read is the last to be forgotten.
uint64_t SizeOf(const std::string& checkpoint) {
  const auto read = audit::ReadUnverified(checkpoint);
  return read.ok() ? read->size : std::numeric_limits<uint64_t>::max();
}

absl::StatusOr<OutputFormat> ChooseFormat(const std::string& name, bool terminal) {
  if (name.empty()) return terminal ? OutputFormat::kTable : OutputFormat::kJson;
  if (name == "table") return OutputFormat::kTable;
  if (name == "json") return OutputFormat::kJson;
  if (name == "jsonl") return OutputFormat::kJsonLines;
  if (name == "csv") return OutputFormat::kCsv;
  return absl::InvalidArgumentError("--output is one of table, json, jsonl, csv");
}

}  // namespace

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<client::SecretText> FindToken(const GlobalOptions& options) {
  std::string file = options.token_file;
  if (file.empty()) file = Environment("TELEVAULT_TOKEN_FILE");
  client::SecretText token;
  if (!file.empty()) {
    TV_ASSIGN_OR_RETURN(token, client::ReadSecretFile(file));
  } else if (const char* const value = std::getenv("TELEVAULT_TOKEN"); value != nullptr) {
    token = client::SecretText(value);
  }
  if (token.empty()) return token;
  if (const auto kind = auth::ParseToken(token.Reveal()); !kind.ok()) {
    return Annotate(kind.status(), file.empty() ? "TELEVAULT_TOKEN" : file);
  }
  return token;
}

Context::Context(GlobalOptions options, Terminal terminal)
    : options_(std::move(options)), terminal_(terminal) {}

absl::StatusOr<std::unique_ptr<Context>> Context::Create(GlobalOptions options, Terminal terminal) {
  std::unique_ptr<Context> context(new Context(std::move(options), terminal));
  TV_ASSIGN_OR_RETURN(context->format_,
                      ChooseFormat(context->options_.output, terminal.out_is_terminal));
  if (!context->options_.timeout.empty()) {
    TV_ASSIGN_OR_RETURN(const microseconds timeout, ParseDuration(context->options_.timeout));
    context->timeout_ = std::chrono::ceil<client::milliseconds>(timeout);
  }
  context->color_ =
      terminal.out_is_terminal && !context->options_.no_color && Environment("NO_COLOR").empty();
  return context;
}

TableStyle Context::table_style() const {
  return {.color = color_, .max_width = terminal_.out_is_terminal ? terminal_.width : 0};
}

void Context::Note(std::string_view text) {
  if (!options_.quiet) terminal_.err << Printable(text) << '\n';
}

absl::Status Context::MayConfirm() const {
  if (options_.yes || terminal_.in_is_terminal) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this needs a confirmation and standard input is not a terminal: give --yes");
}

absl::Status Context::Confirm(std::string_view question) {
  TV_RETURN_IF_ERROR(MayConfirm());
  if (options_.yes) return absl::OkStatus();
  terminal_.err << Printable(question) << " [y/N] " << std::flush;
  std::string answer;
  std::getline(terminal_.in, answer);
  answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  if (answer == "y" || answer == "yes") return absl::OkStatus();
  return absl::CancelledError("not confirmed, so nothing was done");
}

std::string Context::address() const {
  return options_.address.empty() ? kDefaultAddress : options_.address;
}

absl::StatusOr<client::Vault*> Context::Connect() {
  if (vault_ != nullptr) return vault_.get();
  client::Options dial;
  dial.address = address();
  dial.ca_file = options_.ca_file;
  dial.cert_file = options_.cert_file;
  dial.key_file = options_.key_file;
  TV_ASSIGN_OR_RETURN(client::SecretText token, FindToken(options_));
  TV_ASSIGN_OR_RETURN(vault_, client::Vault::Dial(dial, std::move(token)));
  return vault_.get();
}

client::Call Context::NewCall(client::milliseconds usual) {
  asked_ = true;
  client::Call call;
  call.timeout = timeout_.count() > 0 ? timeout_ : usual;
  return call;
}

void Context::ForgetCompared() {
  if (checkpoints_.size() > 1) checkpoints_.erase(checkpoints_.begin(), checkpoints_.end() - 1);
}

void Context::Observe(std::string_view checkpoint) {
  if (checkpoint.empty()) return;
  if (checkpoints_.size() == kMaxCheckpoints) {
    checkpoints_.erase(std::min_element(
        checkpoints_.begin(), checkpoints_.end(),
        [](const std::string& a, const std::string& b) { return SizeOf(a) < SizeOf(b); }));
  }
  checkpoints_.emplace_back(checkpoint);
}

}  // namespace televault::cli
