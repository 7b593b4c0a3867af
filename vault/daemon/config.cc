#include "vault/daemon/config.h"

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>
#include <string_view>

#include "absl/strings/str_cat.h"
#include <toml++/toml.h>

#include "vault/base/limits.h"

namespace televault::daemon {
namespace {

using Setter = std::function<absl::Status(const toml::node&)>;

absl::Status Wrong(std::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("must be ", std::string(expected)));
}

Setter Text(std::string& out) {
  return [&out](const toml::node& node) -> absl::Status {
    const auto value = node.value_exact<std::string>();
    if (!value.has_value()) return Wrong("a string in quotes");
    out = *value;
    return absl::OkStatus();
  };
}

Setter Number(size_t& out, size_t low, size_t high, size_t unit = 1) {
  return [&out, low, high, unit](const toml::node& node) -> absl::Status {
    const auto value = node.value_exact<int64_t>();
    if (!value.has_value() || *value < static_cast<int64_t>(low) ||
        *value > static_cast<int64_t>(high)) {
      return Wrong(absl::StrCat("a whole number from ", low, " to ", high));
    }
    out = static_cast<size_t>(*value) * unit;
    return absl::OkStatus();
  };
}

Setter Duration(microseconds& out, std::string_view low, std::string_view high) {
  return [&out, low, high](const toml::node& node) -> absl::Status {
    const auto text = node.value_exact<std::string>();
    const auto expected = absl::StrCat("a duration in quotes from \"", std::string(low), "\" to \"",
                                       std::string(high), "\"");
    if (!text.has_value()) return Wrong(expected);
    const auto value = ParseDuration(*text);
    if (!value.ok() || *value < *ParseDuration(low) || *value > *ParseDuration(high)) {
      return Wrong(expected);
    }
    out = *value;
    return absl::OkStatus();
  };
}

template <class T>
Setter Choice(T& out, std::map<std::string, T> choices) {
  return [&out, choices = std::move(choices)](const toml::node& node) -> absl::Status {
    const auto text = node.value_exact<std::string>();
    if (const auto found = choices.find(text.value_or("")); found != choices.end()) {
      out = found->second;
      return absl::OkStatus();
    }
    std::string names;
    for (const auto& [name, unused] : choices) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", "\"", name, "\"");
    }
    return Wrong("one of " + names);
  };
}

Setter Texts(std::vector<std::string>& out) {
  return [&out](const toml::node& node) -> absl::Status {
    const toml::array* array = node.as_array();
    if (array == nullptr) return Wrong("a list of strings");
    out.clear();
    for (const toml::node& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text.has_value()) return Wrong("a list of strings");
      out.push_back(*text);
    }
    return absl::OkStatus();
  };
}

using Settings = std::map<std::string, Setter, std::less<>>;

