#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "audit/encoding.h"
#include "vault/base/limits.h"
#include "vault/mapping/text.h"

namespace televault::mapping {
namespace {

constexpr char kTooLong[] = "longer than 1 MiB; is a quote missing?";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

CsvReader::CsvReader(FlatNames names, Shape shape)
    : names_(std::move(names)), shape_(std::move(shape)) {}

absl::Status CsvReader::Feed(std::string_view bytes, ParsedRecords& out) {
  TV_RETURN_IF_ERROR(failed_);
  for (const char c : bytes) {
    if (IsOfMark(c)) continue;
    // CR LF is one line end.
    const bool second_half = after_cr_ && c == '\n';
    after_cr_ = c == '\r' && state_ != State::kQuoted;
    if (second_half) continue;
    if (c == '\n' || after_cr_) ++line_;
    if (TakesByte(c)) continue;
    EndCell();
    if (c == ',') continue;
    TV_RETURN_IF_ERROR(failed_ = EndRecord(out));
  }
  return absl::OkStatus();
}

// True while the file so far is the start of a byte order mark, which no cell has.
bool CsvReader::IsOfMark(char c) {
  if (mark_bytes_ == kByteOrderMark.size()) return false;
  if (c == kByteOrderMark[mark_bytes_]) {
    ++mark_bytes_;
    return true;
  }
  for (const char seen : kByteOrderMark.substr(0, mark_bytes_)) TakesByte(seen);
  mark_bytes_ = kByteOrderMark.size();
  return false;
}

// True while `c` belongs to the cell; false where it ends the cell (',') or the record.
bool CsvReader::TakesByte(char c) {
  const bool separator = c == ',' || c == '\n' || c == '\r';
  if (state_ != State::kQuoted && separator) return false;
  if (++record_bytes_ > limits::MiB) {
    // Only the end of the record is looked for, by the same rules: what stands inside its quotes
    // must not pass for records of its own.
    record_error_ = kTooLong;
    cell_.text.clear();
  }
  switch (state_) {
    case State::kCellStart:
      if (c == '"') {
        state_ = State::kQuoted;
        cell_.quoted = true;
        return true;
      }
      state_ = State::kPlain;
      cell_.text.push_back(c);
      return true;
    case State::kPlain:
      if (c == '"') record_error_ = "a quote inside an unquoted cell";
      cell_.text.push_back(c);
      return true;
    case State::kQuoted:
      if (c == '"') {
        state_ = State::kQuoteInQuoted;
      } else {
        cell_.text.push_back(c);
      }
      return true;
    case State::kQuoteInQuoted:
      if (c == '"') {
        state_ = State::kQuoted;
        cell_.text.push_back(c);
      } else {
        record_error_ = "text after a closing quote";
        state_ = State::kPlain;
      }
      return true;
  }
  return true;
}

absl::Status CsvReader::Finish(ParsedRecords& out) {
  TV_RETURN_IF_ERROR(failed_);
  if (state_ == State::kQuoted) record_error_ = "a quoted cell without end";
  if (state_ != State::kCellStart || !cells_.empty()) {
    EndCell();
    TV_RETURN_IF_ERROR(failed_ = EndRecord(out));
  }
  return header_.empty() ? absl::InvalidArgumentError("the file has no header line")
                         : absl::OkStatus();
}

void CsvReader::EndCell() {
  if (cells_.size() > limits::kMaxColumns) {
    record_error_ = absl::StrCat("more than ", limits::kMaxColumns, " cells");
  } else {
    cells_.push_back(std::move(cell_));
  }
  cell_ = Cell();
  state_ = State::kCellStart;
}

absl::Status CsvReader::EndRecord(ParsedRecords& out) {
  const uint64_t number = record_line_;
  record_line_ = line_;
  record_bytes_ = 0;
  const std::string error = std::move(record_error_);
  record_error_.clear();
  std::vector<Cell> cells = std::move(cells_);
  cells_.clear();
  if (cells.size() == 1 && cells[0].text.empty() && !cells[0].quoted && error.empty()) {
    return absl::OkStatus();  // an empty line
  }
  if (header_.empty()) {
    if (!error.empty()) return absl::InvalidArgumentError(absl::StrCat("header: ", error));
    return TakeHeader(std::move(cells));
  }
  if (!error.empty()) {
    out.errors.push_back({number, error});
    return absl::OkStatus();
  }
  absl::StatusOr<Record> record = TakeRecord(number, std::move(cells));
  if (record.ok()) {
    out.records.push_back(std::move(*record));
  } else {
    out.errors.push_back({number, std::string(record.status().message())});
  }
  return absl::OkStatus();
}

absl::Status CsvReader::TakeHeader(std::vector<Cell> cells) {
  std::vector<std::string> names;
  for (Cell& cell : cells) {
    if (cell.text.empty() || cell.text.size() > limits::kMaxNameBytes) {
      return absl::InvalidArgumentError(absl::StrCat("header: name ", names.size() + 1,
                                                     " has to have 1 to ", limits::kMaxNameBytes,
                                                     " bytes"));
    }
    if (!audit::IsUtf8(cell.text)) {
      return absl::InvalidArgumentError(
          absl::StrCat("header: name ", names.size() + 1, " is not UTF-8: convert the file"));
    }
    if (std::find(names.begin(), names.end(), cell.text) != names.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("header: name ", names.size() + 1, " stands twice"));
    }
    names.push_back(std::move(cell.text));
  }
  header_ = std::move(names);
  return absl::OkStatus();
}

absl::StatusOr<Record> CsvReader::TakeRecord(uint64_t number, std::vector<Cell> cells) {
  if (cells.size() != header_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(cells.size(), " cells, but the header has ", header_.size()));
  }
  Record record;
  record.number = number;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!audit::IsUtf8(cells[i].text)) {
      return absl::InvalidArgumentError(
          absl::StrCat("column ", header_[i], ": is not UTF-8: convert the file"));
    }
    FieldValue value;
    if (!cells[i].text.empty() || cells[i].quoted) value = std::move(cells[i].text);
    const auto type = std::find_if(shape_.begin(), shape_.end(),
                                   [&](const auto& entry) { return entry.first == header_[i]; });
    std::string* text = std::get_if<std::string>(&value);
    int64_t millis = 0;
    if (text != nullptr && header_[i] == names_.time && absl::SimpleAtoi(*text, &millis)) {
      value = millis;
    } else if (text != nullptr && type != shape_.end() &&
               type->second == catalog::FieldType::kStringList) {
      std::vector<std::string> items = absl::StrSplit(*text, ';', absl::SkipEmpty());
      value = std::move(items);
    }
    TV_RETURN_IF_ERROR(PutFlat(names_, header_[i], std::move(value), record));
  }
  TV_RETURN_IF_ERROR(CoerceRecord(shape_, record));
  return record;
}

absl::StatusOr<ParsedRecords> ParseCsv(std::string_view text, const FlatNames& names,
                                       const Shape& shape) {
  ParsedRecords parsed;
  CsvReader reader(names, shape);
  TV_RETURN_IF_ERROR(reader.Feed(text, parsed));
  TV_RETURN_IF_ERROR(reader.Finish(parsed));
  return parsed;
}

}  // namespace televault::mapping
