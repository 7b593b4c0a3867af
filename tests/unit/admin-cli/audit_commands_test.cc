// `televault audit …` against a vault that answers as the test says, and without one.
#include <fstream>
#include <iterator>
#include <sys/stat.h>

#include "admin-cli/app.h"
#include "admin-cli/pin_store.h"
#include "audit/leaf.h"
#include "audit/signer_key.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/admin-cli/cli_harness.h"
#include "tests/unit/admin-cli/fake_vault.h"
#include "tests/unit/admin-cli/log_fixture.h"
#include "vault/base/clock.h"
#include "vault/crypto/audit_key_file.h"
#include "vault/crypto/audit_sealer.h"

namespace televault::cli {
namespace {

using televault::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

// A leaf as the format has it; nobody can open it.
std::string FramedLeaf(const std::string& body) {
  const auto leaf = audit::EncodeLeaf({audit::LeafType::kEntry, {7}, AsBytes(body)});
  EXPECT_THAT(leaf, IsOk());
  return leaf.value_or("");
}

class AuditCommandsTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kLeaves = 20;
  struct Outcome {
    int code = 0;
    std::string out;
    std::string err;
  };

  AuditCommandsTest() {
    for (uint64_t i = 0; i < kLeaves; ++i) log_.Add(FramedLeaf(std::to_string(i)));
    setenv("XDG_STATE_HOME", Path("state").c_str(), 1);
  }
  ~AuditCommandsTest() override { unsetenv("XDG_STATE_HOME"); }

  Outcome Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"televault", "--addr", "unix:" + Path("socket"), "audit"});
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    std::ostringstream out;
    std::ostringstream err;
    const int code = RunApp(static_cast<int>(arguments.size()), arguments.data(),
                            {.in = harness_.in, .out = out, .err = err});
    return {code, out.str(), err.str()};
  }
  std::string Path(const std::string& name) const { return harness_.directory + "/" + name; }
  void Pin(const FakeLog& log, uint64_t size) {
    TV_ASSERT_OK_AND_ASSIGN(const auto file,
                            PinFile::Open(Path("state/televault"), log.key().name()));
    ASSERT_THAT(file->Store({log.key().Text(), log.Checkpoint(size)}), IsOk());
  }
  std::string PinPath() const {
    return Path("state/televault/") + FileNameOf(log_.key().name(), ".pin");
  }

  Harness harness_;
  FakeLog log_{1};
};

class OfflineVerifyTest : public AuditCommandsTest {
 protected:
  void SetUp() override { ASSERT_THAT(ExportTo(Path("log"), log_, kLeaves), IsOk()); }
  Outcome Verify() {
    return Run({"verify", "--dir", Path("log"), "--key", log_.key().Text(), "-o", "json"});
  }
};

TEST_F(OfflineVerifyTest, TakesAPinThatThereIsAndMissesNoneThatThereIsNot) {
  Outcome verified = Verify();
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("\"extends_pin\": false"));
  EXPECT_FALSE(std::filesystem::exists(Path("state"))) << "made by a command that only looks";
  Pin(log_, kLeaves / 2);
  verified = Verify();
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("\"extends_pin\": true"));
}

// Each was taken for no pin at all, and the log was called verified.
TEST_F(OfflineVerifyTest, ADamagedPinIsAnErrorAndNotNone) {
  Pin(log_, kLeaves / 2);
  const std::string good = FormatPin({log_.key().Text(), log_.Checkpoint(kLeaves / 2)});
  for (const std::string& bad : {std::string("garbage"), good.substr(0, good.size() - 9),
                                 good.substr(1), FormatPin({log_.key().Text(), ""})}) {
    std::ofstream(PinPath(), std::ios::trunc) << bad;
    const Outcome outcome = Verify();
    EXPECT_EQ(outcome.code, 1) << bad << outcome.err;
    EXPECT_THAT(outcome.out, Not(HasSubstr("verified")));
  }
}

