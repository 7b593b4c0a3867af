#include "vault/service/front.h"

#include <array>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "auth/token.h"
#include "televault/v1/access_service.pb.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/hash.h"
#include "vault/service/adapter.h"

namespace televault::service {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::HasSubstr;

constexpr char kExclusive[] = "/televault.v1.AccessService/EnrolPerson";
// Counts what is recorded and lets nothing else through.
class CountingJournal final : public store::Journal {
 public:
  absl::StatusOr<store::CommitReceipt> Commit(const store::CommitUnit& unit) override {
    const std::lock_guard lock(mu_);
    if (late_ > 0) {
      --late_;
      return WithReason(absl::AbortedError("late"), reason::kStaleEntryTime);
    }
    if (unit.urgency < room_for_) {
      return WithReason(absl::ResourceExhaustedError("full"), full_because_);
    }
    leaves_ += unit.leaves.size();
    urgent_entries_ += unit.urgency != store::Urgency::kOrdinary ? 1 : 0;
    return store::CommitReceipt{LeafIndex(leaves_ - 1), leaves_, {}, "checkpoint"};
  }
  store::CommitReceipt Head() const override { return {}; }
  absl::StatusOr<std::vector<audit::Hash>> InclusionProof(LeafIndex, uint64_t) const override {
    return std::vector<audit::Hash>();
  }
  absl::StatusOr<std::vector<audit::Hash>> ConsistencyProof(uint64_t, uint64_t) const override {
    return absl::UnimplementedError("");
  }
  void WaitForGrowth(uint64_t, std::chrono::milliseconds) const override {}
  absl::StatusOr<std::vector<std::string>> ReadLeaves(LeafIndex, size_t) const override {
    return absl::UnimplementedError("");
  }
  uint64_t NextUniqueId() override { return 0; }

  size_t urgent_entries() const {
    const std::lock_guard lock(mu_);
    return urgent_entries_;
  }
  // What is less urgent is refused: the disk is full, or the queue.
  void LeaveRoomFor(store::Urgency least, std::string_view because = reason::kDiskFull) {
    const std::lock_guard lock(mu_);
    room_for_ = least;
    full_because_ = because;
  }
  // The next ones are said to have waited too long.
  void TurnAwayAsLate(int commits) {
    const std::lock_guard lock(mu_);
    late_ = commits;
  }
  void StartCounting() {
    const std::lock_guard lock(mu_);
    urgent_entries_ = 0;
  }

 private:
  mutable std::mutex mu_;  // guards what follows
  size_t leaves_ = 0;
  size_t urgent_entries_ = 0;
  int late_ = 0;
  store::Urgency room_for_ = store::Urgency::kOrdinary;
  std::string_view full_because_;
};

class MemoryLockStore final : public incident::LockStateStore {
 public:
  absl::StatusOr<record::v1::LockStateRecord> Read() override {
    return record::v1::LockStateRecord();
  }
  absl::Status Write(const record::v1::LockStateRecord&) override { return absl::OkStatus(); }
};

class FrontTest : public ::testing::Test {
 protected:
  FrontTest() {
    std::array<uint8_t, auth::kTokenSecretBytes> secret{};
    secret.fill(7);
    std::array<char, auth::kTokenTextBytes> text{};
    auth::FormatToken(auth::TokenKind::kOperator, secret, text);
    authorization_ = "Bearer " + std::string(text.data(), text.size());
    const auth::TokenVerifier verifier = auth::VerifierOf({text.data(), text.size()});
    const WallTime now = SystemClock().Wall();
    record::v1::ControlRecord first;
    auto& person = *first.add_persons();
    person.set_name("alice");
    person.set_proposed_by("init");
    person.set_confirmed_by("init");
    person.set_enrolled_at_us(1);
    auto& token = *first.add_tokens();
    token.set_accessor("tva_of_alice");
    token.set_verifier(verifier.data(), verifier.size());
    token.set_person("alice");
    token.add_roles("operator");
    token.set_active_since_us(1);
    token.set_expires_at_us(now.micros + kMicrosPerDay);
    control_ = control::ControlStore::Create({.fs = PosixFileSystem(),
                                              .random = random_,
                                              .key = key_,
                                              .vault = {},
                                              .directory = directory_.path()},
                                             first)
                   .value();
    control_->Settle();
    // The first entry brings its key with it.
    EXPECT_THAT(recorder_.Record({}), IsOk());
    journal_.StartCounting();
    front_ = std::make_unique<Front>(Front::Parts{SystemClock(), policies_, *control_, lockdown_,
                                                  recorder_,
                                                  [this] {
                                                    if (on_admitted_) on_admitted_();
                                                    return absl::OkStatus();
                                                  },
                                                  [] { return absl::OkStatus(); }});
  }

