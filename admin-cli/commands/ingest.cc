#include <chrono>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/ingest/importer.h"
#include "admin-cli/ingest/record_source.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "vault/catalog/manifest.h"
#include "vault/client/retry.h"

namespace televault::cli {
namespace {

// One stream carries a whole import.
constexpr client::milliseconds kImportTimeout{24 * 3'600'000};
constexpr std::chrono::nanoseconds kProgressEvery{200'000'000};
constexpr uint64_t kRefusalsShown = 10;
constexpr size_t kMaxMappingBytes = 64 * limits::KiB;

struct IngestArgs {
  std::string file;
  std::string dataset;
  std::string format;
  std::string map;
  std::string manifest;
  std::string event_source;
  std::string rejects;
  std::string run;
  mapping::FlatNames names;
  uint32_t consent_version = 0;
  bool do_not_track = false;
  uint32_t batch = 10'000;
};
struct RejectsArgs {
  std::string dataset;
  PageArgs pages;
};

void DeclareIngest(CLI::App& verb, IngestArgs& args) {
  verb.add_option("file", args.file, "File with records, or -");
  verb.add_option("--dataset", args.dataset, "Dataset; default: what the records name");
  CLI::Option* const format =
      verb.add_option("--format", args.format, "ndjson, csv, otlp-json or otlp-pb");
  verb.add_option("--source", args.map, "Mapping file of a foreign JSON client")->excludes(format);
  verb.add_option("--manifest", args.manifest,
                  "Manifest with types and names; default: ask the vault, where the token may");
  verb.add_option("--from", args.event_source, "Name under how.sources; default: the first");
  verb.add_option("--consent-version", args.consent_version,
                  "Notice version that every subject agreed to");
  verb.add_flag("--do-not-track", args.do_not_track, "The records carry a do-not-track signal");
  verb.add_option("--time-field", args.names.time, "Member with the event's time")
      ->capture_default_str();
  verb.add_option("--subject-field", args.names.subject, "Member with the subject's id")
      ->capture_default_str();
  verb.add_option("--id-field", args.names.id, "Member with the event's id")->capture_default_str();
  verb.add_option("--rejects", args.rejects,
                  "File for refused records: line, field, rule, message");
  verb.add_option("--batch", args.batch, "Events per batch")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  verb.add_option("--run", args.run,
                  "Name of this run: stores the same content once more, on purpose");
}

// What the manifest says about the form of records.
struct Terms {
  mapping::Shape shape;
  mapping::OtlpNames otlp;
};

// Of several sources the one named, else the first that speaks OTLP.
const catalog::SourceSpec* OtlpSource(const catalog::Manifest& manifest, const std::string& name) {
  for (const catalog::SourceSpec& source : manifest.how.sources) {
    const bool wanted =
        name.empty() ? source.protocol == catalog::Protocol::kOtlp : source.name == name;
    if (wanted) return &source;
  }
  return nullptr;
}

Terms TermsOf(const catalog::Manifest& manifest, const std::string& source_name) {
  Terms terms;
  for (const catalog::FieldSpec& field : manifest.what.fields) {
    if (field.type.has_value()) terms.shape.emplace_back(field.name, *field.type);
  }
  if (manifest.what.subject.has_value()) {
    terms.otlp.subject_attribute = manifest.what.subject->id_field;
  }
  if (const catalog::SourceSpec* const source = OtlpSource(manifest, source_name)) {
    terms.otlp.attributes = source->attributes;
  }
  return terms;
}

// The manifest of --manifest, else the one in force; none where the token may not read the catalog:
// then values go as the format has them.
absl::StatusOr<Terms> FindTerms(Context& context, const IngestArgs& args) {
  std::string text;
  if (!args.manifest.empty()) {
    TV_ASSIGN_OR_RETURN(text, ReadText(args.manifest, limits::kMaxManifestBytes));
  } else if (!args.dataset.empty()) {
    TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
    v1::GetDatasetRequest request;
    request.set_name(args.dataset);
    client::Call call = context.NewCall();
    auto dataset = vault->GetDataset(request, call);
    if (absl::IsPermissionDenied(dataset.status())) {
      if (args.format == "csv" || args.file.ends_with(".csv")) {
        context.Note(
            "This token may not read the manifest, so every cell goes as text: --manifest FILE "
            "says which are numbers.");
      }
      return Terms();
    }
    if (!dataset.ok()) return dataset.status();
    text = dataset->manifest();
  }
  if (text.empty()) return Terms();
  TV_ASSIGN_OR_RETURN(const catalog::Manifest manifest, catalog::ParseManifest(text));
  return TermsOf(manifest, args.event_source);
}

absl::StatusOr<RecordSourceOptions> Reading(const IngestArgs& args, const Terms& terms) {
  RecordSourceOptions options;
  options.names = args.names;
  options.shape = terms.shape;
  options.otlp = terms.otlp;
  if (!args.map.empty()) {
    options.format = RecordFormat::kMapped;
    TV_ASSIGN_OR_RETURN(const std::string text, ReadText(args.map, kMaxMappingBytes));
    auto parsed = mapping::ParseSourceMapping(text);
    if (!parsed.ok()) return Annotate(parsed.status(), args.map);
    options.source = *std::move(parsed);
    return options;
  }
  TV_ASSIGN_OR_RETURN(options.format, ParseRecordFormat(args.format, args.file));
  if (args.dataset.empty() &&
      (options.format == RecordFormat::kNdjson || options.format == RecordFormat::kCsv)) {
    return absl::InvalidArgumentError("--dataset is needed: these records name none");
  }
  return options;
}

BatchOptions Batching(const IngestArgs& args) {
  BatchOptions options;
  options.max_events = args.batch;
  options.source = args.event_source;
  options.run = args.run;
  options.has_consent = args.consent_version > 0 || args.do_not_track;
  options.consent.set_given(args.consent_version > 0);
  options.consent.set_notice_version(args.consent_version);
  options.consent.set_do_not_track(args.do_not_track);
  return options;
}

// Shows counts and rate on a terminal and writes refused records to their file, the first few to
// stderr.
// Threads: one.  Borrows: context.
class Reporter {
 public:
  explicit Reporter(Context& context)
      : context_(context),
        start_(SystemClock().Mono()),
        show_(context.terminal().err_is_terminal && !context.options().quiet) {}

