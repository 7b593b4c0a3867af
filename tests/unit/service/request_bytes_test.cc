#include "vault/service/request_bytes.h"

#include <gtest/gtest.h>
#include <vector>
#include <zlib.h>

#include "tests/support/status_matchers.h"
#include "vault/base/bytes.h"
#include "vault/base/limits.h"

namespace televault::service {
namespace {

using televault::testing::HasReason;
using televault::testing::StatusIs;

std::string Gzip(const std::string& text) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

absl::StatusOr<std::string> InPieces(const std::string& bytes, size_t piece) {
  std::vector<std::span<const uint8_t>> pieces;
  const auto all = AsBytes(bytes);
  for (size_t at = 0; at < all.size(); at += piece) {
    pieces.push_back(all.subspan(at, std::min(piece, all.size() - at)));
  }
  return Inflate(pieces, limits::kMaxMessageBytes);
}

TEST(RequestBytes, InflatesInWhateverPiecesItComes) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1'000}, 256 * limits::KiB, limits::MiB}) {
    std::string text(size, 'a');
    for (size_t i = 0; i < size; i += 7) text[i] = static_cast<char>(i);
    const std::string packed = Gzip(text);
    EXPECT_TRUE(LooksLikeGzip(static_cast<uint8_t>(packed[0])));
    for (const size_t piece : {size_t{7}, size_t{4'096}, packed.size()}) {
      TV_ASSERT_OK_AND_ASSIGN(const std::string back, InPieces(packed, piece));
      EXPECT_TRUE(back == text) << size << " in pieces of " << piece;
    }
  }
}

TEST(RequestBytes, WhatWasCutChangedOrFollowedByAnythingIsMalformed) {
  const std::string packed = Gzip("a request of some length, a request of some length");
  for (size_t size = 0; size < packed.size(); ++size) {
    EXPECT_THAT(InPieces(packed.substr(0, size), 5), HasReason(reason::kMalformed)) << size;
  }
  EXPECT_THAT(InPieces(packed + "x", 5), HasReason(reason::kMalformed));
  EXPECT_THAT(InPieces(packed + packed, 1'000), HasReason(reason::kMalformed));
  std::string changed = packed;
  changed[changed.size() - 6] ^= 1;  // the checksum
  EXPECT_THAT(InPieces(changed, 1'000), HasReason(reason::kMalformed));
  EXPECT_THAT(InPieces("\x1f no gzip at all", 1'000), HasReason(reason::kMalformed));
}

TEST(RequestBytes, InflatesToTheBoundAndNotBeyond) {
  EXPECT_TRUE(InPieces(Gzip(std::string(limits::kMaxMessageBytes, 'a')), 1'000).ok());
  EXPECT_THAT(InPieces(Gzip(std::string(limits::kMaxMessageBytes + 1, 'a')), 1'000),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace televault::service
