#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/audit_entries.h"
#include "admin-cli/commands/audit_log.h"
#include "admin-cli/commands/audit_report.h"
#include "admin-cli/commands/audit_witness.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/pinning.h"
#include "audit/encoding.h"
#include "audit/entry.h"
#include "audit/proof_file.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/client/retry.h"

namespace televault::cli {
namespace {

constexpr client::milliseconds kTailTimeout{24 * 3'600'000};
constexpr int kTailAttempts = 10;
constexpr int kProofMode = 0644;

struct ListArgs {
  FilterArgs filter;
  PageArgs pages;
};
struct SearchArgs {
  ListArgs list;
  std::string value;
  std::string value_file;
};
struct TailArgs {
  FilterArgs filter;
  uint32_t count = 10;
  bool follow = false;
};
struct IndexArgs {
  uint64_t index = 0;
};
struct ProofArgs {
  uint64_t index = 0;
  std::string out;
};

// Newest first, as the vault lists them.
absl::StatusOr<std::vector<v1::IndexedEntry>> Fetch(Context& context, const v1::EntryFilter& filter,
                                                    const PageArgs& pages,
                                                    const std::string& literal = "") {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<v1::IndexedEntry> entries;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListEntriesRequest request;
    *request.mutable_filter() = filter;
    request.set_page_size(size);
    request.set_page_token(token);
    request.set_literal(literal);
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->ListEntries(request, call));
    context.Observe(response.receipt());
    entries.insert(entries.end(), response.entries().begin(), response.entries().end());
    return response.next_page_token();
  };
  TV_RETURN_IF_ERROR(FetchPages(context, pages, fetch, [&] { return entries.size(); }));
  return entries;
}

void DeclareList(CLI::App& verb, ListArgs& args) {
  DeclareFilter(verb, args.filter);
  DeclarePages(verb, args.pages);
}

absl::StatusOr<ExitCode> ListEntries(Context& context, const ListArgs& args,
                                     const std::string& literal) {
  TV_ASSIGN_OR_RETURN(const v1::EntryFilter filter, ToFilter(args.filter));
  TV_ASSIGN_OR_RETURN(const auto entries, Fetch(context, filter, args.pages, literal));
  std::vector<Json> rows;
  for (const v1::IndexedEntry& entry : entries) rows.push_back(EntryJson(entry));
  EmitList(context, rows, EntryColumns(), &EntryTone);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunList(Context& context, const ListArgs& args) {
  return ListEntries(context, args, "");
}

void DeclareSearch(CLI::App& verb, SearchArgs& args) {
  CLI::Option* const value = verb.add_option(
      "--value", args.value, "The literal or parameter, as in the query but without quotes");
  verb.add_option("--value-file", args.value_file,
                  "The same out of a file, or - for standard input: others see the command line")
      ->excludes(value);
  DeclareList(verb, args.list);
}

absl::StatusOr<ExitCode> RunSearch(Context& context, const SearchArgs& args) {
  constexpr size_t kMaxValueBytes = 4'096;
  std::string value = args.value;
  if (!args.value_file.empty()) {
    TV_ASSIGN_OR_RETURN(value, ReadText(args.value_file, kMaxValueBytes));
    if (value.ends_with('\n')) value.pop_back();
  }
  if (value.empty()) {
    return absl::InvalidArgumentError(
        "nothing to search for: give --value or --value-file; `audit list` takes other filters");
  }
  return ListEntries(context, args.list, value);
}

void DeclareTail(CLI::App& verb, TailArgs& args) {
  DeclareFilter(verb, args.filter);
  verb.add_option("-n,--count", args.count, "Newest entries to begin with")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  verb.add_flag("-f,--follow", args.follow, "Go on with new entries until interrupted");
}

// How many leaves the log has.
absl::StatusOr<uint64_t> SizeOfLog(Context& context) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const v1::GetCheckpointResponse head, vault->GetCheckpoint({}, call));
  context.Observe(head.checkpoint());
  const auto checkpoint = audit::ReadUnverified(head.checkpoint());
  if (!checkpoint.ok()) return VerificationFailed(checkpoint.status());
  return checkpoint->size;
}

