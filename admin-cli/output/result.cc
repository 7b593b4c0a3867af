#include "admin-cli/output/result.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "vault/base/time.h"

namespace televault::cli {
namespace {

using Row = std::vector<ResultCell>;

// Reads one column of an untrusted batch.
class ColumnReader {
 public:
  ColumnReader(const v1::ColumnData& data, v1::FieldKind kind, size_t rows)
      : data_(data), kind_(kind), rows_(rows) {}

  absl::Status Check() const {
    const auto fits = [this](size_t size) { return size == 0 || size == rows_; };
    if (!fits(data_.nulls().size()) || !fits(data_.suppressed().size())) return DoesNotFit();
    bool ok = true;
    switch (kind_) {
      case v1::FIELD_KIND_DOUBLE:
        ok = ok && static_cast<size_t>(data_.doubles_size()) == rows_;
        break;
      case v1::FIELD_KIND_STRING:
      case v1::FIELD_KIND_ENUM:
      case v1::FIELD_KIND_SUBJECT:
        ok = ok && static_cast<size_t>(data_.codes_size()) == rows_ && CodesFit();
        break;
      case v1::FIELD_KIND_STRING_LIST:
        ok = ok && static_cast<size_t>(data_.list_ends_size()) == rows_ && ListsFit();
        break;
      default:
        ok = ok && static_cast<size_t>(data_.ints_size()) == rows_;
    }
    return ok ? absl::OkStatus() : DoesNotFit();
  }

  ResultCell At(size_t row) const {
    ResultCell cell;
    cell.withheld = !data_.suppressed().empty() && data_.suppressed()[row] != 0;
    if (!IsNull(row)) cell.value = Value(static_cast<int>(row));
    return cell;
  }

 private:
  static absl::Status DoesNotFit() {
    return absl::DataLossError("the vault sent a result whose columns do not fit its rows");
  }
  // The code of a NULL row is never looked up.
  bool CodesFit() const {
    const auto entries = static_cast<uint32_t>(data_.dictionary_size());
    for (size_t row = 0; row < rows_; ++row) {
      if (!IsNull(row) && data_.codes(static_cast<int>(row)) >= entries) return false;
    }
    return true;
  }
  bool IsNull(size_t row) const {
    return (!data_.nulls().empty() && data_.nulls()[row] != 0) ||
           (!data_.suppressed().empty() && data_.suppressed()[row] != 0);
  }
  bool ListsFit() const {
    uint32_t last = 0;
    for (const uint32_t end : data_.list_ends()) {
      if (end < last) return false;
      last = end;
    }
    const auto entries = static_cast<uint32_t>(data_.dictionary_size());
    return last == static_cast<uint32_t>(data_.codes_size()) &&
           std::all_of(data_.codes().begin(), data_.codes().end(),
                       [entries](uint32_t code) { return code < entries; });
  }
  Json Text(uint32_t code) const { return data_.dictionary(static_cast<int>(code)); }
  Json Value(int row) const {
    switch (kind_) {
      case v1::FIELD_KIND_BOOL:
        return data_.ints(row) != 0;
      case v1::FIELD_KIND_DOUBLE:
        return data_.doubles(row);
      case v1::FIELD_KIND_TIMESTAMP:
        return FormatRfc3339(WallTime{data_.ints(row)});
      case v1::FIELD_KIND_STRING:
      case v1::FIELD_KIND_ENUM:
      case v1::FIELD_KIND_SUBJECT:
        return Text(data_.codes(row));
      case v1::FIELD_KIND_STRING_LIST: {
        Json list = Json::array();
        const uint32_t begin = row == 0 ? 0 : data_.list_ends(row - 1);
        for (uint32_t i = begin; i < data_.list_ends(row); ++i) {
          list.push_back(Text(data_.codes(static_cast<int>(i))));
        }
        return list;
      }
      default:
        return data_.ints(row);
    }
  }

