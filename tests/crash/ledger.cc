#include "tests/crash/ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace televault::crash {
namespace {

WallTime DeadlineOf(int32_t day, int32_t ttl_days) {
  return {(static_cast<int64_t>(day) + 1 + ttl_days) * kMicrosPerDay};
}

std::string Name(uint64_t batch, int32_t day) {
  return absl::StrCat("batch ", batch, " of ", FormatDay(Day(day)));
}

}  // namespace

void Ledger::Breach(std::string what) {
  const std::lock_guard lock(mu_);
  breaches_.push_back(std::move(what));
}

std::vector<std::string> Ledger::TakeBreaches() {
  const std::lock_guard lock(mu_);
  return std::exchange(breaches_, {});
}

void Ledger::Sent(Batch batch) {
  const std::lock_guard lock(mu_);
  batches_[batch.number] = std::move(batch);
}

void Ledger::Acknowledged(uint64_t number) {
  const std::lock_guard lock(mu_);
  Batch& batch = batches_.at(number);
  if (batch.settled && !batch.stored) batch.settled = false;
  batch.acknowledged_at = now_.fetch_add(1) + 1;
  batch.request.Clear();
  ++acknowledged_;
}

std::vector<Batch> Ledger::Open() const {
  const std::lock_guard lock(mu_);
  std::vector<Batch> open;
  for (const auto& [number, batch] : batches_) {
    if (batch.acknowledged_at == 0 && !batch.settled) open.push_back(batch);
  }
  return open;
}

void Ledger::ForgetBefore(int32_t first_day) {
  const std::lock_guard lock(mu_);
  std::erase_if(batches_, [&](const auto& entry) {
    if (entry.second.parts.rbegin()->first >= first_day) return false;
    forgotten_.insert(entry.first);
    return true;
  });
}

void Ledger::CheckBatch(const Batch& batch, const Answer& answer, const Reading& reading,
                        const std::string& where, Batch& out) {
  const bool must = (batch.acknowledged_at != 0 && batch.acknowledged_at <= reading.asked_at) ||
                    (batch.settled && batch.stored);
  int there = 0;
  int missing = 0;
  for (const auto& [day, part] : batch.parts) {
    const auto found = answer.find({batch.number, day});
    const WallTime deadline = DeadlineOf(day, reading.ttl_days);
    if (found == answer.end()) {
      if (reading.after + kEndsEarly < deadline) ++missing;
      continue;
    }
    if (deadline <= reading.before) {
      breaches_.push_back(absl::StrCat(where, ": ", Name(batch.number, day), " is expired"));
    }
    if (found->second != part) {
      breaches_.push_back(absl::StrCat(where, ": ", Name(batch.number, day), " has ",
                                       found->second.rows, " of ", part.rows, " rows, sum ",
                                       found->second.sum, " instead of ", part.sum));
    }
    ++there;
  }
  if (missing > 0 && (must || there > 0)) {
    breaches_.push_back(absl::StrCat(where, ": batch ", batch.number, " lacks ", missing,
                                     " of its days", must ? ", it was acknowledged" : ""));
  }
  if (there > 0 && batch.settled && !batch.stored) {
    breaches_.push_back(absl::StrCat(where, ": batch ", batch.number, " came back"));
  }
  if (reading.settle && !batch.settled && there + missing > 0) {
    out.settled = true;
    out.stored = there > 0;
  }
}

void Ledger::Check(const Answer& answer, const Reading& reading, const std::string& where) {
  const std::lock_guard lock(mu_);
  for (const auto& [key, part] : answer) {
    if (forgotten_.contains(key.first)) {
      breaches_.push_back(absl::StrCat(where, ": ", Name(key.first, key.second), " is expired"));
    } else if (!batches_.contains(key.first)) {
      breaches_.push_back(absl::StrCat(where, ": batch ", key.first, " was never sent"));
    } else if (!batches_.at(key.first).parts.contains(key.second)) {
      breaches_.push_back(
          absl::StrCat(where, ": ", Name(key.first, key.second), " was not sent for that day"));
    }
  }
  for (auto& [number, batch] : batches_) CheckBatch(batch, answer, reading, where, batch);
}

