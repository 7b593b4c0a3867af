#include "audit/witness.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

constexpr std::string_view kOld = "old ";
constexpr size_t kMaxConsistencyHashes = 63;
constexpr int kAccepted = 200;
constexpr int kBadRequest = 400;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kConflict = 409;
constexpr int kUnprocessable = 422;

WitnessDecision Refuse(int http_status, std::string body) {
  return {http_status, std::move(body), "text/plain", std::nullopt};
}

// The answer that lets the log start over from where the witness stands.
WitnessDecision Conflict(uint64_t size) {
  return {kConflict, absl::StrCat(size, "\n"), "text/x.tlog.size", std::nullopt};
}

}  // namespace

std::string FormatAddCheckpoint(const AddCheckpointRequest& request) {
  std::string body = absl::StrCat(AsAbsl(kOld), request.old_size, "\n");
  for (const Hash& hash : request.proof) absl::StrAppend(&body, Base64(hash), "\n");
  absl::StrAppend(&body, "\n", request.checkpoint);
  return body;
}

absl::StatusOr<AddCheckpointRequest> ParseAddCheckpoint(std::string_view body) {
  if (body.size() > kMaxAddCheckpointBytes) {
    return absl::InvalidArgumentError("the request is longer than 64 KiB");
  }
  absl::StatusOr<std::string_view> line = TakeLine(body);
  if (!line.ok() || !line->starts_with(kOld)) {
    return absl::InvalidArgumentError("the first line must be: old SIZE");
  }
  const absl::StatusOr<uint64_t> old_size = ParseDecimal(line->substr(kOld.size()));
  if (!old_size.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("old size: ", old_size.status().message()));
  }
  AddCheckpointRequest request;
  request.old_size = *old_size;
  for (line = TakeLine(body); line.ok() && !line->empty(); line = TakeLine(body)) {
    const absl::StatusOr<Hash> hash = HashFromBase64(*line);
    if (!hash.ok()) {
      return absl::InvalidArgumentError("each proof line must be base64 of 32 bytes");
    }
    if (request.proof.size() == kMaxConsistencyHashes) {
      return absl::InvalidArgumentError("more than 63 proof lines");
    }
    request.proof.push_back(*hash);
  }
  if (!line.ok()) return absl::InvalidArgumentError("no empty line before the checkpoint");
  request.checkpoint = std::string(body);
  return request;
}

WitnessDecision DecideAddCheckpoint(
    std::string_view body,
    absl::FunctionRef<std::optional<WitnessedLog>(const std::string& origin)> find_log) {
  const absl::StatusOr<AddCheckpointRequest> request = ParseAddCheckpoint(body);
  const absl::StatusOr<Note> note =
      request.ok() ? ParseNote(request->checkpoint) : absl::StatusOr<Note>(request.status());
  if (!note.ok()) {
    return Refuse(kBadRequest, absl::StrCat("invalid input: ", note.status().message(), "\n"));
  }
  const absl::StatusOr<Checkpoint> checkpoint = ParseCheckpointBody(note->text);
  if (!checkpoint.ok()) {
    return Refuse(kBadRequest,
                  absl::StrCat("invalid checkpoint: ", checkpoint.status().message(), "\n"));
  }
  const std::optional<WitnessedLog> log = find_log(checkpoint->origin);
  if (!log) return Refuse(kNotFound, "unknown log\n");
  const std::array keys = {log->key};
  const auto verified = VerifyNote(*note, keys);
  if (!verified.ok()) {
    return Refuse(kForbidden,
                  absl::StrCat("invalid signature: ", verified.status().message(), "\n"));
  }
  if (request->old_size > checkpoint->size) {
    return Refuse(kBadRequest, "invalid input: the old size is above the checkpoint's\n");
  }
  if (request->old_size != log->head.size) return Conflict(log->head.size);
  if (request->old_size == checkpoint->size && checkpoint->root != log->head.root &&
      log->head.size != 0) {
    return Conflict(log->head.size);
  }
  // Every tree extends the empty one, so a first checkpoint comes without a proof.
  const absl::Status consistent =
      request->old_size == 0
          ? (request->proof.empty() ? absl::OkStatus()
                                    : absl::FailedPreconditionError("old size 0 needs no proof"))
          : VerifyConsistency(log->head, checkpoint->Head(), request->proof);
  if (!consistent.ok()) {
    return Refuse(kUnprocessable,
                  absl::StrCat("invalid consistency proof: ", consistent.message(), "\n"));
  }
  if (checkpoint->size == 0 && checkpoint->root != EmptyRoot()) {
    return Refuse(kUnprocessable, "invalid consistency proof: not the root of an empty tree\n");
  }
  return {kAccepted, "", "text/plain", *checkpoint};
}

}  // namespace televault::audit