// It was waited for, for ever.
TEST_F(OfflineVerifyTest, APipeIsNoCheckpoint) {
  std::filesystem::remove(Path("log/checkpoint"));
  ASSERT_EQ(mkfifo(Path("log/checkpoint").c_str(), 0600), 0);
  const Outcome outcome = Verify();
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("not a file that can be read"));
}

// The files that the old checkpoint names go at the end of an export: that was a false alarm.
TEST_F(OfflineVerifyTest, AnExportThatGoesOnIsWaitedForAndNotCalledDamaged) {
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto exporter,
                            LogExporter::Open(PosixFileSystem(), Path("log"), log_.key()));
    const Outcome outcome = Verify();
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("under way"));
  }
  EXPECT_EQ(Verify().code, 0);
}

TEST_F(OfflineVerifyTest, AnotherKeyThanThePinnedIsAFailedVerification) {
  const FakeLog other(2);
  Pin(other, 0);
  const Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(other.key().Text()));
}

// An export of three hours, each under a key of its own, read with a key file.
class DecryptTest : public AuditCommandsTest {
 protected:
  static constexpr char kKeyFile[] = "tests/golden/audit/audit-keys-v1.txt";

  void SetUp() override {
    std::ifstream file(kKeyFile);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    TV_ASSERT_OK_AND_ASSIGN(const auto keys, crypto::ExportedAuditKeys::Parse(text));
    const crypto::AuditEpochInfo epoch = keys.AuditEpochs().front();
    crypto::AuditSealer sealer(keys.vault(), epoch.epoch, epoch.public_key, clock_, random_);
    for (const char* const method : {"hour.one", "hour.two", "hour.three"}) {
      record::v1::AuditEntry entry;
      entry.set_method(method);
      TV_ASSERT_OK_AND_ASSIGN(const auto leaves,
                              sealer.SealEntry(AsBytes(entry.SerializeAsString())));
      ASSERT_EQ(leaves.size(), 2u);
      for (const crypto::SealedLeaf& leaf : leaves) leaves_.push_back(leaf.data);
      clock_.Advance(std::chrono::hours(1));
    }
    // Of an epoch whose key is not in the file.
    const crypto::AuditKeyRecipient nobody(random_);
    sealer.UseEpoch(99, nobody.public_key());
    TV_ASSERT_OK_AND_ASSIGN(const auto leaves, sealer.SealEntry(AsBytes("")));
    for (const crypto::SealedLeaf& leaf : leaves) leaves_.push_back(leaf.data);
  }
  Outcome Decrypt() {
    FakeLog log(1);
    for (const std::string& leaf : leaves_) log.Add(leaf);
    EXPECT_THAT(ExportTo(Path("log"), log, leaves_.size()), IsOk());
    return Run({"decrypt", "--dir", Path("log"), "--key-file", kKeyFile, "-o", "jsonl"});
  }

  testing::FakeClock clock_;
  testing::SeededRandom random_{4};
  std::vector<std::string> leaves_;
};

TEST_F(DecryptTest, ReadsWhatTheKeysAreForAndCountsTheRest) {
  const Outcome outcome = Decrypt();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* const method : {"hour.one", "hour.two", "hour.three"}) {
    EXPECT_THAT(outcome.out, HasSubstr(method));
  }
  EXPECT_THAT(outcome.err, HasSubstr("2 leaves are sealed to audit epochs without a key"));
}

// Whoever cut out a key leaf made its entries look like those of an epoch without a key here.
TEST_F(DecryptTest, AnEntryWhoseKeyLeafWasCutOutIsAFailedVerification) {
  leaves_.erase(leaves_.begin() + 2);
  const Outcome outcome = Decrypt();
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("hour.one"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("hour.two")));
  EXPECT_THAT(outcome.out, HasSubstr("hour.three"));
  EXPECT_THAT(outcome.err, HasSubstr("1 entries cannot be read, the first of them 2"));
  EXPECT_THAT(outcome.err, HasSubstr("its key leaf is not before it"));
  EXPECT_THAT(outcome.err, HasSubstr("audit verify --dir"));
  EXPECT_THAT(outcome.err, HasSubstr("2 leaves are sealed"));
}

