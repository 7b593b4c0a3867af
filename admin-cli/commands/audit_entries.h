#pragma once

#include <functional>
#include <string>
#include <vector>

#include "admin-cli/commands/command.h"
#include "admin-cli/output/emit.h"
#include "televault/v1/audit_service.pb.h"

// What the verbs of `audit` share: which entries, and how they look.
namespace televault::cli {

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

void DeclareFilter(CLI::App& verb, FilterArgs& args);
absl::StatusOr<v1::EntryFilter> ToFilter(const FilterArgs& args);

// The entry's fields under their own names, and its index.
Json EntryJson(const v1::IndexedEntry& entry);
const std::vector<ListColumn>& EntryColumns();
// Of such an object: refusals stand out, events do not.
Tone EntryTone(const Json& entry);

// Reads a stream that may take more than one call: the vault ends each after an hour, and --timeout
// may do so before. `read` reads as far as one call gets, from where the last one ended, and sets
// `progress` where that brought anything. It is repeated while calls run out of time
// (DEADLINE_EXCEEDED) and make progress; each is an entry of its own.
absl::Status ReadThrough(const std::function<absl::Status(bool& progress)>& read);

// A sentence on a terminal, one JSON object a line elsewhere.
void PrintEntry(Context& context, const v1::IndexedEntry& entry);

}  // namespace televault::cli
