#include "vault/daemon/witnesses.h"

#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "absl/strings/str_cat.h"

#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "audit/signer_key.h"
#include "audit/witness.h"
#include "tests/support/status_matchers.h"
#include "tests/support/trail.h"
#include "tests/unit/daemon/vault_fixture.h"

namespace televault::daemon {
namespace {

using televault::testing::EntriesOf;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A witness behind a URL: keeps one head per log and answers as the protocol says.
class PostedWitness {
 public:
  explicit PostedWitness(const std::string& name) {
    seed_[0] = static_cast<uint8_t>(name.back());
    key_ = audit::KeyOfSeed(name, audit::KeyType::kCosignatureV1, seed_).value();
    secret_.fill(0);
    const std::string text =
        audit::FormatSignerKey(name, audit::KeyType::kCosignatureV1, seed_).value();
    TV_CHECK(audit::ParseSignerKey(text, secret_).ok());
  }
  absl::StatusOr<HttpAnswer> Post(const std::string& body, const audit::VerifierKey& log) {
    ++asked;
    if (!up) return absl::UnavailableError("connection refused");
    if (instead) {
      if (auto answer = instead()) return *answer;
    }
    const audit::WitnessDecision decision =
        audit::DecideAddCheckpoint(body, [&](const std::string&) {
          return audit::WitnessedLog{log, head};
        });
    if (!decision.accepted) {
      return HttpAnswer{decision.http_status, decision.content_type, decision.body};
    }
    head = decision.accepted->Head();
    return HttpAnswer{
        200, "text/plain",
        audit::CosignText(audit::CheckpointBody(*decision.accepted), 1'767'268'800, *key_, secret_)
            .value()
            .Line()};
  }
  const audit::VerifierKey& key() const { return *key_; }

  bool up = true;
  // What happens while it is asked, and what it answers instead.
  std::function<std::optional<absl::StatusOr<HttpAnswer>>()> instead;
  int asked = 0;
  std::chrono::milliseconds at_most{};  // that it had last
  audit::TreeHead head;

 private:
  std::array<uint8_t, audit::kSigningSeedBytes> seed_{};
  std::optional<audit::VerifierKey> key_;
  std::array<uint8_t, audit::kSigningKeyBytes> secret_;
};

class WitnessesTest : public VaultTest {
 protected:
  WitnessesTest() : vault_(Open()) {
    TV_CHECK(vault_->UnsealWithKeyfile().ok());
    for (const char* name : {"w.example/a", "w.example/b", "w.example/c"}) {
      witnesses_.emplace(name, name);
    }
  }
  audit::VerifierKey LogKey() const { return audit::VerifierKey::Parse(vault_->vkey()).value(); }
  std::string PolicyText() const {
    std::string text;
    for (const auto& [name, witness] : witnesses_) {
      absl::StrAppend(&text, "witness ", name.substr(10), " ", witness.key().Text(), " http://",
                      name.substr(10), "/\n");
    }
    return text + "group g 2 a b c\nquorum g\n";
  }
  std::unique_ptr<Witnesses> Make() {
    return std::make_unique<Witnesses>(Witnesses::Parts{
        vault_->journal(), vault_->recorder(), PosixFileSystem(), clock_,
        [this](const std::string& url, const std::string& body, std::chrono::milliseconds at_most,
               const std::function<bool()>&) {
          EXPECT_TRUE(url.ends_with("/add-checkpoint")) << url;
          witness(url[7]).at_most = at_most;
          return witness(url[7]).Post(body, LogKey());
        },
        audit::Policy::Parse(PolicyText()).value(), LogKey(), directory_.path() + "/cosigned"});
  }
  void Submit(Witnesses& witnesses, int rounds = 1) {
    for (int i = 0; i < rounds; ++i) witnesses.Submit([] { return true; });
  }
  audit::TreeHead HeadOfLog() const {
    const auto note = audit::ParseNote(vault_->journal().Head().checkpoint);
    return audit::ParseCheckpointBody(note->text)->Head();
  }
  void Grow() { ASSERT_THAT(vault_->recorder().Record(service::EventEntry("test.grow")), IsOk()); }
  std::vector<std::string> Events(std::string_view prefix = "audit.") {
    std::vector<std::string> events;
    for (const auto& entry : EntriesOf(*vault_)) {
      if (!entry.method().starts_with(prefix)) continue;
      const auto witness = entry.details().find("witness");
      events.push_back(
          witness == entry.details().end()
              ? entry.method()
              : absl::StrCat(entry.method(), " ", witness->second, " ", entry.reason()));
    }
    return events;
  }
  PostedWitness& witness(char name) { return witnesses_.at(std::string("w.example/") + name); }

