#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "auth/dataset_policy.h"
#include "televault/record/v1/state.pb.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/catalog/manifest.h"
#include "vault/catalog/schema.h"

namespace televault::catalog {

// One dataset under its newest applied manifest. Immutable; shared by every call that runs under it
// while the catalog already serves the next revision.
struct Dataset {
  DatasetId id;
  std::string name;
  uint32_t revision = 0;
  Manifest manifest;
  Schema schema;
  auth::DatasetPolicy policy;
  std::map<std::string, uint32_t> columns;  // retired ones included, see AssignColumns
  std::string digest;                       // BLAKE2b-256 of the manifest's text
  WallTime applied_at;
  std::string applied_by;
  // Past the review date nothing more is taken.
  bool ReviewedAt(WallTime now) const;
};

// `columns` maps field name → column number and must have every field of the manifest.
Schema BuildSchema(const Manifest& manifest, DatasetId id,
                   const std::map<std::string, uint32_t>& columns);

// What auth/ decides with. Fails where a mask of a role cannot be read (lint E406 names it).
absl::StatusOr<auth::DatasetPolicy> BuildPolicy(const Manifest& manifest);

// Numbers for the fields of `manifest`: those of `existing` stay, new fields get numbers that were
// never used. A field that `before` (the revision in force; null = none) does not have is new even
// if an earlier revision had one of that name: the old entry is kept as "name#number".
// RESOURCE_EXHAUSTED past limits::kMaxColumnNumber.
absl::StatusOr<std::map<std::string, uint32_t>> AssignColumns(
    const Manifest& manifest, const std::map<std::string, uint32_t>& existing,
    const Manifest* before);

// A dataset from its stored record. DATA_LOSS where the record contradicts itself.
absl::StatusOr<std::shared_ptr<const Dataset>> BuildDataset(
    const record::v1::DatasetRecord& record);

}  // namespace televault::catalog
