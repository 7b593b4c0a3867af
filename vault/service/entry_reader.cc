#include "vault/service/entry_reader.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "audit/leaf.h"
#include "vault/base/bytes.h"

namespace televault::service {
namespace {

constexpr size_t kScanLeaves = 256;

bool SaysNothing(const absl::Status& opening) {
  return ReasonOf(opening) == reason::kExpired || absl::IsDataLoss(opening);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadLeafRange(const store::Journal& journal,
                                                       uint64_t begin, uint64_t end) {
  std::vector<std::string> leaves;
  leaves.reserve(end - begin);
  while (begin + leaves.size() < end) {
    const uint64_t next = begin + leaves.size();
    TV_ASSIGN_OR_RETURN(auto read, journal.ReadLeaves(LeafIndex(next), end - next));
    if (read.empty()) {
      return absl::DataLossError("the audit log has a gap at entry " + std::to_string(next));
    }
    std::move(read.begin(), read.end(), std::back_inserter(leaves));
  }
  return leaves;
}

bool IsSealedEntry(const std::string& leaf) {
  const auto view = audit::ParseLeaf(AsBytes(leaf));
  return view.ok() && view->type == audit::LeafType::kEntry;
}

// A key's leaf stands before the first entry under it, at most an hour of entries back.
absl::Status EntryReader::FindKeyLeaf(LeafIndex index) {
  TV_ASSIGN_OR_RETURN(const auto wanted_leaf, journal_.ReadLeaves(index, 1));
  if (wanted_leaf.empty()) return absl::NotFoundError("no such entry");
  TV_ASSIGN_OR_RETURN(const audit::LeafView wanted, audit::ParseLeaf(AsBytes(wanted_leaf.front())));
  uint64_t end = index.value();
  while (end > 0) {
    const uint64_t begin = end > kScanLeaves ? end - kScanLeaves : 0;
    TV_ASSIGN_OR_RETURN(const auto leaves, ReadLeafRange(journal_, begin, end));
    for (size_t i = leaves.size(); i-- > 0;) {
      TV_ASSIGN_OR_RETURN(const audit::LeafView view, audit::ParseLeaf(AsBytes(leaves[i])));
      if (view.type != audit::LeafType::kKey || view.key_id != wanted.key_id) continue;
      return opener_.OpenLeaf(AsBytes(leaves[i])).status();
    }
    end = begin;
  }
  return absl::DataLossError("the log holds no key leaf for this entry");
}

absl::StatusOr<std::optional<record::v1::AuditEntry>> EntryReader::Open(LeafIndex index,
                                                                        const std::string& leaf) {
  auto opened = opener_.OpenLeaf(AsBytes(leaf));
  if (absl::IsFailedPrecondition(opened.status())) {
    const absl::Status found = FindKeyLeaf(index);
    if (SaysNothing(found)) return std::nullopt;
    TV_RETURN_IF_ERROR(found);
    opened = opener_.OpenLeaf(AsBytes(leaf));
  }
  if (SaysNothing(opened.status())) return std::nullopt;
  TV_RETURN_IF_ERROR(opened.status());
  if (opened->kind == crypto::AuditOpener::LeafKind::kKey) return std::nullopt;
  record::v1::AuditEntry entry;
  if (!entry.ParseFromString(opened->entry)) return std::nullopt;
  return entry;
}

absl::StatusOr<std::optional<record::v1::AuditEntry>> EntryReader::Read(LeafIndex index,
                                                                        std::string* leaf) {
  TV_ASSIGN_OR_RETURN(auto leaves, journal_.ReadLeaves(index, 1));
  if (leaves.empty()) {
    return absl::NotFoundError("no such entry: the log is shorter");
  }
  auto entry = Open(index, leaves.front());
  if (leaf != nullptr) *leaf = std::move(leaves.front());
  return entry;
}

}  // namespace televault::service
