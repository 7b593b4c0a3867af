#include "admin-cli/commands/audit_entries.h"

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/output/text.h"
#include "audit/entry.h"
#include "vault/base/clock.h"

namespace televault::cli {
namespace {

std::string Time(const Json& entry) {
  return FormatRfc3339(WallTime{entry["time_us"].get<int64_t>()});
}
std::string Person(const Json& entry) {
  const Json& principal = entry["principal"];
  return principal.is_null() ? "" : CellText(principal["person"]);
}
std::string Method(const Json& entry) {
  const std::string method = entry["method"].get<std::string>();
  const size_t slash = method.rfind('/');
  return slash == std::string::npos ? method : method.substr(slash + 1);
}
std::string Result(const Json& entry) {
  const std::string verdict = entry["verdict"].get<std::string>();
  const std::string reason = entry["reason"].get<std::string>();
  return reason.empty() || reason == "OK" ? verdict : absl::StrCat(verdict, " ", reason);
}

}  // namespace

void DeclareFilter(CLI::App& verb, FilterArgs& args) {
  verb.add_option("--since", args.since, "RFC 3339, a day, or 7d for seven days ago");
  verb.add_option("--until", args.until, "Before this time");
  verb.add_option("--person", args.person, "Only this person's calls");
  verb.add_option("--method", args.method, "Query, Append, retention.shred, …");
  verb.add_option("--dataset", args.dataset, "Only calls about it");
  verb.add_option("--purpose", args.purpose, "Only calls for it");
  verb.add_option("--verdict", args.verdict, "allow or deny")
      ->check(CLI::IsMember({"allow", "deny"}));
  verb.add_option("--kind", args.kind, "intent, outcome or event")
      ->check(CLI::IsMember({"intent", "outcome", "event"}));
}

absl::StatusOr<v1::EntryFilter> ToFilter(const FilterArgs& args) {
  const WallTime now = SystemClock().Wall();
  v1::EntryFilter filter;
  if (!args.since.empty()) {
    TV_ASSIGN_OR_RETURN(const WallTime since, ParseTime("--since", args.since, now));
    *filter.mutable_since() = ToTimestamp(since);
  }
  if (!args.until.empty()) {
    TV_ASSIGN_OR_RETURN(const WallTime until, ParseTime("--until", args.until, now));
    *filter.mutable_until() = ToTimestamp(until);
  }
  filter.set_principal(args.person);
  filter.set_method(args.method);
  filter.set_dataset(args.dataset);
  filter.set_purpose(args.purpose);
  if (args.verdict == "allow") filter.set_verdict(record::v1::VERDICT_ALLOW);
  if (args.verdict == "deny") filter.set_verdict(record::v1::VERDICT_DENY);
  if (args.kind == "intent") filter.set_kind(record::v1::ENTRY_KIND_INTENT);
  if (args.kind == "outcome") filter.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  if (args.kind == "event") filter.set_kind(record::v1::ENTRY_KIND_EVENT);
  return filter;
}

Json EntryJson(const v1::IndexedEntry& entry) {
  Json object{{"index", entry.index()}};
  const Json members = ToJson(entry.entry());
  for (const auto& [name, value] : members.items()) object[name] = value;
  return object;
}

Tone EntryTone(const Json& entry) {
  if (entry["verdict"] == "deny") return Tone::kAlarm;
  return entry["kind"] == "event" ? Tone::kQuiet : Tone::kPlain;
}

const std::vector<ListColumn>& EntryColumns() {
  static const std::vector<ListColumn> columns = {{"index", "index", Align::kRight},
                                                  {"time", "", Align::kLeft, &Time},
                                                  {"kind", "kind"},
                                                  {"who", "", Align::kLeft, &Person},
                                                  {"method", "", Align::kLeft, &Method},
                                                  {"dataset", "dataset"},
                                                  {"purpose", "purpose"},
                                                  {"result", "", Align::kLeft, &Result},
                                                  {"rows", "rows_returned", Align::kRight}};
  return columns;
}

absl::Status ReadThrough(const std::function<absl::Status(bool& progress)>& read) {
  for (;;) {
    bool progress = false;
    const absl::Status status = read(progress);
    if (!progress || !absl::IsDeadlineExceeded(status)) return status;
  }
}

void PrintEntry(Context& context, const v1::IndexedEntry& entry) {
  const Json object = EntryJson(entry);
  if (context.format() == OutputFormat::kTable) {
    const std::string line =
        absl::StrCat(entry.index(), "  ", Printable(audit::Sentence(entry.entry())));
    context.out() << Toned(line, EntryTone(object), context.color());
  } else {
    context.out() << Dump(object, -1);
  }
  context.out() << '\n' << std::flush;
}

}  // namespace televault::cli
