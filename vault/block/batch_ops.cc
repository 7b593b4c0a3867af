#include "vault/block/batch_ops.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "vault/base/check.h"

namespace televault::block {
namespace {

constexpr uint32_t kUnset = std::numeric_limits<uint32_t>::max();
constexpr size_t kMost = std::numeric_limits<uint32_t>::max() - 1;

bool IsText(PhysicalType type) {
  return type == PhysicalType::kString || type == PhysicalType::kStringList;
}

// Gives every string one code. The texts belong to the dictionaries handed in, which must outlive
// the interner; only its own dictionary holds copies.
class Interner {
 public:
  uint32_t Code(std::string_view text) {
    const auto [at, fresh] = codes_.try_emplace(text, static_cast<uint32_t>(dictionary_.size()));
    if (fresh) dictionary_.Add(text);
    return at->second;
  }
  const Dictionary& dictionary() const { return dictionary_; }
  Dictionary Release() { return std::move(dictionary_); }

 private:
  absl::flat_hash_map<std::string_view, uint32_t> codes_;
  Dictionary dictionary_;
};

// Renumbers `column`'s codes in order of first use; `give` returns the new code of an old one and
// is asked once per old code.
template <class Give>
void Renumber(Column& column, size_t old_codes, Give give) {
  WipedVector<uint32_t> fresh(old_codes, kUnset);
  const bool strings = column.type == PhysicalType::kString;
  for (size_t i = 0; i < column.codes.size(); ++i) {
    if (strings && column.IsNull(i)) continue;
    uint32_t& code = fresh[column.codes[i]];
    if (code == kUnset) code = give(column.codes[i]);
    column.codes[i] = code;
  }
}

// Gives `column`, whose codes are those of `from`, a dictionary of the entries it uses. No value is
// twice in `from`, so nothing has to be compared.
void TakeUsed(const Dictionary& from, Column& column) {
  Renumber(column, from.size(),
           [&](uint32_t code) { return column.dictionary.Add(from.at(code)); });
}

Column TakeLists(const Column& column, std::span<const uint32_t> rows) {
  Column out = {.type = column.type, .rows = rows.size()};
  out.list_ends.reserve(rows.size());
  for (const uint32_t row : rows) {
    const uint32_t begin = row == 0 ? 0 : column.list_ends[row - 1];
    out.codes.insert(out.codes.end(), column.codes.begin() + begin,
                     column.codes.begin() + column.list_ends[row]);
    TV_CHECK(out.codes.size() <= kMost);
    out.list_ends.push_back(static_cast<uint32_t>(out.codes.size()));
  }
  return out;
}

template <class T>
WipedVector<T> Gather(const WipedVector<T>& values, std::span<const uint32_t> rows) {
  WipedVector<T> out;
  out.reserve(rows.size());
  for (const uint32_t row : rows) out.push_back(values[row]);
  return out;
}

void AppendNulls(const Column* part, size_t rows, WipedVector<uint8_t>& nulls, size_t before) {
  const bool any = part == nullptr || !part->nulls.empty();
  if (nulls.empty() && !any) return;
  nulls.resize(before, 0);
  if (part == nullptr) {
    nulls.resize(before + rows, 1);
  } else if (part->nulls.empty()) {
    nulls.resize(before + rows, 0);
  } else {
    nulls.insert(nulls.end(), part->nulls.begin(), part->nulls.end());
  }
}

absl::Status AppendText(const Column* part, size_t rows, Column& out, Interner& interner) {
  const bool lists = out.type == PhysicalType::kStringList;
  if (part == nullptr) {
    if (lists) {
      out.list_ends.resize(out.list_ends.size() + rows, static_cast<uint32_t>(out.codes.size()));
    } else {
      out.codes.resize(out.codes.size() + rows, 0);
    }
    return absl::OkStatus();
  }
  const size_t base = out.codes.size();
  if (base + part->codes.size() > kMost ||
      interner.dictionary().bytes.size() + part->dictionary.bytes.size() > kMost) {
    return absl::InvalidArgumentError("the joined batches exceed 2^32 list elements or bytes");
  }
  WipedVector<uint32_t> fresh(part->dictionary.size(), kUnset);
  out.codes.resize(base + part->codes.size(), 0);
  for (size_t i = 0; i < part->codes.size(); ++i) {
    if (!lists && part->IsNull(i)) continue;
    uint32_t& code = fresh[part->codes[i]];
    if (code == kUnset) code = interner.Code(part->dictionary.at(part->codes[i]));
    out.codes[base + i] = code;
  }
  for (const uint32_t end : part->list_ends) {
    out.list_ends.push_back(static_cast<uint32_t>(base + end));
  }
  return absl::OkStatus();
}

template <class T>
void AppendValues(const WipedVector<T>* part, size_t rows, WipedVector<T>& out) {
  if (part == nullptr) {
    out.resize(out.size() + rows, T{});
  } else {
    out.insert(out.end(), part->begin(), part->end());
  }
}

absl::StatusOr<Column> ConcatColumn(std::span<const ColumnBatch> batches, uint16_t number,
                                    PhysicalType type) {
  Column out = {.type = type};
  Interner interner;
  for (const ColumnBatch& batch : batches) {
    const Column* part = batch.Find(number);
    AppendNulls(part, batch.rows, out.nulls, out.rows);
    if (type == PhysicalType::kInt) {
      AppendValues(part == nullptr ? nullptr : &part->ints, batch.rows, out.ints);
    } else if (type == PhysicalType::kDouble) {
      AppendValues(part == nullptr ? nullptr : &part->doubles, batch.rows, out.doubles);
    } else {
      TV_RETURN_IF_ERROR(AppendText(part, batch.rows, out, interner));
    }
    out.rows += batch.rows;
  }
  if (IsText(type)) out.dictionary = interner.Release();
  return out;
}

}  // namespace

Column NullColumn(PhysicalType type, size_t rows) {
  Column column = {.type = type, .rows = rows};
  column.nulls.assign(rows, 1);
  switch (type) {
    case PhysicalType::kInt:
      column.ints.resize(rows);
      break;
    case PhysicalType::kDouble:
      column.doubles.resize(rows);
      break;
    case PhysicalType::kString:
      column.codes.resize(rows);
      break;
    case PhysicalType::kStringList:
      column.list_ends.resize(rows);
      break;
  }
  return column;
}

absl::StatusOr<ColumnBatch> Concat(std::span<const ColumnBatch> batches) {
  std::map<uint16_t, PhysicalType> types;
  ColumnBatch out;
  for (const ColumnBatch& batch : batches) {
    out.rows += batch.rows;
    for (size_t i = 0; i < batch.columns.size(); ++i) {
      const PhysicalType type = batch.columns[i].type;
      if (types.try_emplace(batch.numbers[i], type).first->second != type) {
        return absl::InvalidArgumentError(
            absl::StrCat("column ", batch.numbers[i], " has two types in the joined batches"));
      }
    }
  }
  if (out.rows > kMost) return absl::InvalidArgumentError("the joined batches exceed 2^32 rows");
  for (const auto& [number, type] : types) {
    TV_ASSIGN_OR_RETURN(Column column, ConcatColumn(batches, number, type));
    out.numbers.push_back(number);
    out.columns.push_back(std::move(column));
  }
  return out;
}

Column Take(const Column& column, std::span<const uint32_t> rows) {
  Column out;
  if (column.type == PhysicalType::kStringList) {
    out = TakeLists(column, rows);
  } else {
    out = {.type = column.type, .rows = rows.size()};
    if (column.type == PhysicalType::kInt) out.ints = Gather(column.ints, rows);
    if (column.type == PhysicalType::kDouble) out.doubles = Gather(column.doubles, rows);
    if (column.type == PhysicalType::kString) out.codes = Gather(column.codes, rows);
  }
  if (!column.nulls.empty()) {
    out.nulls = Gather(column.nulls, rows);
    if (std::find(out.nulls.begin(), out.nulls.end(), 1) == out.nulls.end()) out.nulls.clear();
  }
  if (IsText(column.type)) TakeUsed(column.dictionary, out);
  return out;
}

ColumnBatch Take(const ColumnBatch& batch, std::span<const uint32_t> rows) {
  ColumnBatch out = {.rows = rows.size(), .numbers = batch.numbers};
  out.columns.reserve(batch.columns.size());
  for (const Column& column : batch.columns) out.columns.push_back(Take(column, rows));
  return out;
}

Column Slice(const Column& column, size_t first, size_t count) {
  TV_CHECK(first <= column.rows && count <= column.rows - first);
  WipedVector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(first));
  return Take(column, rows);
}

