#include "vault/crypto/pkcs11_session.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/crypto/aead.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

constexpr char kApplication[] = "televault";
constexpr CK_ULONG kFoundAtOnce = 64;

// A template of attributes; owns what they point to.
class Attributes {
 public:
  Attributes& Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    return Text(type, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  Attributes& Flag(CK_ATTRIBUTE_TYPE type, bool value) {
    const CK_BBOOL flag = value ? CK_TRUE : CK_FALSE;
    return Text(type, {reinterpret_cast<const char*>(&flag), sizeof flag});
  }
  Attributes& Text(CK_ATTRIBUTE_TYPE type, std::string_view value) {
    values_.emplace_back(value);
    list_.push_back({type, values_.back().data(), values_.back().size()});
    return *this;
  }
  CK_ATTRIBUTE* data() { return list_.data(); }
  CK_ULONG size() const { return list_.size(); }

 private:
  std::deque<std::string> values_;  // never moves them
  std::vector<CK_ATTRIBUTE> list_;
};

CK_BYTE* Mutable(std::string& text) { return reinterpret_cast<CK_BYTE*>(text.data()); }
// PKCS#11 takes what it only reads as if it wrote there.
CK_BYTE* Mutable(Bytes bytes) { return const_cast<CK_BYTE*>(bytes.data()); }

std::string LabelOf(const CK_TOKEN_INFO& info) {
  std::string label(reinterpret_cast<const char*>(info.label), sizeof info.label);
  label.resize(label.find_last_not_of(' ') + 1);
  return label;
}

// The mechanism for one secret, and the memory its parameters point to.
class Mechanism {
 public:
  Mechanism(TokenCipher cipher, std::string& iv, const std::string& identity) {
    if (cipher == TokenCipher::kAesGcm) {
      gcm_.iv_ptr = Mutable(iv);
      gcm_.iv_len = iv.size();
      gcm_.iv_bits = iv.size() * 8;
      gcm_.aad_ptr = Mutable(AsBytes(identity));
      gcm_.aad_len = identity.size();
      gcm_.tag_bits = kTagBytes * 8;
      mechanism_ = {CKM_AES_GCM, &gcm_, sizeof gcm_};
    } else {
      mechanism_ = {CKM_AES_CBC, iv.data(), iv.size()};
    }
  }
  Mechanism(const Mechanism&) = delete;
  Mechanism& operator=(const Mechanism&) = delete;
  CK_MECHANISM* get() { return &mechanism_; }

 private:
  CK_GCM_PARAMS gcm_{};
  CK_MECHANISM mechanism_{};
};

// The slots that hold a token of that label; `others` gets the labels of the rest.
absl::StatusOr<std::vector<CK_SLOT_ID>> SlotsOf(const CK_FUNCTION_LIST& calls,
                                                const std::string& label, std::string& others) {
  std::vector<CK_SLOT_ID> slots(limits::kMaxTokenSlots);
  CK_ULONG count = slots.size();
  // Tokens that came since the last look are seen once the list was asked for without a buffer.
  CK_ULONG unused = 0;
  TV_RETURN_IF_ERROR(
      Pkcs11Status(calls.C_GetSlotList(CK_TRUE, nullptr, &unused), "cannot list the tokens"));
  TV_RETURN_IF_ERROR(
      Pkcs11Status(calls.C_GetSlotList(CK_TRUE, slots.data(), &count), "cannot list the tokens"));
  slots.resize(count);
  std::vector<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    // One that does not answer is not the one, or is missed below.
    if (calls.C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    const std::string name = LabelOf(info);
    if (name == label) found.push_back(slot);
    absl::StrAppend(&others, others.empty() ? "" : ", ", "\"", name, "\"");
  }
  return found;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Pkcs11Session>> Pkcs11Session::Open(
    std::shared_ptr<Pkcs11Module> module, const std::string& label, const SecretBytes& pin) {
  std::string there;
  TV_ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, SlotsOf(module->calls(), label, there));
  if (slots.empty()) {
    return absl::NotFoundError(absl::StrCat("it is not there: put it in, or correct the label; ",
                                            there.empty() ? "no token is there" : "there are ",
                                            there));
  }
  if (slots.size() > 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(slots.size(), " tokens have this label: give each a label of its own"));
  }
  std::unique_ptr<Pkcs11Session> session(new Pkcs11Session(std::move(module), slots[0]));
  TV_RETURN_IF_ERROR(session->Inspect());
  TV_RETURN_IF_ERROR(session->ChooseCipher());
  TV_RETURN_IF_ERROR(session->LogIn(pin));
  return session;
}

