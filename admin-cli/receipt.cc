#include "admin-cli/receipt.h"

#include "absl/strings/str_cat.h"

#include "admin-cli/exit_code.h"
#include "audit/proof_file.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"

namespace televault::cli {
namespace {

constexpr int kReceiptMode = 0644;

}  // namespace

absl::Status KeepReceipt(const std::string& path, const v1::AuditReceipt& receipt,
                         const audit::Hash& leaf_hash, const audit::VerifierKey& key) {
  const auto proof = audit::ParseProofFile(receipt.proof());
  absl::Status status = proof.status();
  if (status.ok() && proof->index != receipt.index()) {
    status = absl::FailedPreconditionError("it is the proof of another entry");
  }
  if (status.ok()) status = audit::VerifyProofFile(*proof, leaf_hash, key).status();
  if (!status.ok()) {
    return VerificationFailed(absl::StrCat("the query's receipt: ", status.message()));
  }
  return ReplaceFile(PosixFileSystem(), path, AsBytes(receipt.proof()), kReceiptMode);
}

}  // namespace televault::cli
