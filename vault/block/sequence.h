#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/encoding.h"

// Sequences of integers: values, dictionary codes, lengths. A sequence says its encoding, not its
// count: that is known from the outside.
namespace televault::block {

// Appends encoding byte and payload, the smallest encoding of T's values. T: int64_t, uint32_t.
template <class T>
Encoding EncodeSequence(std::span<const T> values, WipedBuffer& out);

// The payload of kPacked alone, for sequences that are never anything else.
template <class T>
void EncodePacked(std::span<const T> values, WipedBuffer& out);

// While it lives writers take this encoding wherever it can hold the values, whatever its size: so
// that tests read each of them. Threads: one at a time; nobody writes while it is made or ended.
class ForcedEncoding {
 public:
  explicit ForcedEncoding(Encoding encoding);
  ~ForcedEncoding();
  ForcedEncoding(const ForcedEncoding&) = delete;
  ForcedEncoding& operator=(const ForcedEncoding&) = delete;

  static std::optional<Encoding> Current();
};

// Reads a sequence that EncodeSequence wrote, its vectors (limits::kRowsPerVector values, the last
// one perhaps fewer) in any order. Any bytes are safe: what is wrong is found by Open().
// Threads: any, once open. Borrows: the bytes.
class SequenceReader {
 public:
  // An empty sequence.
  SequenceReader() = default;
  // Takes one sequence of `count` values from `in`. DATA_LOSS.
  static absl::StatusOr<SequenceReader> Open(ByteReader& in, size_t count);
  // The same of a payload of kPacked alone.
  static absl::StatusOr<SequenceReader> OpenPacked(ByteReader& in, size_t count);

  Encoding encoding() const { return encoding_; }
  size_t count() const { return count_; }
  size_t vectors() const;
  size_t SizeOf(size_t vector) const;

  // Between these all values of a vector of kPacked lie, ends included.
  std::pair<int64_t, int64_t> BoundsOf(size_t vector) const;

  // The values of one vector; those that do not fit T are cut off. T: int64_t, uint32_t.
  template <class T>
  void Decode(size_t vector, T* out) const;
  // All of them; `out` has room for count().
  template <class T>
  void DecodeAll(T* out) const;

 private:
  // kPacked and kDelta: fields of `width` bits from `at`, `base` added to each.
  struct Fields {
    Bytes at;
    uint64_t before = 0;  // kDelta only: what the first field is added to
    uint64_t base = 0;
    unsigned width = 0;
  };
  absl::Status OpenFields(ByteReader& in);
  absl::Status OpenRuns(ByteReader& in);
  template <class T>
  void DecodeDelta(const Fields& fields, size_t size, T* out) const;
  template <class T>
  void DecodeRuns(size_t first, size_t size, T* out) const;

  Encoding encoding_ = Encoding::kConstant;
  size_t count_ = 0;
  int64_t constant_ = 0;
  Bytes raw_;                   // kBitmap, kRaw
  WipedVector<Fields> fields_;  // per vector
  WipedVector<int64_t> heads_;  // kRunLength
  WipedVector<uint32_t> ends_;  // of each run; the last is count_
};

// Bit i of byte i / 8, least significant first.
void PackBitmap(std::span<const uint8_t> flags, WipedBuffer& out);
void UnpackBitmap(Bytes in, size_t count, uint8_t* out);

}  // namespace televault::block
