#include "vault/query/evaluate.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "vault/base/bytes.h"
#include "vault/query/calendar.h"

namespace televault::query {
namespace {

// Copies a branch's values to the rows that took it.
void Scatter(Vector& out, const std::vector<uint32_t>& positions, const Vector& from) {
  for (size_t i = 0; i < positions.size(); ++i) {
    if (from.IsNull(i)) out.SetNull(positions[i]);
  }
  switch (out.type) {
    case SqlType::kBool:
      for (size_t i = 0; i < positions.size(); ++i)
        out.own_bools[positions[i]] = from.bools[from.At(i)];
      break;
    case SqlType::kDouble:
      for (size_t i = 0; i < positions.size(); ++i)
        out.own_doubles[positions[i]] = from.DoubleAt(i);
      break;
    case SqlType::kText: {
      // A dictionary entry is copied once, when the first row needs it.
      std::unordered_map<uint32_t, uint32_t> copied;
      for (size_t i = 0; i < positions.size(); ++i) {
        if (from.IsNull(i)) continue;
        const uint32_t code = from.codes[from.At(i)];
        const auto [entry, fresh] = copied.try_emplace(code, 0);
        if (fresh) entry->second = out.own_dictionary->Add(from.dictionary->at(code));
        out.own_codes[positions[i]] = entry->second;
      }
      break;
    }
    default:
      for (size_t i = 0; i < positions.size(); ++i) out.own_ints[positions[i]] = from.IntAt(i);
      break;
  }
}

Rows Pick(const Rows& rows, const std::vector<uint32_t>& absolute) {
  Rows picked;
  picked.count = static_cast<uint32_t>(absolute.size());
  picked.selection = absolute.data();
  picked.inputs = rows.inputs;
  return picked;
}

std::vector<uint32_t> Absolute(const Rows& rows, const std::vector<uint32_t>& positions) {
  std::vector<uint32_t> absolute(positions.size());
  for (size_t i = 0; i < positions.size(); ++i) absolute[i] = rows.At(positions[i]);
  return absolute;
}

std::string Truncated(std::string_view text, uint32_t characters) {
  size_t end = 0;
  for (uint32_t i = 0; i < characters && end < text.size(); ++i) {
    ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  }
  return std::string(text.substr(0, end));
}

// The literal of `subject = 'x'`, either way round; null for anything else.
const Scalar* SubjectLiteral(const Expr& expr) {
  if (expr.op != Op::kEq) return nullptr;
  for (const size_t side : {0, 1}) {
    const Expr& column = *expr.args[side];
    const Expr& literal = *expr.args[1 - side];
    const bool plain = column.op == Op::kColumn && column.leaf.subject &&
                       column.leaf.mask.kind == MaskKind::kVisible;
    if (plain && literal.op == Op::kConst && !literal.value.null) return &literal.value;
  }
  return nullptr;
}

}  // namespace

void Evaluator::StartUnit(block::UnitColumns* unit) {
  unit_ = unit;
  first_ = rows_ = 0;
  // The buffers of slices are used again.
  for (auto& [number, loaded] : loaded_) loaded.looked_up = loaded.current = false;
  by_dictionary_.clear();
  rows_of_subjects_.clear();
  leaf_dictionaries_.clear();
}

void Evaluator::StartSlice(size_t first, size_t rows) {
  first_ = first;
  rows_ = rows;
  for (auto& [number, loaded] : loaded_) loaded.current = false;
}

Evaluator::Loaded& Evaluator::Find(uint16_t column) {
  Loaded& loaded = loaded_[column];
  if (loaded.looked_up) return loaded;
  const absl::StatusOr<block::UnitColumn*> found = unit_->Find(column);
  unreadable_.Update(found.status());
  loaded.looked_up = true;
  loaded.column = found.value_or(nullptr);
  return loaded;
}

const block::Dictionary* Evaluator::Texts(block::UnitColumn& column) {
  const absl::StatusOr<const block::Dictionary*> texts = column.Texts();
  unreadable_.Update(texts.status());
  return texts.value_or(nullptr);
}

void Evaluator::Prepare(uint16_t column, bool codes_only) {
  block::UnitColumn* const found = Find(column).column;
  if (found == nullptr) return;
  unreadable_.Update(found->Prepare(first_));
  if (!codes_only && found->type() == block::PhysicalType::kString) Texts(*found);
}

const block::ColumnSlice* Evaluator::Slice(uint16_t column, bool codes_only) {
  Loaded& loaded = Find(column);
  if (loaded.column == nullptr) return nullptr;
  block::ColumnSlice& slice = loaded.slice;
  if (!loaded.current) {
    const absl::Status read = loaded.column->Read(first_, rows_, slice);
    unreadable_.Update(read);
    if (!read.ok()) return nullptr;
    loaded.current = true;
  }
  if (!codes_only && slice.dictionary == nullptr && slice.type == block::PhysicalType::kString) {
    slice.dictionary = Texts(*loaded.column);
    if (slice.dictionary == nullptr) return nullptr;
  }
  return &slice;
}

absl::Status Evaluator::status() const {
  TV_RETURN_IF_ERROR(unreadable_);
  switch (error_) {
    case EvalError::kNone:
      return absl::OkStatus();
    case EvalError::kOverflow:
      return WithReason(absl::InvalidArgumentError(
                            "a calculation overflows its type; cast to double precision first"),
                        reason::kInvalidSql);
    case EvalError::kDivisionByZero:
      return WithReason(
          absl::InvalidArgumentError("division by zero; guard the divisor with NULLIF(x, 0)"),
          reason::kInvalidSql);
    case EvalError::kBadText:
      return WithReason(
          absl::InvalidArgumentError("a text cannot be cast to the type that was asked for"),
          reason::kInvalidSql);
    case EvalError::kBadArgument:
      return WithReason(
          absl::InvalidArgumentError("a function got an argument outside of what it accepts"),
          reason::kInvalidSql);
  }
  return absl::OkStatus();
}

void Evaluator::Fail(EvalError error, Vector& out, size_t row) {
  if (error_ == EvalError::kNone && !errors_are_null_) error_ = error;
  out.SetNull(row);
}

std::vector<uint32_t> Evaluator::Filter(const Expr& predicate, const Rows& rows) {
  const auto subject_of = [this, &rows](const Expr& expr) -> const Scalar* {
    const bool may = unit_ != nullptr && rows.inputs == nullptr &&
                     expr.dictionary_column.has_value() && lifting_ == nullptr;
    return may ? SubjectLiteral(expr) : nullptr;
  };
  if (predicate.op == Op::kAnd) {
    std::vector<uint32_t> selected;
    Rows current = rows;
    // Whose rows they are is soon told, and leaves few.
    for (const bool subjects : {true, false}) {
      for (const ExprPtr& arg : predicate.args) {
        if ((subject_of(*arg) != nullptr) != subjects) continue;
        selected = Filter(*arg, current);
        if (selected.empty()) return selected;
        current = Pick(rows, selected);
      }
    }
    return selected;
  }
  if (const Scalar* const subject = subject_of(predicate); subject != nullptr) {
    return FilterSubject(predicate, subject->s, rows);
  }
  const Vector truth = Evaluate(predicate, rows);
  std::vector<uint32_t> selected(rows.count);
  size_t kept = 0;
  for (size_t i = 0; i < rows.count; ++i) {
    selected[kept] = rows.At(i);
    kept += truth.IsTrue(i) ? 1 : 0;
  }
  selected.resize(kept);
  return selected;
}

absl::StatusOr<Rows> Evaluator::Select(const ExprPtr& where, std::vector<uint32_t>& selected) {
  Rows rows;
  rows.count = static_cast<uint32_t>(rows_);
  if (where == nullptr) return rows;
  selected = Filter(*where, rows);
  TV_RETURN_IF_ERROR(status());
  // A slice that is kept whole needs no copies.
  if (selected.size() == rows_) return rows;
  rows.selection = selected.data();
  rows.count = static_cast<uint32_t>(selected.size());
  return rows;
}

Vector Evaluator::Evaluate(const Expr& expr, const Rows& rows) {
  if (rows.count == 0) {
    Vector none = Vector::Make(expr.type, 0, false);
    return none;
  }
  const bool liftable = expr.dictionary_column.has_value() && expr.op != Op::kColumn &&
                        unit_ != nullptr && lifting_ == nullptr;
  if (liftable) {
    std::optional<Vector> lifted = EvaluateByDictionary(expr, rows);
    if (lifted.has_value()) return std::move(*lifted);
  }
  return EvaluateOp(expr, rows);
}

Vector Evaluator::EvaluateOp(const Expr& expr, const Rows& rows) {
  switch (expr.op) {
    case Op::kConst:
      return Vector::Constant(expr.value, expr.type, rows.count);
    case Op::kColumn:
      return EvaluateColumn(expr, rows);
    case Op::kInput: {
      const Vector& input = (*rows.inputs)[expr.slot];
      std::vector<uint32_t> all(rows.count);
      for (size_t i = 0; i < all.size(); ++i) all[i] = rows.At(i);
      return Vector::Gather(input, all.data(), all.size());
    }
    case Op::kAnd:
    case Op::kOr:
      return EvaluateAndOr(expr, rows);
    case Op::kIn:
      return EvaluateIn(expr, rows);
    case Op::kCase:
    case Op::kCoalesce:
      return EvaluateBranches(expr, rows);
    default:
      break;
  }
  std::vector<Vector> args;
  args.reserve(expr.args.size());
  for (const ExprPtr& arg : expr.args) args.push_back(Evaluate(*arg, rows));
  return Kernels(*this).Apply(expr, args, rows.count);
}

std::string Evaluator::ShownText(const Expr& leaf, std::string_view stored) const {
  switch (leaf.leaf.mask.kind) {
    case MaskKind::kHash:
      return disclosure_->hash(stored);
    case MaskKind::kTruncate:
      return Truncated(stored, leaf.leaf.mask.length);
    default:
      return leaf.leaf.subject ? ToHex(AsBytes(stored)) : std::string(stored);
  }
}

const block::Dictionary* Evaluator::LeafDictionary(const Expr& expr,
                                                   const block::Dictionary& stored) {
  const bool plain = !expr.leaf.subject && expr.leaf.mask.kind == MaskKind::kVisible;
  if (plain) return &stored;
  std::shared_ptr<block::Dictionary>& shown = leaf_dictionaries_[expr.column];
  if (shown != nullptr) return shown.get();
  shown = std::make_shared<block::Dictionary>();
  for (uint32_t code = 0; code < stored.size(); ++code) {
    shown->Add(ShownText(expr, stored.at(code)));
  }
  return shown.get();
}

Vector Evaluator::EvaluateColumn(const Expr& expr, const Rows& rows) {
  if (lifting_ != nullptr) return LiftedLeaf(expr, rows);
  if (expr.leaf.mask.kind == MaskKind::kHidden) return Vector::AllNull(expr.type, rows.count);
  const block::ColumnSlice* slice = Slice(expr.column, true);
  if (slice == nullptr) return Vector::AllNull(expr.type, rows.count);
  if (expr.type == SqlType::kText) {
    block::UnitColumn& column = *Find(expr.column).column;
    // What is kept for the unit serves all of its slices; of few rows it would not pay.
    constexpr size_t kFew = 32;
    const bool few =
        rows.count * kFew < column.entries() && !leaf_dictionaries_.contains(expr.column);
    if (few) return FewTexts(expr, column, *slice, rows);
    slice = Slice(expr.column);
    if (slice == nullptr) return Vector::AllNull(expr.type, rows.count);
  }
  return ColumnView(expr, *slice, rows);
}

Vector Evaluator::FewTexts(const Expr& expr, block::UnitColumn& column,
                           const block::ColumnSlice& slice, const Rows& rows) {
  Vector out = Vector::Make(SqlType::kText, rows.count, slice.nulls != nullptr);
  std::vector<uint32_t> codes;
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (slice.nulls != nullptr) out.own_nulls[i] = slice.nulls[row];
    if (!out.IsNull(i)) codes.push_back(slice.codes[row]);
  }
  const auto texts = column.TextsOf(codes);
  unreadable_.Update(texts.status());
  if (!texts.ok()) return Vector::AllNull(expr.type, rows.count);
  size_t next = 0;
  for (size_t i = 0; i < rows.count; ++i) {
    if (out.IsNull(i)) continue;
    // Rows of one subject follow each other.
    const bool same = next > 0 && codes[next] == codes[next - 1];
    const auto last = static_cast<uint32_t>(out.own_dictionary->size());
    out.own_codes[i] = same ? last - 1 : out.own_dictionary->Add(ShownText(expr, (*texts)[next]));
    ++next;
  }
  return out;
}

