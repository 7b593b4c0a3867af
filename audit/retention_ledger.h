#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/entry.h"
#include "audit/note.h"

// What the trail says about expiry and erasure, and whether it was kept.
namespace televault::audit {

struct RetentionFacts;  // an entry

// How long after a deadline, or the end of the last legal hold, a data key may be left, and the
// bytes after that.
inline constexpr int64_t kShredWithinUs = 60'000'000;
inline constexpr int64_t kPurgeWithinUs = 15 * 60'000'000;
// A legal hold that was placed so shortly before a shred was recorded may have come behind the
// destruction itself.
inline constexpr int64_t kJustNowUs = kShredWithinUs + kPurgeWithinUs;
// How long before the deadline of an erasure a data key may go that belongs to no day.
inline constexpr int64_t kUnclaimedUs = 3'600'000'000;
// How long before its entry is recorded something may have happened that the entry gives the time
// of.
inline constexpr int64_t kStatedWithinUs = 3'600'000'000;
inline constexpr size_t kMaxLedgerFindings = 1'000;

enum class DeletionState { kLive, kExpired, kShredded, kPurged };
std::string_view DeletionStateName(DeletionState state);
// kUnknown: entries that cannot be read may say what is missing to check it.
enum class ReceiptState { kNone, kOk, kMissing, kWrong, kUnknown };
std::string_view ReceiptStateName(ReceiptState state);

// A partition as the trail has it at its end. Times are RFC 3339, "" = did not happen.
struct PartitionFate {
  std::string dataset;
  std::string day;
  uint64_t key_id = 0;
  DeletionState state = DeletionState::kLive;
  std::string deadline;
  std::string shredded_at;
  std::string purged_at;
  ReceiptState receipt = ReceiptState::kNone;
  std::vector<std::string> holds;  // of the receipt, or what keeps it now
};

struct ErasureFate {
  std::string dataset;
  std::string id;
  std::string requested_at;
  std::string deadline;
  std::string settled_at;
  ReceiptState receipt = ReceiptState::kNone;
  std::vector<std::string> holds;
};

struct LedgerFinding {
  std::string kind;               // stable, e.g. "overdue"
  std::optional<uint64_t> index;  // of the entry that shows it
  std::string dataset;
  std::string what;  // day, or id of an erasure or hold
  std::string text;
};

enum class LedgerVerdict { kHolds, kIncomplete, kBroken };
std::string_view LedgerVerdictName(LedgerVerdict verdict);

struct LedgerReport {
  uint64_t entries = 0;
  uint64_t unreadable = 0;                // leaves
  std::string last_time;                  // of the newest entry; everything is judged at it
  std::vector<PartitionFate> partitions;  // by dataset and day
  std::vector<ErasureFate> erasures;      // as they were asked for
  std::vector<LedgerFinding> findings;    // what was not kept
  std::vector<LedgerFinding> undecided;   // what entries that cannot be read may explain
  // Entries of restores that lost history: what happened in that nobody can judge.
  std::vector<uint64_t> lost_history;
  uint64_t left_out = 0;  // of both, beyond kMaxLedgerFindings each
  LedgerVerdict verdict = LedgerVerdict::kHolds;
};

// Replays the entries of a trail, in the order of the log: every partition that was opened, its
// deadline, the holds on it, its shred, purge and receipt; every erasure and its receipt. Where a
// backup was put back the trail goes on from what that had: the keyring of now is what counts.
// Refuses to believe a receipt: each is written anew from the trail and compared with what `key`
// signed. Refuses to take for kept what entries that cannot be read may hide, and for broken, too.
// Refuses to excuse with a restore what it does not say, or what it lost no history for.
// Threads: one at a time. Borrows: nothing.
// Invariants: (1) a deadline only moves to earlier times. (2) A finding is never taken back.
// (3) Without a finding the verdict is kHolds only where every leaf could be read.
class RetentionLedger {
 public:
  explicit RetentionLedger(VerifierKey key);

