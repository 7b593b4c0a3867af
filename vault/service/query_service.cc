#include "vault/service/query_service.h"

#include <algorithm>
#include <limits>

#include "vault/base/check.h"
#include "vault/query/partition_source.h"
#include "vault/service/query_call.h"
#include "vault/service/read_lease.h"
#include "vault/service/result_stream.h"

namespace televault::service {
namespace {

constexpr char kQuery[] = "/televault.v1.QueryService/Query";
constexpr char kExplain[] = "/televault.v1.QueryService/Explain";

template <class Request>
QueryText TextOf(const Request& request) {
  QueryText text;
  text.sql = request.sql();
  text.purpose = request.purpose();
  text.parameters.assign(request.parameters().begin(), request.parameters().end());
  if constexpr (requires { request.grant(); }) text.grant = request.grant();
  return text;
}

query::ReadDays::Deadlines DeadlinesOf(const std::shared_ptr<DataPlane>& plane, DatasetId dataset) {
  return {.changes = [plane] { return plane->partitions->deadline_changes(); },
          .of_day =
              [plane, dataset](Day day) {
                const auto info = plane->partitions->FindForReading({dataset, day});
                return info.has_value() ? info->deadline
                                        : WallTime{std::numeric_limits<int64_t>::max()};
              }};
}

query::Mode ModeOf(const Call& call) {
  return call.decision.mode == auth::AccessMode::kRows ? query::Mode::kRows
                                                       : query::Mode::kAggregate;
}

// Counts a query that is being answered.
class InFlight {
 public:
  InFlight(std::atomic<size_t>& running, size_t bound)
      : running_(running), admitted_(running.fetch_add(1) < bound) {}
  ~InFlight() { running_.fetch_sub(1); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  bool admitted() const { return admitted_; }

 private:
  std::atomic<size_t>& running_;
  const bool admitted_;
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* QueryServiceImpl::Query(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return ServeStream<v1::QueryRequest, v1::QueryResponse>(
      serving_, context, kQuery, request,
      [this](Call& call, const v1::QueryRequest& admitted,
             StreamWriter<v1::QueryResponse>& writer) { return RunQuery(call, admitted, writer); });
}

// Everything up to the plan may refuse; the refusal is recorded like an answer.
absl::Status QueryServiceImpl::RunQuery(Call& call, const v1::QueryRequest& request,
                                        StreamWriter<v1::QueryResponse>& writer) {
  const auto refuse = [&](const absl::Status& why) { return serving_.front.Refuse(call, why); };
  const InFlight in_flight(running_, limits_.in_flight);
  if (!in_flight.admitted()) {
    return refuse(WithReason(
        absl::ResourceExhaustedError("too many queries are running; try again in a moment"),
        reason::kOverloaded));
  }
  const auto data = data_.Data();
  if (!data.ok()) return refuse(data.status());
  auto admitted = AdmitQuery(serving_.front, **data, call, TextOf(request), QueryIntent::kRun);
  if (!admitted.ok()) return refuse(admitted.status());

  incident::LockdownManager& gate = serving_.front.lockdown();
  const GateAccess access = AccessOf(call.decision);
  const GateScope scope = ScopeOf(call);
  call.discloses = true;
  call.revalidate = [&] {
    const uint64_t epoch = gate.View()->epoch;  // before the check: a later change shows as stale
    TV_RETURN_IF_ERROR(gate.Check(access, scope));
    call.decision.lock_epoch = epoch;
    return absl::OkStatus();
  };
  if (const absl::Status open = call.revalidate(); !open.ok()) return refuse(open);
  // The writer may look after this function returned: the lease lives as long as its check.
  // Rows that wait to be sent may be of a subject that is erased meanwhile.
  const DatasetId read = admitted->dataset->id;
  const auto none_erased = [plane = *data, read, rows = access == GateAccess::kRows,
                            newest = (*data)->erasures->Newest(read)]() -> absl::Status {
    if (!rows || plane->erasures->Newest(read) == newest) return absl::OkStatus();
    return WithReason(
        absl::UnavailableError(
            "a subject was erased while its dataset's rows were on the way; run the query again"),
        reason::kOverloaded);
  };
  const auto lease = std::make_shared<ReadLease>(
      ReadLease::Parts{.gate = gate,
                       .access = access,
                       .scope = scope,
                       .valid_until_us = call.decision.valid_until_us,
                       .caller = [this, &call, plane = *data, none_erased]() -> absl::Status {
                         TV_RETURN_IF_ERROR(serving_.front.StillValid(call));
                         TV_RETURN_IF_ERROR(none_erased());
                         if (call.decision.grant_id.empty()) return absl::OkStatus();
                         return plane->access->StillGranted(call.decision.grant_id);
                       },
                       .deadlines = DeadlinesOf(*data, admitted->dataset->id)});
  writer.SetCheck([lease] { return lease->Check(); });
  StreamRegistry::Entry entry(streams_,
                              {[lease] { return lease->Check(); }, [&writer] { writer.Wake(); }});
  const absl::Status end = Execute(call, *admitted, **data, writer, scope, *lease);
  entry.Ended(end);
  return end;
}

absl::Status QueryServiceImpl::Execute(Call& call, const AdmittedQuery& admitted, DataPlane& data,
                                       StreamWriter<v1::QueryResponse>& writer,
                                       const GateScope& scope, ReadLease& lease) {
  ResultStream stream(serving_.front, call, writer, random_, admitted.plan);
  query::ExecStats stats;
  const auto run = [&]() -> absl::Status {
    TV_ASSIGN_OR_RETURN(const auto snapshot, data.reader->Pin());
    query::PartitionSource source(*snapshot, admitted.dataset->schema, *data.partitions,
                                  serving_.front.lockdown(), *data.erasures, ModeOf(call));
    query::ExecContext context{.gate = serving_.front.lockdown(),
                               .scope = scope,
                               .clock = serving_.front.clock(),
                               .deadline = call.deadline,
                               .cancelled = &writer.cancelled_flag(),
                               .read_days = &lease.read_days(),
                               .memory_bytes = limits_.memory_bytes,
                               .threads = limits_.threads};
    if (call.decision.valid_until_us != 0) {
      const auto left = WallTime{call.decision.valid_until_us} - call.now;
      context.deadline.nanos =
          std::min(context.deadline.nanos, call.started.nanos + left.count() * 1'000);
    }
    return query::Execute(
        admitted.plan, source, context,
        [&](v1::QueryBatch batch) { return stream.Add(std::move(batch)); }, &stats);
  };
  return stream.Finish(run(), stats);
}

grpc::ServerUnaryReactor* QueryServiceImpl::Explain(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) {
  return ServeUnary<v1::ExplainRequest, v1::ExplainResponse>(
      serving_, context, kExplain, request, response,
      [this](Call& call, const v1::ExplainRequest& admitted, v1::ExplainResponse& answer) {
        return RunExplain(call, admitted, answer);
      });
}

absl::Status QueryServiceImpl::RunExplain(Call& call, const v1::ExplainRequest& request,
                                          v1::ExplainResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, data_.Data());
  TV_ASSIGN_OR_RETURN(const AdmittedQuery admitted,
                      AdmitQuery(serving_.front, *data, call, TextOf(request), QueryIntent::kPlan));
  response.set_plan(query::Explain(admitted.plan));
  for (const query::OutputColumn& column : admitted.plan.output()) {
    auto& out = *response.add_columns();
    out.set_name(column.name);
    out.set_kind(column.kind);
  }
  for (const std::string& field : admitted.plan.fields()) response.add_fields(field);
  response.set_mode(std::string(auth::ModeName(call.decision.mode)));
  response.set_k_min(call.decision.k_min);
  for (const auto& [field, mask] : call.decision.masks) {
    (*response.mutable_masks())[field] = auth::FormatMask(mask);
  }
  response.set_normalized_sql(admitted.parsed.normalized);
  response.set_fingerprint(admitted.parsed.fingerprint);
  // On which days there is anything at all may be the doing of one subject.
  if (call.decision.mode != auth::AccessMode::kRows) return absl::OkStatus();
  TV_ASSIGN_OR_RETURN(const auto snapshot, data->reader->Pin());
  query::PartitionSource source(*snapshot, admitted.dataset->schema, *data->partitions,
                                serving_.front.lockdown(), *data->erasures, ModeOf(call));
  TV_ASSIGN_OR_RETURN(const query::Listing listing, source.List(admitted.plan.time_range()));
  response.set_partitions(listing.partitions);
  response.set_partitions_pruned(listing.partitions_pruned);
  return absl::OkStatus();
}

}  // namespace televault::service