  absl::Status Open(const std::string& path) {
    if (path.empty()) return absl::OkStatus();
    path_ = path;
    file_.open(path, std::ios::binary | std::ios::trunc);
    return file_ ? absl::OkStatus()
                 : absl::PermissionDeniedError(absl::StrCat(path, ": cannot be written"));
  }

  void OnRefusal(const Refusal& refusal) {
    if (file_.is_open()) {
      Keep(Dump(Json{{"line", refusal.line},
                     {"field", refusal.field},
                     {"rule", refusal.rule},
                     {"message", refusal.message}},
                -1));
    } else if (++shown_ <= kRefusalsShown) {
      ClearLine();
      context_.Note(absl::StrCat("line ", refusal.line, ": ", Printable(refusal.rule), " ",
                                 Printable(refusal.field), refusal.field.empty() ? "" : ": ",
                                 Printable(refusal.message)));
    }
  }

  void OnProgress(const ImportCounts& counts) {
    const MonoTime now = SystemClock().Mono();
    if (!show_ || now - last_ < kProgressEvery) return;
    last_ = now;
    ClearLine();
    context_.err() << Line(counts) << std::flush;
    dirty_ = true;
  }

  double Seconds() const {
    return std::chrono::duration<double>(SystemClock().Mono() - start_).count();
  }
  void ClearLine() {
    if (dirty_) context_.err() << "\r\x1b[K";
    dirty_ = false;
  }
  uint64_t not_shown() const { return shown_ > kRefusalsShown ? shown_ - kRefusalsShown : 0; }
  absl::Status Close() {
    ClearLine();
    if (!file_.is_open()) return absl::OkStatus();
    file_.close();
    if (!failed_ && file_) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(path_, " could not be written; what is missing there is on standard error"));
  }

 private:
  // What a full disk keeps out of the file is said on stderr: no refusal is lost.
  void Keep(const std::string& line) {
    if (!failed_) {
      // One write at a time: what failed is exactly this line.
      file_ << line << '\n' << std::flush;
      if (file_) return;
      failed_ = true;
      ClearLine();
      context_.err() << path_ << " cannot be written; refused records go on here:\n";
    }
    ClearLine();
    context_.err() << line << '\n';
  }

  std::string Line(const ImportCounts& counts) const {
    const double seconds = std::max(Seconds(), 0.001);
    return absl::StrCat(
        HumanCount(counts.accepted), " stored, ", HumanCount(counts.refused()), " refused, ",
        HumanCount(static_cast<uint64_t>(static_cast<double>(counts.accepted) / seconds)), "/s");
  }