// The newest checkpoint is held against the pin.
absl::Status CheckNewest(Context& context) {
  TV_RETURN_IF_ERROR(SizeOfLog(context).status());
  return CheckPins(context);
}

// In order, out of time, or the vault is away for a while: one that is stopped cancels its streams.
bool MayPass(const absl::Status& ended) {
  return ended.ok() || absl::IsDeadlineExceeded(ended) || absl::IsCancelled(ended) ||
         client::WorthRepeating(client::ErrorOf(ended));
}

// Where a tail stands.
struct Followed {
  uint64_t next = 0;     // index of the first entry that was not shown
  bool any = false;      // the last stream showed something
  bool readable = true;  // somebody reads what is shown
};

// Shows entries until the stream ends.
absl::Status FollowOnce(Context& context, const v1::EntryFilter& filter, Followed& followed) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::TailEntriesRequest request;
  *request.mutable_filter() = filter;
  request.set_start_index(followed.next);
  client::Call call = context.NewCall(kTailTimeout);
  TV_ASSIGN_OR_RETURN(const auto stream, vault->TailEntries(request, call));
  v1::TailEntriesResponse response;
  for (;;) {
    TV_ASSIGN_OR_RETURN(const bool more, stream->Next(response));
    if (!more) return absl::OkStatus();
    followed.any = true;
    followed.next = response.entry().index() + 1;
    PrintEntry(context, response.entry());
    followed.readable = static_cast<bool>(context.out());
    if (!followed.readable) return absl::OkStatus();
  }
}

// Follows the log; after a stream that ended or broke it goes on behind the last entry shown, once
// the vault that answers then has shown the history of the one before.
absl::Status Follow(Context& context, const v1::EntryFilter& filter, uint64_t start) {
  Followed followed{.next = start};
  bool compared = true;  // before the first line
  for (int attempt = 0; attempt < kTailAttempts; ++attempt) {
    absl::Status ended = absl::OkStatus();
    if (compared) {
      ended = FollowOnce(context, filter, followed);
      if (!followed.readable) return absl::OkStatus();
      if (!MayPass(ended)) return ended;
      // The vault ends each stream after an hour, in order: nothing is wrong with a quiet trail.
      const bool quiet = ended.ok() || absl::IsDeadlineExceeded(ended);
      if (std::exchange(followed.any, false) || quiet) attempt = 0;
    }
    const absl::Status pins = CheckNewest(context);
    if (!MayPass(pins)) return pins;
    compared = pins.ok();
    const client::Error error = client::ErrorOf(compared ? ended : pins);
    std::this_thread::sleep_for(client::PauseAfter(attempt + 1, error, SystemRandom()));
  }
  return absl::UnavailableError("the vault ends the stream again and again");
}

absl::StatusOr<ExitCode> RunTail(Context& context, const TailArgs& args) {
  TV_ASSIGN_OR_RETURN(const v1::EntryFilter filter, ToFilter(args.filter));
  // Before anything is shown: what comes after this is followed, over broken streams too.
  TV_ASSIGN_OR_RETURN(uint64_t start, SizeOfLog(context));
  std::vector<v1::IndexedEntry> entries;
  if (args.count > 0) {
    const PageArgs newest{.limit = args.count, .note_more = false};
    TV_ASSIGN_OR_RETURN(entries, Fetch(context, filter, newest));
  }
  // Who follows ends it by an interrupt: there is no end to compare at.
  TV_RETURN_IF_ERROR(CheckPins(context));
  std::reverse(entries.begin(), entries.end());
  for (const v1::IndexedEntry& entry : entries) PrintEntry(context, entry);
  if (args.follow) {
    if (!entries.empty()) start = std::max(start, entries.back().index() + 1);
    TV_RETURN_IF_ERROR(Follow(context, filter, start));
  }
  return ExitCode::kOk;
}

