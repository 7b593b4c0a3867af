#include "vault/block/sequence.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/block/bit_pack.h"
#include "vault/block/wire.h"

namespace televault::block {
namespace {

using limits::kRowsPerVector;

constexpr size_t kPackedHeader = 9;  // base, width
constexpr size_t kDeltaHeader = 17;  // before, least delta, width

unsigned WidthOf(int64_t low, int64_t high) {
  return static_cast<unsigned>(
      std::bit_width(static_cast<uint64_t>(high) - static_cast<uint64_t>(low)));
}

int64_t Difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

struct Range {
  int64_t low = std::numeric_limits<int64_t>::max();
  int64_t high = std::numeric_limits<int64_t>::min();
  void Add(int64_t value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  unsigned width() const { return low > high ? 0 : WidthOf(low, high); }
};

// Exact sizes of the candidate encodings; one pass is cheaper than encoding twice.
struct Sizes {
  size_t runs = 0;
  Range all;
  size_t packed = 0;
  size_t delta = 0;
};

template <class T>
Sizes Measure(std::span<const T> values) {
  Sizes sizes;
  for (size_t start = 0; start < values.size(); start += kRowsPerVector) {
    const auto vector = values.subspan(start, std::min(kRowsPerVector, values.size() - start));
    Range range;
    Range deltas;
    size_t changes = 0;
    int64_t last = static_cast<int64_t>(vector.front());
    range.Add(last);
    for (size_t i = 1; i < vector.size(); ++i) {
      const int64_t value = static_cast<int64_t>(vector[i]);
      range.Add(value);
      deltas.Add(Difference(value, last));
      changes += value != last;
      last = value;
    }
    sizes.runs += changes + (start == 0 || vector.front() != values[start - 1]);
    sizes.all.Add(range.low);
    sizes.all.Add(range.high);
    sizes.packed += kPackedHeader + PackedBytes(vector.size(), range.width());
    sizes.delta += kDeltaHeader + PackedBytes(vector.size(), deltas.width());
  }
  return sizes;
}

// A run costs a value and a length; the length's width is guessed at its worst.
size_t RunLengthSize(const Sizes& sizes, size_t count) {
  const size_t headers = 4 + 2 * kPackedHeader * (sizes.runs / kRowsPerVector + 1);
  return headers + PackedBytes(sizes.runs, sizes.all.width()) +
         PackedBytes(sizes.runs, static_cast<unsigned>(std::bit_width(count)));
}

// Delta and run-length decode slower than packed, so they have to save something.
template <class T>
Encoding Choose(std::span<const T> values) {
  if (values.empty()) return Encoding::kConstant;
  const Sizes sizes = Measure(values);
  if (sizes.runs == 1) return Encoding::kConstant;
  Encoding best = Encoding::kPacked;
  size_t best_size = sizes.packed;
  const bool flags = sizes.all.low == 0 && sizes.all.high == 1;
  if (const std::optional<Encoding> forced = ForcedEncoding::Current(); forced.has_value()) {
    const bool fits = *forced != Encoding::kConstant && *forced != Encoding::kDecimal &&
                      (*forced != Encoding::kBitmap || flags);
    return fits ? *forced : Encoding::kPacked;
  }
  if (flags) {
    best = Encoding::kBitmap;
    best_size = PackedBytes(values.size(), 1);
  }
  if (sizes.delta + sizes.delta / 8 < best_size) {
    best = Encoding::kDelta;
    best_size = sizes.delta;
  }
  const size_t run_length = RunLengthSize(sizes, values.size());
  if (run_length + run_length / 3 < best_size) {
    best = Encoding::kRunLength;
    best_size = run_length;
  }
  return best_size >= values.size() * sizeof(int64_t) ? Encoding::kRaw : best;
}

// The first field is 0: as many fields as values make a full vector, which lies in lanes.
template <class T>
void EncodeDelta(std::span<const T> values, WipedBuffer& out) {
  WipedVector<uint64_t> fields(kRowsPerVector);
  for (size_t start = 0; start < values.size(); start += kRowsPerVector) {
    const auto vector = values.subspan(start, std::min(kRowsPerVector, values.size() - start));
    Range deltas;
    for (size_t i = 1; i < vector.size(); ++i) {
      deltas.Add(Difference(static_cast<int64_t>(vector[i]), static_cast<int64_t>(vector[i - 1])));
    }
    const int64_t least = vector.size() > 1 ? deltas.low : 0;
    fields[0] = 0;
    for (size_t i = 1; i < vector.size(); ++i) {
      const int64_t delta =
          Difference(static_cast<int64_t>(vector[i]), static_cast<int64_t>(vector[i - 1]));
      fields[i] = static_cast<uint64_t>(Difference(delta, least));
    }
    Put(out, Difference(static_cast<int64_t>(vector[0]), least));
    Put(out, least);
    Put(out, static_cast<uint8_t>(deltas.width()));
    PackBits(std::span(fields).first(vector.size()), deltas.width(), out);
  }
}

template <class T>
void EncodeRuns(std::span<const T> values, WipedBuffer& out) {
  WipedVector<T> heads;
  WipedVector<uint32_t> lengths;
  for (size_t i = 0; i < values.size();) {
    size_t end = i + 1;
    while (end < values.size() && values[end] == values[i]) ++end;
    heads.push_back(values[i]);
    lengths.push_back(static_cast<uint32_t>(end - i));
    i = end;
  }
  Put(out, static_cast<uint32_t>(heads.size()));
  EncodePacked<T>(heads, out);
  EncodePacked<uint32_t>(lengths, out);
}

}  // namespace

void PackBitmap(std::span<const uint8_t> flags, WipedBuffer& out) {
  const size_t start = out.size();
  out.resize(start + PackedBytes(flags.size(), 1));
  for (size_t i = 0; i < flags.size(); ++i) {
    out[start + i / 8] = static_cast<uint8_t>(out[start + i / 8] | (flags[i] != 0) << (i % 8));
  }
}

void UnpackBitmap(Bytes in, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = (in[i / 8] >> (i % 8)) & 1;
}

template <class T>
void EncodePacked(std::span<const T> values, WipedBuffer& out) {
  WipedVector<uint64_t> fields(std::min(values.size(), kRowsPerVector));
  for (size_t start = 0; start < values.size(); start += kRowsPerVector) {
    const auto vector = values.subspan(start, std::min(kRowsPerVector, values.size() - start));
    Range range;
    for (const T value : vector) range.Add(static_cast<int64_t>(value));
    for (size_t i = 0; i < vector.size(); ++i) {
      fields[i] =
          static_cast<uint64_t>(static_cast<int64_t>(vector[i])) - static_cast<uint64_t>(range.low);
    }
    Put(out, range.low);
    Put(out, static_cast<uint8_t>(range.width()));
    PackBits(std::span(fields).first(vector.size()), range.width(), out);
  }
}

template <class T>
Encoding EncodeSequence(std::span<const T> values, WipedBuffer& out) {
  const Encoding encoding = Choose(values);
  Put(out, static_cast<uint8_t>(encoding));
  switch (encoding) {
    case Encoding::kConstant:
      Put(out, values.empty() ? int64_t{0} : static_cast<int64_t>(values.front()));
      break;
    case Encoding::kRunLength:
      EncodeRuns(values, out);
      break;
    case Encoding::kDelta:
      EncodeDelta(values, out);
      break;
    case Encoding::kBitmap: {
      const WipedVector<uint8_t> flags(values.begin(), values.end());
      PackBitmap(flags, out);
      break;
    }
    case Encoding::kRaw:
      for (const T value : values) Put(out, static_cast<int64_t>(value));
      break;
    default:
      EncodePacked(values, out);
  }
  return encoding;
}

namespace {

std::atomic<uint8_t> forced_encoding{0};  // 0: none

}  // namespace

ForcedEncoding::ForcedEncoding(Encoding encoding) {
  forced_encoding = static_cast<uint8_t>(encoding);
}
ForcedEncoding::~ForcedEncoding() { forced_encoding = 0; }
std::optional<Encoding> ForcedEncoding::Current() {
  const uint8_t number = forced_encoding.load(std::memory_order_relaxed);
  if (number == 0) return std::nullopt;
  return static_cast<Encoding>(number);
}

size_t SequenceReader::vectors() const { return (count_ + kRowsPerVector - 1) / kRowsPerVector; }

size_t SequenceReader::SizeOf(size_t vector) const {
  return std::min(kRowsPerVector, count_ - vector * kRowsPerVector);
}

absl::StatusOr<SequenceReader> SequenceReader::OpenPacked(ByteReader& in, size_t count) {
  SequenceReader reader;
  reader.encoding_ = Encoding::kPacked;
  reader.count_ = count;
  TV_RETURN_IF_ERROR(reader.OpenFields(in));
  return reader;
}

absl::StatusOr<SequenceReader> SequenceReader::Open(ByteReader& in, size_t count) {
  SequenceReader reader;
  TV_ASSIGN_OR_RETURN(const uint8_t number, in.LittleEndian<uint8_t>());
  reader.encoding_ = static_cast<Encoding>(number);
  reader.count_ = count;
  switch (reader.encoding_) {
    case Encoding::kConstant: {
      TV_ASSIGN_OR_RETURN(reader.constant_, in.LittleEndian<int64_t>());
      return reader;
    }
    case Encoding::kRunLength:
      TV_RETURN_IF_ERROR(reader.OpenRuns(in));
      return reader;
    case Encoding::kDelta:
    case Encoding::kPacked:
      TV_RETURN_IF_ERROR(reader.OpenFields(in));
      return reader;
    case Encoding::kBitmap: {
      TV_ASSIGN_OR_RETURN(reader.raw_, in.Take(PackedBytes(count, 1)));
      return reader;
    }
    case Encoding::kRaw: {
      TV_ASSIGN_OR_RETURN(reader.raw_, in.Take(count * sizeof(int64_t)));
      return reader;
    }
    default:
      return absl::DataLossError("a sequence has an encoding that format v1 does not know");
  }
}

absl::Status SequenceReader::OpenFields(ByteReader& in) {
  const bool delta = encoding_ == Encoding::kDelta;
  fields_.resize(vectors());
  for (size_t v = 0; v < fields_.size(); ++v) {
    Fields& fields = fields_[v];
    if (delta) {
      TV_ASSIGN_OR_RETURN(fields.before, in.LittleEndian<uint64_t>());
    }
    TV_ASSIGN_OR_RETURN(fields.base, in.LittleEndian<uint64_t>());
    TV_ASSIGN_OR_RETURN(fields.width, in.LittleEndian<uint8_t>());
    if (fields.width > 64) return absl::DataLossError("a vector has fields of more than 64 bits");
    TV_ASSIGN_OR_RETURN(fields.at, in.Take(PackedBytes(SizeOf(v), fields.width)));
  }
  return absl::OkStatus();
}

absl::Status SequenceReader::OpenRuns(ByteReader& in) {
  TV_ASSIGN_OR_RETURN(const uint32_t runs, in.LittleEndian<uint32_t>());
  if (runs > count_) return absl::DataLossError("more runs than values");
  TV_ASSIGN_OR_RETURN(const SequenceReader heads, OpenPacked(in, runs));
  TV_ASSIGN_OR_RETURN(const SequenceReader lengths, OpenPacked(in, runs));
  heads_.resize(runs);
  ends_.resize(runs);
  heads.DecodeAll(heads_.data());
  lengths.DecodeAll(ends_.data());
  size_t end = 0;
  for (uint32_t& run : ends_) {
    if (run == 0 || run > count_ - end) {
      return absl::DataLossError("the run lengths do not add up to the number of values");
    }
    end += run;
    run = static_cast<uint32_t>(end);
  }
  if (end == count_) return absl::OkStatus();
  return absl::DataLossError("the run lengths do not add up to the number of values");
}

std::pair<int64_t, int64_t> SequenceReader::BoundsOf(size_t vector) const {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  TV_CHECK(encoding_ == Encoding::kPacked && vector < vectors());
  const Fields& fields = fields_[vector];
  const auto low = static_cast<int64_t>(fields.base);
  const uint64_t span = fields.width == 0 ? 0 : ~uint64_t{0} >> (64 - fields.width);
  // Where the sum would wrap, values may be anything.
  if (span > static_cast<uint64_t>(kMost) - static_cast<uint64_t>(low)) return {kLeast, kMost};
  return {low, static_cast<int64_t>(fields.base + span)};
}

// What does not fit T is cut off, before the sum as after it.
template <class T>
void SequenceReader::DecodeDelta(const Fields& fields, size_t size, T* out) const {
  using Word = std::make_unsigned_t<T>;
  UnpackBits(fields.at, fields.width, fields.base, size, out);
  auto value = static_cast<Word>(fields.before);
  for (size_t i = 0; i < size; ++i) {
    value += static_cast<Word>(out[i]);
    out[i] = static_cast<T>(value);
  }
}

template <class T>
void SequenceReader::DecodeRuns(size_t first, size_t size, T* out) const {
  size_t run =
      static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), first) - ends_.begin());
  for (size_t done = 0; done < size; ++run) {
    const size_t length = std::min(size - done, ends_[run] - first - done);
    std::fill_n(out + done, length, static_cast<T>(heads_[run]));
    done += length;
  }
}

