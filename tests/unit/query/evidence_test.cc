#include "vault/query/evidence.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

#include "vault/query/contributions.h"
#include "vault/query/disclosure.h"

namespace televault::query {
namespace {

Aggregate Of(AggregateKind kind) {
  Aggregate aggregate;
  aggregate.kind = kind;
  aggregate.type = SqlType::kDouble;
  return aggregate;
}

// Rows of a few units, looked at in both ways.
class Scene {
 public:
  Scene(std::vector<Aggregate> aggregates, uint32_t k_min)
      : aggregates_(std::move(aggregates)),
        k_min_(k_min),
        evidence_(aggregates_, k_min),
        exact_(aggregates_, true) {}

  struct Row {
    uint32_t group;
    uint32_t subject;
    double value;
    bool null = false;
  };

  void AddUnit(const std::vector<Row>& rows, uint32_t period) {
    std::vector<uint32_t> groups;
    std::vector<uint32_t> codes;
    std::vector<uint32_t> subjects;
    std::map<uint32_t, uint32_t> dictionary;
    Vector values = Vector::Make(SqlType::kDouble, rows.size(), false);
    for (size_t i = 0; i < rows.size(); ++i) {
      groups.push_back(rows[i].group);
      subjects.push_back(rows[i].subject);
      codes.push_back(
          dictionary.try_emplace(rows[i].subject, static_cast<uint32_t>(dictionary.size()))
              .first->second);
      values.own_doubles[i] = rows[i].value;
      if (rows[i].null) values.SetNull(i);
      groups_ = std::max<size_t>(groups_, rows[i].group + 1);
    }
    evidence_.StartUnit();
    evidence_.Resize(groups_);
    exact_.Resize(groups_);
    evidence_.AddRows(groups.data(), codes.data(), rows.size());
    exact_.AddRows(groups.data(), subjects.data(), period, rows.size());
    for (size_t a = 0; a < aggregates_.size(); ++a) {
      const Vector* const arg = aggregates_[a].kind == AggregateKind::kCountAll ? nullptr : &values;
      evidence_.AddCell(a, groups.data(), codes.data(), rows.size(), arg);
      exact_.AddCell(a, nullptr, rows.size(), arg);
    }
    evidence_.EndUnit();
  }

  bool Proven() const { return evidence_.Proven(); }
  bool WithholdsSomething() const {
    const std::vector<GroupFacts> facts = exact_.Facts();
    const Suppression suppression =
        Suppress(k_min_, facts,
                 [this](std::optional<size_t> cell, const std::vector<uint8_t>& marked,
                        uint64_t enough) { return exact_.Covered(cell, marked, enough); });
    return suppression.suppressed_groups + suppression.suppressed_cells > 0;
  }

