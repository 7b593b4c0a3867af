#include "vault/catalog/lint.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "auth/dataset_policy.h"

namespace televault::catalog {
namespace {

constexpr microseconds kDayLength{kMicrosPerDay};
constexpr microseconds kShortRotation = 7 * kDayLength;

// Parts of names that tell of something about a person, a machine or a place.
constexpr std::array<std::string_view, 43> kSensitiveSegments = {
    "ip",        "ipv4",     "ipv6",     "email",   "mail",      "name",     "username", "user",
    "login",     "phone",    "tel",      "address", "lat",       "latitude", "lon",      "lng",
    "longitude", "geo",      "mac",      "serial",  "imei",      "host",     "hostname", "cwd",
    "path",      "file",     "filename", "dir",     "directory", "home",     "url",      "uri",
    "query",     "referrer", "referer",  "token",   "secret",    "password", "cookie",   "session",
    "birthday",  "ssn",      "iban"};

// Codes that guard what the engine itself relies on: no excuse counts.
constexpr std::array<std::string_view, 4> kNoExcuse = {"E305", "E401", "E601", "E604"};

// An answer that only looks like one.
bool IsEmptyAnswer(std::string_view text) {
  std::string plain = absl::AsciiStrToLower({text.data(), text.size()});
  absl::StripAsciiWhitespace(&plain);
  for (const std::string_view filler :
       {"", "todo", "tbd", "n/a", "na", "n-a", "none", "-", "?", "...", "xxx", "fixme"}) {
    if (plain == filler) return true;
  }
  return false;
}

bool IsSensitiveName(std::string_view name) {
  for (const absl::string_view segment :
       absl::StrSplit(absl::string_view(name.data(), name.size()), '_')) {
    for (const std::string_view sensitive : kSensitiveSegments) {
      if (segment == absl::string_view(sensitive.data(), sensitive.size())) return true;
    }
  }
  return false;
}

// Collects findings of one manifest.
class Rules {
 public:
  Rules(const Manifest& manifest, Day today) : m_(manifest), today_(today) {}

  std::vector<Finding> Run() {
    Why();
    WhyApproval();
    WhyPurposes();
    What();
    for (const FieldSpec& field : m_.what.fields) Field(field);
    How();
    for (const RoleSpec& role : m_.who.roles) Role(role);
    Public();
    Opt();
    When();
    Excuse();
    std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
      return a.at.line != b.at.line ? a.at.line < b.at.line : a.at.column < b.at.column;
    });
    return std::move(findings_);
  }

 private:
  void Add(std::string_view code, std::string path, std::string message, std::string fix) {
    const Severity severity = code[0] == 'W' ? Severity::kWarning : Severity::kError;
    const Mark at = m_.At(path);
    findings_.push_back(
        {std::string(code), severity, at, std::move(path), std::move(message), std::move(fix)});
  }

  void Why() {
    const std::pair<std::string_view, const std::string&> answers[] = {
        {"why.question", m_.why.question},
        {"why.benefit_to_subjects", m_.why.benefit_to_subjects},
        {"owner.team", m_.owner_team}};
    for (const auto& [path, text] : answers) {
      if (IsEmptyAnswer(text)) {
        Add("E101", std::string(path), "is not answered", "write one sentence that says it");
      }
    }
    for (const auto& [name, text] : m_.why.purposes) {
      if (IsEmptyAnswer(text)) {
        Add("E101", "why.purposes." + name, "does not say what for", name + ": what is done");
      }
    }
    const bool thin = std::any_of(
        m_.why.alternatives.begin(), m_.why.alternatives.end(), [](const Alternative& a) {
          return IsEmptyAnswer(a.option) || IsEmptyAnswer(a.insufficient_because);
        });
    if (m_.why.alternatives.empty() || thin) {
      Add("E102", "why.alternatives", "no alternative was considered",
          "{option: issue reports, insufficient_because: …}");
    }
    if (m_.HasPersonalData() && IsEmptyAnswer(m_.why.assessment)) {
      Add("E104", "why.assessment", "personal data without an assessment",
          "link the data protection impact assessment");
    }
  }

  void WhyApproval() {
    const bool other = std::any_of(
        m_.why.approved_by.begin(), m_.why.approved_by.end(), [&](const std::string& who) {
          return who != m_.owner_team && !who.starts_with(m_.owner_team + "-");
        });
    if (!other) {
      Add("E105", "why.approved.by", "nobody but the owner approved",
          "name somebody outside the owning team as well");
    }
    if (!m_.why.review_by || *m_.why.review_by < today_) {
      Add("E107", "why.review_by",
          m_.why.review_by ? "the review date has passed" : "there is no review date",
          "review it and set a date within a year");
    } else if (m_.why.review_by->value() - today_.value() > 365) {
      Add("W106", "why.review_by", "the next review is more than a year away",
          "a date within 365 days");
    }
  }