  Front::Arrival ArrivalWith(std::chrono::milliseconds time_left) const {
    Front::Arrival arrival;
    arrival.method = kExclusive;
    arrival.has_deadline = true;
    arrival.time_left = time_left;
    arrival.cancelled = [] { return false; };
    arrival.metadata = [this](std::string_view name) -> std::string_view {
      return name == "authorization" ? std::string_view(authorization_) : "";
    };
    return arrival;
  }
  absl::Status Run(std::chrono::milliseconds time_left,
                   const std::function<absl::Status(Call&)>& handler) {
    Call call;
    return Run(time_left, call, handler);
  }
  absl::Status Run(std::chrono::milliseconds time_left, Call& call,
                   const std::function<absl::Status(Call&)>& handler) {
    v1::EnrolPersonResponse response;
    return front_->RunUnary(ArrivalWith(time_left), &response, call, handler);
  }

  TempDirectory directory_;
  SeededRandom random_{5};
  const SecretBytes key_ = crypto::NewKey(random_);
  std::string authorization_;
  const auth::PolicyTable policies_ = auth::BuildPolicyTable().value();
  std::unique_ptr<control::ControlStore> control_;
  incident::LockdownManager lockdown_{
      {.clock = SystemClock(),
       .random = random_,
       .store = std::make_unique<MemoryLockStore>(),
       .min_lock_epoch = LockEpoch(0),
       .high_water = WallTime{0},
       .persist_high_water = [](WallTime) { return absl::OkStatus(); },
       .lock_because = "",
       .sealed = false}};
  const std::array<uint8_t, 32> epoch_key_ = [] {
    std::array<uint8_t, 32> key{};
    key[0] = 9;  // the base point: any public key will do, nobody opens these leaves
    return key;
  }();
  crypto::AuditSealer sealer_{{}, 1, epoch_key_, SystemClock(), random_};
  CountingJournal journal_;
  Recorder recorder_{sealer_, journal_, [] { return SystemClock().Wall(); }, random_};
  std::function<void()> on_admitted_;  // set while one thread calls
  std::unique_ptr<Front> front_;
};

// Holds the exclusive lane until told to let go.
class Occupant {
 public:
  using Handler = std::function<absl::Status(Call&)>;
  explicit Occupant(const std::function<absl::Status(const Handler&)>& run)
      : thread_([this, run] {
          outcome_ = run([this](Call&) {
            inside_.set_value();
            leave_.get_future().wait();
            return absl::FailedPreconditionError("it was for nothing");
          });
        }) {
    inside_.get_future().wait();
  }
  absl::Status Leave() {
    leave_.set_value();
    thread_.join();
    return outcome_;
  }

