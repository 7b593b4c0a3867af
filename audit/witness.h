#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "audit/note.h"

// What a witness answers to add-checkpoint (C2SP tlog-witness), without the server around it.
namespace televault::audit {

inline constexpr size_t kMaxAddCheckpointBytes = 64 * 1024;

struct AddCheckpointRequest {
  uint64_t old_size = 0;
  std::vector<Hash> proof;
  std::string checkpoint;  // signed note
};
std::string FormatAddCheckpoint(const AddCheckpointRequest& request);
absl::StatusOr<AddCheckpointRequest> ParseAddCheckpoint(std::string_view body);

// What the witness knows of one log: its key and the head it cosigned last (size 0: none yet).
struct WitnessedLog {
  VerifierKey key;
  TreeHead head;
};

struct WitnessDecision {
  int http_status = 0;
  std::string body;          // of the answer; empty where accepted: the cosignature is the body
  std::string content_type;  // "text/x.tlog.size" of a 409, else "text/plain"
  // Accepted: to be compared and persisted in one step, then cosigned with CosignText, then
  // answered with the line; never in another order.
  std::optional<Checkpoint> accepted;
};

// Decides alone from the request and the state `find_log` gives for an origin (nullopt: unknown
// log). 200 accepted · 400 malformed · 403 signature · 404 unknown log · 409 old size is not the
// witness's or same size with another root · 422 consistency.
// The caller must hold the log's state still from find_log until the new head is persisted.
WitnessDecision DecideAddCheckpoint(
    std::string_view body,
    absl::FunctionRef<std::optional<WitnessedLog>(const std::string& origin)> find_log);

}  // namespace televault::audit
