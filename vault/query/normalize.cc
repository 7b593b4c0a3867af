#include "vault/query/normalize.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"

namespace televault::query {
namespace {

using ast::Expr;
using ast::Kind;

// Names are quoted always: what stands between the quotes cannot be mistaken for syntax.
std::string Quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

bool IsPlainName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string Name(std::string_view name) {
  return IsPlainName(name) ? std::string(name) : Quoted(name);
}

int64_t HighestParameter(const Expr& expr) {
  int64_t highest = expr.kind == Kind::kParameter ? expr.int_value : 0;
  for (const auto* list : {&expr.args, &expr.filter, &expr.within_group}) {
    for (const Expr& below : *list) highest = std::max(highest, HighestParameter(below));
  }
  return highest;
}

class Writer {
 public:
  explicit Writer(int64_t used_parameters) : next_(used_parameters) {}

  std::string Text(const Expr& expr) {
    switch (expr.kind) {
      case Kind::kColumn:
        return Name(expr.name);
      case Kind::kStar:
        return "*";
      case Kind::kNull:
        return "NULL";
      case Kind::kParameter:
        return absl::StrCat("$", expr.int_value);
      case Kind::kBool:
        return Literal(expr.int_value != 0 ? "true" : "false");
      case Kind::kInt:
        return Literal(absl::StrCat(expr.int_value));
      case Kind::kDouble:
        return Literal(NumberText(expr.double_value));
      case Kind::kString:
        return Literal(expr.text);
      case Kind::kOperator:
        return OperatorText(expr);
      case Kind::kAnd:
        return absl::StrCat("(", List(expr.args, " AND "), ")");
      case Kind::kOr:
        return absl::StrCat("(", List(expr.args, " OR "), ")");
      case Kind::kNot:
        return absl::StrCat("(NOT ", Text(expr.args[0]), ")");
      case Kind::kIsNull:
        return absl::StrCat("(", Text(expr.args[0]), " IS NULL)");
      case Kind::kIsTrue: {
        constexpr const char* kWords[] = {"TRUE", "FALSE", "UNKNOWN"};
        return absl::StrCat("(", Text(expr.args[0]), " IS ", kWords[expr.int_value], ")");
      }
      case Kind::kIn: {
        const std::string tested = Text(expr.args[0]);
        const std::string values = List(std::span(expr.args).subspan(1), ", ");
        return absl::StrCat("(", tested, " IN (", values, "))");
      }
      case Kind::kIsDistinctFrom:
        return absl::StrCat("(", List(expr.args, " IS DISTINCT FROM "), ")");
      case Kind::kCase:
        return CaseText(expr);
      case Kind::kCoalesce:
        return absl::StrCat("coalesce(", List(expr.args, ", "), ")");
      case Kind::kNullIf:
        return absl::StrCat("nullif(", List(expr.args, ", "), ")");
      case Kind::kCast:
        return absl::StrCat("(", Text(expr.args[0]), ")::", Name(expr.name));
      case Kind::kFunction:
      case Kind::kAggregate:
        return CallText(expr);
    }
    return "";
  }

  std::string List(std::span<const Expr> exprs, std::string_view separator) {
    std::string out;
    for (const Expr& expr : exprs) {
      absl::StrAppend(&out, out.empty() ? "" : ToAbsl(separator), Text(expr));
    }
    return out;
  }

  // A position in GROUP BY or ORDER BY is shape, not a value.
  std::string Position(const Expr& expr) {
    return expr.kind == Kind::kInt ? absl::StrCat(expr.int_value) : Text(expr);
  }

  std::vector<std::string> TakeLiterals() { return std::move(literals_); }

