#include "vault/block/sequence.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "vault/base/limits.h"
#include "vault/block/bit_pack.h"
#include "vault/block/wire.h"

namespace televault::block {
namespace {

using limits::kRowsPerVector;

constexpr size_t kPackedHeader = 9;  // base, width
constexpr size_t kDeltaHeader = 17;  // first, least delta, width

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
    sizes.delta += kDeltaHeader + PackedBytes(vector.size() - 1, deltas.width());
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
    for (size_t i = 1; i < vector.size(); ++i) {
      const int64_t delta =
          Difference(static_cast<int64_t>(vector[i]), static_cast<int64_t>(vector[i - 1]));
      fields[i - 1] = static_cast<uint64_t>(delta) - static_cast<uint64_t>(least);
    }
    Put(out, static_cast<int64_t>(vector.front()));
    Put(out, least);
    Put(out, static_cast<uint8_t>(deltas.width()));
    PackBits(std::span(fields).first(vector.size() - 1), deltas.width(), out);
  }
}

template <class T>
absl::Status DecodeDelta(ByteReader& in, size_t count, T* out) {
  WipedVector<uint64_t> fields(std::min(count, kRowsPerVector));
  for (size_t start = 0; start < count; start += kRowsPerVector) {
    const size_t size = std::min(kRowsPerVector, count - start);
    TV_ASSIGN_OR_RETURN(const uint64_t first, in.LittleEndian<uint64_t>());
    TV_ASSIGN_OR_RETURN(const uint64_t least, in.LittleEndian<uint64_t>());
    TV_ASSIGN_OR_RETURN(const uint8_t width, in.LittleEndian<uint8_t>());
    if (width > 64) return absl::DataLossError("a delta vector has fields of more than 64 bits");
    TV_ASSIGN_OR_RETURN(const Bytes packed, in.Take(PackedBytes(size - 1, width)));
    UnpackBits(packed, width, least, size - 1, fields.data());
    uint64_t value = first;
    out[start] = static_cast<T>(value);
    for (size_t i = 1; i < size; ++i) {
      value += fields[i - 1];
      out[start + i] = static_cast<T>(value);
    }
  }
  return absl::OkStatus();
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

template <class T>
absl::Status DecodeRuns(ByteReader& in, size_t count, T* out) {
  TV_ASSIGN_OR_RETURN(const uint32_t runs, in.LittleEndian<uint32_t>());
  if (runs > count) return absl::DataLossError("more runs than values");
  WipedVector<T> heads(runs);
  WipedVector<uint32_t> lengths(runs);
  TV_RETURN_IF_ERROR(DecodePacked(in, runs, heads.data()));
  TV_RETURN_IF_ERROR(DecodePacked(in, runs, lengths.data()));
  size_t done = 0;
  for (size_t run = 0; run < runs; ++run) {
    if (lengths[run] == 0 || lengths[run] > count - done) {
      return absl::DataLossError("the run lengths do not add up to the number of values");
    }
    std::fill_n(out + done, lengths[run], heads[run]);
    done += lengths[run];
  }
  if (done != count) {
    return absl::DataLossError("the run lengths do not add up to the number of values");
  }
  return absl::OkStatus();
}

template <class T>
absl::Status DecodeRaw(ByteReader& in, size_t count, T* out) {
  TV_ASSIGN_OR_RETURN(const Bytes raw, in.Take(count * sizeof(int64_t)));
  UnpackBits(raw, 64, 0, count, out);
  return absl::OkStatus();
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
absl::Status DecodePacked(ByteReader& in, size_t count, T* out) {
  for (size_t start = 0; start < count; start += kRowsPerVector) {
    const size_t size = std::min(kRowsPerVector, count - start);
    TV_ASSIGN_OR_RETURN(const uint64_t base, in.LittleEndian<uint64_t>());
    TV_ASSIGN_OR_RETURN(const uint8_t width, in.LittleEndian<uint8_t>());
    if (width > 64) return absl::DataLossError("a packed vector has fields of more than 64 bits");
    TV_ASSIGN_OR_RETURN(const Bytes packed, in.Take(PackedBytes(size, width)));
    UnpackBits(packed, width, base, size, out + start);
  }
  return absl::OkStatus();
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

template <class T>
absl::StatusOr<Encoding> DecodeSequence(ByteReader& in, size_t count, T* out) {
  TV_ASSIGN_OR_RETURN(const uint8_t number, in.LittleEndian<uint8_t>());
  const auto encoding = static_cast<Encoding>(number);
  absl::Status status;
  switch (encoding) {
    case Encoding::kConstant: {
      TV_ASSIGN_OR_RETURN(const int64_t value, in.LittleEndian<int64_t>());
      std::fill_n(out, count, static_cast<T>(value));
      break;
    }
    case Encoding::kRunLength:
      status = DecodeRuns(in, count, out);
      break;
    case Encoding::kDelta:
      status = DecodeDelta(in, count, out);
      break;
    case Encoding::kPacked:
      status = DecodePacked(in, count, out);
      break;
    case Encoding::kBitmap: {
      TV_ASSIGN_OR_RETURN(const Bytes bits, in.Take(PackedBytes(count, 1)));
      for (size_t i = 0; i < count; ++i) out[i] = (bits[i / 8] >> (i % 8)) & 1;
      break;
    }
    case Encoding::kRaw:
      status = DecodeRaw(in, count, out);
      break;
    default:
      return absl::DataLossError("a sequence has an encoding that format v1 does not know");
  }
  if (!status.ok()) return status;
  return encoding;
}

template void EncodePacked<int64_t>(std::span<const int64_t>, WipedBuffer&);
template void EncodePacked<uint32_t>(std::span<const uint32_t>, WipedBuffer&);
template absl::Status DecodePacked<int64_t>(ByteReader&, size_t, int64_t*);
template absl::Status DecodePacked<uint32_t>(ByteReader&, size_t, uint32_t*);
template Encoding EncodeSequence<int64_t>(std::span<const int64_t>, WipedBuffer&);
template Encoding EncodeSequence<uint32_t>(std::span<const uint32_t>, WipedBuffer&);
template absl::StatusOr<Encoding> DecodeSequence<int64_t>(ByteReader&, size_t, int64_t*);
template absl::StatusOr<Encoding> DecodeSequence<uint32_t>(ByteReader&, size_t, uint32_t*);

}  // namespace televault::block
