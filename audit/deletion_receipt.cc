#include "audit/deletion_receipt.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace televault::audit {
namespace {

std::string HoldsText(const std::string& ids) { return ids.empty() ? "none" : ids; }

}  // namespace

std::string ReceiptTime(int64_t us) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", absl::FromUnixMicros(us), absl::UTCTimeZone());
}

std::string DeletionReceiptText(const DeletionReceipt& receipt) {
  return absl::StrCat("televault deletion receipt v1\n", "dataset ", receipt.dataset, "\n", "day ",
                      receipt.day, "\n", "key_id ", receipt.key_id, "\n", "events ", receipt.events,
                      "\n", "deadline ", receipt.deadline, "\n", "shredded_at ",
                      receipt.shredded_at, "\n", "purged_at ", receipt.purged_at, "\n",
                      "shredded_leaf ", receipt.shredded_leaf, "\n", "destruction ",
                      receipt.destruction, "\n", "holds ", HoldsText(receipt.holds), "\n");
}

std::string ErasureReceiptText(const ErasureReceipt& receipt) {
  return absl::StrCat("televault erasure receipt v1\n", "dataset ", receipt.dataset, "\n", "id ",
                      receipt.id, "\n", "requested_at ", receipt.requested_at, "\n", "deadline ",
                      receipt.deadline, "\n", "settled_at ", receipt.settled_at, "\n",
                      "partitions ", receipt.partitions, "\n", "events ", receipt.events, "\n",
                      "destruction ", receipt.destruction, "\n", "holds ", HoldsText(receipt.holds),
                      "\n");
}

}  // namespace televault::audit
