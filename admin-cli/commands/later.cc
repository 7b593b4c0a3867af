#include <array>

#include "absl/strings/str_cat.h"

#include "admin-cli/commands/command.h"

namespace televault::cli {
namespace {

struct LaterVerb {
  const char* noun;
  const char* verb;  // "": the noun is the command itself
  const char* help;
};

constexpr std::array kLater = {
    LaterVerb{"dataset", "remove", "Remove a dataset"},
    LaterVerb{"source", "apply", "Give the gateway a mapping file"},
    LaterVerb{"source", "list", "Mapping files in force"},
    LaterVerb{"role", "apply", "Apply a custom role"},
    LaterVerb{"lockdown", "ticket", "Sign a panic ticket"},
    LaterVerb{"incident", "report", "Draft the report from the audit trail"},
    LaterVerb{"incident", "note", "Add a note to an incident"},
    LaterVerb{"incident", "list", "Incidents"},
    LaterVerb{"incident", "close", "Close an incident"},
};

CLI::App* FindOrAddNoun(CLI::App& root, const std::string& name) {
  for (CLI::App* const noun : root.get_subcommands({})) {
    if (noun->get_name() == name) return noun;
  }
  return AddNoun(root, name, "(not available in this version)");
}

}  // namespace

void AddLater(CLI::App& root, Choice& choice) {
  for (const LaterVerb& later : kLater) {
    const bool alone = later.verb[0] == '\0';
    CLI::App& parent = alone ? root : *FindOrAddNoun(root, later.noun);
    CLI::App* const verb =
        parent.add_subcommand(alone ? later.noun : later.verb,
                              absl::StrCat(later.help, " (not available in this version)"));
    const std::string name =
        alone ? std::string(later.noun) : absl::StrCat(later.noun, " ", later.verb);
    // Whatever arguments the verb will have, the answer is the same.
    verb->fallthrough(false)->allow_extras();
    verb->callback([&choice, name] {
      choice.action = [name](Context&) -> absl::StatusOr<ExitCode> {
        return absl::UnimplementedError(
            absl::StrCat("`televault ", name, "` is not available in this version"));
      };
    });
  }
}

}  // namespace televault::cli
