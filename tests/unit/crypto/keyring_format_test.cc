#include "vault/crypto/keyring_format.h"

#include "tests/support/status_matchers.h"
#include "vault/base/file_system.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
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
  content.first_key_since_restore = 6;
  content.lock_epoch = LockEpoch(5);
  content.replicas = {{1}, {2}};
  content.holds = {
      {.id = {1},
       .dataset = DatasetId(1),
       .first_day = Day(-2),
       .last_day = Day(20'000),
       .placed_at = {50},
       .until = {70},
       .placed_by = "alice",
       .reason = "file 12"},
      {.id = {2}, .dataset = DatasetId(7), .placed_at = {1}, .until = {9}, .ended_at = {5}}};
  content.root.source = RootSource::kShares;
  content.root.shares = {.id = {9}, .shares = 3, .threshold = 2, .digests = {{1}, {2}, {3}}};
  content.root_created_at = {40};
  content.root_check = Wrapped(1);
  content.name_key = Wrapped(9);
  content.meta_keys[2] = {{45}, Wrapped(2)};
  content.meta_keys[3] = {{46}, Wrapped(10)};
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
      PosixFileSystem().ReadFile("tests/fuzz/corpus/keyring/golden-v4", 1 << 20));
  EXPECT_EQ(ToHex(EncodeKeyring(Sample())), ToHex(AsBytes(golden)));
  TV_ASSERT_OK_AND_ASSIGN(const KeyringContent content, ParseKeyring(AsBytes(golden)));
  EXPECT_EQ(content.generation, 17U);
  EXPECT_EQ(content.data_keys.size(), 2U);
  EXPECT_TRUE(content.audit_epochs.at(1).shredded);
  EXPECT_EQ(content.data_keys.begin()->second.deadline, WallTime{-50});
  EXPECT_EQ(content.holds[0].reason, "file 12");
  EXPECT_EQ(content.holds[1].ended_at, WallTime{5});
  EXPECT_EQ(content.root.shares.threshold, 2U);
  EXPECT_EQ(content.meta_keys.rbegin()->first, 3U);
}

TEST(KeyringFormat, KeepsWhatARootOfEachKindIsMadeFrom) {
  KeyringContent content = Sample();
  content.root = {};
  content.root.source = RootSource::kPassphrase;
  content.root.passphrase.salt.fill(0xAB);
  content.root.passphrase.passes = 4;
  TV_ASSERT_OK_AND_ASSIGN(const KeyringContent passphrase, ParseKeyring(EncodeKeyring(content)));
  EXPECT_EQ(passphrase.root.passphrase.salt, content.root.passphrase.salt);
  EXPECT_EQ(passphrase.root.passphrase.passes, 4U);
  EXPECT_TRUE(passphrase.root.shares.digests.empty());
  content.root = {};
  TV_ASSERT_OK_AND_ASSIGN(const KeyringContent key_file, ParseKeyring(EncodeKeyring(content)));
  EXPECT_EQ(key_file.root.source, RootSource::kKeyFile);
  EXPECT_EQ(key_file.root_created_at, WallTime{40});
}

TEST(KeyringFormat, RefusesCountsOfSharesOutOfBounds) {
  for (const auto& [shares, threshold] : {std::pair(3, 1), {1, 2}, {2, 3}, {33, 2}}) {
    KeyringContent content = Sample();
    content.root.shares.shares = static_cast<uint8_t>(shares);
    content.root.shares.threshold = static_cast<uint8_t>(threshold);
    content.root.shares.digests.resize(static_cast<size_t>(shares));
    EXPECT_THAT(ParseKeyring(EncodeKeyring(content)).status(),
                StatusIs(absl::StatusCode::kDataLoss))
        << shares << " " << threshold;
  }
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

TEST(KeyringFormat, RefusesARestoreAfterTheLastKey) {
  KeyringContent content = Sample();
  content.first_key_since_restore = 9;
  EXPECT_THAT(ParseKeyring(EncodeKeyring(content)).status(), IsOk());
  content.first_key_since_restore = 10;
  EXPECT_THAT(ParseKeyring(EncodeKeyring(content)).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(KeyringFormat, RefusesKeyIdsThatWereNeverGivenOut) {
  KeyringContent content = Sample();
  content.first_key_since_restore = 0;
  content.next_key_id = 8;
  EXPECT_THAT(ParseKeyring(EncodeKeyring(content)).status(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::crypto