Settings SettingsOf(Config& config) {
  using service::LogFormat;
  using service::LogLevel;
  return {
      {"data_dir", Text(config.data_dir)},
      {"listen", Texts(config.listen)},
      {"anchor.file", Text(config.anchor_file)},
      {"anchor.sync", Choice<bool>(config.anchor_strict, {{"interval", false}, {"commit", true}})},
      {"unseal.keyfile", Text(config.keyfile)},
      {"unseal.credential", Text(config.credential)},
      {"keys.replicas", Texts(config.key_replicas)},
      {"keys.pkcs11.module", Text(config.pkcs11.module)},
      {"keys.pkcs11.tokens", Texts(config.pkcs11.tokens)},
      {"keys.pkcs11.pin_file", Text(config.pkcs11.pin_file)},
      {"tls.cert_file", Text(config.tls.cert_file)},
      {"tls.key_file", Text(config.tls.key_file)},
      {"tls.client_ca_file", Text(config.tls.client_ca_file)},
      {"log.format", Choice<LogFormat>(config.log_format,
                                       {{"json", LogFormat::kJson}, {"text", LogFormat::kText}})},
      {"log.level", Choice<LogLevel>(config.log_level, {{"debug", LogLevel::kDebug},
                                                        {"info", LogLevel::kInfo},
                                                        {"warning", LogLevel::kWarning},
                                                        {"error", LogLevel::kError}})},
      {"limits.query_memory_mib", Number(config.query_memory_bytes, 16, 16'384, limits::MiB)},
      {"limits.worker_threads", Number(config.worker_threads, 4, 512)},
      {"limits.queries_in_flight",
       Number(config.queries_in_flight, 1, limits::kMaxQueriesInFlight)},
      {"witnesses.policy", Text(config.witness_policy)},
      {"witnesses.tick", Duration(config.witness_tick, "1s", "3600s")},
      {"retention.tick", Duration(config.retention_tick, "1s", "60s")},
      {"merge.tick", Duration(config.merge_tick, "1s", "60s")},
      {"drain.timeout", Duration(config.drain_timeout, "1ms", "120s")},
  };
}

std::string NearestKey(std::string_view key, const Settings& settings) {
  const auto distance = [](std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= b.size(); ++j) {
        const size_t above = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    return row[b.size()];
  };
  return std::min_element(settings.begin(), settings.end(),
                          [&](const auto& a, const auto& b) {
                            return distance(key, a.first) < distance(key, b.first);
                          })
      ->first;
}

absl::Status ApplyTable(const toml::table& table, const std::string& prefix,
                        std::string_view file_name, const Settings& settings) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const std::string place =
        absl::StrCat(std::string(file_name), ":", node.source().begin.line, ": ", key);
    if (const toml::table* inner = node.as_table()) {
      TV_RETURN_IF_ERROR(ApplyTable(*inner, key + ".", file_name, settings));
      continue;
    }
    const auto setting = settings.find(key);
    if (setting == settings.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, " is no setting; the nearest one is ", NearestKey(key, settings)));
    }
    if (const absl::Status status = setting->second(node); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(place, " ", std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckListener(const std::string& address, const TlsConfig& tls) {
  if (address.starts_with("unix:")) {
    if (address.size() <= 5 || address.size() > 5 + 100) {
      return absl::InvalidArgumentError("listen: a UNIX socket is unix:PATH, path 1 to 100 bytes");
    }
    return absl::OkStatus();
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen: \"", address, "\" is neither unix:PATH nor HOST:PORT"));
  }
  if (tls.cert_file.empty() || tls.key_file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen: ", address,
                     " is a TCP address and needs TLS: set tls.cert_file and tls.key_file "
                     "(`televaultd init` makes a pair), or listen on unix:PATH"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> ParseConfig(std::string_view toml_text, std::string_view file_name) {
  Config config;
  toml::table table;
  try {
    table = toml::parse(toml_text, file_name);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(file_name), ":",
                                                   error.source().begin.line, ": ",
                                                   std::string(error.description())));
  }
  TV_RETURN_IF_ERROR(ApplyTable(table, "", file_name, SettingsOf(config)));
  return config;
}

absl::Status UseCredential(Config& config, const std::string& directory) {
  if (config.credential.empty()) return absl::OkStatus();
  if (!config.keyfile.empty()) {
    return absl::InvalidArgumentError(
        "unseal.keyfile and unseal.credential are both set: the keyfile is one or the other");
  }
  if (config.credential.find('/') != std::string::npos || config.credential.starts_with('.')) {
    return absl::InvalidArgumentError("unseal.credential is a name, not a path");
  }
  if (directory.empty()) {
    return absl::FailedPreconditionError(
        "unseal.credential is set and the service manager gave no credentials: add "
        "LoadCredentialEncrypted= (or LoadCredential=) with that name to the unit");
  }
  config.keyfile = absl::StrCat(directory, "/", config.credential);
  return absl::OkStatus();
}

absl::Status CheckConfig(const Config& config) {
  TV_RETURN_IF_ERROR(Annotate(crypto::CheckPkcs11Settings(config.pkcs11), "keys.pkcs11"));
  if (!config.pkcs11.tokens.empty() &&
      config.pkcs11.tokens.size() + config.key_replicas.size() > crypto::kMaxKeyReplicas) {
    return absl::InvalidArgumentError(absl::StrCat("keys.replicas and keys.pkcs11.tokens name ",
                                                   "more than ", crypto::kMaxKeyReplicas,
                                                   " replicas together"));
  }
  if (config.data_dir.empty()) {
    return absl::InvalidArgumentError("data_dir is not set: give --data-dir or data_dir = \"…\"");
  }
  if (config.listen.empty()) {
    return absl::InvalidArgumentError(
        "nothing to listen on: give --listen unix:PATH or listen = [\"…\"]");
  }
  if (config.tls.cert_file.empty() != config.tls.key_file.empty()) {
    return absl::InvalidArgumentError("tls.cert_file and tls.key_file go together; one is not set");
  }
  if (!config.tls.client_ca_file.empty() && config.tls.cert_file.empty()) {
    return absl::InvalidArgumentError("tls.client_ca_file needs tls.cert_file and tls.key_file");
  }
  for (const std::string& address : config.listen) {
    TV_RETURN_IF_ERROR(CheckListener(address, config.tls));
  }
  return absl::OkStatus();
}

}  // namespace televault::daemon
