// FUZZ_DEPS: televault_test_support
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <spdlog/spdlog.h>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"
#include "audit/signer_key.h"
#include "audit/tiles.h"
#include "audit/witness.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/crypto/audit_key_file.h"
#include "vault/daemon/witnesses.h"

using namespace televault;

audit::VerifierKey KeyOf(const std::string& name, audit::KeyType type) {
  const std::array<uint8_t, audit::kSigningSeedBytes> seed{static_cast<uint8_t>(name.back())};
  return audit::KeyOfSeed(name, type, seed).value();
}

// A log of nine entries that stays as it is; what the vault records goes nowhere.
class StillLog final : public store::Journal {
 public:
  StillLog() {
    for (uint8_t i = 0; i < 9; ++i) leaves_.push_back(audit::LeafHash(std::array{i}));
    std::array<uint8_t, audit::kSigningKeyBytes> secret;
    const std::string text =
        audit::FormatSignerKey(
            key.name(), key.type(),
            std::array<uint8_t, audit::kSigningSeedBytes>{static_cast<uint8_t>(key.name().back())})
            .value();
    TV_CHECK(audit::ParseSignerKey(text, secret).ok());
    head_.tree_size = leaves_.size();
    head_.root = HeadAt(leaves_.size()).root;
    head_.checkpoint = audit::SignCheckpoint(HeadAt(leaves_.size()), key, secret).value();
  }
  audit::TreeHead HeadAt(uint64_t size) const {
    audit::Frontier tree;
    for (uint64_t i = 0; i < size; ++i) tree.Append(leaves_[i]);
    return tree.Head();
  }
  absl::StatusOr<store::CommitReceipt> Commit(const store::CommitUnit&) override { return head_; }
  store::CommitReceipt Head() const override { return head_; }
  absl::StatusOr<std::vector<audit::Hash>> InclusionProof(LeafIndex, uint64_t) const override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::vector<audit::Hash>> ConsistencyProof(uint64_t old_size,
                                                            uint64_t new_size) const override {
    return audit::ConsistencyProof(
        old_size, new_size, [this](uint32_t level, uint64_t index) -> absl::StatusOr<audit::Hash> {
          const uint64_t width = uint64_t{1} << level;
          return audit::CompleteRoot(std::span(leaves_).subspan(index * width, width));
        });
  }
  void WaitForGrowth(uint64_t, std::chrono::milliseconds) const override {}
  absl::StatusOr<std::vector<std::string>> ReadLeaves(LeafIndex, size_t) const override {
    return absl::UnimplementedError("");
  }
  uint64_t NextUniqueId() override { return 0; }

  const audit::VerifierKey key = KeyOf("log.example/fuzz", audit::KeyType::kEd25519);

 private:
  std::vector<audit::Hash> leaves_;
  store::CommitReceipt head_;
};

// The vault around the witnesses, once for all inputs.
struct Vault {
  StillLog log;
  televault::testing::TempDirectory directory;
  televault::testing::FakeClock clock;
  televault::testing::SeededRandom random{7};
  crypto::AuditKeyRecipient epoch{random};
  crypto::AuditSealer sealer{VaultId{{7}}, 1, epoch.public_key(), clock, random};
  service::Recorder recorder{sealer, log, [this] { return clock.Wall(); }, random};
  const std::string policy_text = absl::StrCat(
      "witness a ", KeyOf("w.example/a", audit::KeyType::kCosignatureV1).Text(), " http://a/\n",
      "witness b ", KeyOf("w.example/b", audit::KeyType::kCosignatureV1).Text(), " http://b/\n",
      "group g all a b\nquorum g\n");
  const audit::Policy policy = audit::Policy::Parse(policy_text).value();
};

// Answers as they come out of the input, each "STATUS content type\nbody\0", over and over.
class HostileWitnesses {
 public:
  explicit HostileWitnesses(std::string_view input) {
    while (!input.empty()) {
      const size_t end = std::min(input.find('\0'), input.size());
      const std::string_view answer = input.substr(0, end);
      input.remove_prefix(std::min(end + 1, input.size()));
      const size_t line = std::min(answer.find('\n'), answer.size());
      const std::string head(answer.substr(0, line));
      const size_t space = std::min(head.find(' '), head.size());
      answers_.push_back({std::atoi(head.c_str()), head.substr(std::min(space + 1, head.size())),
                          std::string(answer.substr(std::min(line + 1, answer.size())))});
    }
  }
  // What is sent is a request an honest witness at that size would cosign, whatever was answered.
  absl::StatusOr<daemon::HttpAnswer> Post(const StillLog& log, const std::string& body) {
    const auto request = audit::ParseAddCheckpoint(body);
    TV_CHECK(request.ok());
    const audit::WitnessDecision decision = audit::DecideAddCheckpoint(
        body, [&](const std::string&) -> std::optional<audit::WitnessedLog> {
          return audit::WitnessedLog{log.key, log.HeadAt(request->old_size)};
        });
    TV_CHECK(decision.http_status == 200);
    if (answers_.empty()) return absl::UnavailableError("no answer");
    return answers_[asked++ % answers_.size()];
  }
  bool HasStatus(int status) const {
    return std::any_of(answers_.begin(), answers_.end(),
                       [&](const daemon::HttpAnswer& answer) { return answer.status == status; });
  }
  size_t asked = 0;

 private:
  std::vector<daemon::HttpAnswer> answers_;
};

// What witnesses answer to add-checkpoint. No answer makes more of a checkpoint than was signed by
// both, none accuses the log but one of a witness that has a tree of it, and what is told of it is
// text for a terminal.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Vault& vault = *new Vault;
  spdlog::set_level(spdlog::level::off);
  constexpr int kRounds = 3;
  constexpr size_t kMaxQuestions = 4;  // to one witness in a round
  const std::string file = vault.directory.Path("cosigned");
  HostileWitnesses hostile({reinterpret_cast<const char*>(data), size});
  daemon::Witnesses witnesses(
      {vault.log, vault.recorder, PosixFileSystem(), vault.clock,
       [&](const std::string&, const std::string& body, std::chrono::milliseconds,
           const std::function<bool()>&) { return hostile.Post(vault.log, body); },
       vault.policy, vault.log.key, file});
  for (int round = 0; round < kRounds; ++round) witnesses.Submit([] { return true; });
  TV_CHECK(hostile.asked <= kMaxQuestions * vault.policy.witnesses().size() * kRounds);

  const v1::WitnessStatus status = witnesses.Status();
  const std::string cosigned = witnesses.Cosigned();
  TV_CHECK(status.quorum() == !cosigned.empty());
  if (!cosigned.empty()) {
    const auto check = audit::CheckPolicy(cosigned, vault.policy, &vault.log.key);
    TV_CHECK(check.ok() && check->quorum && check->checkpoint.size == status.cosigned_size());
    TV_CHECK(PosixFileSystem().Remove(file).ok());
  }
  for (const v1::Witness& witness : status.witnesses()) {
    TV_CHECK(!witness.refuses() || hostile.HasStatus(409) ||
             (hostile.HasStatus(200) && hostile.HasStatus(422)));
    TV_CHECK(witness.cosigned_size() <= vault.log.Head().tree_size);
    TV_CHECK(audit::IsNoteText(witness.problem()) && witness.problem().size() < 512);
  }
  return 0;
}
