#include "vault/block/unit_columns.h"

#include <algorithm>
#include <utility>

#include "vault/base/check.h"
#include "vault/base/limits.h"

namespace televault::block {
namespace {

template <class T>
void Append(WipedVector<T>& to, const T* values, size_t count) {
  if (values != nullptr) to.insert(to.end(), values, values + count);
}

}  // namespace

UnitColumn::UnitColumn(const FooterColumn& stored, size_t rows, ChunkOpener& opener)
    : type_(stored.type),
      rows_(rows),
      stored_(&stored),
      opener_(&opener),
      rows_per_chunk_(stored.rows_per_chunk),
      chunk_{{}, ColumnReader(Column())},
      pages_(stored.dictionary.size()) {}

UnitColumn::UnitColumn(Column decoded)
    : type_(decoded.type),
      rows_(decoded.rows),
      rows_per_chunk_(decoded.rows),
      open_(0),
      chunk_{{}, ColumnReader(std::move(decoded))},
      texts_(&chunk_.reader.dictionary()) {}

absl::Status UnitColumn::OpenRows(size_t first) {
  TV_CHECK(first < rows_ || first == 0);
  if (stored_ == nullptr) return absl::OkStatus();
  const size_t chunk = first / rows_per_chunk_;
  if (open_ == chunk) return absl::OkStatus();
  TV_CHECK(opener_ != nullptr);
  open_.reset();
  TV_ASSIGN_OR_RETURN(std::vector<WipedBuffer> opened,
                      opener_->Open(stored_->values_chunk(chunk), 1));
  const size_t rows = std::min(rows_per_chunk_, rows_ - chunk * rows_per_chunk_);
  TV_ASSIGN_OR_RETURN(chunk_,
                      OpenChunk(stored_->values[chunk], std::move(opened.front()), type_, rows));
  if (type_ == PhysicalType::kString &&
      (!chunk_.reader.lacks_dictionary() || chunk_.reader.entries() != entries())) {
    return absl::DataLossError("a chunk has not the dictionary that its footer says");
  }
  open_ = chunk;
  // Lists carry theirs.
  if (type_ == PhysicalType::kStringList) texts_ = &chunk_.reader.dictionary();
  return absl::OkStatus();
}

absl::Status UnitColumn::Prepare(size_t first) { return Explained(OpenRows(first)); }

absl::Status UnitColumn::Read(size_t first, size_t count, ColumnSlice& out) {
  TV_RETURN_IF_ERROR(Explained(OpenRows(first)));
  const size_t skipped = stored_ == nullptr ? 0 : *open_ * rows_per_chunk_;
  TV_RETURN_IF_ERROR(Explained(chunk_.reader.Read(first - skipped, count, out)));
  if (type_ == PhysicalType::kString) out.dictionary = texts_;
  return absl::OkStatus();
}

absl::StatusOr<Column> UnitColumn::ReadAll() {
  if (stored_ == nullptr) return chunk_.reader.ReadAll();
  if (type_ == PhysicalType::kStringList) {
    TV_RETURN_IF_ERROR(Explained(OpenRows(0)));
    return chunk_.reader.ReadAll();
  }
  Column all = {.type = type_, .rows = rows_};
  ColumnSlice slice;
  for (size_t first = 0; first < rows_; first += limits::kRowsPerCheck) {
    const size_t count = std::min(limits::kRowsPerCheck, rows_ - first);
    TV_RETURN_IF_ERROR(Read(first, count, slice));
    if (slice.nulls != nullptr) {
      all.nulls.resize(first, 0);
      Append(all.nulls, slice.nulls, count);
    }
    if (type_ == PhysicalType::kInt) Append(all.ints, slice.ints, count);
    if (type_ == PhysicalType::kDouble) Append(all.doubles, slice.doubles, count);
    if (type_ == PhysicalType::kString) Append(all.codes, slice.codes, count);
  }
  if (!all.nulls.empty()) all.nulls.resize(rows_, 0);
  if (type_ == PhysicalType::kString) {
    TV_ASSIGN_OR_RETURN(const Dictionary* const texts, Texts());
    all.dictionary = *texts;
  }
  return all;
}

size_t UnitColumn::entries() const {
  if (stored_ == nullptr || type_ == PhysicalType::kStringList) return chunk_.reader.entries();
  return stored_->entries();
}

absl::StatusOr<Dictionary> UnitColumn::JoinPages() {
  TV_CHECK(stored_ != nullptr && opener_ != nullptr);
  const auto& pages = stored_->dictionary;
  TV_ASSIGN_OR_RETURN(std::vector<WipedBuffer> opened,
                      opener_->Open(stored_->first_chunk, static_cast<uint32_t>(pages.size())));
  size_t bytes = 0;
  for (const DictionaryPage& page : pages) bytes += page.codec.raw_bytes;
  Dictionary joined;
  joined.offsets.reserve(entries() + 1);
  joined.bytes.reserve(bytes);
  for (size_t p = 0; p < pages.size(); ++p) {
    TV_RETURN_IF_ERROR(OpenPage(pages[p].codec, std::move(opened[p]), pages[p].entries, joined));
  }
  return joined;
}

absl::StatusOr<const Dictionary*> UnitColumn::Texts() {
  if (texts_ != nullptr) return texts_;
  if (type_ == PhysicalType::kStringList) {
    TV_RETURN_IF_ERROR(Explained(OpenRows(0)));
    return texts_;
  }
  absl::StatusOr<Dictionary> joined = JoinPages();
  if (!joined.ok()) return Explained(joined.status());
  joined_ = *std::move(joined);
  return texts_ = &joined_;
}

absl::StatusOr<const Dictionary*> UnitColumn::Page(size_t page) {
  TV_CHECK(stored_ != nullptr && opener_ != nullptr);
  std::optional<Dictionary>& known = pages_[page];
  if (!known.has_value()) {
    const DictionaryPage& stored = stored_->dictionary[page];
    TV_ASSIGN_OR_RETURN(std::vector<WipedBuffer> opened,
                        opener_->Open(static_cast<uint32_t>(stored_->first_chunk + page), 1));
    Dictionary texts;
    TV_RETURN_IF_ERROR(OpenPage(stored.codec, std::move(opened.front()), stored.entries, texts));
    known = std::move(texts);
  }
  return &*known;
}

absl::StatusOr<std::vector<uint32_t>> UnitColumn::IndexedRows(size_t page, uint32_t entry) {
  TV_CHECK(stored_ != nullptr && opener_ != nullptr);
  const DictionaryPage& stored = stored_->dictionary[page];
  TV_ASSIGN_OR_RETURN(std::vector<WipedBuffer> opened,
                      opener_->Open(stored_->index_chunk(page), 1));
  TV_ASSIGN_OR_RETURN(const PageIndex index,
                      OpenIndex(stored.index, std::move(opened.front()), stored.entries, rows_));
  const std::span<const uint32_t> rows = index.RowsOf(entry);
  return std::vector<uint32_t>(rows.begin(), rows.end());
}

// In ascending entries a value stands on the last page that begins with its prefix or a smaller
// one, or, where several begin with its prefix, on one of those before.
absl::StatusOr<std::vector<uint32_t>> UnitColumn::LookUp(std::string_view value) {
  TV_CHECK(stored_ != nullptr && opener_ != nullptr);
  const auto& pages = stored_->dictionary;
  const uint64_t prefix = PrefixOf(value);
  const auto after = std::upper_bound(
      pages.begin(), pages.end(), prefix,
      [](uint64_t wanted, const DictionaryPage& page) { return wanted < page.prefix; });
  for (auto at = after; at != pages.begin();) {
    --at;
    const auto number = static_cast<size_t>(at - pages.begin());
    TV_ASSIGN_OR_RETURN(const Dictionary* const page, Page(number));
    uint32_t low = 0;
    for (auto high = static_cast<uint32_t>(page->size()); low < high;) {
      const uint32_t middle = low + (high - low) / 2;
      if (page->at(middle) < value) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low < page->size() && page->at(low) == value) return IndexedRows(number, low);
    // All that comes before is smaller still.
    if (low > 0 || at->prefix < prefix) break;
  }
  return std::vector<uint32_t>();
}

absl::StatusOr<std::vector<uint32_t>> UnitColumn::SearchRows(std::string_view value) {
  TV_ASSIGN_OR_RETURN(const Dictionary* const texts, Texts());
  std::vector<uint8_t> wanted(texts->size());
  for (uint32_t code = 0; code < texts->size(); ++code) wanted[code] = texts->at(code) == value;
  std::vector<uint32_t> rows;
  ColumnSlice slice;
  for (size_t first = 0; first < rows_; first += limits::kRowsPerCheck) {
    const size_t count = std::min(limits::kRowsPerCheck, rows_ - first);
    TV_RETURN_IF_ERROR(Read(first, count, slice));
    for (size_t i = 0; i < count; ++i) {
      const bool null = slice.nulls != nullptr && slice.nulls[i] != 0;
      if (!null && wanted[slice.codes[i]] != 0) rows.push_back(static_cast<uint32_t>(first + i));
    }
  }
  return rows;
}

absl::StatusOr<std::vector<uint32_t>> UnitColumn::RowsWith(std::string_view value) {
  TV_CHECK(type_ == PhysicalType::kString);
  if (stored_ == nullptr || !stored_->indexed) return SearchRows(value);
  absl::StatusOr<std::vector<uint32_t>> rows = LookUp(value);
  return rows.ok() ? std::move(rows) : Explained(rows.status());
}

absl::StatusOr<std::vector<std::string_view>> UnitColumn::FindTexts(
    std::span<const uint32_t> codes) {
  std::vector<std::string_view> texts;
  texts.reserve(codes.size());
  for (const uint32_t code : codes) {
    if (texts_ != nullptr) {
      texts.push_back(texts_->at(code));
      continue;
    }
    TV_CHECK(stored_ != nullptr);
    const auto& pages = stored_->dictionary;
    const auto after = std::upper_bound(
        pages.begin(), pages.end(), code,
        [](uint32_t wanted, const DictionaryPage& page) { return wanted < page.first; });
    TV_CHECK(after != pages.begin());
    const auto at = after - 1;
    TV_ASSIGN_OR_RETURN(const Dictionary* const page,
                        Page(static_cast<size_t>(at - pages.begin())));
    texts.push_back(page->at(code - at->first));
  }
  return texts;
}

absl::StatusOr<std::vector<std::string_view>> UnitColumn::TextsOf(std::span<const uint32_t> codes) {
  absl::StatusOr<std::vector<std::string_view>> texts = FindTexts(codes);
  return texts.ok() ? std::move(texts) : Explained(texts.status());
}

}  // namespace televault::block
