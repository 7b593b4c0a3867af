#include "vault/query/accumulate.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

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
    if (slice.arg == nullptr || slice.arg->nulls == nullptr) {
      CountGroups(slice);
      return;
    }
    for (size_t i = 0; i < slice.rows; ++i) {
      counts_[slice.groups[i]] += slice.arg->IsNull(i) ? 0 : 1;
    }
  }
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const std::vector<uint32_t>& map = here.groups;
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
  // Rows that follow each other are often of one group, and each would wait for the one before:
  // they count in different places.
  void CountGroups(const Slice& slice) {
    constexpr size_t kLanes = 4;
    constexpr size_t kFew = 256;
    const size_t groups = counts_.size();
    if (groups == 1) {
      counts_[0] += static_cast<int64_t>(slice.rows);
    } else if (groups <= kFew && slice.rows >= kFew) {
      std::array<std::array<uint32_t, kFew>, kLanes> lanes{};
      size_t i = 0;
      for (; i + kLanes <= slice.rows; i += kLanes) {
        for (size_t lane = 0; lane < kLanes; ++lane) ++lanes[lane][slice.groups[i + lane]];
      }
      for (; i < slice.rows; ++i) ++lanes[0][slice.groups[i]];
      for (size_t g = 0; g < groups; ++g) {
        for (const auto& lane : lanes) counts_[g] += lane[g];
      }
    } else {
      for (size_t i = 0; i < slice.rows; ++i) ++counts_[slice.groups[i]];
    }
  }

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
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const std::vector<uint32_t>& map = here.groups;
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

// count(DISTINCT subject): the numbers that a slice has of them are enough. A group that has a good
// part of the subjects up to some number has a bit for each of these; others stand in one table.
class SubjectsAccumulator final : public Accumulator {
 public:
  SubjectsAccumulator() : pairs_(1) {}
  void Resize(size_t groups) override {
    members_.resize(groups, 0);
    bits_.resize(groups);
  }
  void Add(const Slice& slice) override {
    for (size_t i = 0; i < slice.rows; ++i) {
      if (!slice.arg->IsNull(i)) AddPair(slice.groups[i], slice.subjects[i]);
    }
  }
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const auto& from = static_cast<const SubjectsAccumulator&>(other);
    for (uint32_t i = 0; i < from.pairs_.size(); ++i) {
      const uint64_t pair = *from.pairs_.KeyAt(i);
      AddPair(here.groups[pair >> 32], here.SubjectOf(static_cast<uint32_t>(pair)));
    }
    for (size_t g = 0; g < from.bits_.size(); ++g) {
      // Room for all of them first: one by one they would go to the table until they are many.
      uint32_t highest = 0;
      uint32_t members = members_[here.groups[g]];
      ForEach(from.bits_[g], [&](uint32_t theirs) {
        highest = std::max(highest, here.SubjectOf(theirs));
        ++members;
      });
      if (members * kSpread >= highest) GrowTo(here.groups[g], highest);
      ForEach(from.bits_[g],
              [&](uint32_t theirs) { AddPair(here.groups[g], here.SubjectOf(theirs)); });
    }
  }
  absl::StatusOr<Answer> Finish() override {
    Answer answer;
    answer.values = Vector::Make(SqlType::kInt, bits_.size(), false);
    for (uint32_t i = 0; i < pairs_.size(); ++i) {
      const uint64_t pair = *pairs_.KeyAt(i);
      const auto subject = static_cast<uint32_t>(pair);
      WipedVector<uint64_t>& bits = bits_[pair >> 32];
      if (subject / 64 < bits.size()) {
        bits[subject / 64] |= uint64_t{1} << subject % 64;
      } else {
        ++answer.values.own_ints[pair >> 32];
      }
    }
    for (size_t g = 0; g < bits_.size(); ++g) {
      for (const uint64_t word : bits_[g]) answer.values.own_ints[g] += std::popcount(word);
    }
    return answer;
  }
  size_t bytes() const override {
    return pairs_.bytes() + members_.capacity() * sizeof(uint32_t) +
           bits_.capacity() * sizeof(WipedVector<uint64_t>) + words_ * sizeof(uint64_t);
  }

 private:
  // One of so many subjects is a good part of them.
  static constexpr uint64_t kSpread = 64;

  void AddPair(uint32_t group, uint32_t subject) {
    WipedVector<uint64_t>& bits = bits_[group];
    if (subject / 64 < bits.size()) {
      uint64_t& word = bits[subject / 64];
      members_[group] += 1 - static_cast<uint32_t>(word >> subject % 64 & 1);
      word |= uint64_t{1} << subject % 64;
      return;
    }
    const uint64_t key = static_cast<uint64_t>(group) << 32 | subject;
    const size_t before = pairs_.size();
    pairs_.FindOrAdd(&key);
    members_[group] += static_cast<uint32_t>(pairs_.size() - before);
    if (members_[group] * kSpread >= subject) GrowTo(group, subject);
  }
  // Where there is no bit for the subject yet.
  void GrowTo(uint32_t group, uint32_t subject) {
    WipedVector<uint64_t>& bits = bits_[group];
    if (subject / 64 < bits.size()) return;
    words_ -= bits.capacity();
    bits.resize(subject / 64 + 1, 0);
    words_ += bits.capacity();
  }
  template <class Take>
  static void ForEach(const WipedVector<uint64_t>& bits, const Take& take) {
    for (size_t w = 0; w < bits.size(); ++w) {
      for (uint64_t word = bits[w]; word != 0; word &= word - 1) {
        take(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(word))));
      }
    }
  }

  WordTable pairs_;                          // group << 32 | subject; some may have a bit, too
  WipedVector<uint32_t> members_;            // per group, those counted twice that are in both
  std::vector<WipedVector<uint64_t>> bits_;  // per group, of the subjects below 64 for each word
  size_t words_ = 0;                         // that bits_ have room for
};

