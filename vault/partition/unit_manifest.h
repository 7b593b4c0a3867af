#pragma once

#include "televault/record/v1/state.pb.h"

namespace televault::partition {

// The record of a unit: one of the two, by Unit::kind.
struct UnitManifest {
  record::v1::BlockRecord block;
  record::v1::MicroBatchRecord micro_batch;
};

}  // namespace televault::partition
