#include "admin-cli/ingest/batch_builder.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <utility>

#include "audit/merkle.h"
#include "vault/base/bytes.h"

namespace televault::cli {
namespace {

constexpr char kDomain[] = "televault-batch-id/v1";
constexpr size_t kBatchIdBytes = 16;

}  // namespace

std::string BatchId(const v1::AppendRequest& request, uint64_t number, const std::string& run) {
  std::string content = kDomain;
  PutBigEndian(content, number);
  PutBigEndian(content, static_cast<uint32_t>(run.size()));
  content += run;
  {
    google::protobuf::io::StringOutputStream bytes(&content);
    google::protobuf::io::CodedOutputStream coded(&bytes);
    // The order of a map in memory differs from run to run.
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  const audit::Hash hash = audit::LeafHash(AsBytes(content));
  return std::string(hash.begin(), hash.begin() + kBatchIdBytes);
}

void BatchBuilder::Add(const std::string& dataset, v1::Event event, uint64_t line,
                       std::vector<NumberedBatch>& full) {
  Open& open = open_[dataset];
  const size_t bytes = event.ByteSizeLong();
  if (!open.batch.lines.empty() && open.bytes + bytes > options_.max_bytes) {
    full.push_back(Close(dataset, open));
  }
  *open.batch.request.mutable_rows()->add_events() = std::move(event);
  open.batch.lines.push_back(line);
  open.bytes += bytes;
  if (open.batch.lines.size() >= options_.max_events) full.push_back(Close(dataset, open));
}

std::vector<NumberedBatch> BatchBuilder::Finish() {
  std::vector<NumberedBatch> rest;
  for (auto& [dataset, open] : open_) {
    if (!open.batch.lines.empty()) rest.push_back(Close(dataset, open));
  }
  return rest;
}

NumberedBatch BatchBuilder::Close(const std::string& dataset, Open& open) {
  NumberedBatch batch = std::exchange(open.batch, {});
  open.bytes = 0;
  batch.request.set_dataset(dataset);
  batch.request.set_source(options_.source);
  if (options_.has_consent) *batch.request.mutable_consent() = options_.consent;
  batch.request.set_batch_id(BatchId(batch.request, open.number++, options_.run));
  return batch;
}

}  // namespace televault::cli
