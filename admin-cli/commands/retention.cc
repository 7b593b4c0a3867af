#include "absl/strings/str_cat.h"

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/pinning.h"
#include "admin-cli/receipt.h"

namespace televault::cli {
namespace {

// Purging removes files; the vault answers when they are gone.
constexpr client::milliseconds kRunTimeout{15 * 60'000};

struct ListArgs {
  std::string dataset;
  PageArgs pages;
};
struct ReceiptArgs {
  std::string dataset;
  PageArgs pages;
  bool verify = false;
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

void DeclareReceipts(CLI::App& verb, ReceiptArgs& args) {
  verb.add_option("--dataset", args.dataset, "Only this one's");
  verb.add_flag("--verify", args.verify,
                "Check every receipt: its fields are what the log's pinned key signed");
  DeclarePages(verb, args.pages);
}

// Without a note there is nothing to verify: the bytes of the partition are not gone yet.
bool IsUnsigned(const v1::DeletionReceipt& receipt) {
  return receipt.signed_note().empty() && !receipt.has_purged_at();
}

absl::StatusOr<ExitCode> RunReceipts(Context& context, const ReceiptArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::optional<audit::VerifierKey> key;
  if (args.verify) {
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto head, vault->GetCheckpoint({}, call));
    context.Observe(head.checkpoint());
    // Pins the key on first use, so that there is one to verify with.
    TV_RETURN_IF_ERROR(CheckPins(context));
    TV_ASSIGN_OR_RETURN(key, KnownLogKey(context, OriginOf(head.checkpoint())));
  }
  std::vector<Json> receipts;
  size_t not_signed = 0;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListReceiptsRequest request;
    request.set_dataset(args.dataset);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListReceipts(request, call));
    for (const v1::DeletionReceipt& one : response.receipts()) {
      if (IsUnsigned(one)) {
        ++not_signed;
      } else if (key.has_value()) {
        TV_RETURN_IF_ERROR(VerifyDeletionReceipt(one, *key));
      }
      receipts.push_back(ToJson(one));
    }
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args.pages, fetch, [&] { return receipts.size(); }));
  EmitList(context, receipts,
           {{"id", "id"},
            {"dataset", "dataset"},
            {"day", "day"},
            {"events", "events", Align::kRight},
            {"deadline", "deadline"},
            {"shredded at", "shredded_at"},
            {"purged at", "purged_at"},
            {"destruction", "destruction"},
            {"holds", "holds"}});
  if (args.verify) {
    context.Note(absl::StrCat(receipts.size() - not_signed, " receipts verified."));
    if (not_signed > 0) {
      context.Note(absl::StrCat(not_signed, " not signed: bytes of these partitions remain."));
    }
  }
  return ExitCode::kOk;
}

}  // namespace

void AddRetention(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "retention", "Expiry of partitions, and its receipts");
  AddVerb(*noun, choice, "status", "Partitions and their deadlines", &DeclareList, &RunStatus);
  AddVerb(*noun, choice, "run", "Shred and purge now what is past its deadline", &DeclareNothing,
          &RunNow);
  AddVerb(*noun, choice, "receipts", "What was destroyed, when, and the proof", &DeclareReceipts,
          &RunReceipts);
  AddHold(*noun, choice);
  AddErasures(*noun, choice);
}

}  // namespace televault::cli
