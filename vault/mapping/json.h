#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "vault/base/status.h"
#include "vault/mapping/record.h"

namespace televault::mapping {

inline constexpr size_t kMaxJsonDepth = 100;

// One JSON text of at most `max_bytes`, nesting at most kMaxJsonDepth (checked before parsing).
// INVALID_ARGUMENT says what is wrong, never what was there.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, size_t max_bytes);

// null, bool, number, string or list of strings. INVALID_ARGUMENT for objects, mixed lists and
// whole numbers beyond 64 signed bits.
absl::StatusOr<FieldValue> ValueOf(const nlohmann::json& json);

// RFC 6901 pointer, split and unescaped. INVALID_ARGUMENT where it does not start with '/'.
absl::StatusOr<std::vector<std::string>> SplitPointer(std::string_view pointer);

// What the pointer names, or null.
const nlohmann::json* Follow(const nlohmann::json& root, const std::vector<std::string>& pointer);

}  // namespace televault::mapping
