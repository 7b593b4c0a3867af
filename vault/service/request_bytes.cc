#include "vault/service/request_bytes.h"

#include <algorithm>
#include <limits>
#include <zlib.h>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
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

}  // namespace

absl::StatusOr<std::string> Inflate(std::span<const std::span<const uint8_t>> pieces,
                                    size_t max_bytes) {
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
      const size_t step = std::min(kStepBytes, max_bytes + 1 - had);
      out.resize(had + step);
      stream.z.next_out = reinterpret_cast<Bytef*>(out.data()) + had;
      stream.z.avail_out = static_cast<uInt>(step);
      state = inflate(&stream.z, Z_NO_FLUSH);
      out.erase(had + step - stream.z.avail_out);
      if (out.size() > max_bytes) return RequestTooLarge(max_bytes);
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) return Broken();
    } while (stream.z.avail_in > 0 || stream.z.avail_out == 0);
  }
  if (state != Z_STREAM_END) return Broken();
  return out;
}

absl::Status RequestTooLarge(size_t max_bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the request has, once inflated, more than the ", max_bytes,
                   " bytes that one of its kind may have: send it in parts"));
}

absl::Status NotAMessage(std::string_view type) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat(
                        "the request is not a message of type ", ToAbsl(type),
                        ": its bytes do not parse, or a text in it is not UTF-8; build the client "
                        "from the .proto files of this version")),
                    reason::kMalformed);
}

}  // namespace televault::service
