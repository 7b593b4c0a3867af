#include "admin-cli/arguments.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "admin-cli/output/json.h"
#include "vault/base/bytes.h"

namespace televault::cli {
namespace {

constexpr std::array<std::pair<std::string_view, v1::LockdownLevel>, 5> kLevels = {{
    {"none", v1::LOCKDOWN_LEVEL_NONE},
    {"rows", v1::LOCKDOWN_LEVEL_ROWS},
    {"reads", v1::LOCKDOWN_LEVEL_READS},
    {"all", v1::LOCKDOWN_LEVEL_ALL},
    {"seal", v1::LOCKDOWN_LEVEL_SEAL},
}};

constexpr std::array<std::pair<std::string_view, v1::ScopeKind>, 4> kScopes = {{
    {"dataset", v1::SCOPE_KIND_DATASET},
    {"role", v1::SCOPE_KIND_ROLE},
    {"token", v1::SCOPE_KIND_TOKEN},
    {"purpose", v1::SCOPE_KIND_PURPOSE},
}};

absl::Status BadParameter(std::string_view type) {
  return absl::InvalidArgumentError(
      absl::StrCat("--param: what follows \"", ToAbsl(type), ":\" is not of that type"));
}

}  // namespace

absl::StatusOr<uint64_t> ParseSeconds(std::string_view option, std::string_view text) {
  const auto duration = ParseDuration(text);
  if (!duration.ok()) return Annotate(duration.status(), option);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*duration);
  if (seconds != *duration) {
    return absl::InvalidArgumentError(absl::StrCat(ToAbsl(option), ": whole seconds, e.g. 90s"));
  }
  return static_cast<uint64_t>(seconds.count());
}

absl::StatusOr<WallTime> ParseTime(std::string_view option, std::string_view text, WallTime now) {
  if (const auto time = ParseRfc3339(text); time.ok()) return *time;
  if (const auto day = ParseDay(text); day.ok()) return StartOf(*day);
  if (const auto ago = ParseDuration(text); ago.ok()) return now - *ago;
  return absl::InvalidArgumentError(absl::StrCat(
      ToAbsl(option), ": a time such as 2026-11-23T10:00:00Z, a day, or 7d for seven days ago"));
}

google::protobuf::Timestamp ToTimestamp(WallTime time) {
  google::protobuf::Timestamp stamp;
  const int64_t remainder = time.micros % 1'000'000;
  stamp.set_seconds(time.micros / 1'000'000 - (remainder < 0 ? 1 : 0));
  stamp.set_nanos(static_cast<int32_t>((remainder < 0 ? remainder + 1'000'000 : remainder) * 1000));
  return stamp;
}

std::string FormatTimestamp(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return FormatRfc3339(WallTime{time.seconds() * 1'000'000 + time.nanos() / 1000});
}

absl::StatusOr<v1::Scope> ParseScope(std::string_view text) {
  v1::Scope scope;
  if (text == "everything") {
    scope.set_kind(v1::SCOPE_KIND_EVERYTHING);
    return scope;
  }
  const size_t equals = text.find('=');
  for (const auto& [word, kind] : kScopes) {
    if (equals == std::string_view::npos || text.substr(0, equals) != word) continue;
    if (equals + 1 == text.size()) break;
    scope.set_kind(kind);
    scope.set_name(std::string(text.substr(equals + 1)));
    return scope;
  }
  return absl::InvalidArgumentError(
      "--scope is everything, dataset=NAME, role=NAME, token=ACCESSOR or purpose=NAME");
}

std::string FormatScope(const v1::Scope& scope) {
  for (const auto& [word, kind] : kScopes) {
    if (scope.kind() == kind) return absl::StrCat(ToAbsl(word), "=", scope.name());
  }
  return "everything";
}

absl::StatusOr<v1::LockdownLevel> ParseLevel(std::string_view text) {
  for (const auto& [word, level] : kLevels) {
    if (word == text && level != v1::LOCKDOWN_LEVEL_NONE) return level;
  }
  return absl::InvalidArgumentError("--level is one of rows, reads, all, seal");
}

std::string_view LevelName(v1::LockdownLevel level) {
  for (const auto& [word, known] : kLevels) {
    if (known == level) return word;
  }
  return "none";
}

absl::StatusOr<v1::Value> ParseParameter(std::string_view text) {
  v1::Value value;
  if (text == "null") return value;
  const size_t colon = text.find(':');
  const std::string_view type = colon == std::string_view::npos ? "" : text.substr(0, colon);
  const std::string rest(colon == std::string_view::npos ? text : text.substr(colon + 1));
  if (type == "int") {
    int64_t number = 0;
    if (!absl::SimpleAtoi(rest, &number)) return BadParameter(type);
    value.set_int_value(number);
  } else if (type == "double") {
    double number = 0;
    if (!absl::SimpleAtod(rest, &number)) return BadParameter(type);
    value.set_double_value(number);
  } else if (type == "bool") {
    if (rest != "true" && rest != "false") return BadParameter(type);
    value.set_bool_value(rest == "true");
  } else if (type == "time") {
    const auto time = ParseRfc3339(rest);
    if (!time.ok()) return BadParameter(type);
    value.set_timestamp_us(time->micros);
  } else if (type == "duration") {
    const auto duration = ParseDuration(rest);
    if (!duration.ok()) return BadParameter(type);
    value.set_duration_us(duration->count());
  } else {
    value.set_string_value(type == "text" ? rest : std::string(text));
  }
  return value;
}

std::string FormatParameter(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolValue:
      return value.bool_value() ? "bool:true" : "bool:false";
    case v1::Value::kIntValue:
      return absl::StrCat("int:", value.int_value());
    case v1::Value::kDoubleValue:
      return "double:" + absl::StrFormat("%.17g", value.double_value());
    case v1::Value::kStringValue:
      return "text:" + value.string_value();
    case v1::Value::kTimestampUs:
      return "time:" + FormatRfc3339({value.timestamp_us()});
    case v1::Value::kDurationUs:
      // Other clients send what the command line has no word for: shown exactly all the same.
      return value.duration_us() > 0 && value.duration_us() % 1'000 == 0
                 ? "duration:" + FormatDuration(microseconds(value.duration_us()))
                 : absl::StrCat("duration:", value.duration_us(), "us");
    case v1::Value::kListValue:
      return "list:" + Dump(Json(std::vector<std::string>(value.list_value().values().begin(),
                                                          value.list_value().values().end())),
                            -1);
    case v1::Value::KIND_NOT_SET:
      break;
  }
  return "null";
}

absl::StatusOr<std::string> ReadText(const std::string& path, size_t max_bytes) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  std::string text(max_bytes + 1, '\0');
  size_t used = 0;
  ssize_t got = 1;
  while (got > 0 && used < text.size()) {
    got = read(fd, text.data() + used, text.size() - used);
    if (got > 0) used += static_cast<size_t>(got);
    if (got < 0 && errno == EINTR) got = 1;
  }
  const int error = errno;
  if (!standard_input) close(fd);
  if (got < 0) return absl::ErrnoToStatus(error, path);
  if (used > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": more than ", max_bytes, " bytes"));
  }
  text.resize(used);
  return text;
}

}  // namespace televault::cli