Vector Evaluator::LiftedLeaf(const Expr& expr, const Rows& rows) {
  Vector out = Vector::Make(expr.type, rows.count, true);
  out.dictionary = lifting_;
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t entry = rows.At(i);
    const bool null = entry >= lifting_->size();
    out.own_codes[i] = null ? 0 : entry;
    out.own_nulls[i] = null ? 1 : 0;
  }
  return out;
}

Vector Evaluator::ColumnView(const Expr& expr, const block::ColumnSlice& slice, const Rows& rows) {
  if (expr.type == SqlType::kTextList) return ListColumn(slice, rows);
  Vector view;
  view.type = expr.type;
  view.rows = rows.count;
  const bool gather = rows.selection != nullptr;
  view.nulls = slice.nulls;
  const bool needs_copy = expr.type == SqlType::kBool || expr.leaf.truncate.has_value();
  if (expr.type == SqlType::kText) {
    view.codes = slice.codes;
    view.dictionary = LeafDictionary(expr, *slice.dictionary);
    view.stable_dictionary = true;
  } else if (expr.type == SqlType::kDouble) {
    view.doubles = slice.doubles;
  } else if (!needs_copy) {
    view.ints = slice.ints;
  }
  if (!needs_copy) {
    return gather ? Vector::Gather(view, rows.selection, rows.count) : std::move(view);
  }
  Vector out = Vector::Make(expr.type, rows.count, view.nulls != nullptr);
  std::optional<int64_t> low;
  int64_t high = 0;  // the last truncated unit, half open
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (view.nulls != nullptr) out.own_nulls[i] = slice.nulls[row];
    const int64_t raw = slice.ints[row];
    if (expr.type == SqlType::kBool) {
      out.own_bools[i] = raw != 0 ? 1 : 0;
      continue;
    }
    if (!low.has_value() || raw < *low || raw >= high) {
      low = TruncateTime(*expr.leaf.truncate, raw);
      high = NextUnit(*expr.leaf.truncate, raw).value_or(low.value_or(0));
    }
    out.own_ints[i] = low.value_or(0);
    // A time that has no such unit is hidden: an error would tell that it is there.
    if (!low.has_value()) out.SetNull(i);
  }
  return out;
}

