#pragma once

#include <gtest/gtest.h>
#include <memory>

#include "tests/unit/partition/partition_harness.h"

namespace televault::partition {

// A simulated disk and the processes that a test starts on it, one after the other.
class PartitionTest : public ::testing::Test {
 protected:
  std::unique_ptr<testing::Process> Start() {
    return std::make_unique<testing::Process>(
        machine_, std::make_unique<televault::testing::SimStore>(disk_));
  }
  // Ten batches of ten rows: 0..99.
  void AppendHundred(testing::Process& process, PartitionId partition) {
    for (int64_t i = 0; i < 10; ++i) {
      ASSERT_THAT(process.Append(partition, i * 10, 10), televault::testing::IsOk());
    }
  }

  testing::Machine machine_;
  std::shared_ptr<televault::testing::SimDisk> disk_ =
      std::make_shared<televault::testing::SimDisk>(1);
  const PartitionId today_ = machine_.Today();
};

}  // namespace televault::partition