  void Add(uint64_t index, const AuditEntry& entry);
  void AddUnreadable(uint64_t index);
  LedgerReport Finish() &&;

 private:
  using Place = std::pair<std::string, std::string>;  // dataset and day
  struct Partition {
    PartitionFate fate;
    int64_t end_of_day_us = 0;
    int64_t deadline_us = 0;
    // By the time to live that was in force when it was opened. A batch that was prepared under a
    // longer one may open it, and a deadline that is later than this is moved at once.
    int64_t latest_us = INT64_MAX;
    int64_t opened_us = 0;
    int64_t due_since_us = 0;  // deadline, or when it was moved to before that moment
    uint64_t since = 0;        // index of the first entry about it
    int64_t shredded_us = 0;
    std::set<uint64_t> shreds;  // indices
    uint64_t events = 0;        // when it was shredded
    std::string destruction;
    uint64_t erased_up_to = 0;  // number of the newest erasure it was looked through for
    uint64_t rewritten = 0;     // index of its last rewrite, 0 = none, and when
    int64_t rewritten_us = 0;
    bool begun = false;  // rows of erased subjects were found, and no rewrite came since
    bool shredded() const { return !shreds.empty(); }
  };
  struct Hold {
    std::string dataset;
    std::string first_day;  // "" = from the first
    std::string last_day;   // "" = to the last
    int64_t placed_us = 0;
    int64_t until_us = 0;
    std::optional<int64_t> ended_us;
    // By the keyring, in history that was lost: nobody knows when it ended, or names it any more.
    bool forgotten = false;
    int64_t end_us() const { return ended_us.value_or(until_us); }
    bool Covers(const Place& place) const;
    // Covers it, was placed so long before `since_us` that it did not come behind what happened
    // then, and was in force until after `at_us`.
    bool Keeps(const Place& place, int64_t since_us, int64_t at_us) const;
  };
  struct Erasure {
    ErasureFate fate;
    uint64_t since = 0;
    uint64_t number = 0;
    int64_t deadline_us = 0;
    int64_t waits_since_us = 0;  // deadline, or when a restore undid that it was settled
    int64_t requested_us = 0;
  };
  // Rows of erased subjects that were found in a day, before they were removed.
  struct Begun {
    uint64_t index = 0;
    std::string day;
    uint64_t events = 0;
    std::optional<size_t> only;  // the erasure, where no other one was to be carried out
  };
  // A backup was put back, and does not follow the keyring yet.
  struct Restore {
    bool lost = false;            // history that came after it
    bool followed = false;        // the store follows the keyring, and served nothing since
    int64_t head_us = 0;          // of the newest entry it has
    uint64_t holds = 0;           // that the keyring has
    std::set<std::string> named;  // of those
  };
  using Facts = RetentionFacts;

  void Event(const Facts& facts);
  void Outcome(const Facts& facts);
  void Open(const Facts& facts);
  void Shorten(const Facts& facts);
  void Shred(const Facts& facts);
  void Purge(const Facts& facts);
  void Apply(const Facts& facts);
  void CheckDeadline(const Partition& partition);
  void PlaceHold(const Facts& facts);
  void UndoHold(const Facts& facts, bool placed);
  void EndHold(const Facts& facts, std::optional<int64_t> at_us);
  void LapseHold(const Facts& facts);
  void Ask(const Facts& facts);
  void Begin(const Facts& facts);
  void Rewritten(const Facts& facts);
  void CheckErasedUpTo(const Facts& facts, Partition& partition, uint64_t up_to);
  void Settled(const Facts& facts);
  void CheckSettled(const Facts& facts, const Erasure& erasure, int64_t settled_us);
  void CheckTotals(const Facts& facts, size_t erasure, uint64_t partitions, uint64_t events);
  void CheckUnrecorded(const Facts& facts);
  void NoteHeld(const Facts& facts);

