#include "vault/block/decimal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "vault/base/limits.h"
#include "vault/base/simd.h"
#include "vault/block/sequence.h"
#include "vault/block/wire.h"

namespace televault::block {
namespace {

// Powers of ten that a double holds exactly, as far as they help.
constexpr std::array<double, 19> kPowers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                            1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                            1e14, 1e15, 1e16, 1e17, 1e18};
constexpr double kMaxExact = 9007199254740992.0;  // 2^53
constexpr size_t kMaxSample = 128;
constexpr size_t kExceptionBytes = 12;  // position and bits, before packing

// False where the value has no integer that gives it back bit by bit.
bool ToInteger(double value, double power, int64_t& integer) {
  const double scaled = value * power;
  if (!(std::abs(scaled) < kMaxExact)) return false;
  integer = std::llrint(scaled);
  return std::bit_cast<uint64_t>(static_cast<double>(integer) / power) ==
         std::bit_cast<uint64_t>(value);
}

size_t CountExceptions(std::span<const double> sample, double power) {
  size_t exceptions = 0;
  int64_t integer = 0;
  for (const double value : sample) exceptions += !ToInteger(value, power, integer);
  return exceptions;
}

// The smallest exponent with the fewest exceptions: small integers pack best.
uint8_t ChooseExponent(std::span<const double> values) {
  WipedVector<double> sample;
  const size_t size = std::min(kMaxSample, std::max<size_t>(8, values.size() / 16));
  const size_t step = std::max<size_t>(1, values.size() / size);
  for (size_t i = 0; i < values.size(); i += step) sample.push_back(values[i]);
  size_t best = 0;
  size_t best_exceptions = sample.size() + 1;
  for (size_t e = 0; e < kPowers.size() && best_exceptions > 0; ++e) {
    const size_t exceptions = CountExceptions(sample, kPowers[e]);
    if (exceptions < best_exceptions) {
      best = e;
      best_exceptions = exceptions;
    }
  }
  return static_cast<uint8_t>(best);
}

struct Scaled {
  uint8_t exponent = 0;
  WipedVector<int64_t> integers;
  WipedVector<uint32_t> positions;
  WipedVector<int64_t> exceptions;  // bit patterns
};

Scaled Scale(std::span<const double> values) {
  Scaled scaled;
  scaled.exponent = ChooseExponent(values);
  scaled.integers.resize(values.size());
  const double power = kPowers[scaled.exponent];
  int64_t last = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t integer = 0;
    if (ToInteger(values[i], power, integer)) {
      last = integer;
    } else {
      scaled.positions.push_back(static_cast<uint32_t>(i));
      scaled.exceptions.push_back(std::bit_cast<int64_t>(values[i]));
    }
    scaled.integers[i] = last;  // an exception repeats its neighbour: it costs no width
  }
  return scaled;
}

void PutScaled(const Scaled& scaled, WipedBuffer& out) {
  Put(out, scaled.exponent);
  Put(out, static_cast<uint32_t>(scaled.positions.size()));
  EncodePacked<uint32_t>(scaled.positions, out);
  for (const int64_t bits : scaled.exceptions) Put(out, bits);
  EncodePacked<int64_t>(scaled.integers, out);
}

// Below this a conversion needs no more than an addition: 2^52 + 2^51 and the integer as one bit
// pattern is the sum of the two.
constexpr int64_t kEasilyConverted = int64_t{1} << 51;
constexpr double kShift = 6755399441055744.0;  // 2^52 + 2^51

TV_INLINE_BODY void ScaleDown(const int64_t* integers, size_t count, double power, bool easy,
                              double* out) {
  if (easy) {
    for (size_t i = 0; i < count; ++i) {
      const auto shifted =
          std::bit_cast<double>(integers[i] + std::bit_cast<int64_t>(kShift)) - kShift;
      out[i] = shifted / power;
    }
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = static_cast<double>(integers[i]) / power;
  }
}
TV_AVX2 void ScaleDownAvx2(const int64_t* integers, size_t count, double power, bool easy,
                           double* out) {
  ScaleDown(integers, count, power, easy, out);
}
void ScaleDownPortable(const int64_t* integers, size_t count, double power, bool easy,
                       double* out) {
  ScaleDown(integers, count, power, easy, out);
}

absl::Status NotFinite() { return absl::DataLossError("a double is not finite"); }

// An exponent of all ones is no finite number.
bool AllFinite(const double* values, size_t count) {
  constexpr uint64_t kExponent = 0x7FF0000000000000;
  bool finite = true;
  for (size_t i = 0; i < count; ++i) {
    finite &= (std::bit_cast<uint64_t>(values[i]) & kExponent) != kExponent;
  }
  return finite;
}

}  // namespace

