#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

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
// Without a note there is nothing to verify: the bytes of the partition are not gone yet.
bool IsUnsigned(const v1::DeletionReceipt& receipt);

// State of every partition, by dataset and day.
using PartitionStates = std::map<std::pair<std::string, std::string>, v1::PartitionState>;
// What a vault listed, one after the other: partitions go on meanwhile.
struct Listed {
  const std::vector<v1::DeletionReceipt>& receipts;
  const PartitionStates& before;
  const PartitionStates& after;
};
// OK where every purged partition has a signed receipt and no partition or data key two of them,
// and every receipt is one of a partition that is destroyed. VERIFICATION_FAILED otherwise.
absl::Status CompareWithPartitions(const Listed& listed);

// As VerifyDeletionReceipt, for an erasure that is settled.
absl::Status VerifyErasureReceipt(const v1::Erasure& erasure, const audit::VerifierKey& key);

}  // namespace televault::cli
