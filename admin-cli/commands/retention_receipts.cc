#include "admin-cli/commands/retention_receipts.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/pinning.h"
#include "admin-cli/receipt.h"

namespace televault::cli {
namespace {

struct ReceiptArgs {
  std::string dataset;
  PageArgs pages;
  bool verify = false;
  OfflineReceiptArgs offline;
};

void DeclareReceipts(CLI::App& verb, ReceiptArgs& args) {
  CLI::Option* const dataset = verb.add_option("--dataset", args.dataset, "Only this one's");
  CLI::Option* const verify = verb.add_flag(
      "--verify", args.verify,
      "Check all of them, whatever --limit says: each is what the log's pinned key signed, every "
      "purged day has one and no live day has one; those of erasures, too; exit 3");
  CLI::Option* const directory =
      verb.add_option("--dir", args.offline.directory,
                      "With --verify: check what an exported log says of every day and erasure, "
                      "without a vault and a token")
          ->needs(verify)
          ->excludes(dataset);
  verb.add_option("--keys", args.offline.key_file,
                  "Keys that `audit export --key-file` wrote; what they do not read leaves the "
                  "result incomplete, exit 7")
      ->needs(directory);
  DeclarePages(verb, args.pages);
}

absl::StatusOr<std::vector<v1::DeletionReceipt>> FetchReceipts(Context& context,
                                                               const ReceiptArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<v1::DeletionReceipt> receipts;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListReceiptsRequest request;
    request.set_dataset(args.dataset);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListReceipts(request, call));
    receipts.insert(receipts.end(), response.receipts().begin(), response.receipts().end());
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, args.pages, fetch, [&] { return receipts.size(); }));
  return receipts;
}

absl::StatusOr<PartitionStates> FetchStates(Context& context, const std::string& dataset) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  PartitionStates states;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListPartitionsRequest request;
    request.set_dataset(dataset);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListPartitions(request, call));
    for (const v1::Partition& one : response.partitions()) {
      states[{one.dataset(), one.day()}] = one.state();
    }
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, {.limit = 0}, fetch, [&] { return states.size(); }));
  return states;
}

// How many are settled, each of them with a receipt that verifies.
absl::StatusOr<size_t> VerifyErasures(Context& context, const std::string& dataset,
                                      const audit::VerifierKey& key) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  size_t seen = 0;
  size_t settled = 0;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListErasuresRequest request;
    request.set_dataset(dataset);
    request.set_page_size(size);
    request.set_page_token(token);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListErasures(request, call));
    for (const v1::Erasure& one : response.erasures()) {
      ++seen;
      // A receipt is what settles it.
      if (one.state() != v1::ERASURE_STATE_SETTLED && one.signed_note().empty()) continue;
      TV_RETURN_IF_ERROR(VerifyErasureReceipt(one, key));
      ++settled;
    }
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, {.limit = 0}, fetch, [&] { return seen; }));
  return settled;
}

// Pins the key on first use, so that there is one to verify with.
absl::StatusOr<audit::VerifierKey> PinnedKey(Context& context) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto head, vault->GetCheckpoint({}, call));
  context.Observe(head.checkpoint());
  TV_RETURN_IF_ERROR(CheckPins(context));
  return KnownLogKey(context, OriginOf(head.checkpoint()));
}

void EmitReceipts(Context& context, const std::vector<v1::DeletionReceipt>& receipts) {
  std::vector<Json> objects;
  for (const v1::DeletionReceipt& receipt : receipts) objects.push_back(ToJson(receipt));
  EmitList(context, objects,
           {{"id", "id"},
            {"dataset", "dataset"},
            {"day", "day"},
            {"events", "events", Align::kRight},
            {"deadline", "deadline"},
            {"shredded at", "shredded_at"},
            {"purged at", "purged_at"},
            {"destruction", "destruction"},
            {"holds", "holds"}});
}

absl::StatusOr<ExitCode> VerifyReceipts(Context& context, const ReceiptArgs& args) {
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, PinnedKey(context));
  ReceiptArgs all = args;
  all.pages.limit = 0;
  all.pages.page_token.clear();
  TV_ASSIGN_OR_RETURN(const PartitionStates before, FetchStates(context, args.dataset));
  TV_ASSIGN_OR_RETURN(const auto receipts, FetchReceipts(context, all));
  TV_ASSIGN_OR_RETURN(const PartitionStates after, FetchStates(context, args.dataset));
  size_t is_signed = 0;
  for (const v1::DeletionReceipt& receipt : receipts) {
    if (IsUnsigned(receipt)) continue;
    TV_RETURN_IF_ERROR(VerifyDeletionReceipt(receipt, key));
    ++is_signed;
  }
  TV_RETURN_IF_ERROR(CompareWithPartitions({receipts, before, after}));
  TV_ASSIGN_OR_RETURN(const size_t settled, VerifyErasures(context, args.dataset, key));
  EmitReceipts(context, receipts);
  context.Note(absl::StrCat(is_signed, " receipts verified, and those of ", settled, " erasures; ",
                            before.size(), " partitions compared."));
  if (is_signed < receipts.size()) {
    context.Note(absl::StrCat(receipts.size() - is_signed,
                              " not signed: bytes of these partitions remain."));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunReceipts(Context& context, const ReceiptArgs& args) {
  if (!args.offline.directory.empty()) return VerifyReceiptsOffline(context, args.offline);
  if (args.verify) return VerifyReceipts(context, args);
  TV_ASSIGN_OR_RETURN(const auto receipts, FetchReceipts(context, args));
  EmitReceipts(context, receipts);
  return ExitCode::kOk;
}

}  // namespace

void AddReceipts(CLI::App& retention, Choice& choice) {
  AddVerb(retention, choice, "receipts", "What was destroyed, when, and the proof",
          &DeclareReceipts, &RunReceipts);
}

}  // namespace televault::cli
