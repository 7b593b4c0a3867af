#include "vault/store/meta_sum.h"

#include <cstddef>

#include "vault/base/bytes.h"
#include "vault/crypto/hash.h"

namespace televault::store {

MetaSum AddMod256(const MetaSum& a, const MetaSum& b) {
  MetaSum out;
  unsigned carry = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const unsigned sum = a[i] + b[i] + carry;
    out[i] = static_cast<uint8_t>(sum);
    carry = sum >> 8;
  }
  return out;
}

MetaSum SubtractMod256(const MetaSum& a, const MetaSum& b) {
  MetaSum out;
  int borrow = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const int difference = a[i] - b[i] - borrow;
    out[i] = static_cast<uint8_t>(difference);
    borrow = difference < 0 ? 1 : 0;
  }
  return out;
}

MetaSum MetaTerm(const SecretBytes& freshness_key, std::string_view key, std::string_view value) {
  std::string input;
  input.reserve(sizeof(uint32_t) + key.size() + value.size());
  PutLittleEndian(input, static_cast<uint32_t>(key.size()));
  input += key;
  input += value;
  return crypto::KeyedHash32(freshness_key, "televault.meta", AsBytes(input));
}

absl::StatusOr<MetaSum> SumOfMeta(const View& view, const SecretBytes& freshness_key) {
  MetaSum sum{};
  TV_RETURN_IF_ERROR(
      view.Scan(Family::kMeta, "", "", [&](std::string_view key, std::string_view value) {
        sum = AddMod256(sum, MetaTerm(freshness_key, key, value));
        return true;
      }));
  return sum;
}

absl::Status MetaSumUpdate::Apply(const std::vector<Mutation>& mutations,
                                  std::vector<Mutation>& applied) {
  for (const Mutation& mutation : mutations) {
    if (mutation.family != Family::kMeta) {
      applied.push_back(mutation);
      continue;
    }
    auto [entry, fresh] = overlay_.try_emplace(mutation.key);
    if (fresh) {
      const absl::StatusOr<std::string> old = view_.Get(Family::kMeta, mutation.key);
      if (old.ok()) {
        entry->second = MetaTerm(key_, mutation.key, *old);
      } else if (!absl::IsNotFound(old.status())) {
        return old.status();
      }
    }
    if (mutation.only_over.has_value()) {
      // The term stands for the value: it is a keyed hash of 256 bits.
      if (!entry->second || *entry->second != MetaTerm(key_, mutation.key, *mutation.only_over)) {
        continue;
      }
    }
    applied.push_back({mutation.family, mutation.key, mutation.value});
    if (entry->second) sum_ = SubtractMod256(sum_, *entry->second);
    entry->second.reset();
    if (mutation.value) {
      entry->second = MetaTerm(key_, mutation.key, *mutation.value);
      sum_ = AddMod256(sum_, *entry->second);
    }
  }
  return absl::OkStatus();
}

}  // namespace televault::store