 private:
  const std::vector<Aggregate> aggregates_;
  const uint32_t k_min_;
  Evidence evidence_;
  Contributions exact_;
  size_t groups_ = 0;
};

std::vector<Aggregate> SumAndCounts() {
  return {Of(AggregateKind::kCountAll), Of(AggregateKind::kCount), Of(AggregateKind::kSum)};
}

TEST(EvidenceTest, ProvesNothingThatAnExactCountWithholds) {
  std::mt19937_64 random(11);
  int proven = 0;
  int withheld = 0;
  for (int round = 0; round < 2'000; ++round) {
    const uint32_t k_min = 2 + static_cast<uint32_t>(random() % 5);
    Scene scene(SumAndCounts(), k_min);
    const uint32_t groups = 1 + static_cast<uint32_t>(random() % 4);
    const uint32_t subjects = 1 + static_cast<uint32_t>(random() % 40);
    const bool nulls = random() % 4 == 0;
    const double heavy = random() % 3 == 0 ? 50 : 1;
    for (uint32_t unit = 0; unit < 1 + random() % 4; ++unit) {
      std::vector<Scene::Row> rows;
      for (size_t i = 0; i < 1 + random() % 120; ++i) {
        const auto subject = static_cast<uint32_t>(random() % subjects);
        const double value = static_cast<double>(random() % 100) * (subject == 0 ? heavy : 1);
        rows.push_back({static_cast<uint32_t>(random() % groups), subject, value,
                        nulls && random() % 50 == 0});
      }
      scene.AddUnit(rows, unit / 2);
    }
    const bool withholds = scene.WithholdsSomething();
    proven += scene.Proven() ? 1 : 0;
    withheld += withholds ? 1 : 0;
    ASSERT_FALSE(scene.Proven() && withholds) << "round " << round;
  }
  // Else this says nothing.
  EXPECT_GT(proven, 200);
  EXPECT_GT(withheld, 200);
}

TEST(EvidenceTest, IsGatheredOnlyWhereItIsCheap) {
  const std::vector<Aggregate> aggregates = SumAndCounts();
  EXPECT_TRUE(Evidence::Applies(aggregates, 128));
  EXPECT_FALSE(Evidence::Applies(aggregates, 129));
  Evidence few(aggregates, 2);
  EXPECT_TRUE(few.Holds(1'024));
  EXPECT_FALSE(few.Holds(1'025));
  // Four tables of k numbers, and the buckets of the sum.
  Evidence many(std::vector<Aggregate>(200, Of(AggregateKind::kSum)), 128);
  EXPECT_FALSE(many.Holds(1'024));
  ASSERT_TRUE(many.Holds(10));
  many.Resize(10);
  EXPECT_LE(many.bytes(), Evidence::kMaxBytes);
  EXPECT_GT(many.bytes(), 10 * 200 * 128 * sizeof(uint32_t));
}

TEST(EvidenceTest, SubjectsOfTwoUnitsAreNotAddedUp) {
  Scene scene({Of(AggregateKind::kCountAll)}, 4);
  scene.AddUnit({{0, 1, 1}, {0, 2, 1}, {0, 3, 1}}, 0);
  scene.AddUnit({{0, 1, 1}, {0, 2, 1}, {0, 3, 1}}, 0);
  EXPECT_FALSE(scene.Proven());
  EXPECT_TRUE(scene.WithholdsSomething());
  scene.AddUnit({{0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}}, 0);
  EXPECT_TRUE(scene.Proven());
}

TEST(EvidenceTest, ASumThatOneMayDominateStaysOpen) {
  Scene scene({Of(AggregateKind::kSum)}, 3);
  std::vector<Scene::Row> rows;
  for (uint32_t subject = 0; subject < 20; ++subject) rows.push_back({0, subject, 1});
  scene.AddUnit(rows, 0);
  EXPECT_TRUE(scene.Proven());
  rows[7].value = 500;
  scene.AddUnit(rows, 0);
  EXPECT_FALSE(scene.Proven());
  EXPECT_TRUE(scene.WithholdsSomething());
}

TEST(EvidenceTest, AValueThatACountLeavesOutStaysOpen) {
  Scene scene({Of(AggregateKind::kCount)}, 2);
  std::vector<Scene::Row> rows;
  for (uint32_t subject = 0; subject < 20; ++subject) rows.push_back({0, subject, 1});
  rows[3].null = true;
  scene.AddUnit(rows, 0);
  EXPECT_FALSE(scene.Proven());
  EXPECT_TRUE(scene.WithholdsSomething());
}

TEST(EvidenceTest, TooManyGroupsAreGivenUp) {
  Scene scene({Of(AggregateKind::kCountAll)}, 2);
  std::vector<Scene::Row> rows;
  for (uint32_t group = 0; group <= Evidence::kMaxGroups; ++group) {
    for (uint32_t subject = 0; subject < 3; ++subject) rows.push_back({group, subject, 1});
  }
  scene.AddUnit(rows, 0);
  EXPECT_FALSE(scene.Proven());
}

TEST(EvidenceTest, AFilterIsForTheExactCount) {
  Aggregate filtered = Of(AggregateKind::kCountAll);
  EXPECT_TRUE(Evidence::Applies({filtered}, 5));
  filtered.filter = std::make_shared<Expr>();
  EXPECT_FALSE(Evidence::Applies({filtered}, 5));
}

}  // namespace
}  // namespace televault::query
