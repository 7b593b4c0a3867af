// How far a reading of the trail that asks for a span of time goes: a leaf that cannot be read
// stands where it should never come, and would end it.
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
    // So that no key has to be looked for over what cannot be read.
    ASSERT_THAT(auditor_->ListEntries({}, call_), IsOk());
  }

  void Record(const std::string& method) {
    for (int i = 0; i < kEntries; ++i) {
      ASSERT_THAT(vault_->recorder().Record(service::EventEntry(method)), IsOk());
    }
  }
  void CommitRubbish() {
    store::CommitUnit unit;
    unit.leaves.push_back({"no leaf at all", audit::LeafHash(AsBytes("no leaf at all"))});
    ASSERT_THAT(vault_->journal().Commit(std::move(unit)), IsOk());
  }
  // Between `before` ago and `after` ago.
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

TEST_F(TrailTimesTest, WhatIsOlderThanAskedForIsNotRead) {
  CommitRubbish();
  Record("test.old");
  clock_.Advance(std::chrono::hours(2));
  Record("test.new");
  v1::ListEntriesRequest list;
  *list.mutable_filter() = Span(std::chrono::hours(1), std::chrono::hours(-1));
  list.set_page_size(1'000);
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, auditor_->ListEntries(list, call_));
  EXPECT_EQ(listed.entries_size(), kEntries);
  EXPECT_EQ(listed.next_page_token(), "");
  EXPECT_EQ(Tail(list.filter()), kEntries + 1) << "with the entry of the list";
}

TEST_F(TrailTimesTest, WhatIsNewerThanAskedForIsNotReadToTheHead) {
  clock_.Advance(std::chrono::hours(2));
  Record("test.old");
  clock_.Advance(std::chrono::hours(2));
  Record("test.new");
  CommitRubbish();
  EXPECT_EQ(Tail(Span(std::chrono::hours(3), std::chrono::hours(1))), kEntries);
}

}  // namespace
}  // namespace televault::daemon