Vector Evaluator::ListColumn(const block::ColumnSlice& slice, const Rows& rows) {
  Vector out = Vector::Make(SqlType::kTextList, rows.count, slice.nulls != nullptr);
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (slice.nulls != nullptr) out.own_nulls[i] = slice.nulls[row];
    const uint32_t begin = row == 0 && first_ == 0 ? 0 : (slice.list_ends + row)[-1];
    out.own_codes.insert(out.own_codes.end(), slice.codes + begin,
                         slice.codes + slice.list_ends[row]);
    out.own_list_ends[i + 1] = static_cast<uint32_t>(out.own_codes.size());
  }
  out.codes = out.own_codes.data();
  out.dictionary = slice.dictionary;
  return out;
}

// The literal is read once instead of every subject written.
const std::vector<uint32_t>& Evaluator::RowsOfSubject(const Expr& expr, const std::string& text) {
  const auto [entry, fresh] = rows_of_subjects_.try_emplace(&expr);
  block::UnitColumn* const column = Find(*expr.dictionary_column).column;
  if (!fresh || column == nullptr) return entry->second;
  const absl::StatusOr<std::string> raw = FromHex(text);
  // The text of a subject has small letters.
  if (!raw.ok() || ToHex(AsBytes(*raw)) != text) return entry->second;
  absl::StatusOr<std::vector<uint32_t>> rows = column->RowsWith(*raw);
  unreadable_.Update(rows.status());
  if (rows.ok()) entry->second = *std::move(rows);
  return entry->second;
}

