#include "vault/service/erasure_calls.h"

#include <chrono>
#include <memory>
#include <utility>

#include "vault/base/limits.h"
#include "vault/service/paging.h"
#include "vault/service/retention_scope.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

// Where the manifest of a dataset names no time, the law's month does.
constexpr microseconds kUsualTime = std::chrono::hours(24 * 30);
// For batches on their way. Changes of administrative state wait for this call: not for long.
constexpr std::chrono::seconds kBatchWait{10};

microseconds WithinOf(const catalog::Manifest& manifest) {
  return manifest.when.erasure_within.value_or(kUsualTime);
}

v1::Erasure ToWire(const DataPlane& data, const record::v1::ErasureRecord& record) {
  const DatasetId dataset(record.dataset_id());
  v1::Erasure wire;
  wire.set_id(record.id());
  wire.set_dataset(NameOf(*data.catalog, dataset));
  wire.set_dataset_pseudonym(data.retention->PseudonymOf(dataset));
  wire.set_requested_by(record.requested_by());
  *wire.mutable_requested_at() = ToWireTime(record.requested_at_us());
  *wire.mutable_deadline() = ToWireTime(record.deadline_us());
  wire.set_state(v1::ERASURE_STATE_SETTLED);
  if (record.settled_at_us() == 0) {
    const erasure::Eraser::Waiting waiting = data.eraser->WaitingFor(record);
    wire.set_partitions_left(waiting.partitions);
    wire.set_state(waiting.held ? v1::ERASURE_STATE_HELD : v1::ERASURE_STATE_PENDING);
  } else {
    *wire.mutable_settled_at() = ToWireTime(record.settled_at_us());
  }
  uint64_t events = record.events_removed();
  for (const auto& day : record.days()) events += day.events();
  wire.set_partitions_rewritten(record.days_rewritten() +
                                static_cast<uint32_t>(record.days_size()));
  wire.set_events_removed(events);
  wire.set_destruction(record.destruction());
  wire.mutable_holds()->CopyFrom(record.holds());
  wire.set_signed_note(record.receipt_note());
  return wire;
}

}  // namespace

absl::Status EraseSubject(DataPlaneSource& source, const Clock& clock, Call& call,
                          const v1::EraseSubjectRequest& request,
                          v1::EraseSubjectResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  call.urgency = store::Urgency::kSecurity;  // deleting must work on a full disk
  TV_ASSIGN_OR_RETURN(const auto dataset, FindBound(*data, call, request.dataset()));
  call.entry.set_dataset(dataset->name);
  if (!dataset->schema.has_subject) {
    return absl::FailedPreconditionError(
        "the events of this dataset carry no subject: there is nothing of one subject to erase");
  }
  if (request.subject().empty() || request.subject().size() > limits::kMaxSubjectBytes) {
    return absl::InvalidArgumentError("subject: 1 to 256 bytes, as the dataset's clients send it");
  }
  absl::StatusOr<erasure::Erasures::Asked> asked = absl::InternalError("");
  {
    TV_ASSIGN_OR_RETURN(const auto view, data->store.Pin());
    asked = data->erasures->Ask({.dataset = dataset->id,
                                 .subject = request.subject(),
                                 .by = call.principal.person,
                                 .now = call.now,
                                 .within = WithinOf(dataset->manifest)},
                                *view, [&] {
                                  return call.cancelled() ||
                                         clock.Mono().nanos - call.started.nanos >
                                             std::chrono::nanoseconds(kBatchWait).count();
                                });
  }
  TV_RETURN_IF_ERROR(asked.status());
  auto& details = *call.entry.mutable_details();
  details["erasure"] = asked->record.id();
  details["known"] = asked->known ? "yes" : "no";
  details["number"] = std::to_string(asked->record.number());
  details["pseudonym"] = data->retention->PseudonymOf(dataset->id);
  details["requested_at"] = FormatRfc3339({asked->record.requested_at_us()});
  details["deadline"] = FormatRfc3339({asked->record.deadline_us()});
  *response.mutable_erasure() = ToWire(*data, asked->record);
  if (asked->known) return absl::OkStatus();
  call.mutations.push_back(*std::move(asked->mutation));
  call.on_committed = [data, committed = std::move(asked->on_committed)] { committed(); };
  call.on_abandoned = [data, abandoned = std::move(asked->on_abandoned)] { abandoned(); };
  return absl::OkStatus();
}

absl::Status ListErasures(DataPlaneSource& source, Call& call,
                          const v1::ListErasuresRequest& request,
                          v1::ListErasuresResponse& response) {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  DatasetId only;
  if (!request.dataset().empty()) {
    TV_ASSIGN_OR_RETURN(const auto dataset, FindBound(*data, call, request.dataset()));
    only = dataset->id;
  }
  // All are looked at, and those of the page kept: there may be a million.
  std::vector<record::v1::ErasureRecord> shown;
  size_t matching = 0;
  TV_ASSIGN_OR_RETURN(const auto view, data->store.Pin());
  TV_RETURN_IF_ERROR(data->meta.Scan<record::v1::ErasureRecord>(
      *view, store::RecordKind::kErasure, store::RecordId(),
      [&](const record::v1::ErasureRecord& record) {
        const DatasetId dataset(record.dataset_id());
        const bool asked_for = (request.dataset().empty() || dataset == only) &&
                               (request.id().empty() || record.id() == request.id()) &&
                               !IsBound(call, NameOf(*data->catalog, dataset));
        if (!asked_for) return true;
        if (matching >= page.begin && shown.size() < page.size) shown.push_back(record);
        return ++matching <= page.begin + page.size && request.id().empty();
      }));
  for (const auto& record : shown) *response.add_erasures() = ToWire(*data, record);
  if (matching > page.begin + page.size) {
    response.set_next_page_token(std::to_string(page.begin + page.size));
  }
  return absl::OkStatus();
}

}  // namespace televault::service
