#include "audit/note.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::HasSubstr;
using testing::NamedKey;
using testing::TestKey;
using testing::Vector;
using testing::Vectors;

const std::string kText = "first line\n\nthird line\n";

std::string Signed(const std::string& text, std::initializer_list<TestKey> keys) {
  Note note{text, {}};
  for (const TestKey& key : keys) {
    note.signatures.push_back(SignText(text, key.key, key.secret).value());
  }
  return note.Text();
}

TEST(Notes, PublishedNotesVerifyAndAreWrittenBackUnchanged) {
  for (const auto& v : Vectors()["signed_note"]) {
    const auto key = VerifierKey::Parse(v["vkey"].get<std::string>());
    ASSERT_THAT(key, IsOk());
    EXPECT_EQ(key->Text(), v["vkey"]);
    const auto note = ParseNote(v["note"].get<std::string>());
    ASSERT_THAT(note, IsOk());
    EXPECT_EQ(note->Text(), v["note"]);
    EXPECT_THAT(VerifyNote(*note, std::array{*key}), IsOk());
    Note altered = *note;
    altered.text[0] ^= 1;
    EXPECT_THAT(VerifyNote(altered, std::array{*key}),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  }
}

TEST(Notes, PublishedCosignatureVerifiesWithItsTime) {
  for (const auto& v : Vectors()["cosignature_v1"]) {
    const auto key = VerifierKey::Parse(v["vkey"].get<std::string>());
    ASSERT_THAT(key, IsOk());
    const auto note = ParseNote(v["note"].get<std::string>());
    ASSERT_THAT(note, IsOk());
    const auto verified = VerifyNote(*note, std::array{*key});
    ASSERT_THAT(verified, IsOk());
    ASSERT_EQ(verified->size(), 1u);
    EXPECT_EQ((*verified)[0].timestamp_s, v["time"].get<uint64_t>());
  }
}

TEST(Notes, PublishedCosignatureIsMadeAgainFromItsSeed) {
  const Vector v = Vectors()["sunlight_mirror_300"];
  const auto published = VerifierKey::Parse(v["cosigner_vkey"].get<std::string>());
  ASSERT_THAT(published, IsOk());
  const std::string seed = v["signer_seed"];
  ASSERT_TRUE(seed.starts_with("SHA-256(")) << seed;
  const TestKey mirror = testing::KeyFromSeed(published->name(), KeyType::kCosignatureV1,
                                              testing::Sha256(testing::Quoted(seed)));
  EXPECT_EQ(mirror.key, *published);
  auto note = ParseNote(v["checkpoint_cosigned"].get<std::string>());
  ASSERT_THAT(note, IsOk());
  const auto cosignature =
      CosignText(note->text, v["cosign_time"].get<uint64_t>(), mirror.key, mirror.secret);
  ASSERT_THAT(cosignature, IsOk());
  EXPECT_EQ(*cosignature, note->signatures.at(0));
}

TEST(Notes, PublishedCosignatureTimeIsRead) {
  const Vector v = Vectors()["cosignature_timestamp_parse"];
  const std::string bytes = testing::Base64Bytes(v["sig_b64"]);
  EXPECT_EQ(CosignatureTimestamp(std::string_view(bytes).substr(4)).value(),
            v["time"].get<uint64_t>());
  EXPECT_THAT(CosignatureTimestamp(bytes), StatusIs(absl::StatusCode::kInvalidArgument));
  std::string huge(72, '\0');
  huge[0] = '\x80';
  EXPECT_THAT(CosignatureTimestamp(huge), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(VerifierKeys, PublishedBadOnesAreRefused) {
  for (const auto& v : Vectors()["vkeys_bad"]["list"]) {
    EXPECT_THAT(VerifierKey::Parse(v.get<std::string>()),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << v;
  }
}

TEST(VerifierKeys, AnythingButTheOneSpellingIsRefused) {
  const std::string good = NamedKey("example.com/log").key.Text();
  ASSERT_THAT(VerifierKey::Parse(good), IsOk());
  std::string wrong_id = good;
  wrong_id[16] = wrong_id[16] == '0' ? '1' : '0';
  std::string other_name = good;
  other_name[0] = 'f';
  for (const std::string& text :
       {wrong_id, other_name, good + "A", good.substr(1 + 15), std::string("+") + good,
        std::string("a b") + good, good.substr(0, good.size() - 4), std::string()}) {
    EXPECT_THAT(VerifierKey::Parse(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(VerifierKeys, KeyMaterialWithPlusSignsIsParsed) {
  size_t with_plus = 0;
  for (int i = 0; i < 40; ++i) {
    const VerifierKey key = NamedKey("log" + std::to_string(i)).key;
    const std::string text = key.Text();
    with_plus += std::count(text.begin(), text.end(), '+') > 2 ? 1 : 0;
    EXPECT_EQ(VerifierKey::Parse(text).value(), key);
  }
  EXPECT_GT(with_plus, 0u);
}

TEST(VerifierKeys, NamesThatCannotStandInALineAreRefused) {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a+b"), std::string("a\nb"),
        std::string("a\tb"),
        std::string("a\xC2\xA0"
                    "b"),
        std::string("a\xE2\x80\x83"
                    "b"),
        std::string("a\xE3\x80\x80"), std::string("\xFF"), std::string("\xC0\xAF"),
        std::string("\xED\xA0\x80"), std::string("a\xE2\x80"), std::string(256, 'a')}) {
    EXPECT_THAT(VerifierKey::Create(name, KeyType::kEd25519, PublicKey{}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
  EXPECT_THAT(VerifierKey::Create("prüfer.example/日志", KeyType::kEd25519, PublicKey{}), IsOk());
}

TEST(Notes, TheTextEndsAtTheLastEmptyLine) {
  const TestKey key = NamedKey("k");
  const auto note = ParseNote(Signed(kText, {key}));
  ASSERT_THAT(note, IsOk());
  EXPECT_EQ(note->text, kText);
  EXPECT_THAT(VerifyNote(*note, std::array{key.key}), IsOk());
}

TEST(Notes, UnknownKeysAreSkippedAndKnownOnesMustBeRight) {
  const TestKey a = NamedKey("a");
  const TestKey b = NamedKey("b");
  auto note = ParseNote(Signed(kText, {a, b}));
  ASSERT_THAT(note, IsOk());
  const auto one = VerifyNote(*note, std::array{b.key});
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->size(), 1u);
  const auto both = VerifyNote(*note, std::array{a.key, b.key});
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(both->size(), 2u);
  EXPECT_THAT(VerifyNote(*note, std::array{NamedKey("c").key}),
              StatusIs(absl::StatusCode::kFailedPrecondition));

  note->signatures[1].signature[5] ^= 1;
  EXPECT_THAT(VerifyNote(*note, std::array{a.key}), IsOk());
  // One wrong signature of a known key spoils the note, whatever the others say.
  EXPECT_THAT(VerifyNote(*note, std::array{a.key, b.key}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(Notes, TheSameSignatureTwiceCountsOnce) {
  const TestKey a = NamedKey("a");
  const auto note = ParseNote(Signed(kText, {a, a}));
  ASSERT_THAT(note, IsOk());
  const auto verified = VerifyNote(*note, std::array{a.key});
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ(verified->size(), 1u);
}

TEST(Notes, APlainSignatureIsNoCosignatureAndTheOtherWayRound) {
  const TestKey log = NamedKey("name", KeyType::kEd25519);
  const TestKey witness = NamedKey("name", KeyType::kCosignatureV1);
  EXPECT_NE(log.key.id(), witness.key.id());
  const auto plain = SignText(kText, log.key, log.secret);
  const auto cosigned = CosignText(kText, 7, witness.key, witness.secret);
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(cosigned, IsOk());
  EXPECT_THAT(VerifySignature(kText, plain->signature, log.key), IsOk());
  EXPECT_THAT(VerifySignature(kText, cosigned->signature, witness.key), IsOk());
  EXPECT_FALSE(VerifySignature(kText, plain->signature, witness.key).ok());
  EXPECT_FALSE(VerifySignature(kText, cosigned->signature, log.key).ok());
  std::string later = cosigned->signature;
  later[7] ^= 1;
  EXPECT_FALSE(VerifySignature(kText, later, witness.key).ok());
  EXPECT_THAT(SignText(kText, witness.key, witness.secret),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CosignText(kText, 7, log.key, log.secret),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Notes, SigningWithASecretThatIsNotTheKeysIsRefused) {
  EXPECT_THAT(SignText(kText, NamedKey("a").key, NamedKey("b").secret),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Notes, TextThatCannotBeReadBackIsNotSigned) {
  const TestKey key = NamedKey("a");
  for (const std::string& text : {std::string(), std::string("no newline"),
                                  std::string("tab\there\n"), std::string("\xFF\n")}) {
    EXPECT_THAT(SignText(text, key.key, key.secret), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(Notes, MalformedOnesAreRefusedWithTheRuleTheyBreak) {
  const std::string good = Signed(kText, {NamedKey("a")});
  const std::string dash = "\xE2\x80\x94 ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no empty line"},
      {kText, "signature line 1: must start"},
      {"text\n\n", "no signature line"},
      {good.substr(0, good.size() - 1), "newline"},
      {good + "x\n", "line 2: must start"},
      {"text\n\n" + dash + "name\n", "must hold"},
      {"text\n\n" + dash + "name !!!!\n", "base64"},
      {"text\n\n" + dash + "na+me AAAAAAAA\n", "key name"},
      {"text\n\n" + dash + "name AAAA\n", "too short"},
      {"text\n\n" + dash + "name AAAAAA=\n", "base64"},
      {"text\r\n\n" + dash + "name AAAAAAAA\n", "control character"},
      {std::string(kMaxNoteBytes + 1, 'x'), "longer than"},
  };
  for (const auto& [text, reason] : cases) {
    const auto note = ParseNote(text);
    EXPECT_THAT(note, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(std::string(note.status().message()), HasSubstr(reason));
  }
}

TEST(Notes, SixteenSignaturesAreTakenAndAHundredAndOneAreNot) {
  std::string note = "text\n\n";
  for (size_t i = 0; i < 100; ++i) {
    if (i == 16) {
      EXPECT_THAT(ParseNote(note), IsOk());
    }
    note += "\xE2\x80\x94 name AAAAAAAA\n";
  }
  EXPECT_THAT(ParseNote(note), IsOk());
  note += "\xE2\x80\x94 name AAAAAAAA\n";
  EXPECT_THAT(ParseNote(note), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Encoding, DecimalsHaveOneSpelling) {
  EXPECT_EQ(ParseDecimal("0").value(), 0u);
  EXPECT_EQ(ParseDecimal("18446744073709551615").value(), UINT64_MAX);
  for (const std::string_view text : {"", "00", "01", "+1", "-1", " 1", "1 ", "1e3", "0x1",
                                      "18446744073709551616", "99999999999999999999"}) {
    EXPECT_THAT(ParseDecimal(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(Encoding, Base64HasOneSpelling) {
  EXPECT_EQ(FromBase64("AAE=").value(), std::string("\0\1", 2));
  for (const std::string_view text : {"AAE", "AAF=", "AA E=", "AAE=\n", "-_8=", "====", "A"}) {
    EXPECT_THAT(FromBase64(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
  // Signature lines alone are read with any padding bits.
  EXPECT_EQ(FromAnyBase64("AAF=").value(), FromAnyBase64("AAE=").value());
  for (const std::string_view text : {"AAE", "AA E=", "AAE=\n", "-_8=", "====", "A", "AA==AA=="}) {
    EXPECT_THAT(FromAnyBase64(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace televault::audit
