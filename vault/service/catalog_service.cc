#include "vault/service/catalog_service.h"

#include <algorithm>
#include <limits>

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/service/log.h"
#include "vault/service/paging.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

v1::FieldKind ToKind(catalog::FieldType type) {
  switch (type) {
    case catalog::FieldType::kBool:
      return v1::FIELD_KIND_BOOL;
    case catalog::FieldType::kInt:
      return v1::FIELD_KIND_INT;
    case catalog::FieldType::kDouble:
      return v1::FIELD_KIND_DOUBLE;
    case catalog::FieldType::kString:
      return v1::FIELD_KIND_STRING;
    case catalog::FieldType::kEnum:
      return v1::FIELD_KIND_ENUM;
    case catalog::FieldType::kTimestamp:
      return v1::FIELD_KIND_TIMESTAMP;
    case catalog::FieldType::kDuration:
      return v1::FIELD_KIND_DURATION;
    case catalog::FieldType::kStringList:
      return v1::FIELD_KIND_STRING_LIST;
    case catalog::FieldType::kSubject:
      return v1::FIELD_KIND_SUBJECT;
  }
  return v1::FIELD_KIND_UNSPECIFIED;
}

v1::DatasetSummary SummaryOf(const auth::Principal& principal, const catalog::Dataset& dataset,
                             const partition::PartitionCatalog& partitions, WallTime now) {
  v1::DatasetSummary summary;
  summary.set_name(dataset.name);
  summary.set_revision(dataset.revision);
  summary.set_owner(dataset.manifest.owner_team);
  summary.set_question(dataset.manifest.why.question);
  if (dataset.manifest.when.ttl) summary.set_ttl(FormatDuration(*dataset.manifest.when.ttl));
  if (dataset.manifest.why.review_by) {
    summary.set_review_by(FormatDay(*dataset.manifest.why.review_by));
  }
  if (!auth::MaySeeExactFigures(principal, dataset.policy)) return summary;
  summary.set_partitions(0);
  summary.set_events(0);
  for (const auto& info : partitions.List(dataset.id, Day(std::numeric_limits<int32_t>::min()),
                                          Day(std::numeric_limits<int32_t>::max()))) {
    if (info.state != partition::State::kLive || info.deadline <= now) continue;
    summary.set_partitions(summary.partitions() + 1);
    summary.set_events(summary.events() + info.rows());
  }
  return summary;
}

// A shorter TTL applies at once, also to days that were opened under the longer one.
using Deadlines = std::vector<std::pair<PartitionId, WallTime>>;
absl::StatusOr<Deadlines> EarlierDeadlines(const DataPlane& data,
                                           const catalog::PreparedApply& prepared) {
  Deadlines earlier;
  const auto dataset = data.catalog->Find(prepared.dataset);
  if (!dataset.ok() || !prepared.ttl.has_value()) return earlier;
  for (const auto& info :
       data.partitions->List((*dataset)->id, Day(std::numeric_limits<int32_t>::min()),
                             Day(std::numeric_limits<int32_t>::max()))) {
    const WallTime deadline = EndOf(info.id.day) + *prepared.ttl;
    if (info.state == partition::State::kLive && deadline < info.deadline) {
      earlier.emplace_back(info.id, deadline);
    }
  }
  return earlier;
}

absl::StatusOr<store::Mutation> WithDeadline(const DataPlane& data, PartitionId partition,
                                             WallTime deadline) {
  TV_ASSIGN_OR_RETURN(const auto view, data.store.Pin());
  TV_ASSIGN_OR_RETURN(
      auto record, data.meta.Get<record::v1::PartitionRecord>(*view, store::RecordKind::kPartition,
                                                              store::RecordId(partition)));
  record.set_deadline_us(deadline.micros);
  return data.meta.Put(store::RecordKind::kPartition, store::RecordId(partition), record);
}

// The answer says that the shorter TTL is in force: that holds for a vault that is sealed next,
// too.
void AlignKeys(DataPlane& data) {
  if (const absl::Status status = data.retention->AlignKeys(); !status.ok()) {
    // Every retention run tries again.
    Log(LogLevel::kError, "earlier deadlines are not in the keyring yet",
        {{"why", std::string(status.message())}});
  }
}

void AddFields(const catalog::Dataset& dataset, v1::GetDatasetResponse& response) {
  for (const catalog::Field& field : dataset.schema.fields) {
    auto& out = *response.add_fields();
    out.set_name(field.name);
    out.set_kind(ToKind(field.type));
    for (const std::string& value : field.enum_values) out.add_enum_values(value);
    for (const std::string& purpose : field.purposes) out.add_purposes(purpose);
    if (const catalog::FieldSpec* declared = dataset.manifest.FindField(field.name)) {
      out.set_field_class(std::string(catalog::WordOf(declared->field_class)));
      out.set_why(declared->why);
    }
  }
}

}  // namespace

grpc::ServerUnaryReactor* CatalogServiceImpl::ApplyDataset(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return ServeUnary<v1::ApplyDatasetRequest, v1::ApplyDatasetResponse>(
      serving_, context, "/televault.v1.CatalogService/ApplyDataset", request, response,
      [this](auto& call, const auto& in, auto& out) { return Apply(call, in, out); });
}

