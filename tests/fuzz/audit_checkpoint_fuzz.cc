#include <cstddef>
#include <cstdint>
#include <string_view>

#include "audit/checkpoint.h"
#include "audit/witness.h"
#include "vault/base/check.h"

using namespace televault::audit;

// A checkpoint body has exactly one spelling; a witness accepts nothing that is not signed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto checkpoint = ParseCheckpointBody(text); checkpoint.ok()) {
    TV_CHECK(CheckpointBody(*checkpoint) == text);
  }
  if (const auto request = ParseAddCheckpoint(text); request.ok()) {
    TV_CHECK(FormatAddCheckpoint(*request) == text);
  }
  const WitnessDecision decision =
      DecideAddCheckpoint(text, [](const std::string& origin) -> std::optional<WitnessedLog> {
        return WitnessedLog{VerifierKey::Create(origin, KeyType::kEd25519, PublicKey{1}).value(),
                            TreeHead{}};
      });
  TV_CHECK(!decision.accepted && decision.http_status >= 400 && decision.http_status < 500);
  return 0;
}