void Ledger::SawReceipt(std::string what, const v1::AuditReceipt& receipt) {
  SawIndex(receipt.index());
  const std::lock_guard lock(mu_);
  receipts_.push_back({std::move(what), receipt});
}

void Ledger::SawIndex(uint64_t index) {
  uint64_t seen = highest_index_.load();
  while (seen < index && !highest_index_.compare_exchange_weak(seen, index)) {
  }
}

std::vector<Seen> Ledger::TakeReceipts() {
  const std::lock_guard lock(mu_);
  return std::exchange(receipts_, {});
}

void Ledger::Delivered(Delivery delivery) {
  const std::lock_guard lock(mu_);
  deliveries_.push_back(std::move(delivery));
}

std::vector<Delivery> Ledger::TakeDeliveries() {
  const std::lock_guard lock(mu_);
  return std::exchange(deliveries_, {});
}

uint64_t Ledger::Held(v1::LockdownLevel level) const {
  return held_[level >= v1::LOCKDOWN_LEVEL_ALL ? 1 : 0].load();
}

void Ledger::Engaged(const std::string& id, v1::LockdownLevel level, uint64_t epoch) {
  const std::lock_guard lock(mu_);
  Lock& known = locks_[id];
  known.level = std::max(known.level, level);
  lock_epoch_ = std::max(lock_epoch_, epoch);
  ++holds_;
  if (level >= v1::LOCKDOWN_LEVEL_READS) held_[0] = holds_;
  if (level >= v1::LOCKDOWN_LEVEL_ALL) held_[1] = holds_;
}

void Ledger::Lifting(const std::string& id) {
  const std::lock_guard lock(mu_);
  held_[0] = held_[1] = 0;
  locks_[id].lifting = true;
}

void Ledger::Lifted(const std::string& id) {
  const std::lock_guard lock(mu_);
  locks_.erase(id);
}

void Ledger::CheckLocks(const v1::LockdownStatus& status) {
  const std::lock_guard lock(mu_);
  std::map<std::string, Lock> in_force;
  for (const v1::Lockdown& lockdown : status.lockdowns()) {
    in_force[lockdown.id()].level = lockdown.level();
  }
  for (const auto& [id, known] : locks_) {
    const auto found = in_force.find(id);
    if (known.lifting) continue;
    if (found == in_force.end()) {
      breaches_.push_back(absl::StrCat("lockdown ", id, " was acknowledged and is gone"));
    } else if (found->second.level < known.level) {
      breaches_.push_back(absl::StrCat("lockdown ", id, " became weaker"));
    }
  }
  if (status.lock_epoch() < lock_epoch_) {
    breaches_.push_back(
        absl::StrCat("lock epoch ", status.lock_epoch(), " is behind ", lock_epoch_));
  }
  lock_epoch_ = status.lock_epoch();
  locks_ = std::move(in_force);
}

void Ledger::TokenMade(const std::string& accessor) {
  const std::lock_guard lock(mu_);
  tokens_[accessor] = Token::kActive;
}

void Ledger::TokenRevoking(const std::string& accessor) {
  const std::lock_guard lock(mu_);
  tokens_[accessor] = Token::kRevoking;
}

void Ledger::TokenRevoked(const std::string& accessor) {
  const std::lock_guard lock(mu_);
  tokens_[accessor] = Token::kRevoked;
}

void Ledger::CheckTokens(const std::map<std::string, v1::TokenState>& tokens) {
  const std::lock_guard lock(mu_);
  for (auto& [accessor, known] : tokens_) {
    const auto found = tokens.find(accessor);
    if (found == tokens.end()) {
      breaches_.push_back(absl::StrCat("token ", accessor, " was acknowledged and is gone"));
      continue;
    }
    const bool revoked = found->second == v1::TOKEN_STATE_REVOKED;
    if (revoked && known == Token::kActive) {
      breaches_.push_back(absl::StrCat("token ", accessor, " is revoked; nobody did"));
    }
    if (!revoked && known == Token::kRevoked) {
      breaches_.push_back(absl::StrCat("token ", accessor, " was revoked and is active again"));
    }
    known = revoked ? Token::kRevoked : Token::kActive;
  }
}

}  // namespace televault::crash
