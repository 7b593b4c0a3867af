// What a start finds, and what it refuses to go on with.

#include "vault/store/engine.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/unit/store/engine_harness.h"
#include "tests/unit/store/power_cut.h"
#include "vault/store/log_layout.h"

namespace televault::store {
namespace {

using testing::EngineHarness;
using testing::HasReason;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::RocksHarness;
using testing::SimHarness;
using testing::Unit;

class SimEngineTest : public ::testing::Test {
 protected:
  SimEngineTest() : harness_(std::make_unique<SimHarness>()) {}
  testing::SimDisk& disk() { return static_cast<SimHarness&>(harness_.store()).disk(); }
  // An engine with `count` commits, each of a leaf and a record, closed again.
  void Fill(int count) {
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    ASSERT_EQ(engine.quarantine, "");
    for (int i = 0; i < count; ++i) {
      ASSERT_THAT(engine.journal->Commit(
                      Unit(absl::StrCat("leaf ", i), {{Family::kMeta, "record", absl::StrCat(i)}})),
                  IsOk());
    }
  }
  void ExpectQuarantine(const std::string& why) {
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    EXPECT_THAT(engine.quarantine, HasSubstr(why));
    EXPECT_THAT(engine.quarantine,
                HasSubstr("start once with `televaultd serve --adopt-recovered-state"));
    EXPECT_THAT(engine.journal->Commit(Unit("refused")), HasReason(reason::kControlMode));
  }
  void ExpectAdoptable() {
    {
      TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open(/*adopt=*/true));
      EXPECT_EQ(engine.quarantine, "");
      EXPECT_THAT(engine.journal->Commit(Unit("goes on")), IsOk());
    }
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    EXPECT_EQ(engine.quarantine, "") << "adopting once is enough";
  }
  absl::StatusOr<RecoveredEnd> TheEnd() {
    TV_ASSIGN_OR_RETURN(const auto store, harness_.store().Open());
    TV_ASSIGN_OR_RETURN(const auto view, store->Pin());
    TV_ASSIGN_OR_RETURN(const std::string stored, view->Get(Family::kAudit, kHeadKey));
    TV_ASSIGN_OR_RETURN(const JournalHead head, ParseHead(AsBytes(stored), harness_.freshness_key));
    return EndOf(head);
  }
  // Writes past the journal, as somebody with the disk in his hands could.
  void WriteBehindItsBack(std::vector<Mutation> mutations) {
    TV_ASSERT_OK_AND_ASSIGN(const auto store, harness_.store().Open());
    TV_ASSERT_OK_AND_ASSIGN(const StoreEpoch epoch, store->AcquireLease());
    ASSERT_EQ(store->Commit(epoch, {std::move(mutations)}), CommitOutcome::kOk);
  }

  EngineHarness harness_;
};

// A decision about one store says nothing about another one that was put in its place.
TEST_F(SimEngineTest, OnlyTheStoreThatTheDecisionIsAboutIsAdopted) {
  Fill(3);
  TV_ASSERT_OK_AND_ASSIGN(const RecoveredEnd end, TheEnd());
  std::filesystem::remove(harness_.anchor_path());
  std::vector<RecoveredEnd> others(4, end);
  ++others[0].commits;
  --others[1].head.size;
  others[2].head.root[0] ^= 1;
  others[3].meta_sum[0] ^= 1;
  for (const RecoveredEnd& other : others) {
    harness_.adopt_only = other;
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open(/*adopt=*/true));
    EXPECT_THAT(engine.quarantine, HasSubstr("the anchor is missing"));
    EXPECT_FALSE(std::filesystem::exists(harness_.anchor_path()));
  }
  harness_.adopt_only = end;
  {
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    EXPECT_NE(engine.quarantine, "") << "it adopts nothing by itself";
  }
  ExpectAdoptable();
}

// Its log ends where it should, and a record was exchanged.
TEST_F(SimEngineTest, AChangedRecordIsNotTheStoreThatTheDecisionIsAbout) {
  Fill(3);
  TV_ASSERT_OK_AND_ASSIGN(harness_.adopt_only, TheEnd());
  std::filesystem::remove(harness_.anchor_path());
  WriteBehindItsBack({{Family::kMeta, "record", "of before"}});
  TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open(/*adopt=*/true));
  EXPECT_THAT(engine.quarantine, HasSubstr("a record of the store is stale"));
}

