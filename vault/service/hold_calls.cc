#include "vault/service/hold_calls.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/service/paging.h"
#include "vault/service/retention_scope.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

absl::Status CheckReason(const std::string& reason) {
  if (!reason.empty() && reason.size() <= limits::kMaxReasonBytes) return absl::OkStatus();
  return absl::InvalidArgumentError("reason: say why in 1 to 1024 bytes");
}

absl::StatusOr<Day> DayOr(const char* field, const std::string& text, Day otherwise) {
  if (text.empty()) return otherwise;
  auto day = ParseDay(text);
  if (!day.ok()) return absl::InvalidArgumentError(absl::StrCat(field, ": a day is 2026-11-23"));
  return *day;
}

v1::Hold ToWire(const DataPlane& data, const crypto::LegalHold& hold, WallTime now) {
  v1::Hold wire;
  wire.set_id(ToHex(hold.id));
  wire.set_dataset(NameOf(*data.catalog, hold.dataset));
  wire.set_first_day(hold.FirstDayText());
  wire.set_last_day(hold.LastDayText());
  *wire.mutable_until() = ToWireTime(hold.until);
  wire.set_reason(hold.reason);
  wire.set_placed_by(hold.placed_by);
  *wire.mutable_placed_at() = ToWireTime(hold.placed_at);
  if (hold.ended_at.micros != 0) *wire.mutable_ended_at() = ToWireTime(hold.ended_at);
  if (!hold.InForce(now)) return wire;
  const auto partitions = data.partitions->List(hold.dataset, hold.first_day, hold.last_day);
  wire.set_partitions_waiting(static_cast<uint32_t>(
      std::count_if(partitions.begin(), partitions.end(), [&](const auto& info) {
        return info.state != partition::State::kPurged && info.deadline <= now;
      })));
  return wire;
}

void Note(Call& call, const crypto::LegalHold& hold, const std::string& reason) {
  auto& details = *call.entry.mutable_details();
  details["hold"] = ToHex(hold.id);
  details["first_day"] = hold.FirstDayText();
  details["last_day"] = hold.LastDayText();
  details["until"] = FormatRfc3339(hold.until);
  if (hold.ended_at.micros != 0) details["ended_at"] = FormatRfc3339(hold.ended_at);
  details["why"] = reason;
}

absl::StatusOr<crypto::LegalHold> HoldOf(const DataPlane& data, const Call& call,
                                         const v1::PlaceHoldRequest& request) {
  TV_RETURN_IF_ERROR(CheckReason(request.reason()));
  TV_ASSIGN_OR_RETURN(const auto dataset, FindBound(data, call, request.dataset()));
  crypto::LegalHold hold;
  hold.dataset = dataset->id;
  TV_ASSIGN_OR_RETURN(hold.first_day,
                      DayOr("first_day", request.first_day(), crypto::LegalHold::kFirst));
  TV_ASSIGN_OR_RETURN(hold.last_day,
                      DayOr("last_day", request.last_day(), crypto::LegalHold::kLast));
  if (hold.last_day < hold.first_day) {
    return absl::InvalidArgumentError("last_day is before first_day");
  }
  hold.placed_at = call.now;
  const auto& until = request.until();
  hold.until = {until.seconds() * 1'000'000 + until.nanos() / 1'000};
  if (!request.has_until() || hold.until <= call.now ||
      hold.until > call.now + microseconds(limits::kMaxHoldDays * kMicrosPerDay)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "until: a hold ends by itself, at a time after now and within ", limits::kMaxHoldDays,
        " days; place another one before that if it has to last longer"));
  }
  hold.placed_by = call.principal.person;
  hold.reason = request.reason();
  return hold;
}

}  // namespace

absl::Status PlaceHold(DataPlaneSource& source, Random& random, Call& call,
                       const v1::PlaceHoldRequest& request, v1::PlaceHoldResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  call.urgency = store::Urgency::kSecurity;
  TV_ASSIGN_OR_RETURN(crypto::LegalHold hold, HoldOf(*data, call, request));
  random.Fill(hold.id);
  call.entry.set_dataset(request.dataset());
  Note(call, hold, request.reason());
  *response.mutable_hold() = ToWire(*data, hold, call.now);
  call.after_recording = [data, hold] { return data->retention->PlaceHold(hold); };
  return absl::OkStatus();
}

absl::Status ReleaseHold(DataPlaneSource& source, Call& call, const v1::ReleaseHoldRequest& request,
                         v1::ReleaseHoldResponse& response) {
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  call.urgency = store::Urgency::kSecurity;
  TV_RETURN_IF_ERROR(CheckReason(request.reason()));
  std::optional<crypto::LegalHold> hold;
  for (const crypto::LegalHold& one : data->retention->Holds()) {
    const bool mine = !IsBound(call, NameOf(*data->catalog, one.dataset));
    if (mine && ToHex(one.id) == request.id()) hold = one;
  }
  if (!hold.has_value()) {
    return absl::NotFoundError("there is no such legal hold; see `televault retention hold list`");
  }
  if (!hold->InForce(call.now)) {
    return absl::FailedPreconditionError("the legal hold has ended already");
  }
  call.entry.set_dataset(NameOf(*data->catalog, hold->dataset));
  hold->ended_at = call.now;
  Note(call, *hold, request.reason());
  *response.mutable_hold() = ToWire(*data, *hold, call.now);
  call.after_recording = [data, id = hold->id, now = call.now] {
    return data->retention->EndHold(id, now);
  };
  return absl::OkStatus();
}

absl::Status ListHolds(DataPlaneSource& source, Call& call, const v1::ListHoldsRequest& request,
                       v1::ListHoldsResponse& response) {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  TV_ASSIGN_OR_RETURN(const auto data, source.Data());
  std::vector<crypto::LegalHold> holds = data->retention->Holds();
  if (!request.dataset().empty()) {
    TV_ASSIGN_OR_RETURN(const auto dataset, FindBound(*data, call, request.dataset()));
    std::erase_if(holds, [&](const auto& hold) { return hold.dataset != dataset->id; });
  }
  std::erase_if(
      holds, [&](const auto& hold) { return IsBound(call, NameOf(*data->catalog, hold.dataset)); });
  std::sort(holds.begin(), holds.end(),
            [](const auto& a, const auto& b) { return a.placed_at < b.placed_at; });
  response.set_next_page_token(EachOnPage(holds, page, [&](const auto& hold) {
    *response.add_holds() = ToWire(*data, hold, call.now);
  }));
  return absl::OkStatus();
}

}  // namespace televault::service
