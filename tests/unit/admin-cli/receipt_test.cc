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
  for (const v1::AuditReceipt& bad : {garbage, moved, ReceiptOf(other)}) {
    const absl::Status status = KeepReceipt(path, bad, leaf, log.key());
    EXPECT_EQ(ExitCodeOf(status), ExitCode::kVerification) << status;
    EXPECT_EQ(ContentOf(path), "the receipt of yesterday");
  }
  ASSERT_THAT(KeepReceipt(path, ReceiptOf(log), leaf, log.key()), IsOk());
  EXPECT_EQ(ContentOf(path), ReceiptOf(log).proof());
}

}  // namespace
}  // namespace televault::cli
