#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"

namespace televault::cli {
namespace {

struct RoleArgs {
  std::string name;
};

absl::StatusOr<std::vector<Json>> FetchRoles(Context& context) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->ListRoles({}, call));
  std::vector<Json> roles;
  for (const v1::Role& role : response.roles()) roles.push_back(ToJson(role));
  return roles;
}

absl::StatusOr<ExitCode> RunList(Context& context, const NoArgs&) {
  TV_ASSIGN_OR_RETURN(const auto roles, FetchRoles(context));
  EmitList(context, roles,
           {{"name", "name"},
            {"two persons", "guarded"},
            {"description", "description"},
            {"capabilities", "capabilities"}});
  return ExitCode::kOk;
}

void DeclareShow(CLI::App& verb, RoleArgs& args) {
  verb.add_option("name", args.name, "Role")->required();
}

absl::StatusOr<ExitCode> RunShow(Context& context, const RoleArgs& args) {
  TV_ASSIGN_OR_RETURN(const auto roles, FetchRoles(context));
  for (const Json& role : roles) {
    if (role["name"].get<std::string>() != args.name) continue;
    EmitObject(context, role);
    return ExitCode::kOk;
  }
  return absl::NotFoundError("there is no such role: see `televault role list`");
}

}  // namespace

void AddRole(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "role", "Roles and what they may do");
  AddVerb(*noun, choice, "list", "Every role", &DeclareNothing, &RunList);
  AddVerb(*noun, choice, "show", "One role", &DeclareShow, &RunShow);
}

}  // namespace televault::cli
