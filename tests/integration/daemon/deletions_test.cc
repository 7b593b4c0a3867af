// What an auditor finds out about deletions from an export and a key file: vault and server in this
// process, the command line beside them.
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include <nlohmann/json.hpp>

#include "admin-cli/app.h"
#include "tests/integration/daemon/in_process.h"
#include "tests/support/trail.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/restore.h"

namespace televault::daemon {
namespace {

using nlohmann::json;
using televault::testing::Apply;
using televault::testing::EntriesOf;
using televault::testing::IsOk;
using televault::testing::SampleManifest;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DeletionsTest : public InProcessTest {
 protected:
  struct Outcome {
    int code = 0;
    std::string out;
    std::string err;
    json Object() const { return json::parse(out, nullptr, false); }
  };

  DeletionsTest() : InProcessTest(PosixFileSystem()) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    setenv("XDG_STATE_HOME", directory_.Path("state").c_str(), 1);
    steward_ = As("steward");
    collector_ = As("collector");
    ASSERT_THAT(Apply(*steward_, SampleManifest("cli_usage")), IsOk());
    ASSERT_NO_FATAL_FAILURE(Append({1, 2}));
  }
  void TearDown() override {
    unsetenv("XDG_STATE_HOME");
    InProcessTest::TearDown();
  }

  // One event of each of these days ago, in one batch.
  void Append(const std::vector<int>& days_ago) {
    std::vector<v1::Event> events;
    for (const int days : days_ago) {
      events.push_back(televault::testing::Usage(clock_.Wall() - microseconds(days * kMicrosPerDay),
                                                 "s7", "build"));
    }
    const auto appended =
        televault::testing::Append(*collector_, televault::testing::RowsOf(events));
    ASSERT_THAT(appended, IsOk());
    ASSERT_EQ(appended->rejected(), 0u);
  }
  void Pass(int days) { clock_.Advance(microseconds(days * kMicrosPerDay)); }
  void RunRetention() {
    const auto data = vault_->Data();
    ASSERT_THAT(data, IsOk());
    ASSERT_THAT((*data)->retention->RunOnce(), IsOk());
  }
  v1::Hold PlaceHold(const std::string& day, int days) {
    v1::PlaceHoldRequest request;
    request.set_dataset("cli_usage");
    request.set_first_day(day);
    request.set_last_day(day);
    request.set_reason("file 12");
    request.mutable_until()->set_seconds(clock_.Wall().micros / 1'000'000 + days * 86'400);
    const auto placed = steward_->PlaceHold(request, call_);
    EXPECT_THAT(placed, IsOk());
    return placed.ok() ? placed->hold() : v1::Hold();
  }
  void Release(const v1::Hold& hold) {
    v1::ReleaseHoldRequest request;
    request.set_id(hold.id());
    request.set_reason("closed");
    ASSERT_THAT(steward_->ReleaseHold(request, call_), IsOk());
  }
  void Erase(const std::string& subject) {
    v1::EraseSubjectRequest request;
    request.set_dataset("cli_usage");
    request.set_subject(subject);
    ASSERT_THAT(steward_->EraseSubject(request, call_), IsOk());
  }
  void RunEraser(const std::function<bool()>& enough = [] { return false; }) {
    const auto data = vault_->Data();
    ASSERT_THAT(data, IsOk());
    ASSERT_THAT((*data)->eraser->RunOnce(enough), IsOk());
  }
  // A detail of every entry of the method that is about the day.
  std::vector<std::string> Details(const std::string& method, const std::string& day,
                                   const std::string& name) {
    std::vector<std::string> values;
    for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) {
      if (entry.method() != method || entry.details().at("day") != day) continue;
      values.push_back(entry.details().at(name));
    }
    return values;
  }
  std::string DayAgo(int days) {
    return FormatDay(DayOf(clock_.Wall() - microseconds(days * kMicrosPerDay)));
  }

