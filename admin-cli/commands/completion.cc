#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "admin-cli/commands/command.h"

namespace televault::cli {
namespace {

struct ShellArgs {
  std::string shell;
};

// "" → words after `televault`, "audit" → words after `televault audit`, "audit list" → …
using WordTable = std::map<std::string, std::vector<std::string>>;

void Collect(const CLI::App& command, const std::string& path, const WordTable::mapped_type& global,
             WordTable& table) {
  std::vector<std::string>& words = table[path];
  for (const CLI::App* const sub : command.get_subcommands({})) {
    words.push_back(sub->get_name());
    Collect(*sub, path.empty() ? sub->get_name() : absl::StrCat(path, " ", sub->get_name()), global,
            table);
  }
  for (const CLI::Option* const option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  if (!path.empty()) words.insert(words.end(), global.begin(), global.end());
}

WordTable Words(const CLI::App& root) {
  std::vector<std::string> global;
  for (const CLI::Option* const option : root.get_options()) {
    for (const std::string& name : option->get_lnames()) global.push_back("--" + name);
  }
  WordTable table;
  Collect(root, "", global, table);
  return table;
}

// Finds the longest known command path in the words typed so far, then offers what may follow it.
void PrintBash(std::ostream& out, const WordTable& table) {
  out << "# televault completion for bash: source this file\n"
         "_televault() {\n"
         "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" next word words\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    next=\"${path:+$path }$word\"\n"
         "    case \"$next\" in\n      ";
  std::vector<std::string> paths;
  for (const auto& entry : table) {
    if (!entry.first.empty()) paths.push_back(absl::StrCat("'", entry.first, "'"));
  }
  out << absl::StrJoin(paths, "|") << ") path=\"$next\" ;;\n    esac\n  done\n"
      << "  case \"$path\" in\n";
  for (const auto& [path, words] : table) {
    out << "    '" << path << "') words='" << absl::StrJoin(words, " ") << "' ;;\n";
  }
  out << "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "  if [ ${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- \"$cur\")); fi\n"
         "}\n"
         "complete -o filenames -F _televault televault\n";
}

void PrintZsh(std::ostream& out, const WordTable& table) {
  out << "#compdef televault\n"
         "# televault completion for zsh: put this file as _televault into your fpath\n"
         "_televault() {\n"
         "  local path='' next word\n"
         "  local -A follow\n  follow=(\n";
  for (const auto& [path, words] : table) {
    out << "    '" << (path.empty() ? "-" : path) << "' '" << absl::StrJoin(words, " ") << "'\n";
  }
  out << "  )\n"
         "  for word in ${words[2,CURRENT-1]}; do\n"
         "    next=\"${path:+$path }$word\"\n"
         "    (( ${+follow[$next]} )) && path=$next\n"
         "  done\n"
         "  compadd -- ${=follow[${path:--}]} || _files\n"
         "}\n"
         "compdef _televault televault\n";
}

void PrintFish(std::ostream& out, const WordTable& table) {
  out << "# televault completion for fish: put this file into ~/.config/fish/completions\n"
         "function __televault_path\n"
         "  set -l known ";
  std::vector<std::string> paths;
  for (const auto& entry : table) {
    if (!entry.first.empty()) paths.push_back(absl::StrCat("'", entry.first, "'"));
  }
  out << absl::StrJoin(paths, " ")
      << "\n  set -l path ''\n"
         "  for word in (commandline -opc)[2..-1]\n"
         "    set -l next (string trim \"$path $word\")\n"
         "    contains -- $next $known; and set path $next\n"
         "  end\n"
         "  test \"$path\" = \"$argv[1]\"\n"
         "end\n";
  for (const auto& [path, words] : table) {
    out << "complete -c televault -n '__televault_path \"" << path << "\"' -a '"
        << absl::StrJoin(words, " ") << "'\n";
  }
}

absl::StatusOr<ExitCode> PrintCompletion(Context& context, const ShellArgs& args,
                                         const CLI::App& root) {
  const WordTable table = Words(root);
  if (args.shell == "bash") {
    PrintBash(context.out(), table);
  } else if (args.shell == "zsh") {
    PrintZsh(context.out(), table);
  } else {
    PrintFish(context.out(), table);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddCompletion(CLI::App& root, Choice& choice) {
  CLI::App* const verb = root.add_subcommand("completion", "Script that completes commands");
  const auto args = std::make_shared<ShellArgs>();
  verb->add_option("shell", args->shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->callback([&choice, &root, args] {
    choice.action = [&root, args](Context& context) {
      return PrintCompletion(context, *args, root);
    };
  });
}

}  // namespace televault::cli
