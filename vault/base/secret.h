#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <sodium/utils.h>
#include <span>
#include <vector>

namespace televault {

class SecretPass;
namespace crypto {
// Mints the pass that opens a SecretBytes. Defined in vault/crypto only.
SecretPass MintSecretPass();
}  // namespace crypto

// Proof that the caller may look at key material. Only vault/crypto mints one; tests/lint keeps the
// list of files that ask for it.
class SecretPass {
  friend SecretPass crypto::MintSecretPass();
  SecretPass() = default;
};

// Key material: guarded pages, locked where the machine allows, wiped when freed.
// Refuses to be copied, printed or compared; reading needs a SecretPass.
// Threads: immutable after filling.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size);
  SecretBytes(SecretBytes&&) noexcept = default;
  SecretBytes& operator=(SecretBytes&&) noexcept = default;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const uint8_t> Read(SecretPass) const { return {data_.get(), size_}; }
  std::span<uint8_t> Write(SecretPass) { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(uint8_t* data) const;
  };
  std::unique_ptr<uint8_t[], Free> data_;
  size_t size_ = 0;
};

// Wipes memory on free. For decrypted telemetry: many, short-lived, too large for guarded pages.
template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) {}  // NOLINT: allocators convert implicitly.
  T* allocate(size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, size_t n) {
    sodium_memzero(p, n * sizeof(T));
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

template <class T>
using WipedVector = std::vector<T, WipingAllocator<T>>;
using WipedBuffer = WipedVector<uint8_t>;

}  // namespace televault
