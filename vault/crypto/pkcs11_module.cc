#include "vault/crypto/pkcs11_module.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "vault/base/bytes.h"

namespace televault::crypto {

absl::StatusOr<std::shared_ptr<Pkcs11Module>> Pkcs11Module::Load(const std::string& path) {
  // It would print what is returned here.
  p11_kit_be_quiet();
  const auto failed = [&path](const char* why) {
    return absl::UnavailableError(absl::StrCat("the PKCS#11 module ", path, " cannot be used: ",
                                               why == nullptr ? "it does not say why" : why));
  };
  CK_FUNCTION_LIST* const module = p11_kit_module_load(path.c_str(), 0);
  if (module == nullptr) return failed(p11_kit_message());
  // Asks for CKF_OS_LOCKING_OK, counts who uses the module, and refuses it in a forked child.
  if (const CK_RV result = p11_kit_module_initialize(module); result != CKR_OK) {
    p11_kit_module_release(module);
    return failed(p11_kit_strerror(result));
  }
  return std::shared_ptr<Pkcs11Module>(new Pkcs11Module(path, module));
}

Pkcs11Module::~Pkcs11Module() {
  p11_kit_module_finalize(module_);
  p11_kit_module_release(module_);
}

absl::Status Pkcs11Status(CK_RV result, std::string_view what) {
  if (result == CKR_OK) return absl::OkStatus();
  const std::string text = absl::StrCat(ToAbsl(what), ": ", p11_kit_strerror(result),
                                        absl::StrFormat(" (0x%x)", result));
  switch (result) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SLOT_ID_INVALID:
    case CKR_USER_NOT_LOGGED_IN:
      return absl::AbortedError(text);
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
      return absl::UnauthenticatedError(text);
    case CKR_DEVICE_MEMORY:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

}  // namespace televault::crypto
