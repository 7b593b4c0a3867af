#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/catalog/finding.h"
#include "vault/catalog/schema.h"

namespace televault::catalog {

// Field classes, least to most sensitive; the numbers order them.
enum class FieldClass : uint8_t {
  kUnset = 0,
  kPublic,
  kTechnical,
  kInteraction,
  kIdentifier,
  kPersonal,
  kSpecial,
};
enum class LegalBasis : uint8_t {
  kUnset = 0,
  kConsent,
  kLegitimateInterest,
  kContract,
  kLegalObligation,
  kNoPersonalData,
};
enum class PersonalData : uint8_t { kUnset = 0, kNone, kPseudonymous, kPersonal, kSpecial };
enum class Location : uint8_t { kUnset = 0, kNone, kCountry, kRegion, kCity, kPrecise };
enum class UndeclaredFields : uint8_t { kRejectRecord = 0, kDropField };
enum class OutOfRange : uint8_t { kClamp = 0, kReject };
enum class SubjectTreatment : uint8_t { kUnset = 0, kKeyedHash, kNone };
enum class Collection : uint8_t { kUnset = 0, kHomeGrown, kThirdParty };
enum class Protocol : uint8_t { kUnset = 0, kNative, kOtlp, kJson, kNdjson, kCsv };
enum class RoleMode : uint8_t { kUnset = 0, kAggregate, kRows, kDp };
enum class OptModel : uint8_t { kUnset = 0, kOptIn, kOptOut };
enum class DoNotTrack : uint8_t { kIgnore = 0, kDropRecord, kStripSubject };

// The words used in manifests, e.g. "pseudonymous"; "" for kUnset.
std::string_view WordOf(FieldClass value);
std::string_view WordOf(LegalBasis value);
std::string_view WordOf(PersonalData value);
std::string_view WordOf(Location value);
std::string_view WordOf(Protocol value);
std::string_view WordOf(RoleMode value);
std::string_view WordOf(OptModel value);
std::string_view WordOf(FieldType value);

// A fraction as written, e.g. epsilon: 1/10. denominator 0: not given or not rational.
struct Rational {
  int64_t numerator = 0;
  int64_t denominator = 0;
  std::string text;
};

struct FieldSpec {
  std::string name;
  std::optional<FieldType> type;
  bool list_of_enum = false;  // type list, of: enum
  std::vector<std::string> values;
  std::string pattern;  // RE2 syntax, full match
  uint32_t max_len = 0;
  std::optional<double> clamp_low;
  std::optional<double> clamp_high;
  OutOfRange out_of_range = OutOfRange::kClamp;
  bool required = false;
  std::string unit;
  FieldClass field_class = FieldClass::kUnset;
  bool quasi_id = false;
  std::vector<std::string> purposes;  // `for`
  std::string why;
};

struct SubjectSpec {
  std::string unit;
  std::string id_field;
  SubjectTreatment treatment = SubjectTreatment::kUnset;
  std::optional<microseconds> rotate;  // empty: never
};

struct Alternative {
  std::string option;
  std::string insufficient_because;
};

struct SourceSpec {
  std::string name;
  Protocol protocol = Protocol::kUnset;
  std::string map_file;  // json: the mapping file
  // otlp: attribute name → declared field, where the names differ.
  std::vector<std::pair<std::string, std::string>> attributes;
  bool event_ids = false;  // each id once in the dataset; refused by Lint, not available yet
};

struct RoleSpec {
  std::string name;
  RoleMode mode = RoleMode::kUnset;
  std::vector<std::string> purposes;
  std::optional<int64_t> k_min;
  std::optional<int64_t> approvals;
  std::optional<microseconds> grant;
  std::vector<std::pair<std::string, std::string>> masks;  // field → truncate(3)
  Rational epsilon;
  std::optional<int64_t> cap_per_partition;
};

struct PublicSpec {
  RoleMode mode = RoleMode::kUnset;
  std::optional<microseconds> every;
  std::optional<microseconds> delay;
  Rational epsilon;
};

// A manifest as written: structure is checked, meaning is Lint()'s. Sections follow the file.
struct Manifest {
  std::string dataset;
  uint32_t revision = 0;
  std::string owner_team;
  std::vector<std::string> owner_contacts;

  struct Why {
    std::string question;
    std::string benefit_to_subjects;
    std::vector<Alternative> alternatives;
    std::vector<std::pair<std::string, std::string>> purposes;  // name → what for
    LegalBasis legal_basis = LegalBasis::kUnset;
    std::string assessment;
    std::vector<std::string> approved_by;
    std::optional<Day> approved_on;
    std::optional<Day> review_by;
  } why;
  struct What {
    std::optional<SubjectSpec> subject;
    PersonalData personal_data = PersonalData::kUnset;
    Location location = Location::kUnset;
    uint32_t max_record_bytes = 8192;
    UndeclaredFields undeclared_fields = UndeclaredFields::kRejectRecord;
    std::vector<FieldSpec> fields;
  } what;
  struct How {
    Collection collection = Collection::kUnset;
    std::vector<SourceSpec> sources;
    std::vector<std::string> processors;
    std::string incident_contact;
    std::optional<int64_t> authority_notice_hours;
  } how;
  struct Who {
    std::vector<RoleSpec> roles;
    std::optional<PublicSpec> public_release;
    std::optional<int64_t> cap_per_partition;  // upper bound for every dp role
  } who;
  struct Opt {
    OptModel model = OptModel::kUnset;
    std::string notice_url;
    uint32_t notice_version = 0;
    uint32_t notice_min_version = 0;
    std::vector<std::string> env_switches;
    std::string flag_switch;
    DoNotTrack do_not_track = DoNotTrack::kIgnore;
    std::string stop;  // at_once
    std::optional<microseconds> erase_within;
  } opt;
  struct When {
    std::optional<microseconds> ttl;  // empty: missing or "never"
    std::string erasure_by;           // subject | dataset
    std::optional<microseconds> erasure_within;
    microseconds late_past{std::chrono::hours(24 * 7)};
    microseconds early_future{std::chrono::minutes(10)};
  } when;
  std::vector<std::pair<std::string, std::string>> lint_ok;  // code → reason

  std::string text;                   // exactly as given
  std::map<std::string, Mark> marks;  // dotted path → place of its key

  const FieldSpec* FindField(std::string_view name) const;
  bool HasPurpose(std::string_view name) const;
  // The place of `path`, or of the nearest enclosing part that was written.
  Mark At(std::string_view path) const;
  // Identifying data of persons may be in it: pseudonymous or more.
  bool HasPersonalData() const;
};

// What ParseManifest found. `errors` (codes E001 to E004) is empty exactly when the structure is
// sound; `manifest` holds what could be read either way.
struct ParsedManifest {
  Manifest manifest;
  std::vector<Finding> errors;
};

// Reads YAML of at most limits::kMaxManifestBytes. Anchors and aliases, duplicate keys, unknown
// keys (named with the nearest known one) and values of the wrong kind are errors with line and
// column. At most 50 errors are reported.
ParsedManifest ReadManifest(std::string_view yaml);

// The same as a status: INVALID_ARGUMENT with reason INVALID_MANIFEST and the first errors.
absl::StatusOr<Manifest> ParseManifest(std::string_view yaml);

// BLAKE2b-256 of the text.
std::string ManifestDigest(std::string_view yaml);

}  // namespace televault::catalog
