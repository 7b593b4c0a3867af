#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "vault/base/status.h"
#include "vault/catalog/catalog.h"
#include "vault/service/call.h"
#include "vault/service/data_plane.h"

// Which datasets a call about retention is about.
namespace televault::service {

inline std::string NameOf(const catalog::Catalog& catalog, DatasetId id) {
  const auto dataset = catalog.Find(id);
  return dataset.ok() ? (*dataset)->name : std::to_string(id.value());
}

// Whether the caller's token is bound to other datasets than this one: it sees those only.
inline bool IsBound(const Call& call, const std::string& dataset) {
  const auto& datasets = call.principal.datasets;
  return !datasets.empty() &&
         std::find(datasets.begin(), datasets.end(), dataset) == datasets.end();
}

// One that the caller may name. To a token that is bound to others it does not exist.
inline absl::StatusOr<std::shared_ptr<const catalog::Dataset>> FindBound(const DataPlane& data,
                                                                         const Call& call,
                                                                         const std::string& name) {
  return data.catalog->Find(IsBound(call, name) ? std::string() : name);
}

}  // namespace televault::service
