// What a vault builds to carry out erasures and expiry.

#include <algorithm>
#include <utility>

#include "vault/crypto/hash.h"
#include "vault/daemon/vault.h"

namespace televault::daemon {
namespace {

// Of the roles that read aggregates: so many subjects a group of the dataset has to have.
uint32_t GreatestK(const catalog::Catalog& catalog, DatasetId id) {
  constexpr uint32_t kStrictest = 20;  // of a dataset that is not known any more
  const auto dataset = catalog.Find(id);
  if (!dataset.ok()) return kStrictest;
  uint32_t k = 2;
  for (const auto& [name, role] : (*dataset)->policy.roles) k = std::max(k, role.k_min);
  return k;
}

}  // namespace

absl::Status Vault::AddErasures(service::DataPlane& data) {
  data.erasures = std::make_unique<erasure::Erasures>(erasure::Erasures::Parts{
      *meta_, *keyring_, *engine_.journal, *data.partitions, around_.random,
      [plane = &data](const std::function<bool()>& give_up) {
        return plane->ingestor->AwaitBatches(give_up);
      }});
  data.subject_blocks = std::make_unique<service::ErasedSubjects>(*data.erasures);
  TV_ASSIGN_OR_RETURN(const auto view, engine_.store->Pin());
  return data.erasures->Load(*view);
}

// What destroys keys and bytes.
void Vault::AddDeletion(service::DataPlane& data,
                        const std::function<std::string(DatasetId)>& name_of) {
  service::DataPlane* const plane = &data;
  const auto make_leaf = [this](record::v1::AuditEntry entry) {
    return recorder_->Seal(std::move(entry));
  };
  const auto sign = [this](const std::string& text) { return SignText(text); };
  const auto pseudonym_of = [this, name_of](DatasetId id) { return PseudonymOf(name_of(id)); };
  data.eraser = std::make_unique<erasure::Eraser>(erasure::Eraser::Parts{
      *engine_.store, *meta_, *engine_.journal, *keyring_, *data.partitions, *data.reader,
      *data.merger, *data.erasures, *lockdown_, around_.random, identity_.vault, make_leaf, sign,
      name_of, pseudonym_of, [plane](DatasetId id) { return GreatestK(*plane->catalog, id); },
      [plane](const std::function<bool()>& give_up) {
        return plane->ingestor->AwaitBatches(give_up);
      }});
  data.retention = std::make_unique<retention::RetentionManager>(retention::RetentionManager::Parts{
      *engine_.store, *meta_, *engine_.journal, *keyring_, *data.partitions, *data.reader,
      *lockdown_, make_leaf, sign, name_of, pseudonym_of,
      [plane](DatasetId id) -> std::optional<microseconds> {
        const auto dataset = plane->catalog->Find(id);
        return dataset.ok() ? (*dataset)->manifest.when.ttl : std::nullopt;
      },
      [this](DatasetId id) -> absl::StatusOr<catalog::SaltRules> {
        TV_ASSIGN_OR_RETURN(const auto view, engine_.store->Pin());
        return catalog::SaltRulesOf(*meta_, *view, id);
      }});
}

std::string Vault::PseudonymOf(const std::string& dataset) const {
  return ToHex(crypto::KeyedHash16(*freshness_key_, "televault.rcpt", AsBytes(dataset)));
}

}  // namespace televault::daemon
