// What the vault does of its own accord, against what its trail says of it: the vault and its
// server in this process.
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "tests/support/trail.h"
#include "vault/ingest/ingestor.h"

namespace televault::daemon {
namespace {

using televault::testing::Apply;
using televault::testing::Await;
using televault::testing::EntriesOf;
using televault::testing::IsOk;

class ForgettingTest : public InProcessTest {
 protected:
  ForgettingTest() : InProcessTest(PosixFileSystem()) {}

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    ASSERT_THAT(Apply(*As("steward"), televault::testing::SampleManifest("cli_usage")), IsOk());
    collector_ = TokenFor("collector");
  }
  // Batches of one event each under ids of their own, and one without.
  void AppendBatches(int batches) {
    const auto collector = Connect(collector_);
    for (int i = 0; i <= batches; ++i) {
      v1::AppendRequest batch =
          televault::testing::RowsOf({televault::testing::Usage(clock_.Wall(), "s", "build")});
      if (i < batches) batch.set_batch_id(absl::StrCat("batch-", 1'000'000'000 + next_id_++));
      EXPECT_THAT(televault::testing::Append(*collector, batch), IsOk());
    }
  }
  std::set<std::string> KnownIds() {
    std::set<std::string> ids;
    const auto data = vault_->Data();
    EXPECT_THAT(data, IsOk());
    const auto view = (*data)->store.Pin();
    EXPECT_THAT(view, IsOk());
    EXPECT_THAT((*data)->meta.Scan<record::v1::BatchRecord>(
                    **view, store::RecordKind::kBatchId, store::RecordId(),
                    [&](const record::v1::BatchRecord& record) {
                      ids.insert(record.batch_id());
                      return true;
                    }),
                IsOk());
    return ids;
  }
  // The numbers of the entries, oldest first.
  std::vector<uint64_t> Forgotten() {
    std::vector<uint64_t> numbers;
    for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) {
      if (entry.method() != "ingest.forget_batches") continue;
      uint64_t& number = numbers.emplace_back(0);
      EXPECT_TRUE(absl::SimpleAtoi(entry.details().at("records"), &number));
    }
    return numbers;
  }

  std::string collector_;
  int next_id_ = 0;
};

TEST_F(ForgettingTest, TheEntrySaysHowManyBatchesWereForgotten) {
  AppendBatches(5);
  clock_.Advance(ingest::kBatchIdLife / 2);
  AppendBatches(3);
  ASSERT_EQ(KnownIds().size(), 8u);
  clock_.Advance(ingest::kBatchIdLife / 2);
  vault_->StartHousekeeping();
  EXPECT_TRUE(Await([&] { return KnownIds().size() == 3; }));
  EXPECT_THAT(Forgotten(), ::testing::ElementsAre(5));
  clock_.Advance(ingest::kBatchIdLife / 2);
  EXPECT_TRUE(Await([&] { return KnownIds().empty(); }));
  // Nothing is said where nothing was forgotten.
  EXPECT_THAT(Forgotten(), ::testing::ElementsAre(5, 3));
}

}  // namespace
}  // namespace televault::daemon
