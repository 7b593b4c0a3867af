#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin-cli/context.h"
#include "admin-cli/output/json.h"
#include "televault/v1/query_service.pb.h"

namespace televault::cli {

struct ResultCell {
  Json value;  // null, bool, number, text or list; times in RFC 3339, durations in microseconds
  bool withheld = false;
};

// The rows of one batch. DATA_LOSS where its arrays do not fit its columns: it comes from outside.
absl::StatusOr<std::vector<std::vector<ResultCell>>> RowsOf(const v1::QueryHeader& header,
                                                            const v1::QueryBatch& batch);

// Prints a result while it arrives, in one format.
// Threads: one.  Borrows: the context.
// Failure: End(nullptr) closes what was printed so that it can be told from a whole result.
class ResultWriter {
 public:
  virtual ~ResultWriter() = default;
  virtual void Header(const v1::QueryHeader& header) = 0;
  virtual void Rows(const std::vector<std::vector<ResultCell>>& rows) = 0;
  // `trailer` is null where the result was cut off.
  virtual void End(const v1::QueryTrailer* trailer) = 0;
};

// For context.format().
std::unique_ptr<ResultWriter> NewResultWriter(Context& context);

// "int", "timestamp", …: the type names of the JSON output.
std::string KindName(v1::FieldKind kind);

}  // namespace televault::cli
