#pragma once

#include <string>

#include "audit/merkle.h"
#include "audit/verifier.h"
#include "televault/v1/retention_service.pb.h"
#include "televault/v1/types.pb.h"
#include "vault/base/status.h"

namespace televault::cli {

// Writes the receipt's proof to `path` once it has shown that the log signed by `key` holds the
// leaf `leaf_hash` at the receipt's index, in the very tree that the receipt's checkpoint signs.
// The caller has held that one against the pin. VERIFICATION_FAILED (exit 3) otherwise: what stood
// at `path` stays.
absl::Status KeepReceipt(const std::string& path, const v1::AuditReceipt& receipt,
                         const audit::Hash& leaf_hash, const audit::VerifierKey& key);

// OK where `receipt` is, field by field, what the log's key signed. VERIFICATION_FAILED (exit 3)
// otherwise. Its id and the dataset's name are the daemon's word: the pseudonym is what is signed.
absl::Status VerifyDeletionReceipt(const v1::DeletionReceipt& receipt,
                                   const audit::VerifierKey& key);
// The same for an erasure that is settled.
absl::Status VerifyErasureReceipt(const v1::Erasure& erasure, const audit::VerifierKey& key);

}  // namespace televault::cli
