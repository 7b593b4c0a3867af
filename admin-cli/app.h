#pragma once

#include <string>
#include <vector>

#include "admin-cli/commands/command.h"

namespace televault::cli {

// The whole command tree. `options` and `choice` are filled in by the parse.
std::unique_ptr<CLI::App> BuildApp(GlobalOptions& options, Choice& choice);

// Parses, runs, compares checkpoints with the pin, explains what went wrong. The exit code.
int RunApp(int argc, const char* const* argv, Terminal terminal);

}  // namespace televault::cli
