#pragma once

#include <array>
#include <functional>
#include <sodium.h>
#include <string>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "audit/note.h"
#include "audit/tiles.h"
#include "audit/witness.h"
#include "tests/support/status_matchers.h"
#include "vault/base/bytes.h"

namespace televault::testing {

// A log of made-up leaves with its own key; every tree it ever was can be signed and proven.
class FakeLog {
 public:
  explicit FakeLog(uint8_t seed_byte, const std::string& origin = "vault.example.org/test")
      : secret_{}, key_(MakeKey(seed_byte, origin)) {}

  void Grow(size_t leaves, const std::string& flavour = "leaf") {
    for (size_t i = 0; i < leaves; ++i) {
      leaves_.push_back(flavour + std::to_string(leaves_.size()));
    }
  }
  void Add(std::string leaf) { leaves_.push_back(std::move(leaf)); }
  const std::vector<std::string>& leaves() const { return leaves_; }
  const audit::VerifierKey& key() const { return key_; }

  audit::TreeHead Head(uint64_t size) const {
    audit::Frontier frontier;
    for (uint64_t i = 0; i < size; ++i) frontier.Append(audit::LeafHash(AsBytes(leaves_[i])));
    return frontier.Head();
  }
  std::string Checkpoint(uint64_t size) const {
    const auto note = audit::SignCheckpoint(Head(size), key_, audit::SigningKey(secret_));
    EXPECT_TRUE(note.ok()) << note.status();
    return note.ok() ? *note : "";
  }
  // The body of an add-checkpoint request of a client that takes the witness to be at `old_size`.
  std::string AddCheckpoint(uint64_t old_size, uint64_t size) const {
    audit::AddCheckpointRequest request{old_size, {}, Checkpoint(size)};
    if (old_size > 0 && old_size < size) request.proof = Consistency(old_size, size);
    return audit::FormatAddCheckpoint(request);
  }
  std::string Sign(const std::string& text) const {
    const auto signature = audit::SignText(text, key_, audit::SigningKey(secret_));
    EXPECT_TRUE(signature.ok()) << signature.status();
    return signature.ok() ? audit::Note{text, {*signature}}.Text() : "";
  }
  std::vector<audit::Hash> Consistency(uint64_t old_size, uint64_t new_size) const {
    const auto proof = audit::ConsistencyProof(old_size, new_size, Subtrees());
    EXPECT_TRUE(proof.ok()) << proof.status();
    return proof.ok() ? *proof : std::vector<audit::Hash>();
  }
  std::vector<audit::Hash> Inclusion(uint64_t index, uint64_t size) const {
    const auto proof = audit::InclusionProof(index, size, Subtrees());
    EXPECT_TRUE(proof.ok()) << proof.status();
    return proof.ok() ? *proof : std::vector<audit::Hash>();
  }

 private:
  std::function<absl::StatusOr<audit::Hash>(uint32_t level, uint64_t index)> Subtrees() const {
    return [this](uint32_t level, uint64_t index) -> absl::StatusOr<audit::Hash> {
      std::vector<audit::Hash> hashes;
      for (uint64_t i = index << level; i < (index + 1) << level; ++i) {
        hashes.push_back(audit::LeafHash(AsBytes(leaves_[i])));
      }
      return audit::CompleteRoot(hashes);
    };
  }
  audit::VerifierKey MakeKey(uint8_t seed_byte, const std::string& origin) {
    EXPECT_GE(sodium_init(), 0);
    std::array<uint8_t, crypto_sign_SEEDBYTES> seed{};
    seed.fill(seed_byte);
    audit::PublicKey public_key{};
    crypto_sign_seed_keypair(public_key.data(), secret_.data(), seed.data());
    return *audit::VerifierKey::Create(origin, audit::KeyType::kEd25519, public_key);
  }

  std::array<uint8_t, audit::kSigningKeyBytes> secret_;
  const audit::VerifierKey key_;
  std::vector<std::string> leaves_;
};

}  // namespace televault::testing
