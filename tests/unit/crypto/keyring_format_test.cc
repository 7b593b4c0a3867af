#include "vault/crypto/keyring_format.h"

#include "tests/support/status_matchers.h"
#include "vault/base/file_system.h"

namespace televault::crypto {
namespace {

using televault::testing::StatusIs;

WrappedKey Wrapped(uint8_t fill) {
  WrappedKey key;
  key.fill(fill);
  key[0] = kEnvelopeVersion;
  key[1] = static_cast<uint8_t>(Algorithm::kXChaCha20Poly1305);
  return key;
}

KeyringContent Sample() {
  KeyringContent content;
  content.slot = 3;
  content.generation = 17;
  content.next_key_id = 9;
  content.lock_epoch = LockEpoch(5);
  content.replicas = {{1}, {2}};
  content.root.source = RootSource::kPassphrase;
  content.root.passphrase.salt.fill(0xAB);
  content.root_check = Wrapped(1);
  content.meta_key = Wrapped(2);
  content.audit_epochs[1] = {{1, {}, {1'000}}, true, {}};
  content.audit_epochs[2] = {{2, {7}, {2'000}}, false, Wrapped(3)};
  content.erasure_keys[DatasetId(1)] = Wrapped(4);
  content.salts[{DatasetId(1), -1}] = Wrapped(5);
  content.salts[{DatasetId(1), 8}] = Wrapped(6);
  content.data_keys[{{DatasetId(1), Day(-2)}, KeyId(1)}] = {{-50}, Wrapped(7)};
  content.data_keys[{{DatasetId(1), Day(20'000)}, KeyId(8)}] = {{99}, Wrapped(8)};
  return content;
}

// The golden file also serves as the first input of the fuzz target.
TEST(KeyringFormat, ReadsTheGoldenKeyringAndWritesTheSameBytes) {
  TV_ASSERT_OK_AND_ASSIGN(
      const std::string golden,
      PosixFileSystem().ReadFile("tests/fuzz/corpus/keyring/golden-v2", 1 << 20));
  EXPECT_EQ(ToHex(EncodeKeyring(Sample())), ToHex(AsBytes(golden)));
  TV_ASSERT_OK_AND_ASSIGN(const KeyringContent content, ParseKeyring(AsBytes(golden)));
  EXPECT_EQ(content.generation, 17U);
  EXPECT_EQ(content.data_keys.size(), 2U);
  EXPECT_TRUE(content.audit_epochs.at(1).shredded);
  EXPECT_EQ(content.data_keys.begin()->second.deadline, WallTime{-50});
}

TEST(KeyringFormat, ReadsTheFirstVersion) {
  TV_ASSERT_OK_AND_ASSIGN(
      const std::string golden,
      PosixFileSystem().ReadFile("tests/fuzz/corpus/keyring/golden-v1", 1 << 20));
  TV_ASSERT_OK_AND_ASSIGN(KeyringContent content, ParseKeyring(AsBytes(golden)));
  EXPECT_TRUE(content.replicas.empty());
  content.replicas = Sample().replicas;
  EXPECT_EQ(ToHex(EncodeKeyring(content)), ToHex(EncodeKeyring(Sample())));
}

TEST(KeyringFormat, RefusesEveryTruncationAndTrailingBytes) {
  const std::string whole(AsText(EncodeKeyring(Sample())));
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_THAT(ParseKeyring(AsBytes(whole).first(i)).status(),
                StatusIs(absl::StatusCode::kDataLoss))
        << i;
  }
  EXPECT_THAT(ParseKeyring(AsBytes(whole + "x")).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(KeyringFormat, RefusesKeyIdsThatWereNeverGivenOut) {
  KeyringContent content = Sample();
  content.next_key_id = 8;
  EXPECT_THAT(ParseKeyring(EncodeKeyring(content)).status(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::crypto