ColumnBatch Slice(const ColumnBatch& batch, size_t first, size_t count) {
  TV_CHECK(first <= batch.rows && count <= batch.rows - first);
  WipedVector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(first));
  return Take(batch, rows);
}

ColumnBatch Filter(const ColumnBatch& batch, std::span<const uint8_t> keep) {
  TV_CHECK(keep.size() == batch.rows);
  WipedVector<uint32_t> rows;
  for (size_t row = 0; row < keep.size(); ++row) {
    if (keep[row] != 0) rows.push_back(static_cast<uint32_t>(row));
  }
  return Take(batch, rows);
}

ColumnBatch SortByTime(const ColumnBatch& batch) {
  const Column* time = batch.Find(kEventTimeColumn);
  TV_CHECK(time != nullptr && time->type == PhysicalType::kInt);
  WipedVector<uint32_t> rows(batch.rows);
  std::iota(rows.begin(), rows.end(), 0U);
  std::stable_sort(rows.begin(), rows.end(),
                   [&](uint32_t a, uint32_t b) { return time->ints[a] < time->ints[b]; });
  return Take(batch, rows);
}

void CompactDictionary(Column& column) {
  if (!IsText(column.type)) return;
  Interner interner;
  Renumber(column, column.dictionary.size(),
           [&](uint32_t code) { return interner.Code(column.dictionary.at(code)); });
  column.dictionary = interner.Release();
}

