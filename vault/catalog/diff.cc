#include "vault/catalog/diff.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "vault/base/limits.h"
#include "vault/catalog/yaml.h"

namespace televault::catalog {
namespace {

std::string_view Or(std::string_view text, std::string_view fallback) {
  return text.empty() ? fallback : text;
}

std::string DurationText(const std::optional<microseconds>& d) {
  return d ? FormatDuration(*d) : "never";
}

// Every value that is written, by dotted path as in Manifest::At. A list of plain values is one.
using Leaves = std::map<std::string, std::string>;

void CollectLeaves(const YamlNode& node, const std::string& path, Leaves& leaves) {
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const YamlNode::Entry& entry : node.entries) {
    CollectLeaves(entry.value, prefix + entry.key, leaves);
  }
  std::vector<std::string> plain;
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (node.items[i].kind == YamlNode::Kind::kScalar) {
      plain.push_back(node.items[i].scalar);
    } else {
      CollectLeaves(node.items[i], absl::StrCat(prefix, i), leaves);
    }
  }
  if (!plain.empty()) leaves[path] = absl::StrJoin(plain, ", ");
  if (node.kind == YamlNode::Kind::kScalar) leaves[path] = node.scalar;
}

Leaves LeavesOf(const Manifest& manifest) {
  std::vector<Finding> errors;
  const YamlNode root = ParseYaml(manifest.text, limits::kMaxManifestBytes, errors);
  Leaves leaves;
  if (errors.empty()) CollectLeaves(root, "", leaves);
  return leaves;
}

class Comparison {
 public:
  Comparison(const Manifest& before, const Manifest& after) : a_(before), b_(after) {}

  ManifestDiff Run() {
    if (b_.revision != a_.revision + 1) {
      Find("E704", Severity::kError, "revision",
           absl::StrCat("the revision in force is ", a_.revision),
           absl::StrCat("revision: ", a_.revision + 1));
    }
    Purposes();
    Fields();
    Settings();
    Roles();
    Rest();
    return std::move(diff_);
  }

 private:
  void Say(std::string sentence) { diff_.changes.push_back(std::move(sentence)); }
  void Find(std::string code, Severity severity, std::string path, std::string message,
            std::string fix) {
    const Mark at = b_.At(path);
    diff_.findings.push_back(
        {std::move(code), severity, at, std::move(path), std::move(message), std::move(fix)});
  }
  void NeedsNotice(std::string path, const std::string& what) {
    if (b_.opt.notice_version > a_.opt.notice_version) return;
    Find("E702", Severity::kError, std::move(path),
         what + " but people were not told: the notice has the old version",
         absl::StrCat("opt.notice.version: ", a_.opt.notice_version + 1));
  }
  // `paths` are told by this sentence, with all that is below them.
  void Told(std::vector<std::string> paths) {
    for (std::string& path : paths) told_.insert(std::move(path));
  }
  bool IsTold(std::string path) const {
    while (!told_.contains(path)) {
      const size_t dot = path.rfind('.');
      if (dot == std::string::npos) return false;
      path.resize(dot);
    }
    return true;
  }
  void Changed(std::vector<std::string> paths, std::string_view what, const std::string& before,
               const std::string& after) {
    if (before == after) return;
    Told(std::move(paths));
    Say(absl::StrCat(std::string(what), " changes from ", std::string(Or(before, "nothing")),
                     " to ", std::string(Or(after, "nothing")), "."));
  }

  void Purposes() {
    for (const auto& [name, text] : b_.why.purposes) {
      if (a_.HasPurpose(name)) continue;
      Say(absl::StrCat("New purpose ", name, ": ", text, "."));
      Told({"why.purposes." + name});
      NeedsNotice("why.purposes." + name, "a new purpose");
    }
    for (const auto& [name, text] : a_.why.purposes) {
      if (b_.HasPurpose(name)) continue;
      Say(absl::StrCat("Purpose ", name, " is given up."));
      Told({"why.purposes." + name});
    }
  }

