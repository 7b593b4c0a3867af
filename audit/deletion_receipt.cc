#include "audit/deletion_receipt.h"

#include "absl/strings/str_cat.h"

namespace televault::audit {

std::string DeletionReceiptText(const DeletionReceipt& receipt) {
  return absl::StrCat("televault deletion receipt v1\n", "dataset ", receipt.dataset, "\n", "day ",
                      receipt.day, "\n", "key_id ", receipt.key_id, "\n", "events ", receipt.events,
                      "\n", "deadline ", receipt.deadline, "\n", "shredded_at ",
                      receipt.shredded_at, "\n", "purged_at ", receipt.purged_at, "\n",
                      "shredded_leaf ", receipt.shredded_leaf, "\n", "destruction ",
                      receipt.destruction, "\n");
}

}  // namespace televault::audit
