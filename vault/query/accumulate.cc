#include "vault/query/accumulate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "vault/base/check.h"

namespace televault::query {
namespace {

absl::Status SumOverflow() {
  return WithReason(
      absl::InvalidArgumentError("a sum overflows its type; cast to double precision first"),
      reason::kInvalidSql);
}

class CountAccumulator final : public Accumulator {
 public:
  void Resize(size_t groups) override { counts_.resize(groups, 0); }
  void Add(const Slice& slice) override {
    for (size_t i = 0; i < slice.rows; ++i) {
      const bool counts = slice.arg == nullptr || !slice.arg->IsNull(i);
      counts_[slice.groups[i]] += counts ? 1 : 0;
    }
  }
  void Merge(const Accumulator& other, const std::vector<uint32_t>& map) override {
    const auto& from = static_cast<const CountAccumulator&>(other);
    for (size_t g = 0; g < map.size(); ++g) counts_[map[g]] += from.counts_[g];
  }
  absl::StatusOr<Answer> Finish() override {
    Answer answer;
    answer.values = Vector::Make(SqlType::kInt, counts_.size(), false);
    std::copy(counts_.begin(), counts_.end(), answer.values.own_ints.begin());
    return answer;
  }
  size_t bytes() const override { return counts_.capacity() * 8; }

 private:
  WipedVector<int64_t> counts_;
};

class DistinctAccumulator final : public Accumulator {
 public:
  explicit DistinctAccumulator(Interner& interner) : encoder_(interner), pairs_(2) {}
  void StartUnit() override { encoder_.StartUnit(); }
  void Resize(size_t groups) override { groups_ = groups; }
  void Add(const Slice& slice) override {
    encoder_.Encode(*slice.arg, slice.rows, words_);
    for (size_t i = 0; i < slice.rows; ++i) {
      if (slice.arg->IsNull(i)) continue;
      const uint64_t key[2] = {slice.groups[i], words_[i]};
      pairs_.FindOrAdd(key);
    }
  }
  void Merge(const Accumulator& other, const std::vector<uint32_t>& map) override {
    const auto& from = static_cast<const DistinctAccumulator&>(other);
    for (uint32_t i = 0; i < from.pairs_.size(); ++i) {
      const uint64_t* pair = from.pairs_.KeyAt(i);
      const uint64_t key[2] = {map[pair[0]], pair[1]};
      pairs_.FindOrAdd(key);
    }
  }
  absl::StatusOr<Answer> Finish() override {
    Answer answer;
    answer.values = Vector::Make(SqlType::kInt, groups_, false);
    for (uint32_t i = 0; i < pairs_.size(); ++i) ++answer.values.own_ints[pairs_.KeyAt(i)[0]];
    return answer;
  }
  size_t bytes() const override { return pairs_.bytes(); }

 private:
  WordEncoder encoder_;
  WordTable pairs_;
  WipedVector<uint64_t> words_;
  size_t groups_ = 0;
};

int64_t ValueAt(const Vector& arg, size_t row, __int128 /*sum*/) { return arg.IntAt(row); }
double ValueAt(const Vector& arg, size_t row, double /*sum*/) { return arg.DoubleAt(row); }

// Sums and counts of the values of each group; what sum and avg answer from.
template <class Sum>
class SumAccumulator : public Accumulator {
 public:
  SumAccumulator(bool average, bool controlled) : average_(average), controlled_(controlled) {}
  void Resize(size_t groups) override {
    sums_.resize(groups, 0);
    counts_.resize(groups, 0);
  }
  void Add(const Slice& slice) override {
    const Vector& arg = *slice.arg;
    for (size_t i = 0; i < slice.rows; ++i) {
      if (arg.IsNull(i)) continue;
      sums_[slice.groups[i]] += ValueAt(arg, i, Sum{});
      ++counts_[slice.groups[i]];
    }
  }
  void Merge(const Accumulator& other, const std::vector<uint32_t>& map) override {
    const auto& from = static_cast<const SumAccumulator&>(other);
    for (size_t g = 0; g < map.size(); ++g) {
      sums_[map[g]] += from.sums_[g];
      counts_[map[g]] += from.counts_[g];
    }
  }
  size_t bytes() const override { return sums_.capacity() * (sizeof(Sum) + sizeof(int64_t)); }

