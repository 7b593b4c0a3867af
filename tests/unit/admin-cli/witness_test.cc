#include "admin-cli/witness/witness.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/stat.h>

#include "audit/encoding.h"
#include "audit/witness.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/admin-cli/submitted_log.h"

namespace televault::cli {
namespace {

using televault::testing::FakeClock;
using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::Not;

class WitnessTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Witness>> Open(FileSystem& fs = PosixFileSystem(),
                                                const std::string& name = "w.example/1") {
    return Witness::Open({.directory = directory(), .name = name, .logs = {log_.key()}},
                         {fs, clock_, random_});
  }
  std::string directory() const { return temp_.path() + "/witness"; }

  TempDirectory temp_;
  FakeClock clock_;
  SeededRandom random_{3};
  const SubmittedLog log_{"vault.example/log"};
};

TEST_F(WitnessTest, CosignsAGrowingLogAndNothingElse) {
  TV_ASSERT_OK_AND_ASSIGN(const auto witness, Open());
  const Witness::Answer first = witness->AddCheckpoint(log_.Request(0, 4));
  ASSERT_EQ(first.http_status, 200) << first.body;
  std::string_view line = first.body;
  line.remove_suffix(1);
  const auto signature = audit::ParseSignatureLine(line);
  ASSERT_THAT(signature, IsOk());
  const std::string request = log_.Request(0, 4);
  const std::string note = audit::ParseAddCheckpoint(request)->checkpoint;
  EXPECT_THAT(
      audit::VerifySignature(audit::ParseNote(note)->text, signature->signature, witness->key()),
      IsOk());
  EXPECT_EQ(audit::CosignatureTimestamp(signature->signature).value(),
            static_cast<uint64_t>(clock_.Wall().micros / 1'000'000));
  EXPECT_EQ(witness->AddCheckpoint(log_.Request(4, 9)).http_status, 200);
  EXPECT_EQ(witness->AddCheckpoint(log_.Request(4, 9)).http_status, 409);
  EXPECT_EQ(witness->AddCheckpoint(log_.Request(9, 12, "other ")).http_status, 422);
  EXPECT_EQ(witness->AddCheckpoint(log_.Request(9, 9, "other ")).http_status, 409);
  EXPECT_EQ(witness->AddCheckpoint(SubmittedLog("vault.example/unknown").Request(0, 4)).http_status,
            404);
  EXPECT_EQ(witness->AddCheckpoint("rubbish").http_status, 400);
}

TEST_F(WitnessTest, RemembersOverARestartUnderItsOwnKey) {
  std::string key;
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto witness, Open());
    key = witness->key().Text();
    EXPECT_EQ(witness->AddCheckpoint(log_.Request(0, 7)).http_status, 200);
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto witness, Open(PosixFileSystem(), ""));
  EXPECT_EQ(witness->key().Text(), key);
  const Witness::Answer behind = witness->AddCheckpoint(log_.Request(0, 9));
  EXPECT_EQ(behind.http_status, 409);
  EXPECT_EQ(behind.body, "7\n");
  EXPECT_EQ(behind.content_type, "text/x.tlog.size");
  EXPECT_EQ(witness->AddCheckpoint(log_.Request(7, 9)).http_status, 200);
}

// What is written first for one log was the state of the other: the next start took it for new, and
// another history of it was cosigned.
TEST_F(WitnessTest, ALogThatIsNamedLikeATemporaryIsNotForgotten) {
  const SubmittedLog other(log_.key().name() + ".new");
  const Witness::Options options{
      .directory = directory(), .name = "w.example/1", .logs = {log_.key(), other.key()}};
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto witness,
                            Witness::Open(options, {PosixFileSystem(), clock_, random_}));
    ASSERT_EQ(witness->AddCheckpoint(other.Request(0, 9)).http_status, 200);
    ASSERT_EQ(witness->AddCheckpoint(log_.Request(0, 4)).http_status, 200);
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto witness,
                          Witness::Open(options, {PosixFileSystem(), clock_, random_}));
  EXPECT_EQ(witness->AddCheckpoint(other.Request(0, 6, "other ")).http_status, 409);
  EXPECT_EQ(witness->AddCheckpoint(other.Request(9, 12)).http_status, 200);
}