  void Fields() {
    for (const FieldSpec& field : b_.what.fields) {
      const FieldSpec* old = a_.FindField(field.name);
      const std::string path = "what.fields." + field.name;
      if (old == nullptr) {
        Say(absl::StrCat("New field ", field.name, " (", std::string(WordOf(field.field_class)),
                         "): ", field.why, "."));
        Told({path});
        NeedsNotice(path, "a new field");
        continue;
      }
      ChangedField(*old, field, path);
    }
    for (const FieldSpec& field : a_.what.fields) {
      if (b_.FindField(field.name) == nullptr) {
        Say(absl::StrCat("Field ", field.name,
                         " is no longer collected; what is stored stays "
                         "unreadable until it expires."));
        Told({"what.fields." + field.name});
      }
    }
  }

  void ChangedField(const FieldSpec& before, const FieldSpec& after, const std::string& path) {
    const std::string label = "Field " + after.name;
    if (before.type != after.type || before.list_of_enum != after.list_of_enum) {
      Find("E703", Severity::kError, path + ".type", "the type of a field never changes",
           "add a field with another name");
    }
    for (const std::string& purpose : after.purposes) {
      const auto& old = before.purposes;
      if (std::find(old.begin(), old.end(), purpose) != old.end()) continue;
      Say(absl::StrCat(label, " now also serves ", purpose, "."));
      Told({path + ".for"});
      NeedsNotice(path + ".for", "a field serves a new purpose");
    }
    for (const std::string& purpose : before.purposes) {
      const auto& now = after.purposes;
      if (std::find(now.begin(), now.end(), purpose) == now.end()) {
        Say(absl::StrCat(label, " no longer serves ", purpose, "."));
        Told({path + ".for"});
      }
    }
    Changed({path + ".class"}, label + ": class", std::string(WordOf(before.field_class)),
            std::string(WordOf(after.field_class)));
    Changed({path + ".values"}, label + ": values", absl::StrJoin(before.values, ", "),
            absl::StrJoin(after.values, ", "));
    Changed({path + ".pattern"}, label + ": pattern", before.pattern, after.pattern);
    Changed({path + ".max_len"}, label + ": max_len", absl::StrCat(before.max_len),
            absl::StrCat(after.max_len));
    Changed({path + ".clamp"}, label + ": clamp", Range(before), Range(after));
    Changed({path + ".required"}, label + ": required", before.required ? "yes" : "no",
            after.required ? "yes" : "no");
  }

  static std::string Range(const FieldSpec& field) {
    if (!field.clamp_low || !field.clamp_high) return "";
    return absl::StrCat("[", *field.clamp_low, ", ", *field.clamp_high, "]");
  }

  // Disclosure control takes all days of one period for days of one pseudonym per person. Days that
  // are stored keep the pseudonyms of their revision, and a period in which it changed has both.
  void Rotation(std::optional<microseconds> before, std::optional<microseconds> after) {
    Changed({"what.subject.rotate"}, "Pseudonyms: rotation", DurationText(before),
            DurationText(after));
    if (before == after) return;
    Find("E703", Severity::kError, "what.subject.rotate",
         "the rotation never changes: one person would have two pseudonyms within one period and "
         "count twice towards k",
         "make a new dataset");
  }

