#include <cstddef>
#include <cstdint>
#include <string_view>

#include "audit/proof_file.h"
#include "vault/base/check.h"

using namespace televault::audit;

// A proof file has exactly one spelling, and none verifies under a key that signed nothing.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto proof = ParseProofFile(text);
  if (!proof.ok()) return 0;
  TV_CHECK(FormatProofFile(*proof) == text);
  TV_CHECK(proof->hashes.size() <= kMaxProofHashes);
  const auto key = VerifierKey::Create("log", KeyType::kEd25519, PublicKey{1});
  TV_CHECK(!VerifyProofFile(*proof, Hash{}, *key).ok());
  return 0;
}
