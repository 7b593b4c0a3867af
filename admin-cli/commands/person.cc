#include "absl/strings/str_cat.h"

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"

namespace televault::cli {
namespace {

struct NameArgs {
  std::string name;
};
struct EnrolArgs {
  std::string name;
  bool service = false;
};

const std::vector<ListColumn>& Columns() {
  static const std::vector<ListColumn> columns = {
      {"name", "name"},
      {"state", "state"},
      {"kind", "", Align::kLeft,
       [](const Json& person) { return person["service"].get<bool>() ? "service" : "person"; }},
      {"proposed by", "proposed_by"},
      {"confirmed by", "confirmed_by"},
      {"enrolled at", "enrolled_at"}};
  return columns;
}

void DeclareName(CLI::App& verb, NameArgs& args) {
  verb.add_option("name", args.name, "Person")->required();
}

void DeclareEnrol(CLI::App& verb, EnrolArgs& args) {
  verb.add_option("name", args.name, "[a-z][a-z0-9._-]{1,63}")->required();
  verb.add_flag("--service", args.service, "A program: it holds tokens and never votes");
}

absl::StatusOr<ExitCode> RunEnrol(Context& context, const EnrolArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::EnrolPersonRequest request;
  request.set_name(args.name);
  request.set_service(args.service);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->EnrolPerson(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response.person()));
  if (response.person().state() != v1::PERSON_STATE_PENDING) return ExitCode::kOk;
  context.Note(absl::StrCat("Pending: another operator confirms with `televault person confirm ",
                            args.name, "`."));
  return ExitCode::kPending;
}

absl::StatusOr<ExitCode> RunConfirm(Context& context, const NameArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::ConfirmPersonRequest request;
  request.set_name(args.name);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->ConfirmPerson(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response.person()));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunList(Context& context, const PageArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> persons;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListPersonsRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListPersons(request, call));
    for (const v1::Person& person : response.persons()) persons.push_back(ToJson(person));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args, fetch, [&] { return persons.size(); }));
  EmitList(context, persons, Columns());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunDisable(Context& context, const NameArgs& args) {
  TV_RETURN_IF_ERROR(context.Confirm(
      absl::StrCat("This ends every token and vote of ", args.name, " at once. Disable?")));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::DisablePersonRequest request;
  request.set_name(args.name);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->DisablePerson(request, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response));
  return ExitCode::kOk;
}

}  // namespace

void AddPerson(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "person", "Persons, and services that hold tokens");
  AddVerb(*noun, choice, "enrol", "Propose a person; exit 6 until confirmed", &DeclareEnrol,
          &RunEnrol);
  AddVerb(*noun, choice, "confirm", "Confirm a person that another operator proposed", &DeclareName,
          &RunConfirm);
  AddVerb(*noun, choice, "list", "Everybody", &DeclarePages, &RunList);
  AddVerb(*noun, choice, "disable", "End a person's tokens and votes", &DeclareName, &RunDisable);
}

}  // namespace televault::cli
