#include "vault/service/result_stream.h"

#include <utility>

#include "audit/merkle.h"
#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/service/query_call.h"

namespace televault::service {
namespace {

// The first window is what a short answer may have; later ones are larger, to pay one fsync for
// more rows.
constexpr size_t kFirstWindowBytes = limits::kMaxResultBatchBytes;
constexpr size_t kWindowBytes = 4 * limits::MiB;
constexpr size_t kSaltBytes = 16;

}  // namespace

v1::QueryTrailer TrailerFor(auth::AccessMode mode, const query::ExecStats& stats, uint64_t rows,
                            uint64_t duration_us) {
  v1::QueryTrailer trailer;
  trailer.set_rows(rows);
  trailer.set_suppressed_groups(stats.groups_withheld);
  trailer.set_suppressed_cells(stats.suppressed_cells > 0);
  trailer.set_approximate(stats.approximate);
  for (const query::Refusal& refusal : stats.refusals) {
    auto& out = *trailer.add_refusals();
    out.set_day(FormatDay(refusal.day));
    out.set_reason(refusal.reason);
  }
  if (mode != auth::AccessMode::kRows) return trailer;
  trailer.set_rows_scanned(stats.rows_scanned);
  trailer.set_partitions_read(stats.partitions_read);
  trailer.set_partitions_pruned(stats.partitions_pruned);
  trailer.set_blocks_read(stats.blocks_read);
  trailer.set_blocks_pruned(stats.blocks_pruned);
  trailer.set_duration_us(duration_us);
  return trailer;
}

ResultStream::ResultStream(Front& front, Call& call, StreamWriter<v1::QueryResponse>& writer,
                           Random& random, const query::Plan& plan)
    : front_(front),
      call_(call),
      writer_(writer),
      rows_mode_(call.decision.mode == auth::AccessMode::kRows),
      running_digest_(kSaltBytes, '\0') {
  random.Fill({reinterpret_cast<uint8_t*>(running_digest_.data()), running_digest_.size()});
  for (const query::OutputColumn& column : plan.output()) {
    auto& out = *header_.add_columns();
    out.set_name(column.name);
    out.set_kind(column.kind);
  }
}

absl::Status ResultStream::Add(v1::QueryBatch batch) {
  const std::string bytes = batch.SerializeAsString();
  const audit::Hash hash = audit::LeafHash(AsBytes(running_digest_ + bytes));
  running_digest_.resize(kSaltBytes);
  running_digest_.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  window_bytes_ += bytes.size();
  window_rows_ += batch.rows();
  window_.push_back({std::move(batch), running_digest_});
  if (window_bytes_ <= (header_sent_ ? kWindowBytes : kFirstWindowBytes)) return absl::OkStatus();
  return FlushWindow();
}

absl::Status ResultStream::RecordIntent(uint64_t rows) {
  record::v1::AuditEntry entry = call_.entry;
  entry.set_kind(record::v1::ENTRY_KIND_INTENT);
  if (rows_mode_) entry.set_rows_debited(rows);
  TV_ASSIGN_OR_RETURN(const Recorder::Recorded recorded, front_.RecordStep(call_, entry, {}));
  if (!call_.entry.has_intent()) {
    call_.entry.set_has_intent(true);
    call_.entry.set_intent_index(recorded.index.value());
    header_.set_audit_intent_index(recorded.index.value());
  }
  return absl::OkStatus();
}

absl::Status ResultStream::WriteHeader() {
  if (header_sent_) return absl::OkStatus();
  v1::QueryResponse response;
  *response.mutable_header() = header_;
  TV_RETURN_IF_ERROR(writer_.Write(response));
  header_sent_ = true;
  return absl::OkStatus();
}

absl::Status ResultStream::WriteWindow() {
  for (Held& held : window_) {
    const uint64_t rows = held.batch.rows();
    const uint64_t bytes = held.batch.ByteSizeLong();
    v1::QueryResponse response;
    response.mutable_batch()->Swap(&held.batch);
    TV_RETURN_IF_ERROR(writer_.Write(response));
    // One by one: a stream that is cut inside a window still says how much of it has left.
    rows_ += rows;
    bytes_ += bytes;
    digest_ = std::move(held.digest);
  }
  DropWindow();
  return absl::OkStatus();
}

void ResultStream::DropWindow() {
  window_.clear();
  window_bytes_ = window_rows_ = 0;
}

absl::Status ResultStream::FlushWindow() {
  // Aggregates are covered by the one intent; rows are debited window by window.
  if (rows_mode_ || !call_.entry.has_intent()) TV_RETURN_IF_ERROR(RecordIntent(window_rows_));
  TV_RETURN_IF_ERROR(WriteHeader());
  return WriteWindow();
}

void ResultStream::NoteAnswer(const query::ExecStats& stats) {
  record::v1::AuditEntry& entry = call_.entry;
  const uint64_t rows = rows_ + window_rows_;
  entry.set_rows_scanned(stats.rows_scanned);
  entry.set_rows_returned(rows_mode_ ? rows : 0);
  entry.set_groups_returned(rows_mode_ ? 0 : rows);
  entry.set_cells_returned(rows * static_cast<uint64_t>(header_.columns_size()));
  entry.set_suppressed(stats.suppressed_groups + stats.suppressed_cells);
  entry.set_bytes_returned(bytes_ + window_bytes_);
  call_.response_digest = window_.empty() ? digest_ : running_digest_;
}

absl::Status ResultStream::Finish(const absl::Status& status, const query::ExecStats& stats) {
  if (!status.ok()) {
    // What has left is recorded; what is still here never leaves.
    DropWindow();
    NoteAnswer(stats);
    return front_.Refuse(call_, status);
  }
  NoteAnswer(stats);
  call_.on_withheld = [this, &stats] {
    DropWindow();
    NoteAnswer(stats);
  };
  const absl::StatusOr<v1::AuditReceipt> receipt = front_.Conclude(call_, status);
  call_.on_withheld = nullptr;
  TV_RETURN_IF_ERROR(receipt.status());
  header_.set_audit_intent_index(receipt->intent_index());
  TV_RETURN_IF_ERROR(WriteHeader());
  TV_RETURN_IF_ERROR(WriteWindow());

  v1::QueryResponse last;
  v1::QueryTrailer& trailer = *last.mutable_trailer();
  trailer = TrailerFor(call_.decision.mode, stats, rows_, call_.entry.duration_us());
  *trailer.mutable_receipt() = *receipt;
  return writer_.Write(last);
}

}  // namespace televault::service