class VaultCommandsTest : public AuditCommandsTest {
 protected:
  VaultCommandsTest() { vault_.size = kLeaves; }
  Outcome Export(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"export", Path("log"), "-o", "json"});
    return Run(flags);
  }

  FakeVault vault_{log_, Path("socket")};
};

// It was the vault's INVALID_ARGUMENT, exit code 1: as if the caller had asked for something wrong.
TEST_F(VaultCommandsTest, AVaultThatHasLessThanAnExportWasRolledBack) {
  ASSERT_THAT(ExportTo(Path("log"), log_, 10), IsOk());
  vault_.size = vault_.cosigned_size = 6;
  for (const bool cosigned : {false, true}) {
    const Outcome outcome = cosigned ? Export({"--cosigned"}) : Export();
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("holds 10 entries"));
    EXPECT_THAT(outcome.err, HasSubstr("has only 6"));
  }
}

TEST_F(VaultCommandsTest, AnExportAheadOfTheWitnessesHasNothingToAdd) {
  ASSERT_THAT(ExportTo(Path("log"), log_, 10), IsOk());
  vault_.cosigned_size = 6;
  Outcome outcome = Export({"--cosigned"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("cosigned 6 entries"));
  EXPECT_THAT(outcome.out, HasSubstr("\"new_entries\": 0"));
  EXPECT_EQ(vault_.streams, 0);
  vault_.cosigned_size = 12;
  outcome = Export({"--cosigned"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\"new_entries\": 2"));
}

// The vault has as many entries, and others: nothing of that is cosigned, and all of it a fork.
TEST_F(VaultCommandsTest, AnExportOfAnotherHistoryIsNotJustAheadOfTheWitnesses) {
  FakeLog other(1);
  for (uint64_t i = 0; i < kLeaves; ++i) other.Add(FramedLeaf("other"));
  ASSERT_THAT(ExportTo(Path("log"), other, 10), IsOk());
  vault_.cosigned_size = 6;
  EXPECT_EQ(Export({"--cosigned"}).code, 3);
}

// The end of a stream that took too long, as the vault says it and as it may seem.
class CutStreamsTest : public VaultCommandsTest, public ::testing::WithParamInterface<bool> {
 protected:
  CutStreamsTest() {
    vault_.per_stream = 6;  // so that kLeaves take four streams
    if (GetParam()) vault_.cut = grpc::Status::OK;
  }
};

TEST_P(CutStreamsTest, AnExportGoesOnWithinTheSameRun) {
  const Outcome exported = Export();
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_THAT(exported.out, HasSubstr("\"new_entries\": 20"));
  EXPECT_EQ(vault_.streams, 4);
  const Outcome verified = Run({"verify", "--dir", Path("log")});
  EXPECT_EQ(verified.code, 0) << verified.err;
}

TEST_P(CutStreamsTest, AVerificationGoesOn) {
  const Outcome verified = Run({"verify", "-o", "json"});
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("\"entries\": 20"));
}

TEST_P(CutStreamsTest, AnExportThatGetsNoFurtherEnds) {
  vault_.on_stream = [this](int stream) {
    if (stream == 3) vault_.per_stream = 0;
  };
  EXPECT_NE(Export().code, 0);
  EXPECT_EQ(vault_.streams, 3);
}

INSTANTIATE_TEST_SUITE_P(Ends, CutStreamsTest, ::testing::Bool());

TEST_F(VaultCommandsTest, AReportGoesOnWhereItsStreamWasCut) {
  vault_.per_stream = 6;
  const Outcome report = Run({"report", "-o", "json"});
  EXPECT_EQ(report.code, 0) << report.err;
  EXPECT_THAT(report.out, HasSubstr("\"entries\": 20"));
  for (uint64_t i = 0; i < kLeaves; ++i) {
    EXPECT_THAT(report.out, HasSubstr("number." + std::to_string(i) + "\""));
  }
}

