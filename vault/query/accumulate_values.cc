#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "vault/query/accumulate.h"
#include "vault/query/subject_set.h"

// Aggregates that need every value: percentiles, and min and max under disclosure control.
namespace televault::query {
namespace {

// Whether so many persons stand behind some rows, counted as SubjectSet does. Few are looked
// through one by one: a bin of values is full at k.
class Crowd {
 public:
  explicit Crowd(uint64_t enough) : enough_(enough) {}
  void Add(uint32_t period, uint32_t subject) {
    if (full_) return;
    const std::pair key(period, subject);
    if (std::find(few_.begin(), few_.end(), key) != few_.end()) return;
    if (few_.size() == kFew) {
      many_.Add(period, subject);
      full_ = many_.persons() >= enough_;
      return;
    }
    few_.push_back(key);
    if (few_.size() == kFew) {
      for (const auto& [of, known] : few_) many_.Add(of, known);
    }
    full_ = static_cast<uint64_t>(std::count_if(few_.begin(), few_.end(), [&](const auto& other) {
              return other.first == period;
            })) >= enough_;
  }
  bool full() const { return full_; }
  void Clear() {
    if (few_.size() == kFew) many_.Clear();
    few_.clear();
    full_ = false;
  }

 private:
  static constexpr size_t kFew = 64;
  const uint64_t enough_;
  std::vector<std::pair<uint32_t, uint32_t>> few_;
  SubjectSet many_;  // once there are kFew
  bool full_ = false;
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
      values_.push_back({words_[i], slice.groups[i],
                         slice.subjects == nullptr ? own : slice.subjects[i], slice.period});
    }
    has_subjects_ = slice.subjects != nullptr;
  }
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const std::vector<uint32_t>& map = here.groups;
    const auto& from = static_cast<const ValuesAccumulator&>(other);
    has_subjects_ |= from.has_subjects_;
    for (const Value& value : from.values_) {
      const auto own = static_cast<uint32_t>(values_.size());
      values_.push_back({value.word, map[value.group],
                         has_subjects_ ? here.SubjectOf(value.subject) : own, value.period});
    }
  }
  absl::StatusOr<Answer> Finish() override;
  size_t bytes() const override { return values_.capacity() * sizeof(Value); }
  size_t finish_bytes() const override {
    // Values are brought together in a second place; texts are ranked, those of other aggregates
    // and keys among them.
    const size_t texts = arg_type_ == SqlType::kText ? interner_.dictionary().size() : 0;
    return (groups_ < 2 ? 0 : values_.size() * sizeof(Value)) + texts * 2 * sizeof(uint32_t);
  }

 private:
  struct Value {
    uint64_t word;  // as WordEncoder gives it; from Finish() on a key that sorts like the value
    uint32_t group;
    uint32_t subject;
    uint32_t period;
  };
  void MakeKeys(bool rising);
  uint64_t WordOf(uint64_t key) const;
  double Number(const Value& value) const {
    const uint64_t word = WordOf(value.word);
    return arg_type_ == SqlType::kDouble ? std::bit_cast<double>(word)
                                         : static_cast<double>(static_cast<int64_t>(word));
  }
  // Brings the values of a group together and says where each group begins; one end behind them.
  std::vector<size_t> Partition();
  void Select(size_t begin, size_t end, size_t at);
  void Sort(size_t begin, size_t end);
  void FinishGroup(size_t begin, size_t end, Answer& answer);
  void PutValue(const Value& value, size_t group, Answer& answer) const;
  void PutNumber(double number, size_t group, Answer& answer) const;
  bool HeldByEnough(size_t begin, size_t end, size_t at) const;
  void FinishContinuous(size_t begin, size_t end, Answer& answer);
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
  bool rising_ = true;
  std::vector<uint32_t> by_rank_;  // codes of texts in their order
};

constexpr uint64_t kSign = uint64_t{1} << 63;

// Of negative doubles all bits turn, of others the sign alone: then bit patterns sort like values.
uint64_t DoubleKey(uint64_t bits) { return (bits & kSign) != 0 ? ~bits : bits | kSign; }
uint64_t DoubleBits(uint64_t key) { return (key & kSign) != 0 ? key & ~kSign : ~key; }

void ValuesAccumulator::MakeKeys(bool rising) {
  rising_ = rising;
  std::vector<uint32_t> ranks;
  if (arg_type_ == SqlType::kText) {
    const block::Dictionary& texts = interner_.dictionary();
    by_rank_.resize(texts.size());
    std::iota(by_rank_.begin(), by_rank_.end(), 0);
    std::sort(by_rank_.begin(), by_rank_.end(),
              [&texts](uint32_t a, uint32_t b) { return texts.at(a) < texts.at(b); });
    ranks.resize(texts.size());
    for (uint32_t rank = 0; rank < ranks.size(); ++rank) ranks[by_rank_[rank]] = rank;
  }
  for (Value& value : values_) {
    uint64_t key = value.word ^ kSign;
    if (arg_type_ == SqlType::kText) key = ranks[value.word];
    if (arg_type_ == SqlType::kDouble) key = DoubleKey(value.word);
    value.word = rising ? key : ~key;
  }
}

