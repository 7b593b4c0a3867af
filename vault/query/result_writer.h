#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "vault/query/execute.h"
#include "vault/query/vector.h"

namespace televault::query {

// Cuts an answer into batches of at most limits::kMaxResultBatchBytes and hands them to the sink.
// Threads: one. Borrows: sink.
// Failure: what the sink says; RESOURCE_EXHAUSTED where one row alone is larger than a batch.
class ResultWriter {
 public:
  ResultWriter(size_t columns, const BatchSink& sink);
  // `withheld` is empty or has one list of flags per column (an empty list = none).
  absl::Status Append(const std::vector<Vector>& columns, size_t rows,
                      const std::vector<std::vector<uint8_t>>& withheld = {});
  absl::Status Finish();
  uint64_t rows() const { return total_rows_; }

 private:
  size_t RowBytes(const std::vector<Vector>& columns, size_t row) const;
  void AppendValue(size_t column, const Vector& from, size_t row);
  uint32_t Code(size_t column, std::string_view text);
  absl::Status Flush();

  const size_t columns_;
  const BatchSink& sink_;
  v1::QueryBatch batch_;
  std::vector<std::unordered_map<std::string, uint32_t>> codes_;
  std::vector<uint8_t> any_null_;
  std::vector<uint8_t> any_withheld_;
  size_t bytes_ = 0;
  uint64_t total_rows_ = 0;
};

}  // namespace televault::query
