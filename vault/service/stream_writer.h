#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <mutex>
#include <utility>

#include "vault/base/status.h"
#include "vault/service/status_map.h"

namespace televault::service {

// How long a client may keep a stream waiting.
struct StreamPatience {
  std::chrono::milliseconds write{60'000};  // for one message to be taken
  std::chrono::milliseconds last{5'000};    // the same when the stream ends with an error
  std::chrono::milliseconds look{250};      // between two looks at the check while waiting
};

// The sending half of a server stream, driven by one worker thread that may block.
// Keeps at most one write outstanding, so that a cut stream stops at the message in hand.
// Refuses to send anything after the check before a write failed, the client went away or Finish;
// to wait for a client that takes nothing.
// Threads: Write and Finish from the worker; the On… reactions from gRPC.
// Invariants: (1) `check` passes right before every StartWrite, under mu_. (2) After Finish nothing
// is written. (3) The object deletes itself in OnDone; the worker must have called Finish before it
// lets go of it.
// Failure: a message that is not taken in time ends the call: DEADLINE_EXCEEDED from Write, and
// Finish calls `abort`.
template <class Response>
class StreamWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  using Check = std::function<absl::Status()>;

  // `abort` cancels the call, with whatever message is under way.
  explicit StreamWriter(std::function<void()> abort, StreamPatience patience = {})
      : abort_(std::move(abort)), patience_(patience) {}

  // `check` says whether a message may still leave; it must be cheap. It is not called after
  // Finish began.
  void SetCheck(Check check) {
    const std::lock_guard lock(mu_);
    check_ = std::move(check);
  }

  // Sends `response` once the message before it has been taken. CANCELLED when the client is gone,
  // DEADLINE_EXCEEDED when it takes nothing, else what `check` says.
  absl::Status Write(const Response& response) {
    grpc::ByteBuffer bytes;
    bool own = false;
    if (!grpc::SerializationTraits<Response>::Serialize(response, &bytes, &own).ok()) {
      return absl::InternalError("the answer cannot be written as a message");
    }
    std::unique_lock lock(mu_);
    std::chrono::milliseconds waited{0};
    for (;;) {
      if (cancelled_) return absl::CancelledError("the client has gone");
      if (check_) TV_RETURN_IF_ERROR(check_());
      if (!writing_) break;
      if (waited >= patience_.write) {
        return absl::DeadlineExceededError("the client did not take a message in time");
      }
      // Time passes without waking anybody, and deadlines with it.
      if (idle_.wait_for(lock, patience_.look) == std::cv_status::timeout) waited += patience_.look;
    }
    current_.Swap(&bytes);
    writing_ = true;
    this->StartWrite(&current_);
    return absl::OkStatus();
  }

  // Ends the call; waits a while for the last message to be taken, then cancels.
  void Finish(const absl::Status& status) {
    std::unique_lock lock(mu_);
    check_ = nullptr;
    const bool taken = idle_.wait_for(lock, status.ok() ? patience_.write : patience_.last,
                                      [this] { return !writing_ || cancelled_; });
    const grpc::Status wire = ToGrpc(status);
    lock.unlock();
    if (!taken && abort_) abort_();
    grpc::ServerWriteReactor<grpc::ByteBuffer>::Finish(wire);
  }

  // The check may have changed its mind: a waiting Write looks again.
  void Wake() {
    const std::lock_guard lock(mu_);
    idle_.notify_all();
  }

  bool cancelled() const { return cancelled_; }
  const std::atomic<bool>& cancelled_flag() const { return cancelled_; }

 private:
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mu_);
    writing_ = false;
    if (!ok) cancelled_ = true;
    idle_.notify_all();
  }
  void OnCancel() override {
    const std::lock_guard lock(mu_);
    cancelled_ = true;
    idle_.notify_all();
  }
  void OnDone() override { delete this; }

  const std::function<void()> abort_;
  const StreamPatience patience_;
  mutable std::mutex mu_;  // guards all below
  std::condition_variable idle_;
  Check check_;
  grpc::ByteBuffer current_;
  bool writing_ = false;
  std::atomic<bool> cancelled_ = false;  // set under mu_, read anywhere
};

}  // namespace televault::service