Pkcs11Session::~Pkcs11Session() {
  // No C_Logout: the login is the whole process's.
  if (open_) calls().C_CloseSession(session_);
}

absl::Status Pkcs11Session::Inspect() {
  CK_SLOT_INFO slot{};
  TV_RETURN_IF_ERROR(Pkcs11Status(calls().C_GetSlotInfo(slot_, &slot), "cannot ask its slot"));
  hardware_ = (slot.flags & CKF_HW_SLOT) != 0;
  CK_TOKEN_INFO token{};
  TV_RETURN_IF_ERROR(Pkcs11Status(calls().C_GetTokenInfo(slot_, &token), "cannot ask it"));
  if ((token.flags & CKF_WRITE_PROTECTED) != 0) {
    return absl::FailedPreconditionError("it is write-protected");
  }
  if ((token.flags & CKF_USER_PIN_INITIALIZED) == 0) {
    return absl::FailedPreconditionError("it has no user PIN yet: set one");
  }
  if ((token.flags & CKF_USER_PIN_LOCKED) != 0) {
    return absl::FailedPreconditionError(
        "its user PIN is locked after too many wrong ones: its security officer sets a new one");
  }
  if ((token.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return absl::FailedPreconditionError(
        "one more wrong PIN locks it, so none is tried: log in by hand with the right one first");
  }
  return absl::OkStatus();
}

bool Pkcs11Session::Offers(CK_MECHANISM_TYPE mechanism, CK_FLAGS flags) {
  CK_MECHANISM_INFO info{};
  return calls().C_GetMechanismInfo(slot_, mechanism, &info) == CKR_OK &&
         (info.flags & flags) == flags;
}

absl::Status Pkcs11Session::ChooseCipher() {
  constexpr CK_FLAGS kBoth = CKF_ENCRYPT | CKF_DECRYPT;
  if (!Offers(CKM_AES_KEY_GEN, CKF_GENERATE)) {
    return absl::FailedPreconditionError(
        "it makes no AES keys (CKM_AES_KEY_GEN): a slot secret needs a token that does");
  }
  if (Offers(CKM_AES_GCM, kBoth)) {
    cipher_ = TokenCipher::kAesGcm;
  } else if (Offers(CKM_AES_CBC, kBoth)) {
    cipher_ = TokenCipher::kAesCbc;
  } else {
    return absl::FailedPreconditionError(
        "it encrypts neither with CKM_AES_GCM nor with CKM_AES_CBC: a slot secret needs one");
  }
  return absl::OkStatus();
}

absl::Status Pkcs11Session::LogIn(const SecretBytes& pin) {
  TV_RETURN_IF_ERROR(Pkcs11Status(calls().C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                        nullptr, nullptr, &session_),
                                  "cannot open a session"));
  open_ = true;
  const Bytes text = pin.Read(MintSecretPass());
  const CK_RV result = calls().C_Login(session_, CKU_USER, Mutable(text), text.size());
  if (result == CKR_PIN_LOCKED) {
    return absl::UnauthenticatedError(
        "its user PIN is locked after too many wrong ones, and its security officer sets a new "
        "one");
  }
  if (result != CKR_USER_ALREADY_LOGGED_IN) {
    TV_RETURN_IF_ERROR(Pkcs11Status(result, "it does not take the PIN"));
  }
  return Check();
}

absl::Status Pkcs11Session::Check() {
  CK_SESSION_INFO info{};
  TV_RETURN_IF_ERROR(
      Pkcs11Status(calls().C_GetSessionInfo(session_, &info), "cannot ask for the session"));
  if (info.state != CKS_RW_USER_FUNCTIONS)
    return absl::AbortedError("it is not logged in any more");
  return absl::OkStatus();
}