 private:
  std::string Literal(std::string text) {
    literals_.push_back(std::move(text));
    return absl::StrCat("$", ++next_);
  }
  std::string OperatorText(const Expr& expr) {
    if (expr.args.size() == 1) return absl::StrCat("(", expr.name, " ", Text(expr.args[0]), ")");
    const std::string_view name = expr.name == "~~"    ? std::string_view("LIKE")
                                  : expr.name == "~~*" ? std::string_view("ILIKE")
                                                       : std::string_view(expr.name);
    return absl::StrCat("(", List(expr.args, absl::StrCat(" ", ToAbsl(name), " ")), ")");
  }
  std::string CaseText(const Expr& expr) {
    std::string out = "CASE";
    size_t i = 0;
    for (; i + 1 < expr.args.size(); i += 2) {
      absl::StrAppend(&out, " WHEN ", Text(expr.args[i]));
      absl::StrAppend(&out, " THEN ", Text(expr.args[i + 1]));
    }
    if (i < expr.args.size()) absl::StrAppend(&out, " ELSE ", Text(expr.args[i]));
    return out + " END";
  }
  std::string CallText(const Expr& expr) {
    std::string out =
        absl::StrCat(expr.name, "(", expr.distinct ? "DISTINCT " : "", List(expr.args, ", "), ")");
    if (!expr.within_group.empty()) {
      absl::StrAppend(&out, " WITHIN GROUP (ORDER BY ", Text(expr.within_group[0]),
                      expr.descending ? " DESC)" : ")");
    }
    if (!expr.filter.empty()) absl::StrAppend(&out, " FILTER (WHERE ", Text(expr.filter[0]), ")");
    return out;
  }

  int64_t next_;
  std::vector<std::string> literals_;
};

int64_t HighestParameter(const ast::Select& select) {
  int64_t highest = 0;
  const auto look = [&highest](const Expr& expr) {
    highest = std::max(highest, HighestParameter(expr));
  };
  for (const ast::SelectItem& item : select.items) look(item.expr);
  for (const Expr& expr : select.group_by) look(expr);
  for (const ast::SortItem& item : select.order_by) look(item.expr);
  for (const auto* clause : {&select.where, &select.having, &select.limit, &select.offset}) {
    if (clause->has_value()) look(**clause);
  }
  return highest;
}

}  // namespace

std::string NumberText(double value) {
  constexpr size_t kMaxDigits = 32;
  std::array<char, kMaxDigits> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

NormalizedQuery Normalize(const ast::Select& select, std::string_view dataset) {
  Writer writer(HighestParameter(select));
  std::string out = select.distinct ? "SELECT DISTINCT" : "SELECT";
  for (size_t i = 0; i < select.items.size(); ++i) {
    absl::StrAppend(&out, i == 0 ? " " : ", ", writer.Text(select.items[i].expr));
    if (!select.items[i].name.empty()) absl::StrAppend(&out, " AS ", Name(select.items[i].name));
  }
  absl::StrAppend(&out, " FROM ", Name(dataset));
  if (select.where.has_value()) absl::StrAppend(&out, " WHERE ", writer.Text(*select.where));
  for (size_t i = 0; i < select.group_by.size(); ++i) {
    absl::StrAppend(&out, i == 0 ? " GROUP BY " : ", ", writer.Position(select.group_by[i]));
  }
  if (select.having.has_value()) absl::StrAppend(&out, " HAVING ", writer.Text(*select.having));
  for (size_t i = 0; i < select.order_by.size(); ++i) {
    const ast::SortItem& item = select.order_by[i];
    absl::StrAppend(&out, i == 0 ? " ORDER BY " : ", ", writer.Position(item.expr),
                    item.descending ? " DESC" : "",
                    item.nulls_first ? " NULLS FIRST" : " NULLS LAST");
  }
  if (select.limit.has_value()) absl::StrAppend(&out, " LIMIT ", writer.Text(*select.limit));
  if (select.offset.has_value()) absl::StrAppend(&out, " OFFSET ", writer.Text(*select.offset));
  return {std::move(out), writer.TakeLiterals()};
}

}  // namespace televault::query
