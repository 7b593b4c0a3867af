#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <p11-kit/p11-kit.h>

#include "vault/base/status.h"

namespace televault::crypto {

// A PKCS#11 module in this process, initialised for use by several threads and finalised when its
// last holder lets go. The same module may be loaded more than once.
// Its code is trusted with everything this process knows; a module of another process can be used
// through p11-kit's client module.
// Threads: any.
class Pkcs11Module {
 public:
  // `path` is absolute. UNAVAILABLE says why it cannot be loaded.
  static absl::StatusOr<std::shared_ptr<Pkcs11Module>> Load(const std::string& path);
  ~Pkcs11Module();
  Pkcs11Module(const Pkcs11Module&) = delete;
  Pkcs11Module& operator=(const Pkcs11Module&) = delete;

  const std::string& path() const { return path_; }
  const CK_FUNCTION_LIST& calls() const { return calls_; }
  // Tests put functions that fail there, before anybody uses the module.
  CK_FUNCTION_LIST& calls_for_test() { return calls_; }

 private:
  Pkcs11Module(std::string path, CK_FUNCTION_LIST* module)
      : path_(std::move(path)), module_(module), calls_(*module) {}

  const std::string path_;
  CK_FUNCTION_LIST* const module_;
  CK_FUNCTION_LIST calls_;
};

// What a call of a module answered, in words. OK for CKR_OK. ABORTED: the session is gone, a new
// one may do. UNAUTHENTICATED: the PIN is not the token's; it must not be tried again.
// RESOURCE_EXHAUSTED: the token is full. UNAVAILABLE: anything else.
absl::Status Pkcs11Status(CK_RV result, std::string_view what);

}  // namespace televault::crypto
