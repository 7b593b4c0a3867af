#include "vault/daemon/layout.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "vault/base/bytes.h"

namespace televault::daemon {
namespace {

constexpr char kHeader[] = "televault vault 1";
// A fourth line, where slot secrets are not in files: versions that know no tokens refuse it.
constexpr char kOnTokens[] = "slots pkcs11";
constexpr size_t kMaxIdentityBytes = 1'024;

}  // namespace

std::string FormatIdentity(const Identity& identity) {
  return absl::StrCat(kHeader, "\nid ", ToHex(identity.vault.bytes), "\norigin ", identity.origin,
                      "\n",
                      identity.slots == SlotBackend::kPkcs11 ? absl::StrCat(kOnTokens, "\n") : "");
}

absl::StatusOr<Identity> ParseIdentity(std::string_view text) {
  const std::vector<std::string> lines = absl::StrSplit(std::string(text), '\n');
  if (lines.size() < 4 || lines.size() > 5 || lines[0] != kHeader || !lines.back().empty()) {
    return absl::DataLossError("identity: not the lines that init wrote");
  }
  if (!lines[1].starts_with("id ") || !lines[2].starts_with("origin ")) {
    return absl::DataLossError("identity: line 2 is \"id HEX\" and line 3 \"origin NAME\"");
  }
  Identity identity;
  if (lines.size() == 5) {
    if (lines[3] != kOnTokens) {
      return absl::DataLossError(
          absl::StrCat("identity: line 4 is \"", kOnTokens, "\" or not there"));
    }
    identity.slots = SlotBackend::kPkcs11;
  }
  const auto id = FromHex(std::string_view(lines[1]).substr(3));
  if (!id.ok() || id->size() != identity.vault.bytes.size()) {
    return absl::DataLossError("identity: line 2 needs 32 hexadecimal digits");
  }
  std::copy(id->begin(), id->end(), identity.vault.bytes.begin());
  identity.origin = lines[2].substr(7);
  if (identity.origin.empty()) return absl::DataLossError("identity: line 3 has no origin");
  return identity;
}

absl::StatusOr<Identity> ReadIdentity(FileSystem& fs, const Layout& layout) {
  const auto text = fs.ReadFile(layout.identity(), kMaxIdentityBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat("there is no vault in ", layout.data_dir,
                                            ": make one with `televaultd init --data-dir ",
                                            layout.data_dir, "`"));
  }
  TV_RETURN_IF_ERROR(text.status());
  return ParseIdentity(*text);
}

}  // namespace televault::daemon
