#include "vault/service/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace televault::service {
namespace {

// Written once before threads start.
LogFormat log_format = LogFormat::kText;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Escapes for JSON; also keeps a text line from being split by what it quotes.
std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      constexpr char kDigits[] = "0123456789abcdef";
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

void ConfigureLog(LogFormat format, LogLevel lowest) {
  log_format = format;
  auto logger = spdlog::stderr_logger_mt("televault");
  logger->set_pattern(format == LogFormat::kJson
                          ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})"
                          : "%Y-%m-%dT%H:%M:%SZ %l %v",
                      spdlog::pattern_time_type::utc);
  logger->set_level(ToSpdlog(lowest));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line;
  if (log_format == LogFormat::kJson) {
    line = "\"event\":" + Quote(event);
    for (const LogField& field : fields) {
      line += ',' + Quote(field.name) + ':' + (field.quoted ? Quote(field.text) : field.text);
    }
  } else {
    line = event;
    for (const LogField& field : fields) {
      line += ' ';
      line += field.name;
      line += '=' + (field.quoted ? Quote(field.text) : field.text);
    }
  }
  spdlog::log(ToSpdlog(level), "{}", line);
}

}  // namespace televault::service