  const v1::ColumnData& data_;
  const v1::FieldKind kind_;
  const size_t rows_;
};

// A name per column, each once: SELECT count(*), count(os) gives count and count_2. A name that a
// column has by itself stays with it.
std::vector<std::string> MemberNames(const v1::QueryHeader& header) {
  std::set<std::string> taken;
  for (const v1::ResultColumn& column : header.columns()) taken.insert(column.name());
  std::set<std::string> used;
  std::vector<std::string> names;
  for (const v1::ResultColumn& column : header.columns()) {
    std::string name = column.name();
    for (int n = 2; used.contains(name); ++n) {
      name = absl::StrCat(column.name(), "_", n);
      if (taken.contains(name)) name = column.name();
    }
    used.insert(name);
    names.push_back(std::move(name));
  }
  return names;
}

// Facts of the trailer that matter to whoever reads the rows.
void NoteTrailer(Context& context, const v1::QueryTrailer& trailer) {
  if (trailer.suppressed_groups() || trailer.suppressed_cells()) {
    const char* const what = !trailer.suppressed_cells()    ? "Groups"
                             : !trailer.suppressed_groups() ? "Cells"
                                                            : "Groups and cells";
    context.Note(absl::StrCat(what, " are withheld: too few subjects stand behind them."));
  }
  if (trailer.approximate()) context.Note("Distinct counts or percentiles are approximate.");
  for (const v1::PartitionRefusal& refusal : trailer.refusals()) {
    context.Note(absl::StrCat("Day ", Printable(refusal.day()),
                              " is not part of the answer: ", Printable(refusal.reason()), "."));
  }
}

class TableResult final : public ResultWriter {
 public:
  explicit TableResult(Context& context) : context_(context) {}

  void Header(const v1::QueryHeader& header) override {
    for (const v1::ResultColumn& column : header.columns()) {
      const bool number = column.kind() == v1::FIELD_KIND_INT ||
                          column.kind() == v1::FIELD_KIND_DOUBLE ||
                          column.kind() == v1::FIELD_KIND_DURATION;
      columns_.push_back({Printable(column.name()), number ? Align::kRight : Align::kLeft});
      kinds_.push_back(column.kind());
    }
  }
  // A batch is at most 512 KiB, so widths are those of one batch and memory stays bounded.
  void Rows(const std::vector<Row>& rows) override {
    std::vector<std::vector<std::string>> cells;
    for (const Row& row : rows) {
      std::vector<std::string>& line = cells.emplace_back();
      for (size_t i = 0; i < row.size(); ++i) line.push_back(Text(row[i], kinds_[i]));
    }
    shown_ = true;
    WriteTable(context_.out(), columns_, cells, context_.table_style());
  }
  void End(const v1::QueryTrailer* trailer) override {
    if (!shown_) WriteTable(context_.out(), columns_, {}, context_.table_style());
    if (trailer == nullptr) return;
    std::string work;  // not told about aggregates
    if (trailer->rows_scanned() != 0) {
      absl::StrAppend(&work, ", ", HumanCount(trailer->rows_scanned()), " scanned");
    }
    if (trailer->duration_us() != 0) {
      absl::StrAppend(&work, ", ", static_cast<double>(trailer->duration_us()) / 1000, " ms");
    }
    context_.Note(absl::StrCat(HumanCount(trailer->rows()), trailer->rows() == 1 ? " row" : " rows",
                               work, "; audit entry ", trailer->receipt().index()));
    NoteTrailer(context_, *trailer);
  }

 private:
  static std::string Text(const ResultCell& cell, v1::FieldKind kind) {
    if (cell.withheld) return "(withheld)";
    if (kind == v1::FIELD_KIND_DURATION && cell.value.is_number_integer()) {
      return FormatDuration(microseconds(cell.value.get<int64_t>()));
    }
    return CellText(cell.value);
  }

  Context& context_;
  std::vector<TableColumn> columns_;
  std::vector<v1::FieldKind> kinds_;
  bool shown_ = false;
};

class JsonResult final : public ResultWriter {
 public:
  explicit JsonResult(Context& context) : context_(context) {}

  void Header(const v1::QueryHeader& header) override {
    Json columns = Json::array();
    for (const v1::ResultColumn& column : header.columns()) {
      columns.push_back(Json{{"name", column.name()}, {"type", KindName(column.kind())}});
    }
    context_.out() << "{\"columns\":" << Dump(columns, -1) << ",\"rows\":[";
  }
  void Rows(const std::vector<Row>& rows) override {
    for (const Row& row : rows) {
      Json values = Json::array();
      for (const ResultCell& cell : row) values.push_back(cell.value);
      context_.out() << (first_ ? "\n" : ",\n") << Dump(values, -1);
      first_ = false;
    }
  }
  void End(const v1::QueryTrailer* trailer) override {
    context_.out() << "\n],";
    if (trailer == nullptr) {
      context_.out() << "\"incomplete\":true}\n";
      return;
    }
    Json refused = Json::array();
    for (const v1::PartitionRefusal& refusal : trailer->refusals()) {
      refused.push_back(Json{{"day", refusal.day()}, {"reason", refusal.reason()}});
    }
    const Json audit{{"index", trailer->receipt().index()}, {"size", trailer->receipt().size()}};
    const bool suppressed = trailer->suppressed_groups() || trailer->suppressed_cells();
    context_.out() << "\"suppressed\":" << (suppressed ? "true" : "false")
                   << ",\"refused\":" << Dump(refused, -1)
                   << ",\"approximate\":" << (trailer->approximate() ? "true" : "false")
                   << ",\"audit\":" << Dump(audit, -1) << "}\n";
  }

