#include "admin-cli/commands/audit_report.h"

#include <utility>

#include "admin-cli/arguments.h"
#include "admin-cli/commands/audit_entries.h"
#include "audit/report.h"
#include "vault/base/clock.h"

namespace televault::cli {
namespace {

// Of one call.
constexpr client::milliseconds kReportTimeout{30 * 60'000};

struct ReportArgs {
  std::string since = "7d";
  std::string until;
};

void DeclareReport(CLI::App& verb, ReportArgs& args) {
  verb.add_option("--since", args.since, "RFC 3339, a day, or 7d for seven days ago")
      ->capture_default_str();
  verb.add_option("--until", args.until, "Before this time; default: now");
}

template <class Totals>
Json WithTimes(Json object, const Totals& totals) {
  object["first"] = FormatRfc3339({totals.first_us});
  object["last"] = FormatRfc3339({totals.last_us});
  return object;
}

Json CountsJson(const std::map<std::string, uint64_t>& counts, const char* name) {
  Json list = Json::array();
  for (const auto& [what, count] : counts) list.push_back({{name, what}, {"times", count}});
  return list;
}

Json ReportJson(const audit::TrailReport& report) {
  Json reads = Json::array();
  for (const auto& [key, totals] : report.reads) {
    reads.push_back(WithTimes(Json{{"person", key.person},
                                   {"dataset", key.dataset},
                                   {"purpose", key.purpose},
                                   {"queries", totals.calls},
                                   {"row_queries", totals.row_calls},
                                   {"rows", totals.rows},
                                   {"groups", totals.groups},
                                   {"cells", totals.cells},
                                   {"withheld", totals.withheld},
                                   {"bytes", totals.bytes},
                                   {"end_unknown", totals.unknown_ends},
                                   {"rows_debited", totals.debited_rows}},
                              totals));
  }
  Json refusals = Json::array();
  for (const auto& [key, totals] : report.refusals) {
    refusals.push_back(WithTimes(Json{{"who", key.who},
                                      {"method", key.method},
                                      {"reason", key.reason},
                                      {"calls", totals.calls}},
                                 totals));
  }
  Json anomalies = Json::array();
  for (const audit::Anomaly& anomaly : report.anomalies) {
    anomalies.push_back({{"index", anomaly.index},
                         {"time", FormatRfc3339({anomaly.time_us})},
                         {"kind", anomaly.kind},
                         {"text", anomaly.text}});
  }
  Json object{{"entries", report.entries}, {"unreadable", report.unreadable}};
  if (report.entries > 0) object = WithTimes(std::move(object), report);
  object["reads"] = std::move(reads);
  object["refusals"] = std::move(refusals);
  object["calls"] = CountsJson(report.calls, "method");
  object["events"] = CountsJson(report.events, "event");
  object["anomalies"] = std::move(anomalies);
  object["anomalies_left_out"] = report.anomalies_left_out;
  return object;
}

// Every entry that matches, over as many calls as that takes.
absl::Status ReadEntries(Context& context, const v1::EntryFilter& filter,
                         audit::ReportBuilder& builder) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::TailEntriesRequest request;
  *request.mutable_filter() = filter;
  request.set_stop_at_head(true);
  return ReadThrough([&](bool& progress) -> absl::Status {
    client::Call call = context.NewCall(kReportTimeout);
    TV_ASSIGN_OR_RETURN(const auto stream, vault->TailEntries(request, call));
    v1::TailEntriesResponse response;
    for (;;) {
      TV_ASSIGN_OR_RETURN(const bool more, stream->Next(response));
      if (!more) return absl::OkStatus();
      if (response.entry().has_entry()) {
        builder.Add(response.entry().index(), response.entry().entry());
      } else {
        builder.AddUnreadable();
      }
      request.set_start_index(response.entry().index() + 1);
      progress = true;
    }
  });
}

absl::StatusOr<ExitCode> RunReport(Context& context, const ReportArgs& args) {
  if (context.format() == OutputFormat::kCsv) {
    return absl::InvalidArgumentError(
        "a report is several tables: give --output table (Markdown), json or jsonl");
  }
  FilterArgs filter;
  filter.since = args.since;
  filter.until = args.until;
  TV_ASSIGN_OR_RETURN(const v1::EntryFilter wanted, ToFilter(filter));
  audit::ReportBuilder builder;
  TV_RETURN_IF_ERROR(ReadEntries(context, wanted, builder));
  const audit::TrailReport report = std::move(builder).Finish();
  switch (context.format()) {
    case OutputFormat::kTable:
      context.out() << audit::ReportMarkdown(report);
      break;
    case OutputFormat::kJsonLines:
      context.out() << Dump(ReportJson(report), -1) << '\n';
      break;
    default:
      context.out() << Dump(ReportJson(report), 2) << '\n';
  }
  return ExitCode::kOk;
}

}  // namespace

void AddAuditReport(CLI::App& audit, Choice& choice) {
  AddVerb(audit, choice, "report", "Who read what, for which purpose, how much; what stands out",
          &DeclareReport, &RunReport);
}

}  // namespace televault::cli
