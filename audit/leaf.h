#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

// The bytes a leaf of the audit log is made of: docs/formats/audit-leaf-v1.md.
namespace televault::audit {

inline constexpr uint8_t kLeafVersion = 1;
inline constexpr size_t kLeafKeyIdBytes = 16;
inline constexpr size_t kLeafHeaderBytes = 2 + kLeafKeyIdBytes;
inline constexpr size_t kMaxLeafBytes = 65'535;  // bound of a tlog-tiles entry
inline constexpr size_t kMaxLeafBodyBytes = kMaxLeafBytes - kLeafHeaderBytes;
// crypto_box_seal of a 32-byte entry key.
inline constexpr size_t kKeyLeafBodyBytes = 80;

// Random name of a symmetric entry key; new with every key.
using LeafKeyId = std::array<uint8_t, kLeafKeyIdBytes>;

enum class LeafType : uint8_t {
  kKey = 1,    // body: the entry key, sealed to the audit epoch's public key
  kEntry = 2,  // body: envelope around a serialised AuditEntry, sealed under the entry key
};

// A leaf without its body's meaning: the body is opened elsewhere, by whoever has the key.
struct LeafView {
  LeafType type = LeafType::kEntry;
  LeafKeyId key_id{};
  std::span<const uint8_t> body;  // points into the parsed bytes
};

// The stored bytes. INVALID_ARGUMENT: empty body, one over kMaxLeafBodyBytes, or a key leaf whose
// body is not kKeyLeafBodyBytes long.
absl::StatusOr<std::string> EncodeLeaf(const LeafView& leaf);
// The 18 bytes before the body, for callers that bind them to the body as associated data.
std::string LeafHeader(LeafType type, const LeafKeyId& key_id);
// DATA_LOSS says which byte is wrong and what would be right.
absl::StatusOr<LeafView> ParseLeaf(std::span<const uint8_t> bytes);

}  // namespace televault::audit
