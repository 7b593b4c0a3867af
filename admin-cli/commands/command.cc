#include "admin-cli/commands/command.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"

namespace televault::cli {

CLI::App* AddNoun(CLI::App& root, const std::string& name, const std::string& help) {
  CLI::App* const noun = root.add_subcommand(name, help);
  noun->require_subcommand(1);
  return noun;
}

void DeclarePages(CLI::App& verb, PageArgs& args) {
  verb.add_option("--limit", args.limit, "At most this many; 0 = all")->capture_default_str();
  verb.add_option("--page-token", args.page_token, "Where an earlier listing stopped");
}

absl::Status FetchPages(
    Context& context, const PageArgs& args,
    const std::function<absl::StatusOr<std::string>(uint32_t, const std::string&)>& fetch,
    const std::function<size_t()>& count) {
  std::string token = args.page_token;
  std::set<std::string> seen{token};
  do {
    const size_t wanted = args.limit == 0
                              ? limits::kMaxPageSize
                              : std::min<size_t>(args.limit - count(), limits::kMaxPageSize);
    TV_ASSIGN_OR_RETURN(token, fetch(static_cast<uint32_t>(wanted), token));
    if (!token.empty() && !seen.insert(token).second) {
      return absl::DataLossError("the vault's listing does not go on: it names a page again");
    }
  } while (!token.empty() && (args.limit == 0 || count() < args.limit));
  if (!token.empty() && args.note_more) {
    context.Note(absl::StrCat("There are more: --limit 0 for all, or --page-token ", token));
  }
  return absl::OkStatus();
}

}  // namespace televault::cli
