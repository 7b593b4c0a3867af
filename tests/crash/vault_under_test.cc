#include "tests/crash/vault_under_test.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "vault/base/clock.h"

namespace televault::crash {
namespace {

constexpr uint64_t kTokenTtlS = 60 * 86'400;
constexpr size_t kLogTailBytes = 4'000;

struct Person {
  const char* name;
  const char* role;
  bool guarded;
};
constexpr Person kPeople[] = {
    {"sam", "steward", true},    {"sue", "steward", true},       {"collie", "collector", false},
    {"anna", "analyst", false},  {"ines", "investigator", true}, {"audrey", "auditor", false},
    {"rita", "responder", true}, {"rob", "responder", true},     {"ron", "responder", true}};

constexpr char kManifest[] = R"(dataset: crash_events
revision: 1
owner: {team: reliability, contacts: [vault@example.org]}
why:
  question: Is what was acknowledged still there after a crash?
  benefit_to_subjects: What was promised to them holds.
  alternatives:
    - {option: reasoning about the code, insufficient_because: it has been wrong before}
  purposes:
    reliability: count what survives
  legal_basis: no_personal_data
  approved: {by: [lead, privacy], on: APPROVED}
  review_by: REVIEW
what:
  subject: none
  personal_data: none
  location: none
  max_record_bytes: 2048
  undeclared_fields: reject_record
  fields:
    batch:
      type: int
      clamp: [0, 1000000000]
      required: true
      class: technical
      for: [reliability]
      why: which batch it came with
    w:
      type: int
      clamp: [0, 1000]
      required: true
      class: technical
      for: [reliability]
      why: a sum that tells halves
how:
  collection: home_grown
  sources:
    - {name: driver, protocol: native}
  processors: []
  incident: {contact: security@example.org, authority_notice_hours: 72}
who:
  roles:
    analyst: {mode: aggregate, purposes: [reliability], k_min: 10}
    investigator: {mode: rows, purposes: [reliability], approvals: 2, grant: 1d}
opt:
  model: opt_out
  notice: {url: https://example.org/notice, version: 1, min_version: 1}
  switches: {env: [EXAMPLE_DISABLED]}
  on_withdrawal: {stop: at_once}
when:
  ttl: 1d
  late_arrival: {past: 2d, future: 10m}
)";

constexpr char kConfig[] = R"([retention]
tick = "1s"
[merge]
tick = "1s"
)";

absl::StatusOr<std::string> ReadFirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return absl::NotFoundError(path);
  return line;
}

}  // namespace

VaultUnderTest::VaultUnderTest() { std::ofstream(files_.Path("televault.toml")) << kConfig; }

WallTime VaultUnderTest::Now() const { return SystemClock().Wall() + shift_; }

void VaultUnderTest::AdvanceToMidnight(microseconds lead) {
  const auto left = EndOf(DayOf(Now())) - Now() - lead;
  shift_ += left.count() >= 0 ? left : left + microseconds(kMicrosPerDay);
}

absl::Status VaultUnderTest::Init() {
  TV_ASSIGN_OR_RETURN(
      const auto init,
      Process::Start({.arguments = {TELEVAULTD, "init", "--data-dir", files_.Path("data"),
                                    "--origin", "vault.example.org/crash", "--operators",
                                    "alice,bob", "--token-dir", files_.Path("tokens")},
                      .environment = {},
                      .log_file = files_.Path("log")}));
  if (!init->AwaitExit(kReadyBound) || init->exit_code() != 0) {
    return absl::InternalError("init failed: " + LogTail());
  }
  for (const char* name : {"alice", "bob"}) {
    TV_ASSIGN_OR_RETURN(tokens_[name],
                        ReadFirstLine(absl::StrCat(files_.Path("tokens"), "/", name, ".token")));
  }
  return absl::OkStatus();
}

