#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "televault/v1/ingest_service.pb.h"
#include "tests/support/events.h"
#include "vault/ingest/ports.h"

namespace televault::testing {

// One request of a client. The `subject` of its events is the raw id.
struct SentBatch {
  int stage = 0;           // merges fall between stages
  uint32_t revision = 1;   // of the manifest in force when it is sent; 1 has no `took`
  bool columnar = false;   // Columns instead of Rows
  bool anonymous = false;  // sent with do_not_track: stored without subjects
  std::vector<Event> events;
};

inline constexpr int kStages = 6;

// The rows of a differential run as clients send them: five days out of six, each in stages that
// become ever smaller and differ in what their columns hold, so that statistics of blocks tell them
// apart; the last stage holds late rows of every day. Depends on the seed alone.
std::vector<SentBatch> GenerateTable(uint64_t seed);

std::string ManifestOf(const std::string& dataset, uint32_t revision);
v1::AppendRequest RequestOf(const SentBatch& batch, const std::string& dataset);

// What must be in the vault afterwards, worked out from what was sent; `keys` are those of
// `dataset`, whose pseudonyms it has.
absl::Status WriteCsv(const std::vector<SentBatch>& batches, DatasetId dataset,
                      ingest::SubjectKeys& keys, const std::string& path);

}  // namespace televault::testing
