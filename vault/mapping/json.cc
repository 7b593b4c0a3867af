#include "vault/mapping/json.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace televault::mapping {
namespace {

// Depth of brackets outside strings; counts on even in text that is no JSON.
size_t DepthOf(std::string_view text) {
  size_t depth = 0;
  size_t deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("longer than ", max_bytes, " bytes"));
  }
  if (DepthOf(text) > kMaxJsonDepth) {
    return absl::InvalidArgumentError(absl::StrCat("nested deeper than ", kMaxJsonDepth));
  }
  nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return absl::InvalidArgumentError("is not JSON in UTF-8");
  return json;
}

absl::StatusOr<FieldValue> ValueOf(const nlohmann::json& json) {
  using Kind = nlohmann::json::value_t;
  switch (json.type()) {
    case Kind::null:
      return FieldValue();
    case Kind::boolean:
      return FieldValue(json.get<bool>());
    case Kind::number_integer:
      return FieldValue(json.get<int64_t>());
    case Kind::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) break;
      return FieldValue(json.get<int64_t>());
    case Kind::number_float:
      return FieldValue(json.get<double>());
    case Kind::string:
      return FieldValue(json.get_ref<const std::string&>());
    case Kind::array: {
      std::vector<std::string> list;
      for (const nlohmann::json& item : json) {
        if (!item.is_string()) {
          return absl::InvalidArgumentError("has to be a list of strings only");
        }
        list.push_back(item.get_ref<const std::string&>());
      }
      return FieldValue(std::move(list));
    }
    default:
      break;
  }
  return absl::InvalidArgumentError(
      "has to be null, true or false, a number of 64 bits, a string or a list of strings");
}

absl::StatusOr<std::vector<std::string>> SplitPointer(std::string_view pointer) {
  std::vector<std::string> parts;
  if (pointer.empty()) return parts;
  if (pointer[0] != '/') {
    return absl::InvalidArgumentError("a JSON pointer starts with '/'");
  }
  pointer.remove_prefix(1);
  for (const absl::string_view part :
       absl::StrSplit(absl::string_view(pointer.data(), pointer.size()), '/')) {
    // In this order, so that "~01" stays "~1".
    parts.push_back(absl::StrReplaceAll(absl::StrReplaceAll(part, {{"~1", "/"}}), {{"~0", "~"}}));
  }
  return parts;
}

const nlohmann::json* Follow(const nlohmann::json& root, const std::vector<std::string>& pointer) {
  const nlohmann::json* at = &root;
  for (const std::string& part : pointer) {
    if (at->is_object()) {
      const auto it = at->find(part);
      if (it == at->end()) return nullptr;
      at = &*it;
    } else if (at->is_array()) {
      uint32_t index = 0;
      if (!absl::SimpleAtoi(part, &index) || index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

}  // namespace televault::mapping