 protected:
  const bool average_;
  const bool controlled_;
  WipedVector<Sum> sums_;
  WipedVector<int64_t> counts_;
};

// Over int-like values: exact in 128 bits, so the order of rows does not matter.
class IntSumAccumulator final : public SumAccumulator<__int128> {
 public:
  IntSumAccumulator(SqlType type, bool average, bool controlled)
      : SumAccumulator(average, controlled), type_(type) {}
  absl::StatusOr<Answer> Finish() override {
    Answer answer;
    answer.values = Vector::Make(type_, sums_.size(), true);
    for (size_t g = 0; g < sums_.size(); ++g) {
      if (counts_[g] == 0) {
        answer.values.SetNull(g);
      } else if (type_ == SqlType::kDouble) {
        answer.values.own_doubles[g] =
            static_cast<double>(static_cast<long double>(sums_[g]) / counts_[g]);
      } else {
        const __int128 value = average_ ? sums_[g] / counts_[g] : sums_[g];
        answer.values.own_ints[g] = static_cast<int64_t>(value);
        if (answer.values.own_ints[g] == value) continue;
        if (!controlled_) return SumOverflow();
        answer.values.SetNull(g);
      }
    }
    return answer;
  }

 private:
  const SqlType type_;
};

class DoubleSumAccumulator final : public SumAccumulator<double> {
 public:
  using SumAccumulator::SumAccumulator;
  absl::StatusOr<Answer> Finish() override {
    Answer answer;
    answer.values = Vector::Make(SqlType::kDouble, sums_.size(), true);
    for (size_t g = 0; g < sums_.size(); ++g) {
      answer.values.own_doubles[g] =
          average_ ? sums_[g] / static_cast<double>(counts_[g]) : sums_[g];
      if (counts_[g] == 0) {
        answer.values.SetNull(g);
      } else if (!std::isfinite(sums_[g])) {
        if (!controlled_) return SumOverflow();
        answer.values.SetNull(g);
      }
    }
    return answer;
  }
};

// Sample standard deviation after Welford; merged after Chan, Golub and LeVeque.
class StddevAccumulator final : public Accumulator {
 public:
  explicit StddevAccumulator(bool controlled) : controlled_(controlled) {}
  void Resize(size_t groups) override { states_.resize(groups); }
  void Add(const Slice& slice) override {
    for (size_t i = 0; i < slice.rows; ++i) {
      if (slice.arg->IsNull(i)) continue;
      State& state = states_[slice.groups[i]];
      const double value = slice.arg->DoubleAt(i);
      const double delta = value - state.mean;
      state.mean += delta / static_cast<double>(++state.count);
      state.squares += delta * (value - state.mean);
    }
  }
  void Merge(const Accumulator& other, const std::vector<uint32_t>& map) override {
    const auto& from = static_cast<const StddevAccumulator&>(other);
    for (size_t g = 0; g < map.size(); ++g) {
      const State& b = from.states_[g];
      State& a = states_[map[g]];
      if (b.count == 0) continue;
      const auto total = static_cast<double>(a.count + b.count);
      const double delta = b.mean - a.mean;
      a.squares += b.squares + delta * delta * static_cast<double>(a.count) *
                                   static_cast<double>(b.count) / total;
      a.mean += delta * static_cast<double>(b.count) / total;
      a.count += b.count;
    }
  }
  absl::StatusOr<Answer> Finish() override {
    Answer answer;
    answer.values = Vector::Make(SqlType::kDouble, states_.size(), true);
    for (size_t g = 0; g < states_.size(); ++g) {
      const State& state = states_[g];
      const double value = std::sqrt(state.squares / static_cast<double>(state.count - 1));
      answer.values.own_doubles[g] = value;
      if (state.count < 2) {
        answer.values.SetNull(g);
      } else if (!std::isfinite(value)) {
        if (!controlled_) return SumOverflow();
        answer.values.SetNull(g);
      }
    }
    return answer;
  }
  size_t bytes() const override { return states_.capacity() * sizeof(State); }

