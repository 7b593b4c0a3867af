#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "audit/note.h"
#include "tests/support/published_vectors.h"

// Small helpers around the published vectors.
namespace televault::audit::testing {

using televault::testing::Vector;
using televault::testing::Vectors;

std::string Hex(std::string_view text);
std::string Base64Bytes(const std::string& text);
Hash HexHash(const std::string& text);
std::string ToHex(std::span<const uint8_t> bytes);
Hash Sha256(std::string_view bytes);
// What stands between the quotation marks of a vector that is told in words.
std::string Quoted(std::string_view words);

// An Ed25519 key pair with a name.
struct TestKey {
  VerifierKey key;
  std::array<uint8_t, kSigningKeyBytes> secret;
};
TestKey KeyFromSeed(std::string_view name, KeyType type, std::span<const uint8_t> seed);
// A pair that depends on the name alone.
TestKey NamedKey(std::string_view name, KeyType type = KeyType::kEd25519);

std::string SignedCheckpoint(const TreeHead& head, const TestKey& key);

// Hashes of leaves 0 … count - 1, each "leaf <i>".
std::vector<Hash> LeafHashes(uint64_t count);
// Straight from the recursive definition in RFC 6962.
Hash DefinitionRoot(std::span<const Hash> leaves);

}  // namespace televault::audit::testing
