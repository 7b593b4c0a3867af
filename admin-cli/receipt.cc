#include "admin-cli/receipt.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "admin-cli/exit_code.h"
#include "admin-cli/output/json.h"
#include "admin-cli/output/text.h"
#include "audit/deletion_receipt.h"
#include "audit/note.h"
#include "audit/proof_file.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"

namespace televault::cli {
namespace {

constexpr int kReceiptMode = 0644;

// As it is shown: what is verified is what people read.
std::string SignedText(const v1::DeletionReceipt& receipt) {
  const Json shown = ToJson(receipt);
  const auto text = [&shown](const char* name) {
    return shown[name].is_string() ? shown[name].get<std::string>() : std::string();
  };
  return audit::DeletionReceiptText({.dataset = receipt.dataset_pseudonym(),
                                     .day = receipt.day(),
                                     .key_id = receipt.key_id(),
                                     .events = receipt.events(),
                                     .deadline = text("deadline"),
                                     .shredded_at = text("shredded_at"),
                                     .purged_at = text("purged_at"),
                                     .shredded_leaf = receipt.shredded_leaf(),
                                     .destruction = receipt.destruction(),
                                     .holds = absl::StrJoin(receipt.holds(), ",")});
}

std::string SignedText(const v1::Erasure& erasure) {
  const Json shown = ToJson(erasure);
  const auto text = [&shown](const char* name) {
    return shown[name].is_string() ? shown[name].get<std::string>() : std::string();
  };
  return audit::ErasureReceiptText({.dataset = erasure.dataset_pseudonym(),
                                    .id = erasure.id(),
                                    .requested_at = text("requested_at"),
                                    .deadline = text("deadline"),
                                    .settled_at = text("settled_at"),
                                    .partitions = erasure.partitions_rewritten(),
                                    .events = erasure.events_removed(),
                                    .destruction = erasure.destruction(),
                                    .holds = absl::StrJoin(erasure.holds(), ",")});
}

absl::Status VerifySigned(const std::string& signed_note, const std::string& says,
                          const audit::VerifierKey& key, const std::string& what) {
  const auto note = audit::ParseNote(signed_note);
  absl::Status status = note.status();
  if (status.ok()) status = audit::VerifyNote(*note, {&key, 1}).status();
  if (status.ok() && note->text != says) {
    status = absl::FailedPreconditionError("what is signed is something else than what it says");
  }
  if (status.ok()) return status;
  return VerificationFailed(absl::StrCat(what, ": ", status.message()));
}

}  // namespace

absl::Status KeepReceipt(const std::string& path, const v1::AuditReceipt& receipt,
                         const audit::Hash& leaf_hash, const audit::VerifierKey& key) {
  const auto proof = audit::ParseProofFile(receipt.proof());
  absl::Status status = proof.status();
  if (status.ok() && proof->index != receipt.index()) {
    status = absl::FailedPreconditionError("it is the proof of another entry");
  }
  // Another tree than the one that was compared could hold anything.
  if (status.ok() && proof->checkpoint != receipt.checkpoint()) {
    status = absl::FailedPreconditionError("it is the proof of another tree");
  }
  if (status.ok()) {
    const auto tree = audit::VerifyProofFile(*proof, leaf_hash, key);
    status = tree.status();
    if (tree.ok() && tree->size != receipt.size()) {
      status = absl::FailedPreconditionError("it names another size than its tree has");
    }
  }
  if (!status.ok()) {
    return VerificationFailed(absl::StrCat("the query's receipt: ", status.message()));
  }
  return ReplaceFile(PosixFileSystem(), path, AsBytes(receipt.proof()), kReceiptMode);
}

absl::Status VerifyDeletionReceipt(const v1::DeletionReceipt& receipt,
                                   const audit::VerifierKey& key) {
  return VerifySigned(receipt.signed_note(), SignedText(receipt), key,
                      absl::StrCat("deletion receipt ", Printable(receipt.id())));
}

bool IsUnsigned(const v1::DeletionReceipt& receipt) {
  return receipt.signed_note().empty() && !receipt.has_purged_at();
}

absl::Status CompareWithPartitions(const Listed& listed) {
  std::set<PartitionStates::key_type> days;
  std::set<uint64_t> keys;
  const auto text = [](const PartitionStates::key_type& place) {
    return Printable(absl::StrCat(place.first, "/", place.second));
  };
  for (const v1::DeletionReceipt& receipt : listed.receipts) {
    const PartitionStates::key_type place{receipt.dataset(), receipt.day()};
    const auto found = listed.after.find(place);
    const auto state =
        found == listed.after.end() ? v1::PARTITION_STATE_UNSPECIFIED : found->second;
    const bool is_signed = !IsUnsigned(receipt);
    if (state != v1::PARTITION_STATE_PURGED &&
        (is_signed || state != v1::PARTITION_STATE_SHREDDED)) {
      return VerificationFailed(
          absl::StrCat("there is a receipt for ", text(place), ", which is not destroyed"));
    }
    if (!is_signed) continue;
    if (!days.insert(place).second || !keys.insert(receipt.key_id()).second) {
      return VerificationFailed(
          absl::StrCat("there are two receipts for ", text(place), " or its data key"));
    }
  }
  for (const auto& [place, state] : listed.before) {
    if (state != v1::PARTITION_STATE_PURGED || days.contains(place)) continue;
    return VerificationFailed(absl::StrCat(text(place), " is purged and has no receipt"));
  }
  return absl::OkStatus();
}

absl::Status VerifyErasureReceipt(const v1::Erasure& erasure, const audit::VerifierKey& key) {
  return VerifySigned(erasure.signed_note(), SignedText(erasure), key,
                      absl::StrCat("receipt of erasure ", Printable(erasure.id())));
}

}  // namespace televault::cli
