#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/pkcs11_module.h"
#include "vault/crypto/token_secret.h"

namespace televault::crypto {

enum class TokenObject { kData, kKey };

// A read-write session with one token, logged in as its user: the calls that slots are made of.
// Refuses a token that cannot hold a key of ours: no AES of 256 bits made on it, write-protected.
// Threads: one at a time.
// Failure: as Pkcs11Status says; the holder lets go of a session that answered ABORTED.
class Pkcs11Session {
 public:
  // NOT_FOUND: no token of that label. FAILED_PRECONDITION: several, or one that is not set up,
  // locked, or one wrong PIN away from that. UNAUTHENTICATED: the token does not take the PIN, or
  // no PIN any more. Logs in once, never again.
  static absl::StatusOr<std::unique_ptr<Pkcs11Session>> Open(std::shared_ptr<Pkcs11Module> module,
                                                             const std::string& label,
                                                             const SecretBytes& pin);
  ~Pkcs11Session();
  Pkcs11Session(const Pkcs11Session&) = delete;
  Pkcs11Session& operator=(const Pkcs11Session&) = delete;

  // The slot says that the token is a device.
  bool hardware() const { return hardware_; }
  TokenCipher cipher() const { return cipher_; }
  // ABORTED unless the session is there and logged in: private objects are seen.
  absl::Status Check();

  // Objects of that kind with the label, "" = all of the kind that could be ours.
  absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Find(TokenObject kind, std::string_view label);
  // NOT_FOUND where the object has gone meanwhile.
  absl::StatusOr<std::string> Label(CK_OBJECT_HANDLE object);
  absl::StatusOr<std::string> Value(CK_OBJECT_HANDLE data);
  // OK where it has gone already.
  absl::Status Destroy(CK_OBJECT_HANDLE object);

  // An AES-256 key made on the token, which it never gives out. FAILED_PRECONDITION for a token
  // that would.
  absl::StatusOr<CK_OBJECT_HANDLE> GenerateKey(const std::string& label, const std::string& id);
  // A private data object.
  absl::Status CreateData(const std::string& label, std::string_view value);
  // `iv` is ours; where the token took another one, that is in its place afterwards.
  absl::StatusOr<std::string> Encrypt(CK_OBJECT_HANDLE key, TokenCipher cipher, std::string& iv,
                                      const std::string& identity, const SecretBytes& secret);
  // DATA_LOSS where it does not open.
  absl::StatusOr<SecretBytes> Decrypt(CK_OBJECT_HANDLE key, const TokenSecret& secret,
                                      const std::string& identity);

 private:
  Pkcs11Session(std::shared_ptr<Pkcs11Module> module, CK_SLOT_ID slot)
      : module_(std::move(module)), slot_(slot) {}
  absl::Status Inspect();
  absl::Status ChooseCipher();
  bool Offers(CK_MECHANISM_TYPE mechanism, CK_FLAGS flags);
  absl::Status LogIn(const SecretBytes& pin);
  absl::Status CheckKept(CK_OBJECT_HANDLE key);
  absl::StatusOr<std::string> Attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  const CK_FUNCTION_LIST& calls() const { return module_->calls(); }

  const std::shared_ptr<Pkcs11Module> module_;
  const CK_SLOT_ID slot_;
  CK_SESSION_HANDLE session_ = 0;
  bool open_ = false;
  bool hardware_ = false;
  TokenCipher cipher_ = TokenCipher::kAesGcm;
};

}  // namespace televault::crypto
