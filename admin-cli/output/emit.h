#pragma once

#include <functional>
#include <string>
#include <vector>

#include "admin-cli/context.h"
#include "admin-cli/output/json.h"
#include "admin-cli/output/table.h"

namespace televault::cli {

// How one column of a listing is made out of an object of ToJson().
struct ListColumn {
  std::string header;
  // Member of the object, or "" where `text` makes the cell.
  std::string member;
  Align align = Align::kLeft;
  std::function<std::string(const Json&)> text;
};

// A cell's text: strings as they are, numbers, true/false, lists joined by ", ", "" for null.
// Always Printable().
std::string CellText(const Json& value);

// Prints a listing in the chosen format: a table, one JSON array, one object per line, or CSV with
// the columns of the table. `tone` says how an object's row of the table stands out.
void EmitList(Context& context, const std::vector<Json>& objects,
              const std::vector<ListColumn>& columns, Tone (*tone)(const Json&) = nullptr);

// Prints one thing: `name  value` lines of its members, or the object.
void EmitObject(Context& context, const Json& object);

// RFC 4180: quoted where a comma, quote, line break or leading space asks for it, and where it is
// empty: a NULL is a cell without anything. With --spreadsheet a text that would be run as a
// formula is preceded by an apostrophe.
std::string CsvCell(const Context& context, const std::string& text);

}  // namespace televault::cli
