#include "audit/policy.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

constexpr std::string_view kNone = "none";

bool IsPolicyByte(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
}

std::vector<std::string_view> Words(std::string_view line) {
  constexpr std::string_view kBlank = " \t";
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kBlank), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

absl::Status Wrong(std::string_view what) { return absl::InvalidArgumentError(AsAbsl(what)); }

absl::StatusOr<VerifierKey> ParseKey(std::string_view text, KeyType type, std::string_view whose) {
  absl::StatusOr<VerifierKey> key = VerifierKey::Parse(text);
  if (!key.ok()) return key;
  if (key->type() != type) {
    return Wrong(absl::StrCat("a ", AsAbsl(whose), "'s key must be of type 0",
                              static_cast<int>(type), ", this one is of type 0",
                              static_cast<int>(key->type())));
  }
  return key;
}

// The newest cosignatures are taken until they are a quorum, which all of `seen` are.
uint64_t QuorumAt(const Policy& policy, std::vector<std::pair<uint64_t, size_t>> seen) {
  std::sort(seen.begin(), seen.end(), std::greater<>());
  std::vector<bool> cosigned(policy.witnesses().size(), false);
  for (const auto& [timestamp_s, witness] : seen) {
    cosigned[witness] = true;
    if (policy.IsQuorum(cosigned)) return timestamp_s;
  }
  return 0;
}

}  // namespace

// Reads a policy line by line.
class Policy::Reader {
 public:
  absl::StatusOr<Policy> Read(std::string_view text) {
    if (text.size() > kMaxPolicyBytes) return Wrong("policy: longer than 64 KiB");
    for (size_t line = 1; !text.empty(); ++line) {
      const absl::StatusOr<std::string_view> content = TakeLine(text);
      const absl::Status status = content.ok() ? ReadLine(*content) : content.status();
      if (!status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("policy: line ", line, ": ", status.message()));
      }
    }
    if (!has_quorum_) return Wrong("policy: no quorum line; \"quorum none\" wants no witness");
    return std::move(policy_);
  }

 private:
  absl::Status ReadLine(std::string_view line) {
    if (!std::all_of(line.begin(), line.end(), IsPolicyByte)) {
      return Wrong("control characters other than tab are not allowed");
    }
    const std::vector<std::string_view> words = Words(line);
    if (words.empty() || words[0].starts_with('#')) return absl::OkStatus();
    if (words[0] == "log") return ReadLog(words);
    if (words[0] == "witness") return ReadWitness(words);
    if (words[0] == "group") return ReadGroup(words);
    if (words[0] == "quorum") return ReadQuorum(words);
    return Wrong("must start with log, witness, group, quorum or #");
  }

  absl::Status ReadLog(const std::vector<std::string_view>& words) {
    if (words.size() < 2 || words.size() > 3) return Wrong("must be: log VKEY [URL]");
    absl::StatusOr<VerifierKey> key = ParseKey(words[1], KeyType::kEd25519, "log");
    if (!key.ok()) return key.status();
    if (policy_.logs_.size() == kMaxPolicyNames) return Wrong("more than 128 logs");
    if (!log_keys_.insert(key->public_key()).second) return Wrong("this log is listed already");
    policy_.logs_.push_back({*std::move(key), std::string(words.size() > 2 ? words[2] : "")});
    return absl::OkStatus();
  }

  absl::Status ReadWitness(const std::vector<std::string_view>& words) {
    if (words.size() < 3 || words.size() > 4) return Wrong("must be: witness NAME VKEY [URL]");
    absl::StatusOr<VerifierKey> key = ParseKey(words[2], KeyType::kCosignatureV1, "witness");
    if (!key.ok()) return key.status();
    if (policy_.witnesses_.size() == kMaxPolicyNames) return Wrong("more than 128 witnesses");
    if (!witness_keys_.insert(key->public_key()).second) {
      return Wrong("a witness with this key is listed already");
    }
    const absl::Status status = Define(words[1], policy_.witnesses_.size());
    if (!status.ok()) return status;
    policy_.witnesses_.push_back(
        {std::string(words[1]), *std::move(key), std::string(words.size() > 3 ? words[3] : "")});
    return absl::OkStatus();
  }

  absl::Status ReadGroup(const std::vector<std::string_view>& words) {
    if (words.size() < 4) return Wrong("must be: group NAME all|any|NUMBER MEMBER…");
    if (policy_.groups_.size() == kMaxPolicyNames) return Wrong("more than 128 groups");
    Group group;
    for (size_t i = 3; i < words.size(); ++i) {
      const std::optional<size_t> member = Find(words[i]);
      if (!member) {
        return Wrong("a member must be a witness or group that an earlier line defines");
      }
      if (!in_a_group_.insert(*member).second) {
        return Wrong(absl::StrCat(AsAbsl(words[i]), " is a member of a group already"));
      }
      group.members.push_back(*member);
    }
    if (words[2] == "all") {
      group.threshold = group.members.size();
    } else if (words[2] != "any") {
      const absl::StatusOr<uint64_t> threshold = ParseDecimal(words[2]);
      if (!threshold.ok() || *threshold < 1 || *threshold > group.members.size()) {
        return Wrong("the threshold must be all, any, or from 1 to the number of members");
      }
      group.threshold = static_cast<size_t>(*threshold);
    }
    const absl::Status status = Define(words[1], kMaxPolicyNames + policy_.groups_.size());
    if (!status.ok()) return status;
    policy_.groups_.push_back(std::move(group));
    return absl::OkStatus();
  }

  absl::Status ReadQuorum(const std::vector<std::string_view>& words) {
    if (words.size() != 2) return Wrong("must be: quorum NAME");
    if (has_quorum_) return Wrong("there must be one quorum line only");
    has_quorum_ = true;
    if (words[1] == kNone) return absl::OkStatus();
    const std::optional<size_t> member = Find(words[1]);
    if (!member) {
      return Wrong("the quorum must be none, or a witness or group that an earlier line defines");
    }
    policy_.quorum_ = *member;
    return absl::OkStatus();
  }

  absl::Status Define(std::string_view name, size_t member) {
    if (name == kNone) return Wrong("none is no name for a witness or group");
    if (!names_.emplace(name, member).second) {
      return Wrong(absl::StrCat(AsAbsl(name), " is defined already"));
    }
    return absl::OkStatus();
  }
  std::optional<size_t> Find(std::string_view name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? std::nullopt : std::optional(found->second);
  }

  Policy policy_;
  bool has_quorum_ = false;
  std::set<PublicKey> log_keys_;
  std::set<PublicKey> witness_keys_;
  std::map<std::string, size_t, std::less<>> names_;
  std::set<size_t> in_a_group_;
};

