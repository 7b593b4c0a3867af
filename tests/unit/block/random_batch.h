#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "vault/block/column.h"
#include "vault/block/unit_columns.h"

namespace televault::block::testing {

enum class Shape { kConstant, kRuns, kSmall, kSorted, kWild };

inline void MaybeNulls(std::mt19937_64& rng, double share, Column& column) {
  if (share == 0) return;
  column.nulls.assign(column.rows, 0);
  for (auto& null : column.nulls) null = std::bernoulli_distribution(share)(rng) ? 1 : 0;
}

inline int64_t RandomInt(std::mt19937_64& rng, Shape shape, size_t row) {
  switch (shape) {
    case Shape::kConstant:
      return 42;
    case Shape::kRuns:
      return static_cast<int64_t>(row / 300);
    case Shape::kSmall:
      return static_cast<int64_t>(rng() % 1000) - 500;
    case Shape::kSorted:
      return 1'795'435'200'000'000 + static_cast<int64_t>(row * 1'300'000 + rng() % 1'000'000);
    case Shape::kWild:
      break;
  }
  return static_cast<int64_t>(rng());
}

inline Column IntColumn(std::mt19937_64& rng, Shape shape, size_t rows, double nulls) {
  Column column = {.type = PhysicalType::kInt, .rows = rows};
  MaybeNulls(rng, nulls, column);
  for (size_t row = 0; row < rows; ++row) {
    column.ints.push_back(column.IsNull(row) ? 0 : RandomInt(rng, shape, row));
  }
  return column;
}

inline Column DoubleColumn(std::mt19937_64& rng, Shape shape, size_t rows, double nulls) {
  Column column = {.type = PhysicalType::kDouble, .rows = rows};
  MaybeNulls(rng, nulls, column);
  for (size_t row = 0; row < rows; ++row) {
    double value = static_cast<double>(RandomInt(rng, Shape::kSmall, row)) / 100;
    if (shape == Shape::kWild) value = std::uniform_real_distribution<>(-1e300, 1e300)(rng);
    if (shape == Shape::kConstant) value = 0.1;
    column.doubles.push_back(column.IsNull(row) ? 0 : value);
  }
  return column;
}

inline std::string RandomText(std::mt19937_64& rng, Shape shape, size_t row) {
  if (shape == Shape::kWild) return std::string(rng() % 40, 'x') + std::to_string(rng());
  return "value-" + std::to_string(RandomInt(rng, shape, row) % 50);
}

// With a dictionary that names each value once per row: the encoder has to compact it.
inline Column StringColumn(std::mt19937_64& rng, Shape shape, size_t rows, double nulls) {
  Column column = {.type = PhysicalType::kString, .rows = rows};
  MaybeNulls(rng, nulls, column);
  for (size_t row = 0; row < rows; ++row) {
    column.codes.push_back(column.IsNull(row) ? 0
                                              : column.dictionary.Add(RandomText(rng, shape, row)));
  }
  return column;
}

inline Column ListColumn(std::mt19937_64& rng, Shape shape, size_t rows, double nulls) {
  Column column = {.type = PhysicalType::kStringList, .rows = rows};
  MaybeNulls(rng, nulls, column);
  for (size_t row = 0; row < rows; ++row) {
    const size_t elements = column.IsNull(row) ? 0 : rng() % 4;
    for (size_t i = 0; i < elements; ++i) {
      column.codes.push_back(column.dictionary.Add(RandomText(rng, shape, row)));
    }
    column.list_ends.push_back(static_cast<uint32_t>(column.codes.size()));
  }
  return column;
}

inline Column RandomColumn(std::mt19937_64& rng, PhysicalType type, Shape shape, size_t rows,
                           double nulls) {
  switch (type) {
    case PhysicalType::kInt:
      return IntColumn(rng, shape, rows, nulls);
    case PhysicalType::kDouble:
      return DoubleColumn(rng, shape, rows, nulls);
    case PhysicalType::kString:
      return StringColumn(rng, shape, rows, nulls);
    case PhysicalType::kStringList:
      break;
  }
  return ListColumn(rng, shape, rows, nulls);
}

// event_time (not sorted), a 16-byte subject, and one column of each type.
inline ColumnBatch RandomBatch(std::mt19937_64& rng, size_t rows) {
  ColumnBatch batch = {.rows = rows, .numbers = {0, 1, 2, 3, 5, 8}};
  batch.columns.push_back(IntColumn(rng, Shape::kSorted, rows, 0));
  if (rows > 2) std::swap(batch.columns[0].ints.front(), batch.columns[0].ints.back());
  Column subject = {.type = PhysicalType::kString, .rows = rows};
  for (size_t row = 0; row < rows; ++row) {
    std::string text = "subject-" + std::to_string(rng() % 500);
    text.resize(16, '.');
    subject.codes.push_back(subject.dictionary.Add(text));
  }
  batch.columns.push_back(std::move(subject));
  batch.columns.push_back(IntColumn(rng, Shape::kSmall, rows, 0.1));
  batch.columns.push_back(DoubleColumn(rng, Shape::kSmall, rows, 0.1));
  batch.columns.push_back(StringColumn(rng, Shape::kSmall, rows, 0.1));
  batch.columns.push_back(ListColumn(rng, Shape::kSmall, rows, 0.1));
  return batch;
}

// Values as text, one a row: what two columns must agree in whatever their dictionaries look like.
inline std::vector<std::string> Values(const Column& column) {
  std::vector<std::string> values;
  for (size_t row = 0; row < column.rows; ++row) {
    if (column.IsNull(row)) {
      values.push_back("NULL");
      continue;
    }
    std::string text;
    switch (column.type) {
      case PhysicalType::kInt:
        text = std::to_string(column.ints[row]);
        break;
      case PhysicalType::kDouble:
        text.assign(reinterpret_cast<const char*>(&column.doubles[row]), 8);
        break;
      case PhysicalType::kString:
        text = column.dictionary.at(column.codes[row]);
        break;
      case PhysicalType::kStringList:
        for (uint32_t i = row == 0 ? 0 : column.list_ends[row - 1]; i < column.list_ends[row];
             ++i) {
          text += std::string(column.dictionary.at(column.codes[i])) + "|";
        }
    }
    values.push_back("=" + text);
  }
  return values;
}

// The column of which `encoded` are the chunks, as a block would have it.
class EncodedChunks final : public ChunkOpener {
 public:
  EncodedChunks(const EncodedColumn& encoded, PhysicalType type, bool indexed = false)
      : stored(MakeFooterColumn(encoded, type, indexed)) {
    for (const EncodedChunk* const chunk : encoded.Chunks()) chunks.push_back(chunk->bytes);
  }
  absl::StatusOr<std::vector<WipedBuffer>> Open(uint32_t first, uint32_t count) override {
    std::vector<WipedBuffer> asked;
    for (uint32_t n = first; n < first + count; ++n) {
      opened.push_back(n);
      asked.push_back(chunks[n]);
    }
    return asked;
  }
  absl::Status Explain(const absl::Status& failure) override { return failure; }

  FooterColumn stored;
  std::vector<WipedBuffer> chunks;
  std::vector<uint32_t> opened;  // numbers, in the order asked for
};

inline absl::StatusOr<Column> Decoded(const EncodedColumn& encoded, PhysicalType type, size_t rows,
                                      bool indexed = false) {
  EncodedChunks chunks(encoded, type, indexed);
  return UnitColumn(chunks.stored, rows, chunks).ReadAll();
}
// Of a chunk alone.
inline absl::StatusOr<Column> Decoded(const ChunkCodec& codec, Bytes bytes, PhysicalType type,
                                      size_t rows) {
  TV_ASSIGN_OR_RETURN(const OpenedChunk chunk,
                      OpenChunk(codec, WipedBuffer(bytes.begin(), bytes.end()), type, rows));
  return chunk.reader.ReadAll();
}

}  // namespace televault::block::testing
