// How far a reading of the trail that asks for a span of time goes.
#include <algorithm>

#include "audit/leaf.h"
#include "tests/integration/daemon/in_process.h"

namespace televault::daemon {
namespace {

using televault::testing::IsOk;

class TrailTimesTest : public InProcessTest {
 protected:
  static constexpr int kEntries = 64;

  TrailTimesTest() : InProcessTest(PosixFileSystem()) {}
  void SetUp() override {
    InProcessTest::SetUp();
    auditor_ = As("auditor");
    // So that no key has to be looked for over a leaf that has none.
    ASSERT_THAT(auditor_->ListEntries({}, call_), IsOk());
  }

  void Record(const std::string& method, int count = kEntries) {
    constexpr int kPerUnit = 256;
    for (int done = 0; done < count; done += kPerUnit) {
      store::CommitUnit unit;
      for (int i = done; i < std::min(count, done + kPerUnit); ++i) {
        TV_ASSERT_OK_AND_ASSIGN(auto leaf, vault_->recorder().Seal(service::EventEntry(method)));
        unit.leaves.push_back(std::move(leaf));
      }
      ASSERT_THAT(vault_->journal().Commit(unit), IsOk());
    }
  }
  // An entry that nobody can open: whoever comes to it fails, or counts it.
  void CommitUnreadable() {
    const auto leaf = audit::EncodeLeaf({audit::LeafType::kEntry, {9}, AsBytes("sealed")});
    ASSERT_THAT(leaf, IsOk());
    store::CommitUnit unit;
    unit.leaves.push_back({*leaf, audit::LeafHash(AsBytes(*leaf))});
    ASSERT_THAT(vault_->journal().Commit(unit), IsOk());
  }
  // From `before` ago to `after` ago.
  v1::EntryFilter Span(std::chrono::hours before, std::chrono::hours after) {
    const int64_t now = clock_.Wall().micros / 1'000'000;
    v1::EntryFilter filter;
    filter.mutable_since()->set_seconds(now - std::chrono::seconds(before).count());
    filter.mutable_until()->set_seconds(now - std::chrono::seconds(after).count());
    return filter;
  }
  // Number of entries that a tail up to the head brings.
  int Tail(const v1::EntryFilter& filter) {
    v1::TailEntriesRequest request;
    *request.mutable_filter() = filter;
    request.set_stop_at_head(true);
    const auto stream = auditor_->TailEntries(request, call_);
    EXPECT_THAT(stream, IsOk());
    if (!stream.ok()) return -1;
    v1::TailEntriesResponse response;
    for (int count = 0;; ++count) {
      const auto more = (*stream)->Next(response);
      EXPECT_THAT(more, IsOk());
      if (!more.ok() || !*more) return more.ok() ? count : -1;
    }
  }

  std::unique_ptr<client::Vault> auditor_;
  client::Call call_;
};

// It paged back to the first entry there is, 50,000 of them a call.
TEST_F(TrailTimesTest, AListEndsWithTheFirstEntryThatIsOlder) {
  Record("test.old", 50'001);
  clock_.Advance(std::chrono::hours(2));
  Record("test.new");
  v1::ListEntriesRequest request;
  *request.mutable_filter() = Span(std::chrono::hours(1), std::chrono::hours(-1));
  request.set_page_size(1'000);
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, auditor_->ListEntries(request, call_));
  EXPECT_EQ(listed.entries_size(), kEntries);
  EXPECT_EQ(listed.next_page_token(), "");
}

TEST_F(TrailTimesTest, ATailOfOneSpanReadsNothingOlder) {
  CommitUnreadable();
  Record("test.old");
  clock_.Advance(std::chrono::hours(2));
  Record("test.new");
  EXPECT_EQ(Tail(Span(std::chrono::hours(1), std::chrono::hours(-1))), kEntries);
}

TEST_F(TrailTimesTest, ATailOfOneSpanEndsBeforeWhatIsNewer) {
  clock_.Advance(std::chrono::hours(2));
  Record("test.old");
  clock_.Advance(std::chrono::hours(2));
  Record("test.new");
  CommitUnreadable();
  EXPECT_EQ(Tail(Span(std::chrono::hours(3), std::chrono::hours(1))), kEntries);
}

}  // namespace
}  // namespace televault::daemon