Vector Evaluator::EqualsSubject(const Expr& expr, const std::string& text, const Rows& rows) {
  const std::vector<uint32_t>& found = RowsOfSubject(expr, text);
  const block::ColumnSlice* const slice = Slice(*expr.dictionary_column, true);
  if (slice == nullptr) return Vector::AllNull(SqlType::kBool, rows.count);
  Vector out = Vector::Make(SqlType::kBool, rows.count, true);
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    out.own_nulls[i] = slice->nulls != nullptr && slice->nulls[row] != 0 ? 1 : 0;
    const bool is = std::binary_search(found.begin(), found.end(), first_ + row);
    out.own_bools[i] = is ? 1 : 0;
  }
  return out;
}

// A NULL is not true either: its flag needs no look.
std::vector<uint32_t> Evaluator::FilterSubject(const Expr& expr, const std::string& text,
                                               const Rows& rows) {
  const std::vector<uint32_t>& found = RowsOfSubject(expr, text);
  std::vector<uint32_t> selected;
  for (auto at = std::lower_bound(found.begin(), found.end(), first_);
       at != found.end() && *at < first_ + rows_; ++at) {
    const auto row = static_cast<uint32_t>(*at - first_);
    const bool among = rows.selection == nullptr
                           ? row < rows.count
                           : std::binary_search(rows.selection, rows.selection + rows.count, row);
    if (among) selected.push_back(row);
  }
  return selected;
}

