#pragma once

#include <cstdint>
#include <utility>

#include <p11-kit/p11-kit.h>

#include "vault/crypto/pkcs11_module.h"

namespace televault::testing {

// What happens between a module and whoever calls it; one at a time, for any number of modules.
struct Pkcs11Faults {
  uint64_t calls = 0;
  uint64_t logins = 0;
  uint64_t stop_after = UINT64_MAX;  // from that call on everything answers `error`
  CK_RV error = CKR_DEVICE_REMOVED;
  bool lose_session_once = false;  // the next search says that its session is gone
  CK_FLAGS slot_flags = 0;         // added to what the slot says
  CK_MECHANISM_TYPE missing = 0;   // no token offers it
  bool no_mechanism = false;       // nor anything else
  bool token_gone = false;         // no slot has one any more
  CK_RV at_create = CKR_OK;        // what storing an object answers
  CK_RV at_login = CKR_OK;         // what a login answers
  CK_FLAGS token_flags = 0;        // added to what the token says

  CK_RV Next() { return ++calls > stop_after ? error : CKR_OK; }

  static Pkcs11Faults*& Current() {
    static Pkcs11Faults* current = nullptr;
    return current;
  }
  Pkcs11Faults() { Current() = this; }
  ~Pkcs11Faults() { Current() = nullptr; }
  Pkcs11Faults(const Pkcs11Faults&) = delete;
  Pkcs11Faults& operator=(const Pkcs11Faults&) = delete;

  // Puts itself before the module's functions.
  void Install(crypto::Pkcs11Module& module);

  static const CK_FUNCTION_LIST*& Real() {
    static const CK_FUNCTION_LIST* real = nullptr;
    return real;
  }
};

namespace internal {

template <auto Member>
struct Pkcs11Hook;
template <class... Args, CK_RV (*CK_FUNCTION_LIST::*Member)(Args...)>
struct Pkcs11Hook<Member> {
  static CK_RV Call(Args... args) {
    if (const CK_RV result = Pkcs11Faults::Current()->Next(); result != CKR_OK) return result;
    return (Pkcs11Faults::Real()->*Member)(args...);
  }
  static void Put(CK_FUNCTION_LIST& calls) { calls.*Member = &Call; }
};

}  // namespace internal

inline void Pkcs11Faults::Install(crypto::Pkcs11Module& module) {
  using internal::Pkcs11Hook;
  // Of one module that is loaded twice either will do.
  static CK_FUNCTION_LIST real;
  CK_FUNCTION_LIST& hooked = module.calls_for_test();
  real = hooked;
  Real() = &real;
  Pkcs11Hook<&CK_FUNCTION_LIST::C_GetSlotList>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_OpenSession>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_GetSessionInfo>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_FindObjects>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_FindObjectsFinal>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_GetAttributeValue>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_GenerateKey>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_DestroyObject>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_EncryptInit>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_Encrypt>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_DecryptInit>::Put(hooked);
  Pkcs11Hook<&CK_FUNCTION_LIST::C_Decrypt>::Put(hooked);
  hooked.C_Login = [](CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin,
                      CK_ULONG size) {
    ++Current()->logins;
    if (const CK_RV result = Current()->Next(); result != CKR_OK) return result;
    if (Current()->at_login != CKR_OK) return Current()->at_login;
    return Real()->C_Login(session, user, pin, size);
  };
  hooked.C_FindObjectsInit = [](CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count) {
    Pkcs11Faults& faults = *Current();
    if (std::exchange(faults.lose_session_once, false)) return CK_RV{CKR_SESSION_HANDLE_INVALID};
    if (const CK_RV result = faults.Next(); result != CKR_OK) return result;
    return Real()->C_FindObjectsInit(session, wanted, count);
  };
  hooked.C_CreateObject = [](CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count,
                             CK_OBJECT_HANDLE* object) {
    if (const CK_RV result = Current()->Next(); result != CKR_OK) return result;
    if (Current()->at_create != CKR_OK) return Current()->at_create;
    return Real()->C_CreateObject(session, wanted, count, object);
  };
  hooked.C_GetSlotInfo = [](CK_SLOT_ID slot, CK_SLOT_INFO* info) {
    const CK_RV result = Real()->C_GetSlotInfo(slot, info);
    info->flags |= Current()->slot_flags;
    return result;
  };
  hooked.C_GetTokenInfo = [](CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
    if (Current()->token_gone) return CK_RV{CKR_TOKEN_NOT_PRESENT};
    const CK_RV result = Real()->C_GetTokenInfo(slot, info);
    info->flags |= Current()->token_flags;
    return result;
  };
  hooked.C_GetMechanismInfo = [](CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
    if (type == Current()->missing || Current()->no_mechanism) return CK_RV{CKR_MECHANISM_INVALID};
    return Real()->C_GetMechanismInfo(slot, type, info);
  };
}

}  // namespace televault::testing
