#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "vault/base/clock.h"
#include "vault/base/limits.h"
#include "vault/catalog/diff.h"
#include "vault/catalog/docs.h"
#include "vault/catalog/lint.h"

namespace televault::cli {
namespace {

struct FileArgs {
  std::string file;
};
struct NameArgs {
  std::string name;
};
struct DocsArgs {
  std::string subject;
  bool online = false;
};

const std::vector<ListColumn>& FindingColumns() {
  static const std::vector<ListColumn> columns = {{"line", "line", Align::kRight},
                                                  {"column", "column", Align::kRight},
                                                  {"severity", "severity"},
                                                  {"code", "code"},
                                                  {"path", "path"},
                                                  {"message", "message"},
                                                  {"write instead", "fix"}};
  return columns;
}

Json FromFinding(const catalog::Finding& finding) {
  return Json{{"code", finding.code},
              {"severity", finding.severity == catalog::Severity::kError ? "error" : "warning"},
              {"line", finding.at.line},
              {"column", finding.at.column},
              {"path", finding.path},
              {"message", finding.message},
              {"fix", finding.fix}};
}

// Findings are sentences: on a terminal one line each reads better than seven columns.
void EmitFindings(Context& context, const std::string& file, const std::vector<Json>& findings) {
  if (context.format() != OutputFormat::kTable) {
    EmitList(context, findings, FindingColumns());
    return;
  }
  for (const Json& f : findings) {
    context.out() << file << ':' << f["line"] << ':' << f["column"] << ": "
                  << CellText(f["severity"]) << ' ' << CellText(f["code"]) << ' '
                  << CellText(f["path"]) << ": " << CellText(f["message"]);
    if (!f["fix"].get<std::string>().empty()) context.out() << " Write: " << CellText(f["fix"]);
    context.out() << '\n';
  }
}

void DeclareFile(CLI::App& verb, FileArgs& args) {
  verb.add_option("file", args.file, "Manifest (YAML), or -")->required();
}

absl::StatusOr<ExitCode> RunLint(Context& context, const FileArgs& args) {
  TV_ASSIGN_OR_RETURN(const std::string text, ReadText(args.file, limits::kMaxManifestBytes));
  const auto findings = catalog::LintText(text, DayOf(SystemClock().Wall()));
  std::vector<Json> rows;
  for (const catalog::Finding& finding : findings) rows.push_back(FromFinding(finding));
  EmitFindings(context, args.file, rows);
  if (!catalog::HasErrors(findings)) {
    context.Note(absl::StrCat(args.file, ": no errors, ", findings.size(), " warnings"));
    return ExitCode::kOk;
  }
  context.Note(absl::StrCat(args.file, ": ", findings.size(), " findings, some are errors"));
  return ExitCode::kUsage;
}

void ShowChanges(Context& context, const v1::ApplyDatasetResponse& preview) {
  if (preview.old_digest().empty()) {
    context.err() << "New dataset " << Printable(preview.dataset()) << ", revision "
                  << preview.revision() << ".\n";
    return;
  }
  context.err() << "Changes of " << Printable(preview.dataset()) << " to revision "
                << preview.revision() << ":\n";
  for (const std::string& change : preview.changes()) {
    context.err() << "  - " << Printable(change) << '\n';
  }
}

bool HasErrors(const v1::ApplyDatasetResponse& response) {
  for (const v1::Finding& finding : response.findings()) {
    if (finding.severity() == v1::SEVERITY_ERROR) return true;
  }
  return false;
}

absl::StatusOr<ExitCode> RunApply(Context& context, const FileArgs& args) {
  v1::ApplyDatasetRequest request;
  TV_ASSIGN_OR_RETURN(*request.mutable_manifest(), ReadText(args.file, limits::kMaxManifestBytes));
  request.set_dry_run(true);
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto preview, vault->ApplyDataset(request, call));
  context.Observe(preview.receipt());
  std::vector<Json> findings;
  for (const v1::Finding& finding : preview.findings()) findings.push_back(ToJson(finding));
  if (HasErrors(preview)) {
    EmitFindings(context, args.file, findings);
    return WithReason(
        absl::InvalidArgumentError(
            absl::StrCat(args.file, " has errors, so nothing was applied: correct what is listed")),
        reason::kInvalidManifest);
  }
  if (!preview.old_digest().empty() && preview.old_digest() == preview.new_digest()) {
    context.Note("This manifest is the one in force: nothing to apply.");
    return ExitCode::kOk;
  }
  ShowChanges(context, preview);
  for (const Json& warning : findings) {
    context.err() << "  warning " << CellText(warning["code"]) << ": "
                  << CellText(warning["message"]) << '\n';
  }
  TV_RETURN_IF_ERROR(context.Confirm("Apply?"));
  request.set_dry_run(false);
  client::Call apply = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto applied, vault->ApplyDataset(request, apply));
  context.Observe(applied.receipt());
  EmitObject(context, Json{{"dataset", applied.dataset()},
                           {"revision", applied.revision()},
                           {"applied", applied.applied()},
                           {"old_digest", applied.old_digest()},
                           {"new_digest", applied.new_digest()}});
  return applied.applied() ? ExitCode::kOk : ExitCode::kUsage;
}

