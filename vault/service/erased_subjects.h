#pragma once

#include "vault/erasure/erasures.h"
#include "vault/ingest/ports.h"

namespace televault::service {

// Whose events the door of ingest refuses: the subjects that were erased.
// Threads: any.  Borrows: erasures.
class ErasedSubjects final : public ingest::SubjectBlocks {
 public:
  explicit ErasedSubjects(const erasure::Erasures& erasures) : erasures_(erasures) {}
  bool Any(DatasetId dataset) const override { return erasures_.Any(dataset); }
  bool Blocked(DatasetId dataset, const crypto::Hash16& hash) const override {
    return erasures_.Blocked(dataset, hash);
  }

 private:
  const erasure::Erasures& erasures_;
};

}  // namespace televault::service