  void WhyPurposes() {
    std::set<std::string> served;
    for (const FieldSpec& field : m_.what.fields) {
      for (const std::string& purpose : field.purposes) {
        served.insert(purpose);
        if (!m_.HasPurpose(purpose)) {
          Add("E103", "what.fields." + field.name + ".for",
              absl::StrCat("serves a purpose that is not declared: ", purpose),
              "declare it under why.purposes, or leave it away");
        }
      }
    }
    for (const auto& [purpose, text] : m_.why.purposes) {
      if (!served.contains(purpose)) {
        Add("E103", "why.purposes." + purpose, "no field serves this purpose",
            "name it in the `for` of a field, or remove it");
      }
    }
  }

  void What() {
    if (m_.what.location != Location::kUnset && m_.what.location != Location::kNone &&
        m_.what.location != Location::kCountry) {
      Add("E206", "what.location", "finer than a country", "none or country");
    }
    if (const std::optional<SubjectSpec>& subject = m_.what.subject) {
      if (subject->treatment != SubjectTreatment::kKeyedHash) {
        Add("E207", "what.subject.treatment", "the subject's id would be kept as it is",
            "treatment: keyed_hash");
      }
      if (!subject->rotate) {
        Add("E207", "what.subject.rotate", "the pseudonyms are never rotated", "rotate: 90d");
      } else if (*subject->rotate < kDayLength) {
        Add("E211", "what.subject.rotate", "a day has one salt, periods cannot be shorter",
            "rotate: 90d");
      } else if (*subject->rotate < kShortRotation) {
        Add("W211", "what.subject.rotate",
            "k is held against the subjects of one period: most groups will be withheld",
            "rotate: 90d");
      }
    }
    const bool special = m_.what.personal_data == PersonalData::kSpecial ||
                         std::any_of(m_.what.fields.begin(), m_.what.fields.end(),
                                     [](auto& f) { return f.field_class == FieldClass::kSpecial; });
    if (special && m_.why.legal_basis != LegalBasis::kConsent) {
      Add("E208", "why.legal_basis", "special categories of data need consent",
          "legal_basis: consent");
    }
    const auto quasi = std::count_if(m_.what.fields.begin(), m_.what.fields.end(),
                                     [](const FieldSpec& field) { return field.quasi_id; });
    if (quasi >= 4) {
      Add("W210", "what.fields",
          absl::StrCat(quasi, " quasi-identifiers together single people out"),
          "drop or coarsen some of them");
    }
  }

  void Field(const FieldSpec& field) {
    const std::string path = "what.fields." + field.name;
    if (field.field_class == FieldClass::kUnset || field.purposes.empty() ||
        IsEmptyAnswer(field.why)) {
      Add("E201", path,
          absl::StrCat("lacks", field.field_class == FieldClass::kUnset ? " class" : "",
                       field.purposes.empty() ? " for" : "",
                       IsEmptyAnswer(field.why) ? " why" : ""),
          "class: technical, for: [purpose], why: the reason");
    }
    if (IsSensitiveName(field.name) && field.field_class != FieldClass::kUnset &&
        field.field_class < FieldClass::kIdentifier) {
      Add("E203", path, "the name speaks of something sensitive but the class is lower",
          "class: identifier or higher, or a name that says what it is");
    }
    const bool text = field.type == FieldType::kString ||
                      (field.type == FieldType::kStringList && !field.list_of_enum);
    if (text && (field.pattern.empty() || field.max_len == 0)) {
      Add("E204", path, "free text: anything could end up in it",
          "pattern: '^…$' and max_len, or an enum");
    }
    if (field.values.size() > 200) {
      Add("E205", path, absl::StrCat("an enum of ", field.values.size(), " values"),
          "at most 200 values");
    }
    const bool number = field.type == FieldType::kInt || field.type == FieldType::kDouble;
    if (number && (!field.clamp_low || !field.clamp_high)) {
      Add("E209", path, "a number without bounds can carry an identity", "clamp: [low, high]");
    }
  }

  void How() {
    if (m_.how.collection == Collection::kThirdParty && m_.how.processors.empty()) {
      Add("E301", "how.processors", "a third party collects but none is named",
          "processors: [who]");
    }
    for (size_t i = 0; i < m_.how.sources.size(); ++i) {
      const SourceSpec& source = m_.how.sources[i];
      if (source.protocol == Protocol::kJson && source.map_file.empty()) {
        Add("E302", absl::StrCat("how.sources.", i), "a foreign source without a map",
            "map: the name of its mapping file");
      }
      if (source.event_ids) {
        Add("E305", absl::StrCat("how.sources.", i, ".event_ids"),
            "this version cannot keep each event id once in a dataset",
            "leave event_ids out; re-sent batches are known by their batch_id");
      }
    }
    if (IsEmptyAnswer(m_.how.incident_contact)) {
      Add("E303", "how.incident.contact", "nobody to call in an incident",
          "incident: {contact: security@…}");
    }
    if (m_.how.authority_notice_hours.value_or(0) > 72) {
      Add("E304", "how.incident.authority_notice_hours", "longer than the law gives", "at most 72");
    }
  }

