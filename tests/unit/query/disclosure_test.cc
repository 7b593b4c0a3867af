#include "vault/query/disclosure.h"

#include <gtest/gtest.h>
#include <random>

namespace televault::query {
namespace {

GroupFacts Group(uint64_t subjects, uint64_t outside, std::vector<CellFacts> cells = {}) {
  return {subjects, outside, std::move(cells)};
}

// As if nobody were in two groups.
Suppression SuppressDisjoint(uint32_t k_min, const std::vector<GroupFacts>& facts) {
  return Suppress(k_min, facts,
                  [&facts](std::optional<size_t> cell, const std::vector<uint8_t>& marked,
                           uint64_t /*enough*/) {
                    uint64_t covered = 0;
                    for (size_t g = 0; g < facts.size(); ++g) {
                      if (marked[g] == 0) continue;
                      covered +=
                          cell.has_value() ? facts[g].cells[*cell].contributors : facts[g].subjects;
                    }
                    return covered;
                  });
}

TEST(SuppressTest, AGroupBelowKIsWithheldAndOneOfExactlyKIsShown) {
  const std::vector<GroupFacts> small = {Group(4, 0)};
  EXPECT_EQ(SuppressDisjoint(5, small).groups[0], 1);
  const std::vector<GroupFacts> enough = {Group(5, 0)};
  EXPECT_EQ(SuppressDisjoint(5, enough).groups[0], 0);
}

TEST(SuppressTest, NothingAndKMinusOneLookTheSame) {
  for (uint64_t subjects = 0; subjects < 5; ++subjects) {
    const std::vector<GroupFacts> facts = {Group(subjects, 0, {CellFacts{subjects, 0}})};
    const Suppression suppression = SuppressDisjoint(5, facts);
    EXPECT_EQ(suppression.groups[0], 1);
    EXPECT_EQ(suppression.suppressed_groups, 1u);
    EXPECT_EQ(suppression.suppressed_cells, 0u);
  }
}

TEST(SuppressTest, AGroupWhoseComplementIsSmallIsWithheldWithIt) {
  // All but two subjects: the total minus this group would be those two.
  const std::vector<GroupFacts> facts = {Group(100, 2), Group(2, 100)};
  EXPECT_EQ(SuppressDisjoint(5, facts).suppressed_groups, 2u);
}

TEST(SuppressTest, ASingleSmallGroupTakesTheNextSmallestAlong) {
  const std::vector<GroupFacts> facts = {Group(50, 43), Group(3, 90), Group(30, 63), Group(10, 83)};
  const Suppression suppression = SuppressDisjoint(5, facts);
  EXPECT_EQ(suppression.groups, (std::vector<uint8_t>{0, 1, 0, 1}));
}

TEST(SuppressTest, TwoSmallGroupsThatCoverKNeedNoThird) {
  const std::vector<GroupFacts> facts = {Group(50, 7), Group(3, 54), Group(4, 53)};
  EXPECT_EQ(SuppressDisjoint(5, facts).suppressed_groups, 2u);
}

TEST(SuppressTest, GroupsOfTheSameFewSubjectsDoNotCoverKTogether) {
  const std::vector<GroupFacts> facts = {Group(50, 43), Group(3, 90), Group(3, 90), Group(10, 83)};
  const auto same_three = [](std::optional<size_t> cell, const std::vector<uint8_t>& marked,
                             uint64_t /*enough*/) -> uint64_t {
    EXPECT_FALSE(cell.has_value());
    return marked[3] != 0 ? 13 : 3;
  };
  EXPECT_EQ(Suppress(5, facts, same_three).groups, (std::vector<uint8_t>{0, 1, 1, 1}));
  EXPECT_EQ(SuppressDisjoint(5, facts).groups, (std::vector<uint8_t>{0, 1, 1, 0}));
}

TEST(SuppressTest, ACellThatLeavesOutSomeRowsOfAFewIsWithheld) {
  CellFacts some{50, 0};
  some.partly_others = 4;
  EXPECT_EQ(SuppressDisjoint(5, {Group(50, 0, {some})}).suppressed_cells, 1u);
  some.partly_others = 5;
  EXPECT_EQ(SuppressDisjoint(5, {Group(50, 0, {some})}).suppressed_cells, 0u);
}

TEST(SuppressTest, CellsFollowTheSameRulesWithinAnAggregate) {
  const CellFacts full{50, 0};
  CellFacts dominated = full;
  dominated.dominated = true;
  CellFacts few = full;
  few.identifies_few = true;
  const std::vector<GroupFacts> facts = {
      Group(50, 150, {full, CellFacts{3, 47}, dominated, few}),
      Group(50, 150, {full, CellFacts{47, 3}, full, full}),
      Group(50, 150, {full, full, CellFacts{40, 0}, CellFacts{45, 0}}),
      Group(50, 150, {full, full, full, full})};
  const Suppression suppression = SuppressDisjoint(5, facts);
  EXPECT_EQ(suppression.suppressed_groups, 0u);
  EXPECT_EQ(suppression.cells[0], (std::vector<uint8_t>{0, 1, 1, 1}));
  EXPECT_EQ(suppression.cells[1], (std::vector<uint8_t>{0, 1, 0, 0}));
  EXPECT_EQ(suppression.cells[2], (std::vector<uint8_t>{0, 0, 1, 1}));
  EXPECT_EQ(suppression.suppressed_cells, 6u);
}

TEST(SuppressTest, KBelowTwoIsRaisedToTwo) {
  const std::vector<GroupFacts> facts = {Group(1, 0)};
  EXPECT_EQ(SuppressDisjoint(0, facts).groups[0], 1);
}

TEST(SuppressTest, WhateverIsWithheldIsNeverAloneNorFewOnAnyTable) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20'000; ++round) {
    const auto k = static_cast<uint32_t>(2 + random() % 20);
    std::vector<GroupFacts> facts;
    uint64_t total = 0;
    for (size_t groups = random() % 8; groups > 0; --groups) {
      facts.push_back(Group(random() % 40, 0, {}));
      total += facts.back().subjects;
    }
    for (GroupFacts& group : facts) {
      group.outside = total - group.subjects;
      group.cells.push_back({random() % (group.subjects + 1), 0});
      group.cells[0].others = group.subjects - group.cells[0].contributors;
    }
    const Suppression suppression = SuppressDisjoint(k, facts);
    uint64_t withheld = 0;
    uint64_t covered = 0;
    for (size_t g = 0; g < facts.size(); ++g) {
      if (suppression.groups[g] != 0) {
        ++withheld;
        covered += facts[g].subjects;
        continue;
      }
      EXPECT_GE(facts[g].subjects, k);
      EXPECT_TRUE(facts[g].outside == 0 || facts[g].outside >= k);
      if (suppression.cells[g][0] == 0) {
        EXPECT_GE(facts[g].cells[0].contributors, k);
      }
    }
    EXPECT_TRUE(withheld == 0 || withheld == facts.size() || (withheld >= 2 && covered >= k));
  }
}

}  // namespace
}  // namespace televault::query
