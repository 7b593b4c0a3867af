// FUZZ_DEPS: televault_backup
// What lies in a backup, or beside a store, may be anybody's bytes: the manifest, the list of
// files, the order of a restore. Whatever is taken has one spelling.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "vault/backup/manifest.h"
#include "vault/backup/restore_order.h"
#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/crypto/hash.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;  // NOLINT: one function
  static const SecretBytes key(32);
  static const audit::VerifierKey log =
      audit::VerifierKey::Create("fuzz.example/log", audit::KeyType::kEd25519, audit::PublicKey{1})
          .value();
  const Bytes input(data, size);
  const std::string_view text = AsText(input);
  if (const auto manifest = backup::ParseManifest(text); manifest.ok()) {
    TV_CHECK(backup::FormatManifest(*manifest) == text);
  }
  TV_CHECK(!backup::OpenManifest(text, log).ok());
  if (const auto files = backup::ParseList(text); files.ok()) {
    TV_CHECK(backup::FormatList(*files) == text);
    for (const backup::FileEntry& file : *files) {
      TV_CHECK(file.name == backup::kCheckpointFile || file.name.starts_with("store/db/"));
      TV_CHECK(file.name.find("..", 0) != 0 && file.name.find("/.") == std::string::npos);
    }
  }
  if (const auto order = backup::ParseOrder(text, key); order.ok()) {
    TV_CHECK(backup::FormatOrder(*order, key) == text);
  }
  // Behind the MAC, which is made right.
  std::string signed_order(text);
  signed_order += "mac " + ToHex(crypto::KeyedHash32(key, "televault.rstor", input)) + "\n";
  if (const auto order = backup::ParseOrder(signed_order, key); order.ok()) {
    TV_CHECK(backup::FormatOrder(*order, key) == signed_order);
  }
  return 0;
}
