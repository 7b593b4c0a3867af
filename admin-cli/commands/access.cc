#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "vault/base/limits.h"
#include "vault/base/time.h"

namespace televault::cli {
namespace {

struct RequestArgs {
  std::string dataset;
  std::string purpose;
  std::string query;
  std::string length;
  std::string reason;
  std::vector<std::string> parameters;
};
struct IdArgs {
  std::string id;
};
struct ListArgs {
  std::string state;
  PageArgs pages;
};

// A vote is cast on the values too: they read as `--param` takes them.
Json RequestJson(const v1::AccessRequest& request) {
  Json json = ToJson(request);
  Json& parameters = json["parameters"] = Json::array();
  for (const v1::Value& value : request.parameters()) parameters.push_back(FormatParameter(value));
  return json;
}

std::string Approvals(const Json& request) {
  size_t approvals = 0;
  for (const Json& vote : request["votes"]) approvals += vote["approve"].get<bool>() ? 1 : 0;
  return absl::StrCat(approvals, "/", request["approvals_needed"].get<uint64_t>());
}

const std::vector<ListColumn>& Columns() {
  static const std::vector<ListColumn> columns = {{"id", "id"},
                                                  {"state", "state"},
                                                  {"dataset", "dataset"},
                                                  {"purpose", "purpose"},
                                                  {"by", "requested_by"},
                                                  {"approvals", "", Align::kRight, &Approvals},
                                                  {"until", "expires_at"},
                                                  {"query", "normalized_sql"},
                                                  {"parameters", "parameters"}};
  return columns;
}

ExitCode ExitOf(const v1::AccessRequest& request) {
  switch (request.state()) {
    case v1::ACCESS_STATE_PENDING:
      return ExitCode::kPending;
    case v1::ACCESS_STATE_LIVE:
      return ExitCode::kOk;
    default:
      return ExitCode::kDenied;
  }
}

void DeclareRequest(CLI::App& verb, RequestArgs& args) {
  verb.add_option("--dataset", args.dataset, "Dataset the query reads")->required();
  verb.add_option("--purpose", args.purpose, "What for")->required();
  verb.add_option("--query", args.query, "File with the exact query, or -")->required();
  verb.add_option("--for", args.length, "Length of the grant, e.g. 1h")->required();
  verb.add_option("--reason", args.reason, "Why, for the approvers")->required();
  verb.add_option("--param", args.parameters, "Value of $1, $2, … (repeatable)");
}

absl::StatusOr<ExitCode> RunRequest(Context& context, const RequestArgs& args) {
  v1::RequestAccessRequest request;
  TV_ASSIGN_OR_RETURN(*request.mutable_sql(), ReadText(args.query, limits::kMaxSqlBytes));
  request.set_purpose(args.purpose);
  for (const std::string& text : args.parameters) {
    TV_ASSIGN_OR_RETURN(*request.add_parameters(), ParseParameter(text));
  }
  TV_ASSIGN_OR_RETURN(const uint64_t grant_s, ParseSeconds("--for", args.length));
  request.set_grant_s(grant_s);
  request.set_reason(args.reason);
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->RequestAccess(request, call));
  context.Observe(response.receipt());
  EmitObject(context, RequestJson(response.request()));
  if (response.request().dataset() != args.dataset) {
    return absl::FailedPreconditionError(
        absl::StrCat("the query reads ", response.request().dataset(), " and not ", args.dataset,
                     ": revoke the request with `televault access revoke ", response.request().id(),
                     "` and correct one of the two"));
  }
  if (response.request().state() == v1::ACCESS_STATE_PENDING) {
    context.Note(absl::StrCat("Pending: ", response.request().approvals_needed(),
                              " others approve with `televault access approve ",
                              response.request().id(), "`."));
  }
  return ExitOf(response.request());
}

void DeclareList(CLI::App& verb, ListArgs& args) {
  verb.add_option("--state", args.state, "Only these")
      ->check(CLI::IsMember({"pending", "live", "denied", "expired", "revoked"}));
  DeclarePages(verb, args.pages);
}

v1::AccessState StateOf(const std::string& word) {
  if (word == "pending") return v1::ACCESS_STATE_PENDING;
  if (word == "live") return v1::ACCESS_STATE_LIVE;
  if (word == "denied") return v1::ACCESS_STATE_DENIED;
  if (word == "expired") return v1::ACCESS_STATE_EXPIRED;
  if (word == "revoked") return v1::ACCESS_STATE_REVOKED;
  return v1::ACCESS_STATE_UNSPECIFIED;
}

absl::StatusOr<ExitCode> RunList(Context& context, const ListArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> requests;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListAccessRequestsRequest request;
    request.set_state(StateOf(args.state));
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListAccessRequests(request, call));
    for (const v1::AccessRequest& one : response.requests()) requests.push_back(RequestJson(one));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args.pages, fetch, [&] { return requests.size(); }));
  EmitList(context, requests, Columns());
  return ExitCode::kOk;
}

