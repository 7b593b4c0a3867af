#pragma once

#include <cstdint>
#include <string>

#include "televault/record/v1/audit.pb.h"
#include "televault/record/v1/state.pb.h"
#include "vault/base/time.h"

namespace televault::crypto {
class Keyring;
}

// What is recorded of a partition whose key is gone: the same, and under the same names, whether it
// came to its deadline here or is found without a key after a restore.
namespace televault::partition {

// `deadline`: holds that were in force after it are named, since they kept the key.
void SetShredded(const crypto::Keyring& keyring, uint64_t events, WallTime deadline, WallTime now,
                 record::v1::PartitionRecord& record);

// Says in the entry what the record says, but for the receipt.
void Describe(const record::v1::PartitionRecord& record, std::string pseudonym,
              record::v1::AuditEntry& entry);

}  // namespace televault::partition
