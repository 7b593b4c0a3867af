#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "vault/query/row_store.h"
#include "vault/query/tables.h"

namespace televault::query {

// Some rows of a unit, with texts of their own.
struct KeptRows {
  explicit KeptRows(const std::vector<SqlType>& types) : rows(types, texts) {}
  size_t bytes() const { return rows.bytes() + texts.bytes(); }

  Interner texts;
  RowStore rows;
  bool ends_unit = false;
};

// A place for some rows between a thread that finds them and the one that sends them.
// Threads: one on either side; Close() any.
class Handover {
 public:
  // Waits until there is room; false where it was closed.
  bool Put(std::unique_ptr<KeptRows> rows) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return waiting_ == nullptr || closed_; });
    if (closed_) return false;
    waiting_ = std::move(rows);
    changed_.notify_all();
    return true;
  }
  // Waits for what is put next; null where it was closed. Counts in bytes() until it is let go.
  std::shared_ptr<const KeptRows> Take() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return waiting_ != nullptr || closed_; });
    if (waiting_ == nullptr) return nullptr;
    std::shared_ptr<const KeptRows> rows = std::move(waiting_);
    taken_ = rows;
    changed_.notify_all();
    return rows;
  }
  void Close() {
    const std::lock_guard lock(mu_);
    closed_ = true;
    changed_.notify_all();
  }
  // Held by what was put and is not let go yet.
  size_t bytes() const {
    const std::lock_guard lock(mu_);
    const std::shared_ptr<const KeptRows> taken = taken_.lock();
    return (waiting_ == nullptr ? 0 : waiting_->bytes()) + (taken == nullptr ? 0 : taken->bytes());
  }

 private:
  mutable std::mutex mu_;  // guards all below
  std::condition_variable changed_;
  std::unique_ptr<KeptRows> waiting_;
  std::weak_ptr<const KeptRows> taken_;
  bool closed_ = false;
};

}  // namespace televault::query
