#include "admin-cli/output/chart.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <sstream>

namespace televault::cli {
namespace {

std::string Draw(ChartKind kind, const std::vector<ChartPoint>& points, size_t width) {
  std::ostringstream out;
  DrawChart(out, kind, points, width);
  return out.str();
}

TEST(ChartTest, BarsAreProportionalFromZero) {
  EXPECT_EQ(Draw(ChartKind::kBar, {{"linux", 8}, {"mac", 4}, {"none", 0}}, 20),
            "linux │██████████ 8\n"
            "mac   │█████ 4\n"
            "none  │ 0\n");
}

TEST(ChartTest, NegativeAndEqualValuesDrawWithoutTrouble) {
  EXPECT_EQ(Draw(ChartKind::kBar, {{"a", -5}}, 20), "a │ -5\n");
  EXPECT_EQ(Draw(ChartKind::kSpark, {{"a", 3}, {"b", 3}}, 20), "▅▅\na … b\n");
}

TEST(ChartTest, SparksSpanLowestToHighest) {
  EXPECT_EQ(Draw(ChartKind::kSpark, {{"a", 0}, {"b", 7}, {"c", 3}}, 20), "▁█▄\na … c\n");
}

TEST(ChartTest, ALineHasTenRowsAndItsBounds) {
  const std::string text = Draw(ChartKind::kLine, {{"a", 10}, {"b", 200}}, 40);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11);
  EXPECT_EQ(text.rfind("200 │", 0), 0u);
  EXPECT_NE(text.find(" 10 │"), std::string::npos);
}

TEST(ChartTest, NothingIsDrawnOfNothing) { EXPECT_EQ(Draw(ChartKind::kBar, {}, 80), ""); }

TEST(ChartTest, ManyPointsAreAveragedIntoTheWidth) {
  std::vector<ChartPoint> points(1000, ChartPoint{"x", 1});
  const std::string text = Draw(ChartKind::kSpark, points, 50);
  EXPECT_EQ(text.substr(0, text.find('\n')).size(), 50u * 3);
}

}  // namespace
}  // namespace televault::cli