  void BeginRestore(const Facts& facts);
  void TakeHold(const Facts& facts);
  void ForgetOthers(const Facts& facts);
  void TakeRestoredKey(const Facts& facts);
  void EndRestore(const Facts& facts);
  // What no vault does before its restored store follows the keyring.
  void CheckFollowed(const Facts& facts);
  // Whether a restore is under way; a finding where not.
  bool InRestore(const Facts& facts);
  // Whether it is a restored store's shred of a day whose key went in lost history.
  bool IsLostShred(const Facts& facts) const;

  // The partition that the entry speaks of, as it says where its opening is not known; null where
  // the entry is malformed.
  Partition* Find(const Facts& facts);
  void CheckNames(const Facts& facts);
  // A time that was made up afterwards is as wrong as one to come.
  void CheckStated(const Facts& facts, const std::string& what, int64_t stated_us);
  void CheckShredTime(const Facts& facts, const Partition& partition);
  void CheckHolds(const Facts& facts, const Partition& partition);
  void CheckPurgeTime(const Facts& facts, const Place& place, int64_t purged_us);
  void TakeKey(const Facts& facts, uint64_t key);
  void MoveDeadline(Partition& partition, int64_t deadline_us, int64_t moved_us);
  bool CheckNote(const Facts& facts, const std::string& says, const std::string& what);

  void JudgePartition(const Place& place, Partition& partition);
  void JudgeErasure(Erasure& erasure);
  // When the last of the legal holds ends that kept it from `from_us` on, one after the other;
  // `from_us` where none did. One that came later than that makes up for nothing.
  int64_t KeptUntil(const Place& place, int64_t from_us) const;
  // Whether they keep it until now, or did until just now.
  bool IsKeptSince(const Place& place, int64_t from_us) const;
  std::vector<const Partition*> WaitingFor(const Erasure& erasure) const;
  // Whether a legal hold, in force until just now, keeps the erasure from being settled.
  bool IsKept(const Erasure& erasure) const;
  bool KeepsOldKey(const Place& place, const Partition& partition, const Erasure& erasure) const;

  void Broken(LedgerFinding finding);
  void Undecided(LedgerFinding finding);
  // For what the entry should find before it: undecided where leaves there cannot be read.
  void Missing(const Facts& facts, std::string kind, std::string what, std::string text);
  bool UnreadableBefore(const Facts& facts) const;
  // For what should have followed the entry `since`: undecided where leaves there cannot be read.
  void NotDone(uint64_t since, LedgerFinding finding);
  void Malformed(const Facts& facts, std::string_view detail);

  const VerifierKey key_;
  LedgerReport report_;
  std::map<Place, Partition> partitions_;
  std::map<std::string, Hold> holds_;         // by id
  std::vector<Erasure> erasures_;             // as they were asked for
  std::map<std::string, int64_t> ttl_;        // by dataset
  std::map<std::string, size_t> erasure_of_;  // by id
  std::optional<Restore> restore_;
  std::deque<std::pair<uint64_t, int64_t>> newest_;    // indices and times of a few entries
  std::map<std::string, std::set<size_t>> unsettled_;  // erasures, by dataset
  std::map<std::string, uint64_t> newest_erasure_;     // number, by dataset
  std::map<std::string, std::vector<Begun>> begun_;    // by dataset
  // Days without a record, whose key a legal hold keeps from being destroyed for an erasure.
  std::set<Place> held_unrecorded_;
  std::map<std::string, std::string> pseudonyms_;  // by dataset
  std::map<std::string, std::string> datasets_;    // by pseudonym
  std::set<uint64_t> keys_;                        // every data key there was
  std::optional<uint64_t> first_unreadable_;
  uint64_t last_unreadable_ = 0;
  int64_t last_us_ = INT64_MIN;
};

}  // namespace televault::audit
