#include "vault/service/operator_service.h"

#include <memory>
#include <utility>

namespace televault::service {
namespace {

constexpr std::string_view kPassphraseHeader = "televault-unseal-bin";

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
      [this](Call& call, const v1::UnsealRequest&, v1::UnsealResponse& out) -> absl::Status {
        // A failed attempt is recorded by the outcome, a good one before anything opens.
        call.answer_unaudited = false;
        call.urgency = store::Urgency::kSecurity;
        TV_ASSIGN_OR_RETURN(SecretBytes checked,
                            vault_.CheckUnseal(call.metadata(kPassphraseHeader)));
        out.set_seal(v1::SEAL_STATE_UNSEALED);
        // Nothing opens without its entry: until then the root key is here alone, and goes with the
        // call however that ends.
        call.after_recording = [this, root = std::make_shared<const SecretBytes>(
                                          std::move(checked))] { return vault_.Unseal(*root); };
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

}  // namespace televault::service