void SortDictionary(Column& column) {
  const Dictionary& dictionary = column.dictionary;
  std::vector<uint32_t> order(dictionary.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto less = [&](uint32_t a, uint32_t b) { return dictionary.at(a) < dictionary.at(b); };
  if (std::is_sorted(order.begin(), order.end(), less)) return;
  std::sort(order.begin(), order.end(), less);
  Dictionary sorted;
  sorted.bytes.reserve(dictionary.bytes.size());
  WipedVector<uint32_t> ranks(order.size());
  for (const uint32_t code : order) ranks[code] = sorted.Add(dictionary.at(code));
  for (size_t i = 0; i < column.codes.size(); ++i) {
    // The code of a NULL is never looked up.
    const bool used = column.type != PhysicalType::kString || !column.IsNull(i);
    if (used) column.codes[i] = ranks[column.codes[i]];
  }
  column.dictionary = std::move(sorted);
}

size_t MemoryBytes(const Column& column) {
  return column.nulls.size() + column.ints.size() * sizeof(int64_t) +
         column.doubles.size() * sizeof(double) + column.codes.size() * sizeof(uint32_t) +
         column.list_ends.size() * sizeof(uint32_t) +
         column.dictionary.offsets.size() * sizeof(uint32_t) + column.dictionary.bytes.size();
}

size_t MemoryBytes(const ColumnBatch& batch) {
  size_t bytes = 0;
  for (const Column& column : batch.columns) bytes += MemoryBytes(column);
  return bytes;
}

}  // namespace televault::block