absl::Status CatalogServiceImpl::Apply(Call& call, const v1::ApplyDatasetRequest& request,
                                       v1::ApplyDatasetResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, data_.Data());
  TV_ASSIGN_OR_RETURN(
      catalog::PreparedApply prepared,
      data->catalog->PrepareApply(request.manifest(), call.principal.person, call.now));
  call.entry.set_dataset(prepared.dataset);
  TV_RETURN_IF_ERROR(serving_.front.DecideCall(call, prepared.dataset));
  auto& details = *call.entry.mutable_details();
  details["old_digest"] = ToHex(AsBytes(prepared.old_digest));
  details["new_digest"] = ToHex(AsBytes(prepared.new_digest));
  details["revision"] = std::to_string(prepared.revision);
  details["dry_run"] = request.dry_run() ? "true" : "false";

  for (const catalog::Finding& finding : prepared.findings) {
    auto& out = *response.add_findings();
    out.set_code(finding.code);
    out.set_severity(finding.severity == catalog::Severity::kError ? v1::SEVERITY_ERROR
                                                                   : v1::SEVERITY_WARNING);
    out.set_line(finding.at.line);
    out.set_column(finding.at.column);
    out.set_path(finding.path);
    out.set_message(finding.message);
    out.set_fix(finding.fix);
  }
  for (const std::string& change : prepared.changes) response.add_changes(change);
  response.set_dataset(prepared.dataset);
  response.set_revision(prepared.revision);
  response.set_old_digest(details["old_digest"]);
  response.set_new_digest(details["new_digest"]);
  if (prepared.applicable && !request.dry_run()) {
    response.set_applied(true);
    // Goes with the callback: held until the commit is published or given up.
    const auto records =
        std::make_shared<partition::PartitionCatalog::RecordLock>(data->partitions->LockRecords());
    TV_ASSIGN_OR_RETURN(const auto earlier, EarlierDeadlines(*data, prepared));
    call.mutations = std::move(prepared.mutations);
    for (const auto& [partition, deadline] : earlier) {
      TV_ASSIGN_OR_RETURN(store::Mutation mutation, WithDeadline(*data, partition, deadline));
      call.mutations.push_back(std::move(mutation));
    }
    // Enough to say which deadlines move, and whereto: all that are later than end of day + ttl.
    if (prepared.ttl.has_value()) details["ttl"] = FormatDuration(*prepared.ttl);
    details["deadlines_moved"] = std::to_string(earlier.size());
    call.on_committed = [data, records, earlier, publish = std::move(prepared.on_committed)] {
      publish();
      for (const auto& [partition, deadline] : earlier) {
        data->partitions->OnDeadline(partition, deadline);
      }
      if (!earlier.empty()) AlignKeys(*data);
    };
  }
  details["applied"] = response.applied() ? "true" : "false";
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CatalogServiceImpl::ListDatasets(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListDatasetsRequest, v1::ListDatasetsResponse>(
      serving_, context, "/televault.v1.CatalogService/ListDatasets", request, response,
      [this](auto& call, const auto& in, auto& out) { return List(call, in, out); });
}

absl::Status CatalogServiceImpl::List(Call& call, const v1::ListDatasetsRequest& request,
                                      v1::ListDatasetsResponse& response) {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  TV_ASSIGN_OR_RETURN(const auto data, data_.Data());
  std::vector<catalog::DatasetPtr> visible = data->catalog->All();
  std::erase_if(
      visible, [&](const auto& dataset) { return !auth::MaySee(call.principal, dataset->policy); });
  response.set_next_page_token(EachOnPage(visible, page, [&](const catalog::DatasetPtr& dataset) {
    *response.add_datasets() = SummaryOf(call.principal, *dataset, *data->partitions, call.now);
  }));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CatalogServiceImpl::GetDataset(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetDatasetRequest, v1::GetDatasetResponse>(
      serving_, context, "/televault.v1.CatalogService/GetDataset", request, response,
      [this](auto& call, const auto& in, auto& out) { return Get(call, in, out); });
}

absl::Status CatalogServiceImpl::Get(Call& call, const v1::GetDatasetRequest& request,
                                     v1::GetDatasetResponse& response) {
  call.entry.set_dataset(std::string(Utf8Prefix(request.name(), limits::kMaxNameBytes)));
  TV_ASSIGN_OR_RETURN(const auto data, data_.Data());
  const auto dataset = data->catalog->Find(request.name());
  // A dataset that the caller may not see answers like one that does not exist.
  if (!dataset.ok() || !auth::MaySee(call.principal, (*dataset)->policy)) {
    return WithReason(
        absl::NotFoundError("no such dataset; `televault dataset list` shows those you may use"),
        reason::kUnknownDataset);
  }
  *response.mutable_summary() = SummaryOf(call.principal, **dataset, *data->partitions, call.now);
  AddFields(**dataset, response);
  response.set_manifest((*dataset)->manifest.text);
  response.set_digest(ToHex(AsBytes((*dataset)->digest)));
  *response.mutable_applied_at() = ToWireTime((*dataset)->applied_at);
  return absl::OkStatus();
}

}  // namespace televault::service
