#include "admin-cli/output/chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"

namespace televault::cli {
namespace {

constexpr size_t kMaxPoints = 10'000;
constexpr size_t kMaxBars = 50;
constexpr size_t kMaxLabel = 30;
constexpr size_t kLineHeight = 10;
constexpr size_t kEighths = 8;
constexpr std::array<const char*, 9> kRising = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<const char*, 8> kGrowing = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

std::string Number(double value) { return absl::StrCat(value); }

void DrawBars(std::ostream& out, const std::vector<ChartPoint>& points, size_t width) {
  size_t label_width = 0;
  size_t number_width = 0;
  double highest = 0;
  for (const ChartPoint& point : points) {
    label_width = std::max(label_width, std::min(kMaxLabel, DisplayWidth(point.label)));
    number_width = std::max(number_width, Number(point.value).size());
    highest = std::max(highest, point.value);
  }
  const size_t used = label_width + number_width + 4;
  const size_t room = width > used + 10 ? width - used : 10;
  for (const ChartPoint& point : points) {
    const std::string label = Shorten(point.label, label_width);
    const double share = highest > 0 ? std::max(point.value, 0.0) / highest : 0;
    const auto eighths = static_cast<size_t>(std::lround(share * static_cast<double>(room * 8)));
    out << label << std::string(label_width - DisplayWidth(label), ' ') << " │";
    for (size_t i = 0; i < eighths / kEighths; ++i) out << kRising[kEighths];
    out << kGrowing[eighths % kEighths] << ' ' << Number(point.value) << '\n';
  }
}

// Means of consecutive points, one per column.
std::vector<double> Columns(const std::vector<ChartPoint>& points, size_t width) {
  const size_t columns = std::min(points.size(), width);
  std::vector<double> means;
  for (size_t c = 0; c < columns; ++c) {
    const size_t begin = c * points.size() / columns;
    const size_t end = (c + 1) * points.size() / columns;
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += points[i].value;
    means.push_back(sum / static_cast<double>(end - begin));
  }
  return means;
}

void DrawColumns(std::ostream& out, const std::vector<ChartPoint>& points, size_t width,
                 size_t height) {
  const auto [low, high] = std::minmax_element(
      points.begin(), points.end(),
      [](const ChartPoint& a, const ChartPoint& b) { return a.value < b.value; });
  const std::string top = Number(high->value);
  const std::string bottom = Number(low->value);
  const size_t axis = height > 1 ? std::max(top.size(), bottom.size()) + 2 : 0;
  const double range = high->value - low->value;
  std::vector<size_t> levels;
  for (const double value : Columns(points, width > axis + 10 ? width - axis : 10)) {
    const double share = range > 0 ? (value - low->value) / range : 0.5;
    const double steps = static_cast<double>(height * kEighths - 1);
    levels.push_back(1 + static_cast<size_t>(std::lround(share * steps)));
  }
  for (size_t row = height; row-- > 0;) {
    if (axis > 0) {
      const std::string mark = row + 1 == height ? top : row == 0 ? bottom : "";
      out << std::string(axis - 2 - mark.size(), ' ') << mark << " │";
    }
    for (const size_t level : levels) {
      const size_t below = row * kEighths;
      out << kRising[level <= below ? 0 : std::min(kEighths, level - below)];
    }
    out << '\n';
  }
}

class ChartResult final : public ResultWriter {
 public:
  ChartResult(Context& context, ChartKind kind) : context_(context), kind_(kind) {}

  void Header(const v1::QueryHeader& header) override {
    for (int i = 0; i < header.columns_size(); ++i) {
      const v1::FieldKind kind = header.columns(i).kind();
      const bool number = kind == v1::FIELD_KIND_INT || kind == v1::FIELD_KIND_DOUBLE ||
                          kind == v1::FIELD_KIND_DURATION;
      int& slot = number ? value_ : label_;
      if (slot < 0) slot = i;
    }
  }
  void Rows(const std::vector<std::vector<ResultCell>>& rows) override {
    for (const auto& row : rows) {
      if (value_ < 0 || points_.size() == kMaxPoints) break;
      const ResultCell& value = row[static_cast<size_t>(value_)];
      if (value.value.is_null()) {
        ++left_out_;
        continue;
      }
      const std::string label = label_ < 0 ? absl::StrCat(points_.size() + 1)
                                           : CellText(row[static_cast<size_t>(label_)].value);
      points_.push_back({label, value.value.get<double>()});
    }
  }
  void End(const v1::QueryTrailer* trailer) override {
    if (value_ < 0) {
      context_.Note("There is no numeric column to draw.");
      return;
    }
    const size_t found = points_.size();
    if (kind_ == ChartKind::kBar && found > kMaxBars) points_.resize(kMaxBars);
    const size_t width = context_.terminal().width;
    DrawChart(context_.out(), kind_, points_, width == 0 ? 80 : width);
    if (points_.size() < found) {
      context_.Note(absl::StrCat(found - points_.size(), " more rows are not drawn."));
    }
    if (left_out_ > 0) {
      context_.Note(absl::StrCat(left_out_, " rows without a value are left out."));
    }
    if (trailer != nullptr && trailer->suppressed_groups()) {
      context_.Note("Groups are withheld.");
    }
  }

 private:
  Context& context_;
  const ChartKind kind_;
  int label_ = -1;
  int value_ = -1;
  uint64_t left_out_ = 0;
  std::vector<ChartPoint> points_;
};

}  // namespace

void DrawChart(std::ostream& out, ChartKind kind, const std::vector<ChartPoint>& points,
               size_t width) {
  if (points.empty()) return;
  const size_t room = std::max<size_t>(width, 20);
  if (kind == ChartKind::kBar) {
    DrawBars(out, points, room);
  } else {
    DrawColumns(out, points, room, kind == ChartKind::kLine ? kLineHeight : 1);
    out << points.front().label << " … " << points.back().label << '\n';
  }
}

std::unique_ptr<ResultWriter> NewChartWriter(Context& context, ChartKind kind) {
  return std::make_unique<ChartResult>(context, kind);
}

}  // namespace televault::cli