std::optional<Vector> Evaluator::EvaluateByDictionary(const Expr& expr, const Rows& rows) {
  if (const Scalar* const subject = SubjectLiteral(expr); subject != nullptr) {
    return EqualsSubject(expr, subject->s, rows);
  }
  block::UnitColumn* const column = Find(*expr.dictionary_column).column;
  if (column == nullptr) return std::nullopt;
  const block::Dictionary* const stored = Texts(*column);
  if (stored == nullptr) return std::nullopt;
  const auto [entry, fresh] = by_dictionary_.try_emplace(&expr);
  const size_t size = stored->size();
  if (fresh && size <= column->rows()) {
    // The leaf stands somewhere below; any leaf of this column has the same mask.
    const Expr* leaf = &expr;
    while (leaf->op != Op::kColumn) {
      for (const ExprPtr& arg : leaf->args) {
        if (arg->dictionary_column.has_value()) {
          leaf = arg.get();
          break;
        }
      }
    }
    if (leaf->leaf.mask.kind == MaskKind::kHidden) return std::nullopt;
    lifting_ = LeafDictionary(*leaf, *stored);
    Rows entries;
    entries.count = static_cast<uint32_t>(size + 1);
    const EvalError before = std::exchange(error_, EvalError::kNone);
    Vector value = EvaluateOp(expr, entries);
    lifting_ = nullptr;
    const bool failed = std::exchange(error_, before) != EvalError::kNone;
    if (!failed) entry->second = std::move(value);
  }
  if (!entry->second.has_value()) return std::nullopt;
  const Vector& value = *entry->second;
  const block::ColumnSlice* const slice = Slice(*expr.dictionary_column);
  if (slice == nullptr) return std::nullopt;
  std::vector<uint32_t> codes(rows.count);
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    const bool null = slice->nulls != nullptr && slice->nulls[row] != 0;
    codes[i] = null ? static_cast<uint32_t>(size) : slice->codes[row];
  }
  Vector out = Vector::Gather(value, codes.data(), codes.size());
  out.stable_dictionary = true;
  return out;
}

