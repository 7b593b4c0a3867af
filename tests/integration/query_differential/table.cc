#include "tests/integration/query_differential/table.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "vault/base/bytes.h"
#include "vault/catalog/pseudonym.h"

namespace televault::testing {
namespace {

constexpr int64_t kFirstDay = 20'763;  // 2026-11-06
constexpr int64_t kDays[] = {0, 1, 2, 4, 5};
constexpr int kLargeDay = 2;  // holds units of several slices
constexpr int kLate = kStages - 1;
constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kRotationDays = 2;

constexpr char kManifest[] = R"(dataset: DATASET
revision: REVISION
owner: {team: build, contacts: [vault@example.org]}
why:
  question: Which commands are slow, and for whom?
  benefit_to_subjects: Slow commands get faster.
  alternatives:
    - {option: asking around, insufficient_because: nobody remembers how long a build took}
  purposes:
    reliability: find slow commands
  legal_basis: consent
  assessment: https://example.org/dpia/1
  approved: {by: [lead, privacy], on: 2026-11-01}
  review_by: 2027-05-01
what:
  subject: {unit: install, id_field: machine_id, treatment: keyed_hash, rotate: 2d}
  personal_data: pseudonymous
  location: none
  max_record_bytes: 2048
  undeclared_fields: reject_record
  fields:
    command:
      type: string
      pattern: '^[A-Za-zß_%]*$'
      max_len: 16
      class: interaction
      for: [reliability]
      why: which command
    version:
      type: enum
      values: [4.0.0, 4.1.2, 5.0.0-rc1, 5.10.3]
      class: technical
      for: [reliability]
      why: regressions
    count_of:
      type: int
      clamp: [-9007199254740992, 9007199254740992]
      class: technical
      for: [reliability]
      why: how much there was to do
    seconds:
      type: double
      clamp: [-1e16, 1e16]
      class: technical
      for: [reliability]
      why: how long it took
    ok: {type: bool, class: technical, for: [reliability], why: failures}
    seen_at: {type: timestamp, class: technical, for: [reliability], why: clocks that are wrong}
TOOKhow:
  collection: home_grown
  sources:
    - {name: cli, protocol: native}
  processors: []
  incident: {contact: security@example.org, authority_notice_hours: 72}
who:
  roles:
    analyst: {mode: aggregate, purposes: [reliability], k_min: 10}
    investigator: {mode: rows, purposes: [reliability], approvals: 2, grant: 1d}
opt:
  model: opt_in
  notice: {url: https://example.org/telemetry, version: REVISION, min_version: 1}
  switches: {env: [EXAMPLE_TELEMETRY_DISABLED], do_not_track: strip_subject}
  on_withdrawal: {stop: at_once, erase_within: 72h}
when:
  ttl: 90d
  erasure: {by: subject, within: 72h}
  late_arrival: {past: 30d, future: 10m}
)";
constexpr char kTook[] =
    "    took: {type: duration, class: technical, for: [reliability], why: waiting time}\n";

// Makes events one by one.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::vector<SentBatch> Run() {
    for (int stage = 0; stage < kLate; ++stage) {
      for (int day = 0; day < static_cast<int>(std::size(kDays)); ++day) Stage(day, stage);
    }
    Late();
    // What was sent under the first revision came first.
    std::stable_sort(batches_.begin(), batches_.end(), [](const auto& a, const auto& b) {
      return std::pair(a.stage, a.revision) < std::pair(b.stage, b.revision);
    });
    return std::move(batches_);
  }

