#include "vault/service/retention_service.h"

#include <algorithm>

#include "vault/base/bytes.h"
#include "vault/service/erasure_calls.h"
#include "vault/service/hold_calls.h"
#include "vault/service/paging.h"
#include "vault/service/retention_scope.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

// The vault's own runs are short as a rule.
constexpr microseconds kRunWait{2'000'000};

v1::PartitionState StateOf(const partition::PartitionInfo& info, WallTime now) {
  switch (info.state) {
    case partition::State::kLive:
      return info.deadline <= now ? v1::PARTITION_STATE_EXPIRED : v1::PARTITION_STATE_LIVE;
    case partition::State::kShredded:
      return v1::PARTITION_STATE_SHREDDED;
    case partition::State::kPurged:
      return v1::PARTITION_STATE_PURGED;
  }
  return v1::PARTITION_STATE_UNSPECIFIED;
}

absl::Status Run(DataPlaneSource& source, v1::RunRetentionResponse& response, Call& call) {
  if (!call.principal.datasets.empty()) {
    return WithReason(absl::PermissionDeniedError(
                          "retention runs over every dataset; this token is bound to some"),
                      reason::kDenied);
  }
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  call.urgency = store::Urgency::kSecurity;  // deleting must work on a full disk
  TV_ASSIGN_OR_RETURN(const retention::RunReport report,
                      data->retention->RunOnce({.enough = call.cancelled, .wait = kRunWait}));
  response.set_expired(report.expired);
  response.set_shredded(report.shredded);
  response.set_purged(report.purged);
  for (const std::string& pending : report.pending) response.add_pending(pending);
  for (const std::string& held : report.held) response.add_pending(held);
  auto& details = *call.entry.mutable_details();
  details["shredded"] = std::to_string(report.shredded);
  details["purged"] = std::to_string(report.purged);
  return absl::OkStatus();
}

absl::Status List(DataPlaneSource& source, const v1::ListPartitionsRequest& request,
                  v1::ListPartitionsResponse& response, Call& call) {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  std::vector<partition::PartitionInfo> all = data->partitions->All();
  if (!request.dataset().empty()) {
    TV_ASSIGN_OR_RETURN(const auto dataset, data->catalog->Find(request.dataset()));
    std::erase_if(all, [&](const auto& info) { return info.id.dataset != dataset->id; });
  }
  std::erase_if(all, [&](const auto& info) {
    return IsBound(call, NameOf(*data->catalog, info.id.dataset));
  });
  response.set_next_page_token(EachOnPage(all, page, [&](const partition::PartitionInfo& info) {
    auto& out = *response.add_partitions();
    out.set_dataset(NameOf(*data->catalog, info.id.dataset));
    out.set_day(FormatDay(info.id.day));
    out.set_state(StateOf(info, call.now));
    *out.mutable_deadline() = ToWireTime(info.deadline);
    out.set_events(info.rows());
    out.set_bytes(info.bytes());
    out.set_blocks(static_cast<uint32_t>(info.blocks));
    out.set_micro_batches(static_cast<uint32_t>(info.hot_batches));
    for (const crypto::LegalHold& hold : data->retention->HoldsOn(info.id, call.now)) {
      out.add_holds(ToHex(hold.id));
    }
    out.set_withheld(info.state == partition::State::kLive &&
                     info.erased.erased_up_to < data->erasures->Newest(info.id.dataset));
  }));
  return absl::OkStatus();
}

v1::DeletionReceipt ToWire(const record::v1::PartitionRecord& record, const std::string& dataset,
                           const std::string& pseudonym) {
  v1::DeletionReceipt receipt;
  const std::string day = FormatDay(Day(record.day()));
  receipt.set_id(dataset + "/" + day);
  receipt.set_dataset(dataset);
  receipt.set_dataset_pseudonym(pseudonym);
  receipt.set_day(day);
  receipt.set_events(record.events());
  receipt.set_key_id(record.key_id());
  *receipt.mutable_deadline() = ToWireTime(record.deadline_us());
  *receipt.mutable_shredded_at() = ToWireTime(record.shredded_at_us());
  if (record.purged_at_us() != 0) *receipt.mutable_purged_at() = ToWireTime(record.purged_at_us());
  receipt.set_shredded_leaf(record.shredded_leaf());
  receipt.set_destruction(record.destruction());
  receipt.set_signed_note(record.receipt_note());
  receipt.mutable_holds()->CopyFrom(record.holds());
  return receipt;
}

