#include "vault/crypto/key_file.h"

#include <algorithm>
#include <sodium.h>

#include "absl/strings/str_cat.h"

#include "vault/crypto/hash.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

// "TVK1" ‖ kind ‖ 3 zero bytes ‖ secret ‖ BLAKE2b-256 of all that: 72 bytes.
constexpr std::string_view kMagic = "TVK1";
constexpr size_t kHeaderBytes = 8;
static_assert(kKeyFileBytes == kHeaderBytes + kKeyBytes + 32);

absl::Status Damaged(const std::string& path) {
  return absl::DataLossError(absl::StrCat(path, " is damaged or not the key file it should be"));
}

// The secret in the first `count` bytes of `file`, which has room for one more than there may be.
absl::StatusOr<SecretBytes> KeyIn(const SecretBytes& file, size_t count, const std::string& path,
                                  KeyFileKind kind) {
  if (count != kKeyFileBytes) return Damaged(path);
  const Bytes bytes = file.Read(MintSecretPass()).first(kKeyFileBytes);
  const Hash32 checksum = PlainHash32(bytes.first(kHeaderBytes + kKeyBytes));
  const bool magic = std::equal(kMagic.begin(), kMagic.end(), AsText(bytes).begin());
  if (!magic || bytes[4] != static_cast<uint8_t>(kind) || bytes[5] != 0 || bytes[6] != 0 ||
      bytes[7] != 0 || !EqualSecrets(checksum, bytes.last(32))) {
    return Damaged(path);
  }
  SecretBytes secret(kKeyBytes);
  const Bytes key = bytes.subspan(kHeaderBytes, kKeyBytes);
  std::copy(key.begin(), key.end(), secret.Write(MintSecretPass()).begin());
  return secret;
}

}  // namespace

absl::Status CreateKeyFile(FileSystem& fs, const std::string& path, KeyFileKind kind,
                           const SecretBytes& secret) {
  if (secret.size() != kKeyBytes) {
    return absl::InvalidArgumentError("a key file holds a key of 32 bytes");
  }
  if (fs.Exists(path)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " exists; a key is never overwritten"));
  }
  SecretBytes file(kKeyFileBytes);
  const auto bytes = file.Write(MintSecretPass());
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  bytes[kMagic.size()] = static_cast<uint8_t>(kind);
  const auto source = secret.Read(MintSecretPass());
  std::copy(source.begin(), source.end(), bytes.begin() + kHeaderBytes);
  const Hash32 checksum = PlainHash32(bytes.first(kHeaderBytes + kKeyBytes));
  std::copy(checksum.begin(), checksum.end(), bytes.end() - 32);
  // What a crash left of another attempt is a secret just the same: to give its blocks back as they
  // are would leave it on the disk for good.
  const absl::Status leftover = fs.Shred(path + ".new");
  if (!absl::IsNotFound(leftover)) TV_RETURN_IF_ERROR(leftover);
  return ReplaceFile(fs, path, bytes, 0600);
}

absl::StatusOr<SecretBytes> ReadKeyFile(FileSystem& fs, const std::string& path, KeyFileKind kind) {
  SecretBytes file(kKeyFileBytes + 1);
  TV_ASSIGN_OR_RETURN(const size_t count, fs.ReadInto(path, 0, file.Write(MintSecretPass())));
  return KeyIn(file, count, path, kind);
}

absl::StatusOr<SecretBytes> ReadPrivateKeyFile(FileSystem& fs, const std::string& path,
                                               KeyFileKind kind) {
  SecretBytes file(kKeyFileBytes + 1);
  TV_ASSIGN_OR_RETURN(const size_t count, fs.ReadPrivate(path, file.Write(MintSecretPass())));
  return KeyIn(file, count, path, kind);
}

}  // namespace televault::crypto
