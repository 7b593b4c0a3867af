#include <cstddef>
#include <cstdint>
#include <string_view>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/service/request_size.h"

namespace {

using namespace televault;

// What the parser takes is measured, and never as less than it becomes.
void Check(google::protobuf::Message& message, const uint8_t* data, size_t size) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto measured = service::ParsedBytes(bytes, type, limits::kMaxParsedMessageBytes);
  const size_t empty_bytes = message.SpaceUsedLong() + 256;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return;
  TV_CHECK(measured.ok());
  TV_CHECK(*measured + empty_bytes >= message.SpaceUsedLong());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  v1::AppendStreamRequest append;
  Check(append, data, size);
  opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest logs;
  Check(logs, data, size);
  return 0;
}
