#pragma once

#include "vault/partition/subjects.h"

namespace televault::testing {

// Nobody was ever erased.
class NoErasures final : public partition::PendingErasures {
 public:
  uint64_t Newest(DatasetId) const override { return 0; }
  partition::SubjectListRef Hidden(DatasetId) const override { return nullptr; }
};

}  // namespace televault::testing