 private:
  uint64_t Pick(uint64_t below) { return random_() % below; }
  bool Some(unsigned percent) { return Pick(100) < percent; }
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Pick(static_cast<uint64_t>(high - low)));
  }

  static int64_t StartOfDay(int day) { return (kFirstDay + kDays[day]) * kMicrosPerDay; }

  void Stage(int day, int stage) {
    constexpr int64_t kBegins[] = {0, 13, 19, 22, 23, 24};  // hour of the day
    size_t rows = 1'800;
    if (day == kLargeDay) rows = 6'000;
    // So much less each time that a merge leaves the larger blocks as they are.
    for (int s = 0; s < stage; ++s) rows /= 6;
    std::vector<Event> events;
    for (size_t i = 0; i < rows; ++i) {
      const int64_t begin = StartOfDay(day) + kBegins[stage] * kHour;
      const int64_t end = StartOfDay(day) + kBegins[stage + 1] * kHour;
      events.push_back(Make(Between(begin, end), day, stage));
    }
    std::sort(events.begin(), events.end(),
              [](const Event& a, const Event& b) { return a.event_time < b.event_time; });
    // The very ends of a day.
    if (stage == 0) events.front().event_time = StartOfDay(day);
    if (stage == kLate - 1) events.back().event_time = StartOfDay(day) + kMicrosPerDay - 1;
    Cut(std::move(events), day, stage);
  }

  void Cut(std::vector<Event> events, int day, int stage) {
    for (size_t first = 0; first < events.size();) {
      const size_t sizes[] = {1, 7, 40, 150, 400};
      size_t size = sizes[Pick(std::size(sizes))];
      if (day == kLargeDay && stage == 0 && first == 0) size = 5'000;
      const auto begin = events.begin() + static_cast<std::ptrdiff_t>(first);
      first = std::min(first + size, events.size());
      SentBatch batch;
      batch.stage = stage;
      batch.columnar = Some(50);
      batch.anonymous = Some(8);
      batch.events.assign(begin, events.begin() + static_cast<std::ptrdiff_t>(first));
      Send(std::move(batch), stage == 0 && day < 2);
    }
  }

  // Rows of every day in one request each.
  void Late() {
    for (int i = 0; i < 4; ++i) {
      SentBatch batch;
      batch.stage = kLate;
      batch.columnar = i % 2 == 0;
      for (int n = 0; n < 10; ++n) {
        const int day = static_cast<int>(Pick(std::size(kDays)));
        const int64_t time = StartOfDay(day) + Between(0, kMicrosPerDay);
        batch.events.push_back(Make(time, day, kLate));
      }
      Send(std::move(batch), false);
    }
  }

  void Send(SentBatch batch, bool first_revision) {
    batch.revision = first_revision ? 1 : 2;
    for (Event& event : batch.events) {
      if (first_revision) event.took.reset();
      if (batch.anonymous) event.subject.reset();
    }
    batches_.push_back(std::move(batch));
  }

  Event Make(int64_t time, int day, int stage) {
    const bool wide = stage == 0 || stage == kLate;
    Event event;
    event.event_time = time;
    event.subject = absl::StrCat("machine-", wide ? Pick(40) : Pick(3) + 3 * stage);
    Texts(event, stage);
    if (Some(90))
      event.count = wide ? Between(-20, 21) : (day * 7 + stage * 5) % 31 - 15 + Between(-3, 4);
    if (day == 3 && stage == 0 && Some(1)) event.count = Some(50) ? 1LL << 53 : -(1LL << 53);
    if (Some(90)) event.seconds = static_cast<double>(Pick(1'000'003)) / 997.0 - 100;
    if (day == 2 && stage == 0 && Some(1)) event.seconds = Some(50) ? 1e15 : -1e-15;
    if (Some(90)) event.ok = stage == 2 || Some(70);
    // A stage without any, one with clocks that are far off.
    const bool unseen = day == 4 && stage == 1;
    if (!unseen && Some(85))
      event.seen_at = time + Between(0, wide ? 400 * kMicrosPerDay : 3 * kHour);
    if (Some(90)) {
      event.took = wide ? Between(-600'000'000, 6'600'000'000)
                        : (day * 5 + stage) * 60'000'000 + Between(0, 90'000'000);
    }
    return event;
  }

  void Texts(Event& event, int stage) {
    const std::string commands[] = {"build", "Develop", "clean",  "a_b",
                                    "a%b",   "",        "Straße", "info"};
    const std::string versions[] = {"4.0.0", "4.1.2", "5.0.0-rc1", "5.10.3"};
    // A stage that never sends the field, and one with one value.
    if (stage == 3) {
      event.command = "build";
    } else if (stage != 2 && Some(92)) {
      event.command = commands[Pick(std::size(commands))];
    }
    if (Some(97)) event.version = versions[Pick(std::size(versions))];
  }

  std::mt19937_64 random_;
  std::vector<SentBatch> batches_;
};