 private:
  Context& context_;
  bool first_ = true;
};

// One object per row; what is not a row goes to stderr.
class JsonLinesResult final : public ResultWriter {
 public:
  explicit JsonLinesResult(Context& context) : context_(context) {}
  void Header(const v1::QueryHeader& header) override { names_ = MemberNames(header); }
  void Rows(const std::vector<Row>& rows) override {
    for (const Row& row : rows) {
      Json object = Json::object();
      for (size_t i = 0; i < row.size(); ++i) object[names_[i]] = row[i].value;
      context_.out() << Dump(object, -1) << '\n';
    }
  }
  void End(const v1::QueryTrailer* trailer) override {
    if (trailer != nullptr) NoteTrailer(context_, *trailer);
  }

 private:
  Context& context_;
  std::vector<std::string> names_;
};

class CsvResult final : public ResultWriter {
 public:
  explicit CsvResult(Context& context) : context_(context) {}
  void Header(const v1::QueryHeader& header) override {
    for (int i = 0; i < header.columns_size(); ++i) {
      context_.out() << (i > 0 ? "," : "") << Shown(header.columns(i).name());
    }
    context_.out() << "\r\n";
  }
  void Rows(const std::vector<Row>& rows) override {
    for (const Row& row : rows) {
      for (size_t i = 0; i < row.size(); ++i) {
        context_.out() << (i > 0 ? "," : "");
        if (!row[i].value.is_null()) context_.out() << Shown(Text(row[i].value));
      }
      context_.out() << "\r\n";
    }
  }
  void End(const v1::QueryTrailer* trailer) override {
    if (trailer != nullptr) NoteTrailer(context_, *trailer);
  }

 private:
  // A file gets the bytes as they are; a terminal would obey them.
  std::string Shown(const std::string& text) {
    return CsvCell(context_, context_.terminal().out_is_terminal ? Printable(text) : text);
  }
  // Lists as the CSV door takes them: elements separated by ';'.
  static std::string Text(const Json& value) {
    if (value.is_null()) return "";
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_array()) return Dump(value, -1);
    std::string text;
    for (const Json& element : value) {
      if (!text.empty()) text += ';';
      text += Text(element);
    }
    return text;
  }

  Context& context_;
};

}  // namespace

absl::StatusOr<std::vector<Row>> RowsOf(const v1::QueryHeader& header,
                                        const v1::QueryBatch& batch) {
  if (batch.columns_size() != header.columns_size()) {
    return absl::DataLossError("the vault sent a batch with other columns than it had announced");
  }
  // Checked first: the number of rows must be backed by data before memory is taken for it.
  std::vector<ColumnReader> readers;
  for (int c = 0; c < batch.columns_size(); ++c) {
    readers.emplace_back(batch.columns(c), header.columns(c).kind(), batch.rows());
    TV_RETURN_IF_ERROR(readers.back().Check());
  }
  std::vector<Row> rows(readers.empty() ? 0 : batch.rows());
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const ColumnReader& reader : readers) rows[r].push_back(reader.At(r));
  }
  return rows;
}

std::unique_ptr<ResultWriter> NewResultWriter(Context& context) {
  switch (context.format()) {
    case OutputFormat::kTable:
      return std::make_unique<TableResult>(context);
    case OutputFormat::kCsv:
      return std::make_unique<CsvResult>(context);
    case OutputFormat::kJsonLines:
      return std::make_unique<JsonLinesResult>(context);
    default:
      return std::make_unique<JsonResult>(context);
  }
}

std::string KindName(v1::FieldKind kind) {
  v1::ResultColumn column;
  column.set_kind(kind);
  return ToJson(column)["kind"].get<std::string>();
}

}  // namespace televault::cli
