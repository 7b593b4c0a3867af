#pragma once

#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/encoding.h"
#include "vault/block/sequence.h"

// Sequences of doubles. Most measured values were decimal numbers once, so value = integer / 10^e
// holds for them exactly (a division of two exact numbers rounds like the parser did); the others
// are kept as exceptions.
namespace televault::block {

// Appends encoding byte and payload. The values must be finite; every bit pattern comes back.
Encoding EncodeDoubles(std::span<const double> values, WipedBuffer& out);

// Reads what EncodeDoubles wrote, its vectors in any order.
// Threads: any, once open. Borrows: the bytes.
class DoubleReader {
 public:
  // No values.
  DoubleReader() = default;
  // Takes a sequence of `count` values from `in`. Any bytes are safe: DATA_LOSS.
  static absl::StatusOr<DoubleReader> Open(ByteReader& in, size_t count);

  Encoding encoding() const { return encoding_; }
  // The values of one vector. DATA_LOSS where one is not finite.
  absl::Status Decode(size_t vector, double* out) const;

 private:
  absl::Status OpenDecimal(ByteReader& in, size_t count);
  absl::Status DecodeDecimal(size_t vector, double* out) const;

  Encoding encoding_ = Encoding::kConstant;
  SequenceReader numbers_;  // the integers of kDecimal, else bit patterns
  double power_ = 1;
  WipedVector<uint32_t> positions_;  // of exceptions, ascending
  Bytes exceptions_;
};

}  // namespace televault::block
