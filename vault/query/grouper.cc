#include "vault/query/grouper.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace televault::query {
namespace {

constexpr size_t kMaxDirect = 1 << 16;

// Whether every row of an int-like key has the same value, as truncated times within a day do.
bool IsUniform(const Vector& key, size_t rows) {
  if (key.constant) return true;
  if (!IsIntLike(key.type) || key.nulls != nullptr) return false;
  return std::all_of(key.ints, key.ints + rows, [&](int64_t v) { return v == key.ints[0]; });
}

}  // namespace

Grouper::Grouper(std::vector<SqlType> types, Interner& interner)
    : types_(std::move(types)),
      interner_(interner),
      table_(types_.size() + 1),
      encoders_(types_.size(), WordEncoder(interner)),
      words_(types_.size()) {}

void Grouper::StartUnit() {
  for (WordEncoder& encoder : encoders_) encoder.StartUnit();
  signature_.clear();
}

void Grouper::Assign(const std::vector<Vector>& keys, size_t rows, uint32_t* groups) {
  if (rows == 0 || AssignDirect(keys, rows, groups)) return;
  for (size_t k = 0; k < keys.size(); ++k) encoders_[k].Encode(keys[k], rows, words_[k]);
  WipedVector<uint64_t> key(keys.size() + 1);
  WipedVector<uint64_t> last(keys.size() + 1);
  for (size_t i = 0; i < rows; ++i) {
    key[0] = 0;
    for (size_t k = 0; k < keys.size(); ++k) {
      const bool null = keys[k].IsNull(i);
      key[0] |= static_cast<uint64_t>(null) << k;
      key[k + 1] = null ? 0 : words_[k][i];
    }
    const bool same = i > 0 && key == last;
    groups[i] = same ? groups[i - 1] : table_.FindOrAdd(key.data());
    last = key;
  }
}

// The group of one row, without the other rows' words.
uint32_t Grouper::GroupOfRow(const std::vector<Vector>& keys, size_t row) {
  WipedVector<uint64_t> key(keys.size() + 1);
  const auto position = static_cast<uint32_t>(row);
  for (size_t k = 0; k < keys.size(); ++k) {
    if (keys[k].IsNull(row)) {
      key[0] |= uint64_t{1} << k;
      continue;
    }
    encoders_[k].Encode(Vector::Gather(keys[k], &position, 1), 1, words_[k]);
    key[k + 1] = words_[k][0];
  }
  return table_.FindOrAdd(key.data());
}

bool Grouper::AssignDirect(const std::vector<Vector>& keys, size_t rows, uint32_t* groups) {
  size_t combinations = 1;
  std::vector<uint64_t> signature;
  for (const Vector& key : keys) {
    size_t size = 1;
    if (IsUniform(key, rows)) {
      // The value itself is part of what the array stands for.
      const bool number = IsIntLike(key.type) && !key.IsNull(0);
      if (!number && !key.IsNull(0)) return false;
      signature.push_back(number ? static_cast<uint64_t>(key.IntAt(0)) : 0);
      signature.push_back(number ? 1 : 2);
    } else if (key.type == SqlType::kText && key.stable_dictionary) {
      size = key.dictionary->size() + 1;
      signature.push_back(std::bit_cast<uint64_t>(key.dictionary));
      signature.push_back(3);
    } else if (key.type == SqlType::kBool) {
      size = 3;
      signature.push_back(4);
    } else {
      return false;
    }
    combinations *= size;
    if (combinations > kMaxDirect) return false;
  }
  if (signature != signature_ || direct_.size() != combinations) {
    direct_.assign(combinations, 0);
    signature_ = std::move(signature);
  }
  const uint32_t* const codes = DirectCodes(keys, rows);
  const uint32_t* const direct = direct_.data();
  // Most slices meet nothing new: then no row has to be looked at alone.
  uint32_t least = UINT32_MAX;
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t known = direct[codes[i]];
    least = std::min(least, known);
    groups[i] = known - 1;
  }
  if (least > 0) return true;
  for (size_t i = 0; i < rows; ++i) {
    uint32_t& known = direct_[codes[i]];
    if (known == 0) known = GroupOfRow(keys, i) + 1;
    groups[i] = known - 1;
  }
  return true;
}

// Each row's place in direct_.
const uint32_t* Grouper::DirectCodes(const std::vector<Vector>& keys, size_t rows) {
  bool first = true;
  const uint32_t* codes = nullptr;
  for (const Vector& key : keys) {
    if (key.constant || IsIntLike(key.type)) continue;
    const bool text = key.type == SqlType::kText;
    if (first && text && key.nulls == nullptr) {
      codes = key.codes;
      first = false;
      continue;
    }
    const auto size = static_cast<uint32_t>(text ? key.dictionary->size() + 1 : 3);
    codes_.resize(rows);
    for (size_t i = 0; i < rows; ++i) {
      const uint32_t code = text ? key.codes[i] : key.bools[i];
      const bool null = key.nulls != nullptr && key.nulls[i] != 0;
      codes_[i] = (first ? 0 : codes[i] * size) + (null ? size - 1 : code);
    }
    codes = codes_.data();
    first = false;
  }
  if (!first) return codes;
  codes_.assign(rows, 0);
  return codes_.data();
}

std::vector<uint32_t> Grouper::Absorb(const Grouper& other) {
  std::vector<uint32_t> map(other.size());
  for (uint32_t g = 0; g < other.size(); ++g) map[g] = table_.FindOrAdd(other.table_.KeyAt(g));
  return map;
}

std::vector<Vector> Grouper::Keys() const {
  std::vector<Vector> keys;
  for (size_t k = 0; k < types_.size(); ++k) {
    Vector key = Vector::Make(types_[k], size(), true);
    if (types_[k] == SqlType::kText) key.dictionary = &interner_.dictionary();
    for (uint32_t g = 0; g < size(); ++g) {
      const uint64_t* words = table_.KeyAt(g);
      const uint64_t word = words[k + 1];
      if (((words[0] >> k) & 1) != 0) {
        key.own_nulls[g] = 1;
      } else if (types_[k] == SqlType::kText) {
        key.own_codes[g] = static_cast<uint32_t>(word);
      } else if (types_[k] == SqlType::kDouble) {
        key.own_doubles[g] = std::bit_cast<double>(word);
      } else if (types_[k] == SqlType::kBool) {
        key.own_bools[g] = static_cast<uint8_t>(word);
      } else {
        key.own_ints[g] = static_cast<int64_t>(word);
      }
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace televault::query
