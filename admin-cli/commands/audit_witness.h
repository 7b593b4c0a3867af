#pragma once

#include "admin-cli/commands/command.h"

namespace televault::cli {

// `audit witness`: a server that cosigns what logs publish.
void AddAuditWitness(CLI::App& audit, Choice& choice);

}  // namespace televault::cli
