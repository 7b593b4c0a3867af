#include "vault/incident/state_writer.h"

#include <chrono>
#include <utility>

namespace televault::incident {
namespace {

// How often a wait looks at the clock, which is not the one that condition variables wait by.
constexpr std::chrono::milliseconds kLook{20};

}  // namespace

StateWriter::StateWriter(const Clock& clock, std::function<void()> write,
                         std::function<void()> follow)
    : clock_(clock), write_(std::move(write)), follow_(std::move(follow)) {
  writer_ = std::jthread(
      [this](const std::stop_token& stop) { Repeat(stop, write_, requested_, written_); });
  follower_ = std::jthread(
      [this](const std::stop_token& stop) { Repeat(stop, follow_, written_, followed_); });
}

uint64_t StateWriter::Request() {
  uint64_t request = 0;
  {
    const std::lock_guard lock(mu_);
    request = ++requested_;
  }
  changed_.notify_all();
  return request;
}

void StateWriter::Await(uint64_t request, MonoTime until) {
  std::unique_lock lock(mu_);
  const auto settled = [&] { return stopped_ || followed_ >= request; };
  while (!settled() && clock_.Mono() < until) changed_.wait_for(lock, kLook, settled);
}

void StateWriter::Stop() {
  {
    const std::lock_guard lock(mu_);
    stopped_ = true;
  }
  changed_.notify_all();
  writer_ = {};
  follower_ = {};
}

void StateWriter::Repeat(const std::stop_token& stop, const std::function<void()>& work,
                         const uint64_t& wanted, uint64_t& done) {
  std::unique_lock lock(mu_);
  while (changed_.wait(lock, stop, [&] { return done < wanted; })) {
    const uint64_t taken = wanted;
    lock.unlock();
    work();
    lock.lock();
    done = taken;
    changed_.notify_all();
  }
}

}  // namespace televault::incident