template <class T>
void SequenceReader::Decode(size_t vector, T* out) const {
  TV_CHECK(vector < vectors());
  const size_t first = vector * kRowsPerVector;
  const size_t size = SizeOf(vector);
  switch (encoding_) {
    case Encoding::kConstant:
      std::fill_n(out, size, static_cast<T>(constant_));
      break;
    case Encoding::kRunLength:
      DecodeRuns(first, size, out);
      break;
    case Encoding::kDelta:
      DecodeDelta(fields_[vector], size, out);
      break;
    case Encoding::kBitmap:
      for (size_t i = 0; i < size; ++i) out[i] = (raw_[(first + i) / 8] >> (i % 8)) & 1;
      break;
    case Encoding::kRaw:
      for (size_t i = 0; i < size; ++i) {
        int64_t value = 0;
        std::memcpy(&value, raw_.data() + (first + i) * sizeof(value), sizeof(value));
        out[i] = static_cast<T>(value);
      }
      break;
    default:
      UnpackBits(fields_[vector].at, fields_[vector].width, fields_[vector].base, size, out);
  }
}

template <class T>
void SequenceReader::DecodeAll(T* out) const {
  for (size_t vector = 0; vector < vectors(); ++vector) {
    Decode(vector, out + vector * kRowsPerVector);
  }
}

template void EncodePacked<int64_t>(std::span<const int64_t>, WipedBuffer&);
template void EncodePacked<uint32_t>(std::span<const uint32_t>, WipedBuffer&);
template Encoding EncodeSequence<int64_t>(std::span<const int64_t>, WipedBuffer&);
template Encoding EncodeSequence<uint32_t>(std::span<const uint32_t>, WipedBuffer&);
template void SequenceReader::Decode<int64_t>(size_t, int64_t*) const;
template void SequenceReader::Decode<uint32_t>(size_t, uint32_t*) const;
template void SequenceReader::DecodeAll<int64_t>(int64_t*) const;
template void SequenceReader::DecodeAll<uint32_t>(uint32_t*) const;

}  // namespace televault::block
