#pragma once

#include "televault/v1/ingest_service.pb.h"
#include "vault/base/status.h"
#include "vault/catalog/dataset.h"
#include "vault/ingest/field_check.h"
#include "vault/ingest/rules.h"
#include "vault/mapping/record.h"

namespace televault::ingest {

// Consent of the batch or of one event against the manifest. True: its subject is to be left out.
bool CheckConsent(const catalog::Manifest& manifest, const v1::Consent* consent, size_t index,
                  Verdicts& verdicts);

// Rows to columns, event by event: size, consent, schema.
Draft DraftFromRows(const catalog::Dataset& dataset, const CompiledSchema& schema,
                    const v1::AppendRequest& request, Verdicts& verdicts);

// Columns to columns: each distinct string is checked once, numbers in one pass. INVALID_ARGUMENT
// where the columns themselves are malformed (lengths, codes, kinds, a name twice).
absl::StatusOr<Draft> DraftFromColumns(const catalog::Dataset& dataset,
                                       const CompiledSchema& schema,
                                       const v1::AppendRequest& request, Verdicts& verdicts);

}  // namespace televault::ingest
