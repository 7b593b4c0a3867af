#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

#include "vault/query/accumulate.h"
#include "vault/query/subject_set.h"

// Aggregates that need every value: percentiles, and min and max under disclosure control.
namespace televault::query {
namespace {

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
      values_.push_back({words_[i], slice.groups[i],
                         slice.subjects == nullptr ? own : slice.subjects[i], slice.period});
    }
    has_subjects_ = slice.subjects != nullptr;
  }
  void Merge(const Accumulator& other, const std::vector<uint32_t>& map) override {
    const auto& from = static_cast<const ValuesAccumulator&>(other);
    has_subjects_ |= from.has_subjects_;
    for (const Value& value : from.values_) {
      const auto own = static_cast<uint32_t>(values_.size());
      values_.push_back(
          {value.word, map[value.group], has_subjects_ ? value.subject : own, value.period});
    }
  }
  absl::StatusOr<Answer> Finish() override;
  size_t bytes() const override { return values_.capacity() * sizeof(Value); }

 private:
  struct Value {
    uint64_t word;
    uint32_t group;
    uint32_t subject;
    uint32_t period;
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
  void FinishBinned(size_t begin, size_t end, Answer& answer) const;
  bool IsDominated(size_t begin, size_t end) const;

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
  const bool rising = !descending_ || (k_min_ > 0 && kind_ == AggregateKind::kPercentileCont);
  std::sort(values_.begin(), values_.end(), [this, rising](const Value& a, const Value& b) {
    if (a.group != b.group) return a.group < b.group;
    const int order = Order(a, b);
    if (order != 0) return rising ? order < 0 : order > 0;
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
  if (k_min_ > 0) return FinishBinned(begin, end, answer);
  const size_t group = values_[begin].group;
  const double position = fraction_ * static_cast<double>(end - begin - 1);
  const double first = Number(values_[begin + static_cast<size_t>(std::floor(position))]);
  const double second = Number(values_[begin + static_cast<size_t>(std::ceil(position))]);
  PutNumber(first + (second - first) * (position - std::floor(position)), group, answer);
}

// The values in rising order are cut into bins of at least k subjects; the mean of the bin that has
// the rank is the answer. The cuts do not depend on the fraction or the direction: else two
// fractions would give two means that differ by one value. Equal values stay together.
void ValuesAccumulator::FinishBinned(size_t begin, size_t end, Answer& answer) const {
  const size_t group = values_[begin].group;
  const double fraction = descending_ ? 1 - fraction_ : fraction_;
  const size_t rank =
      begin + static_cast<size_t>(std::floor(fraction * static_cast<double>(end - begin - 1)));
  std::vector<size_t> cuts{begin};
  SubjectSet subjects;
  for (size_t i = begin; i < end; ++i) {
    subjects.Add(values_[i].period, values_[i].subject);
    const bool tied = i + 1 < end && values_[i + 1].word == values_[i].word;
    if (tied || subjects.persons() < k_min_) continue;
    cuts.push_back(i + 1);
    subjects.Clear();
  }
  if (cuts.size() < 2) {
    answer.identifies_few[group] = 1;
    return;
  }
  cuts.back() = end;  // what is left over belongs to the last bin
  const auto next = std::upper_bound(cuts.begin(), cuts.end(), rank);
  const size_t first = *(next - 1);
  double sum = 0;
  for (size_t i = first; i < *next; ++i) sum += Number(values_[i]);
  PutNumber(sum / static_cast<double>(*next - first), group, answer);
  answer.approximate[group] = 1;
  if (IsDominated(first, *next)) answer.identifies_few[group] = 1;
}

// As for sums: whether one subject makes more than half of the absolute total. The largest of each
// salt period may be one person.
bool ValuesAccumulator::IsDominated(size_t begin, size_t end) const {
  std::unordered_map<uint64_t, double> of_subject;
  std::unordered_map<uint32_t, double> largest;
  double total = 0;
  for (size_t i = begin; i < end; ++i) {
    const Value& value = values_[i];
    const double magnitude = std::fabs(Number(value));
    const uint64_t key = (static_cast<uint64_t>(value.period) << 32) | value.subject;
    total += magnitude;
    largest[value.period] = std::max(largest[value.period], of_subject[key] += magnitude);
  }
  double one = 0;
  for (const auto& [period, magnitude] : largest) one += magnitude;
  return one > total / 2;
}

bool ValuesAccumulator::HeldByEnough(size_t begin, size_t end, size_t at) const {
  if (k_min_ == 0) return true;
  SubjectSet subjects;
  for (size_t i = at; i < end && values_[i].word == values_[at].word; ++i) {
    subjects.Add(values_[i].period, values_[i].subject);
    if (subjects.persons() >= k_min_) return true;
  }
  for (size_t i = at; i > begin && values_[i - 1].word == values_[at].word; --i) {
    subjects.Add(values_[i - 1].period, values_[i - 1].subject);
    if (subjects.persons() >= k_min_) return true;
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

std::unique_ptr<Accumulator> MakeValuesAccumulator(const Aggregate& aggregate, uint32_t k_min,
                                                   Interner& interner) {
  return std::make_unique<ValuesAccumulator>(aggregate, k_min, interner);
}

}  // namespace televault::query
