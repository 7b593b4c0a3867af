#include "vault/block/compression.h"

#define ZSTD_STATIC_LINKING_ONLY  // For contexts with an allocator of our own.
#include <cstdlib>
#include <lz4.h>
#include <memory>
#include <zstd.h>

namespace televault::block {
namespace {

constexpr int kZstdLevel = 3;
constexpr size_t kLz4MostPerByte = 255;  // no LZ4 block inflates further

// zstd keeps literals in its context: the memory is wiped when it is given back.
struct Header {
  alignas(std::max_align_t) size_t size;
};
void* AllocateWiped(void*, size_t size) {
  auto* header = static_cast<Header*>(std::malloc(sizeof(Header) + size));
  if (header == nullptr) return nullptr;
  header->size = size;
  return header + 1;
}
void FreeWiped(void*, void* memory) {
  if (memory == nullptr) return;
  Header* header = static_cast<Header*>(memory) - 1;
  sodium_memzero(header, sizeof(Header) + header->size);
  std::free(header);
}
constexpr ZSTD_customMem kWipedMemory{&AllocateWiped, &FreeWiped, nullptr};

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

size_t ZstdCompress(Bytes raw, WipedBuffer& out) {
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx_advanced(kWipedMemory));
  if (context == nullptr) return 0;
  out.resize(ZSTD_compressBound(raw.size()));
  const size_t size =
      ZSTD_compressCCtx(context.get(), out.data(), out.size(), raw.data(), raw.size(), kZstdLevel);
  return ZSTD_isError(size) ? 0 : size;
}

size_t Lz4Compress(Bytes raw, WipedBuffer& out) {
  if (raw.size() > LZ4_MAX_INPUT_SIZE) return 0;
  out.resize(static_cast<size_t>(LZ4_compressBound(static_cast<int>(raw.size()))));
  const int size = LZ4_compress_default(reinterpret_cast<const char*>(raw.data()),
                                        reinterpret_cast<char*>(out.data()),
                                        static_cast<int>(raw.size()), static_cast<int>(out.size()));
  return size <= 0 ? 0 : static_cast<size_t>(size);
}

}  // namespace

std::optional<WipedBuffer> CompressIfWorth(Compression method, Bytes raw, double worth) {
  WipedBuffer out;
  const size_t size = method == Compression::kZstd ? ZstdCompress(raw, out) : Lz4Compress(raw, out);
  if (size == 0 || static_cast<double>(size) > worth * static_cast<double>(raw.size())) {
    return std::nullopt;
  }
  out.resize(size);
  return out;
}

absl::StatusOr<WipedBuffer> Decompress(Compression method, Bytes compressed, size_t raw_bytes) {
  const absl::Status broken = absl::DataLossError("compressed data does not inflate to its size");
  if (method == Compression::kZstd) {
    if (ZSTD_getFrameContentSize(compressed.data(), compressed.size()) != raw_bytes) return broken;
    const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx_advanced(kWipedMemory));
    if (context == nullptr) return absl::ResourceExhaustedError("no memory to inflate a chunk");
    WipedBuffer out(raw_bytes);
    const size_t size = ZSTD_decompressDCtx(context.get(), out.data(), out.size(),
                                            compressed.data(), compressed.size());
    if (ZSTD_isError(size) || size != raw_bytes) return broken;
    return out;
  }
  if (method != Compression::kLz4) return broken;
  if (raw_bytes / kLz4MostPerByte > compressed.size() || compressed.size() > LZ4_MAX_INPUT_SIZE ||
      raw_bytes > LZ4_MAX_INPUT_SIZE) {
    return broken;
  }
  WipedBuffer out(raw_bytes);
  const int size = LZ4_decompress_safe(
      reinterpret_cast<const char*>(compressed.data()), reinterpret_cast<char*>(out.data()),
      static_cast<int>(compressed.size()), static_cast<int>(raw_bytes));
  if (size < 0 || static_cast<size_t>(size) != raw_bytes) return broken;
  return out;
}

}  // namespace televault::block