// The checkpoint that came with the leaves was held against the pin after the verdict was printed.
TEST_F(VaultCommandsTest, AVerificationSaysNothingBeforeThePinHolds) {
  vault_.size = 10;
  vault_.exported_size = kLeaves;
  vault_.proof = FakeVault::Proof::kRefused;
  const Outcome verified = Run({"verify", "-o", "json"});
  EXPECT_EQ(verified.code, 3) << verified.err;
  EXPECT_EQ(verified.out, "");
  vault_.proof = FakeVault::Proof::kRight;
  EXPECT_EQ(Run({"verify"}).code, 0);
}

// It was called compared: `lockdown status` said "no lockdowns" to whoever had seen one.
TEST_F(VaultCommandsTest, AVaultThatShowsNoCheckpointIsNotBelieved) {
  vault_.shows_checkpoint = false;
  for (const bool pinned : {false, true}) {
    if (pinned) Pin(log_, 8);
    const Outcome outcome = Run({"list"});
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

// A pin that had lost its checkpoint counted as a first use: any other log with that key passed.
TEST_F(VaultCommandsTest, AKeyWithoutItsCheckpointIsNoFirstUse) {
  Pin(log_, 8);
  std::ofstream(PinPath(), std::ios::trunc) << FormatPin({log_.key().Text(), ""});
  const Outcome outcome = Run({"list"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

// Each was an error of this side or of the vault's, with the whole answer printed.
TEST_F(VaultCommandsTest, WithoutAProofThereIsNoAnswer) {
  const std::pair<FakeVault::Proof, int> kinds[] = {
      {FakeVault::Proof::kEmpty, 3},
      {FakeVault::Proof::kTorn, 3},
      {FakeVault::Proof::kRefused, 3},
      {FakeVault::Proof::kBusy, 2},
  };
  Pin(log_, 8);
  for (const auto& [proof, code] : kinds) {
    vault_.proof = proof;
    const Outcome outcome = Run({"list"});
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "") << outcome.err;
  }
  vault_.proof = FakeVault::Proof::kRight;
  EXPECT_EQ(Run({"list"}).code, 0);
}

// Only the last sixteen checkpoints were compared: a vault that was put back while a command ran
// was not noticed once it had answered so many more times.
TEST_F(VaultCommandsTest, ALogThatWasCutBackLongBeforeTheEndIsNoticed) {
  Pin(log_, 8);
  int pages = 0;
  vault_.on_list = [&](const v1::ListEntriesRequest&, v1::ListEntriesResponse& page) {
    page.mutable_receipt()->set_checkpoint(log_.Checkpoint(pages == 0 ? kLeaves : 8));
    if (++pages < 40) page.set_next_page_token(std::to_string(pages));
    vault_.size = 8;
  };
  const Outcome outcome = Run({"list", "--limit", "0"});
  EXPECT_EQ(pages, 40);
  EXPECT_EQ(outcome.code, 3) << outcome.err;
}

TEST_F(VaultCommandsTest, AListingThatDoesNotGoOnEnds) {
  vault_.on_list = [](const v1::ListEntriesRequest& asked, v1::ListEntriesResponse& page) {
    page.set_next_page_token(asked.page_token() == "a" ? "b" : "a");
  };
  const Outcome outcome = Run({"list", "--limit", "0"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("does not go on"));
}

// It was written to the terminal before it was looked at.
TEST_F(VaultCommandsTest, AKeyThatIsNoneIsNotPrintedAsItIs) {
  vault_.vkey = "\x1b]0;owned\x07\x1b[2J";
  const Outcome outcome = Run({"list"});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(outcome.err, Not(HasSubstr("First use")));
  EXPECT_EQ(outcome.out, "");
}

// A vault that has left the history its witnesses know shows what they cosigned last, for ever.
TEST_F(VaultCommandsTest, WitnessesMustHaveCosignedLately) {
  std::array<uint8_t, audit::kSigningKeyBytes> secret{};
  const std::string witness =
      audit::FormatSignerKey("w.example.org", audit::KeyType::kCosignatureV1,
                             std::array<uint8_t, 32>{9})
          .value();
  const auto key = audit::ParseSignerKey(witness, secret);
  ASSERT_THAT(key, IsOk());
  std::ofstream(Path("policy")) << "log " << log_.key().Text() << "\nwitness w " << key->Text()
                                << "\nquorum w\n";
  const auto cosign = [&](uint64_t timestamp_s) {
    auto note = audit::ParseNote(log_.Checkpoint(8)).value();
    note.signatures.push_back(
        audit::CosignText(note.text, timestamp_s, *key, audit::SigningKey(secret)).value());
    vault_.cosigned = note.Text();
  };
  vault_.cosigned_size = 8;
  const auto now_s = static_cast<uint64_t>(SystemClock().Wall().micros / 1'000'000);
  const std::vector<std::string> online = {"verify", "--policy", Path("policy"), "-o", "json"};
  cosign(now_s - 60);
  Outcome outcome = Run(online);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\"entries\": 8"));
  EXPECT_THAT(outcome.out, HasSubstr("\"log_entries\": 20"));
  EXPECT_THAT(outcome.out, HasSubstr("\"cosigned_at\": \"2"));
  cosign(now_s + 86'400);
  EXPECT_EQ(Run(online).code, 3) << "a clock that is ahead would keep it fresh for ever";
  cosign(86'400);
  outcome = Run(online);
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("1970-01-02T00:00:00Z"));
  EXPECT_EQ(outcome.out, "");
  // An export is as old as it is, unless the caller says how old it may be.
  EXPECT_EQ(Export({"--cosigned"}).code, 0);
  std::vector<std::string> offline = {"verify",          "--dir",    Path("log"),   "--key",
                                      log_.key().Text(), "--policy", Path("policy")};
  EXPECT_EQ(Run(offline).code, 0);
  offline.insert(offline.end(), {"--max-age", "36500d"});
  EXPECT_EQ(Run(offline).code, 0);
  offline.back() = "36h";
  EXPECT_EQ(Run(offline).code, 3);
}

// The proof is one of the sealed leaf; the text beside it was called proved, too.
TEST_F(VaultCommandsTest, ShowSaysWhatIsProvedAndWhatTheVaultSays) {
  const Outcome shown = Run({"show", "3"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("made.up"));
  EXPECT_THAT(shown.err, HasSubstr("holds the sealed leaf of this entry"));
  EXPECT_THAT(shown.err, HasSubstr("vault's word"));
  EXPECT_THAT(shown.err, HasSubstr("audit decrypt"));
}

// A tail that was quiet for ten hours gave up: each hour's end counted as a failure.
TEST_F(VaultCommandsTest, ATailOutlivesStreamsThatEndInOrder) {
  vault_.cut = grpc::Status::OK;
  vault_.on_stream = [this](int stream) {
    if (stream == 13) vault_.cut = {grpc::StatusCode::PERMISSION_DENIED, "enough"};
  };
  EXPECT_EQ(Run({"tail", "-f", "-n", "0"}).code, 4);
  EXPECT_EQ(vault_.streams, 13);
}

// Whoever follows ends the process, and with it the comparison at the end of the command.
TEST_F(VaultCommandsTest, ATailHoldsTheLogAgainstThePinBeforeAndBehindEachStream) {
  vault_.cut = grpc::Status::OK;
  vault_.on_stream = [this](int stream) {
    if (stream == 2) vault_.size = kLeaves / 2;
    if (stream == 4) vault_.cut = {grpc::StatusCode::PERMISSION_DENIED, "enough"};
  };
  Outcome outcome = Run({"tail", "-f", "-n", "0"});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("rolled back"));
  EXPECT_EQ(vault_.streams, 2);
  outcome = Run({"tail", "-f", "-n", "0"});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_EQ(vault_.streams, 2);
}

}  // namespace
}  // namespace televault::cli