  Context& context_;
  const MonoTime start_;
  const bool show_;
  MonoTime last_;
  bool dirty_ = false;
  uint64_t shown_ = 0;
  std::string path_;
  bool failed_ = false;
  std::ofstream file_;
};

void ShowResult(Context& context, const ImportCounts& counts, double seconds) {
  const auto rate =
      static_cast<uint64_t>(static_cast<double>(counts.accepted) / std::max(seconds, 0.001));
  EmitObject(context,
             Json{{"read", counts.read},
                  {"accepted", counts.accepted},
                  {"rejected", counts.rejected},
                  {"unreadable", counts.unreadable},
                  {"batches", counts.batches},
                  {"duplicate_batches", counts.duplicates},
                  {"seconds", static_cast<double>(static_cast<int64_t>(seconds * 1000)) / 1000},
                  {"events_per_second", rate}});
}

absl::StatusOr<ExitCode> RunIngest(Context& context, const IngestArgs& args) {
  if (args.file.empty()) {
    return absl::InvalidArgumentError("name a file with records, or - for standard input");
  }
  TV_ASSIGN_OR_RETURN(const Terms terms, FindTerms(context, args));
  TV_ASSIGN_OR_RETURN(const RecordSourceOptions reading, Reading(args, terms));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  Reporter reporter(context);
  TV_RETURN_IF_ERROR(reporter.Open(args.rejects));
  Importer importer(
      args.dataset, terms.shape, Batching(args), {},
      [&] { return vault->OpenAppendStream(context.NewCall(kImportTimeout)); },
      [](client::milliseconds pause) { std::this_thread::sleep_for(pause); },
      {.on_refusal = [&](const Refusal& refusal) { reporter.OnRefusal(refusal); },
       .on_checkpoint = [&](const std::string& checkpoint) { context.Observe(checkpoint); },
       .on_progress = [&](const ImportCounts& counts) { reporter.OnProgress(counts); }});
  absl::Status status = ReadRecords(args.file, reading, [&](mapping::ParsedRecords&& records) {
    return importer.Feed(std::move(records));
  });
  if (status.ok()) status = importer.Finish();
  const absl::Status kept = reporter.Close();
  const ImportCounts& counts = importer.counts();
  ShowResult(context, counts, reporter.Seconds());
  if (reporter.not_shown() > 0) {
    context.Note(absl::StrCat(reporter.not_shown(),
                              " more refused records: --rejects FILE keeps all of them"));
  }
  if (!status.ok()) {
    // Where nothing was read there is nothing to go on with.
    if (counts.read == 0) return status;
    context.Note(
        "Not everything was stored. Run the same command again on the unchanged file within 7 "
        "days: "
        "what is stored is not stored twice.");
    return status;
  }
  TV_RETURN_IF_ERROR(kept);
  // Not one batch was taken: what was wrong with them decides, as with any other command.
  TV_RETURN_IF_ERROR(importer.all_refused());
  return counts.refused() == 0 ? ExitCode::kOk : ExitCode::kPartial;
}

void DeclareRejects(CLI::App& verb, RejectsArgs& args) {
  verb.add_option("--of", args.dataset, "Only this dataset's");
  DeclarePages(verb, args.pages);
}

absl::StatusOr<ExitCode> RunRejects(Context& context, const RejectsArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> counts;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListRejectsRequest request;
    request.set_dataset(args.dataset);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListRejects(request, call));
    for (const v1::RejectCount& one : response.counts()) counts.push_back(ToJson(one));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args.pages, fetch, [&] { return counts.size(); }));
  EmitList(context, counts,
           {{"dataset", "dataset"},
            {"source", "source"},
            {"rule", "rule"},
            {"field", "field"},
            {"events", "events", Align::kRight},
            {"last at", "last_at"}});
  return ExitCode::kOk;
}

}  // namespace

void AddIngest(CLI::App& root, Choice& choice) {
  CLI::App* const ingest =
      AddVerb(root, choice, "ingest", "Store records of a file; exit 7 when some are refused",
              &DeclareIngest, &RunIngest);
  AddVerb(*ingest, choice, "rejects", "Counts of refused events since the vault was made",
          &DeclareRejects, &RunRejects);
}

}  // namespace televault::cli
