#include "vault/catalog/manifest.h"

#include <algorithm>
#include <re2/re2.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "vault/base/limits.h"
#include "vault/catalog/words.h"
#include "vault/catalog/yaml.h"
#include "vault/catalog/yaml_reader.h"

namespace televault::catalog {
namespace {

bool IsName(std::string_view name, size_t min, size_t max) {
  if (name.size() < min || name.size() > max || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

void CheckName(YamlReader& in, Mark at, std::string_view path, std::string_view name) {
  if (IsName(name, 1, limits::kMaxNameBytes)) return;
  in.Error(at, std::string(path), "is not a name", "small letters, digits and _, a letter first");
}

// Remembers where every key stands, so that rules can point at it.
void CollectMarks(const YamlNode& node, const std::string& path,
                  std::map<std::string, Mark>& marks) {
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const YamlNode::Entry& entry : node.entries) {
    marks[prefix + entry.key] = entry.at;
    CollectMarks(entry.value, prefix + entry.key, marks);
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    marks[absl::StrCat(prefix, i)] = node.items[i].at;
    CollectMarks(node.items[i], absl::StrCat(prefix, i), marks);
  }
}

std::vector<std::pair<std::string, std::string>> ReadPairs(YamlReader in) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const YamlNode::Entry& entry : in.Entries()) {
    pairs.emplace_back(entry.key, in.Text(entry.key));
  }
  return pairs;
}

Rational ReadRational(YamlReader& in, std::string_view key) {
  Rational value;
  value.text = in.Text(key);
  const std::vector<std::string> parts = absl::StrSplit(value.text, '/');
  int64_t numerator = 0;
  int64_t denominator = 1;
  if (parts.size() > 2 || !absl::SimpleAtoi(parts[0], &numerator)) return value;
  if (parts.size() == 2 && !absl::SimpleAtoi(parts[1], &denominator)) return value;
  if (numerator <= 0 || denominator <= 0) return value;
  value.numerator = numerator;
  value.denominator = denominator;
  return value;
}

void ReadOwner(YamlReader in, Manifest& manifest) {
  in.Known({"team", "contacts"});
  in.Require("team");
  manifest.owner_team = in.Text("team");
  manifest.owner_contacts = in.Texts("contacts");
}

void ReadWhy(YamlReader in, Manifest::Why& why) {
  in.Known({"question", "benefit_to_subjects", "alternatives", "purposes", "legal_basis",
            "assessment", "approved", "review_by"});
  in.Require("purposes");
  in.Require("legal_basis");
  why.question = in.Text("question");
  why.benefit_to_subjects = in.Text("benefit_to_subjects");
  for (const YamlNode& item : in.Items("alternatives")) {
    YamlReader one(&item, in.PathOf("alternatives"), in.errors());
    one.Known({"option", "insufficient_because"});
    why.alternatives.push_back({one.Text("option"), one.Text("insufficient_because")});
  }
  why.purposes = ReadPairs(in.Map("purposes"));
  for (const YamlNode::Entry& entry : in.Map("purposes").Entries()) {
    CheckName(in, entry.at, "why.purposes." + entry.key, entry.key);
  }
  in.Word("legal_basis", words::kLegalBasis, why.legal_basis);
  why.assessment = in.Text("assessment");
  YamlReader approved = in.Map("approved");
  approved.Known({"by", "on"});
  why.approved_by = approved.Texts("by");
  why.approved_on = approved.Date("on");
  why.review_by = in.Date("review_by");
}

void ReadClamp(YamlReader& in, FieldSpec& field) {
  const std::vector<YamlNode>& range = in.Items("clamp");
  if (!in.Has("clamp")) return;
  if (range.size() == 2) {
    field.clamp_low = in.Number(range[0], "clamp");
    field.clamp_high = in.Number(range[1], "clamp");
  }
  if (range.size() != 2 ||
      (field.clamp_low && field.clamp_high && *field.clamp_low > *field.clamp_high)) {
    in.Error(in.Find("clamp")->at, in.PathOf("clamp"), "has to be two numbers, the lower first",
             "[0, 255]");
  }
}

// Relations between a field's type and its other keys.
void CheckField(YamlReader& in, const YamlNode& node, const FieldSpec& field) {
  const bool text = field.type == FieldType::kString ||
                    (field.type == FieldType::kStringList && !field.list_of_enum);
  const bool listed = field.type == FieldType::kEnum || field.list_of_enum;
  const bool number = field.type == FieldType::kInt || field.type == FieldType::kDouble ||
                      field.type == FieldType::kDuration;
  if (listed == field.values.empty()) {
    in.Error(node.at, in.PathOf("values"),
             listed ? "an enum needs its values" : "only enums have values", "");
  }
  if (!text && (in.Has("pattern") || in.Has("max_len"))) {
    in.Error(node.at, in.PathOf("pattern"), "only strings have pattern and max_len", "");
  }
  if (!number && in.Has("clamp")) {
    in.Error(node.at, in.PathOf("clamp"), "only int, double and duration have a clamp", "");
  }
  if (!field.pattern.empty()) {
    const re2::RE2 pattern(field.pattern, re2::RE2::Quiet);
    if (!pattern.ok()) {
      in.Error(in.Find("pattern")->at, in.PathOf("pattern"),
               absl::StrCat("is not a regular expression of RE2: ", pattern.error()), "");
    }
  }
  std::vector<std::string> sorted = field.values;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    in.Error(node.at, in.PathOf("values"), "a value is listed twice", "");
  }
}

