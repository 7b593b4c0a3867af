#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "vault/base/bytes.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/aead.h"

namespace televault::crypto {

// What the block manifest keeps so that a block can be opened again.
struct BlockKeyHeader {
  Algorithm algorithm = Algorithm::kXChaCha20Poly1305;
  std::array<uint8_t, 16> salt{};
  std::array<uint8_t, 32> commitment{};
};

namespace internal {
class BlockKey;
}

// Seals the chunks of one new block under a key of its own: fresh salt,
// BLAKE2b-512(key = data key, salt, personal = "televault.blk.v1") → key ‖ commitment.
// Refuses to seal one ordinal twice (TV_CHECK): the nonce is the ordinal.
// Threads: one.
class BlockSealer {
 public:
  // `data_key` has 32 bytes and need not outlive the sealer.
  BlockSealer(const SecretBytes& data_key, Random& random);
  BlockSealer(Algorithm algorithm, const SecretBytes& data_key, Random& random);
  ~BlockSealer();
  BlockSealer(BlockSealer&&) noexcept;

  const BlockKeyHeader& header() const { return header_; }
  // Ordinals rise strictly. `aad` binds everything a reader relies on; the caller builds it from
  // what the manifest will say. The answer is ciphertext ‖ tag.
  std::string Seal(uint32_t ordinal, Bytes aad, Bytes plaintext);

 private:
  BlockKeyHeader header_;
  std::unique_ptr<internal::BlockKey> key_;
  std::optional<uint32_t> last_ordinal_;
};

// Opens the chunks of one block.
// Threads: any.
class BlockOpener {
 public:
  // Checks the commitment: DATA_LOSS "does not open" under any other data key.
  static absl::StatusOr<BlockOpener> Create(const SecretBytes& data_key,
                                            const BlockKeyHeader& header);
  ~BlockOpener();
  BlockOpener(BlockOpener&&) noexcept;

  // `out` is resized to the plaintext and left empty on failure. DATA_LOSS "does not open".
  absl::Status Open(uint32_t ordinal, Bytes aad, Bytes sealed, WipedBuffer& out) const;

 private:
  explicit BlockOpener(std::unique_ptr<internal::BlockKey> key);
  std::unique_ptr<internal::BlockKey> key_;
};

}  // namespace televault::crypto
