#pragma once

#include "televault/v1/operator_service.grpc.pb.h"
#include "vault/base/secret.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"

namespace televault::service {

// What the operator service needs of the vault as a whole.
class VaultControl {
 public:
  virtual ~VaultControl() = default;
  virtual v1::GetStatusResponse Status() = 0;
  // Takes the passphrase (empty for a keyfile vault) and returns the root key, found right; opens
  // nothing yet: the attempt is recorded in between. PERMISSION_DENIED: a wrong one;
  // FAILED_PRECONDITION: the vault is not sealed.
  virtual absl::StatusOr<SecretBytes> CheckUnseal(std::string_view passphrase) = 0;
  // Opens keys and datasets with what CheckUnseal returned; after an error both are closed.
  virtual absl::Status Unseal(const SecretBytes& root) = 0;
  // Closes datasets and keys; running calls end with an error.
  virtual absl::Status Seal() = 0;
};

// Keys, sealing, the state of the daemon.
class OperatorServiceImpl final
    : public BytesService<v1::OperatorService::Service,
                          v1::OperatorService::WithRawCallbackMethod_GetStatus,
                          v1::OperatorService::WithRawCallbackMethod_Unseal,
                          v1::OperatorService::WithRawCallbackMethod_Seal> {
 public:
  // `status` has a pool on which nothing waits for other calls.
  OperatorServiceImpl(Serving serving, Serving status, VaultControl& vault)
      : serving_(serving), status_(status), vault_(vault) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Unseal(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Seal(grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override;

 private:
  Serving serving_;
  Serving status_;
  VaultControl& vault_;
};

}  // namespace televault::service
