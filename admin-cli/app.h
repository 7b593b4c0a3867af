#pragma once

#include <string>
#include <vector>

#include "admin-cli/commands/command.h"

namespace televault::cli {

// The whole command tree. `options` and `choice` are filled in by the parse.
std::unique_ptr<CLI::App> BuildApp(GlobalOptions& options, Choice& choice);

// Whether the command's end leaves something to compare: a refused call shows a history as well,
// and so does an answer that the command could not use; a vault that was not reached or that does
// not know the caller shows none.
bool ShowsHistory(const Context& context, const absl::Status& done);

// Says what went wrong, if anything, and gives the exit code of a command that ended with `done`
// and whose comparison ended with `pins`. What verification found comes first; a reason of this
// machine never makes a failure of a result that stands.
int Conclude(const Context& context, Terminal& terminal, const absl::StatusOr<ExitCode>& done,
             const absl::Status& pins);

// Parses, runs, compares checkpoints with the pin, explains what went wrong. The exit code.
int RunApp(int argc, const char* const* argv, Terminal terminal);

}  // namespace televault::cli
