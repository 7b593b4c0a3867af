#include "vault/base/work_pool.h"

#include <utility>

namespace televault {

WorkPool::WorkPool(size_t threads, size_t max_queued) : max_queued_(max_queued) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

void WorkPool::Finish() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  ready_.notify_all();
  threads_.clear();
}

absl::Status WorkPool::Submit(std::function<void()> task) {
  {
    const std::lock_guard lock(mu_);
    if (stopping_) return absl::UnavailableError("shutting down");
    if (queue_.size() >= max_queued_) {
      return WithReason(absl::ResourceExhaustedError("too many calls in flight; try again later"),
                        reason::kOverloaded);
    }
    queue_.push_back(std::move(task));
  }
  ready_.notify_one();
  return absl::OkStatus();
}

void WorkPool::Run() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mu_);
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace televault