absl::Status VaultUnderTest::Launch(const std::string& crash_point) {
  process_.reset();
  // A fresh path each time: no client's back-off of an earlier run delays this one.
  socket_ = files_.Path(absl::StrCat("sock", ++launches_));
  Process::Options options{
      .arguments = {TELEVAULTD, "serve", "--config", files_.Path("televault.toml"), "--data-dir",
                    files_.Path("data"), "--listen", "unix:" + socket_},
      .environment = {"LD_PRELOAD=" SHIFTED_CLOCK,
                      absl::StrCat("TELEVAULT_TEST_CLOCK_SHIFT_US=", shift_.count())},
      .log_file = files_.Path("log")};
  if (!crash_point.empty()) options.environment.push_back("TELEVAULT_CRASH_POINT=" + crash_point);
  TV_ASSIGN_OR_RETURN(process_, Process::Start(options));
  return absl::OkStatus();
}

std::unique_ptr<client::Vault> VaultUnderTest::Connect(const std::string& person) const {
  auto vault =
      client::Vault::Dial({.address = "unix:" + socket_, .timeout = kCallBound, .max_attempts = 1},
                          client::SecretText(tokens_.at(person)));
  TV_CHECK(vault.ok());
  return *std::move(vault);
}

absl::Status VaultUnderTest::RenewOperators() const {
  for (const char* name : {"alice", "bob"}) {
    client::Call call;
    TV_RETURN_IF_ERROR(Connect(name)->RenewToken({}, call).status());
  }
  return absl::OkStatus();
}

absl::Status VaultUnderTest::GiveToken(client::Vault& maker, client::Vault& confirmer,
                                       const std::string& person, const std::string& role) {
  v1::CreateTokenRequest create;
  create.set_person(person);
  create.add_roles(role);
  create.set_ttl_s(kTokenTtlS);
  if (role == "collector") create.add_datasets(kDataset);
  client::Call call;
  TV_ASSIGN_OR_RETURN(const auto made, maker.CreateToken(create, call));
  tokens_[person] = call.token;
  if (made.token().state() != v1::TOKEN_STATE_PENDING) return absl::OkStatus();
  v1::ConfirmTokenRequest confirm;
  confirm.set_accessor(made.token().accessor());
  return confirmer.ConfirmToken(confirm, call).status();
}

absl::Status VaultUnderTest::Enrol() {
  const auto alice = Connect("alice");
  const auto bob = Connect("bob");
  for (const Person& person : kPeople) {
    v1::EnrolPersonRequest enrol;
    enrol.set_name(person.name);
    client::Call call;
    TV_RETURN_IF_ERROR(alice->EnrolPerson(enrol, call).status());
    v1::ConfirmPersonRequest confirm;
    confirm.set_name(person.name);
    TV_RETURN_IF_ERROR(bob->ConfirmPerson(confirm, call).status());
    TV_RETURN_IF_ERROR(GiveToken(*alice, *bob, person.name, person.role));
  }
  return absl::OkStatus();
}

std::string VaultUnderTest::Manifest() const {
  const auto day = [this](int days) {
    return FormatDay(DayOf(Now() + microseconds(days * kMicrosPerDay)));
  };
  return absl::StrReplaceAll(kManifest, {{"APPROVED", day(-3)}, {"REVIEW", day(180)}});
}

absl::Status VaultUnderTest::ApplyDataset() const {
  v1::ApplyDatasetRequest request;
  request.set_manifest(Manifest());
  client::Call call;
  TV_ASSIGN_OR_RETURN(const auto response, Connect("sam")->ApplyDataset(request, call));
  if (response.applied()) return absl::OkStatus();
  return absl::InternalError("the dataset was not applied: " + response.ShortDebugString());
}

absl::Status VaultUnderTest::SetUp() {
  TV_RETURN_IF_ERROR(Init());
  TV_RETURN_IF_ERROR(Launch(""));
  TV_RETURN_IF_ERROR(AwaitReady());
  TV_RETURN_IF_ERROR(Enrol());
  TV_RETURN_IF_ERROR(ApplyDataset());
  client::Call call;
  TV_ASSIGN_OR_RETURN(const auto checkpoint, Connect("audrey")->GetCheckpoint({}, call));
  vkey_ = checkpoint.vkey();
  process_->Kill();
  return absl::OkStatus();
}

std::string VaultUnderTest::LogTail() const {
  std::ifstream file(files_.Path("log"));
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.substr(all.size() - std::min(all.size(), kLogTailBytes));
}

}  // namespace televault::crash
