#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "vault/base/time.h"

namespace televault::bench {

using Random = std::mt19937_64;

// Yesterday, 00:00 UTC: the day all events lie in.
WallTime Yesterday();

// The manifest at `path` for a dataset of that name, approved and due for review around today.
std::string Manifest(const std::string& path, const std::string& dataset);
inline constexpr char kBuildsManifest[] = "tests/bench/builds.yaml";

// Nothing but the dataset, and consent given.
v1::AppendRequest EmptyBatch(const std::string& dataset);

// Ten fields (time, subject and eight more) of plausible builds, spread over yesterday; 100,000
// machines. Consent given. Without a batch id.
v1::AppendRequest ColumnBatch(const std::string& dataset, uint32_t events, Random& random);
v1::AppendRequest RowBatch(const std::string& dataset, uint32_t events, Random& random);
// The same as lines of CSV, for engines that take those.
std::string CsvBatch(uint32_t events, Random& random);
opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest OtlpBatch(
    const std::string& dataset, uint32_t events, Random& random);

// 16 random bytes.
std::string BatchId(Random& random);

}  // namespace televault::bench
