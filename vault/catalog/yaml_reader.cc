#include "vault/catalog/yaml_reader.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"

namespace televault::catalog {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void YamlReader::Error(Mark at, std::string path, std::string message, std::string fix,
                       std::string code) {
  if (errors_->size() >= 50) return;
  errors_->push_back(
      {std::move(code), Severity::kError, at, std::move(path), std::move(message), std::move(fix)});
}

void YamlReader::Known(const std::vector<std::string_view>& known) {
  if (node_ == nullptr) return;
  for (const YamlNode::Entry& entry : node_->entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    const std::string nearest = Nearest(entry.key, known);
    std::vector<std::string> names(known.begin(), known.end());
    Error(entry.at, PathOf(entry.key), "unknown key",
          nearest.empty() ? absl::StrCat("known here: ", absl::StrJoin(names, ", "))
                          : absl::StrCat("did you mean ", nearest, "?"),
          "E002");
  }
}

void YamlReader::Require(std::string_view key) {
  if (Has(key)) return;
  Error(node_ == nullptr ? Mark{} : node_->at, PathOf(key), "is missing",
        absl::StrCat("add ", std::string(key), ":"));
}

void YamlReader::NotAWord(std::string_view key, const YamlNode& node,
                          const std::vector<std::string_view>& known) {
  const std::string nearest = Nearest(node.scalar, known);
  std::vector<std::string> names(known.begin(), known.end());
  Error(node.at, PathOf(key), absl::StrCat("has to be one of ", absl::StrJoin(names, ", ")),
        nearest.empty() ? "" : absl::StrCat("did you mean ", nearest, "?"));
}

const YamlNode* YamlReader::Scalar(std::string_view key, std::string_view wanted) {
  const YamlNode* node = Find(key);
  if (node == nullptr || node->kind == YamlNode::Kind::kNull) return nullptr;
  if (node->kind == YamlNode::Kind::kScalar) return node;
  Error(node->at, PathOf(key), absl::StrCat("has to be ", std::string(wanted)), "");
  return nullptr;
}

std::string YamlReader::Text(std::string_view key) {
  const YamlNode* node = Scalar(key, "text");
  return node == nullptr ? "" : node->scalar;
}

const std::vector<YamlNode>& YamlReader::Items(std::string_view key) {
  static const std::vector<YamlNode> kNone;
  const YamlNode* node = Find(key);
  if (node == nullptr || node->kind == YamlNode::Kind::kNull) return kNone;
  if (node->kind != YamlNode::Kind::kSequence) {
    Error(node->at, PathOf(key), "has to be a list", "[a, b]");
    return kNone;
  }
  return node->items;
}

const std::vector<YamlNode::Entry>& YamlReader::Entries() const {
  static const std::vector<YamlNode::Entry> kNone;
  return node_ == nullptr ? kNone : node_->entries;
}

std::vector<std::string> YamlReader::Texts(std::string_view key) {
  std::vector<std::string> texts;
  for (const YamlNode& item : Items(key)) {
    if (item.kind != YamlNode::Kind::kScalar) {
      Error(item.at, PathOf(key), "has to be a list of texts", "[a, b]");
      break;
    }
    texts.push_back(item.scalar);
  }
  return texts;
}

std::optional<bool> YamlReader::Bool(std::string_view key) {
  const YamlNode* node = Scalar(key, "true or false");
  if (node == nullptr) return std::nullopt;
  if (node->scalar == "true") return true;
  if (node->scalar == "false") return false;
  Error(node->at, PathOf(key), "has to be true or false", "");
  return std::nullopt;
}

std::optional<int64_t> YamlReader::Int(std::string_view key, int64_t low, int64_t high) {
  const std::string wanted = absl::StrCat("a whole number from ", low, " to ", high);
  const YamlNode* node = Scalar(key, wanted);
  if (node == nullptr) return std::nullopt;
  int64_t value = 0;
  if (!node->quoted && absl::SimpleAtoi(node->scalar, &value) && value >= low && value <= high) {
    return value;
  }
  Error(node->at, PathOf(key), absl::StrCat("has to be ", wanted), "");
  return std::nullopt;
}

std::optional<double> YamlReader::Number(const YamlNode& node, std::string_view key) {
  double value = 0;
  if (node.kind == YamlNode::Kind::kScalar && !node.quoted &&
      absl::SimpleAtod(Absl(node.scalar), &value) && std::isfinite(value)) {
    return value;
  }
  Error(node.at, PathOf(key), "has to be a number", "");
  return std::nullopt;
}

std::optional<microseconds> YamlReader::Duration(std::string_view key) {
  const YamlNode* node = Scalar(key, "a duration");
  if (node == nullptr) return std::nullopt;
  const absl::StatusOr<microseconds> value = ParseDuration(node->scalar);
  if (value.ok()) return *value;
  Error(node->at, PathOf(key), "has to be a duration",
        "a whole number and a unit, like 90d or 24h");
  return std::nullopt;
}

std::optional<Day> YamlReader::Date(std::string_view key) {
  const YamlNode* node = Scalar(key, "a date");
  if (node == nullptr) return std::nullopt;
  const absl::StatusOr<Day> value = ParseDay(node->scalar);
  if (value.ok()) return *value;
  Error(node->at, PathOf(key), "has to be a date", "like 2027-05-20");
  return std::nullopt;
}

}  // namespace televault::catalog
