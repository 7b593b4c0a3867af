#pragma once

#include "admin-cli/commands/command.h"

namespace televault::cli {

// `audit verify` and `audit export`: the log as a whole.
void AddAuditLog(CLI::App& audit, Choice& choice);

}  // namespace televault::cli
