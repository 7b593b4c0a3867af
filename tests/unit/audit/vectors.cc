#include "tests/unit/audit/vectors.h"

#include <bit>
#include <sodium.h>

#include "absl/strings/escaping.h"

#include "audit/encoding.h"
#include "vault/base/check.h"

namespace televault::audit::testing {

std::string Hex(std::string_view text) { return absl::HexStringToBytes(AsAbsl(text)); }

std::string Base64Bytes(const std::string& text) {
  std::string bytes;
  TV_CHECK(absl::Base64Unescape(text, &bytes));
  return bytes;
}

Hash HexHash(const std::string& text) { return HashFromBytes(AsBytes(Hex(text))).value(); }

std::string ToHex(std::span<const uint8_t> bytes) {
  return absl::BytesToHexString(AsAbsl(AsText(bytes)));
}

Hash Sha256(std::string_view bytes) {
  Hash hash;
  crypto_hash_sha256(hash.data(), AsBytes(bytes).data(), bytes.size());
  return hash;
}

std::string Quoted(std::string_view words) {
  const size_t begin = words.find('"') + 1;
  const size_t end = words.rfind('"');
  TV_CHECK(begin != 0 && begin <= end);
  return std::string(words.substr(begin, end - begin));
}

TestKey KeyFromSeed(std::string_view name, KeyType type, std::span<const uint8_t> seed) {
  TV_CHECK(seed.size() == crypto_sign_SEEDBYTES);
  PublicKey public_key;
  std::array<uint8_t, kSigningKeyBytes> secret;
  crypto_sign_seed_keypair(public_key.data(), secret.data(), seed.data());
  return {VerifierKey::Create(name, type, public_key).value(), secret};
}

TestKey NamedKey(std::string_view name, KeyType type) {
  return KeyFromSeed(name, type, Sha256(name));
}

std::string SignedCheckpoint(const TreeHead& head, const TestKey& key) {
  return SignCheckpoint(head, key.key, key.secret).value();
}

std::vector<Hash> LeafHashes(uint64_t count) {
  std::vector<Hash> hashes;
  for (uint64_t i = 0; i < count; ++i) {
    hashes.push_back(LeafHash(AsBytes("leaf " + std::to_string(i))));
  }
  return hashes;
}

Hash DefinitionRoot(std::span<const Hash> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return leaves[0];
  const size_t split = std::bit_floor(leaves.size() - 1);
  return NodeHash(DefinitionRoot(leaves.first(split)), DefinitionRoot(leaves.subspan(split)));
}

}  // namespace televault::audit::testing
