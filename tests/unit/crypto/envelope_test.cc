#include "vault/crypto/envelope.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/crypto/hash.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using ::testing::StrEq;

const VaultId kVault{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

SecretBytes KeyOf(uint64_t seed) {
  SeededRandom random(seed);
  return NewKey(random);
}

std::string SealText(Algorithm algorithm, std::string_view text, uint64_t seed = 7) {
  SeededRandom random(seed);
  return SealWith(algorithm, KeyOf(1), Use::kMetaRecord, AsBytes("identity"), AsBytes(text), kVault,
                  random);
}

absl::StatusOr<std::string> OpenText(std::string_view envelope) {
  TV_ASSIGN_OR_RETURN(const WipedBuffer plain, Open(KeyOf(1), Use::kMetaRecord, AsBytes("identity"),
                                                    AsBytes(envelope), kVault));
  return std::string(AsText(plain));
}

std::vector<Algorithm> Algorithms() {
  std::vector<Algorithm> all = {Algorithm::kXChaCha20Poly1305};
  if (Available(Algorithm::kAes256Gcm)) all.push_back(Algorithm::kAes256Gcm);
  return all;
}

TEST(Envelope, OpensWhatItSealed) {
  for (const Algorithm algorithm : Algorithms()) {
    for (const size_t size : {0UL, 1UL, 31UL, 4096UL, 1UL << 20}) {
      const std::string text(size, 'x');
      const std::string envelope = SealText(algorithm, text);
      EXPECT_EQ(envelope.size(), size + kEnvelopeOverhead);
      EXPECT_TRUE(LooksLikeEnvelope(AsBytes(envelope)));
      TV_ASSERT_OK_AND_ASSIGN(const std::string opened, OpenText(envelope));
      EXPECT_EQ(opened, text);
    }
  }
}

TEST(Envelope, AnyChangedByteAndAnyTruncationDoesNotOpen) {
  for (const Algorithm algorithm : Algorithms()) {
    const std::string envelope = SealText(algorithm, "the plaintext");
    for (size_t i = 0; i < envelope.size(); ++i) {
      for (const int bit : {0, 7}) {
        std::string changed = envelope;
        changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
        EXPECT_THAT(OpenText(changed),
                    StatusIs(absl::StatusCode::kDataLoss, StrEq("does not open")))
            << "byte " << i;
      }
      EXPECT_THAT(OpenText(envelope.substr(0, i)), StatusIs(absl::StatusCode::kDataLoss));
    }
    EXPECT_THAT(OpenText(envelope + "x"), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// The algorithm byte is part of the derivation: swapping it for the other known one fails on the
// commitment, before any AEAD runs.
TEST(Envelope, IsNeverNegotiatedToAnotherAlgorithm) {
  for (const Algorithm algorithm : Algorithms()) {
    std::string envelope = SealText(algorithm, "text");
    for (int byte = 0; byte < 256; ++byte) {
      if (byte == static_cast<int>(algorithm)) continue;
      envelope[1] = static_cast<char>(byte);
      EXPECT_FALSE(OpenText(envelope).ok()) << byte;
    }
  }
}

TEST(Envelope, IsBoundToKeyUseIdentityAndVault) {
  const std::string envelope = SealText(PreferredAlgorithm(), "text");
  const auto open = [&](uint64_t key, Use use, std::string_view identity, const VaultId& vault) {
    return Open(KeyOf(key), use, AsBytes(identity), AsBytes(envelope), vault).status();
  };
  VaultId other = kVault;
  other.bytes[15] ^= 1;
  EXPECT_THAT(open(1, Use::kMetaRecord, "identity", kVault), IsOk());
  EXPECT_THAT(open(2, Use::kMetaRecord, "identity", kVault), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(open(1, Use::kHotBatch, "identity", kVault), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(open(1, Use::kMetaRecord, "identitY", kVault), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(open(1, Use::kMetaRecord, "", kVault), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(open(1, Use::kMetaRecord, "identity", other), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(Envelope, EverySealIsDifferent) {
  SeededRandom random(3);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    seen.insert(Seal(KeyOf(1), Use::kMetaRecord, {}, AsBytes("same"), kVault, random));
  }
  EXPECT_EQ(seen.size(), 100U);
}

// With TELEVAULT_NULL_CIPHER this is one of the tests that must fail.
TEST(Envelope, HidesThePlaintext) {
  for (const Algorithm algorithm : Algorithms()) {
    EXPECT_EQ(SealText(algorithm, "PLAINTEXT-MARKER").find("MARKER"), std::string::npos);
  }
}

TEST(Envelope, CarriesSecretsWithoutLeavingGuardedMemory) {
  SeededRandom random(9);
  const SecretBytes secret = KeyOf(44);
  const std::string envelope =
      SealSecret(KeyOf(1), Use::kKeyringEntry, AsBytes("k"), secret, kVault, random);
  TV_ASSERT_OK_AND_ASSIGN(
      const SecretBytes opened,
      OpenSecret(KeyOf(1), Use::kKeyringEntry, AsBytes("k"), AsBytes(envelope), kVault));
  EXPECT_TRUE(EqualSecrets(opened, secret));
  EXPECT_THAT(OpenSecret(KeyOf(2), Use::kKeyringEntry, AsBytes("k"), AsBytes(envelope), kVault),
              StatusIs(absl::StatusCode::kDataLoss));
}

// One line per algorithm: "<algorithm> <hex>". Written once; readers read it for ever.
TEST(Envelope, OpensTheGoldenEnvelopesAndWritesTheSameBytes) {
  const char* const path = "tests/golden/crypto/envelope-v1.txt";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  int checked = 0;
  int number;
  std::string hex;
  while (file >> number >> hex) {
    const auto algorithm = static_cast<Algorithm>(number);
    if (!Available(algorithm)) continue;
    TV_ASSERT_OK_AND_ASSIGN(const std::string envelope, FromHex(hex));
    TV_ASSERT_OK_AND_ASSIGN(const std::string opened, OpenText(envelope));
    EXPECT_EQ(opened, "golden plaintext");
    EXPECT_EQ(ToHex(AsBytes(SealText(algorithm, "golden plaintext", 2026))), hex);
    ++checked;
  }
  EXPECT_GE(checked, 1);
}

TEST(KeyedHash, SeparatesUsesAndKeys) {
  const Bytes input = AsBytes("input");
  const Hash32 hash = KeyedHash32(KeyOf(1), "one", input);
  EXPECT_EQ(hash, KeyedHash32(KeyOf(1), "one", input));
  EXPECT_NE(hash, KeyedHash32(KeyOf(1), "two", input));
  EXPECT_NE(hash, KeyedHash32(KeyOf(2), "one", input));
  EXPECT_NE(hash, KeyedHash32(KeyOf(1), "one", AsBytes("inpuT")));
  EXPECT_FALSE(EqualSecrets(DeriveKey(KeyOf(1), "a"), DeriveKey(KeyOf(1), "b")));
  EXPECT_FALSE(EqualSecrets(DeriveKey(KeyOf(1), "a", AsBytes("x")), DeriveKey(KeyOf(1), "a")));
}

// RFC 7693, appendix A computes BLAKE2b-512; this is BLAKE2b-256 of the same input.
TEST(PlainHash, IsBlake2b256) {
  EXPECT_EQ(ToHex(PlainHash32(AsBytes("abc"))),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST(TakeSecret, WipesItsSource) {
  std::string source = "correct horse battery";
  const SecretBytes secret = TakeSecret({reinterpret_cast<uint8_t*>(source.data()), source.size()});
  EXPECT_EQ(secret.size(), 21U);
  EXPECT_EQ(source, std::string(21, '\0'));
}

}  // namespace
}  // namespace televault::crypto