void ReadField(YamlReader in, const YamlNode& node, FieldSpec& field) {
  in.Known({"type", "of", "values", "pattern", "max_len", "clamp", "out_of_range", "required",
            "unit", "class", "quasi_id", "for", "why"});
  in.Require("type");
  FieldType type = FieldType::kBool;
  const size_t errors = in.errors().size();
  in.Word("type", words::kFieldType, type);
  if (in.Has("type") && in.errors().size() == errors) field.type = type;
  if (type == FieldType::kStringList) {
    in.Require("of");
    FieldType of = FieldType::kString;
    static constexpr words::Word<FieldType> kOf[] = {{"string", FieldType::kString},
                                                     {"enum", FieldType::kEnum}};
    in.Word("of", kOf, of);
    field.list_of_enum = of == FieldType::kEnum;
  }
  field.values = in.Texts("values");
  field.pattern = in.Text("pattern");
  field.max_len = static_cast<uint32_t>(in.Int("max_len", 1, 65'535).value_or(0));
  ReadClamp(in, field);
  in.Word("out_of_range", words::kOutOfRange, field.out_of_range);
  field.required = in.Bool("required").value_or(false);
  field.unit = in.Text("unit");
  in.Word("class", words::kFieldClass, field.field_class);
  field.quasi_id = in.Bool("quasi_id").value_or(false);
  field.purposes = in.Texts("for");
  field.why = in.Text("why");
  if (field.type) CheckField(in, node, field);
}

void ReadFields(YamlReader in, Manifest::What& what) {
  for (const YamlNode::Entry& entry : in.Entries()) {
    const std::string path = "what.fields." + entry.key;
    CheckName(in, entry.at, path, entry.key);
    if (entry.key == "event_time" || entry.key == "subject") {
      in.Error(entry.at, path, "is declared by the vault itself", "leave it away");
      continue;
    }
    FieldSpec field;
    field.name = entry.key;
    ReadField(YamlReader(&entry.value, path, in.errors()), entry.value, field);
    what.fields.push_back(std::move(field));
  }
  if (what.fields.size() + block::kFirstFieldColumn > limits::kMaxColumns) {
    in.Error({}, "what.fields", "too many fields", "split the dataset");
  }
}

void ReadWhat(YamlReader in, Manifest::What& what) {
  in.Known(
      {"subject", "personal_data", "location", "max_record_bytes", "undeclared_fields", "fields"});
  in.Require("personal_data");
  in.Require("fields");
  if (const YamlNode* node = in.Find("subject"); node != nullptr && node->scalar != "none") {
    YamlReader subject = in.Map("subject");
    subject.Known({"unit", "id_field", "treatment", "rotate"});
    SubjectSpec spec;
    spec.unit = subject.Text("unit");
    spec.id_field = subject.Text("id_field");
    subject.Word("treatment", words::kTreatment, spec.treatment);
    if (subject.Text("rotate") != "never") spec.rotate = subject.Duration("rotate");
    what.subject = std::move(spec);
  }
  in.Word("personal_data", words::kPersonalData, what.personal_data);
  in.Word("location", words::kLocation, what.location);
  what.max_record_bytes =
      static_cast<uint32_t>(in.Int("max_record_bytes", 64, 1'048'576).value_or(8192));
  in.Word("undeclared_fields", words::kUndeclared, what.undeclared_fields);
  ReadFields(in.Map("fields"), what);
}

void ReadHow(YamlReader in, Manifest::How& how) {
  in.Known({"collection", "sources", "processors", "incident"});
  in.Require("collection");
  in.Require("sources");
  in.Word("collection", words::kCollection, how.collection);
  const std::vector<YamlNode>& sources = in.Items("sources");
  for (size_t i = 0; i < sources.size(); ++i) {
    YamlReader one(&sources[i], absl::StrCat("how.sources.", i), in.errors());
    one.Known({"name", "protocol", "map", "event_ids"});
    one.Require("name");
    one.Require("protocol");
    SourceSpec source;
    source.name = one.Text("name");
    CheckName(one, sources[i].at, one.PathOf("name"), source.name);
    one.Word("protocol", words::kProtocol, source.protocol);
    if (const YamlNode* map = one.Find("map"); map && map->kind == YamlNode::Kind::kMap) {
      source.attributes = ReadPairs(one.Map("map"));
    } else {
      source.map_file = one.Text("map");
    }
    source.event_ids = one.Bool("event_ids").value_or(false);
    how.sources.push_back(std::move(source));
  }
  how.processors = in.Texts("processors");
  YamlReader incident = in.Map("incident");
  incident.Known({"contact", "authority_notice_hours"});
  how.incident_contact = incident.Text("contact");
  how.authority_notice_hours = incident.Int("authority_notice_hours", 1, 1'000'000);
}

void ReadWho(YamlReader in, Manifest::Who& who) {
  in.Known({"roles", "public", "cap_per_partition"});
  in.Require("roles");
  YamlReader roles = in.Map("roles");
  for (const YamlNode::Entry& entry : roles.Entries()) {
    YamlReader one = roles.Map(entry.key);
    one.Known({"mode", "purposes", "k_min", "approvals", "grant", "masks", "epsilon",
               "cap_per_partition"});
    one.Require("mode");
    RoleSpec role;
    role.name = entry.key;
    one.Word("mode", words::kRoleMode, role.mode);
    role.purposes = one.Texts("purposes");
    role.k_min = one.Int("k_min", 1, 1'000'000);
    role.approvals = one.Int("approvals", 0, 100);
    role.grant = one.Duration("grant");
    role.masks = ReadPairs(one.Map("masks"));
    role.epsilon = ReadRational(one, "epsilon");
    role.cap_per_partition = one.Int("cap_per_partition", 1, 1'000'000);
    who.roles.push_back(std::move(role));
  }
  who.cap_per_partition = in.Int("cap_per_partition", 1, 1'000'000);
  if (in.Has("public")) {
    YamlReader pub = in.Map("public");
    pub.Known({"mode", "every", "delay", "epsilon"});
    PublicSpec spec;
    pub.Word("mode", words::kRoleMode, spec.mode);
    spec.every = pub.Duration("every");
    spec.delay = pub.Duration("delay");
    spec.epsilon = ReadRational(pub, "epsilon");
    who.public_release = std::move(spec);
  }
}

void ReadOpt(YamlReader in, Manifest::Opt& opt) {
  in.Known({"model", "notice", "switches", "on_withdrawal"});
  in.Require("model");
  in.Word("model", words::kOptModel, opt.model);
  YamlReader notice = in.Map("notice");
  notice.Known({"url", "version", "min_version"});
  opt.notice_url = notice.Text("url");
  opt.notice_version = static_cast<uint32_t>(notice.Int("version", 0, 1'000'000).value_or(0));
  opt.notice_min_version =
      static_cast<uint32_t>(notice.Int("min_version", 0, 1'000'000).value_or(0));
  YamlReader switches = in.Map("switches");
  switches.Known({"env", "flag", "do_not_track"});
  opt.env_switches = switches.Texts("env");
  opt.flag_switch = switches.Text("flag");
  switches.Word("do_not_track", words::kDoNotTrack, opt.do_not_track);
  YamlReader withdrawal = in.Map("on_withdrawal");
  withdrawal.Known({"stop", "erase_within"});
  static constexpr words::Word<bool> kStop[] = {{"at_once", true}};
  bool at_once = false;
  withdrawal.Word("stop", kStop, at_once);
  opt.stop = at_once ? "at_once" : "";
  opt.erase_within = withdrawal.Duration("erase_within");
}

void ReadWhen(YamlReader in, Manifest::When& when) {
  in.Known({"ttl", "erasure", "late_arrival"});
  if (in.Text("ttl") != "never") when.ttl = in.Duration("ttl");
  YamlReader erasure = in.Map("erasure");
  erasure.Known({"by", "within"});
  static constexpr words::Word<std::string_view> kBy[] = {{"subject", "subject"},
                                                          {"dataset", "dataset"}};
  std::string_view by;
  erasure.Word("by", kBy, by);
  when.erasure_by = std::string(by);
  when.erasure_within = erasure.Duration("within");
  YamlReader late = in.Map("late_arrival");
  late.Known({"past", "future"});
  when.late_past = late.Duration("past").value_or(when.late_past);
  when.early_future = late.Duration("future").value_or(when.early_future);
}

}  // namespace

std::string_view WordOf(FieldClass value) { return words::Of(words::kFieldClass, value); }
std::string_view WordOf(LegalBasis value) { return words::Of(words::kLegalBasis, value); }
std::string_view WordOf(PersonalData value) { return words::Of(words::kPersonalData, value); }
std::string_view WordOf(Location value) { return words::Of(words::kLocation, value); }
std::string_view WordOf(Protocol value) { return words::Of(words::kProtocol, value); }
std::string_view WordOf(RoleMode value) { return words::Of(words::kRoleMode, value); }
std::string_view WordOf(OptModel value) { return words::Of(words::kOptModel, value); }
std::string_view WordOf(FieldType value) { return words::Of(words::kFieldType, value); }

const FieldSpec* Manifest::FindField(std::string_view name) const {
  for (const FieldSpec& field : what.fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

bool Manifest::HasPurpose(std::string_view name) const {
  return std::any_of(why.purposes.begin(), why.purposes.end(),
                     [&](const auto& purpose) { return purpose.first == name; });
}

Mark Manifest::At(std::string_view path) const {
  for (std::string part(path); !part.empty();) {
    if (const auto it = marks.find(part); it != marks.end()) return it->second;
    const size_t dot = part.rfind('.');
    if (dot == std::string::npos) break;
    part.resize(dot);
  }
  return {1, 1};
}

bool Manifest::HasPersonalData() const {
  return what.personal_data == PersonalData::kPseudonymous ||
         what.personal_data == PersonalData::kPersonal ||
         what.personal_data == PersonalData::kSpecial;
}

ParsedManifest ReadManifest(std::string_view yaml) {
  ParsedManifest parsed;
  Manifest& manifest = parsed.manifest;
  const YamlNode root = ParseYaml(yaml, limits::kMaxManifestBytes, parsed.errors);
  if (!parsed.errors.empty()) return parsed;
  manifest.text = std::string(yaml);
  CollectMarks(root, "", manifest.marks);
  YamlReader in(&root, "", parsed.errors);
  in.Known({"dataset", "revision", "owner", "why", "what", "how", "who", "opt", "when", "lint_ok"});
  for (const std::string_view section :
       {"dataset", "revision", "owner", "why", "what", "how", "who", "opt", "when"}) {
    in.Require(section);
  }
  manifest.dataset = in.Text("dataset");
  if (in.Has("dataset") && !IsName(manifest.dataset, 3, 40)) {
    in.Error(manifest.At("dataset"), "dataset", "is not a dataset name",
             "3 to 40 small letters, digits and _, a letter first");
  }
  manifest.revision = static_cast<uint32_t>(in.Int("revision", 1, 1'000'000).value_or(0));
  ReadOwner(in.Map("owner"), manifest);
  ReadWhy(in.Map("why"), manifest.why);
  ReadWhat(in.Map("what"), manifest.what);
  ReadHow(in.Map("how"), manifest.how);
  ReadWho(in.Map("who"), manifest.who);
  ReadOpt(in.Map("opt"), manifest.opt);
  ReadWhen(in.Map("when"), manifest.when);
  manifest.lint_ok = ReadPairs(in.Map("lint_ok"));
  return parsed;
}

absl::StatusOr<Manifest> ParseManifest(std::string_view yaml) {
  ParsedManifest parsed = ReadManifest(yaml);
  if (parsed.errors.empty()) return std::move(parsed.manifest);
  return WithReason(absl::InvalidArgumentError(JoinFindings(parsed.errors)),
                    reason::kInvalidManifest);
}

}  // namespace televault::catalog
