#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"

namespace televault::query {

// Dense numbers for keys of a fixed number of 64-bit words.
// Threads: one. Invariant: numbers are given in order of first appearance and never change.
class WordTable {
 public:
  explicit WordTable(size_t words);
  uint32_t FindOrAdd(const uint64_t* key);
  const uint64_t* KeyAt(uint32_t number) const { return keys_.data() + number * words_; }
  size_t size() const { return size_; }
  size_t bytes() const { return keys_.capacity() * 8 + slots_.capacity() * 4; }

 private:
  void Grow();
  size_t Slot(const uint64_t* key) const;

  const size_t words_;
  size_t size_ = 0;
  WipedVector<uint64_t> keys_;
  WipedVector<uint32_t> slots_;  // number + 1, 0 = free; a power of two of them
};

// Dense numbers for subjects: 16 bytes that are as good as random.
// Threads: one. Invariant: numbers are given in order of first appearance and never change.
class SubjectTable {
 public:
  SubjectTable();
  // Fills `numbers` for the codes that are used; entries other than kUnset are kept. DATA_LOSS
  // where one is no subject; then nothing is of use any more.
  static constexpr uint32_t kUnset = 0xFFFFFFFF;
  absl::Status Number(const block::Dictionary& from, std::span<const uint32_t> codes,
                      WipedVector<uint32_t>& numbers);
  // The number here of each subject of `other`.
  std::vector<uint32_t> Absorb(const SubjectTable& other);
  size_t size() const { return subjects_.size(); }
  size_t bytes() const { return subjects_.capacity() * sizeof(Subject) + slots_.capacity() * 4; }

 private:
  struct Subject {
    uint64_t high;
    uint64_t low;
    bool operator==(const Subject& other) const { return high == other.high && low == other.low; }
  };
  static Subject SubjectOf(std::string_view text);
  uint32_t Add(const Subject& subject);
  size_t Slot(const Subject& subject) const;
  void Grow();

  WipedVector<Subject> subjects_;
  WipedVector<uint32_t> slots_;  // number + 1, 0 = free; a power of two of them
};

// Dense numbers for texts, one set for all threads of a query.
// Threads: any; each call locks. Texts are read through dictionary() only after all threads ended.
class Interner {
 public:
  Interner();
  uint32_t Intern(std::string_view text);
  // Fills `ids` for the codes that are used; entries other than kUnset are kept.
  static constexpr uint32_t kUnset = 0xFFFFFFFF;
  void InternCodes(const block::Dictionary& from, std::span<const uint32_t> codes,
                   const uint8_t* nulls, WipedVector<uint32_t>& ids);
  const block::Dictionary& dictionary() const { return dictionary_; }
  size_t bytes() const;

 private:
  uint32_t InternLocked(std::string_view text);
  void Grow();

  mutable std::mutex mu_;  // guards all below while threads run
  block::Dictionary dictionary_;
  WipedVector<uint32_t> slots_;  // code + 1, 0 = free
};

}  // namespace televault::query
