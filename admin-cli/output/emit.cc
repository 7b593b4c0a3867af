#include "admin-cli/output/emit.h"

#include <utility>

#include "admin-cli/output/text.h"

namespace televault::cli {
namespace {

std::string Cell(const ListColumn& column, const Json& object) {
  if (column.text) return column.text(object);
  const auto member = object.find(column.member);
  return member == object.end() ? "" : CellText(*member);
}

// A listing does not tell "" from what is not there.
std::string ListCell(const Context& context, const std::string& text) {
  return text.empty() ? "" : CsvCell(context, Printable(text));
}

void EmitCsv(Context& context, const std::vector<Json>& objects,
             const std::vector<ListColumn>& columns) {
  for (size_t i = 0; i < columns.size(); ++i) {
    context.out() << (i > 0 ? "," : "") << CsvCell(context, columns[i].header);
  }
  context.out() << "\r\n";
  for (const Json& object : objects) {
    for (size_t i = 0; i < columns.size(); ++i) {
      context.out() << (i > 0 ? "," : "") << ListCell(context, Cell(columns[i], object));
    }
    context.out() << "\r\n";
  }
}

void EmitTable(Context& context, const std::vector<Json>& objects,
               const std::vector<ListColumn>& columns, Tone (*tone)(const Json&)) {
  std::vector<TableColumn> headers;
  for (const ListColumn& column : columns) headers.push_back({column.header, column.align});
  std::vector<std::vector<std::string>> rows;
  std::vector<Tone> tones;
  for (const Json& object : objects) {
    if (tone != nullptr) tones.push_back(tone(object));
    std::vector<std::string>& row = rows.emplace_back();
    for (const ListColumn& column : columns) row.push_back(Printable(Cell(column, object)));
  }
  WriteTable(context.out(), headers, rows, context.table_style(), tones);
  if (objects.empty()) context.Note("(none)");
}

}  // namespace

std::string CellText(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return Printable(value.get<std::string>());
  if (!value.is_array()) return Printable(Dump(value, -1));
  std::string text;
  for (const Json& element : value) {
    if (!text.empty()) text += ", ";
    text += CellText(element);
  }
  return text;
}

void EmitList(Context& context, const std::vector<Json>& objects,
              const std::vector<ListColumn>& columns, Tone (*tone)(const Json&)) {
  switch (context.format()) {
    case OutputFormat::kTable:
      return EmitTable(context, objects, columns, tone);
    case OutputFormat::kCsv:
      return EmitCsv(context, objects, columns);
    case OutputFormat::kJsonLines:
      for (const Json& object : objects) context.out() << Dump(object, -1) << '\n';
      return;
    default:
      context.out() << Dump(Json(objects), 2) << '\n';
  }
}

void EmitObject(Context& context, const Json& object) {
  if (context.format() == OutputFormat::kJson) {
    context.out() << Dump(object, 2) << '\n';
    return;
  }
  if (context.format() == OutputFormat::kJsonLines) {
    context.out() << Dump(object, -1) << '\n';
    return;
  }
  std::vector<std::pair<std::string, std::string>> facts;
  for (const auto& [name, value] : object.items()) facts.emplace_back(name, CellText(value));
  if (context.format() == OutputFormat::kCsv) {
    context.out() << "name,value\r\n";
    for (const auto& [name, value] : facts) {
      context.out() << CsvCell(context, name) << "," << ListCell(context, value) << "\r\n";
    }
    return;
  }
  WriteFacts(context.out(), facts, context.table_style());
}

std::string CsvCell(const Context& context, const std::string& text) {
  if (text.empty()) return "\"\"";
  std::string cell = text;
  const bool number = cell.find_first_not_of("+-.0123456789eE") == std::string::npos;
  if (context.options().spreadsheet && !number &&
      std::string_view("=+-@\t\r").find(cell[0]) != std::string::npos) {
    cell.insert(0, 1, '\'');
  }
  if (cell.find_first_of(",\"\r\n") == std::string::npos && cell[0] != ' ') return cell;
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace televault::cli