void DeclareId(CLI::App& verb, IdArgs& args) {
  verb.add_option("id", args.id, "Request, see `televault access list`")->required();
}

absl::StatusOr<ExitCode> RunShow(Context& context, const IdArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::GetAccessRequestRequest request;
  request.set_id(args.id);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->GetAccessRequest(request, call));
  EmitObject(context, RequestJson(response.request()));
  return ExitOf(response.request());
}

absl::StatusOr<ExitCode> Vote(Context& context, const IdArgs& args, bool approve) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::VoteAccessRequest request;
  request.set_id(args.id);
  request.set_approve(approve);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->VoteAccess(request, call));
  context.Observe(response.receipt());
  EmitObject(context, RequestJson(response.request()));
  if (!approve) return ExitCode::kOk;
  return ExitOf(response.request());
}

// What the vote is about, where the question is asked: an id alone tells an approver nothing.
void ShowOnTerminal(Context& context, const v1::AccessRequest& request) {
  const Json json = RequestJson(request);
  std::vector<std::pair<std::string, std::string>> facts;
  for (const char* const member : {"requested_by", "dataset", "purpose", "reason", "fields", "sql",
                                   "parameters", "expires_at"}) {
    facts.emplace_back(member, CellText(json[member]));
  }
  facts.emplace_back("grant", FormatDuration(std::chrono::seconds(request.grant_s())));
  facts.emplace_back("approvals", Approvals(json));
  WriteFacts(context.err(), facts, {});
}

absl::StatusOr<ExitCode> RunApprove(Context& context, const IdArgs& args) {
  TV_RETURN_IF_ERROR(context.MayConfirm());
  if (!context.options().yes) {
    TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
    v1::GetAccessRequestRequest request;
    request.set_id(args.id);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->GetAccessRequest(request, call));
    ShowOnTerminal(context, response.request());
  }
  TV_RETURN_IF_ERROR(
      context.Confirm("With enough approvals this query may run and shows rows. Approve?"));
  return Vote(context, args, true);
}

absl::StatusOr<ExitCode> RunDeny(Context& context, const IdArgs& args) {
  TV_RETURN_IF_ERROR(context.Confirm("One denial ends the request for good. Deny?"));
  return Vote(context, args, false);
}

absl::StatusOr<ExitCode> RunRevoke(Context& context, const IdArgs& args) {
  TV_RETURN_IF_ERROR(context.Confirm("This ends the request or its live grant. Revoke?"));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::RevokeAccessRequest request;
  request.set_id(args.id);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->RevokeAccess(request, call));
  context.Observe(response.receipt());
  EmitObject(context, RequestJson(response.request()));
  return ExitCode::kOk;
}

}  // namespace

void AddAccess(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "access", "Rows on request, approved by two others");
  AddVerb(*noun, choice, "request", "Ask to run exactly this query; exit 6 until approved",
          &DeclareRequest, &RunRequest);
  AddVerb(*noun, choice, "list", "Your requests; approvers see all", &DeclareList, &RunList);
  AddVerb(*noun, choice, "show", "One request; exit 0 live, 6 pending, 4 over", &DeclareId,
          &RunShow);
  AddVerb(*noun, choice, "approve", "See it and vote for it; exit 6 while votes are missing",
          &DeclareId, &RunApprove);
  AddVerb(*noun, choice, "deny", "End it", &DeclareId, &RunDeny);
  AddVerb(*noun, choice, "revoke", "End a request or a live grant", &DeclareId, &RunRevoke);
}

}  // namespace televault::cli
