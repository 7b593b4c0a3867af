#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <CLI/App.hpp>

#include "admin-cli/context.h"
#include "admin-cli/exit_code.h"

namespace televault::cli {

// Runs the chosen verb. An error ends the process with ExitCodeOf() and a paragraph on stderr.
using Action = std::function<absl::StatusOr<ExitCode>(Context&)>;

// What the parser fills in: the verb that was chosen, with its arguments bound.
struct Choice {
  Action action;
};

// Adds a verb: `declare` says its arguments, `run` does it.
template <class Args>
CLI::App* AddVerb(CLI::App& parent, Choice& choice, const std::string& name,
                  const std::string& help, void (*declare)(CLI::App&, Args&),
                  absl::StatusOr<ExitCode> (*run)(Context&, const Args&)) {
  CLI::App* const verb = parent.add_subcommand(name, help);
  const auto args = std::make_shared<Args>();
  declare(*verb, *args);
  verb->callback([&choice, verb, args, run] {
    // The parser also calls a verb whose own verb was named ("ingest rejects").
    if (!verb->get_subcommands().empty()) return;
    choice.action = [args, run](Context& context) { return run(context, *args); };
  });
  return verb;
}

struct NoArgs {};
inline void DeclareNothing(CLI::App&, NoArgs&) {}

// Adds a noun whose verbs follow; naming the noun alone is a usage error.
CLI::App* AddNoun(CLI::App& root, const std::string& name, const std::string& help);

// A listing that comes in pages.
struct PageArgs {
  uint32_t limit = 100;
  std::string page_token;
  // Says on stderr that there are more.
  bool note_more = true;
};
void DeclarePages(CLI::App& verb, PageArgs& args);

// Fetches pages until `limit` (0 = all) is reached. `fetch` is given size and token and answers the
// next token ("" = last page) after it has appended what it got; `count` says how many there are.
absl::Status FetchPages(
    Context& context, const PageArgs& args,
    const std::function<absl::StatusOr<std::string>(uint32_t size, const std::string& token)>&
        fetch,
    const std::function<size_t()>& count);

// One function per file of this folder.
void AddStatus(CLI::App& root, Choice& choice);
void AddDataset(CLI::App& root, Choice& choice);
void AddIngest(CLI::App& root, Choice& choice);
void AddSource(CLI::App& root, Choice& choice);
void AddQuery(CLI::App& root, Choice& choice);
void AddAccess(CLI::App& root, Choice& choice);
void AddPerson(CLI::App& root, Choice& choice);
void AddToken(CLI::App& root, Choice& choice);
void AddRole(CLI::App& root, Choice& choice);
void AddAudit(CLI::App& root, Choice& choice);
void AddLockdown(CLI::App& root, Choice& choice);
void AddRetention(CLI::App& root, Choice& choice);
void AddErase(CLI::App& root, Choice& choice);
void AddOperator(CLI::App& root, Choice& choice);
void AddKeys(CLI::App& root, Choice& choice);
void AddBackup(CLI::App& root, Choice& choice);
void AddCompletion(CLI::App& root, Choice& choice);
// Verbs of `retention` that have files of their own.
void AddHold(CLI::App& retention, Choice& choice);
void AddErasures(CLI::App& retention, Choice& choice);
// Verbs of the published list that this version does not have: they say so and exit with 1.
void AddLater(CLI::App& root, Choice& choice);

}  // namespace televault::cli
