#include "audit/proof_file.h"

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

constexpr std::string_view kHeader = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtra = "extra ";
constexpr std::string_view kIndex = "index ";

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tlog-proof: ", AsAbsl(what)));
}

}  // namespace

std::string FormatProofFile(const ProofFile& proof) {
  std::string text = absl::StrCat(AsAbsl(kHeader), "\n");
  if (proof.extra) {
    absl::StrAppend(&text, AsAbsl(kExtra), Base64(AsBytes(*proof.extra)), "\n");
  }
  absl::StrAppend(&text, AsAbsl(kIndex), proof.index, "\n");
  for (const Hash& hash : proof.hashes) absl::StrAppend(&text, Base64(hash), "\n");
  absl::StrAppend(&text, "\n", proof.checkpoint);
  return text;
}

absl::StatusOr<ProofFile> ParseProofFile(std::string_view text) {
  absl::StatusOr<std::string_view> line = TakeLine(text);
  if (!line.ok() || *line != kHeader) {
    return Malformed("the first line must be c2sp.org/tlog-proof@v1");
  }
  ProofFile proof;
  line = TakeLine(text);
  if (line.ok() && line->starts_with(kExtra)) {
    absl::StatusOr<std::string> extra = FromBase64(line->substr(kExtra.size()));
    if (!extra.ok() || extra->size() > kMaxProofExtraBytes) {
      return Malformed("the extra line must be base64 of at most 64 KiB");
    }
    proof.extra = *std::move(extra);
    line = TakeLine(text);
  }
  if (!line.ok() || !line->starts_with(kIndex)) return Malformed("no index line");
  const absl::StatusOr<uint64_t> index = ParseDecimal(line->substr(kIndex.size()));
  if (!index.ok()) return Malformed("the index must be a decimal number without leading zeroes");
  proof.index = *index;
  for (line = TakeLine(text); line.ok() && !line->empty(); line = TakeLine(text)) {
    const absl::StatusOr<Hash> hash = HashFromBase64(*line);
    if (!hash.ok()) return Malformed("each proof line must be base64 of 32 bytes");
    if (proof.hashes.size() == kMaxProofHashes) return Malformed("more than 63 proof lines");
    proof.hashes.push_back(*hash);
  }
  if (!line.ok()) return Malformed("no empty line before the checkpoint");
  if (text.empty() || text.size() > kMaxNoteBytes) {
    return Malformed("the checkpoint is missing or longer than 256 KiB");
  }
  proof.checkpoint = std::string(text);
  return proof;
}

absl::StatusOr<Checkpoint> VerifyProofFile(const ProofFile& proof, const Hash& leaf_hash,
                                           const VerifierKey& key) {
  absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(proof.checkpoint, key);
  if (!checkpoint.ok()) return checkpoint;
  const absl::Status status =
      VerifyInclusion(proof.index, leaf_hash, proof.hashes, checkpoint->Head());
  if (!status.ok()) return status;
  return checkpoint;
}

}  // namespace televault::audit