  void Role(const RoleSpec& role) {
    const std::string path = "who.roles." + role.name;
    for (const std::string& purpose : role.purposes) {
      if (!m_.HasPurpose(purpose)) {
        Add("E403", path + ".purposes", absl::StrCat("purpose is not declared: ", purpose),
            "declare it under why.purposes");
      }
    }
    if (role.purposes.empty()) Add("E403", path, "a role without a purpose", "purposes: […]");
    if (role.mode == RoleMode::kRows &&
        (role.approvals.value_or(0) < 2 || !role.grant || *role.grant > kDayLength)) {
      Add("E401", path, "rows need two approvals and a grant of at most a day",
          "approvals: 2, grant: 1h");
    }
    if (role.mode == RoleMode::kAggregate) {
      const int64_t k = role.k_min.value_or(0);
      if (k < 5) {
        Add("E402", path, "groups this small point at people", "k_min: 10");
      } else if (k < 10) {
        Add("W402", path, "a small k", "k_min: 10");
      }
    }
    if (role.mode == RoleMode::kDp) Dp(role, path);
    Masks(role, path);
  }

  void Dp(const RoleSpec& role, const std::string& path) {
    if (role.epsilon.denominator == 0) {
      Add("E404", path + ".epsilon", "epsilon is not a fraction", "epsilon: 1/10");
    }
    if (m_.who.cap_per_partition &&
        role.cap_per_partition.value_or(0) > *m_.who.cap_per_partition) {
      Add("E404", path + ".cap_per_partition", "above the cap of the dataset",
          absl::StrCat("at most ", *m_.who.cap_per_partition));
    }
  }

  void Masks(const RoleSpec& role, const std::string& path) {
    for (const auto& [field, mask] : role.masks) {
      const bool known = field == "event_time" || m_.FindField(field) != nullptr ||
                         (field == "subject" && m_.what.subject);
      if (!known || !auth::ParseMask(mask).ok()) {
        Add("E406", absl::StrCat(path, ".masks.", field),
            known ? "is not a mask" : "masks a field that is not declared",
            "visible, hidden, hash, truncate(n) or year, of a declared field");
      }
    }
  }

  void Public() {
    if (m_.who.public_release && m_.who.public_release->mode != RoleMode::kDp) {
      Add("E405", "who.public.mode", "public figures without noise", "mode: dp");
    }
  }

  void Opt() {
    if (m_.opt.model == OptModel::kOptOut &&
        (m_.why.legal_basis == LegalBasis::kConsent || m_.HasPersonalData())) {
      Add("E501", "opt.model", "silence is no consent to collecting data about people",
          "model: opt_in");
    }
    if (m_.opt.env_switches.empty() && m_.opt.flag_switch.empty()) {
      Add("E503", "opt.switches", "no way to switch it off", "switches: {env: […], flag: --no-…}");
    }
    if (m_.opt.notice_version < m_.opt.notice_min_version) {
      Add("E504", "opt.notice.version", "below min_version: nobody could have agreed",
          absl::StrCat("at least ", m_.opt.notice_min_version));
    }
  }

  void When() {
    if (!m_.when.ttl || *m_.when.ttl > 730 * kDayLength) {
      Add("E601", "when.ttl", m_.when.ttl ? "kept for more than two years" : "kept for ever",
          "ttl: 90d");
    } else if (*m_.when.ttl > 365 * kDayLength) {
      Add("W601", "when.ttl", "kept for more than a year", "ttl: 90d");
    }
    // The time to live counts from the event's own time: one from the future is kept for longer.
    if (m_.when.early_future > kDayLength) {
      Add("E604", "when.late_arrival.future",
          "an event with a time far ahead would outlive the time to live", "at most 1d");
    }
    if (m_.when.erasure_within && *m_.when.erasure_within > 30 * kDayLength) {
      Add("E603", "when.erasure.within", "erasure takes longer than a month", "within: 72h");
    }
    if (m_.what.subject && !m_.when.erasure_within) {
      Add("E603", "when.erasure", "no deadline for erasing a subject",
          "erasure: {by: subject, within: 72h}");
    }
  }

  void Excuse() {
    for (const auto& [code, reason] : m_.lint_ok) {
      const std::string path = "lint_ok." + code;
      if (std::find(kNoExcuse.begin(), kNoExcuse.end(), code) != kNoExcuse.end()) {
        Add("E005", path, "this finding cannot be excused", "fix what it is about");
        continue;
      }
      const size_t removed =
          std::erase_if(findings_, [&, &c = code](const Finding& f) { return f.code == c; });
      if (removed == 0) Add("E005", path, "excuses nothing", "remove it");
      if (IsEmptyAnswer(reason))
        Add("E005", path, "an excuse needs a reason", code + ": because …");
    }
  }

  const Manifest& m_;
  const Day today_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> Lint(const Manifest& manifest, Day today) {
  return Rules(manifest, today).Run();
}

std::vector<Finding> LintText(std::string_view yaml, Day today) {
  ParsedManifest parsed = ReadManifest(yaml);
  if (!parsed.errors.empty()) return std::move(parsed.errors);
  return Lint(parsed.manifest, today);
}

bool HasErrors(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& f) { return f.severity == Severity::kError; });
}

}  // namespace televault::catalog