absl::Status ListReceiptsOf(DataPlaneSource& source, const Call& call,
                            const v1::ListReceiptsRequest& request,
                            v1::ListReceiptsResponse& response) {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  TV_ASSIGN_OR_RETURN(std::vector<record::v1::PartitionRecord> records,
                      data->retention->Receipts());
  if (!request.dataset().empty()) {
    TV_ASSIGN_OR_RETURN(const auto dataset, data->catalog->Find(request.dataset()));
    std::erase_if(records,
                  [&](const auto& record) { return record.dataset_id() != dataset->id.value(); });
  }
  std::erase_if(records, [&](const auto& record) {
    return IsBound(call, NameOf(*data->catalog, DatasetId(record.dataset_id())));
  });
  response.set_next_page_token(EachOnPage(records, page, [&](const auto& record) {
    *response.add_receipts() =
        ToWire(record, NameOf(*data->catalog, DatasetId(record.dataset_id())),
               data->retention->PseudonymOf(DatasetId(record.dataset_id())));
  }));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* RetentionServiceImpl::RunRetention(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request,
                                                             grpc::ByteBuffer* response) {
  return ServeUnary<v1::RunRetentionRequest, v1::RunRetentionResponse>(
      serving_, context, "/televault.v1.RetentionService/RunRetention", request, response,
      [this](auto& call, const auto&, auto& out) { return Run(data_, out, call); });
}

grpc::ServerUnaryReactor* RetentionServiceImpl::ListPartitions(grpc::CallbackServerContext* context,
                                                               const grpc::ByteBuffer* request,
                                                               grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListPartitionsRequest, v1::ListPartitionsResponse>(
      serving_, context, "/televault.v1.RetentionService/ListPartitions", request, response,
      [this](auto& call, const auto& in, auto& out) { return List(data_, in, out, call); });
}

grpc::ServerUnaryReactor* RetentionServiceImpl::ListReceipts(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request,
                                                             grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListReceiptsRequest, v1::ListReceiptsResponse>(
      serving_, context, "/televault.v1.RetentionService/ListReceipts", request, response,
      [this](auto& call, const auto& in, auto& out) {
        return ListReceiptsOf(data_, call, in, out);
      });
}

grpc::ServerUnaryReactor* RetentionServiceImpl::PlaceHold(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  return ServeUnary<v1::PlaceHoldRequest, v1::PlaceHoldResponse>(
      serving_, context, "/televault.v1.RetentionService/PlaceHold", request, response,
      [this](auto& call, const auto& in, auto& out) {
        return service::PlaceHold(data_, random_, call, in, out);
      });
}

grpc::ServerUnaryReactor* RetentionServiceImpl::ReleaseHold(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request,
                                                            grpc::ByteBuffer* response) {
  return ServeUnary<v1::ReleaseHoldRequest, v1::ReleaseHoldResponse>(
      serving_, context, "/televault.v1.RetentionService/ReleaseHold", request, response,
      [this](auto& call, const auto& in, auto& out) {
        return service::ReleaseHold(data_, call, in, out);
      });
}

grpc::ServerUnaryReactor* RetentionServiceImpl::ListHolds(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListHoldsRequest, v1::ListHoldsResponse>(
      serving_, context, "/televault.v1.RetentionService/ListHolds", request, response,
      [this](auto& call, const auto& in, auto& out) {
        return service::ListHolds(data_, call, in, out);
      });
}

grpc::ServerUnaryReactor* RetentionServiceImpl::EraseSubject(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request,
                                                             grpc::ByteBuffer* response) {
  return ServeUnary<v1::EraseSubjectRequest, v1::EraseSubjectResponse>(
      serving_, context, "/televault.v1.RetentionService/EraseSubject", request, response,
      [this](auto& call, const auto& in, auto& out) {
        return service::EraseSubject(data_, serving_.front.clock(), call, in, out);
      });
}

grpc::ServerUnaryReactor* RetentionServiceImpl::ListErasures(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request,
                                                             grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListErasuresRequest, v1::ListErasuresResponse>(
      serving_, context, "/televault.v1.RetentionService/ListErasures", request, response,
      [this](auto& call, const auto& in, auto& out) {
        return service::ListErasures(data_, call, in, out);
      });
}

}  // namespace televault::service