  void Settings() {
    Changed({"owner.team"}, "The owner", a_.owner_team, b_.owner_team);
    Changed({"why.question"}, "The question", a_.why.question, b_.why.question);
    Changed({"why.legal_basis"}, "The legal basis", std::string(WordOf(a_.why.legal_basis)),
            std::string(WordOf(b_.why.legal_basis)));
    Changed({"why.review_by"}, "The review date",
            a_.why.review_by ? FormatDay(*a_.why.review_by) : "",
            b_.why.review_by ? FormatDay(*b_.why.review_by) : "");
    Changed({"what.personal_data"}, "The kind of personal data",
            std::string(WordOf(a_.what.personal_data)), std::string(WordOf(b_.what.personal_data)));
    if (a_.what.subject.has_value() != b_.what.subject.has_value()) {
      Find("E703", Severity::kError, "what.subject", "a dataset cannot gain or lose its subject",
           "make a new dataset");
    } else if (a_.what.subject) {
      Rotation(a_.what.subject->rotate, b_.what.subject->rotate);
    }
    Changed({"opt.model"}, "The consent model", std::string(WordOf(a_.opt.model)),
            std::string(WordOf(b_.opt.model)));
    Changed({"opt.notice.version"}, "The notice version", absl::StrCat(a_.opt.notice_version),
            absl::StrCat(b_.opt.notice_version));
    Changed({"opt.notice.min_version"}, "The oldest notice version accepted",
            absl::StrCat(a_.opt.notice_min_version), absl::StrCat(b_.opt.notice_min_version));
    Changed({"when.ttl"}, "The time to live", DurationText(a_.when.ttl), DurationText(b_.when.ttl));
    if (a_.when.ttl && b_.when.ttl && *b_.when.ttl > *a_.when.ttl) {
      Find("E701", Severity::kWarning, "when.ttl",
           "the longer time to live counts for partitions opened from now on only; those that "
           "exist keep their deadline",
           "");
    }
    Changed({"when.erasure.within"}, "The erasure deadline", DurationText(a_.when.erasure_within),
            DurationText(b_.when.erasure_within));
  }

  static std::string Describe(const RoleSpec& role) {
    std::string text =
        absl::StrCat(std::string(WordOf(role.mode)), " for ", absl::StrJoin(role.purposes, ", "));
    if (role.k_min) absl::StrAppend(&text, ", k ", *role.k_min);
    if (role.approvals) absl::StrAppend(&text, ", ", *role.approvals, " approvals");
    if (role.grant) absl::StrAppend(&text, ", for ", FormatDuration(*role.grant));
    for (const auto& [field, mask] : role.masks) absl::StrAppend(&text, ", ", field, " ", mask);
    if (!role.epsilon.text.empty()) absl::StrAppend(&text, ", epsilon ", role.epsilon.text);
    return text;
  }

  void Roles() {
    const auto find = [](const Manifest& m, const std::string& name) -> const RoleSpec* {
      for (const RoleSpec& role : m.who.roles) {
        if (role.name == name) return &role;
      }
      return nullptr;
    };
    for (const RoleSpec& role : b_.who.roles) {
      const RoleSpec* old = find(a_, role.name);
      const std::string path = "who.roles." + role.name;
      if (old == nullptr) {
        Say(absl::StrCat("Role ", role.name, " gets access: ", Describe(role), "."));
        Told({path});
      } else {
        Changed({path + ".mode", path + ".purposes", path + ".k_min", path + ".approvals",
                 path + ".grant", path + ".masks", path + ".epsilon"},
                "Role " + role.name, Describe(*old), Describe(role));
      }
    }
    for (const RoleSpec& role : a_.who.roles) {
      if (find(b_, role.name) != nullptr) continue;
      Say(absl::StrCat("Role ", role.name, " loses access."));
      Told({"who.roles." + role.name});
    }
  }

  // What no sentence above spoke of: nothing that is written changes unseen.
  void Rest() {
    const Leaves before = LeavesOf(a_);
    Leaves all = LeavesOf(b_);
    const Leaves after = all;
    all.insert(before.begin(), before.end());
    const auto in = [](const Leaves& leaves, const std::string& path) {
      const auto it = leaves.find(path);
      return it == leaves.end() ? std::string() : it->second;
    };
    for (const auto& [path, value] : all) {
      if (path == "revision" || IsTold(path)) continue;
      Changed({path}, path, in(before, path), in(after, path));
    }
  }

  const Manifest& a_;
  const Manifest& b_;
  ManifestDiff diff_;
  std::set<std::string> told_;
};

}  // namespace

ManifestDiff Diff(const Manifest& before, const Manifest& after) {
  return Comparison(before, after).Run();
}

}  // namespace televault::catalog
