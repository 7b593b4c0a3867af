#include "admin-cli/commands/command.h"
#include "admin-cli/commands/retention_receipts.h"
#include "admin-cli/output/emit.h"

namespace televault::cli {
namespace {

// Purging removes files; the vault answers when they are gone.
constexpr client::milliseconds kRunTimeout{15 * 60'000};

struct ListArgs {
  std::string dataset;
  PageArgs pages;
};

void DeclareList(CLI::App& verb, ListArgs& args) {
  verb.add_option("--dataset", args.dataset, "Only this one's");
  DeclarePages(verb, args.pages);
}

absl::StatusOr<ExitCode> RunStatus(Context& context, const ListArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> partitions;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListPartitionsRequest request;
    request.set_dataset(args.dataset);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListPartitions(request, call));
    for (const v1::Partition& one : response.partitions()) partitions.push_back(ToJson(one));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args.pages, fetch, [&] { return partitions.size(); }));
  EmitList(context, partitions,
           {{"dataset", "dataset"},
            {"day", "day"},
            {"state", "state"},
            {"deadline", "deadline"},
            {"events", "events", Align::kRight},
            {"bytes", "bytes", Align::kRight},
            {"blocks", "blocks", Align::kRight},
            {"batches", "micro_batches", Align::kRight},
            {"withheld", "withheld"},
            {"holds", "holds"}});
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunNow(Context& context, const NoArgs&) {
  TV_RETURN_IF_ERROR(context.Confirm(
      "This destroys the keys and bytes of every partition past its deadline, for good. Run now?"));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall(kRunTimeout);
  TV_ASSIGN_OR_RETURN(const auto response, vault->RunRetention({}, call));
  context.Observe(response.receipt());
  EmitObject(context, ToJson(response));
  return response.pending().empty() ? ExitCode::kOk : ExitCode::kPartial;
}

}  // namespace

void AddRetention(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "retention", "Expiry of partitions, and its receipts");
  AddVerb(*noun, choice, "status", "Partitions and their deadlines", &DeclareList, &RunStatus);
  AddVerb(*noun, choice, "run", "Shred and purge now what is past its deadline", &DeclareNothing,
          &RunNow);
  AddReceipts(*noun, choice);
  AddHold(*noun, choice);
  AddErasures(*noun, choice);
}

}  // namespace televault::cli
