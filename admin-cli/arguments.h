#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <google/protobuf/timestamp.pb.h>

#include "televault/v1/types.pb.h"
#include "vault/base/status.h"
#include "vault/base/time.h"

namespace televault::cli {

// "90d", "1h" in whole seconds. INVALID_ARGUMENT names the option.
absl::StatusOr<uint64_t> ParseSeconds(std::string_view option, std::string_view text);

// RFC 3339, a day ("2026-11-23": its start), or "7d" = that long before `now`.
absl::StatusOr<WallTime> ParseTime(std::string_view option, std::string_view text, WallTime now);
google::protobuf::Timestamp ToTimestamp(WallTime time);
// "" for a timestamp that is absent.
std::string FormatTimestamp(const google::protobuf::Timestamp& time);

// "everything", "dataset=NAME", "role=NAME", "token=ACCESSOR", "purpose=NAME".
absl::StatusOr<v1::Scope> ParseScope(std::string_view text);
std::string FormatScope(const v1::Scope& scope);

// "rows", "reads", "all", "seal".
absl::StatusOr<v1::LockdownLevel> ParseLevel(std::string_view text);
// Also "none".
std::string_view LevelName(v1::LockdownLevel level);

// A query parameter: "int:5", "double:0.5", "bool:true", "time:2026-11-23T00:00:00Z",
// "duration:250ms", "text:…" or "null"; without a known type before the colon the whole is text.
absl::StatusOr<v1::Value> ParseParameter(std::string_view text);
// The text that ParseParameter reads back as `value`; a list or an odd duration, which it has no
// word for, is written out.
std::string FormatParameter(const v1::Value& value);

// A whole text file of at most `max_bytes`, or standard input for "-".
absl::StatusOr<std::string> ReadText(const std::string& path, size_t max_bytes);

}  // namespace televault::cli