TEST_F(WitnessTest, ItsKeyIsForItsOwnerOnly) {
  ASSERT_THAT(Open(), IsOk());
  struct stat found {};
  ASSERT_EQ(::stat((directory() + "/witness.key").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(WitnessTest, TwoNeverServeFromOneDirectory) {
  TV_ASSERT_OK_AND_ASSIGN(const auto first, Open());
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another witness")));
}

TEST_F(WitnessTest, IsNamedOnceAndKeepsItsName) {
  EXPECT_THAT(Open(PosixFileSystem(), ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--name")));
  EXPECT_FALSE(Open(PosixFileSystem(), "a name").ok());
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(Open(PosixFileSystem(), "w.example/2"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("w.example/1")));
}

TEST_F(WitnessTest, ALogUnderAnotherKeyIsNotTheLogItKnows) {
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto witness, Open());
    EXPECT_EQ(witness->AddCheckpoint(log_.Request(0, 4)).http_status, 200);
  }
  const auto other =
      audit::VerifierKey::Create(log_.key().name(), audit::KeyType::kEd25519, audit::PublicKey{9});
  EXPECT_THAT(Witness::Open({.directory = directory(), .name = "", .logs = {*other}},
                            {PosixFileSystem(), clock_, random_}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another key")));
  EXPECT_THAT(
      Witness::Open({.directory = directory(), .name = "", .logs = {log_.key(), log_.key()}},
                    {PosixFileSystem(), clock_, random_}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
}

TEST_F(WitnessTest, AStateThatCannotBeReadIsNeverAFirstUse) {
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto witness, Open());
    EXPECT_EQ(witness->AddCheckpoint(log_.Request(0, 4)).http_status, 200);
  }
  const std::string path = directory() + "/vault.example%2Flog.log";
  std::ifstream in(path);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  ASSERT_THAT(good, HasSubstr("televault-witness/v1"));
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() / 2), good.substr(1), good + "x"}) {
    std::ofstream(path, std::ios::trunc) << bad;
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
  std::ofstream(path, std::ios::trunc) << good;
  EXPECT_THAT(Open(), IsOk());
}

// No cosignature of what could not be kept, and none for this log until a restart has found out
// what is on disk.
TEST_F(WitnessTest, WhatCannotBeKeptIsNotCosigned) {
  televault::testing::FaultFileSystem fs(PosixFileSystem());
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto witness, Open(fs));
    ASSERT_EQ(witness->AddCheckpoint(log_.Request(0, 4)).http_status, 200);
    fs.Fill(".log");
    EXPECT_EQ(witness->AddCheckpoint(log_.Request(4, 9)).http_status, 500);
    fs.Fill("");
    EXPECT_EQ(witness->AddCheckpoint(log_.Request(4, 9)).http_status, 500);
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto witness, Open(fs));
  EXPECT_EQ(witness->AddCheckpoint(log_.Request(4, 9)).http_status, 200);
}

TEST_F(WitnessTest, ACosignedHeadOutlivesAPowerCutAtEveryStep) {
  bool cosigned = false;
  for (uint64_t step = 0; !cosigned; ++step) {
    ASSERT_LT(step, 100u);
    const TempDirectory fresh;
    televault::testing::LossyFileSystem fs;
    const Witness::Options options{
        .directory = fresh.path() + "/w", .name = "w.example/1", .logs = {log_.key()}};
    {
      TV_ASSERT_OK_AND_ASSIGN(const auto witness, Witness::Open(options, {fs, clock_, random_}));
      ASSERT_EQ(witness->AddCheckpoint(log_.Request(0, 4)).http_status, 200);
      fs.StopAfter(step);
      cosigned = witness->AddCheckpoint(log_.Request(4, 9)).http_status == 200;
    }
    fs.PowerCut();
    TV_ASSERT_OK_AND_ASSIGN(const auto witness, Witness::Open(options, {fs, clock_, random_}));
    const Witness::Answer where = witness->AddCheckpoint(log_.Request(0, 9));
    ASSERT_EQ(where.http_status, 409) << step;
    EXPECT_TRUE(where.body == "9\n" || (where.body == "4\n" && !cosigned)) << step << where.body;
  }
}

TEST(WitnessStates, GoldenFileReads) {
  std::ifstream in("tests/golden/witness/state-v1.txt");
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  const auto state = ParseWitnessedState(golden);
  ASSERT_THAT(state, IsOk());
  EXPECT_THAT(state->vkey, HasSubstr("example.com/log/testdata"));
  EXPECT_EQ(FormatWitnessedState(*state), golden);
}

}  // namespace
}  // namespace televault::cli
