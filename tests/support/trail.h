#pragma once

#include <gtest/gtest.h>
#include <vector>

#include "televault/record/v1/audit.pb.h"
#include "tests/support/status_matchers.h"
#include "vault/daemon/vault.h"
#include "vault/service/entry_reader.h"

namespace televault::testing {

// Every entry of the audit trail of a vault in this process, oldest first.
inline std::vector<record::v1::AuditEntry> EntriesOf(daemon::Vault& vault) {
  std::vector<record::v1::AuditEntry> entries;
  const uint64_t size = vault.journal().Head().tree_size;
  const auto leaves = service::ReadLeafRange(vault.journal(), 0, size);
  EXPECT_THAT(leaves, IsOk());
  for (uint64_t i = 0; leaves.ok() && i < size; ++i) {
    const auto entry = vault.entries().Open(LeafIndex(i), leaves->at(i));
    EXPECT_THAT(entry, IsOk());
    if (entry.ok() && entry->has_value()) entries.push_back(**entry);
  }
  return entries;
}

}  // namespace televault::testing
