#include "vault/service/request_bytes.h"

#include <algorithm>
#include <limits>
#include <zlib.h>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"

namespace televault::service {
namespace {

constexpr size_t kStepBytes = 256 * limits::KiB;
constexpr int kGzipWindow = 15 + 16;  // the largest window; a gzip header, nothing else

struct Stream {
  z_stream z{};
  bool ready = inflateInit2(&z, kGzipWindow) == Z_OK;
  Stream() = default;
  ~Stream() {
    if (ready) inflateEnd(&z);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

absl::Status Broken() {
  return WithReason(absl::InvalidArgumentError(
                        "the request is compressed and does not inflate: it has to be one whole "
                        "gzip stream"),
                    reason::kMalformed);
}

absl::Status TooLarge() {
  return absl::ResourceExhaustedError(
      absl::StrCat("the request inflates to more than the ", limits::kMaxMessageBytes,
                   " bytes that a message may have: send it in parts"));
}

}  // namespace

absl::StatusOr<std::string> Inflate(std::span<const std::span<const uint8_t>> pieces) {
  Stream stream;
  if (!stream.ready) return absl::ResourceExhaustedError("no memory to inflate a request");
  std::string out;
  int state = Z_OK;
  for (const std::span<const uint8_t> piece : pieces) {
    if (piece.size() > std::numeric_limits<uInt>::max()) return Broken();
    stream.z.next_in = const_cast<Bytef*>(piece.data());  // zlib only reads it
    stream.z.avail_in = static_cast<uInt>(piece.size());
    // Until a step leaves room: then nothing of this piece is left inside.
    do {
      if (state == Z_STREAM_END) {
        if (stream.z.avail_in > 0) return Broken();
        break;
      }
      const size_t had = out.size();
      // One byte of room beyond the bound shows that there is more.
      const size_t step = std::min(kStepBytes, limits::kMaxMessageBytes + 1 - had);
      out.resize(had + step);
      stream.z.next_out = reinterpret_cast<Bytef*>(out.data()) + had;
      stream.z.avail_out = static_cast<uInt>(step);
      state = inflate(&stream.z, Z_NO_FLUSH);
      out.erase(had + step - stream.z.avail_out);
      if (out.size() > limits::kMaxMessageBytes) return TooLarge();
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) return Broken();
    } while (stream.z.avail_in > 0 || stream.z.avail_out == 0);
  }
  if (state != Z_STREAM_END) return Broken();
  return out;
}

absl::Status NotAMessage(const google::protobuf::MessageLite& message) {
  return WithReason(
      absl::InvalidArgumentError("the request is not a message of type " + message.GetTypeName() +
                                 ": its bytes do not parse, or a text in it is not UTF-8; build "
                                 "the client from the .proto files of this version"),
      reason::kMalformed);
}

}  // namespace televault::service
