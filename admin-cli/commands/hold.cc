#include <utility>

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "vault/base/clock.h"

namespace televault::cli {
namespace {

struct PlaceArgs {
  std::string dataset;
  std::string first_day;
  std::string last_day;
  std::string until;
  std::string reason;
};
struct ReleaseArgs {
  std::string id;
  std::string reason;
};
struct ListArgs {
  std::string dataset;
  PageArgs pages;
};

void DeclarePlace(CLI::App& verb, PlaceArgs& args) {
  verb.add_option("--dataset", args.dataset, "Whose days are kept")->required();
  verb.add_option("--from", args.first_day, "First day, e.g. 2026-11-23; default: from the first");
  verb.add_option("--to", args.last_day, "Last day; default: every day to come, too");
  verb.add_option("--until", args.until,
                  "When the hold ends by itself: a day, RFC 3339, or 30d from now; at most 366d")
      ->required();
  verb.add_option("--reason", args.reason, "Why, e.g. the file number of the order")->required();
}

// "30d" is from now on here, where other commands mean the past.
absl::StatusOr<WallTime> UntilOf(const std::string& text) {
  const WallTime now = SystemClock().Wall();
  if (const auto ahead = ParseDuration(text); ahead.ok()) return now + *ahead;
  return ParseTime("--until", text, now);
}

absl::StatusOr<ExitCode> RunPlace(Context& context, const PlaceArgs& args) {
  v1::PlaceHoldRequest request;
  request.set_dataset(args.dataset);
  request.set_first_day(args.first_day);
  request.set_last_day(args.last_day);
  TV_ASSIGN_OR_RETURN(const WallTime until, UntilOf(args.until));
  *request.mutable_until() = ToTimestamp(until);
  request.set_reason(args.reason);
  TV_RETURN_IF_ERROR(context.Confirm(absl::StrCat(
      "This keeps days of ", Printable(args.dataset), " from being destroyed until ",
      FormatRfc3339(until),
      ", past their deadline and against erasures, too. Nobody gets to read more. Place "
      "the hold?")));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->PlaceHold(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response.hold()));
  return ExitCode::kOk;
}

void DeclareRelease(CLI::App& verb, ReleaseArgs& args) {
  verb.add_option("id", args.id, "Of the hold, see `televault retention hold list`")->required();
  verb.add_option("--reason", args.reason, "Why")->required();
}

absl::StatusOr<ExitCode> RunRelease(Context& context, const ReleaseArgs& args) {
  TV_RETURN_IF_ERROR(context.Confirm(
      "What is past its deadline and was kept by this hold is destroyed within a minute, for good. "
      "Release it?"));
  v1::ReleaseHoldRequest request;
  request.set_id(args.id);
  request.set_reason(args.reason);
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->ReleaseHold(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response.hold()));
  return ExitCode::kOk;
}

void DeclareList(CLI::App& verb, ListArgs& args) {
  verb.add_option("--dataset", args.dataset, "Only this one's");
  DeclarePages(verb, args.pages);
}

absl::StatusOr<ExitCode> RunList(Context& context, const ListArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> holds;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListHoldsRequest request;
    request.set_dataset(args.dataset);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListHolds(request, call));
    for (const v1::Hold& one : response.holds()) holds.push_back(ToJson(one));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args.pages, fetch, [&] { return holds.size(); }));
  EmitList(context, holds,
           {{"id", "id"},
            {"dataset", "dataset"},
            {"first day", "first_day"},
            {"last day", "last_day"},
            {"until", "until"},
            {"ended at", "ended_at"},
            {"placed by", "placed_by"},
            {"waiting", "partitions_waiting", Align::kRight},
            {"reason", "reason"}});
  return ExitCode::kOk;
}

}  // namespace

void AddHold(CLI::App& retention, Choice& choice) {
  CLI::App* const noun =
      AddNoun(retention, "hold", "Legal holds: days that are kept from being destroyed for a time");
  AddVerb(*noun, choice, "place", "Keep days of a dataset", &DeclarePlace, &RunPlace);
  AddVerb(*noun, choice, "release", "End a hold before its time", &DeclareRelease, &RunRelease);
  AddVerb(*noun, choice, "list", "Holds in force, and ended ones whose days are still there",
          &DeclareList, &RunList);
}

}  // namespace televault::cli
