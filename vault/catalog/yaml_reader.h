#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"

#include "vault/base/time.h"
#include "vault/catalog/finding.h"
#include "vault/catalog/yaml.h"

namespace televault::catalog {

// One map of a YAML tree being read: values are taken by key, everything that is wrong becomes a
// finding (E002 unknown key, E004 missing or of the wrong kind) with its place.
// Refuses: nothing by itself; the caller looks at the findings.  Threads: one.
// Borrows: the node and the findings.  Invariants: at most 50 findings.  Failure: none.
class YamlReader {
 public:
  // `node` may be null (the map was not written): then every key is absent.
  YamlReader(const YamlNode* node, std::string path, std::vector<Finding>& errors)
      : node_(node), path_(std::move(path)), errors_(&errors) {
    if (node_ != nullptr && node_->kind != YamlNode::Kind::kMap) {
      Error(node_->at, path_, "has to be a map", "key: value");
      node_ = nullptr;
    }
  }

  // Call first: reports every key that is not in `known`.
  void Known(const std::vector<std::string_view>& known);

  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  const YamlNode* Find(std::string_view key) const {
    return node_ == nullptr ? nullptr : node_->Find(key);
  }
  YamlReader Map(std::string_view key) { return {Find(key), PathOf(key), *errors_}; }
  const std::vector<YamlNode>& Items(std::string_view key);
  const std::vector<YamlNode::Entry>& Entries() const;

  void Require(std::string_view key);
  std::string Text(std::string_view key);
  std::vector<std::string> Texts(std::string_view key);
  std::optional<bool> Bool(std::string_view key);
  std::optional<int64_t> Int(std::string_view key, int64_t low, int64_t high);
  std::optional<double> Number(const YamlNode& node, std::string_view key);
  std::optional<microseconds> Duration(std::string_view key);
  std::optional<Day> Date(std::string_view key);

  // One word of a table of {word, value}.
  template <class E, size_t N>
  void Word(std::string_view key, const std::pair<std::string_view, E> (&table)[N], E& out) {
    const YamlNode* node = Find(key);
    if (node == nullptr) return;
    std::vector<std::string_view> known;
    for (const auto& [word, value] : table) {
      if (node->kind == YamlNode::Kind::kScalar && node->scalar == word) {
        out = value;
        return;
      }
      known.push_back(word);
    }
    NotAWord(key, *node, known);
  }

  void Error(Mark at, std::string path, std::string message, std::string fix,
             std::string code = "E004");
  std::string PathOf(std::string_view key) const {
    return path_.empty() ? std::string(key) : absl::StrCat(path_, ".", std::string(key));
  }
  std::vector<Finding>& errors() { return *errors_; }

 private:
  void NotAWord(std::string_view key, const YamlNode& node,
                const std::vector<std::string_view>& known);
  const YamlNode* Scalar(std::string_view key, std::string_view wanted);

  const YamlNode* node_;
  std::string path_;
  std::vector<Finding>* errors_;
};

}  // namespace televault::catalog
