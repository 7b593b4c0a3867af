#pragma once

#include <string>

#include "admin-cli/commands/command.h"

namespace televault::cli {

struct OfflineReceiptArgs {
  std::string directory;
  std::string key_file;  // "": nothing can be read
};

// Holds what an exported log says about expiry and erasure against itself and its receipts.
// VERIFICATION_FAILED (exit 3) where something was not kept; kPartial where entries cannot be read.
absl::StatusOr<ExitCode> VerifyReceiptsOffline(Context& context, const OfflineReceiptArgs& args);

// `retention receipts`.
void AddReceipts(CLI::App& retention, Choice& choice);

}  // namespace televault::cli
