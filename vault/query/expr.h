#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vault/catalog/schema.h"
#include "vault/query/disclosure.h"
#include "vault/query/parse.h"
#include "vault/query/plan.h"

// Typed expressions and what a bound query consists of.
namespace televault::query {

enum class SqlType : uint8_t {
  kNull,  // the literal NULL before it meets a type
  kBool,
  kInt,
  kDouble,
  kText,  // string, enum, and subject as 32 hex digits
  kTimestamp,
  kInterval,  // microseconds
  kTextList,
};

constexpr bool IsIntLike(SqlType type) {
  return type == SqlType::kInt || type == SqlType::kTimestamp || type == SqlType::kInterval;
}
constexpr bool IsNumeric(SqlType type) { return type == SqlType::kInt || type == SqlType::kDouble; }
// "integer", "text", … for messages.
std::string_view NameOf(SqlType type);

// One constant.
struct Scalar {
  SqlType type = SqlType::kNull;
  bool null = true;
  // A quoted literal that no operand has given a type yet.
  bool untyped = false;
  int64_t i = 0;       // kBool (0/1) and int-like types
  int32_t months = 0;  // kInterval: calendar part, only next to a timestamp
  double d = 0;
  std::string s;
};

enum class TimeUnit : uint8_t {
  kMicrosecond,
  kMillisecond,
  kSecond,
  kMinute,
  kHour,
  kDay,
  kWeek,
  kMonth,
  kQuarter,
  kYear,
};

enum class Op : uint8_t {
  kConst,   // value
  kColumn,  // column, leaf
  kInput,   // slot: a group key or an aggregate's answer
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kNeg,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kAnd,
  kOr,
  kNot,
  kIn,
  kIsNull,
  kIsBool,  // value.i: 0 IS TRUE, 1 IS FALSE, 2 IS UNKNOWN
  kIsDistinct,
  kCase,
  kCoalesce,
  kNullIf,
  kCast,
  kLike,
  kILike,
  kLower,
  kUpper,
  kLength,
  kAbs,
  kRound,
  kRoundTo,
  kFloor,
  kCeil,
  kWidthBucket,
  kDateTrunc,  // unit
  kDateBin,    // stride, time, origin
  kAddMonths,  // time; value.months
};

// How a column's stored values become the values that a query sees.
struct Leaf {
  bool subject = false;  // raw pseudonym → hex
  Mask mask;
  std::optional<TimeUnit> truncate;  // timestamps: granularity or year mask
};

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;  // shared: one subtree serves group, sort and output

// Immutable once built. Invariant: `key` is equal exactly for expressions that compute the same.
struct Expr {
  Op op = Op::kConst;
  SqlType type = SqlType::kNull;
  std::vector<ExprPtr> args;
  uint16_t column = 0;
  uint32_t slot = 0;
  TimeUnit unit = TimeUnit::kMicrosecond;
  Leaf leaf;
  Scalar value;
  std::string key;
  // Set where the only input is one text column: the value follows from the dictionary code.
  std::optional<uint16_t> dictionary_column;
};

enum class AggregateKind : uint8_t {
  kCountAll,
  kCount,
  kCountDistinct,
  kSum,
  kAvg,
  kMin,
  kMax,
  kStddev,
  kPercentileCont,
  kPercentileDisc,
};

// Whether a value counts by how large it is, so that one subject may make most of the answer.
inline bool AddsUp(AggregateKind kind) {
  return kind == AggregateKind::kSum || kind == AggregateKind::kAvg ||
         kind == AggregateKind::kStddev;
}

struct Aggregate {
  AggregateKind kind = AggregateKind::kCountAll;
  SqlType type = SqlType::kInt;  // of the answer
  ExprPtr arg;                   // null for count(*)
  ExprPtr filter;                // null = all rows
  double fraction = 0;           // percentiles
  bool descending = false;       // percentiles
  // Byte offsets into the query text, for refusals; −1 = unknown. Of the first of equal ones.
  int arg_location = -1;
  int filter_location = -1;
  std::string key;
};

struct OutputExpr {
  ExprPtr expr;
  OutputColumn column;
};

struct SortKey {
  ExprPtr expr;
  bool descending = false;
  bool nulls_first = false;
};

// Values that rows must lie in to match, for int-like columns read without a mask. Inclusive.
struct ColumnBounds {
  uint16_t column = 0;
  int64_t low = 0;
  int64_t high = 0;
};

namespace internal {

// Everything Execute() needs. With groups, `outputs`, `having` and `order_by` read kInput slots:
// first the group keys, then the aggregates. Without, they read columns.
struct BoundQuery {
  // What the plan was bound from, so that Restrict() can bind again with masks.
  ParsedQuery query;
  catalog::Schema schema;
  std::vector<v1::Value> parameters;
  WallTime now;
  Disclosure disclosure;
  bool restricted = false;

  bool grouped = false;
  ExprPtr where;
  std::vector<ExprPtr> keys;
  std::vector<Aggregate> aggregates;
  ExprPtr having;
  std::vector<OutputExpr> outputs;
  std::vector<SortKey> order_by;
  std::optional<uint64_t> limit;
  uint64_t offset = 0;

  std::vector<OutputColumn> output_columns;
  std::vector<uint16_t> columns;
  std::vector<std::string> fields;
  TimeRange range;
  std::vector<ColumnBounds> bounds;
  std::string subject;  // 16 raw bytes where the filter asks for one subject, else ""

  bool controlled() const { return restricted && disclosure.mode == Mode::kAggregate; }
};

}  // namespace internal
}  // namespace televault::query