 private:
  struct State {
    int64_t count = 0;
    double mean = 0;
    double squares = 0;
  };
  const bool controlled_;
  WipedVector<State> states_;
};

// min and max without disclosure control.
class ExtremeAccumulator final : public Accumulator {
 public:
  ExtremeAccumulator(SqlType type, bool smallest) : type_(type), sign_(smallest ? 1 : -1) {}
  void Resize(size_t groups) override {
    seen_.resize(groups, 0);
    if (type_ == SqlType::kText) {
      texts_.resize(groups);
    } else if (type_ == SqlType::kDouble) {
      doubles_.resize(groups, 0);
    } else {
      ints_.resize(groups, 0);
    }
  }
  void Add(const Slice& slice) override {
    for (size_t i = 0; i < slice.rows; ++i) {
      if (slice.arg->IsNull(i)) continue;
      const uint32_t g = slice.groups[i];
      if (type_ == SqlType::kText) {
        OfferText(g, slice.arg->TextAt(i));
      } else if (type_ == SqlType::kDouble) {
        Offer(doubles_[g], slice.arg->DoubleAt(i), g);
      } else {
        Offer(ints_[g], slice.arg->IntAt(i), g);
      }
    }
  }
  void Merge(const Accumulator& other, const std::vector<uint32_t>& map) override {
    const auto& from = static_cast<const ExtremeAccumulator&>(other);
    for (size_t g = 0; g < map.size(); ++g) {
      if (from.seen_[g] == 0) continue;
      if (type_ == SqlType::kText) {
        OfferText(map[g],
                  {reinterpret_cast<const char*>(from.texts_[g].data()), from.texts_[g].size()});
      } else if (type_ == SqlType::kDouble) {
        Offer(doubles_[map[g]], from.doubles_[g], map[g]);
      } else {
        Offer(ints_[map[g]], from.ints_[g], map[g]);
      }
    }
  }
  absl::StatusOr<Answer> Finish() override {
    Answer answer;
    Vector& out = answer.values;
    out = Vector::Make(type_, seen_.size(), true);
    for (size_t g = 0; g < seen_.size(); ++g) {
      if (seen_[g] == 0) {
        out.SetNull(g);
      } else if (type_ == SqlType::kText) {
        out.own_codes[g] = out.own_dictionary->Add(
            {reinterpret_cast<const char*>(texts_[g].data()), texts_[g].size()});
      } else if (type_ == SqlType::kDouble) {
        out.own_doubles[g] = doubles_[g];
      } else {
        out.own_ints[g] = ints_[g];
      }
    }
    return answer;
  }
  size_t bytes() const override { return seen_.capacity() * 9 + text_bytes_; }

 private:
  template <class T>
  void Offer(T& held, T value, uint32_t g) {
    const bool better = seen_[g] == 0 || (sign_ > 0 ? value < held : held < value);
    if (better) held = value;
    seen_[g] = 1;
  }
  void OfferText(uint32_t g, std::string_view text) {
    WipedBuffer& held = texts_[g];
    const std::string_view known(reinterpret_cast<const char*>(held.data()), held.size());
    const bool better = seen_[g] == 0 || (sign_ > 0 ? text < known : known < text);
    if (!better) return;
    text_bytes_ += text.size() + (seen_[g] == 0 ? sizeof(WipedBuffer) : 0);
    held.assign(text.begin(), text.end());
    seen_[g] = 1;
  }

  const SqlType type_;
  const int sign_;
  size_t text_bytes_ = 0;
  WipedVector<uint8_t> seen_;
  WipedVector<int64_t> ints_;
  WipedVector<double> doubles_;
  std::vector<WipedBuffer> texts_;
};

// Keeps every value with its subject: percentiles, and min and max under disclosure control.
class ValuesAccumulator final : public Accumulator {
 public:
  ValuesAccumulator(const Aggregate& aggregate, uint32_t k_min, Interner& interner)
      : kind_(aggregate.kind),
        type_(aggregate.type),
        arg_type_(aggregate.arg->type),
        fraction_(aggregate.fraction),
        descending_(aggregate.descending),
        k_min_(k_min),
        interner_(interner),
        encoder_(interner) {}

  void StartUnit() override { encoder_.StartUnit(); }
  void Resize(size_t groups) override { groups_ = groups; }
  void Add(const Slice& slice) override {
    encoder_.Encode(*slice.arg, slice.rows, words_);
    for (size_t i = 0; i < slice.rows; ++i) {
      if (slice.arg->IsNull(i)) continue;
      // Without subjects every row stands for itself.
      const auto own = static_cast<uint32_t>(values_.size());
      values_.push_back(
          {words_[i], slice.groups[i], slice.subjects == nullptr ? own : slice.subjects[i]});
    }
    has_subjects_ = slice.subjects != nullptr;
  }
  void Merge(const Accumulator& other, const std::vector<uint32_t>& map) override {
    const auto& from = static_cast<const ValuesAccumulator&>(other);
    has_subjects_ |= from.has_subjects_;
    for (const Value& value : from.values_) {
      const auto own = static_cast<uint32_t>(values_.size());
      values_.push_back({value.word, map[value.group], has_subjects_ ? value.subject : own});
    }
  }
  absl::StatusOr<Answer> Finish() override;
  size_t bytes() const override { return values_.capacity() * sizeof(Value); }