TEST_F(SimEngineTest, AFreshVaultStartsAndGoesOn) {
  Fill(3);
  Fill(300);
  TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
  EXPECT_EQ(engine.quarantine, "");
  EXPECT_EQ(engine.journal->Head().tree_size, 303u);
  EXPECT_THAT(engine.journal->Head().checkpoint, ::testing::StartsWith("checkpoint of 303 "));
}

TEST_F(SimEngineTest, AMissingAnchorIsQuarantined) {
  Fill(3);
  ASSERT_THAT(harness_.anchor_disk.Remove(harness_.anchor_path()), IsOk());
  ExpectQuarantine("anchor is missing");
  ExpectQuarantine("anchor is missing");
  ExpectAdoptable();
}

TEST_F(SimEngineTest, ADamagedAnchorIsQuarantined) {
  Fill(3);
  ASSERT_THAT(ReplaceFile(harness_.anchor_disk, harness_.anchor_path(), AsBytes("short"), 0600),
              IsOk());
  ExpectQuarantine("anchor file is damaged");
  ExpectQuarantine("anchor file is damaged");
  ExpectAdoptable();
}

TEST_F(SimEngineTest, AStoreThatLostAcknowledgedCommitsIsQuarantined) {
  Fill(3);
  {
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    disk().set_faults({.sync_is_a_lie = 1});
    for (int i = 0; i < 50; ++i) ASSERT_THAT(engine.journal->Commit(Unit("lost")), IsOk());
    disk().set_faults({});
  }
  disk().Crash();
  ExpectQuarantine("older than the anchor");
  TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, engine.journal->ReadLeaves(LeafIndex(0), 1));
  EXPECT_EQ(leaves, std::vector<std::string>{"leaf 0"}) << "the trail stays readable";
}

TEST_F(SimEngineTest, AStaleRecordIsQuarantined) {
  Fill(3);
  ASSERT_TRUE(disk().RollBackRecord(Family::kMeta, "record"));
  ExpectQuarantine("stale, missing or added");
  ExpectAdoptable();
}

TEST_F(SimEngineTest, AMissingOrAddedRecordIsQuarantined) {
  Fill(3);
  WriteBehindItsBack({{Family::kMeta, "record", std::nullopt}});
  ExpectQuarantine("stale, missing or added");
  WriteBehindItsBack({{Family::kMeta, "record", "2"}, {Family::kMeta, "another", "x"}});
  ExpectQuarantine("stale, missing or added");
  WriteBehindItsBack({{Family::kMeta, "another", std::nullopt}});
  TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
  EXPECT_EQ(engine.quarantine, "");
}

TEST_F(SimEngineTest, AChangedLogIsQuarantinedAndNeverAdopted) {
  Fill(300);
  const std::vector<Mutation> attacks = {{Family::kAudit, LeafKey(299), "forged"},
                                         {Family::kAudit, LeafKey(298), std::nullopt},
                                         {Family::kAudit, LeafKey(300), "added"},
                                         {Family::kAudit, TileKey(0, 0), std::string(8192, 'x')},
                                         {Family::kAudit, TileKey(0, 0), std::nullopt},
                                         {Family::kAudit, kHeadKey, "forged"}};
  for (const Mutation& attack : attacks) {
    std::optional<std::string> before;
    {
      TV_ASSERT_OK_AND_ASSIGN(const auto store, harness_.store().Open());
      TV_ASSERT_OK_AND_ASSIGN(const auto view, store->Pin());
      if (auto value = view->Get(Family::kAudit, attack.key); value.ok()) before = *value;
    }
    WriteBehindItsBack({attack});
    ExpectQuarantine("the");
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open(/*adopt=*/true));
    EXPECT_NE(engine.quarantine, "");
    WriteBehindItsBack({{Family::kAudit, attack.key, before}});
  }
  TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
  EXPECT_EQ(engine.quarantine, "");
}

TEST_F(SimEngineTest, ARemovedHeadRecordDoesNotLookLikeAFreshVault) {
  Fill(3);
  WriteBehindItsBack({{Family::kAudit, kHeadKey, std::nullopt}});
  ExpectQuarantine("beyond its recorded head");
}

// Whoever deletes all that is known of the trail must not get a vault that looks new.
TEST_F(SimEngineTest, AnEmptyStoreWithoutAnchorIsOnlyFreshIfTheVaultWasNeverUsed) {
  harness_.control_generation = 2;
  ExpectQuarantine("this vault was in use");
  harness_.control_generation = 1;
  harness_.keyring_generation = 2;
  ExpectQuarantine("this vault was in use");
  {
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    EXPECT_FALSE(engine.keyring_current);
    EXPECT_FALSE(engine.control_current);
  }
  ExpectAdoptable();
}

