#include "vault/service/operator_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/crypto/shares.h"
#include "vault/service/retention_scope.h"

namespace televault::service {
namespace {

constexpr std::string_view kSecretHeader = "televault-unseal-bin";
constexpr std::string_view kNewPassphraseHeader = "televault-new-root-bin";
constexpr char kShareTrailer[] = "televault-share-bin";

// "2/3" in an entry: how many shares were given and how many it takes.
void NoteProgress(Call& call, uint32_t given, uint32_t needed) {
  if (needed > 0) {
    (*call.entry.mutable_details())["given"] = absl::StrCat(given, "/", needed);
  }
}

// What is wrong with a number from the wire is in its name.
template <class Enum>
std::string NameOf(Enum value, const std::string& (*name)(Enum)) {
  const std::string& known = name(value);
  return known.empty() ? absl::StrCat(static_cast<int>(value)) : known;
}

}  // namespace

grpc::ServerUnaryReactor* OperatorServiceImpl::GetStatus(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetStatusRequest, v1::GetStatusResponse>(
      status_, context, "/televault.v1.OperatorService/GetStatus", request, response,
      [this](Call&, const v1::GetStatusRequest&, v1::GetStatusResponse& out) {
        out = vault_.Status();
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* OperatorServiceImpl::Unseal(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request,
                                                      grpc::ByteBuffer* response) {
  return ServeUnary<v1::UnsealRequest, v1::UnsealResponse>(
      serving_, context, "/televault.v1.OperatorService/Unseal", request, response,
      [this](Call& call, const v1::UnsealRequest& in, v1::UnsealResponse& out) -> absl::Status {
        // A failed attempt is recorded by the outcome, a good one before anything opens.
        call.answer_unaudited = false;
        call.urgency = store::Urgency::kSecurity;
        if (in.forget_shares()) {
          vault_.ForgetShares();
          (*call.entry.mutable_details())["forgot"] = "shares";
        }
        const std::string_view secret = call.metadata(kSecretHeader);
        if (in.forget_shares() && secret.empty()) {
          const v1::GetStatusResponse status = vault_.Status();
          out.set_seal(status.seal());
          out.set_shares_needed(status.shares_needed());
          return absl::OkStatus();
        }
        TV_ASSIGN_OR_RETURN(UnsealAttempt attempt, vault_.CheckUnseal(secret));
        out.set_shares_given(attempt.shares_given);
        out.set_shares_needed(attempt.shares_needed);
        NoteProgress(call, attempt.shares_given, attempt.shares_needed);
        if (attempt.root.empty()) {
          out.set_seal(v1::SEAL_STATE_SEALED);
          return absl::OkStatus();
        }
        out.set_seal(v1::SEAL_STATE_UNSEALED);
        // Nothing opens without its entry: until then the root key is here alone, and goes with the
        // call however that ends.
        call.after_recording = [this, root = std::make_shared<const SecretBytes>(std::move(
                                          attempt.root))] { return vault_.Unseal(*root); };
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* OperatorServiceImpl::Seal(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) {
  return ServeUnary<v1::SealRequest, v1::SealResponse>(
      serving_, context, "/televault.v1.OperatorService/Seal", request, response,
      [this](Call& call, const v1::SealRequest&, v1::SealResponse& out) {
        call.urgency = store::Urgency::kSecurity;
        out.set_seal(v1::SEAL_STATE_SEALED);
        return vault_.Seal();
      });
}

grpc::ServerUnaryReactor* OperatorServiceImpl::GetKeys(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request,
                                                       grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetKeysRequest, v1::GetKeysResponse>(
      serving_, context, "/televault.v1.OperatorService/GetKeys", request, response,
      [this](Call& call, const v1::GetKeysRequest&, v1::GetKeysResponse& out) -> absl::Status {
        TV_ASSIGN_OR_RETURN(out, vault_.Keys());
        auto& datasets = *out.mutable_datasets();
        datasets.erase(
            std::remove_if(datasets.begin(), datasets.end(),
                           [&](const auto& one) { return IsBound(call, one.dataset()); }),
            datasets.end());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* OperatorServiceImpl::RotateKey(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return ServeUnary<v1::RotateKeyRequest, v1::RotateKeyResponse>(
      serving_, context, "/televault.v1.OperatorService/RotateKey", request, response,
      [this](Call& call, const v1::RotateKeyRequest& in,
             v1::RotateKeyResponse& out) -> absl::Status {
        call.urgency = store::Urgency::kSecurity;
        (*call.entry.mutable_details())["key"] = NameOf(in.key(), &v1::RotatedKey_Name);
        TV_RETURN_IF_ERROR(vault_.MayRotate(in.key()));
        // The answer is written after that: it names the number that the key was given.
        call.after_recording = [this, &out, key = in.key()]() -> absl::Status {
          TV_ASSIGN_OR_RETURN(const uint64_t number, vault_.RotateKey(key));
          out.set_number(number);
          return absl::OkStatus();
        };
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* OperatorServiceImpl::ChangeRoot(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  return ServeUnary<v1::ChangeRootRequest, v1::ChangeRootResponse>(
      serving_, context, "/televault.v1.OperatorService/ChangeRoot", request, response,
      [this](Call& call, const v1::ChangeRootRequest& in,
             v1::ChangeRootResponse& out) -> absl::Status {
        call.urgency = store::Urgency::kSecurity;
        auto& details = *call.entry.mutable_details();
        details["step"] = NameOf(in.step(), &v1::RootChangeStep_Name);
        TV_ASSIGN_OR_RETURN(
            RootChangeStep step,
            vault_.ChangeRoot(in, call.metadata(kSecretHeader), call.metadata(kNewPassphraseHeader),
                              call.principal.person));
        details["phase"] = NameOf(step.change.phase(), &v1::RootChangePhase_Name);
        details["target"] = NameOf(step.change.target(), &v1::RootSource_Name);
        NoteProgress(call, step.change.given(), step.change.needed());
        *out.mutable_change() = std::move(step.change);
        // Neither leaves a share nor takes anything effect without its entry.
        call.on_abandoned = [this] { vault_.AbandonRootChange(); };
        call.after_recording =
            [&call, shares = std::make_shared<std::vector<SecretBytes>>(std::move(step.shares)),
             carry_out = std::move(step.carry_out)] {
              for (const SecretBytes& share : *shares) {
                call.trailing.emplace(kShareTrailer, crypto::RevealShare(share));
              }
              return carry_out ? carry_out() : absl::OkStatus();
            };
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* OperatorServiceImpl::CreateBackup(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request,
                                                            grpc::ByteBuffer* response) {
  return ServeUnary<v1::CreateBackupRequest, v1::CreateBackupResponse>(
      slow_, context, "/televault.v1.OperatorService/CreateBackup", request, response,
      [this](Call& call, const auto& in, auto& out) {
        return service::CreateBackup(slow_.front, backups_, call, in, out);
      });
}

grpc::ServerUnaryReactor* OperatorServiceImpl::VerifyBackup(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request,
                                                            grpc::ByteBuffer* response) {
  return ServeUnary<v1::VerifyBackupRequest, v1::VerifyBackupResponse>(
      slow_, context, "/televault.v1.OperatorService/VerifyBackup", request, response,
      [this](Call& call, const auto& in, auto& out) {
        return service::VerifyBackup(slow_.front, backups_, call, in, out);
      });
}

}  // namespace televault::service