 private:
  struct Value {
    uint64_t word;
    uint32_t group;
    uint32_t subject;
  };
  int Order(const Value& a, const Value& b) const;
  double Number(const Value& value) const {
    return arg_type_ == SqlType::kDouble ? std::bit_cast<double>(value.word)
                                         : static_cast<double>(static_cast<int64_t>(value.word));
  }
  void FinishGroup(size_t begin, size_t end, Answer& answer) const;
  void PutValue(const Value& value, size_t group, Answer& answer) const;
  void PutNumber(double number, size_t group, Answer& answer) const;
  bool HeldByEnough(size_t begin, size_t end, size_t at) const;
  void FinishContinuous(size_t begin, size_t end, Answer& answer) const;

  const AggregateKind kind_;
  const SqlType type_;
  const SqlType arg_type_;
  const double fraction_;
  const bool descending_;
  const uint32_t k_min_;
  Interner& interner_;
  WordEncoder encoder_;
  WipedVector<uint64_t> words_;
  WipedVector<Value> values_;
  size_t groups_ = 0;
  bool has_subjects_ = false;
};

int ValuesAccumulator::Order(const Value& a, const Value& b) const {
  if (a.word == b.word) return 0;
  if (arg_type_ == SqlType::kText) {
    const std::string_view left = interner_.dictionary().at(static_cast<uint32_t>(a.word));
    const std::string_view right = interner_.dictionary().at(static_cast<uint32_t>(b.word));
    return left < right ? -1 : 1;
  }
  if (arg_type_ == SqlType::kDouble) return Number(a) < Number(b) ? -1 : 1;
  return static_cast<int64_t>(a.word) < static_cast<int64_t>(b.word) ? -1 : 1;
}

absl::StatusOr<Answer> ValuesAccumulator::Finish() {
  std::sort(values_.begin(), values_.end(), [this](const Value& a, const Value& b) {
    if (a.group != b.group) return a.group < b.group;
    const int order = Order(a, b);
    if (order != 0) return descending_ ? order > 0 : order < 0;
    return a.subject < b.subject;
  });
  Answer answer;
  answer.values = Vector::Make(type_, groups_, true);
  answer.identifies_few.assign(groups_, 0);
  answer.approximate.assign(groups_, 0);
  std::fill(answer.values.own_nulls.begin(), answer.values.own_nulls.end(), 1);
  for (size_t begin = 0; begin < values_.size();) {
    size_t end = begin;
    while (end < values_.size() && values_[end].group == values_[begin].group) ++end;
    FinishGroup(begin, end, answer);
    begin = end;
  }
  return answer;
}

void ValuesAccumulator::FinishGroup(size_t begin, size_t end, Answer& answer) const {
  if (kind_ == AggregateKind::kPercentileCont) return FinishContinuous(begin, end, answer);
  size_t at = begin;
  if (kind_ == AggregateKind::kMax) at = end - 1;
  if (kind_ == AggregateKind::kPercentileDisc) {
    const double position = std::ceil(fraction_ * static_cast<double>(end - begin));
    at = begin + (position < 1 ? 0 : static_cast<size_t>(position) - 1);
  }
  const size_t group = values_[at].group;
  PutValue(values_[at], group, answer);
  if (!HeldByEnough(begin, end, at)) answer.identifies_few[group] = 1;
}

void ValuesAccumulator::FinishContinuous(size_t begin, size_t end, Answer& answer) const {
  const size_t group = values_[begin].group;
  const double position = fraction_ * static_cast<double>(end - begin - 1);
  size_t low = begin + static_cast<size_t>(std::floor(position));
  size_t high = begin + static_cast<size_t>(std::ceil(position));
  const double first = Number(values_[low]);
  const double second = Number(values_[high]);
  const double exact = first + (second - first) * (position - std::floor(position));
  PutNumber(exact, group, answer);
  const bool enough = values_[low].word == values_[high].word && HeldByEnough(begin, end, low);
  if (k_min_ == 0 || enough) return;
  // The mean over the nearest ranks that belong to k subjects stands for the value of one or two.
  std::unordered_set<uint32_t> subjects;
  double sum = 0;
  for (size_t i = low; i <= high; ++i) {
    subjects.insert(values_[i].subject);
    sum += Number(values_[i]);
  }
  while (subjects.size() < k_min_ && (low > begin || high + 1 < end)) {
    if (low > begin) {
      subjects.insert(values_[--low].subject);
      sum += Number(values_[low]);
    }
    if (high + 1 < end) {
      subjects.insert(values_[++high].subject);
      sum += Number(values_[high]);
    }
  }
  PutNumber(sum / static_cast<double>(high - low + 1), group, answer);
  answer.approximate[group] = 1;
  if (subjects.size() < k_min_) answer.identifies_few[group] = 1;
}

bool ValuesAccumulator::HeldByEnough(size_t begin, size_t end, size_t at) const {
  if (k_min_ == 0) return true;
  std::unordered_set<uint32_t> subjects;
  for (size_t i = at; i < end && values_[i].word == values_[at].word; ++i) {
    subjects.insert(values_[i].subject);
    if (subjects.size() >= k_min_) return true;
  }
  for (size_t i = at; i > begin && values_[i - 1].word == values_[at].word; --i) {
    subjects.insert(values_[i - 1].subject);
    if (subjects.size() >= k_min_) return true;
  }
  return false;
}

void ValuesAccumulator::PutNumber(double number, size_t group, Answer& answer) const {
  answer.values.own_nulls[group] = 0;
  if (type_ == SqlType::kDouble) {
    answer.values.own_doubles[group] = number;
  } else {
    answer.values.own_ints[group] = std::llround(number);
  }
}

void ValuesAccumulator::PutValue(const Value& value, size_t group, Answer& answer) const {
  Vector& out = answer.values;
  out.own_nulls[group] = 0;
  switch (type_) {
    case SqlType::kText:
      out.own_codes[group] =
          out.own_dictionary->Add(interner_.dictionary().at(static_cast<uint32_t>(value.word)));
      break;
    case SqlType::kDouble:
      out.own_doubles[group] = Number(value);
      break;
    case SqlType::kBool:
      out.own_bools[group] = static_cast<uint8_t>(value.word);
      break;
    default:
      out.own_ints[group] = static_cast<int64_t>(value.word);
      break;
  }
}

}  // namespace

void WordEncoder::Encode(const Vector& vector, size_t rows, WipedVector<uint64_t>& words) {
  words.assign(rows, 0);
  switch (vector.type) {
    case SqlType::kBool:
      for (size_t i = 0; i < rows; ++i) words[i] = vector.BoolAt(i) ? 1 : 0;
      break;
    case SqlType::kDouble:
      // −0 and 0 are one value.
      for (size_t i = 0; i < rows; ++i)
        words[i] = std::bit_cast<uint64_t>(vector.DoubleAt(i) + 0.0);
      break;
    case SqlType::kText: {
      if (known_ != vector.dictionary || !vector.stable_dictionary) ids_.clear();
      known_ = vector.stable_dictionary ? vector.dictionary : nullptr;
      interner_.InternCodes(*vector.dictionary, {vector.codes, vector.entries()}, vector.nulls,
                            ids_);
      for (size_t i = 0; i < rows; ++i) {
        if (!vector.IsNull(i)) words[i] = ids_[vector.codes[vector.At(i)]];
      }
      break;
    }
    default:
      for (size_t i = 0; i < rows; ++i) words[i] = static_cast<uint64_t>(vector.IntAt(i));
      break;
  }
}

std::unique_ptr<Accumulator> MakeAccumulator(const Aggregate& aggregate, uint32_t k_min,
                                             Interner& interner) {
  const bool controlled = k_min > 0;
  switch (aggregate.kind) {
    case AggregateKind::kCountAll:
    case AggregateKind::kCount:
      return std::make_unique<CountAccumulator>();
    case AggregateKind::kCountDistinct:
      return std::make_unique<DistinctAccumulator>(interner);
    case AggregateKind::kSum:
    case AggregateKind::kAvg: {
      const bool average = aggregate.kind == AggregateKind::kAvg;
      if (aggregate.arg->type == SqlType::kDouble) {
        return std::make_unique<DoubleSumAccumulator>(average, controlled);
      }
      return std::make_unique<IntSumAccumulator>(aggregate.type, average, controlled);
    }
    case AggregateKind::kStddev:
      return std::make_unique<StddevAccumulator>(controlled);
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (!controlled) {
        return std::make_unique<ExtremeAccumulator>(aggregate.type,
                                                    aggregate.kind == AggregateKind::kMin);
      }
      break;
    default:
      break;
  }
  return std::make_unique<ValuesAccumulator>(aggregate, k_min, interner);
}

}  // namespace televault::query