  const std::unique_ptr<Vault> vault_;
  std::map<std::string, PostedWitness> witnesses_;
};

TEST_F(WitnessesTest, KeepTheNewestCheckpointWithAQuorum) {
  const auto witnesses = Make();
  EXPECT_THAT(witnesses->Cosigned(), IsEmpty());
  EXPECT_FALSE(witnesses->Status().quorum());
  const uint64_t size = vault_->journal().Head().tree_size;
  Submit(*witnesses);
  const auto policy = audit::Policy::Parse(PolicyText()).value();
  const audit::VerifierKey log = LogKey();
  const auto check = audit::CheckPolicy(witnesses->Cosigned(), policy, &log);
  ASSERT_THAT(check, IsOk());
  EXPECT_TRUE(check->quorum);
  EXPECT_EQ(check->checkpoint.size, size);
  EXPECT_EQ(check->cosigners.size(), 3u);
  EXPECT_TRUE(witnesses->Status().quorum());
  EXPECT_EQ(witnesses->Status().cosigned_size(), size);
  // The entry that says so is cosigned next, and then nothing grows any more.
  Submit(*witnesses, 5);
  EXPECT_EQ(witnesses->Status().cosigned_size(), vault_->journal().Head().tree_size);
  EXPECT_THAT(Events(), ::testing::ElementsAre("audit.quorum_reached"));
  EXPECT_EQ(witness('a').asked, 2);
}

TEST_F(WitnessesTest, SurviveARestart) {
  { Submit(*Make(), 2); }
  const uint64_t size = vault_->journal().Head().tree_size;
  const auto witnesses = Make();
  EXPECT_EQ(witnesses->Status().cosigned_size(), size);
  EXPECT_TRUE(witnesses->Status().quorum());
  Grow();
  // Where they are is not kept: they say so themselves.
  Submit(*witnesses);
  EXPECT_EQ(witnesses->Status().cosigned_size(), size + 1);
  EXPECT_THAT(Events(), ::testing::ElementsAre("audit.quorum_reached"));
}

TEST_F(WitnessesTest, AFileThatDoesNotSatisfyThePolicyCountsAsNothing) {
  { Submit(*Make(), 2); }
  std::string text;
  {
    std::ifstream in(directory_.path() + "/cosigned");
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (const std::string& bad : {std::string(), text.substr(0, text.size() / 2),
                                 text.substr(0, text.rfind("— ", text.rfind("— ") - 1))}) {
    std::ofstream(directory_.path() + "/cosigned") << bad;
    EXPECT_THAT(Make()->Cosigned(), IsEmpty()) << bad;
  }
}

TEST_F(WitnessesTest, OneThatIsDownIsNoMatterTwoThatAreIsRecordedOnce) {
  const auto witnesses = Make();
  witness('a').up = false;
  Submit(*witnesses, 2);
  EXPECT_TRUE(witnesses->Status().quorum());
  EXPECT_THAT(witnesses->Status().witnesses(0).problem(), HasSubstr("refused"));
  const std::string kept = witnesses->Cosigned();
  witness('b').up = false;
  Grow();
  Submit(*witnesses, Witnesses::kPatience - 1);
  EXPECT_TRUE(witnesses->Status().quorum());
  EXPECT_EQ(witnesses->Cosigned(), kept);
  Submit(*witnesses, 10);
  EXPECT_FALSE(witnesses->Status().quorum());
  EXPECT_EQ(witnesses->Cosigned(), kept);
  EXPECT_THAT(Events(), ::testing::ElementsAre("audit.quorum_reached", "audit.quorum_missing"));
  witness('b').up = true;
  Submit(*witnesses, 2);
  EXPECT_TRUE(witnesses->Status().quorum());
  EXPECT_THAT(Events(), ::testing::ElementsAre("audit.quorum_reached", "audit.quorum_missing",
                                               "audit.quorum_reached"));
}

TEST_F(WitnessesTest, OneThatHasSeenMoreTellsARollback) {
  witness('a').head = {vault_->journal().Head().tree_size + 100, {}};
  const auto witnesses = Make();
  Submit(*witnesses, 4);
  EXPECT_TRUE(witnesses->Status().witnesses(0).refuses());
  EXPECT_THAT(witnesses->Status().witnesses(0).problem(), HasSubstr("rolled back"));
  EXPECT_THAT(Events(), Contains("audit.witness_refuses a ROLLBACK").Times(1));
  EXPECT_TRUE(witnesses->Status().quorum());
}

TEST_F(WitnessesTest, OneThatHasSeenAnotherTreeTellsAFork) {
  const uint64_t size = vault_->journal().Head().tree_size;
  witness('a').head = {size, audit::Hash{1}};      // another root at this size
  witness('b').head = {size - 1, audit::Hash{1}};  // another root before
  const auto witnesses = Make();
  Submit(*witnesses);
  const auto status = witnesses->Status();
  EXPECT_TRUE(status.witnesses(0).refuses());
  EXPECT_TRUE(status.witnesses(1).refuses());
  EXPECT_FALSE(status.witnesses(2).refuses());
  EXPECT_THAT(Events(), Contains("audit.witness_refuses a FORK").Times(1));
  EXPECT_THAT(Events(), Contains("audit.witness_refuses b FORK").Times(1));
}

// Every tree extends the empty one: who refuses the first it is shown has seen no other history.
TEST_F(WitnessesTest, OneThatRefusesTheFirstTreeTellsNoFork) {
  witness('a').instead = [] {
    return HttpAnswer{422, "text/plain", "invalid consistency proof\n"};
  };
  const auto witnesses = Make();
  Submit(*witnesses);
  EXPECT_FALSE(witnesses->Status().witnesses(0).refuses());
  EXPECT_THAT(witnesses->Status().witnesses(0).problem(), HasSubstr("422"));
  EXPECT_THAT(Events(), ::testing::ElementsAre("audit.quorum_reached"));
}

HttpAnswer AtSize(uint64_t size) { return {409, "text/x.tlog.size", absl::StrCat(size, "\n")}; }

// Anybody may submit a checkpoint between two questions. That is no fork.
TEST_F(WitnessesTest, OneThatHearsOfANewerTreeMeanwhileTellsNothing) {
  const auto witnesses = Make();
  witness('a').head = HeadOfLog();
  witness('a').instead = [this]() -> std::optional<HttpAnswer> {
    if (witness('a').asked == 2) {
      Grow();
      witness('a').head = HeadOfLog();
    }
    return std::nullopt;
  };
  Submit(*witnesses);
  EXPECT_EQ(witness('a').asked, 2);
  EXPECT_FALSE(witnesses->Status().witnesses(0).refuses());
  EXPECT_THAT(witnesses->Status().witnesses(0).problem(), HasSubstr("newer tree"));
  EXPECT_THAT(Events(), ::testing::ElementsAre("audit.quorum_reached"));
  Submit(*witnesses);
  EXPECT_THAT(witnesses->Status().witnesses(0).problem(), IsEmpty());
}

TEST_F(WitnessesTest, OneThatIsMovedMeanwhileIsAskedFromWhereItIs) {
  for (int i = 0; i < 3; ++i) Grow();
  const audit::TreeHead old = HeadOfLog();
  Grow();
  const auto witnesses = Make();
  witness('a').head = {1, {}};
  witness('a').instead = [&]() -> std::optional<HttpAnswer> {
    if (witness('a').asked == 2) witness('a').head = old;
    return std::nullopt;
  };
  Submit(*witnesses);
  EXPECT_EQ(witness('a').asked, 3);
  EXPECT_THAT(witnesses->Status().witnesses(0).problem(), IsEmpty());
}

TEST_F(WitnessesTest, OneThatIsNeverWhereItSaysIsLeftAlone) {
  const auto witnesses = Make();
  witness('a').instead = [this] { return AtSize(1 + witness('a').asked % 2); };
  Submit(*witnesses);
  EXPECT_EQ(witness('a').asked, 4);
  EXPECT_FALSE(witnesses->Status().witnesses(0).refuses());
  EXPECT_TRUE(witnesses->Status().quorum());
}

TEST_F(WitnessesTest, AllQuestionsToOneShareItsTime) {
  const auto witnesses = Make();
  witness('a').instead = [this] {
    clock_.Advance(Witnesses::kTimeout / 2);
    return AtSize(1 + witness('a').asked % 2);
  };
  Submit(*witnesses);
  EXPECT_EQ(witness('a').asked, 2);
  EXPECT_EQ(witness('a').at_most, Witnesses::kTimeout / 2);
  EXPECT_EQ(witness('b').at_most, Witnesses::kTimeout);
}

// However many are away: the others are asked in every round, and those that are away in turn.
TEST_F(WitnessesTest, ThoseThatRunIntoTheTimeoutHoldUpNobody) {
  for (const char* name : {"w.example/d", "w.example/e"}) witnesses_.emplace(name, name);
  for (const char name : {'a', 'c', 'd'}) {
    witness(name).instead = [this] {
      clock_.Advance(Witnesses::kForThoseAway);
      return absl::UnavailableError("no answer in time");
    };
  }
  const auto witnesses = Make();
  Submit(*witnesses, 2);
  // Without a quorum nobody is left out.
  EXPECT_FALSE(witnesses->Status().quorum());
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) EXPECT_EQ(witness(name).asked, 2) << name;
  witness('a').instead = nullptr;
  Submit(*witnesses);
  for (int round = 1; round <= 4; ++round) {
    Grow();
    const uint64_t size = vault_->journal().Head().tree_size;
    const MonoTime began = clock_.Mono();
    Submit(*witnesses);
    EXPECT_EQ(witnesses->Status().cosigned_size(), size);
    EXPECT_EQ(clock_.Mono() - began, Witnesses::kForThoseAway);
    for (const char name : {'a', 'b', 'e'}) EXPECT_EQ(witness(name).asked, 3 + round) << name;
  }
  // The third round began with c.
  EXPECT_EQ(witness('c').asked, 5);
  EXPECT_EQ(witness('d').asked, 4);
}

TEST_F(WitnessesTest, WhatALibraryThrowsEndsTheRoundOnly) {
  const auto witnesses = Make();
  witness('b').instead = [] {
    (void)std::string("short").at(4711);
    return absl::UnavailableError("");
  };
  Submit(*witnesses);
  EXPECT_THAT(witnesses->Cosigned(), IsEmpty());
  witness('b').instead = nullptr;
  Submit(*witnesses);
  EXPECT_TRUE(witnesses->Status().quorum());
}

TEST_F(WitnessesTest, AStopIsNoAnswer) {
  const auto witnesses = Make();
  bool go_on = true;
  witness('a').instead = [&] {
    go_on = false;
    return absl::CancelledError("given up");
  };
  witnesses->Submit([&] { return go_on; });
  EXPECT_THAT(witnesses->Status().witnesses(0).problem(), IsEmpty());
  EXPECT_EQ(witness('b').asked, 0);
}

TEST_F(WitnessesTest, AnswersThatAreNoCosignatureAreNone) {
  const auto witnesses = Make();
  const std::string other = audit::NoteSignature{"w.example/other", 1, std::string(72, 'x')}.Line();
  const std::string wrong =
      audit::NoteSignature{"w.example/a", witness('a').key().id(), std::string(72, 'x')}.Line();
  for (const std::string& answer : {std::string("rubbish"), std::string("\n"), other, wrong}) {
    witness('a').instead = witness('b').instead = [&] {
      return HttpAnswer{200, "text/plain", answer};
    };
    Submit(*witnesses);
    EXPECT_THAT(witnesses->Cosigned(), IsEmpty()) << answer;
  }
}

TEST_F(WitnessesTest, AQuorumIsRenewedAfterAWhile) {
  const auto witnesses = Make();
  Submit(*witnesses, 3);
  const int asked = witness('a').asked;
  clock_.Advance(Witnesses::kRefresh);
  Submit(*witnesses);
  EXPECT_EQ(witness('a').asked, asked + 1);
}

TEST_F(WitnessesTest, EndBetweenTwoWitnessesWhenToldTo) {
  const auto witnesses = Make();
  witnesses->Submit([&] { return witness('a').asked == 0; });
  EXPECT_EQ(witness('a').asked, 1);
  EXPECT_EQ(witness('b').asked, 0);
  EXPECT_THAT(witnesses->Cosigned(), IsEmpty());
}

std::string WitnessLine(size_t i) {
  const audit::PublicKey key{static_cast<uint8_t>(i)};
  return absl::StrCat(
      "witness w", i, " ",
      audit::VerifierKey::Create(absl::StrCat("w", i), audit::KeyType::kCosignatureV1, key)->Text(),
      " http://w", i, "/\n");
}

TEST_F(WitnessesTest, PoliciesAreReadForThisLogAndWithUrls) {
  const std::string file = directory_.path() + "/policy";
  const auto read = [&](const std::string& text) {
    std::ofstream(file) << text;
    return ReadWitnessPolicy(PosixFileSystem(), file, LogKey()).status();
  };
  EXPECT_THAT(read(PolicyText()), IsOk());
  EXPECT_THAT(read("log " + LogKey().Text() + "\n" + PolicyText()), IsOk());
  const std::string other =
      audit::VerifierKey::Create("other", audit::KeyType::kEd25519, LogKey().public_key())
          .value()
          .Text();
  EXPECT_THAT(read("log " + other + "\n" + PolicyText()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not this one")));
  EXPECT_THAT(read("witness a " + witness('a').key().Text() + "\nquorum a\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("witness a")));
  EXPECT_THAT(read("witness a " + witness('a').key().Text() + " ftp://a/\nquorum a\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("http://")));
  // As many as a checkpoint has room for, besides the log itself.
  std::string many;
  for (size_t i = 1; i < audit::kMaxNoteSignatures; ++i) absl::StrAppend(&many, WitnessLine(i));
  EXPECT_THAT(read(many + "quorum w1\n"), IsOk());
  absl::StrAppend(&many, WitnessLine(audit::kMaxNoteSignatures));
  EXPECT_THAT(read(many + "quorum w1\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("lists 100 witnesses")));
  EXPECT_THAT(read("quorum\n"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(ReadWitnessPolicy(PosixFileSystem(), file + ".none", LogKey()).ok());
}

}  // namespace
}  // namespace televault::daemon
