#pragma once

#include "admin-cli/commands/command.h"

namespace televault::cli {

// `audit report`: who read what, out of the trail.
void AddAuditReport(CLI::App& audit, Choice& choice);

}  // namespace televault::cli
