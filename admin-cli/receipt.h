#pragma once

#include <string>

#include "audit/merkle.h"
#include "audit/verifier.h"
#include "televault/v1/types.pb.h"
#include "vault/base/status.h"

namespace televault::cli {

// Writes the receipt's proof to `path` once it has shown that the log signed by `key` holds the
// leaf `leaf_hash` at the receipt's index. VERIFICATION_FAILED (exit 3) otherwise: what stood at
// `path` stays.
absl::Status KeepReceipt(const std::string& path, const v1::AuditReceipt& receipt,
                         const audit::Hash& leaf_hash, const audit::VerifierKey& key);

}  // namespace televault::cli
