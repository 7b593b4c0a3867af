#include "vault/catalog/dataset.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"

namespace televault::catalog {
namespace {

std::vector<std::string> PurposeNames(const Manifest& manifest) {
  std::vector<std::string> names;
  for (const auto& [name, text] : manifest.why.purposes) names.push_back(name);
  return names;
}

auth::AccessMode ModeOf(RoleMode mode) {
  switch (mode) {
    case RoleMode::kAggregate:
      return auth::AccessMode::kAggregate;
    case RoleMode::kRows:
      return auth::AccessMode::kRows;
    case RoleMode::kDp:
      return auth::AccessMode::kDifferentialPrivacy;
    case RoleMode::kUnset:
      break;
  }
  return auth::AccessMode::kUnspecified;
}

Field BuiltIn(uint16_t column, std::string name, FieldType type, const Manifest& manifest) {
  Field field;
  field.column = column;
  field.name = std::move(name);
  field.type = type;
  field.nullable = type == FieldType::kSubject;
  field.purposes = PurposeNames(manifest);
  return field;
}

}  // namespace

std::string ManifestDigest(std::string_view yaml) {
  const crypto::Hash32 hash = crypto::PlainHash32(AsBytes(yaml));
  return std::string(AsText(hash));
}

bool Dataset::ReviewedAt(WallTime now) const { return now.micros < policy.read_only_after_us; }

Schema BuildSchema(const Manifest& manifest, DatasetId id,
                   const std::map<std::string, uint32_t>& columns) {
  Schema schema;
  schema.dataset = id;
  schema.name = manifest.dataset;
  schema.revision = manifest.revision;
  schema.has_subject = manifest.what.subject.has_value();
  schema.fields.push_back(
      BuiltIn(block::kEventTimeColumn, "event_time", FieldType::kTimestamp, manifest));
  if (schema.has_subject) {
    schema.fields.push_back(
        BuiltIn(block::kSubjectColumn, "subject", FieldType::kSubject, manifest));
  }
  for (const FieldSpec& spec : manifest.what.fields) {
    const auto column = columns.find(spec.name);
    TV_CHECK(column != columns.end() && spec.type.has_value());
    Field field;
    field.column = static_cast<uint16_t>(column->second);
    field.name = spec.name;
    field.type = *spec.type;
    field.nullable = !spec.required;
    field.enum_values = spec.values;
    field.pattern = spec.pattern;
    field.max_len = spec.max_len;
    field.clamp_low = spec.clamp_low;
    field.clamp_high = spec.clamp_high;
    field.purposes = spec.purposes;
    schema.fields.push_back(std::move(field));
  }
  std::sort(schema.fields.begin(), schema.fields.end(),
            [](const Field& a, const Field& b) { return a.column < b.column; });
  return schema;
}

absl::StatusOr<auth::DatasetPolicy> BuildPolicy(const Manifest& manifest) {
  auth::DatasetPolicy policy;
  policy.version = auth::kDatasetPolicyVersion;
  policy.name = manifest.dataset;
  policy.purposes = PurposeNames(manifest);
  policy.has_subject = manifest.what.subject.has_value();
  policy.fields["event_time"] = {auth::FieldClass::kTechnical, policy.purposes};
  if (policy.has_subject) {
    policy.fields["subject"] = {auth::FieldClass::kIdentifier, policy.purposes};
  }
  for (const FieldSpec& field : manifest.what.fields) {
    // Both enums are the manifest's order of sensitivity.
    policy.fields[field.name] = {
        static_cast<auth::FieldClass>(static_cast<uint8_t>(field.field_class)), field.purposes};
  }
  for (const RoleSpec& spec : manifest.who.roles) {
    auth::RolePolicy role;
    role.mode = ModeOf(spec.mode);
    role.purposes = spec.purposes;
    role.k_min = static_cast<uint32_t>(spec.k_min.value_or(0));
    role.approvals = static_cast<uint32_t>(spec.approvals.value_or(0));
    role.max_grant_us = spec.grant ? spec.grant->count() : 0;
    // Whoever does not read rows under a grant sees the day, nothing finer.
    role.time_granularity_us = spec.mode == RoleMode::kRows ? 0 : auth::kDayUs;
    for (const auto& [field, text] : spec.masks) {
      absl::StatusOr<auth::Mask> mask = auth::ParseMask(text);
      if (!mask.ok()) return Annotate(mask.status(), "who.roles." + spec.name + ".masks." + field);
      role.masks[field] = *mask;
    }
    policy.roles[spec.name] = std::move(role);
  }
  if (manifest.why.review_by) {
    policy.read_only_after_us = EndOf(*manifest.why.review_by).micros;
  }
  policy.digest = crypto::PlainHash32(AsBytes(manifest.text));
  return policy;
}

absl::StatusOr<std::map<std::string, uint32_t>> AssignColumns(
    const Manifest& manifest, const std::map<std::string, uint32_t>& existing,
    const Manifest* before) {
  std::map<std::string, uint32_t> columns = existing;
  uint32_t next = block::kFirstFieldColumn;
  for (const auto& [name, column] : existing) next = std::max(next, column + 1);
  for (const FieldSpec& field : manifest.what.fields) {
    const auto it = columns.find(field.name);
    if (it != columns.end() && (before == nullptr || before->FindField(field.name) != nullptr)) {
      continue;
    }
    // The field was dropped earlier and comes back: what was stored then may be of another type and
    // was promised to stay unreadable, so its column is retired.
    if (it != columns.end()) {
      columns[absl::StrCat(field.name, "#", it->second)] = it->second;
    }
    columns[field.name] = next++;
  }
  if (next > limits::kMaxColumnNumber) {
    return absl::ResourceExhaustedError(
        "too many columns over the life of the dataset; make a new dataset");
  }
  return columns;
}

absl::StatusOr<std::shared_ptr<const Dataset>> BuildDataset(
    const record::v1::DatasetRecord& record) {
  absl::StatusOr<Manifest> manifest = ParseManifest(record.manifest());
  if (!manifest.ok() || ManifestDigest(record.manifest()) != record.digest() ||
      manifest->dataset != record.name() || record.dataset_id() == 0) {
    return absl::DataLossError("the stored record of a dataset contradicts itself");
  }
  const std::map<std::string, uint32_t> columns(record.columns().begin(), record.columns().end());
  for (const FieldSpec& field : manifest->what.fields) {
    const auto it = columns.find(field.name);
    if (it == columns.end() || it->second < block::kFirstFieldColumn ||
        it->second >= limits::kMaxColumnNumber) {
      return absl::DataLossError("the stored record of a dataset lacks a column number");
    }
  }
  auto dataset = std::make_shared<Dataset>();
  dataset->id = DatasetId(record.dataset_id());
  dataset->name = record.name();
  dataset->revision = record.revision();
  dataset->schema = BuildSchema(*manifest, dataset->id, columns);
  TV_ASSIGN_OR_RETURN(dataset->policy, BuildPolicy(*manifest));
  dataset->manifest = std::move(*manifest);
  dataset->columns = columns;
  dataset->digest = record.digest();
  dataset->applied_at = WallTime{record.applied_at_us()};
  dataset->applied_by = record.applied_by();
  return dataset;
}

}  // namespace televault::catalog
