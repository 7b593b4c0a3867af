#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/chart.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/print.h"
#include "admin-cli/output/result.h"
#include "admin-cli/output/text.h"
#include "admin-cli/pinning.h"
#include "admin-cli/receipt.h"
#include "vault/base/bytes.h"
#include "vault/base/limits.h"

namespace televault::cli {
namespace {

constexpr client::milliseconds kQueryTimeout{600'000};

struct QueryArgs {
  std::string sql;
  std::string file;
  std::string purpose;
  std::vector<std::string> parameters;
  std::string grant;
  std::string receipt;
  std::string chart;
  bool explain = false;
};

void DeclareQuery(CLI::App& verb, QueryArgs& args) {
  CLI::Option* const sql = verb.add_option("sql", args.sql, "One SELECT");
  verb.add_option("-f,--file", args.file, "File with the query, or -")->excludes(sql);
  verb.add_option("--purpose", args.purpose, "What for")->required();
  verb.add_option("--param", args.parameters,
                  "Value of $1, $2, … (repeatable): int:5, double:0.5, bool:true, time:…, "
                  "duration:…, null, or text");
  verb.add_option("--grant", args.grant, "Run under this access grant");
  verb.add_option("--receipt", args.receipt, "File for the proof that the query was recorded");
  verb.add_option("--chart", args.chart, "Draw instead of list")
      ->check(CLI::IsMember({"bar", "line", "spark"}));
  verb.add_flag("--explain", args.explain, "Plan, decision and masks, without running it");
}

absl::StatusOr<std::string> SqlOf(const QueryArgs& args) {
  if (!args.file.empty()) return ReadText(args.file, limits::kMaxSqlBytes);
  if (!args.sql.empty()) return args.sql;
  return absl::InvalidArgumentError("give a query, or a file with one by -f");
}

absl::StatusOr<ExitCode> Explain(Context& context, const QueryArgs& args) {
  v1::ExplainRequest request;
  TV_ASSIGN_OR_RETURN(*request.mutable_sql(), SqlOf(args));
  request.set_purpose(args.purpose);
  for (const std::string& text : args.parameters) {
    TV_ASSIGN_OR_RETURN(*request.add_parameters(), ParseParameter(text));
  }
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->Explain(request, call));
  context.Observe(response.receipt());
  if (context.format() != OutputFormat::kTable) {
    EmitObject(context, ToJson(response));
    return ExitCode::kOk;
  }
  context.out() << PrintableLines(response.plan());
  if (!response.plan().ends_with('\n')) context.out() << '\n';
  const Json facts = ToJson(response);
  WriteFacts(context.out(),
             {{"mode", CellText(facts["mode"])},
              {"smallest group", CellText(facts["k_min"])},
              {"fields", CellText(facts["fields"])},
              {"masks", CellText(facts["masks"])},
              {"partitions", response.mode() == "rows"
                                 ? absl::StrCat(response.partitions(), ", ",
                                                response.partitions_pruned(), " not read")
                                 : "shown for row access only"},
              {"normalized", CellText(facts["normalized_sql"])}},
             context.table_style());
  return ExitCode::kOk;
}

std::unique_ptr<ResultWriter> ChooseWriter(Context& context, const std::string& chart) {
  if (chart == "bar") return NewChartWriter(context, ChartKind::kBar);
  if (chart == "line") return NewChartWriter(context, ChartKind::kLine);
  if (chart == "spark") return NewChartWriter(context, ChartKind::kSpark);
  return NewResultWriter(context);
}

// Checks the proof and keeps it: the log that this machine has pinned holds the query's entry.
absl::Status TakeReceipt(Context& context, client::Vault& vault, const std::string& path,
                         const v1::AuditReceipt& receipt) {
  TV_RETURN_IF_ERROR(CheckPins(context));
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key,
                      KnownLogKey(context, OriginOf(receipt.checkpoint())));
  v1::GetInclusionProofRequest request;
  request.set_index(receipt.index());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto leaf, vault.GetInclusionProof(request, call));
  const auto hash = audit::HashFromBytes(AsBytes(leaf.leaf_hash()));
  if (!hash.ok()) return VerificationFailed(hash.status());
  TV_RETURN_IF_ERROR(KeepReceipt(path, receipt, *hash, key));
  context.Note(absl::StrCat("Receipt verified: entry ", receipt.index(), " of ", receipt.size(),
                            ", kept in ", path));
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> RunQuery(Context& context, const QueryArgs& args) {
  if (args.explain) return Explain(context, args);
  v1::QueryRequest request;
  TV_ASSIGN_OR_RETURN(*request.mutable_sql(), SqlOf(args));
  request.set_purpose(args.purpose);
  request.set_grant(args.grant);
  for (const std::string& text : args.parameters) {
    TV_ASSIGN_OR_RETURN(*request.add_parameters(), ParseParameter(text));
  }
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall(kQueryTimeout);
  TV_ASSIGN_OR_RETURN(const auto stream, vault->Query(request, call));
  const auto writer = ChooseWriter(context, args.chart);
  TV_ASSIGN_OR_RETURN(const v1::QueryTrailer trailer, PrintResult(context, *stream, *writer));
  context.out() << std::flush;
  context.Observe(trailer.receipt());
  if (!args.receipt.empty()) {
    TV_RETURN_IF_ERROR(TakeReceipt(context, *vault, args.receipt, trailer.receipt()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddQuery(CLI::App& root, Choice& choice) {
  AddVerb(root, choice, "query", "Run one SELECT for a purpose", &DeclareQuery, &RunQuery);
}

}  // namespace televault::cli
