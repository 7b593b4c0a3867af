#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "audit/merkle.h"
#include "audit/signer_key.h"
#include "audit/witness.h"
#include "vault/base/check.h"

namespace televault::cli {

// A log of leaves "0", "1", …; `salt` makes another history of the same log.
class SubmittedLog {
 public:
  explicit SubmittedLog(const std::string& name) {
    std::array<uint8_t, audit::kSigningSeedBytes> seed{42};
    key_ = audit::KeyOfSeed(name, audit::KeyType::kEd25519, seed).value();
    const std::string text = audit::FormatSignerKey(name, audit::KeyType::kEd25519, seed).value();
    TV_CHECK(audit::ParseSignerKey(text, secret_).ok());
  }
  const audit::VerifierKey& key() const { return *key_; }
  std::string Request(uint64_t old_size, uint64_t size, const std::string& salt = "") const {
    std::vector<audit::Hash> leaves;
    for (uint64_t i = 0; i < size; ++i) {
      leaves.push_back(audit::LeafHash(audit::AsBytes(salt + std::to_string(i))));
    }
    audit::AddCheckpointRequest request{old_size, {}, {}};
    const auto subtree = [&](uint32_t level, uint64_t index) -> absl::StatusOr<audit::Hash> {
      return Root(std::span(leaves).subspan(index << level, uint64_t{1} << level));
    };
    if (old_size > 0 && old_size < size) {
      request.proof = audit::ConsistencyProof(old_size, size, subtree).value();
    }
    request.checkpoint = audit::SignCheckpoint({size, Root(leaves)}, *key_, secret_).value();
    return audit::FormatAddCheckpoint(request);
  }

 private:
  static audit::Hash Root(std::span<const audit::Hash> leaves) {
    audit::Frontier frontier;
    for (const audit::Hash& leaf : leaves) frontier.Append(leaf);
    return frontier.Head().root;
  }
  std::optional<audit::VerifierKey> key_;
  std::array<uint8_t, audit::kSigningKeyBytes> secret_;
};

}  // namespace televault::cli
