#include "vault/block/decimal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

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

absl::Status DecodeScaled(ByteReader& in, size_t count, double* out) {
  TV_ASSIGN_OR_RETURN(const uint8_t exponent, in.LittleEndian<uint8_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t exceptions, in.LittleEndian<uint32_t>());
  if (exponent >= kPowers.size()) return absl::DataLossError("a decimal exponent is above 18");
  if (exceptions > count) return absl::DataLossError("more decimal exceptions than values");
  WipedVector<uint32_t> positions(exceptions);
  TV_RETURN_IF_ERROR(DecodePacked(in, exceptions, positions.data()));
  TV_ASSIGN_OR_RETURN(const Bytes raw, in.Take(exceptions * sizeof(double)));
  WipedVector<int64_t> integers(count);
  TV_RETURN_IF_ERROR(DecodePacked(in, count, integers.data()));
  const double power = kPowers[exponent];
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<double>(integers[i]) / power;
  for (size_t i = 0; i < exceptions; ++i) {
    if (positions[i] >= count) {
      return absl::DataLossError("a decimal exception lies behind the last value");
    }
    std::memcpy(out + positions[i], raw.data() + i * sizeof(double), sizeof(double));
  }
  return absl::OkStatus();
}

absl::Status DecodeBits(ByteReader& in, size_t count, double* out) {
  // The bit patterns go through an integer sequence: constant, run-length or raw.
  WipedVector<int64_t> bits(count);
  TV_ASSIGN_OR_RETURN(const Encoding encoding, DecodeSequence(in, count, bits.data()));
  (void)encoding;
  for (size_t i = 0; i < count; ++i) out[i] = std::bit_cast<double>(bits[i]);
  return absl::OkStatus();
}

}  // namespace

Encoding EncodeDoubles(std::span<const double> values, WipedBuffer& out) {
  WipedVector<int64_t> bits(values.size());
  for (size_t i = 0; i < values.size(); ++i) bits[i] = std::bit_cast<int64_t>(values[i]);
  WipedBuffer as_bits;
  const Encoding encoding = EncodeSequence<int64_t>(bits, as_bits);
  if (encoding != Encoding::kConstant) {
    const Scaled scaled = Scale(values);
    if (scaled.exceptions.size() * kExceptionBytes < values.size() * sizeof(double)) {
      WipedBuffer as_decimal;
      PutScaled(scaled, as_decimal);
      if (as_decimal.size() + 1 < as_bits.size()) {
        Put(out, static_cast<uint8_t>(Encoding::kDecimal));
        PutBytes(out, as_decimal);
        return Encoding::kDecimal;
      }
    }
  }
  PutBytes(out, as_bits);
  return encoding;
}

absl::StatusOr<Encoding> DecodeDoubles(ByteReader& in, size_t count, double* out) {
  ByteReader ahead = in;
  TV_ASSIGN_OR_RETURN(const uint8_t number, ahead.LittleEndian<uint8_t>());
  if (static_cast<Encoding>(number) == Encoding::kDecimal) {
    in = ahead;
    TV_RETURN_IF_ERROR(DecodeScaled(in, count, out));
  } else {
    TV_RETURN_IF_ERROR(DecodeBits(in, count, out));
  }
  bool finite = true;
  for (size_t i = 0; i < count; ++i) finite &= std::isfinite(out[i]);
  if (!finite) return absl::DataLossError("a double is not finite");
  return static_cast<Encoding>(number);
}

}  // namespace televault::block
