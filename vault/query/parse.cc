#include "vault/query/parse.h"

#include <algorithm>
#include <google/protobuf/io/coded_stream.h>
#include <pg_query.h>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/query/normalize.h"
#include "vault/query/parse_tree.h"

namespace televault::query {
namespace {

// The tree has up to three messages per level of our own bound.
constexpr int kMaxTreeDepth = static_cast<int>(limits::kMaxExpressionDepth) * 6;

// Owns a result of libpg_query.
template <class Result, void (*Free)(Result)>
class Owned {
 public:
  explicit Owned(Result result) : result_(result) {}
  ~Owned() { Free(result_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  const Result* operator->() const { return &result_; }
  const Result& get() const { return result_; }

 private:
  Result result_;
};
using TreeResult = Owned<PgQueryProtobufParseResult, pg_query_free_protobuf_parse_result>;
using FingerprintResult = Owned<PgQueryFingerprintResult, pg_query_free_fingerprint_result>;

// PostgreSQL quotes the offending token, which may be a literal: only the kind of error is passed
// on, the position says where.
std::string_view PlainMessage(std::string_view message) {
  const absl::string_view text = ToAbsl(message);
  if (absl::StrContains(text, "at end of input")) {
    return "the statement ends too early; write SELECT … FROM dataset";
  }
  if (absl::StrContains(text, "unterminated")) return "a quoted text or comment is not closed";
  if (absl::StrContains(text, "stack depth")) return "the expression is nested too deeply";
  return "not understood here; write SELECT … FROM dataset [WHERE …] [GROUP BY …] [HAVING …] "
         "[ORDER BY …] [LIMIT n] [OFFSET n]";
}

// PostgreSQL counts characters; positions of ours are bytes.
int ByteOffset(std::string_view sql, int character) {
  int seen = 0;
  for (size_t i = 0; i < sql.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(sql[i]) & 0xC0) != 0x80;
    if (starts_character && ++seen == character) return static_cast<int>(i);
  }
  return static_cast<int>(sql.size());
}

// The offset of the first byte that is not part of well-formed UTF-8, or the size.
size_t FirstBadUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 0 || lead > 0xF4 || i + length > text.size()) return i;
    uint32_t point = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return i;
      point = (point << 6) | (next & 0x3Fu);
    }
    const bool too_long = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (too_long || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return i;
    i += length;
  }
  return text.size();
}

absl::Status CheckText(std::string_view sql) {
  if (sql.size() > limits::kMaxSqlBytes) {
    return SqlError(sql, -1,
                    absl::StrCat("the text is longer than ", limits::kMaxSqlBytes,
                                 " bytes; shorten lists of values"));
  }
  // libpg_query takes C strings: everything after a NUL would be run past the audit trail unseen.
  const size_t nul = sql.find('\0');
  if (nul != std::string_view::npos) {
    return SqlError(sql, static_cast<int>(nul), "the text contains a NUL byte; remove it");
  }
  const size_t bad = FirstBadUtf8(sql);
  if (bad < sql.size()) {
    return SqlError(sql, static_cast<int>(bad), "the text is not UTF-8 from here on");
  }
  return absl::OkStatus();
}

// The parser recurses once per operator of a chain and has no bound of its own that fits a thread's
// stack; the scanner does not recurse, so the tokens are counted first.
absl::Status CheckTokens(const std::string& sql) {
  const PgQueryScanResult scanned = pg_query_scan(sql.c_str());
  const std::unique_ptr<const PgQueryScanResult, void (*)(const PgQueryScanResult*)> owner(
      &scanned, [](const PgQueryScanResult* result) { pg_query_free_scan_result(*result); });
  if (scanned.error != nullptr) return absl::OkStatus();  // the parser says it with a position
  pg_query::ScanResult tokens;
  if (!tokens.ParseFromArray(scanned.pbuf.data, static_cast<int>(scanned.pbuf.len)) ||
      static_cast<size_t>(tokens.tokens_size()) > limits::kMaxSqlTokens) {
    return SqlError(sql, -1,
                    absl::StrCat("the text has more than ", limits::kMaxSqlTokens,
                                 " words and signs; shorten it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<pg_query::ParseResult> ParseTree(const std::string& sql) {
  TV_RETURN_IF_ERROR(CheckTokens(sql));
  const TreeResult result(pg_query_parse_protobuf(sql.c_str()));
  if (result->error != nullptr) {
    const int offset =
        result->error->cursorpos > 0 ? ByteOffset(sql, result->error->cursorpos) : -1;
    return SqlError(sql, offset, PlainMessage(result->error->message));
  }
  google::protobuf::io::CodedInputStream input(
      reinterpret_cast<const uint8_t*>(result->parse_tree.data),
      static_cast<int>(result->parse_tree.len));
  input.SetRecursionLimit(kMaxTreeDepth);
  pg_query::ParseResult tree;
  if (!tree.ParseFromCodedStream(&input) || !input.ConsumedEntireMessage()) {
    return SqlError(sql, -1, "the expression is nested too deeply");
  }
  return tree;
}

}  // namespace

std::string PositionOf(std::string_view sql, int offset) {
  if (offset < 0) return "";
  const std::string_view before = sql.substr(0, std::min(sql.size(), static_cast<size_t>(offset)));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const auto column =
      1 + std::count_if(before.begin() + static_cast<ptrdiff_t>(start), before.end(),
                        [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return absl::StrCat("line ", line, ", column ", column);
}

absl::Status SqlError(std::string_view sql, int offset, std::string_view message) {
  const std::string position = PositionOf(sql, offset);
  const absl::string_view separator = position.empty() ? "" : ": ";
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat("SQL: ", position, separator, ToAbsl(message))),
      reason::kInvalidSql);
}

absl::StatusOr<ParsedQuery> Parse(std::string_view sql) {
  TV_RETURN_IF_ERROR(CheckText(sql));
  ParsedQuery query;
  query.text = std::string(sql);
  TV_ASSIGN_OR_RETURN(const pg_query::ParseResult tree, ParseTree(query.text));
  TV_ASSIGN_OR_RETURN(Statement statement, ConvertStatement(tree, query.text));
  query.dataset = std::move(statement.dataset);
  NormalizedQuery normalized = Normalize(statement.select, query.dataset);
  query.normalized = std::move(normalized.text);
  query.literals = std::move(normalized.literals);
  query.select = std::make_shared<const ast::Select>(std::move(statement.select));
  const FingerprintResult fingerprint(pg_query_fingerprint(query.text.c_str()));
  if (fingerprint->error != nullptr) return SqlError(sql, -1, "the text has no fingerprint");
  query.fingerprint = fingerprint->fingerprint_str;
  return query;
}

}  // namespace televault::query