// count(DISTINCT x) under disclosure control: a value that few hold does not count, else one that
// comes or goes would show in the figure. Without subjects every row stands for itself.
class HeldValuesAccumulator final : public Accumulator {
 public:
  HeldValuesAccumulator(uint32_t k_min, Interner& interner)
      : k_min_(k_min), encoder_(interner), values_(2), holders_(3) {}
  void StartUnit() override { encoder_.StartUnit(); }
  void Resize(size_t groups) override { groups_ = groups; }
  void Add(const Slice& slice) override {
    encoder_.Encode(*slice.arg, slice.rows, words_);
    for (size_t i = 0; i < slice.rows; ++i) {
      if (slice.arg->IsNull(i)) continue;
      const uint32_t value = ValueOf(slice.groups[i], words_[i]);
      if (slice.subjects == nullptr) {
        ++rows_[value];
      } else {
        AddHolder(value, slice.period, slice.subjects[i]);
      }
    }
  }
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const std::vector<uint32_t>& map = here.groups;
    const auto& from = static_cast<const HeldValuesAccumulator&>(other);
    std::vector<uint32_t> values(from.values_.size());
    for (uint32_t v = 0; v < values.size(); ++v) {
      values[v] = ValueOf(map[from.values_.KeyAt(v)[0]], from.values_.KeyAt(v)[1]);
      rows_[values[v]] += from.rows_[v];
    }
    for (uint32_t h = 0; h < from.holders_.size(); ++h) {
      const uint64_t* holder = from.holders_.KeyAt(h);
      const auto subject = static_cast<uint32_t>(holder[2]);
      AddHolder(values[holder[0]], holder[1], here.SubjectOf(subject));
    }
  }
  absl::StatusOr<Answer> Finish() override {
    // Holders per value and period; the fullest period counts.
    WordTable periods(2);
    WipedVector<uint64_t> held;
    for (uint32_t h = 0; h < holders_.size(); ++h) {
      const uint32_t at = periods.FindOrAdd(holders_.KeyAt(h));
      if (at == held.size()) held.push_back(0);
      const uint64_t value = holders_.KeyAt(h)[0];
      rows_[value] = std::max(rows_[value], ++held[at]);
    }
    Answer answer;
    answer.values = Vector::Make(SqlType::kInt, groups_, false);
    for (uint32_t v = 0; v < values_.size(); ++v) {
      if (rows_[v] >= k_min_) ++answer.values.own_ints[values_.KeyAt(v)[0]];
    }
    return answer;
  }
  size_t bytes() const override {
    return values_.bytes() + holders_.bytes() + rows_.capacity() * 8;
  }
  size_t finish_bytes() const override { return holders_.bytes(); }

 private:
  uint32_t ValueOf(uint64_t group, uint64_t word) {
    const uint64_t key[2] = {group, word};
    const uint32_t value = values_.FindOrAdd(key);
    if (value == rows_.size()) rows_.push_back(0);
    return value;
  }
  void AddHolder(uint64_t value, uint64_t period, uint64_t subject) {
    const uint64_t key[3] = {value, period, subject};
    holders_.FindOrAdd(key);
  }

  const uint32_t k_min_;
  WordEncoder encoder_;
  WordTable values_;            // group, word → value
  WordTable holders_;           // value, period, subject
  WipedVector<uint64_t> rows_;  // per value, without subjects; holders from Finish() on
  WipedVector<uint64_t> words_;
  size_t groups_ = 0;
};

const int64_t* ValuesOf(const Vector& arg, __int128 /*sum*/) { return arg.ints; }
const double* ValuesOf(const Vector& arg, double /*sum*/) { return arg.doubles; }

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
    Sum* const sums = sums_.data();
    int64_t* const counts = counts_.data();
    if (arg.nulls == nullptr && !arg.constant) {
      const auto* const values = ValuesOf(arg, Sum{});
      for (size_t i = 0; i < slice.rows; ++i) {
        sums[slice.groups[i]] += values[i];
        ++counts[slice.groups[i]];
      }
      return;
    }
    for (size_t i = 0; i < slice.rows; ++i) {
      if (arg.IsNull(i)) continue;
      sums[slice.groups[i]] += ValuesOf(arg, Sum{})[arg.At(i)];
      ++counts[slice.groups[i]];
    }
  }
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const std::vector<uint32_t>& map = here.groups;
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
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const std::vector<uint32_t>& map = here.groups;
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
  void Merge(const Accumulator& other, const Renumbering& here) override {
    const std::vector<uint32_t>& map = here.groups;
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

bool CountsSubjects(const Aggregate& aggregate) {
  return aggregate.kind == AggregateKind::kCountDistinct && aggregate.arg->op == Op::kColumn &&
         aggregate.arg->leaf.subject && aggregate.arg->leaf.mask.kind == MaskKind::kVisible;
}

std::unique_ptr<Accumulator> MakeAccumulator(const Aggregate& aggregate, uint32_t k_min,
                                             Interner& interner) {
  const bool controlled = k_min > 0;
  switch (aggregate.kind) {
    case AggregateKind::kCountAll:
    case AggregateKind::kCount:
      return std::make_unique<CountAccumulator>();
    case AggregateKind::kCountDistinct:
      if (CountsSubjects(aggregate)) return std::make_unique<SubjectsAccumulator>();
      if (!controlled || aggregate.arg->leaf.subject) {
        return std::make_unique<DistinctAccumulator>(interner);
      }
      return std::make_unique<HeldValuesAccumulator>(k_min, interner);
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
  return MakeValuesAccumulator(aggregate, k_min, interner);
}

}  // namespace televault::query
