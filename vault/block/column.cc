#include "vault/block/column.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"

namespace televault::block {
namespace {

absl::Status Broken(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status CheckDictionary(const Dictionary& dictionary) {
  const auto& offsets = dictionary.offsets;
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != dictionary.bytes.size() ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    return Broken("the dictionary's offsets do not cut its bytes into values");
  }
  return absl::OkStatus();
}

absl::Status CheckNulls(const Column& column) {
  if (column.nulls.empty()) return absl::OkStatus();
  if (column.nulls.size() != column.rows) return Broken("the null flags are not one a row");
  for (size_t row = 0; row < column.rows; ++row) {
    if (column.nulls[row] > 1) return Broken("a null flag is neither 0 nor 1");
  }
  return absl::OkStatus();
}

absl::Status CheckInts(const Column& column) {
  if (column.ints.size() != column.rows) return Broken("the integers are not one a row");
  for (size_t row = 0; row < column.nulls.size(); ++row) {
    if (column.nulls[row] != 0 && column.ints[row] != 0) return Broken("a NULL row holds a value");
  }
  return absl::OkStatus();
}

absl::Status CheckDoubles(const Column& column) {
  if (column.doubles.size() != column.rows) return Broken("the doubles are not one a row");
  for (size_t row = 0; row < column.rows; ++row) {
    if (!std::isfinite(column.doubles[row])) return Broken("a double is not finite");
    if (column.IsNull(row) && column.doubles[row] != 0) return Broken("a NULL row holds a value");
  }
  return absl::OkStatus();
}

absl::Status CheckStrings(const Column& column) {
  if (column.codes.size() != column.rows) return Broken("the codes are not one a row");
  for (size_t row = 0; row < column.rows; ++row) {
    if (column.IsNull(row)) {
      if (column.codes[row] != 0) return Broken("a NULL row holds a value");
    } else if (column.codes[row] >= column.dictionary.size()) {
      return Broken("a code is not in the dictionary");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLists(const Column& column) {
  if (column.list_ends.size() != column.rows) return Broken("the list ends are not one a row");
  uint32_t last = 0;
  for (size_t row = 0; row < column.rows; ++row) {
    const uint32_t end = column.list_ends[row];
    if (end < last) return Broken("the list ends decrease");
    if (column.IsNull(row) && end != last) return Broken("a NULL row holds list elements");
    last = end;
  }
  if (column.codes.size() != last) return Broken("the list ends do not match the elements");
  for (const uint32_t code : column.codes) {
    if (code >= column.dictionary.size()) return Broken("a code is not in the dictionary");
  }
  return absl::OkStatus();
}

absl::Status CheckColumn(const Column& column) {
  TV_RETURN_IF_ERROR(CheckNulls(column));
  TV_RETURN_IF_ERROR(CheckDictionary(column.dictionary));
  switch (column.type) {
    case PhysicalType::kInt:
      return CheckInts(column);
    case PhysicalType::kDouble:
      return CheckDoubles(column);
    case PhysicalType::kString:
      return CheckStrings(column);
    case PhysicalType::kStringList:
      return CheckLists(column);
  }
  return Broken("the type is none that format v1 knows");
}

}  // namespace

absl::Status Validate(const ColumnBatch& batch) {
  if (batch.numbers.size() != batch.columns.size()) {
    return Broken("a batch has not as many column numbers as columns");
  }
  if (batch.columns.size() > limits::kMaxColumns) {
    return Broken(absl::StrCat("a batch has ", batch.columns.size(), " columns; at most ",
                               limits::kMaxColumns, " are allowed"));
  }
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    if (i > 0 && batch.numbers[i] <= batch.numbers[i - 1]) {
      return Broken("the column numbers of a batch do not ascend");
    }
    const std::string where = absl::StrCat("column ", batch.numbers[i]);
    if (batch.columns[i].rows != batch.rows) {
      return Broken(absl::StrCat(where, ": has other rows than its batch"));
    }
    const absl::Status status = CheckColumn(batch.columns[i]);
    if (!status.ok()) return Annotate(status, where);
  }
  return absl::OkStatus();
}

}  // namespace televault::block