absl::StatusOr<Policy> Policy::Parse(std::string_view text) { return Reader().Read(text); }

bool Policy::IsQuorum(const std::vector<bool>& cosigned) const {
  return quorum_ == kNobody || HasWitnessed(quorum_, cosigned);
}

// Every member is in one group at most, so each is visited once.
bool Policy::HasWitnessed(size_t member, const std::vector<bool>& cosigned) const {
  if (member < kMaxPolicyNames) return member < cosigned.size() && cosigned[member];
  const Group& group = groups_[member - kMaxPolicyNames];
  const auto witnessed = std::count_if(group.members.begin(), group.members.end(),
                                       [&](size_t inner) { return HasWitnessed(inner, cosigned); });
  return static_cast<size_t>(witnessed) >= group.threshold;
}

absl::StatusOr<PolicyCheck> CheckPolicy(std::string_view note_text, const Policy& policy,
                                        const VerifierKey* log) {
  const absl::StatusOr<Note> note = ParseNote(note_text);
  if (!note.ok()) return note.status();
  absl::StatusOr<Checkpoint> checkpoint = ParseCheckpointBody(note->text);
  if (!checkpoint.ok()) return checkpoint.status();

  std::vector<VerifierKey> log_keys;
  for (const PolicyLog& known : policy.logs()) {
    if (log == nullptr || known.key == *log) log_keys.push_back(known.key);
  }
  if (log != nullptr && policy.logs().empty()) log_keys.push_back(*log);
  if (log_keys.empty()) {
    return absl::FailedPreconditionError("the policy does not list the log");
  }
  std::erase_if(log_keys, [&](const VerifierKey& key) { return key.name() != checkpoint->origin; });
  if (log_keys.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the checkpoint is one of another log, ", checkpoint->origin));
  }
  std::vector<VerifierKey> keys = log_keys;
  for (const PolicyWitness& witness : policy.witnesses()) keys.push_back(witness.key);
  const auto verified = VerifyNote(*note, keys);
  if (!verified.ok()) return verified.status();

  PolicyCheck check{*std::move(checkpoint), {}, false};
  std::vector<bool> cosigned(policy.witnesses().size(), false);
  std::vector<std::pair<uint64_t, size_t>> seen;  // when, and which witness
  bool signed_by_log = false;
  for (const VerifiedSignature& signature : *verified) {
    if (signature.key < log_keys.size()) {
      signed_by_log = true;
      continue;
    }
    const size_t witness = signature.key - log_keys.size();
    cosigned[witness] = true;
    seen.emplace_back(signature.timestamp_s, witness);
    check.cosigners.push_back({policy.witnesses()[witness].name, signature.timestamp_s});
  }
  if (!signed_by_log) {
    return absl::FailedPreconditionError("the checkpoint lacks the signature of its log");
  }
  check.quorum = policy.IsQuorum(cosigned);
  if (check.quorum && !policy.WantsNoWitness()) check.quorum_at_s = QuorumAt(policy, seen);
  return check;
}

}  // namespace televault::audit
