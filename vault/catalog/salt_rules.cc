#include "vault/catalog/salt_rules.h"

#include <algorithm>

#include "televault/record/v1/state.pb.h"
#include "vault/catalog/manifest.h"
#include "vault/catalog/pseudonym.h"
#include "vault/store/meta.h"

namespace televault::catalog {

std::set<int64_t> SaltRules::PeriodsOf(std::span<const Day> days, WallTime now) const {
  std::set<int64_t> periods;
  for (const std::optional<microseconds>& rotate : rotations) {
    for (const Day day : days) periods.insert(SaltPeriod(day, rotate));
    const int32_t last = DayOf(now + early_future).value();
    for (int32_t day = DayOf(now - late_past).value(); day <= last; ++day) {
      periods.insert(SaltPeriod(Day(day), rotate));
    }
  }
  return periods;
}

absl::StatusOr<SaltRules> SaltRulesOf(const store::MetaStore& meta, const store::View& view,
                                      DatasetId dataset) {
  SaltRules rules;
  absl::Status failed;
  TV_RETURN_IF_ERROR(meta.Scan<record::v1::DatasetRecord>(
      view, store::RecordKind::kDataset, store::RecordId(dataset),
      [&](const record::v1::DatasetRecord& record) {
        const auto manifest = ParseManifest(record.manifest());
        failed.Update(manifest.status());
        if (!failed.ok()) return false;
        if (manifest->what.subject.has_value()) {
          rules.rotations.push_back(manifest->what.subject->rotate);
        }
        rules.late_past = std::max(rules.late_past, manifest->when.late_past);
        rules.early_future = std::max(rules.early_future, manifest->when.early_future);
        return true;
      }));
  TV_RETURN_IF_ERROR(failed);
  return rules;
}

}  // namespace televault::catalog
