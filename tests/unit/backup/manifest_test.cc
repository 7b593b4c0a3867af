#include "vault/backup/manifest.h"

#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include "absl/strings/str_replace.h"

#include "audit/signer_key.h"
#include "tests/support/status_matchers.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"

namespace televault::backup {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kGoldenManifest[] = "tests/golden/backup/manifest-v1.txt";
constexpr char kGoldenList[] = "tests/golden/backup/files-v1.txt";
constexpr char kOrigin[] = "vault.example.org/televault";

std::string ReadWholeFile(const std::string& path) {
  const auto text = PosixFileSystem().ReadFile(path, 1 << 16);
  EXPECT_THAT(text, IsOk());
  return text.value_or("");
}

std::vector<FileEntry> TheFiles() {
  std::vector<FileEntry> files;
  for (const auto& [name, content] : {std::pair("checkpoint", "the signed head"),
                                      {"store/db/000007.sst", "sealed"},
                                      {"store/db/CURRENT", "MANIFEST-000005\n"},
                                      {"store/db/MANIFEST-000005", ""}}) {
    const std::string_view bytes(content);
    files.push_back({name, bytes.size(), crypto::PlainHash32(AsBytes(bytes))});
  }
  return files;
}

Manifest TheManifest() {
  Manifest manifest;
  manifest.vault.bytes.fill(0xA7);
  manifest.created_at = {1'795'428'000'123'456};
  manifest.head = {48'211, audit::LeafHash(AsBytes("root"))};
  manifest.commits = 40'112;
  manifest.meta_sum.fill(0x5C);
  manifest.store_epoch = StoreEpoch(12);
  manifest.keyring_generation = 371;
  manifest.meta_key = 2;
  manifest.lock_epoch = LockEpoch(4);
  manifest.files = 4;
  manifest.bytes = 37;
  manifest.list = crypto::PlainHash32(AsBytes(FormatList(TheFiles())));
  return manifest;
}

// Signs as a key made of one byte.
std::string Signed(const std::string& text, uint8_t byte = 9) {
  std::array<uint8_t, audit::kSigningSeedBytes> seed;
  seed.fill(byte);
  const auto key = audit::KeyOfSeed(kOrigin, audit::KeyType::kEd25519, seed);
  std::array<uint8_t, audit::kSigningKeyBytes> secret;
  audit::PublicKey ignored;
  crypto_sign_seed_keypair(ignored.data(), secret.data(), seed.data());
  const auto signature = audit::SignText(text, *key, secret);
  EXPECT_THAT(signature, IsOk());
  return audit::Note{text, {*signature}}.Text();
}

audit::VerifierKey Key(uint8_t byte = 9) {
  std::array<uint8_t, audit::kSigningSeedBytes> seed;
  seed.fill(byte);
  return *audit::KeyOfSeed(kOrigin, audit::KeyType::kEd25519, seed);
}

TEST(BackupManifest, IsTheOneOfThePublishedFormat) {
  EXPECT_EQ(Signed(FormatManifest(TheManifest())), ReadWholeFile(kGoldenManifest));
  EXPECT_EQ(FormatList(TheFiles()), ReadWholeFile(kGoldenList));
  TV_ASSERT_OK_AND_ASSIGN(const Manifest read, OpenManifest(ReadWholeFile(kGoldenManifest), Key()));
  EXPECT_EQ(read, TheManifest());
  TV_ASSERT_OK_AND_ASSIGN(const auto files, ParseList(ReadWholeFile(kGoldenList)));
  EXPECT_EQ(files, TheFiles());
}

TEST(BackupManifest, IsReadOnlyUnderTheVaultsKey) {
  EXPECT_THAT(OpenManifest(ReadWholeFile(kGoldenManifest), Key(8)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  std::string changed = ReadWholeFile(kGoldenManifest);
  changed[changed.find("48211")] = '3';
  EXPECT_THAT(OpenManifest(changed, Key()), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(OpenManifest("", Key()), StatusIs(absl::StatusCode::kDataLoss));
  // Signed by the vault, and something else.
  EXPECT_THAT(OpenManifest(Signed("vault.example.org/televault\n1\nAAAA\n"), Key()),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(BackupManifest, HasOneSpelling) {
  const std::string text = FormatManifest(TheManifest());
  ASSERT_THAT(ParseManifest(text), IsOk());
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"audit_size 48211", "audit_size 048211"},
                                                        {"audit_size 48211", "audit_size 48211 "},
                                                        {"backup v1", "backup v2"},
                                                        {"123456Z", "123456+00:00"},
                                                        {"a7a7", "A7a7"},
                                                        {"files 4\n", ""},
                                                        {"meta_key 2", "meta_key 4294967298"},
                                                        {"files 4", "files 99999999999999999999"},
                                                        {"list ", "list\t"}}) {
    EXPECT_THAT(ParseManifest(absl::StrReplaceAll(text, {{from, to}})),
                StatusIs(absl::StatusCode::kDataLoss))
        << from << " → " << to;
  }
  EXPECT_THAT(ParseManifest(text + "more\n"), StatusIs(absl::StatusCode::kDataLoss));
  for (size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_THAT(ParseManifest(text.substr(0, cut)), StatusIs(absl::StatusCode::kDataLoss)) << cut;
  }
}

TEST(BackupList, NamesNothingOutsideOfTheBackup) {
  const std::string hash(64, 'a');
  ASSERT_THAT(ParseList(hash + " 1 store/db/000001.log\n"), IsOk());
  for (const char* const name :
       {"/etc/passwd", "../identity", "store/db/../../identity", "store/db/.hidden", "store/db/a/b",
        "store/db/", "store/restored", "manifest", "files", "", "store/db/a b"}) {
    EXPECT_THAT(ParseList(hash + " 1 " + name + "\n"), StatusIs(absl::StatusCode::kDataLoss))
        << name;
  }
  const std::string one = hash + " 1 store/db/A\n";
  EXPECT_THAT(ParseList(one + one), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("order")));
  EXPECT_THAT(ParseList(hash + " 1 store/db/A"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseList(hash + " -1 store/db/A\n"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseList("\n"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseList(std::string(64, 'A') + " 1 store/db/A\n"),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::backup
