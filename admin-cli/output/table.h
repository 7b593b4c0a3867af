#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace televault::cli {

enum class Align { kLeft, kRight };

struct TableColumn {
  std::string header;
  Align align = Align::kLeft;
};

// How a terminal is written to.
struct TableStyle {
  bool color = false;
  size_t max_width = 0;  // columns of the terminal; 0 = no bound
};

// How a line stands out where there are colours: what went wrong in red, what goes by itself dim.
enum class Tone { kPlain, kAlarm, kQuiet };
std::string Toned(const std::string& line, Tone tone, bool color);

// Aligned columns with a header line; cells must be Printable(). Where the table is wider than the
// terminal, the widest left-aligned columns are cut first; numbers never are. `tones` are those of
// the rows, in their order; missing ones are plain.
void WriteTable(std::ostream& out, const std::vector<TableColumn>& columns,
                const std::vector<std::vector<std::string>>& rows, const TableStyle& style,
                const std::vector<Tone>& tones = {});

// "name   value" lines of one thing.
void WriteFacts(std::ostream& out, const std::vector<std::pair<std::string, std::string>>& facts,
                const TableStyle& style);

}  // namespace televault::cli
