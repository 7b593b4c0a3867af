#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "televault/v1/access_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "televault/v1/types.pb.h"
#include "vault/base/time.h"

namespace televault::crash {

// How much earlier than its deadline a day may end for readers after a restart: docs/adr/0021.
inline constexpr microseconds kEndsEarly{10'000'000};

// What one batch put into one day.
struct Part {
  uint64_t rows = 0;
  int64_t sum = 0;
  friend bool operator==(const Part&, const Part&) = default;
};

// Key: number of the batch, day.
using Answer = std::map<std::pair<uint64_t, int32_t>, Part>;

struct Batch {
  uint64_t number = 0;
  std::map<int32_t, Part> parts;  // by day since 1970
  v1::AppendRequest request;      // to be sent again while not acknowledged
  uint64_t acknowledged_at = 0;   // Ledger::Now() then; 0 = not yet
  bool settled = false;           // known to be either there or not
  bool stored = false;            // where settled
};

// An audit receipt, or an index named in an answer that broke off.
struct Seen {
  std::string what;
  v1::AuditReceipt receipt;
};

// What reached the client of one query before the answer ended, in whatever way.
struct Delivery {
  std::string person;
  bool rows_mode = false;
  std::optional<uint64_t> entry;  // that the header named
  uint64_t received = 0;          // rows or groups
  bool whole = false;
};

struct Lock {
  v1::LockdownLevel level = v1::LOCKDOWN_LEVEL_NONE;
  bool lifting = false;  // the deciding vote was sent: it may or may not be in force
};

// What clients sent, were answered and saw: the truth that a vault is held against after a crash.
// Threads: any.
class Ledger {
 public:
  // --- breaches of a promise
  // --------------------------------------------------------------------
  void Breach(std::string what);
  std::vector<std::string> TakeBreaches();

  // --- order of events
  // --------------------------------------------------------------------------
  uint64_t Now() const { return now_.load(); }

  // --- batches
  // ----------------------------------------------------------------------------------
  uint64_t NewNumber() { return next_number_.fetch_add(1); }
  void Sent(Batch batch);
  void Acknowledged(uint64_t number);
  // Those that are neither acknowledged nor settled.
  std::vector<Batch> Open() const;
  // Forgets what lies in days before `first_day` only.
  void ForgetBefore(int32_t first_day);
  size_t acknowledged() const { return acknowledged_.load(); }

  struct Reading {
    uint64_t asked_at = 0;  // Now() before the query
    WallTime before;        // the vault's time before and after it
    WallTime after;
    int32_t ttl_days = 0;
    bool settle = false;  // no batch is under way: what is missing now must stay so
  };
  // Every acknowledged batch is there exactly once unless it is expired, no batch half, nothing
  // that is expired, nothing that was never sent.
  void Check(const Answer& answer, const Reading& reading, const std::string& where);

  // --- audit
  // ------------------------------------------------------------------------------------
  void SawReceipt(std::string what, const v1::AuditReceipt& receipt);
  void SawIndex(uint64_t index);
  std::vector<Seen> TakeReceipts();
  uint64_t highest_index() const { return highest_index_.load(); }
  void Delivered(Delivery delivery);
  std::vector<Delivery> TakeDeliveries();

  // --- lockdown
  // ---------------------------------------------------------------------------------
  void Engaged(const std::string& id, v1::LockdownLevel level, uint64_t epoch);
  void Lifting(const std::string& id);
  void Lifted(const std::string& id);
  // What the vault says after a crash; takes over what is in force.
  void CheckLocks(const v1::LockdownStatus& status);
  // Non-zero while a lockdown of at least `level` is surely in force; another number for each.
  uint64_t Held(v1::LockdownLevel level) const;

  // --- tokens
  // -----------------------------------------------------------------------------------
  void TokenMade(const std::string& accessor);
  void TokenRevoking(const std::string& accessor);
  void TokenRevoked(const std::string& accessor);
  void CheckTokens(const std::map<std::string, v1::TokenState>& tokens);

 private:
  void CheckBatch(const Batch& batch, const Answer& answer, const Reading& reading,
                  const std::string& where, Batch& out);

  std::atomic<uint64_t> now_{1};
  std::atomic<uint64_t> next_number_{1};
  std::atomic<size_t> acknowledged_{0};
  std::atomic<uint64_t> highest_index_{0};
  std::atomic<uint64_t> held_[2] = {0, 0};  // at least reads, at least all
  mutable std::mutex mu_;                   // guards what follows
  std::vector<std::string> breaches_;
  std::map<uint64_t, Batch> batches_;
  std::set<uint64_t> forgotten_;
  std::vector<Seen> receipts_;
  std::vector<Delivery> deliveries_;
  std::map<std::string, Lock> locks_;
  uint64_t lock_epoch_ = 0;
  uint64_t holds_ = 0;
  enum class Token { kActive, kRevoking, kRevoked };
  std::map<std::string, Token> tokens_;
};

}  // namespace televault::crash
