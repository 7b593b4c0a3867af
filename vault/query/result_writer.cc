#include "vault/query/result_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"

namespace televault::query {
namespace {

// Room for field headers and lengths that the estimate per row does not see.
constexpr size_t kTarget = limits::kMaxResultBatchBytes - 32 * limits::KiB;
constexpr size_t kScalarBytes = 12;  // a value, its NULL flag and its withheld flag
constexpr size_t kTextBytes = 16;    // around a dictionary entry

}  // namespace

ResultWriter::ResultWriter(size_t columns, const BatchSink& sink)
    : columns_(columns), sink_(sink), codes_(columns), any_null_(columns), any_withheld_(columns) {
  for (size_t c = 0; c < columns_; ++c) batch_.add_columns();
}

size_t ResultWriter::RowBytes(const std::vector<Vector>& columns, size_t row) const {
  size_t bytes = columns_ * kScalarBytes;
  for (const Vector& column : columns) {
    if (column.IsNull(row)) continue;
    if (column.type == SqlType::kText) bytes += column.TextAt(row).size() + kTextBytes;
    if (column.type != SqlType::kTextList) continue;
    const auto at = static_cast<ptrdiff_t>(column.At(row));
    for (uint32_t e = column.list_ends[at - 1]; e < column.list_ends[at]; ++e) {
      bytes += column.dictionary->at(column.codes[e]).size() + kTextBytes;
    }
  }
  return bytes;
}

uint32_t ResultWriter::Code(size_t column, std::string_view text) {
  const auto [entry, fresh] =
      codes_[column].try_emplace(std::string(text), static_cast<uint32_t>(codes_[column].size()));
  if (fresh) batch_.mutable_columns(static_cast<int>(column))->add_dictionary(entry->first);
  return entry->second;
}

void ResultWriter::AppendValue(size_t column, const Vector& from, size_t row) {
  v1::ColumnData& data = *batch_.mutable_columns(static_cast<int>(column));
  const bool null = from.IsNull(row);
  data.mutable_nulls()->push_back(null ? 1 : 0);
  any_null_[column] |= null ? 1 : 0;
  switch (from.type) {
    case SqlType::kDouble:
      data.add_doubles(null ? 0 : from.DoubleAt(row));
      break;
    case SqlType::kText:
      data.add_codes(null ? 0 : Code(column, from.TextAt(row)));
      break;
    case SqlType::kTextList: {
      const auto at = static_cast<ptrdiff_t>(from.At(row));
      for (uint32_t e = from.list_ends[at - 1]; !null && e < from.list_ends[at]; ++e) {
        data.add_codes(Code(column, from.dictionary->at(from.codes[e])));
      }
      data.add_list_ends(static_cast<uint32_t>(data.codes_size()));
      break;
    }
    case SqlType::kBool:
      data.add_ints(!null && from.BoolAt(row) ? 1 : 0);
      break;
    default:
      data.add_ints(null ? 0 : from.IntAt(row));
      break;
  }
}

absl::Status ResultWriter::Append(const std::vector<Vector>& columns, size_t rows,
                                  const std::vector<std::vector<uint8_t>>& withheld) {
  for (size_t row = 0; row < rows; ++row) {
    const size_t row_bytes = RowBytes(columns, row);
    if (row_bytes > kTarget) {
      return absl::ResourceExhaustedError(absl::StrCat("one row is larger than a result batch of ",
                                                       limits::kMaxResultBatchBytes,
                                                       " bytes; select fewer columns"));
    }
    if (bytes_ + row_bytes > kTarget) TV_RETURN_IF_ERROR(Flush());
    bytes_ += row_bytes;
    for (size_t c = 0; c < columns_; ++c) {
      AppendValue(c, columns[c], row);
      const bool flagged = !withheld.empty() && !withheld[c].empty() && withheld[c][row] != 0;
      batch_.mutable_columns(static_cast<int>(c))->mutable_suppressed()->push_back(flagged ? 1 : 0);
      any_withheld_[c] |= flagged ? 1 : 0;
    }
    batch_.set_rows(batch_.rows() + 1);
    ++total_rows_;
  }
  return absl::OkStatus();
}

absl::Status ResultWriter::Flush() {
  if (batch_.rows() == 0) return absl::OkStatus();
  for (size_t c = 0; c < columns_; ++c) {
    v1::ColumnData& data = *batch_.mutable_columns(static_cast<int>(c));
    if (any_null_[c] == 0) data.clear_nulls();
    if (any_withheld_[c] == 0) data.clear_suppressed();
    codes_[c].clear();
    any_null_[c] = 0;
    any_withheld_[c] = 0;
  }
  v1::QueryBatch full = std::exchange(batch_, v1::QueryBatch());
  for (size_t c = 0; c < columns_; ++c) batch_.add_columns();
  bytes_ = 0;
  return sink_(std::move(full));
}

absl::Status ResultWriter::Finish() { return Flush(); }

}  // namespace televault::query
