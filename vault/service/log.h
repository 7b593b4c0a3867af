#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace televault::service {

enum class LogFormat { kJson, kText };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One fact of a log line: a name and a number or a name-like text. Never a telemetry value, a token
// or a key: callers pass accessors, dataset names, codes and counts only.
struct LogField {
  LogField(std::string_view field_name, std::string_view field_value)
      : name(field_name), text(field_value), quoted(true) {}
  LogField(std::string_view field_name, const char* field_value)
      : LogField(field_name, std::string_view(field_value)) {}
  LogField(std::string_view field_name, const std::string& field_value)
      : LogField(field_name, std::string_view(field_value)) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> LogField(std::string_view field_name, Number number)
      : name(field_name), text(std::to_string(number)), quoted(false) {}

  std::string_view name;
  std::string text;
  bool quoted;
};

// Sets the process-wide logger: one line per event on stderr. Call once before any thread starts.
void ConfigureLog(LogFormat format, LogLevel lowest);

// Writes {"time":…,"level":…,"event":…,fields…} or the same as text. Threads: any.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace televault::service