// --- objects ---

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Pkcs11Session::Find(TokenObject kind,
                                                                  std::string_view label) {
  Attributes wanted;
  wanted.Flag(CKA_TOKEN, true);
  if (kind == TokenObject::kData) {
    wanted.Number(CKA_CLASS, CKO_DATA).Text(CKA_APPLICATION, kApplication);
  } else {
    wanted.Number(CKA_CLASS, CKO_SECRET_KEY).Number(CKA_KEY_TYPE, CKK_AES);
  }
  if (!label.empty()) wanted.Text(CKA_LABEL, label);
  constexpr char kWhat[] = "cannot look through its objects";
  TV_RETURN_IF_ERROR(
      Pkcs11Status(calls().C_FindObjectsInit(session_, wanted.data(), wanted.size()), kWhat));
  std::vector<CK_OBJECT_HANDLE> found;
  absl::Status status;
  while (status.ok()) {
    std::array<CK_OBJECT_HANDLE, kFoundAtOnce> some{};
    CK_ULONG count = 0;
    status = Pkcs11Status(calls().C_FindObjects(session_, some.data(), some.size(), &count), kWhat);
    if (!status.ok() || count == 0) break;
    found.insert(found.end(), some.begin(), some.begin() + count);
    if (found.size() > limits::kMaxTokenObjects) {
      status =
          absl::ResourceExhaustedError(absl::StrCat("it holds more than ", limits::kMaxTokenObjects,
                                                    " objects: give the vault its own token"));
    }
  }
  // Also after an error: a search that is left open refuses the next one.
  const absl::Status ended = Pkcs11Status(calls().C_FindObjectsFinal(session_), kWhat);
  TV_RETURN_IF_ERROR(status);
  TV_RETURN_IF_ERROR(ended);
  return found;
}

absl::StatusOr<std::string> Pkcs11Session::Attribute(CK_OBJECT_HANDLE object,
                                                     CK_ATTRIBUTE_TYPE type) {
  std::string value;
  // First how long it is, then what it is.
  for (const bool asks_size : {true, false}) {
    CK_ATTRIBUTE attribute{type, asks_size ? nullptr : value.data(), value.size()};
    const CK_RV result = calls().C_GetAttributeValue(session_, object, &attribute, 1);
    if (result == CKR_OBJECT_HANDLE_INVALID) return absl::NotFoundError("the object has gone");
    if (result == CKR_ATTRIBUTE_TYPE_INVALID || result == CKR_ATTRIBUTE_SENSITIVE) {
      return absl::DataLossError("an object lacks what objects of a vault have");
    }
    TV_RETURN_IF_ERROR(Pkcs11Status(result, "cannot read an object"));
    if (attribute.ulValueLen > limits::kMaxTokenValueBytes) {
      return absl::DataLossError("an object is larger than anything of a vault");
    }
    value.resize(attribute.ulValueLen);
    if (value.empty()) break;
  }
  return value;
}

absl::StatusOr<std::string> Pkcs11Session::Label(CK_OBJECT_HANDLE object) {
  auto label = Attribute(object, CKA_LABEL);
  // Of others' objects; ours have a label and a short one.
  if (absl::IsDataLoss(label.status())) return std::string();
  return label;
}

absl::StatusOr<std::string> Pkcs11Session::Value(CK_OBJECT_HANDLE data) {
  return Attribute(data, CKA_VALUE);
}

absl::Status Pkcs11Session::Destroy(CK_OBJECT_HANDLE object) {
  const CK_RV result = calls().C_DestroyObject(session_, object);
  if (result == CKR_OBJECT_HANDLE_INVALID) return absl::OkStatus();
  return Pkcs11Status(result, "cannot destroy an object");
}

