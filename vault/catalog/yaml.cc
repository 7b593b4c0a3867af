#include "vault/catalog/yaml.h"

#include <algorithm>
#include <istream>
#include <streambuf>

#include "absl/strings/str_cat.h"
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "vault/base/limits.h"

namespace televault::catalog {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxEntries = 1'024;
constexpr size_t kMaxErrors = 50;

Mark MarkOf(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
}

// Builds the tree. A refused construct is remembered once and everything after it is ignored, so
// that no exception of ours is needed inside the callbacks.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(YamlNode& root, std::vector<Finding>& errors) : root_(root), errors_(errors) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    YamlNode node;
    node.at = MarkOf(mark);
    Put(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "aliases are not allowed", "write the value out");
    Put(YamlNode{.at = MarkOf(mark)});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.at = MarkOf(mark);
    node.scalar = value;
    node.quoted = tag == "!";
    Put(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Start(mark, tag, anchor, YamlNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { End(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Start(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { End(); }

 private:
  struct Open {
    YamlNode node;
    bool has_key = false;
    std::string key;
    Mark key_at;
  };

  void Refuse(const YAML::Mark& mark, std::string why, std::string fix) {
    if (errors_.size() < kMaxErrors) {
      errors_.push_back(
          {"E001", Severity::kError, MarkOf(mark), "", std::move(why), std::move(fix)});
    }
  }
  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) Refuse(mark, "anchors are not allowed", "write the value out");
  }
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(mark, "tags are not allowed", "leave the tag away");
    }
  }
  void Start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
             YamlNode::Kind kind) {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (open_.size() == kMaxDepth) {
      Refuse(mark, absl::StrCat("nested deeper than ", kMaxDepth), "write it flatter");
    }
    Open open;
    open.node.kind = kind;
    open.node.at = MarkOf(mark);
    open_.push_back(std::move(open));
  }
  void End() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    Put(std::move(node));
  }
  void Put(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      TakeKey(parent, node);
    } else {
      // Past the bound the finding is made; what follows is not looked at any more.
      if (parent.node.entries.size() <= kMaxEntries) {
        parent.node.entries.push_back({std::move(parent.key), parent.key_at, std::move(node)});
      }
      parent.has_key = false;
    }
  }
  void TakeKey(Open& parent, const YamlNode& node) {
    parent.has_key = true;
    parent.key = node.scalar;
    parent.key_at = node.at;
    if (errors_.size() >= kMaxErrors) return;
    if (node.kind != YamlNode::Kind::kScalar) {
      errors_.push_back(
          {"E001", Severity::kError, node.at, "", "a key has to be plain text", "name: value"});
    } else if (parent.node.entries.size() >= kMaxEntries) {
      errors_.push_back({"E001", Severity::kError, node.at, "",
                         absl::StrCat("more than ", kMaxEntries, " keys in one map"), ""});
    } else if (parent.node.Find(node.scalar) != nullptr) {
      errors_.push_back({"E003", Severity::kError, node.at, node.scalar,
                         "this key stands twice in one map", "keep one of the two"});
    }
  }

  YamlNode& root_;
  std::vector<Finding>& errors_;
  std::vector<Open> open_;
};

// A read-only stream over bytes that somebody else owns.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::string ToString(const Finding& finding) {
  std::string text;
  if (finding.at.line > 0) absl::StrAppend(&text, finding.at.line, ":", finding.at.column, ": ");
  absl::StrAppend(&text, finding.code, " ");
  if (!finding.path.empty()) absl::StrAppend(&text, finding.path, ": ");
  absl::StrAppend(&text, finding.message);
  if (!finding.fix.empty()) absl::StrAppend(&text, " (", finding.fix, ")");
  return text;
}

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

YamlNode ParseYaml(std::string_view text, size_t max_bytes, std::vector<Finding>& errors) {
  YamlNode root;
  if (text.size() > max_bytes) {
    errors.push_back({"E001",
                      Severity::kError,
                      {},
                      "",
                      absl::StrCat("longer than ", max_bytes / 1024, " KiB"),
                      "shorten it"});
    return root;
  }
  if (text.find('\0') != std::string_view::npos) {
    errors.push_back({"E001", Severity::kError, {}, "", "holds a NUL byte", "write plain text"});
    return root;
  }
  try {
    ViewBuffer buffer(text);
    std::istream in(&buffer);
    YAML::Parser parser(in);
    TreeBuilder builder(root, errors);
    if (!parser.HandleNextDocument(builder)) {
      errors.push_back({"E001", Severity::kError, {1, 1}, "", "the file is empty", ""});
    } else if (parser) {
      errors.push_back(
          {"E001", Severity::kError, {}, "", "more than one document", "one document to a file"});
    }
  } catch (const YAML::Exception& e) {
    errors.push_back(
        {"E001", Severity::kError, MarkOf(e.mark), "", absl::StrCat("not YAML: ", e.msg), ""});
  } catch (const std::exception&) {
    errors.push_back({"E001", Severity::kError, {}, "", "not YAML", ""});
  }
  return root;
}

std::string Nearest(std::string_view word, const std::vector<std::string_view>& known) {
  if (word.size() > limits::kMaxNameBytes) return "";
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string JoinFindings(const std::vector<Finding>& errors) {
  std::string text;
  for (const Finding& finding : errors) {
    std::string line;
    if (finding.at.line > 0) {
      absl::StrAppend(&line, "line ", finding.at.line, ", column ", finding.at.column, ": ");
    }
    if (!finding.path.empty()) absl::StrAppend(&line, finding.path, ": ");
    absl::StrAppend(&line, finding.message);
    if (!finding.fix.empty()) absl::StrAppend(&line, " (", finding.fix, ")");
    if (text.size() + line.size() + 2 > limits::kMaxErrorTextBytes - 32) {
      absl::StrAppend(&text, "; and more");
      break;
    }
    if (!text.empty()) absl::StrAppend(&text, "; ");
    absl::StrAppend(&text, line);
  }
  return text;
}

}  // namespace televault::catalog