Encoding EncodeDoubles(std::span<const double> values, WipedBuffer& out) {
  WipedVector<int64_t> bits(values.size());
  for (size_t i = 0; i < values.size(); ++i) bits[i] = std::bit_cast<int64_t>(values[i]);
  WipedBuffer as_bits;
  const Encoding encoding = EncodeSequence<int64_t>(bits, as_bits);
  const std::optional<Encoding> forced = ForcedEncoding::Current();
  const bool may_be_decimal = !forced.has_value() || *forced == Encoding::kDecimal;
  if (encoding != Encoding::kConstant && may_be_decimal) {
    const Scaled scaled = Scale(values);
    if (forced.has_value() ||
        scaled.exceptions.size() * kExceptionBytes < values.size() * sizeof(double)) {
      WipedBuffer as_decimal;
      PutScaled(scaled, as_decimal);
      if (forced.has_value() || as_decimal.size() + 1 < as_bits.size()) {
        Put(out, static_cast<uint8_t>(Encoding::kDecimal));
        PutBytes(out, as_decimal);
        return Encoding::kDecimal;
      }
    }
  }
  PutBytes(out, as_bits);
  return encoding;
}

absl::StatusOr<DoubleReader> DoubleReader::Open(ByteReader& in, size_t count) {
  DoubleReader reader;
  ByteReader ahead = in;
  TV_ASSIGN_OR_RETURN(const uint8_t number, ahead.LittleEndian<uint8_t>());
  reader.encoding_ = static_cast<Encoding>(number);
  if (reader.encoding_ == Encoding::kDecimal) {
    in = ahead;
    TV_RETURN_IF_ERROR(reader.OpenDecimal(in, count));
  } else {
    TV_ASSIGN_OR_RETURN(reader.numbers_, SequenceReader::Open(in, count));
  }
  return reader;
}

absl::Status DoubleReader::OpenDecimal(ByteReader& in, size_t count) {
  TV_ASSIGN_OR_RETURN(const uint8_t exponent, in.LittleEndian<uint8_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t exceptions, in.LittleEndian<uint32_t>());
  if (exponent >= kPowers.size()) return absl::DataLossError("a decimal exponent is above 18");
  if (exceptions > count) return absl::DataLossError("more decimal exceptions than values");
  power_ = kPowers[exponent];
  TV_ASSIGN_OR_RETURN(const SequenceReader positions, SequenceReader::OpenPacked(in, exceptions));
  positions_.resize(exceptions);
  positions.DecodeAll(positions_.data());
  for (size_t i = 0; i < exceptions; ++i) {
    if (positions_[i] >= count || (i > 0 && positions_[i] <= positions_[i - 1])) {
      return absl::DataLossError("the positions of decimal exceptions do not ascend to the end");
    }
  }
  TV_ASSIGN_OR_RETURN(exceptions_, in.Take(exceptions * sizeof(double)));
  TV_ASSIGN_OR_RETURN(numbers_, SequenceReader::OpenPacked(in, count));
  return absl::OkStatus();
}

absl::Status DoubleReader::DecodeDecimal(size_t vector, double* out) const {
  const size_t size = numbers_.SizeOf(vector);
  std::array<int64_t, limits::kRowsPerVector> integers;
  numbers_.Decode(vector, integers.data());
  const auto [low, high] = numbers_.BoundsOf(vector);
  const bool easy = low > -kEasilyConverted && high < kEasilyConverted;
  if (UseAvx2()) {
    ScaleDownAvx2(integers.data(), size, power_, easy, out);
  } else {
    ScaleDownPortable(integers.data(), size, power_, easy, out);
  }
  sodium_memzero(integers.data(), size * sizeof(int64_t));
  const size_t first = vector * limits::kRowsPerVector;
  const auto begin = std::lower_bound(positions_.begin(), positions_.end(), first);
  for (auto at = begin; at != positions_.end() && *at < first + size; ++at) {
    double* const exception = out + (*at - first);
    std::memcpy(exception,
                exceptions_.data() + static_cast<size_t>(at - positions_.begin()) * sizeof(double),
                sizeof(double));
    // An integer over a power of ten is finite in any case.
    if (!AllFinite(exception, 1)) return NotFinite();
  }
  return absl::OkStatus();
}

absl::Status DoubleReader::Decode(size_t vector, double* out) const {
  if (encoding_ == Encoding::kDecimal) return DecodeDecimal(vector, out);
  static_assert(sizeof(int64_t) == sizeof(double));
  std::array<int64_t, limits::kRowsPerVector> bits;
  numbers_.Decode(vector, bits.data());
  const size_t bytes = numbers_.SizeOf(vector) * sizeof(double);
  std::memcpy(out, bits.data(), bytes);
  sodium_memzero(bits.data(), bytes);
  return AllFinite(out, numbers_.SizeOf(vector)) ? absl::OkStatus() : NotFinite();
}

}  // namespace televault::block
