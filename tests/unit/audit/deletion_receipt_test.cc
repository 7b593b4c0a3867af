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
            "destruction best_effort\n"
            "holds none\n");
}

TEST(DeletionReceipt, NamesTheHoldsItWaitedFor) {
  EXPECT_TRUE(DeletionReceiptText({.holds = "ab,cd"}).ends_with("\nholds ab,cd\n"));
}

// The example of docs/formats/receipt-v1.md.
TEST(ErasureReceipt, HasTheTextOfItsFormat) {
  EXPECT_EQ(ErasureReceiptText({.dataset = "6d0f2a6e4e0b1c6f2f7f5a54c1b1f0aa",
                                .id = "9b1c5c3f0d8e4a7f8f0e2d6c4b3a2918",
                                .requested_at = "2026-11-02T09:14:00.5Z",
                                .deadline = "2026-11-05T09:14:00.5Z",
                                .settled_at = "2026-11-02T09:20:31Z",
                                .partitions = 2,
                                .events = 41,
                                .destruction = "best_effort"}),
            "televault erasure receipt v1\n"
            "dataset 6d0f2a6e4e0b1c6f2f7f5a54c1b1f0aa\n"
            "id 9b1c5c3f0d8e4a7f8f0e2d6c4b3a2918\n"
            "requested_at 2026-11-02T09:14:00.5Z\n"
            "deadline 2026-11-05T09:14:00.5Z\n"
            "settled_at 2026-11-02T09:20:31Z\n"
            "partitions 2\n"
            "events 41\n"
            "destruction best_effort\n"
            "holds none\n");
}

TEST(ReceiptTime, HasNoDecimalsThatSayNothing) {
  EXPECT_EQ(ReceiptTime(1'795'046'409'000'000), "2026-11-19T00:00:09Z");
  EXPECT_EQ(ReceiptTime(1'795'046'409'000'500), "2026-11-19T00:00:09.0005Z");
  EXPECT_EQ(ReceiptTime(-1), "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace televault::audit