TEST_F(SimEngineTest, AnOlderKeyringControlFileOrLockStateIsQuarantined) {
  Fill(1);
  harness_.keyring_generation = 5;
  harness_.control_generation = 5;
  harness_.lock_epoch = 5;
  Fill(1);
  harness_.keyring_generation = 4;
  ExpectQuarantine("keyring is older");
  harness_.keyring_generation = 6;
  harness_.control_generation = 4;
  ExpectQuarantine("control file is older");
  harness_.control_generation = 6;
  harness_.lock_epoch = 4;
  ExpectQuarantine("lockdown state is older");
  harness_.lock_epoch = 6;
  Fill(1);
}

// The anchor was put back together with the older part; the store was not touched and knows better.
TEST_F(SimEngineTest, AnOldAnchorDoesNotHideAnOldKeyringControlFileOrLockState) {
  Fill(1);
  TV_ASSERT_OK_AND_ASSIGN(const std::string old,
                          harness_.anchor_disk.ReadFile(harness_.anchor_path(), kAnchorFileBytes));
  harness_.keyring_generation = harness_.control_generation = 5;
  harness_.lock_epoch = 5;
  Fill(1);
  const auto expect = [&](const std::string& why) {
    ASSERT_THAT(ReplaceFile(harness_.anchor_disk, harness_.anchor_path(), AsBytes(old), 0600),
                IsOk());
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    EXPECT_THAT(engine.quarantine, HasSubstr(why));
    EXPECT_EQ(engine.keyring_current, harness_.keyring_generation == 5);
    EXPECT_EQ(engine.control_current, harness_.control_generation == 5);
  };
  harness_.keyring_generation = 4;
  expect("keyring is older");
  harness_.keyring_generation = 5;
  harness_.control_generation = 4;
  expect("control file is older");
  harness_.control_generation = 5;
  harness_.lock_epoch = 4;
  expect("lockdown state is older");
  ExpectAdoptable();
}

TEST_F(SimEngineTest, ARestoredStoreContinuesWithAnEpochBeyondTheAnchors) {
  StoreEpoch last;
  for (int i = 0; i < 3; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness_.Open());
    EXPECT_GT(engine.anchor->state().store_epoch, last);
    last = engine.anchor->state().store_epoch;
  }
}

class RocksEngineTest : public ::testing::Test {
 protected:
  RocksEngineTest() : harness_(std::make_unique<RocksHarness>()) {}
  RocksHarness& rocks() { return static_cast<RocksHarness&>(harness_.store()); }
  EngineHarness harness_;
};

TEST_F(RocksEngineTest, AnOlderCopyOfTheDataDirectoryIsQuarantined) {
  const std::string copy = rocks().data() + ".copy";
  for (int round = 0; round < 2; ++round) {
    TV_ASSERT_OK_AND_ASSIGN(Engine engine, harness_.Open());
    ASSERT_EQ(engine.quarantine, "");
    ASSERT_THAT(engine.journal->Commit(Unit("leaf", {{Family::kMeta, "k", "v"}})), IsOk());
    engine = Engine();
    if (round == 0) {
      std::filesystem::copy(rocks().data(), copy, std::filesystem::copy_options::recursive);
    }
  }
  std::filesystem::remove_all(rocks().data());
  std::filesystem::rename(copy, rocks().data());
  TV_ASSERT_OK_AND_ASSIGN(Engine engine, harness_.Open());
  EXPECT_THAT(engine.quarantine, HasSubstr("older than the anchor"));
  engine = Engine();
  std::filesystem::remove_all(rocks().data());
  TV_ASSERT_OK_AND_ASSIGN(engine, harness_.Open());
  EXPECT_THAT(engine.quarantine, HasSubstr("older than the anchor")) << "an empty one, too";
}

TEST_F(RocksEngineTest, WhatWasAcknowledgedSurvivesPowerCutsUnderConcurrentCommits) {
  std::vector<std::pair<LeafIndex, std::string>> acknowledged;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    harness_.anchor_sync = seed % 2 == 0 ? AnchorSync::kCommit : AnchorSync::kLagging;
    testing::SurviveAPowerCut(harness_, rocks(), seed, acknowledged);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(acknowledged.size(), 20u);
}

}  // namespace
}  // namespace televault::store
