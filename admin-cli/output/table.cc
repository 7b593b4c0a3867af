#include "admin-cli/output/table.h"

#include <algorithm>
#include <utility>

#include "admin-cli/output/text.h"

namespace televault::cli {
namespace {

constexpr std::string_view kGap = "  ";
constexpr size_t kNarrowest = 8;

std::vector<size_t> NaturalWidths(const std::vector<TableColumn>& columns,
                                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const TableColumn& column : columns) widths.push_back(DisplayWidth(column.header));
  for (const auto& row : rows) {
    for (size_t i = 0; i < widths.size() && i < row.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  return widths;
}

// Takes one column of width after the other from the widest text column until the table fits.
void Fit(const std::vector<TableColumn>& columns, size_t max_width, std::vector<size_t>& widths) {
  size_t total = kGap.size() * (widths.size() - 1);
  for (const size_t width : widths) total += width;
  while (total > max_width) {
    size_t widest = widths.size();
    for (size_t i = 0; i < widths.size(); ++i) {
      if (columns[i].align == Align::kRight || widths[i] <= kNarrowest) continue;
      if (widest == widths.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == widths.size()) return;
    --widths[widest];
    --total;
  }
}

std::string Line(const std::vector<TableColumn>& columns, const std::vector<size_t>& widths,
                 const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string cell = Shorten(i < cells.size() ? cells[i] : "", widths[i]);
    const std::string padding(widths[i] - std::min(widths[i], DisplayWidth(cell)), ' ');
    if (i > 0) line += kGap;
    line += columns[i].align == Align::kRight ? padding + cell : cell + padding;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string Toned(const std::string& line, Tone tone, bool color) {
  if (!color || tone == Tone::kPlain) return line;
  return (tone == Tone::kAlarm ? "\x1b[31m" : "\x1b[2m") + line + "\x1b[0m";
}

void WriteTable(std::ostream& out, const std::vector<TableColumn>& columns,
                const std::vector<std::vector<std::string>>& rows, const TableStyle& style,
                const std::vector<Tone>& tones) {
  if (columns.empty()) return;
  std::vector<size_t> widths = NaturalWidths(columns, rows);
  if (style.max_width > 0) Fit(columns, style.max_width, widths);
  std::vector<std::string> headers;
  for (const TableColumn& column : columns) headers.push_back(column.header);
  out << (style.color ? "\x1b[1m" : "") << Line(columns, widths, headers)
      << (style.color ? "\x1b[0m" : "") << '\n';
  for (size_t i = 0; i < rows.size(); ++i) {
    const Tone tone = i < tones.size() ? tones[i] : Tone::kPlain;
    out << Toned(Line(columns, widths, rows[i]), tone, style.color) << '\n';
  }
}

void WriteFacts(std::ostream& out, const std::vector<std::pair<std::string, std::string>>& facts,
                const TableStyle& style) {
  size_t widest = 0;
  for (const auto& fact : facts) widest = std::max(widest, DisplayWidth(fact.first));
  for (const auto& [name, value] : facts) {
    out << (style.color ? "\x1b[1m" : "") << name << (style.color ? "\x1b[0m" : "")
        << std::string(widest - DisplayWidth(name) + kGap.size(), ' ') << value << '\n';
  }
}

}  // namespace televault::cli