absl::StatusOr<ExitCode> RunList(Context& context, const PageArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> datasets;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListDatasetsRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListDatasets(request, call));
    context.Observe(response.receipt());
    for (const v1::DatasetSummary& one : response.datasets()) datasets.push_back(ToJson(one));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args, fetch, [&] { return datasets.size(); }));
  EmitList(context, datasets,
           {{"name", "name"},
            {"revision", "revision", Align::kRight},
            {"owner", "owner"},
            {"ttl", "ttl", Align::kRight},
            {"partitions", "partitions", Align::kRight},
            {"events", "events", Align::kRight},
            {"review by", "review_by"},
            {"question", "question"}});
  return ExitCode::kOk;
}

void DeclareName(CLI::App& verb, NameArgs& args) {
  verb.add_option("name", args.name, "Dataset")->required();
}

absl::StatusOr<v1::GetDatasetResponse> Get(Context& context, const std::string& name) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::GetDatasetRequest request;
  request.set_name(name);
  client::Call call = context.NewCall();
  auto response = vault->GetDataset(request, call);
  if (response.ok()) context.Observe(response->receipt());
  return response;
}

absl::StatusOr<ExitCode> RunShow(Context& context, const NameArgs& args) {
  TV_ASSIGN_OR_RETURN(const auto dataset, Get(context, args.name));
  if (context.format() != OutputFormat::kTable) {
    EmitObject(context, ToJson(dataset));
    return ExitCode::kOk;
  }
  EmitObject(context, ToJson(dataset.summary()));
  context.out() << '\n';
  std::vector<Json> fields;
  for (const v1::DatasetField& field : dataset.fields()) fields.push_back(ToJson(field));
  EmitList(context, fields,
           {{"field", "name"},
            {"kind", "kind"},
            {"class", "field_class"},
            {"for", "purposes"},
            {"why", "why"}});
  return ExitCode::kOk;
}

void DeclareDocs(CLI::App& verb, DocsArgs& args) {
  verb.add_option("subject", args.subject, "Manifest file, or with --online a dataset")->required();
  verb.add_flag("--online", args.online, "Document what the vault has in force");
}

absl::StatusOr<ExitCode> RunDocs(Context& context, const DocsArgs& args) {
  std::string text;
  if (args.online) {
    TV_ASSIGN_OR_RETURN(const auto dataset, Get(context, args.subject));
    text = dataset.manifest();
  } else {
    TV_ASSIGN_OR_RETURN(text, ReadText(args.subject, limits::kMaxManifestBytes));
  }
  TV_ASSIGN_OR_RETURN(const catalog::Manifest manifest, catalog::ParseManifest(text));
  context.out() << catalog::RenderMarkdown(manifest);
  return ExitCode::kOk;
}

// Against the revision in force; nothing is changed.
absl::StatusOr<ExitCode> RunDiff(Context& context, const FileArgs& args) {
  TV_ASSIGN_OR_RETURN(const std::string text, ReadText(args.file, limits::kMaxManifestBytes));
  TV_ASSIGN_OR_RETURN(const catalog::Manifest after, catalog::ParseManifest(text));
  TV_ASSIGN_OR_RETURN(const auto in_force, Get(context, after.dataset));
  TV_ASSIGN_OR_RETURN(const catalog::Manifest before, catalog::ParseManifest(in_force.manifest()));
  const catalog::ManifestDiff diff = catalog::Diff(before, after);
  if (context.format() == OutputFormat::kTable) {
    for (const std::string& change : diff.changes) {
      context.out() << "- " << Printable(change) << '\n';
    }
    for (const catalog::Finding& finding : diff.findings) {
      context.out() << Printable(catalog::ToString(finding)) << '\n';
    }
    if (diff.changes.empty()) context.Note("No difference that matters.");
  } else {
    Json findings = Json::array();
    for (const catalog::Finding& finding : diff.findings) findings.push_back(FromFinding(finding));
    EmitObject(context,
               Json{{"dataset", after.dataset}, {"changes", diff.changes}, {"findings", findings}});
  }
  return catalog::HasErrors(diff.findings) ? ExitCode::kUsage : ExitCode::kOk;
}

}  // namespace

void AddDataset(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "dataset", "Manifests: what is collected, why, for whom");
  AddVerb(*noun, choice, "lint", "Check a manifest; needs no vault", &DeclareFile, &RunLint);
  AddVerb(*noun, choice, "apply", "Show what would change, ask, apply", &DeclareFile, &RunApply);
  AddVerb(*noun, choice, "list", "Datasets you may use", &DeclarePages, &RunList);
  AddVerb(*noun, choice, "show", "One dataset and its fields", &DeclareName, &RunShow);
  AddVerb(*noun, choice, "docs", "TELEMETRY.md for the people the data is about", &DeclareDocs,
          &RunDocs);
  AddVerb(*noun, choice, "diff", "A manifest file against the revision in force", &DeclareFile,
          &RunDiff);
}

}  // namespace televault::cli