uint64_t ValuesAccumulator::WordOf(uint64_t key) const {
  if (!rising_) key = ~key;
  if (arg_type_ == SqlType::kText) return by_rank_[key];
  return arg_type_ == SqlType::kDouble ? DoubleBits(key) : key ^ kSign;
}

std::vector<size_t> ValuesAccumulator::Partition() {
  std::vector<size_t> begins(groups_ + 1, 0);
  for (const Value& value : values_) ++begins[value.group + 1];
  for (size_t g = 0; g < groups_; ++g) begins[g + 1] += begins[g];
  if (groups_ < 2) return begins;
  WipedVector<Value> together(values_.size());
  std::vector<size_t> next(begins.begin(), begins.end() - 1);
  for (const Value& value : values_) together[next[value.group]++] = value;
  values_ = std::move(together);
  return begins;
}

absl::StatusOr<Answer> ValuesAccumulator::Finish() {
  MakeKeys(!descending_ || (k_min_ > 0 && kind_ == AggregateKind::kPercentileCont));
  Answer answer;
  answer.values = Vector::Make(type_, groups_, true);
  answer.identifies_few.assign(groups_, 0);
  answer.approximate.assign(groups_, 0);
  std::fill(answer.values.own_nulls.begin(), answer.values.own_nulls.end(), 1);
  const std::vector<size_t> begins = Partition();
  for (size_t g = 0; g < groups_; ++g) {
    if (begins[g] < begins[g + 1]) FinishGroup(begins[g], begins[g + 1], answer);
  }
  by_rank_ = {};
  return answer;
}

// Puts the value that belongs at `at` there, smaller ones before it and greater ones behind.
void ValuesAccumulator::Select(size_t begin, size_t end, size_t at) {
  const auto first = values_.begin();
  std::nth_element(first + static_cast<ptrdiff_t>(begin), first + static_cast<ptrdiff_t>(at),
                   first + static_cast<ptrdiff_t>(end),
                   [](const Value& a, const Value& b) { return a.word < b.word; });
}

void ValuesAccumulator::Sort(size_t begin, size_t end) {
  const auto first = values_.begin();
  std::sort(first + static_cast<ptrdiff_t>(begin), first + static_cast<ptrdiff_t>(end),
            [](const Value& a, const Value& b) {
              return a.word != b.word ? a.word < b.word : a.subject < b.subject;
            });
}

void ValuesAccumulator::FinishGroup(size_t begin, size_t end, Answer& answer) {
  if (kind_ == AggregateKind::kPercentileCont) return FinishContinuous(begin, end, answer);
  size_t at = begin;
  if (kind_ == AggregateKind::kMax) at = end - 1;
  if (kind_ == AggregateKind::kPercentileDisc) {
    const double position = std::ceil(fraction_ * static_cast<double>(end - begin));
    at = begin + (position < 1 ? 0 : static_cast<size_t>(position) - 1);
  }
  // Equal values have to be neighbours where somebody looks at who holds them.
  if (k_min_ > 0) {
    Sort(begin, end);
  } else {
    Select(begin, end, at);
  }
  const size_t group = values_[at].group;
  PutValue(values_[at], group, answer);
  if (!HeldByEnough(begin, end, at)) answer.identifies_few[group] = 1;
}

void ValuesAccumulator::FinishContinuous(size_t begin, size_t end, Answer& answer) {
  if (k_min_ > 0) {
    Sort(begin, end);
    return FinishBinned(begin, end, answer);
  }
  const size_t group = values_[begin].group;
  const double position = fraction_ * static_cast<double>(end - begin - 1);
  const size_t below = begin + static_cast<size_t>(std::floor(position));
  const size_t above = begin + static_cast<size_t>(std::ceil(position));
  Select(begin, end, below);
  if (above > below) Select(below + 1, end, above);
  const double first = Number(values_[below]);
  const double second = Number(values_[above]);
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
  Crowd subjects(k_min_);
  for (size_t i = begin; i < end; ++i) {
    subjects.Add(values_[i].period, values_[i].subject);
    const bool tied = i + 1 < end && values_[i + 1].word == values_[i].word;
    if (tied || !subjects.full()) continue;
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
      out.own_codes[group] = out.own_dictionary->Add(
          interner_.dictionary().at(static_cast<uint32_t>(WordOf(value.word))));
      break;
    case SqlType::kDouble:
      out.own_doubles[group] = Number(value);
      break;
    case SqlType::kBool:
      out.own_bools[group] = static_cast<uint8_t>(WordOf(value.word));
      break;
    default:
      out.own_ints[group] = static_cast<int64_t>(WordOf(value.word));
      break;
  }
}

}  // namespace

std::unique_ptr<Accumulator> MakeValuesAccumulator(const Aggregate& aggregate, uint32_t k_min,
                                                   Interner& interner) {
  return std::make_unique<ValuesAccumulator>(aggregate, k_min, interner);
}

}  // namespace televault::query
