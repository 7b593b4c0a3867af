#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/base/bytes.h"
#include "vault/base/ids.h"
#include "vault/block/column.h"
#include "vault/crypto/hash.h"

namespace televault::partition {

// A set of pseudonyms. Immutable.
class SubjectList {
 public:
  SubjectList() = default;
  explicit SubjectList(std::vector<crypto::Hash16> subjects) : subjects_(std::move(subjects)) {
    std::sort(subjects_.begin(), subjects_.end());
    subjects_.erase(std::unique(subjects_.begin(), subjects_.end()), subjects_.end());
  }
  bool empty() const { return subjects_.empty(); }
  size_t size() const { return subjects_.size(); }
  const std::vector<crypto::Hash16>& all() const { return subjects_; }
  // `subject` as it stands in a subject column.
  bool Contains(std::string_view subject) const {
    crypto::Hash16 hash{};
    if (subject.size() != hash.size()) return false;
    std::copy(subject.begin(), subject.end(), hash.begin());
    return std::binary_search(subjects_.begin(), subjects_.end(), hash);
  }

 private:
  std::vector<crypto::Hash16> subjects_;  // rising, each once
};
using SubjectListRef = std::shared_ptr<const SubjectList>;

// For each row of `subjects` (a subject column) 0 where it belongs to one of `list`, else 1; empty
// where none does.
std::vector<uint8_t> KeptRows(const block::Column& subjects, const SubjectList& list);

// What a partition's record says about erasures, as of a view.
struct ErasedState {
  // Number of the newest erasure whose subject has no row here any more.
  uint64_t erased_up_to = 0;
  // Aggregates get nothing of it any more.
  bool withheld = false;
  // Subjects that aggregates leave out, sealed under the data key of that id; "" = nobody.
  std::string left_out;
  KeyId left_out_key;
};

// Which erasures are asked for: rows of their subjects are there until the partition is rewritten,
// and nobody may see them.
// Threads: any.
class PendingErasures {
 public:
  virtual ~PendingErasures() = default;
  // Number of the newest erasure ever asked for in the dataset; 0 = none.
  virtual uint64_t Newest(DatasetId dataset) const = 0;
  // Pseudonyms of the subjects whose erasure is not settled; null = none.
  virtual SubjectListRef Hidden(DatasetId dataset) const = 0;
};

}  // namespace televault::partition
