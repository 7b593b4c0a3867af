#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "admin-cli/output/result.h"

namespace televault::cli {

enum class ChartKind { kBar, kLine, kSpark };

struct ChartPoint {
  std::string label;
  double value = 0;
};

// Draws points in the order they came. Bars start at zero; lines and sparks span lowest to highest.
// `width` is the terminal's, at least 20.
void DrawChart(std::ostream& out, ChartKind kind, const std::vector<ChartPoint>& points,
               size_t width);

// Draws a result: the first column that is no plain number labels, the first number is the value;
// rows whose value is NULL or withheld are left out. At most 10,000 rows; a bar chart shows 50.
std::unique_ptr<ResultWriter> NewChartWriter(Context& context, ChartKind kind);

}  // namespace televault::cli
