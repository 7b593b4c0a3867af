#pragma once

#include <functional>
#include <optional>
#include <string>

#include "vault/base/status.h"
#include "vault/mapping/otlp.h"
#include "vault/mapping/record.h"
#include "vault/mapping/source.h"
#include "vault/mapping/text.h"

namespace televault::cli {

enum class RecordFormat { kNdjson, kCsv, kOtlpJson, kOtlpProto, kMapped };

struct RecordSourceOptions {
  RecordFormat format = RecordFormat::kNdjson;
  mapping::FlatNames names;
  mapping::Shape shape;
  mapping::OtlpNames otlp;
  std::optional<mapping::SourceMapping> source;  // kMapped
};

// Takes what was read; an error stops the reading.
using RecordSink = std::function<absl::Status(mapping::ParsedRecords&&)>;

// "ndjson", "csv", "otlp-json", "otlp-pb"; "" guesses from the file's ending.
absl::StatusOr<RecordFormat> ParseRecordFormat(const std::string& name, const std::string& path);

// Reads `path` ("-": standard input) piece by piece and hands out its records. NDJSON and CSV are
// read as they come, whatever their size; OTLP and mapped JSON documents have at most
// limits::kMaxMessageBytes each, one per file or one per line.
absl::Status ReadRecords(const std::string& path, const RecordSourceOptions& options,
                         const RecordSink& sink);

}  // namespace televault::cli
