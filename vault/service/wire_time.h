#pragma once

#include <cstdint>

#include "google/protobuf/timestamp.pb.h"

#include "vault/base/time.h"

namespace televault::service {

// Between protobuf timestamps and ours. Outside years 0001 to 9999 protobuf has no value: such
// times come from our own records only and are shown as the nearest bound.
inline google::protobuf::Timestamp ToWireTime(int64_t micros) {
  constexpr int64_t kLow = -62'135'596'800;
  constexpr int64_t kHigh = 253'402'300'799;
  int64_t seconds = micros / 1'000'000;
  int64_t rest = micros % 1'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000;
  }
  google::protobuf::Timestamp wire;
  wire.set_seconds(seconds < kLow ? kLow : seconds > kHigh ? kHigh : seconds);
  wire.set_nanos(static_cast<int32_t>(rest * 1'000));
  return wire;
}
inline google::protobuf::Timestamp ToWireTime(WallTime time) { return ToWireTime(time.micros); }

}  // namespace televault::service
