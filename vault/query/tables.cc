#include "vault/query/tables.h"

#include <algorithm>
#include <cstring>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

#include "vault/base/check.h"

namespace televault::query {
namespace {

constexpr size_t kFirstSlots = 64;

// Both halves of the product: keys that differ by little lie far apart.
uint64_t Mix(uint64_t hash, uint64_t word) {
  const auto product = static_cast<unsigned __int128>(hash ^ word) * 0x9E3779B97F4A7C15ull;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

size_t HashText(std::string_view text) {
  return absl::Hash<absl::string_view>{}(absl::string_view(text.data(), text.size()));
}

}  // namespace

WordTable::WordTable(size_t words) : words_(words), slots_(kFirstSlots, 0) {}

size_t WordTable::Slot(const uint64_t* key) const {
  uint64_t hash = 0x2545F4914F6CDD1Dull;
  for (size_t i = 0; i < words_; ++i) hash = Mix(hash, key[i]);
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  const auto equal = [&](const uint64_t* known) {
    for (size_t i = 0; i < words_; ++i) {
      if (known[i] != key[i]) return false;
    }
    return true;
  };
  while (slots_[slot] != 0 && !equal(KeyAt(slots_[slot] - 1))) slot = (slot + 1) & mask;
  return slot;
}

uint32_t WordTable::FindOrAdd(const uint64_t* key) {
  size_t slot = Slot(key);
  if (slots_[slot] != 0) return slots_[slot] - 1;
  if ((size_ + 1) * 2 > slots_.size()) {
    Grow();
    slot = Slot(key);
  }
  keys_.insert(keys_.end(), key, key + words_);
  slots_[slot] = static_cast<uint32_t>(++size_);
  return static_cast<uint32_t>(size_ - 1);
}

void WordTable::Grow() {
  WipedVector<uint32_t> larger(slots_.size() * 2, 0);
  slots_.swap(larger);
  for (uint32_t number = 0; number < size_; ++number) slots_[Slot(KeyAt(number))] = number + 1;
}

SubjectTable::SubjectTable() : slots_(kFirstSlots, 0) {}

size_t SubjectTable::Slot(const Subject& subject) const {
  const uint64_t hash = Mix(subject.high, subject.low);
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != 0 && !(subjects_[slots_[slot] - 1] == subject)) slot = (slot + 1) & mask;
  return slot;
}

uint32_t SubjectTable::Add(const Subject& subject) {
  size_t slot = Slot(subject);
  if (slots_[slot] != 0) return slots_[slot] - 1;
  if ((subjects_.size() + 1) * 2 > slots_.size()) {
    Grow();
    slot = Slot(subject);
  }
  subjects_.push_back(subject);
  slots_[slot] = static_cast<uint32_t>(subjects_.size());
  return static_cast<uint32_t>(subjects_.size() - 1);
}

SubjectTable::Subject SubjectTable::SubjectOf(std::string_view text) {
  Subject subject{};
  std::memcpy(&subject, text.data(), sizeof(subject));
  return subject;
}

absl::Status SubjectTable::Number(const block::Dictionary& from, std::span<const uint32_t> codes,
                                  WipedVector<uint32_t>& numbers) {
  if (numbers.size() < from.size()) numbers.resize(from.size(), kUnset);
  // Nearly every look misses the cache: they are begun some entries ahead.
  constexpr size_t kAhead = 12;
  WipedVector<uint32_t> fresh;
  for (const uint32_t code : codes) {
    if (numbers[code] != kUnset) continue;
    if (from.at(code).size() != sizeof(Subject)) {
      return absl::DataLossError("a subject has another length than pseudonyms have");
    }
    numbers[code] = 0;
    fresh.push_back(code);
  }
  for (size_t i = 0; i < fresh.size(); ++i) {
    if (i + kAhead < fresh.size()) {
      const Subject next = SubjectOf(from.at(fresh[i + kAhead]));
      __builtin_prefetch(&slots_[Mix(next.high, next.low) & (slots_.size() - 1)]);
    }
    numbers[fresh[i]] = Add(SubjectOf(from.at(fresh[i])));
  }
  return absl::OkStatus();
}

std::vector<uint32_t> SubjectTable::Absorb(const SubjectTable& other) {
  std::vector<uint32_t> numbers;
  numbers.reserve(other.size());
  for (const Subject& subject : other.subjects_) numbers.push_back(Add(subject));
  return numbers;
}

void SubjectTable::Grow() {
  WipedVector<uint32_t> larger(slots_.size() * 2, 0);
  slots_.swap(larger);
  for (uint32_t number = 0; number < subjects_.size(); ++number) {
    slots_[Slot(subjects_[number])] = number + 1;
  }
}

Interner::Interner() : slots_(kFirstSlots, 0) {}

uint32_t Interner::Intern(std::string_view text) {
  const std::lock_guard lock(mu_);
  return InternLocked(text);
}

void Interner::InternCodes(const block::Dictionary& from, std::span<const uint32_t> codes,
                           const uint8_t* nulls, WipedVector<uint32_t>& ids) {
  if (ids.size() < from.size()) ids.resize(from.size(), kUnset);
  const std::lock_guard lock(mu_);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (nulls != nullptr && nulls[i] != 0) continue;
    if (ids[codes[i]] == kUnset) ids[codes[i]] = InternLocked(from.at(codes[i]));
  }
}

uint32_t Interner::InternLocked(std::string_view text) {
  const size_t hash = HashText(text);
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot] != 0) {
    if (dictionary_.at(slots_[slot] - 1) == text) return slots_[slot] - 1;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  const uint32_t code = dictionary_.Add(text);
  slots_[slot] = code + 1;
  if (dictionary_.size() * 2 > slots_.size()) Grow();
  return code;
}

void Interner::Grow() {
  WipedVector<uint32_t> larger(slots_.size() * 2, 0);
  slots_.swap(larger);
  for (uint32_t code = 0; code < dictionary_.size(); ++code) {
    size_t slot = HashText(dictionary_.at(code)) & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = code + 1;
  }
}

size_t Interner::bytes() const {
  const std::lock_guard lock(mu_);
  return dictionary_.bytes.capacity() + dictionary_.offsets.capacity() * 4 + slots_.size() * 4;
}

}  // namespace televault::query
