#include "vault/crypto/replica_mark.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "vault/base/bytes.h"

namespace televault::crypto {
namespace {

constexpr char kHeader[] = "televault key replica 1";

}  // namespace

std::string FormatReplicaMark(const VaultId& vault, const ReplicaId& id) {
  return absl::StrCat(kHeader, "\nvault ", ToHex(vault.bytes), "\nid ", ToHex(id), "\n");
}

absl::StatusOr<ReplicaId> ParseReplicaMark(std::string_view text, const VaultId& vault) {
  const std::vector<std::string> lines = absl::StrSplit(std::string(text), '\n');
  ReplicaId id{};
  if (lines.size() == 4 && lines[2].starts_with("id ")) {
    const auto bytes = FromHex(std::string_view(lines[2]).substr(3));
    if (bytes.ok() && bytes->size() == id.size())
      std::copy(bytes->begin(), bytes->end(), id.begin());
  }
  if (text != FormatReplicaMark(vault, id)) {
    return absl::FailedPreconditionError("damaged or the mark of another vault");
  }
  return id;
}

}  // namespace televault::crypto
