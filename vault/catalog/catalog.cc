#include "vault/catalog/catalog.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/catalog/diff.h"
#include "vault/catalog/lint.h"

namespace televault::catalog {
namespace {

absl::Status Unknown() {
  return WithReason(absl::NotFoundError("no such dataset; `dataset list` shows those you may use"),
                    reason::kUnknownDataset);
}

}  // namespace

absl::Status Catalog::Load(const store::View& view) {
  std::map<uint32_t, record::v1::DatasetRecord> newest;
  TV_RETURN_IF_ERROR(meta_.Scan<record::v1::DatasetRecord>(
      view, store::RecordKind::kDataset, store::RecordId(),
      [&](const record::v1::DatasetRecord& record) {
        record::v1::DatasetRecord& best = newest[record.dataset_id()];
        if (record.revision() >= best.revision()) best = record;
        return true;
      }));
  absl::flat_hash_map<std::string, DatasetPtr> by_name;
  uint32_t next_id = 1;
  for (const auto& [id, record] : newest) {
    TV_ASSIGN_OR_RETURN(DatasetPtr dataset, BuildDataset(record));
    next_id = std::max(next_id, id + 1);
    if (!by_name.emplace(dataset->name, dataset).second) {
      return absl::DataLossError("two stored datasets have the same name");
    }
  }
  const std::lock_guard lock(mu_);
  by_name_ = std::move(by_name);
  next_id_ = next_id;
  return absl::OkStatus();
}

void Catalog::Reserve(DatasetId id) {
  const std::lock_guard lock(mu_);
  next_id_ = std::max(next_id_, id.value() + 1);
}

void Catalog::Clear() {
  const std::lock_guard lock(mu_);
  by_name_.clear();
}

absl::StatusOr<DatasetPtr> Catalog::Find(std::string_view name) const {
  const std::lock_guard lock(mu_);
  const auto it = by_name_.find(std::string(name));
  if (it == by_name_.end()) return Unknown();
  return it->second;
}

absl::StatusOr<DatasetPtr> Catalog::Find(DatasetId id) const {
  const std::lock_guard lock(mu_);
  for (const auto& [name, dataset] : by_name_) {
    if (dataset->id == id) return dataset;
  }
  return Unknown();
}

std::vector<DatasetPtr> Catalog::All() const {
  std::vector<DatasetPtr> all;
  {
    const std::lock_guard lock(mu_);
    for (const auto& [name, dataset] : by_name_) all.push_back(dataset);
  }
  std::sort(all.begin(), all.end(),
            [](const DatasetPtr& a, const DatasetPtr& b) { return a->name < b->name; });
  return all;
}

void Catalog::Publish(DatasetPtr dataset) {
  const std::lock_guard lock(mu_);
  next_id_ = std::max(next_id_, dataset->id.value() + 1);
  by_name_[dataset->name] = std::move(dataset);
}

absl::StatusOr<PreparedApply> Catalog::PrepareApply(std::string_view text, std::string_view person,
                                                    WallTime now) {
  PreparedApply prepared;
  ParsedManifest parsed = ReadManifest(text);
  prepared.findings = std::move(parsed.errors);
  const Manifest& manifest = parsed.manifest;
  prepared.dataset = manifest.dataset;
  prepared.ttl = manifest.when.ttl;
  prepared.revision = manifest.revision;
  prepared.new_digest = ManifestDigest(text);
  if (HasErrors(prepared.findings)) return prepared;
  prepared.findings = Lint(manifest, DayOf(now));

  DatasetPtr before;
  uint32_t id = 0;
  {
    const std::lock_guard lock(mu_);
    const auto it = by_name_.find(manifest.dataset);
    if (it != by_name_.end()) before = it->second;
    id = before == nullptr ? next_id_ : before->id.value();
  }
  if (before != nullptr) {
    prepared.old_digest = before->digest;
    if (before->digest == prepared.new_digest) {
      prepared.unchanged = true;
      return prepared;
    }
    ManifestDiff diff = Diff(before->manifest, manifest);
    prepared.changes = std::move(diff.changes);
    prepared.findings.insert(prepared.findings.end(), diff.findings.begin(), diff.findings.end());
  }
  if (HasErrors(prepared.findings)) return prepared;

  record::v1::DatasetRecord record;
  record.set_dataset_id(id);
  record.set_name(manifest.dataset);
  record.set_revision(manifest.revision);
  record.set_manifest(std::string(text));
  record.set_digest(prepared.new_digest);
  record.set_applied_at_us(now.micros);
  record.set_applied_by(std::string(person));
  const std::map<std::string, uint32_t> none;
  TV_ASSIGN_OR_RETURN(const auto columns,
                      AssignColumns(manifest, before == nullptr ? none : before->columns,
                                    before == nullptr ? nullptr : &before->manifest));
  record.mutable_columns()->insert(columns.begin(), columns.end());
  TV_ASSIGN_OR_RETURN(DatasetPtr dataset, BuildDataset(record));
  TV_ASSIGN_OR_RETURN(store::Mutation mutation,
                      meta_.Put(store::RecordKind::kDataset,
                                store::RecordId(DatasetId(id), manifest.revision), record));
  prepared.mutations.push_back(std::move(mutation));
  prepared.on_committed = [this, dataset] { Publish(dataset); };
  prepared.applicable = true;
  return prepared;
}

}  // namespace televault::catalog
