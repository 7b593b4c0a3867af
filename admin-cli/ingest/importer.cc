#include "admin-cli/ingest/importer.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace televault::cli {

Importer::Importer(std::string dataset, mapping::Shape shape, BatchOptions batching,
                   client::AppenderOptions sending, client::Appender::Open open,
                   client::Appender::Pause pause, Callbacks callbacks)
    : dataset_(std::move(dataset)),
      shape_(std::move(shape)),
      callbacks_(std::move(callbacks)),
      builder_(std::move(batching)),
      appender_(sending, std::move(open), std::move(pause),
                [this](const v1::AppendRequest& request,
                       const absl::StatusOr<v1::AppendResponse>& answer) {
                  TakeAnswer(request, answer);
                }) {}

absl::Status Importer::Feed(mapping::ParsedRecords&& records) {
  counts_.read += records.records.size() + records.errors.size();
  counts_.unreadable += records.errors.size();
  for (mapping::RecordError& error : records.errors) {
    Refuse({error.number, "", "UNREADABLE", std::move(error.message)});
  }
  std::vector<NumberedBatch> full;
  for (const mapping::Record& record : records.records) {
    const std::string& dataset = dataset_.empty() ? record.dataset : dataset_;
    if (dataset.empty()) {
      ++counts_.unreadable;
      Refuse({record.number, "", "NO_DATASET", "the record names no dataset: give --dataset"});
      continue;
    }
    v1::Event event;
    mapping::ToEvent(record, shape_, event);
    builder_.Add(dataset, std::move(event), record.number, full);
  }
  return Send(std::move(full));
}

absl::Status Importer::Finish() {
  TV_RETURN_IF_ERROR(Send(builder_.Finish()));
  TV_RETURN_IF_ERROR(appender_.Flush());
  return refusal_of_all_;
}

absl::Status Importer::Send(std::vector<NumberedBatch>&& batches) {
  for (NumberedBatch& batch : batches) {
    TV_RETURN_IF_ERROR(refusal_of_all_);
    lines_[batch.request.batch_id()] = std::move(batch.lines);
    TV_RETURN_IF_ERROR(appender_.Append(std::move(batch.request)));
  }
  return absl::OkStatus();
}

void Importer::TakeAnswer(const v1::AppendRequest& request,
                          const absl::StatusOr<v1::AppendResponse>& answer) {
  const auto node = lines_.extract(request.batch_id());
  const std::vector<uint64_t> lines = node.empty() ? std::vector<uint64_t>() : node.mapped();
  ++counts_.batches;
  if (!answer.ok()) {
    counts_.rejected += lines.size();
    if (first_refusal_.ok()) first_refusal_ = answer.status();
    // Records that name their datasets may go to one that is allowed.
    const bool same_for_all =
        absl::IsPermissionDenied(answer.status()) || absl::IsNotFound(answer.status());
    if (same_for_all && !dataset_.empty()) refusal_of_all_ = answer.status();
    for (const uint64_t line : lines) {
      Refuse({line, "", "BATCH_REFUSED", std::string(answer.status().message())});
    }
  } else {
    counts_.accepted += answer->accepted();
    counts_.rejected += answer->rejected();
    counts_.duplicates += answer->duplicate() ? 1 : 0;
    ++stored_batches_;
    if (answer->duplicate() && answer->rejected() > 0 && !lines.empty()) {
      Refuse(
          {lines.front(), "", "REFUSED_BEFORE",
           absl::StrCat("of the records from here to line ", lines.back(), ", ", answer->rejected(),
                        " were refused when this batch was first sent: the rejects of that run "
                        "say which")});
    }
    for (const v1::Reject& reject : answer->rejects()) {
      const uint64_t line = reject.index() < lines.size() ? lines[reject.index()] : 0;
      Refuse({line, reject.field(), reject.rule(), reject.message()});
    }
    const auto told = static_cast<uint32_t>(answer->rejects_size());
    if (!answer->duplicate() && told < answer->rejected()) {
      Refuse({lines.empty() ? 0 : lines.back(), "", "NOT_LISTED",
              absl::StrCat(answer->rejected() - told,
                           " more records up to here were refused; the vault lists only so many")});
    }
    callbacks_.on_checkpoint(answer->receipt().checkpoint());
  }
  callbacks_.on_progress(counts_);
}

}  // namespace televault::cli
