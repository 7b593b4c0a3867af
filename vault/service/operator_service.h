#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "televault/v1/operator_service.grpc.pb.h"
#include "vault/base/secret.h"
#include "vault/service/adapter.h"
#include "vault/service/backup_call.h"
#include "vault/service/bytes_service.h"

namespace televault::service {

// An unseal that nothing is wrong with so far.
struct UnsealAttempt {
  SecretBytes root;  // empty: more shares are needed
  uint32_t shares_given = 0;
  uint32_t shares_needed = 0;  // 0: the root key is not made from shares
};

// One step of a change of the root key, done but for what follows its entry.
struct RootChangeStep {
  v1::RootChange change;
  std::vector<SecretBytes> shares;  // new ones, to be handed out once
  // Puts the new root key in force; empty where this step does not.
  std::function<absl::Status()> carry_out;
};

// What the operator service needs of the vault as a whole.
class VaultControl {
 public:
  virtual ~VaultControl() = default;
  virtual v1::GetStatusResponse Status() = 0;
  // Takes the passphrase or a share (empty for a keyfile vault) and returns the root key, found
  // right; opens nothing yet: the attempt is recorded in between. PERMISSION_DENIED: a wrong one;
  // FAILED_PRECONDITION: the vault is not sealed.
  virtual absl::StatusOr<UnsealAttempt> CheckUnseal(std::string_view secret) = 0;
  // Forgets the shares given for an unseal so far.
  virtual void ForgetShares() = 0;
  // Opens keys and datasets with what CheckUnseal returned; after an error both are closed.
  virtual absl::Status Unseal(const SecretBytes& root) = 0;
  // Closes datasets and keys; running calls end with an error.
  virtual absl::Status Seal() = 0;
  // UNAVAILABLE/SEALED, as the two below.
  virtual absl::StatusOr<v1::GetKeysResponse> Keys() = 0;
  virtual absl::StatusOr<RootChangeStep> ChangeRoot(const v1::ChangeRootRequest& request,
                                                    std::string_view secret,
                                                    std::string_view new_passphrase,
                                                    const std::string& by) = 0;
  // What ChangeRoot returned could not be recorded.
  virtual void AbandonRootChange() = 0;
  // OK where RotateKey will do it: it is recorded in between. INVALID_ARGUMENT: no such key.
  virtual absl::Status MayRotate(v1::RotatedKey key) = 0;
  // Returns the number of the new key.
  virtual absl::StatusOr<uint64_t> RotateKey(v1::RotatedKey key) = 0;
};

// Keys, sealing, the state of the daemon.
class OperatorServiceImpl final
    : public BytesService<v1::OperatorService::Service,
                          v1::OperatorService::WithRawCallbackMethod_GetStatus,
                          v1::OperatorService::WithRawCallbackMethod_Unseal,
                          v1::OperatorService::WithRawCallbackMethod_Seal,
                          v1::OperatorService::WithRawCallbackMethod_GetKeys,
                          v1::OperatorService::WithRawCallbackMethod_RotateKey,
                          v1::OperatorService::WithRawCallbackMethod_ChangeRoot,
                          v1::OperatorService::WithRawCallbackMethod_CreateBackup,
                          v1::OperatorService::WithRawCallbackMethod_VerifyBackup> {
 public:
  // `status` has a pool on which nothing waits for other calls, `slow` one for calls that take
  // hours.
  OperatorServiceImpl(Serving serving, Serving status, Serving slow, VaultControl& vault,
                      BackupControl& backups)
      : serving_(serving), status_(status), slow_(slow), vault_(vault), backups_(backups) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Unseal(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Seal(grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetKeys(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RotateKey(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ChangeRoot(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;

  grpc::ServerUnaryReactor* CreateBackup(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* VerifyBackup(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;

 private:
  Serving serving_;
  Serving status_;
  Serving slow_;
  VaultControl& vault_;
  BackupControl& backups_;
};

}  // namespace televault::service