  // The command line, "" for no token.
  Outcome Run(const std::string& token, std::vector<std::string> words,
              const std::string& output = "json") {
    if (!token.empty()) {
      const std::string file = directory_.Path("token");
      std::filesystem::remove(file);
      std::ofstream(file) << token << '\n';
      std::filesystem::permissions(file, std::filesystem::perms::owner_read);
      words.insert(words.begin(), {"--token-file", file});
    }
    words.insert(words.begin(), {"televault", "--addr", config_.listen.front(), "-o", output});
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const int code = cli::RunApp(static_cast<int>(arguments.size()), arguments.data(),
                                 {.in = in, .out = out, .err = err});
    return {code, out.str(), err.str()};
  }
  void Export() {
    const std::string keys = directory_.Path("keys");
    std::filesystem::remove(keys);
    const Outcome outcome = Run(TokenFor("auditor"), {"audit", "export", directory_.Path("log"),
                                                      "--key-file", keys, "--reason", "test"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  Outcome Verify(bool with_keys = true, const std::string& output = "json") {
    std::vector<std::string> words{
        "retention", "receipts",    "--verify", "--dir", directory_.Path("log"),
        "--log-key", vault_->vkey()};
    if (with_keys) {
      words.push_back("--keys");
      words.push_back(directory_.Path("keys"));
    }
    return Run("", words, output);
  }
  static std::vector<std::string> Members(const json& list, const char* member) {
    std::vector<std::string> values;
    for (const json& object : list) values.push_back(object.at(member));
    return values;
  }

  std::unique_ptr<client::Vault> steward_;
  std::unique_ptr<client::Vault> collector_;
  client::Call call_;
};

TEST_F(DeletionsTest, AnAuditorSeesEveryDayGo) {
  const v1::Hold hold = PlaceHold(DayAgo(1), 100);
  ASSERT_NO_FATAL_FAILURE(Export());
  Outcome outcome = Verify();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  json report = outcome.Object();
  EXPECT_EQ(report["verdict"], "holds");
  EXPECT_THAT(Members(report["partitions"], "state"), ElementsAre("live", "live"));
  EXPECT_THAT(Members(report["partitions"], "receipt"), ElementsAre("none", "none"));

  Pass(95);
  ASSERT_NO_FATAL_FAILURE(RunRetention());
  ASSERT_NO_FATAL_FAILURE(Export());
  outcome = Verify();
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  report = outcome.Object();
  EXPECT_THAT(Members(report["partitions"], "state"), ElementsAre("purged", "expired"));
  EXPECT_THAT(Members(report["partitions"], "receipt"), ElementsAre("ok", "none"));
  EXPECT_EQ(report["partitions"][1]["holds"], json::array({hold.id()}));

  Pass(6);
  ASSERT_NO_FATAL_FAILURE(RunRetention());
  ASSERT_NO_FATAL_FAILURE(Export());
  outcome = Verify();
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  report = outcome.Object();
  EXPECT_THAT(Members(report["partitions"], "state"), ElementsAre("purged", "purged"));
  EXPECT_THAT(Members(report["partitions"], "receipt"), ElementsAre("ok", "ok"));
  EXPECT_EQ(report["partitions"][1]["holds"], json::array({hold.id()}));
  EXPECT_EQ(report["leaves_unreadable"], 0);

  const Outcome online = Run(TokenFor("steward"), {"retention", "receipts", "--verify"});
  EXPECT_EQ(online.code, 0) << online.err;
  EXPECT_THAT(online.err, HasSubstr("2 receipts verified"));
}

// A vault that shreds nothing is found out by what it does not say.
TEST_F(DeletionsTest, WhatIsOverdueIsFound) {
  Pass(95);
  ASSERT_NO_FATAL_FAILURE(Export());
  const Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("overdue"));
  const Outcome table = Verify(/*with_keys=*/true, "table");
  EXPECT_EQ(table.code, 3);
  for (const char* word : {"dataset", "expired", "not kept", "due since"}) {
    EXPECT_THAT(table.out, HasSubstr(word));
  }
  EXPECT_EQ(Verify(/*with_keys=*/true, "csv").code, 1) << "several tables are no CSV";
  const json report = outcome.Object();
  EXPECT_EQ(report["verdict"], "broken");
  EXPECT_THAT(Members(report["findings"], "kind"), ElementsAre("overdue", "overdue"));
}

TEST_F(DeletionsTest, AShorterTimeToLiveIsFollowed) {
  TV_ASSERT_OK_AND_ASSIGN(
      const auto applied,
      Apply(*steward_, SampleManifest("cli_usage",
                                      {{"ttl: 90d", "ttl: 30d"}, {"revision: 1", "revision: 2"}})));
  ASSERT_TRUE(applied.applied()) << applied.DebugString();
  EXPECT_EQ(EntriesOf(*vault_).back().details().at("deadlines_moved"), "2");
  Pass(32);
  ASSERT_NO_FATAL_FAILURE(RunRetention());
  ASSERT_NO_FATAL_FAILURE(Export());
  const Outcome outcome = Verify();
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(Members(outcome.Object()["partitions"], "state"), ElementsAre("purged", "purged"));
}

TEST_F(DeletionsTest, AnErasureIsFollowedToItsReceipt) {
  v1::EraseSubjectRequest request;
  request.set_dataset("cli_usage");
  request.set_subject("s7");
  TV_ASSERT_OK_AND_ASSIGN(const auto erased, steward_->EraseSubject(request, call_));
  ASSERT_NO_FATAL_FAILURE(Export());
  Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(Members(outcome.Object()["erasures"], "receipt"), ElementsAre("none"));

  // Not settled by its deadline.
  Pass(4);
  ASSERT_NO_FATAL_FAILURE(Export());
  outcome = Verify();
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_THAT(Members(outcome.Object()["findings"], "kind"), ElementsAre("erasure_overdue"));

  TV_ASSERT_OK_AND_ASSIGN(const auto data, vault_->Data());
  ASSERT_THAT(data->eraser->RunOnce([] { return false; }), IsOk());
  Pass(91);
  ASSERT_NO_FATAL_FAILURE(RunRetention());
  ASSERT_NO_FATAL_FAILURE(Export());
  outcome = Verify();
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(Members(outcome.Object()["erasures"], "id"), ElementsAre(erased.erasure().id()));
  EXPECT_THAT(Members(outcome.Object()["erasures"], "receipt"), ElementsAre("ok"));
  // Of days that were rewritten under another key, too.
  EXPECT_THAT(Members(outcome.Object()["partitions"], "receipt"), ElementsAre("ok", "ok"));

  const Outcome online = Run(TokenFor("steward"), {"retention", "receipts", "--verify"});
  EXPECT_EQ(online.code, 0) << online.err;
  EXPECT_THAT(online.err, HasSubstr("and those of 1 erasures"));
}

// A hold that came when the day was rewritten keeps the key of before; the run that destroys it
// after the next erasure seals nothing anew.
TEST_F(DeletionsTest, ADayIsCalledRewrittenOnlyWhereItHasANewKey) {
  const std::string day = DayAgo(2);
  ASSERT_NO_FATAL_FAILURE(Erase("s7"));
  std::optional<v1::Hold> hold;
  ASSERT_NO_FATAL_FAILURE(RunEraser([&] {
    if (!hold.has_value() && !Details("erasure.rewrite", day, "key_id").empty()) {
      hold = PlaceHold(day, 1);
    }
    return false;
  }));
  ASSERT_TRUE(hold.has_value());
  ASSERT_NO_FATAL_FAILURE(Erase("s8"));
  ASSERT_NO_FATAL_FAILURE(Release(*hold));
  ASSERT_NO_FATAL_FAILURE(RunEraser());
  EXPECT_THAT(Details("erasure.rewrite", day, "rewritten"), ElementsAre("yes", "no"));
  const std::vector<std::string> keys = Details("erasure.rewrite", day, "key_id");
  EXPECT_EQ(keys.front(), keys.back());
  ASSERT_NO_FATAL_FAILURE(Export());
  const Outcome outcome = Verify();
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(Members(outcome.Object()["erasures"], "receipt"), ElementsAre("ok", "ok"));
}

// Its opening was given up, and a hold keeps its key: the erasure waits for that, and says so.
TEST_F(DeletionsTest, AnErasureWaitsForTheHeldKeyOfADayWithoutARecord) {
  const auto data = vault_->Data();
  ASSERT_THAT(data, IsOk());
  const auto dataset = (*data)->catalog->Find("cli_usage");
  ASSERT_THAT(dataset, IsOk());
  const v1::AppendRequest request = televault::testing::RowsOf(
      {televault::testing::Usage(clock_.Wall() - microseconds(3 * kMicrosPerDay), "s3", "build")});
  const std::string day = DayAgo(3);
  {
    auto prepared = (*data)->ingestor->Prepare(request, *dataset, clock_.Wall());
    ASSERT_THAT(prepared, IsOk());
    (*data)->ingestor->Abandoned(*prepared);
  }
  const v1::Hold hold = PlaceHold(day, 100);
  ASSERT_NO_FATAL_FAILURE(Erase("s7"));
  clock_.Advance(microseconds(3 * kMicrosPerDay - kMicrosPerDay / 48));  // half an hour is left
  for (int run = 0; run < 3; ++run) ASSERT_NO_FATAL_FAILURE(RunEraser());
  EXPECT_THAT(Details("erasure.held", day, "holds"), ElementsAre("1"));
  Pass(1);
  ASSERT_NO_FATAL_FAILURE(Export());
  Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(Members(outcome.Object()["erasures"], "receipt"), ElementsAre("none"));

  ASSERT_NO_FATAL_FAILURE(Release(hold));
  ASSERT_NO_FATAL_FAILURE(RunEraser());
  EXPECT_THAT(Details("erasure.unrecorded_key", day, "key_id"), SizeIs(1));
  ASSERT_NO_FATAL_FAILURE(Export());
  outcome = Verify();
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(Members(outcome.Object()["erasures"], "receipt"), ElementsAre("ok"));
  EXPECT_EQ(outcome.Object()["erasures"][0]["holds"], json::array({hold.id()}));
}

TEST_F(DeletionsTest, WithoutKeysItIsIncompleteAndNeverAPass) {
  ASSERT_NO_FATAL_FAILURE(Export());
  const Outcome outcome = Verify(/*with_keys=*/false);
  EXPECT_EQ(outcome.code, 7) << outcome.err;
  EXPECT_EQ(outcome.Object()["verdict"], "incomplete");
  EXPECT_EQ(outcome.Object()["entries_read"], 0);
  EXPECT_THAT(outcome.err, HasSubstr("Incomplete"));
}

TEST_F(DeletionsTest, ATamperedExportIsNotEvenRead) {
  Pass(95);
  ASSERT_NO_FATAL_FAILURE(RunRetention());
  ASSERT_NO_FATAL_FAILURE(Export());
  ASSERT_EQ(Verify().code, 0);
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(directory_.Path("log/tile"))) {
    if (!file.is_regular_file()) continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string good{std::istreambuf_iterator<char>(in), {}};
    std::string bad = good;
    bad[bad.size() / 2] ^= 1;
    std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << bad;
    const Outcome outcome = Verify();
    EXPECT_EQ(outcome.code, 3) << file.path();
    EXPECT_EQ(outcome.out, "");
    std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << good;
  }
  EXPECT_EQ(Verify().code, 0);
  // Another log's key.
  std::string vkey = vault_->vkey();
  vkey.back() = vkey.back() == 'A' ? 'B' : 'A';
  EXPECT_NE(Run("", {"retention", "receipts", "--verify", "--dir", directory_.Path("log"),
                     "--log-key", vkey})
                .code,
            0);
}

// In the commit of the records themselves, however many an append opens.
TEST_F(DeletionsTest, EveryOpeningIsOnRecord) {
  ASSERT_NO_FATAL_FAILURE(Append({1, 3, 4, 5, 6}));
  std::vector<std::string> days;
  for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) {
    if (entry.method() != "partition.open") continue;
    days.push_back(entry.details().at("day"));
    EXPECT_EQ(entry.dataset(), "cli_usage");
    for (const char* name : {"deadline", "key_id", "pseudonym"}) {
      EXPECT_THAT(entry.details(), Contains(::testing::Key(name)));
    }
  }
  EXPECT_THAT(days, SizeIs(6));
  for (const int ago : {1, 2, 3, 4, 5, 6}) EXPECT_THAT(days, Contains(DayAgo(ago)));
}

// What a kill between the last entry of a restore and the removal of its order leaves.
TEST_F(DeletionsTest, ARestoreThatIsFollowedTwiceIsNoFault) {
  v1::CreateBackupRequest request;
  request.set_directory(directory_.Path("one"));
  ASSERT_THAT(As("operator")->CreateBackup(request, call_), IsOk());
  End();
  ASSERT_THAT(RestoreVault(PosixFileSystem(), clock_, SystemRandom(),
                           {.config = config_,
                            .backup = directory_.Path("one"),
                            .accepted = "a drill",
                            .by = "a test"}),
              IsOk());
  const std::string order = Layout{config_.data_dir}.store_dir() + "/restored";
  ASSERT_THAT(
      Vault::Open(config_, {.fs = PosixFileSystem(), .clock = clock_, .random = SystemRandom()}),
      IsOk());
  std::filesystem::copy(order, directory_.Path("order"));
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_FALSE(std::filesystem::exists(order));
  End();
  std::filesystem::copy(directory_.Path("order"), order);
  ASSERT_NO_FATAL_FAILURE(Start());
  Export();
  const Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
}

}  // namespace
}  // namespace televault::daemon
