#include "admin-cli/receipt.h"

#include <fstream>

#include "admin-cli/exit_code.h"
#include "audit/proof_file.h"
#include "tests/unit/admin-cli/cli_harness.h"
#include "tests/unit/admin-cli/log_fixture.h"

namespace televault::cli {
namespace {

using televault::testing::IsOk;

std::string ContentOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The only leaf of a log needs no hashes beside it.
v1::AuditReceipt ReceiptOf(const FakeLog& log) {
  audit::ProofFile proof;
  proof.index = 0;
  proof.checkpoint = log.Checkpoint(1);
  v1::AuditReceipt receipt;
  receipt.set_index(0);
  receipt.set_size(1);
  receipt.set_checkpoint(proof.checkpoint);
  receipt.set_proof(audit::FormatProofFile(proof));
  return receipt;
}

TEST(ReceiptTest, AnUnprovenReceiptReplacesNothing) {
  Harness harness;
  const std::string path = harness.directory + "/receipt";
  std::ofstream(path) << "the receipt of yesterday";
  FakeLog log(1);
  log.Grow(1);
  FakeLog other(2);
  other.Grow(1, "other");
  const audit::Hash leaf = audit::LeafHash(AsBytes(log.leaves()[0]));
  v1::AuditReceipt garbage = ReceiptOf(log);
  garbage.set_proof("garbage");
  v1::AuditReceipt moved = ReceiptOf(log);
  moved.set_index(1);
  // The checkpoint is what was held against the pin, and the proof's was another.
  FakeLog private_fork(1);
  private_fork.Grow(1);
  private_fork.Grow(1, "hidden");
  v1::AuditReceipt elsewhere = ReceiptOf(log);
  elsewhere.set_checkpoint(private_fork.Checkpoint(2));
  v1::AuditReceipt boastful = ReceiptOf(log);
  boastful.set_size(20);
  for (const v1::AuditReceipt& bad : {garbage, moved, ReceiptOf(other), elsewhere, boastful}) {
    const absl::Status status = KeepReceipt(path, bad, leaf, log.key());
    EXPECT_EQ(ExitCodeOf(status), ExitCode::kVerification) << status;
    EXPECT_EQ(ContentOf(path), "the receipt of yesterday");
  }
  ASSERT_THAT(KeepReceipt(path, ReceiptOf(log), leaf, log.key()), IsOk());
  EXPECT_EQ(ContentOf(path), ReceiptOf(log).proof());
}

v1::DeletionReceipt Deletion(const FakeLog& log) {
  v1::DeletionReceipt receipt;
  receipt.set_id("cli_usage/2026-08-20");
  receipt.set_dataset_pseudonym("6d0f2a6e4e0b1c6f2f7f5a54c1b1f0aa");
  receipt.set_dataset("cli_usage");
  receipt.set_day("2026-08-20");
  receipt.set_key_id(17);
  receipt.set_events(12'834);
  receipt.mutable_deadline()->set_seconds(1'795'046'400);
  receipt.mutable_shredded_at()->set_seconds(1'795'046'407);
  receipt.mutable_purged_at()->set_seconds(1'795'046'409);
  receipt.mutable_purged_at()->set_nanos(5'000);
  receipt.set_shredded_leaf(48'211);
  receipt.set_destruction("best_effort");
  receipt.set_signed_note(
      log.Sign("televault deletion receipt v1\ndataset 6d0f2a6e4e0b1c6f2f7f5a54c1b1f0aa\n"
               "day 2026-08-20\nkey_id 17\nevents 12834\ndeadline 2026-11-19T00:00:00Z\n"
               "shredded_at 2026-11-19T00:00:07Z\npurged_at 2026-11-19T00:00:09.000005Z\n"
               "shredded_leaf 48211\ndestruction best_effort\nholds none\n"));
  return receipt;
}

// A vault that answered every receipt with its newest checkpoint used to pass.
TEST(DeletionReceiptTest, IsWhatWasSignedOrNotVerified) {
  FakeLog log(1);
  log.Grow(1);
  EXPECT_THAT(VerifyDeletionReceipt(Deletion(log), log.key()), IsOk());
  const auto refused = [&](auto edit) {
    v1::DeletionReceipt receipt = Deletion(log);
    edit(receipt);
    return ExitCodeOf(VerifyDeletionReceipt(receipt, log.key())) == ExitCode::kVerification;
  };
  EXPECT_TRUE(refused([&](auto& one) { one.set_signed_note(log.Checkpoint(1)); }));
  EXPECT_TRUE(refused([&](auto& one) { one = Deletion(FakeLog(2)); }));
  EXPECT_TRUE(refused([](auto& one) { one.clear_signed_note(); }));
  EXPECT_TRUE(refused([](auto& one) { one.set_dataset_pseudonym(std::string(32, '0')); }));
  EXPECT_TRUE(refused([](auto& one) { one.set_day("2026-08-21"); }));
  EXPECT_TRUE(refused([](auto& one) { one.set_key_id(18); }));
  EXPECT_TRUE(refused([](auto& one) { one.set_events(12'833); }));
  EXPECT_TRUE(refused([](auto& one) { one.mutable_deadline()->set_seconds(1'795'046'401); }));
  EXPECT_TRUE(refused([](auto& one) { one.clear_shredded_at(); }));
  EXPECT_TRUE(refused([](auto& one) { one.mutable_purged_at()->set_nanos(0); }));
  EXPECT_TRUE(refused([](auto& one) { one.set_shredded_leaf(0); }));
  EXPECT_TRUE(refused([](auto& one) { one.set_destruction("hardware"); }));
  EXPECT_TRUE(refused([](auto& one) { one.add_holds("ab"); }));
}

TEST(DeletionReceiptTest, EachPurgedDayHasOneAndNoLiveDayHasOne) {
  const FakeLog log(1);
  const auto compare = [&](v1::PartitionState before, v1::PartitionState after, int receipts,
                           bool is_signed = true) {
    std::vector<v1::DeletionReceipt> list(static_cast<size_t>(receipts), Deletion(log));
    for (v1::DeletionReceipt& receipt : list) {
      if (is_signed) continue;
      receipt.clear_signed_note();
      receipt.clear_purged_at();
    }
    const PartitionStates first{{{"cli_usage", "2026-08-20"}, before}};
    const PartitionStates then{{{"cli_usage", "2026-08-20"}, after}};
    return ExitCodeOf(CompareWithPartitions({list, first, then}));
  };
  constexpr auto kLive = v1::PARTITION_STATE_LIVE;
  constexpr auto kExpired = v1::PARTITION_STATE_EXPIRED;
  constexpr auto kShredded = v1::PARTITION_STATE_SHREDDED;
  constexpr auto kPurged = v1::PARTITION_STATE_PURGED;
  EXPECT_EQ(compare(kPurged, kPurged, 1), ExitCode::kOk);
  EXPECT_EQ(compare(kLive, kLive, 0), ExitCode::kOk);
  EXPECT_EQ(compare(kExpired, kPurged, 1), ExitCode::kOk) << "purged meanwhile";
  EXPECT_EQ(compare(kExpired, kPurged, 0), ExitCode::kOk) << "purged after the receipts";
  EXPECT_EQ(compare(kShredded, kShredded, 1, false), ExitCode::kOk);
  EXPECT_EQ(compare(kPurged, kPurged, 0), ExitCode::kVerification);
  EXPECT_EQ(compare(kPurged, kPurged, 1, false), ExitCode::kVerification);
  EXPECT_EQ(compare(kPurged, kPurged, 2), ExitCode::kVerification);
  EXPECT_EQ(compare(kShredded, kShredded, 1), ExitCode::kVerification);
  EXPECT_EQ(compare(kLive, kLive, 1), ExitCode::kVerification);
  EXPECT_EQ(compare(kExpired, kExpired, 1, false), ExitCode::kVerification);
  EXPECT_EQ(ExitCodeOf(CompareWithPartitions({{Deletion(log)}, {}, {}})), ExitCode::kVerification);
}

}  // namespace
}  // namespace televault::cli
