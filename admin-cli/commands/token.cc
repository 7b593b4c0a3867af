#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/secret_file.h"

namespace televault::cli {
namespace {

struct CreateArgs {
  std::string person;
  std::vector<std::string> roles;
  std::vector<std::string> purposes;
  std::vector<std::string> datasets;
  std::string ttl;
  std::string max_ttl;
  uint32_t max_uses = 0;
  std::string token_out;
  bool accept_combined_duties = false;
};
struct AccessorArgs {
  std::string accessor;
};
struct ListArgs {
  std::string person;
  PageArgs pages;
};

const std::vector<ListColumn>& Columns() {
  static const std::vector<ListColumn> columns = {
      {"accessor", "accessor"},     {"person", "person"},         {"roles", "roles"},
      {"purposes", "purposes"},     {"datasets", "datasets"},     {"state", "state"},
      {"expires at", "expires_at"}, {"created by", "created_by"}, {"confirmed by", "confirmed_by"}};
  return columns;
}

void DeclareCreate(CLI::App& verb, CreateArgs& args) {
  verb.add_option("--person", args.person, "Whose token")->required();
  verb.add_option("--role", args.roles, "Role (repeatable)")->required();
  verb.add_option("--purpose", args.purposes, "Purpose (repeatable); none = all of the roles'");
  verb.add_option("--dataset", args.datasets, "Dataset (repeatable); none = all of the roles'");
  verb.add_option("--ttl", args.ttl,
                  "Life, e.g. 8h (the default, or --max-ttl if that is less); at most 90d");
  verb.add_option("--max-ttl", args.max_ttl, "Renewals never go beyond it; at most 365d");
  verb.add_option(
      "--max-uses", args.max_uses,
      "Calls it is good for, those that only check the log not counted; 0 = any number");
  verb.add_option("--token-out", args.token_out, "New file for the secret, readable by you only");
  verb.add_flag("--i-accept-combined-duties", args.accept_combined_duties,
                "Allow roles that the vault keeps apart");
}

absl::StatusOr<v1::CreateTokenRequest> ToRequest(const CreateArgs& args) {
  v1::CreateTokenRequest request;
  request.set_person(args.person);
  for (const std::string& role : args.roles) request.add_roles(role);
  for (const std::string& purpose : args.purposes) request.add_purposes(purpose);
  for (const std::string& dataset : args.datasets) request.add_datasets(dataset);
  if (!args.ttl.empty()) {
    TV_ASSIGN_OR_RETURN(const uint64_t ttl_s, ParseSeconds("--ttl", args.ttl));
    request.set_ttl_s(ttl_s);
  }
  if (!args.max_ttl.empty()) {
    TV_ASSIGN_OR_RETURN(const uint64_t max_ttl_s, ParseSeconds("--max-ttl", args.max_ttl));
    request.set_max_ttl_s(max_ttl_s);
  }
  request.set_max_uses(args.max_uses);
  request.set_accept_combined_duties(args.accept_combined_duties);
  return request;
}

absl::Status KeepSecret(Context& context, SecretFile* file, const std::string& secret) {
  if (secret.empty()) {
    return absl::InternalError("the vault made the token but its secret did not arrive: revoke it");
  }
  if (file != nullptr) return file->Write(secret);
  // The only time it is shown, so before anything else can fail.
  if (context.format() == OutputFormat::kTable) {
    context.out() << "token  " << Printable(secret) << "\n" << std::flush;
    context.Note("Keep it now: the vault does not have it and cannot show it again.");
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> RunCreate(Context& context, const CreateArgs& args) {
  TV_ASSIGN_OR_RETURN(const auto request, ToRequest(args));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::unique_ptr<SecretFile> file;
  if (!args.token_out.empty()) {
    TV_ASSIGN_OR_RETURN(file, SecretFile::Create(args.token_out));
  }
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->CreateToken(request, call));
  context.Observe(response.receipt());
  TV_RETURN_IF_ERROR(KeepSecret(context, file.get(), call.token));
  Json shown = ToJson(response.token());
  if (file == nullptr && context.format() != OutputFormat::kTable) shown["token"] = call.token;
  EmitObject(context, shown);
  // The only time it is shown, so before the history is compared.
  if (shown.contains("token")) context.out() << std::flush;
  if (response.token().state() != v1::TOKEN_STATE_PENDING) return ExitCode::kOk;
  context.Note(absl::StrCat("Pending: another operator confirms with `televault token confirm ",
                            response.token().accessor(), "`."));
  return ExitCode::kPending;
}

void DeclareAccessor(CLI::App& verb, AccessorArgs& args) {
  verb.add_option("accessor", args.accessor, "tva_…, see `televault token list`")->required();
}

absl::StatusOr<ExitCode> RunConfirm(Context& context, const AccessorArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::ConfirmTokenRequest request;
  request.set_accessor(args.accessor);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->ConfirmToken(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response.token()));
  return ExitCode::kOk;
}

absl::StatusOr<std::vector<Json>> FetchTokens(Context& context, const std::string& person,
                                              const PageArgs& pages) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> tokens;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListTokensRequest request;
    request.set_person(person);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListTokens(request, call));
    for (const v1::Token& one : response.tokens()) tokens.push_back(ToJson(one));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, pages, fetch, [&] { return tokens.size(); }));
  return tokens;
}

void DeclareList(CLI::App& verb, ListArgs& args) {
  verb.add_option("--person", args.person, "Only this person's");
  DeclarePages(verb, args.pages);
}

absl::StatusOr<ExitCode> RunList(Context& context, const ListArgs& args) {
  TV_ASSIGN_OR_RETURN(const auto tokens, FetchTokens(context, args.person, args.pages));
  EmitList(context, tokens, Columns());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunShow(Context& context, const AccessorArgs& args) {
  TV_ASSIGN_OR_RETURN(const auto tokens, FetchTokens(context, "", {.limit = 0}));
  for (const Json& token : tokens) {
    if (token["accessor"].get<std::string>() != args.accessor) continue;
    EmitObject(context, token);
    return ExitCode::kOk;
  }
  return absl::NotFoundError("no token has this accessor: see `televault token list`");
}

absl::StatusOr<ExitCode> RunRevoke(Context& context, const AccessorArgs& args) {
  TV_RETURN_IF_ERROR(context.Confirm(absl::StrCat(
      "This ends token ", args.accessor, " and every token made with it, for good. Revoke?")));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::RevokeTokenRequest request;
  request.set_accessor(args.accessor);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->RevokeToken(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunRenew(Context& context, const NoArgs&) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->RenewToken({}, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response.token()));
  return ExitCode::kOk;
}

}  // namespace

void AddToken(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "token", "Tokens: who may call, as what, for which purpose");
  AddVerb(*noun, choice, "create", "Make a token; its secret is shown once", &DeclareCreate,
          &RunCreate);
  AddVerb(*noun, choice, "confirm", "Confirm a token that another operator made", &DeclareAccessor,
          &RunConfirm);
  AddVerb(*noun, choice, "list", "Tokens without their secrets", &DeclareList, &RunList);
  AddVerb(*noun, choice, "show", "One token without its secret", &DeclareAccessor, &RunShow);
  AddVerb(*noun, choice, "revoke", "End a token and its children", &DeclareAccessor, &RunRevoke);
  AddVerb(*noun, choice, "renew", "Extend the token you call with", &DeclareNothing, &RunRenew);
}

}  // namespace televault::cli
