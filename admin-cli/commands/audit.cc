#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/audit_log.h"
#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/pinning.h"
#include "audit/encoding.h"
#include "audit/entry.h"
#include "audit/proof_file.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/client/retry.h"

namespace televault::cli {
namespace {

constexpr client::milliseconds kTailTimeout{24 * 3'600'000};
constexpr int kTailAttempts = 10;
constexpr int kProofMode = 0644;

struct FilterArgs {
  std::string since;
  std::string until;
  std::string person;
  std::string method;
  std::string dataset;
  std::string purpose;
  std::string verdict;
  std::string kind;
};
struct ListArgs {
  FilterArgs filter;
  PageArgs pages;
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

void DeclareFilter(CLI::App& verb, FilterArgs& args) {
  verb.add_option("--since", args.since, "RFC 3339, a day, or 7d for seven days ago");
  verb.add_option("--until", args.until, "Before this time");
  verb.add_option("--person", args.person, "Only this person's calls");
  verb.add_option("--method", args.method, "Query, Append, retention.shred, …");
  verb.add_option("--dataset", args.dataset, "Only calls about it");
  verb.add_option("--purpose", args.purpose, "Only calls for it");
  verb.add_option("--verdict", args.verdict, "allow or deny")
      ->check(CLI::IsMember({"allow", "deny"}));
  verb.add_option("--kind", args.kind, "intent, outcome or event")
      ->check(CLI::IsMember({"intent", "outcome", "event"}));
}

absl::StatusOr<v1::EntryFilter> ToFilter(const FilterArgs& args) {
  const WallTime now = SystemClock().Wall();
  v1::EntryFilter filter;
  if (!args.since.empty()) {
    TV_ASSIGN_OR_RETURN(const WallTime since, ParseTime("--since", args.since, now));
    *filter.mutable_since() = ToTimestamp(since);
  }
  if (!args.until.empty()) {
    TV_ASSIGN_OR_RETURN(const WallTime until, ParseTime("--until", args.until, now));
    *filter.mutable_until() = ToTimestamp(until);
  }
  filter.set_principal(args.person);
  filter.set_method(args.method);
  filter.set_dataset(args.dataset);
  filter.set_purpose(args.purpose);
  if (args.verdict == "allow") filter.set_verdict(record::v1::VERDICT_ALLOW);
  if (args.verdict == "deny") filter.set_verdict(record::v1::VERDICT_DENY);
  if (args.kind == "intent") filter.set_kind(record::v1::ENTRY_KIND_INTENT);
  if (args.kind == "outcome") filter.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  if (args.kind == "event") filter.set_kind(record::v1::ENTRY_KIND_EVENT);
  return filter;
}

Json FromEntry(const v1::IndexedEntry& entry) {
  Json object{{"index", entry.index()}};
  const Json members = ToJson(entry.entry());
  for (const auto& [name, value] : members.items()) object[name] = value;
  return object;
}

std::string Time(const Json& entry) {
  return FormatRfc3339(WallTime{entry["time_us"].get<int64_t>()});
}
std::string Person(const Json& entry) {
  const Json& principal = entry["principal"];
  return principal.is_null() ? "" : CellText(principal["person"]);
}
std::string Method(const Json& entry) {
  const std::string method = entry["method"].get<std::string>();
  const size_t slash = method.rfind('/');
  return slash == std::string::npos ? method : method.substr(slash + 1);
}
std::string Result(const Json& entry) {
  const std::string verdict = entry["verdict"].get<std::string>();
  const std::string reason = entry["reason"].get<std::string>();
  return reason.empty() || reason == "OK" ? verdict : absl::StrCat(verdict, " ", reason);
}

const std::vector<ListColumn>& Columns() {
  static const std::vector<ListColumn> columns = {{"index", "index", Align::kRight},
                                                  {"time", "", Align::kLeft, &Time},
                                                  {"kind", "kind"},
                                                  {"who", "", Align::kLeft, &Person},
                                                  {"method", "", Align::kLeft, &Method},
                                                  {"dataset", "dataset"},
                                                  {"purpose", "purpose"},
                                                  {"result", "", Align::kLeft, &Result},
                                                  {"rows", "rows_returned", Align::kRight}};
  return columns;
}

// Newest first, as the vault lists them.
absl::StatusOr<std::vector<v1::IndexedEntry>> Fetch(Context& context, const v1::EntryFilter& filter,
                                                    const PageArgs& pages) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  std::vector<v1::IndexedEntry> entries;
  const auto fetch = [&](uint32_t size, const std::string& token) -> absl::StatusOr<std::string> {
    v1::ListEntriesRequest request;
    *request.mutable_filter() = filter;
    request.set_page_size(size);
    request.set_page_token(token);
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

absl::StatusOr<ExitCode> RunList(Context& context, const ListArgs& args) {
  TV_ASSIGN_OR_RETURN(const v1::EntryFilter filter, ToFilter(args.filter));
  TV_ASSIGN_OR_RETURN(const auto entries, Fetch(context, filter, args.pages));
  std::vector<Json> rows;
  for (const v1::IndexedEntry& entry : entries) rows.push_back(FromEntry(entry));
  EmitList(context, rows, Columns());
  return ExitCode::kOk;
}

void DeclareTail(CLI::App& verb, TailArgs& args) {
  DeclareFilter(verb, args.filter);
  verb.add_option("-n,--count", args.count, "Newest entries to begin with")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  verb.add_flag("-f,--follow", args.follow, "Go on with new entries until interrupted");
}

void PrintEntry(Context& context, const v1::IndexedEntry& entry) {
  if (context.format() == OutputFormat::kTable) {
    context.out() << entry.index() << "  " << Printable(audit::Sentence(entry.entry())) << '\n'
                  << std::flush;
  } else {
    context.out() << Dump(FromEntry(entry), -1) << '\n' << std::flush;
  }
}

// Follows the log; after a broken stream it goes on behind the last entry shown.
absl::Status Follow(Context& context, const v1::EntryFilter& filter, uint64_t start) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  for (int attempt = 0; attempt < kTailAttempts; ++attempt) {
    v1::TailEntriesRequest request;
    *request.mutable_filter() = filter;
    request.set_start_index(start);
    client::Call call = context.NewCall(kTailTimeout);
    TV_ASSIGN_OR_RETURN(const auto stream, vault->TailEntries(request, call));
    v1::TailEntriesResponse response;
    auto more = stream->Next(response);
    while (more.ok() && *more) {
      attempt = 0;
      start = response.entry().index() + 1;
      PrintEntry(context, response.entry());
      if (!context.out()) return absl::OkStatus();
      more = stream->Next(response);
    }
    const client::Error error = client::ErrorOf(more.status());
    const bool over = !more.ok() && error.code == absl::StatusCode::kDeadlineExceeded;
    if (!more.ok() && !over && !client::WorthRepeating(error)) return more.status();
  }
  return absl::UnavailableError("the vault ends the stream again and again");
}

absl::StatusOr<ExitCode> RunTail(Context& context, const TailArgs& args) {
  TV_ASSIGN_OR_RETURN(const v1::EntryFilter filter, ToFilter(args.filter));
  std::vector<v1::IndexedEntry> entries;
  if (args.count > 0) {
    const PageArgs newest{.limit = args.count, .note_more = false};
    TV_ASSIGN_OR_RETURN(entries, Fetch(context, filter, newest));
  }
  std::reverse(entries.begin(), entries.end());
  for (const v1::IndexedEntry& entry : entries) PrintEntry(context, entry);
  if (args.follow) {
    const uint64_t start =
        entries.empty() ? std::numeric_limits<uint64_t>::max() : entries.back().index() + 1;
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
  if (context.format() == OutputFormat::kTable) {
    context.out() << Printable(audit::Sentence(response.entry().entry())) << "\n\n";
  }
  EmitObject(context, FromEntry(response.entry()));
  context.Note("The log holds this entry: its proof was verified.");
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
  TV_ASSIGN_OR_RETURN(const audit::Hash leaf_hash,
                      audit::HashFromBytes(audit::AsBytes(response.leaf_hash())));
  TV_RETURN_IF_ERROR(VerifyLeaf(context, args.index, leaf_hash, response.proof()));
  if (args.out.empty()) {
    context.out() << response.proof();
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
  AddVerb(*noun, choice, "show", "One entry, with its proof verified", &DeclareIndex, &RunShow);
  AddVerb(*noun, choice, "tail", "Newest entries as sentences; -f goes on", &DeclareTail, &RunTail);
  AddVerb(*noun, choice, "proof", "Proof that the log holds an entry", &DeclareProof, &RunProof);
  AddAuditLog(*noun, choice);
}

}  // namespace televault::cli
