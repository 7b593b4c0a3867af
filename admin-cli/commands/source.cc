#include "vault/mapping/source.h"

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "vault/base/limits.h"

namespace televault::cli {
namespace {

constexpr size_t kMaxMappingBytes = 64 * limits::KiB;

struct LintArgs {
  std::string map;
};
struct TryArgs {
  std::string map;
  std::string file;
};

absl::StatusOr<mapping::SourceMapping> Load(const std::string& path) {
  TV_ASSIGN_OR_RETURN(const std::string text, ReadText(path, kMaxMappingBytes));
  auto mapping = mapping::ParseSourceMapping(text);
  if (!mapping.ok()) return Annotate(mapping.status(), path);
  return mapping;
}

void DeclareLint(CLI::App& verb, LintArgs& args) {
  verb.add_option("map", args.map, "Mapping file (YAML)")->required();
}

absl::StatusOr<ExitCode> RunLint(Context& context, const LintArgs& args) {
  TV_ASSIGN_OR_RETURN(const mapping::SourceMapping mapping, Load(args.map));
  context.Note(absl::StrCat(args.map, ": source ", mapping.source, ", ", mapping.fields.size(),
                            " fields, no errors"));
  return ExitCode::kOk;
}

void DeclareTry(CLI::App& verb, TryArgs& args) {
  verb.add_option("map", args.map, "Mapping file (YAML)")->required();
  verb.add_option("file", args.file, "A document as the client posts it, or -")->required();
}

struct ToJsonValue {
  Json operator()(std::monostate) const { return Json(); }
  Json operator()(bool value) const { return value; }
  Json operator()(int64_t value) const { return value; }
  Json operator()(double value) const { return value; }
  Json operator()(const std::string& value) const { return value; }
  Json operator()(const std::vector<std::string>& value) const { return value; }
};

Json FromRecord(const mapping::Record& record) {
  Json fields = Json::object();
  for (const auto& [name, value] : record.fields) fields[name] = std::visit(ToJsonValue{}, value);
  return Json{{"number", record.number},
              {"dataset", record.dataset},
              {"event_time", record.time.has_value() ? Json(FormatRfc3339(*record.time)) : Json()},
              {"subject", record.subject},
              {"event_id", record.id},
              {"consent_version",
               record.consent_version.has_value() ? Json(*record.consent_version) : Json()},
              {"do_not_track", record.do_not_track},
              {"fields", fields}};
}

absl::StatusOr<ExitCode> RunTry(Context& context, const TryArgs& args) {
  TV_ASSIGN_OR_RETURN(const mapping::SourceMapping mapping, Load(args.map));
  TV_ASSIGN_OR_RETURN(const std::string text, ReadText(args.file, limits::kMaxMessageBytes));
  auto parsed = mapping::ApplyMapping(mapping, text);
  if (!parsed.ok()) return Annotate(parsed.status(), args.file);
  std::vector<Json> records;
  for (const mapping::Record& record : parsed->records) records.push_back(FromRecord(record));
  EmitList(context, records,
           {{"number", "number", Align::kRight},
            {"dataset", "dataset"},
            {"time", "event_time"},
            {"subject", "subject"},
            {"fields", "fields"}});
  for (const mapping::RecordError& error : parsed->errors) {
    context.Note(absl::StrCat("event ", error.number, ": ", error.message));
  }
  context.Note(absl::StrCat(parsed->records.size(), " events, ", parsed->errors.size(),
                            " that cannot be read; nothing was sent"));
  return parsed->errors.empty() ? ExitCode::kOk : ExitCode::kPartial;
}

}  // namespace

void AddSource(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "source", "Mapping files: foreign JSON to declared fields");
  AddVerb(*noun, choice, "lint", "Check a mapping file; needs no vault", &DeclareLint, &RunLint);
  AddVerb(*noun, choice, "try", "Show what a mapping makes of a document; needs no vault",
          &DeclareTry, &RunTry);
}

}  // namespace televault::cli
