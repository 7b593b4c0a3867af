#include "vault/ingest/ingestor.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/block/batch_ops.h"
#include "vault/catalog/pseudonym.h"
#include "vault/ingest/draft.h"
#include "vault/mapping/otlp.h"

namespace televault::ingest {
namespace {

constexpr size_t kBatchIdBytes = 16;

// Maps are serialised in key order, so equal requests have equal digests.
std::string DigestOf(const v1::AppendRequest& request) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream out(&bytes);
    google::protobuf::io::CodedOutputStream coded(&out);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  const crypto::Hash32 hash = crypto::PlainHash32(AsBytes(bytes));
  return std::string(AsText(hash));
}

absl::Status CheckRequest(const v1::AppendRequest& request) {
  if (request.has_rows() == request.has_columns()) {
    return absl::InvalidArgumentError("a batch has either rows or columns");
  }
  const size_t events = request.has_rows() ? static_cast<size_t>(request.rows().events_size())
                                           : request.columns().rows();
  if (events == 0 || events > limits::kMaxEventsPerAppend) {
    return absl::InvalidArgumentError(
        absl::StrCat("a batch has 1 to ", limits::kMaxEventsPerAppend, " events"));
  }
  if (!request.batch_id().empty() && request.batch_id().size() != kBatchIdBytes) {
    return absl::InvalidArgumentError("batch_id has 16 bytes, or none");
  }
  return absl::OkStatus();
}

absl::Status CheckDataset(const catalog::Dataset& dataset, WallTime now) {
  if (now.micros < 0) {
    return absl::FailedPreconditionError("the vault's clock is before 1970; set it");
  }
  if (!dataset.ReviewedAt(now)) {
    return absl::FailedPreconditionError(
        "the review date of the dataset has passed; nothing is taken until it is reviewed");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SourceOf(const catalog::Manifest& manifest, std::string_view name) {
  for (const catalog::SourceSpec& source : manifest.how.sources) {
    if (name.empty() || source.name == name) return source.name;
  }
  if (name.empty()) return std::string();
  return absl::InvalidArgumentError("source: the manifest's how.sources has no such name");
}

// Which events are too early, too late or already past their deadline.
void CheckTimes(const Draft& draft, const catalog::Manifest& manifest, WallTime now,
                Verdicts& verdicts) {
  const catalog::Manifest::When& when = manifest.when;
  const int64_t oldest = std::max<int64_t>(0, now.micros - when.late_past.count());
  const int64_t newest = now.micros + when.early_future.count();
  for (size_t i = 0; i < draft.rows; ++i) {
    if (!verdicts.Alive(i)) continue;
    const int64_t time = draft.times[i];
    if (time > newest) {
      verdicts.Reject(i, Rule::kInFuture, "event_time",
                      absl::StrCat("at most ", FormatDuration(when.early_future), " ahead"));
    } else if (time < oldest) {
      verdicts.Reject(i, Rule::kTooOld, "event_time",
                      absl::StrCat("at most ", FormatDuration(when.late_past), " old"));
    } else if (EndOf(DayOf({time})) + *when.ttl <= now) {
      verdicts.Reject(i, Rule::kExpired, "event_time",
                      absl::StrCat("within the time to live of ", FormatDuration(*when.ttl)));
    }
  }
}

void CheckSubjects(const Draft& draft, const catalog::Dataset& dataset, Verdicts& verdicts) {
  const bool refuse =
      dataset.manifest.what.undeclared_fields == catalog::UndeclaredFields::kRejectRecord;
  for (size_t i = 0; i < draft.rows; ++i) {
    if (!verdicts.Alive(i)) continue;
    const std::string_view subject =
        draft.subject_codes.empty() ? std::string_view() : draft.subjects[draft.subject_codes[i]];
    if (!dataset.schema.has_subject) {
      if (!subject.empty() && refuse) {
        verdicts.Reject(i, Rule::kUndeclaredField, "subject", "the dataset has no subject");
      } else if (!subject.empty()) {
        verdicts.CountOnly(Rule::kFieldDropped, "subject");
      }
    } else if (!draft.strip_subject.empty() && draft.strip_subject[i]) {
      continue;
    } else if (subject.empty()) {
      verdicts.Reject(i, Rule::kNoSubject, "subject", "every event of the dataset has a subject");
    } else if (subject.size() > limits::kMaxSubjectBytes) {
      verdicts.Reject(i, Rule::kBadSubject, "subject",
                      absl::StrCat("at most ", limits::kMaxSubjectBytes, " bytes"));
    }
  }
}

// One dataset's part of an OTLP export.
struct OtlpPart {
  v1::AppendRequest request;
  std::vector<uint32_t> positions;  // per event: its place in the export, from 0
  std::vector<std::pair<size_t, std::string>> unreadable;  // event → what would be right
};

// Fills in what only OTLP leaves open: declared types, mapped names, who takes what.
OtlpPart PartOf(const mapping::ParsedRecords& parsed, const catalog::Dataset& dataset,
                bool take_unnamed) {
  mapping::Shape shape;
  for (const catalog::Field& field : dataset.schema.fields) {
    shape.emplace_back(field.name, field.type);
  }
  const auto mine = [&](const std::string& name) {
    return name == dataset.name || (name.empty() && take_unnamed);
  };
  OtlpPart part;
  v1::Rows& rows = *part.request.mutable_rows();
  const auto place = [&](uint64_t number) {
    part.positions.push_back(static_cast<uint32_t>(number - 1));
  };
  auto error = parsed.errors.begin();
  const auto take_errors = [&](uint64_t before) {
    for (; error != parsed.errors.end() && error->number < before; ++error) {
      if (!mine(error->dataset)) continue;
      part.unreadable.emplace_back(rows.events_size(), error->message);
      rows.add_events();
      place(error->number);
    }
  };
  for (mapping::Record record : parsed.records) {
    take_errors(record.number);
    if (!mine(record.dataset)) continue;
    const absl::Status coerced = mapping::CoerceRecord(shape, record);
    if (!coerced.ok()) part.unreadable.emplace_back(rows.events_size(), coerced.message());
    mapping::ToEvent(record, shape, *rows.add_events());
    place(record.number);
  }
  take_errors(UINT64_MAX);
  return part;
}

}  // namespace

std::vector<OtlpShare> OtlpShares(const OtlpLogsRequest& request,
                                  const std::string& default_dataset) {
  std::map<std::string, bool> shares;
  const auto add = [&](const std::string& name) {
    bool& take_unnamed = shares[name.empty() ? default_dataset : name];
    take_unnamed = take_unnamed || name.empty();
  };
  const mapping::ParsedRecords parsed = mapping::RecordsOf(request, {});
  for (const mapping::Record& record : parsed.records) add(record.dataset);
  for (const mapping::RecordError& error : parsed.errors) add(error.dataset);
  std::vector<OtlpShare> result;
  for (const auto& [name, take_unnamed] : shares) result.push_back({name, take_unnamed});
  return result;
}

Ingestor::SchemaPtr Ingestor::SchemaOf(const catalog::Dataset& dataset) {
  {
    const std::lock_guard lock(mu_);
    const auto it = schemas_.find(dataset.id);
    if (it != schemas_.end() && it->second.first == dataset.digest) return it->second.second;
  }
  auto schema = std::make_shared<const CompiledSchema>(dataset);
  const std::lock_guard lock(mu_);
  schemas_[dataset.id] = {dataset.digest, schema};
  return schema;
}

absl::Status Ingestor::EnterBatch(const v1::AppendRequest& request, WallTime now,
                                  PreparedAppend& prepared, std::string& digest) {
  digest = DigestOf(request);
  const DatasetId dataset = prepared.dataset->id;
  std::string key = absl::StrCat(dataset.value(), "/", request.batch_id());
  {
    const std::lock_guard lock(mu_);
    if (in_flight_.size() >= limits::kMaxBatchesInFlight || !in_flight_.insert(key).second) {
      return WithReason(absl::UnavailableError("this batch is being stored; send it again later"),
                        reason::kOverloaded);
    }
  }
  prepared.in_flight = std::move(key);
  TV_ASSIGN_OR_RETURN(const std::optional<record::v1::BatchRecord> known,
                      parts_.ledger.FindBatch(dataset, request.batch_id()));
  if (!known || WallTime{known->at_us()} + kBatchIdLife <= now) return absl::OkStatus();
  if (known->request_digest() != digest) {
    return absl::AlreadyExistsError(
        "this batch id was used for another batch; take a new random id for each batch");
  }
  prepared.duplicate = true;
  prepared.response.set_duplicate(true);
  prepared.response.set_accepted(known->accepted());
  prepared.response.set_rejected(known->rejected());
  return absl::OkStatus();
}

std::shared_ptr<const void> Ingestor::Enter() {
  const std::lock_guard lock(mu_);
  const uint64_t number = next_passage_++;
  passages_.insert(number);
  return {this, [number](Ingestor* ingestor) {
            const std::lock_guard leaving(ingestor->mu_);
            ingestor->passages_.erase(number);
            ingestor->left_.notify_all();
          }};
}

bool Ingestor::AwaitBatches(const std::function<bool()>& give_up) {
  constexpr auto kLook = std::chrono::milliseconds(50);
  std::unique_lock lock(mu_);
  const uint64_t mark = next_passage_;
  while (!passages_.empty() && *passages_.begin() < mark) {
    lock.unlock();
    if (give_up && give_up()) return false;
    lock.lock();
    left_.wait_for(lock, kLook);
  }
  return true;
}

absl::StatusOr<PreparedAppend> Ingestor::Prepare(const v1::AppendRequest& request,
                                                 DatasetPtr dataset, WallTime now) {
  TV_RETURN_IF_ERROR(CheckRequest(request));
  TV_RETURN_IF_ERROR(CheckDataset(*dataset, now));
  TV_ASSIGN_OR_RETURN(const std::string source, SourceOf(dataset->manifest, request.source()));
  PreparedAppend prepared;
  prepared.passage = Enter();
  prepared.dataset = dataset;
  const absl::Status status = [&]() -> absl::Status {
    std::string batch_id = request.batch_id();
    std::string digest;
    if (batch_id.empty()) {
      batch_id.resize(kBatchIdBytes);
      parts_.random.Fill({reinterpret_cast<uint8_t*>(batch_id.data()), batch_id.size()});
    } else {
      TV_RETURN_IF_ERROR(EnterBatch(request, now, prepared, digest));
    }
    prepared.response.set_batch_id(batch_id);
    if (prepared.duplicate) return absl::OkStatus();
    const SchemaPtr schema = SchemaOf(*dataset);
    const size_t events = request.has_rows() ? static_cast<size_t>(request.rows().events_size())
                                             : request.columns().rows();
    Verdicts verdicts(events);
    std::optional<Draft> draft;
    if (request.has_rows()) {
      draft = DraftFromRows(*dataset, *schema, request, verdicts);
    } else {
      TV_ASSIGN_OR_RETURN(draft, DraftFromColumns(*dataset, *schema, request, verdicts));
    }
    TV_RETURN_IF_ERROR(Store(std::move(*draft), *schema, source, now, verdicts, prepared));
    if (request.batch_id().empty()) return absl::OkStatus();
    record::v1::BatchRecord record;
    record.set_batch_id(batch_id);
    record.set_dataset_id(dataset->id.value());
    record.set_accepted(prepared.response.accepted());
    record.set_rejected(prepared.response.rejected());
    record.set_at_us(now.micros);
    record.set_request_digest(digest);
    TV_ASSIGN_OR_RETURN(store::Mutation mutation, parts_.ledger.PutBatch(record));
    prepared.mutations.push_back(std::move(mutation));
    return absl::OkStatus();
  }();
  if (!status.ok()) {
    Abandoned(prepared);
    return status;
  }
  return prepared;
}

absl::StatusOr<PreparedAppend> Ingestor::PrepareOtlp(const OtlpLogsRequest& request,
                                                     const DatasetPtr& dataset, bool take_unnamed,
                                                     WallTime now) {
  TV_RETURN_IF_ERROR(CheckDataset(*dataset, now));
  const catalog::Manifest& manifest = dataset->manifest;
  const auto source = std::find_if(
      manifest.how.sources.begin(), manifest.how.sources.end(),
      [](const catalog::SourceSpec& s) { return s.protocol == catalog::Protocol::kOtlp; });
  if (source == manifest.how.sources.end()) {
    return absl::FailedPreconditionError("the manifest of the dataset names no otlp source");
  }
  mapping::OtlpNames names;
  names.attributes = source->attributes;
  if (manifest.what.subject) names.subject_attribute = manifest.what.subject->id_field;
  const OtlpPart part = PartOf(mapping::RecordsOf(request, names), *dataset, take_unnamed);
  TV_RETURN_IF_ERROR(CheckRequest(part.request));
  PreparedAppend prepared;
  prepared.passage = Enter();
  prepared.dataset = dataset;
  Verdicts verdicts(part.positions.size());
  for (const auto& [index, message] : part.unreadable) {
    verdicts.Reject(index, Rule::kUnreadable, "", message);
  }
  const SchemaPtr schema = SchemaOf(*dataset);
  Draft draft = DraftFromRows(*dataset, *schema, part.request, verdicts);
  const absl::Status status =
      Store(std::move(draft), *schema, source->name, now, verdicts, prepared);
  if (!status.ok()) {
    Abandoned(prepared);
    return status;
  }
  for (v1::Reject& reject : *prepared.response.mutable_rejects()) {
    reject.set_index(part.positions[reject.index()]);
  }
  return prepared;
}

absl::Status Ingestor::Store(Draft draft, const CompiledSchema& schema, std::string_view source,
                             WallTime now, Verdicts& verdicts, PreparedAppend& prepared) {
  const catalog::Dataset& dataset = *prepared.dataset;
  CheckTimes(draft, dataset.manifest, now, verdicts);
  CheckSubjects(draft, dataset, verdicts);
  block::ColumnBatch batch;
  batch.rows = draft.rows;
  if (dataset.schema.has_subject && verdicts.accepted() > 0) {
    TV_ASSIGN_OR_RETURN(block::Column subject, Pseudonyms(draft, dataset, verdicts));
    batch.numbers.push_back(block::kSubjectColumn);
    batch.columns.push_back(std::move(subject));
  }
  block::Column time;
  time.rows = draft.rows;
  time.ints = std::move(draft.times);
  batch.numbers.insert(batch.numbers.begin(), block::kEventTimeColumn);
  batch.columns.insert(batch.columns.begin(), std::move(time));
  for (size_t c = 0; c < schema.checks.size(); ++c) {
    if (draft.columns[c].rows == 0) continue;
    batch.numbers.push_back(schema.checks[c].field().column);
    batch.columns.push_back(std::move(draft.columns[c]));
  }
  TV_RETURN_IF_ERROR(StoreDays(batch, dataset, verdicts, prepared));
  verdicts.Report(prepared.response);
  return CountRejects(verdicts, source, now, prepared);
}

absl::StatusOr<block::Column> Ingestor::Pseudonyms(const Draft& draft,
                                                   const catalog::Dataset& dataset,
                                                   Verdicts& verdicts) {
  block::Column column;
  column.type = block::PhysicalType::kString;
  column.rows = draft.rows;
  column.codes.assign(draft.rows, 0);
  column.nulls.assign(draft.rows, 1);
  SubjectKeys::Ref blocked_key;
  if (parts_.blocks.Any(dataset.id)) {
    TV_ASSIGN_OR_RETURN(blocked_key, parts_.keys.BlockedKey(dataset.id));
  }
  // Per raw subject: 0 unknown, 1 allowed, 2 blocked.
  std::vector<uint8_t> verdict(draft.subjects.size(), blocked_key == nullptr ? 1 : 0);
  constexpr uint32_t kNone = UINT32_MAX;
  struct Period {
    SubjectKeys::Ref salt;
    std::vector<uint32_t> codes;
  };
  std::map<int64_t, Period> periods;
  for (size_t i = 0; i < draft.rows; ++i) {
    if (!verdicts.Alive(i) || draft.subject_codes.empty()) continue;
    if (!draft.strip_subject.empty() && draft.strip_subject[i]) continue;
    const uint32_t subject = draft.subject_codes[i];
    const std::string_view raw = draft.subjects[subject];
    if (verdict[subject] == 0) {
      const crypto::Hash16 hash = catalog::BlockedHash(*blocked_key, raw);
      verdict[subject] = parts_.blocks.Blocked(dataset.id, hash) ? 2 : 1;
    }
    if (verdict[subject] == 2) {
      verdicts.Reject(i, Rule::kBlockedSubject, "subject", "the subject asked to be erased");
      continue;
    }
    const int64_t number =
        catalog::SaltPeriod(DayOf({draft.times[i]}), dataset.manifest.what.subject->rotate);
    Period& period = periods[number];
    if (period.salt == nullptr) {
      TV_ASSIGN_OR_RETURN(period.salt, parts_.keys.Salt(dataset.id, number));
      period.codes.assign(draft.subjects.size(), kNone);
    }
    uint32_t& code = period.codes[subject];
    if (code == kNone) {
      const crypto::Hash16 pseudonym = catalog::Pseudonym(*period.salt, raw);
      code = column.dictionary.Add(AsText(pseudonym));
    }
    column.codes[i] = code;
    column.nulls[i] = 0;
  }
  return column;
}

absl::Status Ingestor::StoreDays(const block::ColumnBatch& batch, const catalog::Dataset& dataset,
                                 Verdicts& verdicts, PreparedAppend& prepared) {
  std::map<Day, std::vector<uint32_t>> days;
  const block::Column& time = batch.columns[0];
  for (size_t i = 0; i < batch.rows; ++i) {
    if (verdicts.Alive(i)) days[DayOf({time.ints[i]})].push_back(static_cast<uint32_t>(i));
  }
  for (const auto& [day, rows] : days) {
    // Also where every row stays: values that only refused events used must not be stored.
    const block::ColumnBatch part = block::Take(batch, rows);
    absl::StatusOr<partition::PreparedBatch> stored = parts_.sink.Prepare(
        {dataset.id, day}, dataset.schema, part, EndOf(day) + *dataset.manifest.when.ttl);
    if (!stored.ok() && ReasonOf(stored.status()) == reason::kExpired) {
      for (const uint32_t row : rows) {
        verdicts.Reject(row, Rule::kExpired, "event_time", "the data of that day is deleted");
      }
      continue;
    }
    if (!stored.ok()) return stored.status();
    for (store::Mutation& mutation : stored->mutations) {
      prepared.mutations.push_back(std::move(mutation));
    }
    if (stored->open) prepared.openings.push_back(std::move(stored->open));
    if (stored->on_committed) prepared.on_committed.push_back(std::move(stored->on_committed));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Ingestor::LeaseShard() {
  const std::lock_guard lock(mu_);
  for (uint32_t i = 0; i < shards_.size(); ++i) {
    if (!shards_[i]) {
      shards_[i] = true;
      return i;
    }
  }
  if (shards_.size() >= limits::kMaxBatchesInFlight) {
    return WithReason(absl::UnavailableError("too many batches at once; send it again later"),
                      reason::kOverloaded);
  }
  shards_.push_back(true);
  return static_cast<uint32_t>(shards_.size() - 1);
}

absl::Status Ingestor::CountRejects(const Verdicts& verdicts, std::string_view source, WallTime now,
                                    PreparedAppend& prepared) {
  if (verdicts.counts().empty()) return absl::OkStatus();
  TV_ASSIGN_OR_RETURN(const uint32_t shard, LeaseShard());
  prepared.shard = shard;
  for (const auto& [what, events] : verdicts.counts()) {
    RejectKey key{prepared.dataset->id, std::string(source), std::string(NameOf(what.first)),
                  what.second, shard};
    std::optional<uint64_t> total;
    {
      const std::lock_guard lock(mu_);
      if (const auto it = totals_.find(key); it != totals_.end()) total = it->second;
    }
    if (!total) {
      TV_ASSIGN_OR_RETURN(total, parts_.ledger.RejectCount(key));
    }
    TV_ASSIGN_OR_RETURN(store::Mutation mutation,
                        parts_.ledger.PutRejectCount(key, *total + events, now));
    prepared.mutations.push_back(std::move(mutation));
    prepared.totals.emplace_back(std::move(key), *total + events);
  }
  return absl::OkStatus();
}

void Ingestor::Release(PreparedAppend& prepared) {
  if (!prepared.in_flight.empty()) in_flight_.erase(prepared.in_flight);
  if (prepared.shard) shards_[*prepared.shard] = false;
  prepared.in_flight.clear();
  prepared.shard.reset();
  prepared.totals.clear();
}

void Ingestor::Committed(PreparedAppend& prepared) {
  for (const std::function<void()>& tell : prepared.on_committed) tell();
  prepared.on_committed.clear();
  {
    const std::lock_guard lock(mu_);
    for (const auto& [key, total] : prepared.totals) totals_[key] = total;
    Release(prepared);
  }
  prepared.passage.reset();
}

void Ingestor::Abandoned(PreparedAppend& prepared) {
  prepared.on_committed.clear();
  {
    const std::lock_guard lock(mu_);
    // The outcome may be unknown: read the totals again next time.
    for (const auto& [key, total] : prepared.totals) totals_.erase(key);
    Release(prepared);
  }
  prepared.passage.reset();
}

}  // namespace televault::ingest