void DeclareIndex(CLI::App& verb, IndexArgs& args) {
  verb.add_option("index", args.index, "Index of the entry")->required();
}

absl::Status VerifyLeaf(Context& context, uint64_t index, const audit::Hash& leaf_hash,
                        const std::string& proof_text) {
  const auto proof = audit::ParseProofFile(proof_text);
  if (!proof.ok()) return VerificationFailed(proof.status());
  context.Observe(proof->checkpoint);
  TV_RETURN_IF_ERROR(CheckPins(context));
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key,
                      KnownLogKey(context, OriginOf(proof->checkpoint)));
  if (proof->index != index) return VerificationFailed("the proof is one of another entry");
  const absl::Status status = audit::VerifyProofFile(*proof, leaf_hash, key).status();
  return status.ok() ? status : VerificationFailed(status);
}

absl::StatusOr<ExitCode> RunShow(Context& context, const IndexArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::GetEntryRequest request;
  request.set_index(args.index);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->GetEntry(request, call));
  context.Observe(response.receipt());
  TV_RETURN_IF_ERROR(VerifyLeaf(
      context, args.index, audit::LeafHash(audit::AsBytes(response.leaf())), response.proof()));
  if (!response.entry().has_entry()) {
    context.Note("This leaf holds a key, or an entry whose audit epoch was destroyed.");
    EmitObject(context, Json{{"index", args.index}});
  } else {
    if (context.format() == OutputFormat::kTable) {
      context.out() << Printable(audit::Sentence(response.entry().entry())) << "\n\n";
    }
    EmitObject(context, EntryJson(response.entry()));
  }
  context.Note(
      "The log holds the sealed leaf of this entry: its proof was verified. What the entry says is "
      "the vault's word; `televault audit decrypt` reads it out of an exported leaf.");
  return ExitCode::kOk;
}

void DeclareProof(CLI::App& verb, ProofArgs& args) {
  verb.add_option("index", args.index, "Index of the entry")->required();
  verb.add_option("--out", args.out, "File for the proof; default: standard output");
}

absl::StatusOr<ExitCode> RunProof(Context& context, const ProofArgs& args) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::GetInclusionProofRequest request;
  request.set_index(args.index);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->GetInclusionProof(request, call));
  const auto leaf_hash = audit::HashFromBytes(audit::AsBytes(response.leaf_hash()));
  if (!leaf_hash.ok()) return VerificationFailed(leaf_hash.status());
  TV_RETURN_IF_ERROR(VerifyLeaf(context, args.index, *leaf_hash, response.proof()));
  if (args.out.empty()) {
    // A file gets every byte, a terminal nothing that moves its cursor.
    context.out() << (context.terminal().out_is_terminal ? PrintableLines(response.proof())
                                                         : response.proof());
    return ExitCode::kOk;
  }
  TV_RETURN_IF_ERROR(
      ReplaceFile(PosixFileSystem(), args.out, televault::AsBytes(response.proof()), kProofMode));
  context.Note(absl::StrCat("Proof of entry ", args.index, " verified and kept in ", args.out));
  return ExitCode::kOk;
}

}  // namespace

void AddAudit(CLI::App& root, Choice& choice) {
  CLI::App* const noun = AddNoun(root, "audit", "The audit trail: read, verify, export");
  AddVerb(*noun, choice, "list", "Entries, newest first", &DeclareList, &RunList);
  AddVerb(*noun, choice, "search", "Entries of queries that held a value, which is nowhere kept",
          &DeclareSearch, &RunSearch);
  AddVerb(*noun, choice, "show", "One entry, with the proof of its sealed leaf verified",
          &DeclareIndex, &RunShow);
  AddVerb(*noun, choice, "tail", "Newest entries as sentences; -f goes on", &DeclareTail, &RunTail);
  AddVerb(*noun, choice, "proof", "Proof that the log holds an entry", &DeclareProof, &RunProof);
  AddAuditReport(*noun, choice);
  AddAuditLog(*noun, choice);
  AddAuditWitness(*noun, choice);
}

}  // namespace televault::cli
