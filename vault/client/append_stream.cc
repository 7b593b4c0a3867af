#include "vault/client/append_stream.h"

#include <utility>

#include "vault/base/random.h"
#include "vault/client/error.h"
#include "vault/client/retry.h"

namespace televault::client {
namespace {

constexpr size_t kBatchIdBytes = 16;

absl::Status ToStatus(const v1::BatchError& error) {
  absl::Status status = FromWire(error.code(), error.message(), {});
  return WithReason(std::move(status), error.reason());
}

Error ErrorOfBatch(const v1::BatchError& batch) {
  Error error = ErrorOf(ToStatus(batch));
  error.from_vault = true;
  if (batch.retry_after_ms() > 0) error.retry_after = milliseconds(batch.retry_after_ms());
  return error;
}

}  // namespace

Appender::Appender(AppenderOptions options, Open open, Pause pause, OnAnswer on_answer)
    : options_(options),
      open_(std::move(open)),
      pause_(std::move(pause)),
      on_answer_(std::move(on_answer)) {}

absl::Status Appender::Append(v1::AppendRequest batch) {
  if (batch.batch_id().size() != kBatchIdBytes) {
    return absl::InvalidArgumentError("a batch needs a 16-byte id, so that it can be sent again");
  }
  while (pending_.size() >= options_.window) TV_RETURN_IF_ERROR(AwaitOne());
  pending_.push_back(std::move(batch));
  return SendPending();
}

absl::Status Appender::Flush() {
  while (!pending_.empty()) TV_RETURN_IF_ERROR(AwaitOne());
  if (channel_ == nullptr) return absl::OkStatus();
  const auto channel = std::move(channel_);
  return channel->Finish();
}

// Sends what this stream has not carried yet.
absl::Status Appender::SendPending() {
  while (sent_ < pending_.size()) {
    absl::Status status = absl::OkStatus();
    if (channel_ == nullptr) {
      auto opened = open_();
      status = opened.status();
      if (opened.ok()) channel_ = *std::move(opened);
    }
    if (status.ok()) status = channel_->Send(pending_[sent_]);
    if (status.ok()) {
      ++sent_;
    } else {
      TV_RETURN_IF_ERROR(Recover(ErrorOf(status), status));
    }
  }
  return absl::OkStatus();
}

absl::Status Appender::AwaitOne() {
  TV_RETURN_IF_ERROR(SendPending());
  const auto answer = channel_->Receive();
  if (!answer.ok()) return Recover(ErrorOf(answer.status()), answer.status());
  if (answer->has_error()) {
    const Error error = ErrorOfBatch(answer->error());
    const absl::Status status = ToStatus(answer->error());
    // A pause concerns this batch only, but the ones behind it would meet the same queue.
    if (!BatchAtFault(error) || WorthRepeating(error)) return Recover(error, status);
    Answered(status);
    return absl::OkStatus();
  }
  Answered(answer->append());
  return absl::OkStatus();
}

void Appender::Answered(const absl::StatusOr<v1::AppendResponse>& answer) {
  on_answer_(pending_.front(), answer);
  pending_.pop_front();
  --sent_;
  failures_ = 0;
}

// Drops the stream and waits, or says that there is no use.
absl::Status Appender::Recover(const Error& error, const absl::Status& why) {
  channel_.reset();
  sent_ = 0;
  const bool mendable = WorthRepeating(error) || (IsLocked(error) && options_.outlast_lockdown);
  if (!mendable || ++failures_ >= options_.max_attempts) return why;
  pause_(PauseAfter(failures_, error, SystemRandom()));
  return absl::OkStatus();
}

}  // namespace televault::client
