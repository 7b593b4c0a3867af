#include "vault/base/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"

namespace televault {
namespace {

constexpr char kReasonUrl[] = "televault.v1/reason";

}  // namespace

absl::Status WithReason(absl::Status status, std::string_view reason_code) {
  if (!status.ok()) status.SetPayload(kReasonUrl, absl::Cord(ToAbsl(reason_code)));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonUrl);
  return payload.has_value() ? std::string(*payload) : std::string();
}

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(ToAbsl(context), ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

}  // namespace televault
