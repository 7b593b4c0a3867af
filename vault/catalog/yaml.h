#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/base/status.h"
#include "vault/catalog/finding.h"

namespace televault::catalog {

// A plain tree of a YAML document: no anchors, no tags, keys in the order written.
struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kSequence, kMap };
  struct Entry;
  Kind kind = Kind::kNull;
  Mark at;
  std::string scalar;
  bool quoted = false;  // a quoted scalar is always text
  std::vector<YamlNode> items;
  std::vector<Entry> entries;

  const YamlNode* Find(std::string_view key) const;
};
struct YamlNode::Entry {
  std::string key;
  Mark at;
  YamlNode value;
};

// Reads one document. Refused, each with its place: more than `max_bytes`, nesting over 32, anchors
// and aliases (so a small file cannot unfold into a large one), tags, keys that are not plain text,
// duplicate keys, a second document. Findings are E001 (not readable) and E003 (duplicate key); the
// tree is usable only if there are none.
YamlNode ParseYaml(std::string_view text, size_t max_bytes, std::vector<Finding>& errors);

// The one of `known` with the fewest edits from `word`, or "" if none is near.
std::string Nearest(std::string_view word, const std::vector<std::string_view>& known);

// "line 3, column 7: what.fields: …; …" for the first errors, at most limits::kMaxErrorTextBytes.
std::string JoinFindings(const std::vector<Finding>& errors);

}  // namespace televault::catalog