Vector Evaluator::EvaluateAndOr(const Expr& expr, const Rows& rows) {
  const bool is_and = expr.op == Op::kAnd;
  // Starts as the neutral value; a row is decided once an argument is the absorbing one.
  Vector out = Vector::Make(SqlType::kBool, rows.count, true);
  std::fill(out.own_bools.begin(), out.own_bools.end(), is_and ? 1 : 0);
  std::vector<uint32_t> open(rows.count);
  std::iota(open.begin(), open.end(), 0);
  for (const ExprPtr& arg : expr.args) {
    const std::vector<uint32_t> absolute = Absolute(rows, open);
    const Vector value = Evaluate(*arg, Pick(rows, absolute));
    std::vector<uint32_t> still_open;
    for (size_t i = 0; i < open.size(); ++i) {
      const bool null = value.IsNull(i);
      if (null) {
        out.own_nulls[open[i]] = 1;
      } else if (value.BoolAt(i) != is_and) {
        out.own_bools[open[i]] = is_and ? 0 : 1;
        out.own_nulls[open[i]] = 0;
        continue;
      }
      still_open.push_back(open[i]);
    }
    open = std::move(still_open);
    if (open.empty()) break;
  }
  return out;
}

Vector Evaluator::EvaluateIn(const Expr& expr, const Rows& rows) {
  const Vector tested = Evaluate(*expr.args[0], rows);
  Vector out = Vector::Make(SqlType::kBool, rows.count, true);
  std::fill(out.own_bools.begin(), out.own_bools.end(), 0);
  for (size_t i = 0; i < rows.count; ++i) out.own_nulls[i] = tested.IsNull(i) ? 1 : 0;
  for (size_t a = 1; a < expr.args.size(); ++a) {
    const Vector candidate = Evaluate(*expr.args[a], rows);
    for (size_t i = 0; i < rows.count; ++i) {
      if (tested.IsNull(i) || out.own_bools[i] != 0) continue;
      if (candidate.IsNull(i)) {
        out.own_nulls[i] = 1;
      } else if (CompareValues(tested, i, candidate, i) == 0) {
        out.own_bools[i] = 1;
        out.own_nulls[i] = 0;
      }
    }
  }
  return out;
}

Vector Evaluator::EvaluateBranches(const Expr& expr, const Rows& rows) {
  Vector out = Vector::Make(expr.type, rows.count, true);
  std::vector<uint32_t> open(rows.count);
  std::iota(open.begin(), open.end(), 0);
  const bool is_case = expr.op == Op::kCase;
  size_t a = 0;
  for (; a + (is_case ? 1 : 0) < expr.args.size() && !open.empty(); a += is_case ? 2 : 1) {
    const std::vector<uint32_t> absolute = Absolute(rows, open);
    const Vector value = Evaluate(*expr.args[a], Pick(rows, absolute));
    std::vector<uint32_t> taken;
    std::vector<uint32_t> taken_of_value;
    std::vector<uint32_t> rest;
    for (uint32_t i = 0; i < open.size(); ++i) {
      const bool takes = is_case ? value.IsTrue(i) : !value.IsNull(i);
      (takes ? taken : rest).push_back(open[i]);
      if (takes) taken_of_value.push_back(i);
    }
    if (!taken.empty() && is_case) {
      const std::vector<uint32_t> picked = Absolute(rows, taken);
      Scatter(out, taken, Evaluate(*expr.args[a + 1], Pick(rows, picked)));
    } else if (!taken.empty()) {
      Scatter(out, taken, Vector::Gather(value, taken_of_value.data(), taken_of_value.size()));
    }
    open = std::move(rest);
  }
  const bool has_else = is_case && expr.args.size() % 2 == 1;
  if (has_else && !open.empty()) {
    const std::vector<uint32_t> absolute = Absolute(rows, open);
    Scatter(out, open, Evaluate(*expr.args.back(), Pick(rows, absolute)));
  } else {
    for (const uint32_t position : open) out.SetNull(position);
  }
  return out;
}

}  // namespace televault::query
