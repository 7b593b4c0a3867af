#include "vault/crypto/block_cipher.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <new>
#include <vector>

#include "vault/base/check.h"
#include "vault/crypto/aead_key.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace internal {

// Room for expanded keys in guarded, locked memory that is asked for once and used again: to make
// and give back a page of its own for each block costs more system calls than reading it.
// Threads: any. Invariant: a free slot is zero, but for what the destructor of AeadKey leaves.
class KeySlab {
 public:
  static KeySlab& Instance() {
    static auto* const slab = new KeySlab;
    return *slab;
  }
  void* Take() {
    const std::lock_guard lock(mu_);
    if (free_.empty()) Grow();
    void* const slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void Give(void* slot) {
    const std::lock_guard lock(mu_);
    free_.push_back(slot);
  }

 private:
  static constexpr size_t kSlots = 64;

  void Grow() {
    // Aligned: guarded memory ends at a page, and a size is a multiple of its alignment.
    SecretBytes& slab = slabs_.emplace_back(kSlots * sizeof(AeadKey));
    uint8_t* const first = slab.Write(MintSecretPass()).data();
    for (size_t i = 0; i < kSlots; ++i) free_.push_back(first + i * sizeof(AeadKey));
  }

  std::mutex mu_;  // guards all below
  std::deque<SecretBytes> slabs_;
  std::vector<void*> free_;
};

// A block key serves many chunks and lives as long as a reader keeps the block open.
class BlockKey {
 public:
  BlockKey(Algorithm algorithm, std::span<const uint8_t, 32> key)
      : key_(new (KeySlab::Instance().Take()) AeadKey(algorithm, key)) {}
  ~BlockKey() {
    key_->~AeadKey();
    KeySlab::Instance().Give(key_);
  }
  BlockKey(const BlockKey&) = delete;
  BlockKey& operator=(const BlockKey&) = delete;

  const AeadKey& key() const { return *key_; }

 private:
  AeadKey* const key_;
};

}  // namespace internal

namespace {

constexpr uint8_t kBlockVersion = 1;

std::span<const uint8_t, 16> Personal() {
  static constexpr std::string_view kPersonal = "televault.blk.v1";
  static_assert(kPersonal.size() == 16);
  return AsBytes(kPersonal).first<16>();
}

absl::Status DoesNotOpen() { return absl::DataLossError("does not open"); }

}  // namespace

BlockSealer::BlockSealer(const SecretBytes& data_key, Random& random)
    : BlockSealer(PreferredAlgorithm(), data_key, random) {}

BlockSealer::BlockSealer(Algorithm algorithm, const SecretBytes& data_key, Random& random) {
  header_.algorithm = algorithm;
  random.Fill(header_.salt);
  const internal::CommittedKey derived(data_key, header_.salt, Personal(), kBlockVersion,
                                       algorithm);
  std::copy(derived.commitment().begin(), derived.commitment().end(), header_.commitment.begin());
  key_ = std::make_unique<internal::BlockKey>(algorithm, derived.key());
}

BlockSealer::~BlockSealer() = default;
BlockSealer::BlockSealer(BlockSealer&&) noexcept = default;

std::string BlockSealer::Seal(uint32_t ordinal, Bytes aad, Bytes plaintext) {
  TV_CHECK(!last_ordinal_.has_value() || ordinal > *last_ordinal_);
  last_ordinal_ = ordinal;
  std::string sealed(plaintext.size() + kTagBytes, '\0');
  key_->key().Seal(ordinal, aad, plaintext, reinterpret_cast<uint8_t*>(sealed.data()));
  return sealed;
}

BlockOpener::BlockOpener(std::unique_ptr<internal::BlockKey> key) : key_(std::move(key)) {}
BlockOpener::~BlockOpener() = default;
BlockOpener::BlockOpener(BlockOpener&&) noexcept = default;

absl::StatusOr<BlockOpener> BlockOpener::Create(const SecretBytes& data_key,
                                                const BlockKeyHeader& header) {
  TV_ASSIGN_OR_RETURN(const Algorithm algorithm,
                      ParseAlgorithm(static_cast<uint8_t>(header.algorithm)));
  const internal::CommittedKey derived(data_key, header.salt, Personal(), kBlockVersion, algorithm);
  if (!EqualSecrets(derived.commitment(), header.commitment)) return DoesNotOpen();
  return BlockOpener(std::make_unique<internal::BlockKey>(algorithm, derived.key()));
}

absl::Status BlockOpener::Open(uint32_t ordinal, Bytes aad, Bytes sealed, WipedBuffer& out) const {
  out.clear();
  if (sealed.size() < kTagBytes) return DoesNotOpen();
  out.resize(sealed.size() - kTagBytes);
  if (!key_->key().Open(ordinal, aad, sealed, out.data())) {
    out.clear();
    return DoesNotOpen();
  }
  return absl::OkStatus();
}

}  // namespace televault::crypto
