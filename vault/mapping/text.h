#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/status.h"
#include "vault/mapping/record.h"

namespace televault::mapping {

// Which members of a flat record are not fields. Names are compared exactly.
struct FlatNames {
  std::string time = "event_time";  // RFC 3339, or a whole number of milliseconds since 1970
  std::string subject = "subject";
  std::string id = "event_id";
};

// Takes one member of a flat record to where it belongs. INVALID_ARGUMENT names the member.
absl::Status PutFlat(const FlatNames& names, std::string name, FieldValue value, Record& record);

// One line of NDJSON: a flat JSON object of at most 1 MiB; members are null, bool, number, string
// or a list of strings. Errors name the line and member.
absl::StatusOr<Record> ParseNdjsonLine(std::string_view line, uint64_t number,
                                       const FlatNames& names, const Shape& shape);

// A whole NDJSON text; empty lines are skipped.
ParsedRecords ParseNdjson(std::string_view text, const FlatNames& names, const Shape& shape);

// Reads RFC 4180 CSV piece by piece: the first record is the header, quoted cells may hold line
// breaks, an empty unquoted cell is NULL, list cells are separated by ';'. A byte order mark before
// the header is skipped.
// Refuses: a header with an empty or repeated name, more than limits::kMaxColumns columns, a record
// with another number of cells, a record over 1 MiB, cells that are not UTF-8.
// Threads: one.  Borrows: nothing.
// Invariants: (1) each record is reported exactly once, as Record or RecordError. (2) Nothing
// inside a quoted cell is ever read as a record. Failure: a bad header is an error of every later
// call.
class CsvReader {
 public:
  CsvReader(FlatNames names, Shape shape);

  // Takes the next bytes of the file; whole records in it are appended to `out`.
  absl::Status Feed(std::string_view bytes, ParsedRecords& out);
  // The end of the file: takes a last record without line break.
  absl::Status Finish(ParsedRecords& out);

 private:
  struct Cell {
    std::string text;
    bool quoted = false;
  };
  enum class State { kCellStart, kPlain, kQuoted, kQuoteInQuoted };

  bool IsOfMark(char c);
  bool TakesByte(char c);
  void EndCell();
  absl::Status EndRecord(ParsedRecords& out);
  absl::Status TakeHeader(std::vector<Cell> cells);
  absl::StatusOr<Record> TakeRecord(uint64_t number, std::vector<Cell> cells);

  FlatNames names_;
  Shape shape_;
  std::vector<std::string> header_;
  std::vector<Cell> cells_;
  Cell cell_;
  State state_ = State::kCellStart;
  size_t mark_bytes_ = 0;  // of a byte order mark; all of it: looked for no more
  size_t record_bytes_ = 0;
  uint64_t line_ = 1;
  uint64_t record_line_ = 1;
  bool after_cr_ = false;
  std::string record_error_;
  absl::Status failed_;
};

// A whole CSV text.
absl::StatusOr<ParsedRecords> ParseCsv(std::string_view text, const FlatNames& names,
                                       const Shape& shape);

}  // namespace televault::mapping
