#include "audit/deletion_receipt.h"

#include <gtest/gtest.h>

namespace televault::audit {
namespace {

// The example of docs/formats/receipt-v1.md.
TEST(DeletionReceipt, HasTheTextOfItsFormat) {
  EXPECT_EQ(DeletionReceiptText({.dataset = "6d0f2a6e4e0b1c6f2f7f5a54c1b1f0aa",
                                 .day = "2026-08-20",
                                 .key_id = 17,
                                 .events = 12834,
                                 .deadline = "2026-11-19T00:00:00Z",
                                 .shredded_at = "2026-11-19T00:00:07Z",
                                 .purged_at = "2026-11-19T00:00:09Z",
                                 .shredded_leaf = 48211,
                                 .destruction = "best_effort"}),
            "televault deletion receipt v1\n"
            "dataset 6d0f2a6e4e0b1c6f2f7f5a54c1b1f0aa\n"
            "day 2026-08-20\n"
            "key_id 17\n"
            "events 12834\n"
            "deadline 2026-11-19T00:00:00Z\n"
            "shredded_at 2026-11-19T00:00:07Z\n"
            "purged_at 2026-11-19T00:00:09Z\n"
            "shredded_leaf 48211\n"
            "destruction best_effort\nholds none\n");
}

}  // namespace
}  // namespace televault::audit