void ToRows(const SentBatch& batch, v1::AppendRequest& request) {
  for (const Event& event : batch.events) {
    v1::Event& row = *request.mutable_rows()->add_events();
    row.mutable_time()->set_seconds(event.event_time / 1'000'000);
    row.mutable_time()->set_nanos(static_cast<int32_t>(event.event_time % 1'000'000 * 1'000));
    if (event.subject.has_value()) row.set_subject(*event.subject);
    auto& fields = *row.mutable_fields();
    if (event.command.has_value()) fields["command"].set_string_value(*event.command);
    if (event.version.has_value()) fields["version"].set_string_value(*event.version);
    if (event.count.has_value()) fields["count_of"].set_int_value(*event.count);
    if (event.seconds.has_value()) fields["seconds"].set_double_value(*event.seconds);
    if (event.ok.has_value()) fields["ok"].set_bool_value(*event.ok);
    if (event.seen_at.has_value()) fields["seen_at"].set_timestamp_us(*event.seen_at);
    if (event.took.has_value()) fields["took"].set_duration_us(*event.took);
  }
}

// `put` adds the value of one event to a column. A column without values is not sent.
template <class Member, class Put>
void AddColumn(const SentBatch& batch, const char* name, Member member, v1::Columns& columns,
               const Put& put) {
  v1::ColumnData column;
  column.set_name(name);
  bool any = false;
  bool all = true;
  for (const Event& event : batch.events) {
    const auto& value = event.*member;
    any |= value.has_value();
    all &= value.has_value();
    column.mutable_nulls()->push_back(value.has_value() ? '\0' : '\1');
    using Value = typename std::decay_t<decltype(value)>::value_type;
    put(column, value.value_or(Value{}));
  }
  if (all) column.clear_nulls();
  if (any) *columns.add_columns() = std::move(column);
}

void ToColumns(const SentBatch& batch, v1::AppendRequest& request) {
  v1::Columns& columns = *request.mutable_columns();
  columns.set_rows(static_cast<uint32_t>(batch.events.size()));
  for (const Event& event : batch.events) {
    columns.add_time_us(event.event_time);
    if (!event.subject.has_value()) continue;
    columns.add_subject_codes(static_cast<uint32_t>(columns.subjects_size()));
    columns.add_subjects(*event.subject);
  }
  const auto number = [](v1::ColumnData& column, int64_t value) { column.add_ints(value); };
  // Nothing keeps a client from sending the same text twice.
  const auto text = [](v1::ColumnData& column, const std::string& value) {
    column.add_codes(static_cast<uint32_t>(column.dictionary_size()));
    column.add_dictionary(value);
  };
  const auto version = [&text](v1::ColumnData& column, const std::string& value) {
    text(column, value.empty() ? "4.0.0" : value);
  };
  AddColumn(batch, "command", &Event::command, columns, text);
  AddColumn(batch, "version", &Event::version, columns, version);
  AddColumn(batch, "count_of", &Event::count, columns, number);
  AddColumn(batch, "seconds", &Event::seconds, columns,
            [](v1::ColumnData& column, double value) { column.add_doubles(value); });
  AddColumn(batch, "ok", &Event::ok, columns, number);
  AddColumn(batch, "seen_at", &Event::seen_at, columns, number);
  AddColumn(batch, "took", &Event::took, columns, number);
}

}  // namespace

std::vector<SentBatch> GenerateTable(uint64_t seed) { return Generator(seed).Run(); }

std::string ManifestOf(const std::string& dataset, uint32_t revision) {
  return absl::StrReplaceAll(kManifest, {{"DATASET", dataset},
                                         {"REVISION", absl::StrCat(revision)},
                                         {"TOOK", revision == 1 ? "" : kTook}});
}

v1::AppendRequest RequestOf(const SentBatch& batch, const std::string& dataset) {
  v1::AppendRequest request;
  request.set_dataset(dataset);
  request.mutable_consent()->set_given(true);
  request.mutable_consent()->set_notice_version(batch.revision);
  request.mutable_consent()->set_do_not_track(batch.anonymous);
  if (batch.columnar) {
    ToColumns(batch, request);
  } else {
    ToRows(batch, request);
  }
  return request;
}

absl::Status WriteCsv(const std::vector<SentBatch>& batches, DatasetId dataset,
                      ingest::SubjectKeys& keys, const std::string& path) {
  std::ofstream out(path);
  const auto text = [&out](const std::optional<std::string>& value) {
    if (value.has_value()) out << '"' << *value << '"';
    out << ',';
  };
  const auto number = [&out](const std::optional<int64_t>& value) {
    if (value.has_value()) out << *value;
    out << ',';
  };
  out << "event_time,subject,command,version,count_of,seconds,seen_at,took,ok\n";
  for (const SentBatch& batch : batches) {
    for (const Event& event : batch.events) {
      out << event.event_time << ',';
      if (event.subject.has_value()) {
        const int64_t period = catalog::SaltPeriod(DayOf(WallTime{event.event_time}),
                                                   microseconds(kRotationDays * kMicrosPerDay));
        TV_ASSIGN_OR_RETURN(const auto salt, keys.Salt(dataset, period));
        out << ToHex(catalog::Pseudonym(*salt, *event.subject));
      }
      out << ',';
      text(event.command);
      text(event.version);
      number(event.count);
      char seconds[64] = "";
      if (event.seconds.has_value())
        std::snprintf(seconds, sizeof(seconds), "%.17g", *event.seconds);
      out << seconds << ',';
      number(event.seen_at);
      number(event.took);
      if (event.ok.has_value()) out << (*event.ok ? "true" : "false");
      out << '\n';
    }
  }
  out.close();
  return out.good() ? absl::OkStatus() : absl::InternalError("cannot write " + path);
}

}  // namespace televault::testing