 private:
  std::promise<void> inside_;
  std::promise<void> leave_;
  absl::Status outcome_;
  std::thread thread_;
};

TEST_F(FrontTest, WhoWaitsForTheExclusiveLaneIsRefusedWithinItsDeadline) {
  Occupant occupant([&](const auto& handler) { return Run(std::chrono::seconds(60), handler); });
  bool ran = false;
  const absl::Status refused = Run(std::chrono::milliseconds(50), [&](Call&) {
    ran = true;
    return absl::OkStatus();
  });
  EXPECT_THAT(refused, HasReason(reason::kOverloaded));
  EXPECT_FALSE(ran);
  EXPECT_EQ(journal_.urgent_entries(), 1u) << "the refusal is on record while the other one works";
  EXPECT_THAT(occupant.Leave(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(journal_.urgent_entries(), 2u);
}

// Who was admitted before the wait is asked for its token again after it.
TEST_F(FrontTest, ATokenThatIsRevokedDuringTheWaitEndsTheCall) {
  Occupant occupant([&](const auto& handler) { return Run(std::chrono::seconds(60), handler); });
  std::promise<void> admitted;
  on_admitted_ = [&] { admitted.set_value(); };
  bool ran = false;
  absl::Status outcome;
  Call call;
  std::thread waiting([&] {
    outcome = Run(std::chrono::seconds(60), call, [&](Call&) {
      ran = true;
      return absl::OkStatus();
    });
  });
  admitted.get_future().wait();
  ASSERT_THAT(control_->Revoke("tva_of_alice"), IsOk());
  (void)occupant.Leave();
  waiting.join();
  EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_FALSE(ran);
  EXPECT_EQ(call.entry.verdict(), record::v1::VERDICT_DENY) << "allowed before the wait";
}

// Refused calls, which any caller can make, used to take the last room of lockdowns and votes.
TEST_F(FrontTest, RefusalsLeaveTheLastRoomToSecurityEventsAndAreRecordedLater) {
  const auto refuse = [](Call&) { return absl::FailedPreconditionError("no such person"); };
  const auto vote = [](Call& call) {
    call.urgency = store::Urgency::kSecurity;
    return absl::OkStatus();
  };
  journal_.LeaveRoomFor(store::Urgency::kTrail);
  EXPECT_THAT(Run(std::chrono::seconds(60), refuse),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(journal_.urgent_entries(), 1u);

  journal_.LeaveRoomFor(store::Urgency::kSecurity);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Run(std::chrono::seconds(60), refuse),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  }
  EXPECT_THAT(Run(std::chrono::seconds(60), vote), IsOk());
  EXPECT_EQ(journal_.urgent_entries(), 2u);
  front_->RecordRefusals();
  EXPECT_EQ(journal_.urgent_entries(), 2u);

  journal_.LeaveRoomFor(store::Urgency::kOrdinary);
  front_->RecordRefusals();
  EXPECT_EQ(journal_.urgent_entries(), 3u) << "one entry for the three";
  front_->RecordRefusals();
  EXPECT_EQ(journal_.urgent_entries(), 3u);
}

// What could not be recorded is not answered, and its refusal is on record.
TEST_F(FrontTest, AnAnswerWithoutRoomForItsEntryIsARefusalOnRecord) {
  const auto answer = [](Call&) { return absl::OkStatus(); };
  journal_.LeaveRoomFor(store::Urgency::kTrail);
  Call call;
  EXPECT_THAT(Run(std::chrono::seconds(60), call, answer), HasReason(reason::kDiskFull));
  EXPECT_EQ(journal_.urgent_entries(), 1u);
  EXPECT_EQ(call.entry.verdict(), record::v1::VERDICT_DENY) << "reports leave out what is allowed";
  EXPECT_EQ(call.entry.reason(), "DISK_FULL");
  journal_.LeaveRoomFor(store::Urgency::kSecurity);
  EXPECT_THAT(Run(std::chrono::seconds(60), answer), HasReason(reason::kDiskFull));
  EXPECT_EQ(journal_.urgent_entries(), 1u);
  journal_.LeaveRoomFor(store::Urgency::kOrdinary);
  front_->RecordRefusals();
  EXPECT_EQ(journal_.urgent_entries(), 2u);
}

// An entry that had waited half an hour for a disk stood behind a lockdown of a minute ago, and
// readings of the last quarter of an hour ended there.
TEST_F(FrontTest, AnEntryThatWaitedTooLongIsSealedAgain) {
  journal_.TurnAwayAsLate(3);
  EXPECT_THAT(Run(std::chrono::seconds(60),
                  [](Call& call) {
                    call.urgency = store::Urgency::kSecurity;
                    return absl::OkStatus();
                  }),
              IsOk());
  EXPECT_EQ(journal_.urgent_entries(), 1u);
}

// Behind a full queue as behind a full disk: calls used to be refused without a trace.
TEST_F(FrontTest, WhatAFullQueueTurnsAwayIsOnRecordLater) {
  journal_.LeaveRoomFor(store::Urgency::kSecurity, reason::kOverloaded);
  EXPECT_THAT(Run(std::chrono::seconds(60), [](Call&) { return absl::OkStatus(); }),
              HasReason(reason::kOverloaded));
  EXPECT_THAT(Run(std::chrono::seconds(60),
                  [](Call&) { return absl::FailedPreconditionError("no such person"); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(journal_.urgent_entries(), 0u);
  journal_.LeaveRoomFor(store::Urgency::kOrdinary);
  front_->RecordRefusals();
  EXPECT_EQ(journal_.urgent_entries(), 2u);
}

// Such calls, which every token may make, used up the room of lockdowns.
TEST_F(FrontTest, AnAnswerThatGoesOutUnrecordedTakesNoRoomOfSecurityEvents) {
  const auto status = [](Call& call) {
    call.answer_unaudited = true;
    return absl::OkStatus();
  };
  journal_.LeaveRoomFor(store::Urgency::kSecurity);
  EXPECT_THAT(Run(std::chrono::seconds(60), status), IsOk());
  front_->RecordRefusals();
  EXPECT_EQ(journal_.urgent_entries(), 0u);
  journal_.LeaveRoomFor(store::Urgency::kOrdinary);
  front_->RecordRefusals();
  EXPECT_EQ(journal_.urgent_entries(), 1u);
}

TEST_F(FrontTest, WhatALibraryThrowsIsAnErrorOfTheCallAndOnRecord) {
  const auto explode = []() -> absl::Status {
    (void)std::string("short").at(4711);
    return absl::OkStatus();
  };
  const absl::Status unary = Run(std::chrono::seconds(60), [&](Call&) { return Guarded(explode); });
  EXPECT_THAT(unary, StatusIs(absl::StatusCode::kInternal, ::testing::Not(HasSubstr("4711"))));
  EXPECT_EQ(journal_.urgent_entries(), 1u);
  Call call;
  ASSERT_THAT(front_->Begin(ArrivalWith(std::chrono::seconds(60)), call), IsOk());
  EXPECT_THAT(ConcludeIfThrown(*front_, call, explode), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(journal_.urgent_entries(), 2u) << "a stream that threw was not recorded by itself";
  Call quiet;
  ASSERT_THAT(front_->Begin(ArrivalWith(std::chrono::seconds(60)), quiet), IsOk());
  EXPECT_THAT(ConcludeIfThrown(*front_, quiet, [] { return absl::NotFoundError("gone"); }),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(journal_.urgent_entries(), 2u) << "it records its outcome by itself";
}

}  // namespace
}  // namespace televault::service
