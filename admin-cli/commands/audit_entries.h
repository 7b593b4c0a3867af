#pragma once

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

// A sentence on a terminal, one JSON object a line elsewhere.
void PrintEntry(Context& context, const v1::IndexedEntry& entry);

}  // namespace televault::cli
