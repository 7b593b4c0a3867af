#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/store/store.h"

namespace televault::store {

// A sum mod 2^256 of keyed hashes of all live records of the meta family, little-endian. One
// stale, missing, added or replayed record changes it.
using MetaSum = std::array<uint8_t, 32>;

MetaSum AddMod256(const MetaSum& a, const MetaSum& b);
MetaSum SubtractMod256(const MetaSum& a, const MetaSum& b);
// What one record contributes: BLAKE2b-256(key, le32 key length ‖ record key ‖ value).
MetaSum MetaTerm(const SecretBytes& freshness_key, std::string_view key, std::string_view value);
// The sum over everything that `view` holds.
absl::StatusOr<MetaSum> SumOfMeta(const View& view, const SecretBytes& freshness_key);

// Follows the sum through the mutations of one commit, looking up what they replace.
// Threads: one. Borrows: view (the state before the commit), key.
class MetaSumUpdate {
 public:
  MetaSumUpdate(const View& view, const SecretBytes& freshness_key, const MetaSum& sum)
      : view_(view), key_(freshness_key), sum_(sum) {}
  // In commit order; families other than meta change nothing. Appends to `applied` what is to be
  // written: all but mutations over a value that is not there (Mutation::only_over).
  absl::Status Apply(const std::vector<Mutation>& mutations, std::vector<Mutation>& applied);
  const MetaSum& sum() const { return sum_; }

 private:
  const View& view_;
  const SecretBytes& key_;
  MetaSum sum_;
  // What earlier mutations of the same commit left: the term, or nothing.
  std::map<std::string, std::optional<MetaSum>> overlay_;
};

}  // namespace televault::store
