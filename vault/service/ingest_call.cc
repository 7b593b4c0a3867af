#include "vault/service/ingest_call.h"

#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"

namespace televault::service {
namespace {

// The dataset, once the caller may write to it and the gate lets it.
absl::StatusOr<catalog::DatasetPtr> DecideAppend(Front& front, DataPlane& data, Call& call,
                                                 const std::string& name) {
  auth::Request request;
  request.policy = call.policy;
  request.action = auth::Action::kAppend;
  request.dataset = name;
  const auto dataset = data.catalog->Find(name);
  // Names that nobody declared are not worth recording at length.
  if (dataset.ok()) call.entry.set_dataset(name);
  TV_RETURN_IF_ERROR(
      front.Decide(call, request, dataset.ok() ? &(*dataset)->policy : nullptr, nullptr));
  TV_RETURN_IF_ERROR(dataset.status());
  TV_RETURN_IF_ERROR(front.lockdown().Check(
      GateAccess::kIngest, {(*dataset)->name, call.principal.roles, call.principal.accessor, {}}));
  return *dataset;
}

using Prepared = std::vector<std::shared_ptr<ingest::PreparedAppend>>;

// What the call's callbacks hold; shared, because they are copied. The batches go first.
struct Held {
  std::shared_ptr<DataPlane> data;
  Prepared batches;
  std::optional<partition::PartitionCatalog::RecordLock> records;  // where a partition opens
};

void Abandon(Held& held) {
  for (const auto& prepared : held.batches) held.data->ingestor->Abandoned(*prepared);
  held.records.reset();
}

// Whoever reads the trail finds in it every partition there ever was, and until when.
void NoteOpening(Call& call, const Held& held, const std::string& dataset,
                 const partition::Opening& opening) {
  if (opening.change == partition::Opening::Change::kNone) return;
  const bool opens = opening.change == partition::Opening::Change::kOpens;
  record::v1::AuditEntry event = EventEntry(opens ? "partition.open" : "retention.shorten");
  event.set_dataset(dataset);
  event.set_rule("deadline");
  auto& details = *event.mutable_details();
  details["day"] = FormatDay(opening.id.day);
  details["deadline"] = FormatRfc3339(opening.deadline);
  details["key_id"] = std::to_string(opening.key.value());
  details["pseudonym"] = held.data->retention->PseudonymOf(opening.id.dataset);
  call.events.push_back(std::move(event));
}

// Adds the records of the partitions that open. From here to the commit nobody else writes one; it
// comes after every batch was prepared, so that no keyring write is waited for meanwhile.
absl::Status OpenPartitions(Call& call, Held& held) {
  for (const auto& prepared : held.batches) {
    for (const auto& open : prepared->openings) {
      if (!held.records.has_value()) held.records.emplace(held.data->partitions->LockRecords());
      TV_ASSIGN_OR_RETURN(partition::Opening opening, open());
      NoteOpening(call, held, prepared->dataset->name, opening);
      if (call.events.size() > limits::kMaxOpeningsPerCommit) {
        return absl::ResourceExhaustedError(
            absl::StrCat("events of more than ", limits::kMaxOpeningsPerCommit,
                         " days that have none yet; send fewer days at once"));
      }
      call.mutations.push_back(std::move(opening.record));
    }
  }
  return absl::OkStatus();
}

// Moves what has to be committed into the call. Where that fails the batches are given up.
absl::Status Take(Call& call, const std::shared_ptr<DataPlane>& data, const Prepared& batches) {
  uint64_t accepted = 0;
  uint64_t rejected = 0;
  for (const auto& prepared : batches) {
    if (prepared->duplicate) {
      (*call.entry.mutable_details())["duplicate"] = "true";
      continue;
    }
    accepted += prepared->response.accepted();
    rejected += prepared->response.rejected();
    std::move(prepared->mutations.begin(), prepared->mutations.end(),
              std::back_inserter(call.mutations));
  }
  call.entry.set_events_accepted(accepted);
  call.entry.set_events_rejected(rejected);
  const auto held = std::make_shared<Held>(Held{data, batches, std::nullopt});
  if (absl::Status opened = OpenPartitions(call, *held); !opened.ok()) {
    Abandon(*held);
    return opened;
  }
  call.on_committed = [held] {
    for (const auto& prepared : held->batches) held->data->ingestor->Committed(*prepared);
  };
  call.on_abandoned = [held] { Abandon(*held); };
  return absl::OkStatus();
}

// Says what was refused and why, in the one text that OTLP has for it.
void AddRejects(const v1::AppendResponse& result,
                opentelemetry::proto::collector::logs::v1::ExportLogsServiceResponse& response) {
  constexpr size_t kMaxText = 512;
  // OTLP: a full success leaves partial_success unset.
  if (result.rejected() == 0) return;
  auto& partial = *response.mutable_partial_success();
  partial.set_rejected_log_records(partial.rejected_log_records() + result.rejected());
  std::string text = partial.error_message();
  for (const v1::Reject& reject : result.rejects()) {
    if (text.size() > kMaxText) break;
    if (!text.empty()) text += "; ";
    text += "record " + std::to_string(reject.index()) +
            (reject.field().empty() ? "" : ", " + reject.field()) + ": " + reject.rule() + ", " +
            reject.message();
  }
  partial.set_error_message(std::move(text));
}

// The dataset for records that name none; "" where the token is not for exactly one.
std::string DefaultDataset(const Call& call) {
  return call.principal.datasets.size() == 1 ? call.principal.datasets.front() : std::string();
}

absl::StatusOr<ingest::PreparedAppend> PrepareShare(Front& front, DataPlane& data, Call& call,
                                                    const ingest::OtlpLogsRequest& request,
                                                    const ingest::OtlpShare& share) {
  if (share.dataset.empty()) {
    return absl::InvalidArgumentError(
        "no dataset: set the attribute televault.dataset, or use a token for one dataset");
  }
  TV_ASSIGN_OR_RETURN(const catalog::DatasetPtr dataset,
                      DecideAppend(front, data, call, share.dataset));
  return data.ingestor->PrepareOtlp(request, dataset, share.take_unnamed, call.now);
}

}  // namespace

absl::Status AppendBatch(Front& front, DataPlaneSource& source, Call& call,
                         const v1::AppendRequest& request, v1::AppendResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  TV_ASSIGN_OR_RETURN(catalog::DatasetPtr dataset,
                      DecideAppend(front, *data, call, request.dataset()));
  TV_ASSIGN_OR_RETURN(ingest::PreparedAppend prepared,
                      data->ingestor->Prepare(request, std::move(dataset), call.now));
  auto shared = std::make_shared<ingest::PreparedAppend>(std::move(prepared));
  response = shared->response;
  return Take(call, data, {std::move(shared)});
}

absl::Status ExportLogs(
    Front& front, DataPlaneSource& source, Call& call, const ingest::OtlpLogsRequest& request,
    opentelemetry::proto::collector::logs::v1::ExportLogsServiceResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  Prepared batches;
  std::string names;
  for (const ingest::OtlpShare& share : ingest::OtlpShares(request, DefaultDataset(call))) {
    auto prepared = PrepareShare(front, *data, call, request, share);
    if (!prepared.ok()) {
      for (const auto& batch : batches) data->ingestor->Abandoned(*batch);
      return prepared.status();
    }
    batches.push_back(std::make_shared<ingest::PreparedAppend>(std::move(*prepared)));
    AddRejects(batches.back()->response, response);
    names += (names.empty() ? "" : ",") + share.dataset;
  }
  if (batches.size() > 1) (*call.entry.mutable_details())["datasets"] = names;
  return Take(call, data, batches);
}

}  // namespace televault::service
