#include "vault/partition/purge.h"

#include "televault/record/v1/state.pb.h"
#include "vault/partition/sealing.h"
#include "vault/store/meta.h"

namespace televault::partition {
namespace {

absl::Status AddDelete(const store::MetaStore& meta, store::RecordKind kind, const BlockId& id,
                       PurgePlan& plan) {
  TV_ASSIGN_OR_RETURN(store::Mutation mutation, meta.Delete(kind, store::RecordId(id)));
  plan.mutations.push_back(std::move(mutation));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PurgePlan> PlanPurge(store::Store& store, const store::MetaStore& meta,
                                    PartitionId partition) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<store::View> view, store.Pin());
  PurgePlan plan;
  absl::Status status;
  TV_RETURN_IF_ERROR(meta.Scan<record::v1::BlockRecord>(
      *view, store::RecordKind::kBlock, store::RecordId(partition),
      [&](const record::v1::BlockRecord& record) {
        plan.rows += record.rows();
        plan.sealed_bytes += record.sealed_bytes();
        status = AddDelete(meta, store::RecordKind::kBlock, {partition, record.block()}, plan);
        return status.ok();
      }));
  TV_RETURN_IF_ERROR(status);
  TV_RETURN_IF_ERROR(meta.Scan<record::v1::MicroBatchRecord>(
      *view, store::RecordKind::kMicroBatch, store::RecordId(partition),
      [&](const record::v1::MicroBatchRecord& record) {
        plan.rows += record.rows();
        plan.sealed_bytes += record.sealed_bytes();
        status = AddDelete(meta, store::RecordKind::kMicroBatch, {partition, record.batch()}, plan);
        return status.ok();
      }));
  TV_RETURN_IF_ERROR(status);
  // Not from the records: what no record names has to go as well.
  TV_RETURN_IF_ERROR(view->Scan(store::Family::kHot, store::HotPrefix(partition), "",
                                [&](std::string_view key, std::string_view) {
                                  plan.mutations.push_back(
                                      {.family = store::Family::kHot, .key = std::string(key)});
                                  return true;
                                }));
  return plan;
}

}  // namespace televault::partition
