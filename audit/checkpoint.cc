#include "audit/checkpoint.h"

#include <array>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {

std::string CheckpointBody(const Checkpoint& checkpoint) {
  return absl::StrCat(checkpoint.origin, "\n", checkpoint.size, "\n", Base64(checkpoint.root),
                      "\n");
}

absl::StatusOr<Checkpoint> ParseCheckpointBody(std::string_view body) {
  absl::StatusOr<std::string_view> origin = TakeLine(body);
  absl::StatusOr<std::string_view> size_line = origin.ok() ? TakeLine(body) : origin;
  absl::StatusOr<std::string_view> root_line = size_line.ok() ? TakeLine(body) : size_line;
  if (!root_line.ok()) {
    return absl::InvalidArgumentError("checkpoint: must have three lines: origin, size, root");
  }
  if (origin->size() > kMaxKeyNameBytes || !IsKeyName(*origin)) {
    return absl::InvalidArgumentError(
        "checkpoint: the origin must be 1 to 255 bytes without spaces and '+'");
  }
  const absl::StatusOr<uint64_t> size = ParseDecimal(*size_line);
  if (!size.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint: size: ", size.status().message()));
  }
  const absl::StatusOr<Hash> root = HashFromBase64(*root_line);
  if (!root.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint: root: ", root.status().message()));
  }
  if (!body.empty()) {
    return absl::InvalidArgumentError("checkpoint: extension lines are not accepted");
  }
  return Checkpoint{std::string(*origin), *size, *root};
}

absl::StatusOr<std::string> SignCheckpoint(const TreeHead& head, const VerifierKey& key,
                                           SigningKey secret) {
  Note note;
  note.text = CheckpointBody({key.name(), head.size, head.root});
  absl::StatusOr<NoteSignature> signature = SignText(note.text, key, secret);
  if (!signature.ok()) return signature.status();
  note.signatures.push_back(*std::move(signature));
  return note.Text();
}

absl::StatusOr<Checkpoint> ReadUnverified(std::string_view note) {
  const absl::StatusOr<Note> parsed = ParseNote(note);
  return parsed.ok() ? ParseCheckpointBody(parsed->text)
                     : absl::StatusOr<Checkpoint>(parsed.status());
}

absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view text, const VerifierKey& key) {
  absl::StatusOr<Note> note = ParseNote(text);
  if (!note.ok()) return note.status();
  if (key.type() != KeyType::kEd25519) {
    return absl::InvalidArgumentError("checkpoint: a log's key must be of type 01 (Ed25519)");
  }
  const std::array keys = {key};
  absl::StatusOr<std::vector<VerifiedSignature>> verified = VerifyNote(*note, keys);
  if (!verified.ok()) return verified.status();
  absl::StatusOr<Checkpoint> checkpoint = ParseCheckpointBody(note->text);
  if (!checkpoint.ok()) return checkpoint;
  if (checkpoint->origin != key.name()) {
    return absl::FailedPreconditionError("checkpoint: the origin is not the log's name");
  }
  return checkpoint;
}

}  // namespace televault::audit