absl::Status Pkcs11Session::CheckKept(CK_OBJECT_HANDLE key) {
  for (const auto& [type, wanted] :
       {std::pair(CKA_SENSITIVE, CK_TRUE), std::pair(CKA_EXTRACTABLE, CK_FALSE),
        std::pair(CKA_LOCAL, CK_TRUE)}) {
    TV_ASSIGN_OR_RETURN(const std::string value, Attribute(key, type));
    if (value.size() != sizeof(CK_BBOOL) || static_cast<CK_BBOOL>(value[0]) != wanted) {
      return absl::FailedPreconditionError(
          "it makes keys that can be taken out of it: use a token that keeps them");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CK_OBJECT_HANDLE> Pkcs11Session::GenerateKey(const std::string& label,
                                                            const std::string& id) {
  Attributes wanted;
  wanted.Number(CKA_CLASS, CKO_SECRET_KEY)
      .Number(CKA_KEY_TYPE, CKK_AES)
      .Number(CKA_VALUE_LEN, kKeyBytes)
      .Flag(CKA_TOKEN, true)
      .Flag(CKA_PRIVATE, true)
      .Flag(CKA_SENSITIVE, true)
      .Flag(CKA_EXTRACTABLE, false)
      .Flag(CKA_ENCRYPT, true)
      .Flag(CKA_DECRYPT, true)
      .Text(CKA_LABEL, label)
      .Text(CKA_ID, id);
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = 0;
  TV_RETURN_IF_ERROR(
      Pkcs11Status(calls().C_GenerateKey(session_, &mechanism, wanted.data(), wanted.size(), &key),
                   "cannot make a key"));
  if (const absl::Status kept = CheckKept(key); !kept.ok()) {
    if (absl::IsFailedPrecondition(kept)) Destroy(key).IgnoreError();
    return kept;
  }
  return key;
}

absl::Status Pkcs11Session::CreateData(const std::string& label, std::string_view value) {
  Attributes wanted;
  wanted.Number(CKA_CLASS, CKO_DATA)
      .Flag(CKA_TOKEN, true)
      .Flag(CKA_PRIVATE, true)
      .Text(CKA_APPLICATION, kApplication)
      .Text(CKA_LABEL, label)
      .Text(CKA_VALUE, value);
  CK_OBJECT_HANDLE data = 0;
  return Pkcs11Status(calls().C_CreateObject(session_, wanted.data(), wanted.size(), &data),
                      "cannot store an object");
}

absl::StatusOr<std::string> Pkcs11Session::Encrypt(CK_OBJECT_HANDLE key, TokenCipher cipher,
                                                   std::string& iv, const std::string& identity,
                                                   const SecretBytes& secret) {
  Mechanism mechanism(cipher, iv, identity);
  constexpr char kWhat[] = "cannot encrypt";
  TV_RETURN_IF_ERROR(Pkcs11Status(calls().C_EncryptInit(session_, mechanism.get(), key), kWhat));
  const Bytes plain = secret.Read(MintSecretPass());
  std::string sealed(plain.size() + 2 * kTagBytes, '\0');
  CK_ULONG size = sealed.size();
  TV_RETURN_IF_ERROR(Pkcs11Status(
      calls().C_Encrypt(session_, Mutable(plain), plain.size(), Mutable(sealed), &size), kWhat));
  sealed.resize(size);
  return sealed;
}

absl::StatusOr<SecretBytes> Pkcs11Session::Decrypt(CK_OBJECT_HANDLE key, const TokenSecret& secret,
                                                   const std::string& identity) {
  std::string iv = secret.iv;
  Mechanism mechanism(secret.cipher, iv, identity);
  const auto failed = [](CK_RV result) {
    const absl::Status status = Pkcs11Status(result, "a slot secret does not open");
    // Tokens have many words for a tag that is not right.
    return absl::IsAborted(status) ? status : absl::DataLossError(status.message());
  };
  TV_RETURN_IF_ERROR(
      Pkcs11Status(calls().C_DecryptInit(session_, mechanism.get(), key), "cannot decrypt"));
  // Some ask for as much room as there is ciphertext.
  SecretBytes plain(kKeyBytes + 2 * kTagBytes);
  CK_ULONG size = plain.size();
  const CK_RV result =
      calls().C_Decrypt(session_, Mutable(AsBytes(secret.sealed)), secret.sealed.size(),
                        plain.Write(MintSecretPass()).data(), &size);
  if (result != CKR_OK) return failed(result);
  if (size != kKeyBytes) return absl::DataLossError("a slot secret has another length");
  SecretBytes opened(kKeyBytes);
  std::copy_n(plain.Read(MintSecretPass()).begin(), kKeyBytes,
              opened.Write(MintSecretPass()).begin());
  return opened;
}

}  // namespace televault::crypto
