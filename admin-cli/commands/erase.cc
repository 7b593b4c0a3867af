#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/receipt.h"
#include "vault/client/credentials.h"

namespace televault::cli {
namespace {

// Of one look to the next while waiting for the end.
constexpr auto kLook = std::chrono::seconds(2);
// It waits for batches that are being ingested.
constexpr client::milliseconds kEraseTimeout{180'000};

struct EraseArgs {
  std::string dataset;
  std::string subject_file;
  bool wait = false;
};
struct ListArgs {
  std::string dataset;
  std::string id;
  PageArgs pages;
};

void DeclareErase(CLI::App& verb, EraseArgs& args) {
  verb.add_option("--dataset", args.dataset, "Whose subject")->required();
  verb.add_option("--subject-file", args.subject_file,
                  "First line of a file only you can read, or -: the id that clients send")
      ->required();
  verb.add_flag("--wait", args.wait, "Come back when the erasure is settled");
}

absl::StatusOr<v1::Erasure> AwaitEnd(Context& context, client::Vault& vault, v1::Erasure erasure) {
  while (erasure.state() == v1::ERASURE_STATE_PENDING) {
    std::this_thread::sleep_for(kLook);
    v1::ListErasuresRequest request;
    request.set_dataset(erasure.dataset());
    request.set_id(erasure.id());
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault.ListErasures(request, call));
    if (response.erasures().empty()) {
      return absl::InternalError("the vault does not know the erasure any more");
    }
    erasure = response.erasures(0);
  }
  return erasure;
}

absl::StatusOr<ExitCode> RunErase(Context& context, const EraseArgs& args) {
  TV_ASSIGN_OR_RETURN(const client::SecretText subject, client::ReadSecretFile(args.subject_file));
  TV_RETURN_IF_ERROR(context.Confirm(
      absl::StrCat("This removes every event of the subject from ", Printable(args.dataset),
                   ", in backups too, and refuses new ones, for good. Erase?")));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::EraseSubjectRequest request;
  request.set_dataset(args.dataset);
  request.set_subject(std::string(subject.Reveal()));
  client::Call call = context.NewCall(kEraseTimeout);
  TV_ASSIGN_OR_RETURN(const auto response, vault->EraseSubject(request, call));
  context.Observe(response.receipt());
  v1::Erasure erasure = response.erasure();
  if (args.wait) {
    TV_ASSIGN_OR_RETURN(erasure, AwaitEnd(context, *vault, std::move(erasure)));
  }
  EmitObject(context, ToJson(erasure));
  if (erasure.state() == v1::ERASURE_STATE_SETTLED) return ExitCode::kOk;
  context.Note(absl::StrCat("No query returns the rows any more. ",
                            erasure.state() == v1::ERASURE_STATE_HELD
                                ? "What is left waits for the end of a legal hold"
                                : "The days that hold them are being rewritten",
                            ": see `televault retention erasures`."));
  return ExitCode::kOk;
}

void DeclareList(CLI::App& verb, ListArgs& args) {
  verb.add_option("--dataset", args.dataset, "Only this one's");
  verb.add_option("--id", args.id, "Only this one");
  DeclarePages(verb, args.pages);
}

absl::StatusOr<ExitCode> RunList(Context& context, const ListArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<Json> erasures;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListErasuresRequest request;
    request.set_dataset(args.dataset);
    request.set_id(args.id);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListErasures(request, call));
    for (const v1::Erasure& one : response.erasures()) erasures.push_back(ToJson(one));
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args.pages, fetch, [&] { return erasures.size(); }));
  EmitList(context, erasures,
           {{"id", "id"},
            {"dataset", "dataset"},
            {"state", "state"},
            {"requested at", "requested_at"},
            {"deadline", "deadline"},
            {"settled at", "settled_at"},
            {"left", "partitions_left", Align::kRight},
            {"rewritten", "partitions_rewritten", Align::kRight},
            {"events", "events_removed", Align::kRight},
            {"holds", "holds"}});
  return ExitCode::kOk;
}

}  // namespace

void AddErase(CLI::App& root, Choice& choice) {
  AddVerb(root, choice, "erase", "Erase a subject from a dataset", &DeclareErase, &RunErase);
}

void AddErasures(CLI::App& retention, Choice& choice) {
  AddVerb(retention, choice, "erasures", "Subjects that are being erased, or were", &DeclareList,
          &RunList);
}

}  // namespace televault::cli
