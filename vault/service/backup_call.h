#pragma once

#include <memory>
#include <string>

#include "televault/v1/operator_service.pb.h"
#include "vault/backup/backup.h"
#include "vault/base/status.h"
#include "vault/service/call.h"
#include "vault/service/front.h"

namespace televault::service {

// What the calls about backups need of the vault as a whole. One of them at a time: UNAVAILABLE
// with reason OVERLOADED while another is under way.
class BackupControl {
 public:
  virtual ~BackupControl() = default;
  virtual absl::StatusOr<std::unique_ptr<backup::Unpublished>> MakeBackup(
      const std::string& directory, const backup::GoOn& go_on) = 0;
  virtual absl::StatusOr<backup::Summary> VerifyBackup(const std::string& directory,
                                                       const backup::GoOn& go_on) = 0;
};

// They take as long as there is much to copy and to open, and end at a lockdown that stops the
// call, at a seal, at the end of the token or the caller, and at a stop.
absl::Status CreateBackup(Front& front, BackupControl& vault, Call& call,
                          const v1::CreateBackupRequest& request,
                          v1::CreateBackupResponse& response);
absl::Status VerifyBackup(Front& front, BackupControl& vault, Call& call,
                          const v1::VerifyBackupRequest& request,
                          v1::VerifyBackupResponse& response);

}  // namespace televault::service
