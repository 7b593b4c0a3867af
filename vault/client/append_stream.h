#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include "televault/v1/ingest_service.pb.h"
#include "vault/base/status.h"
#include "vault/client/error.h"
#include "vault/client/options.h"

namespace televault::client {

// One AppendStream call as the appender sees it.
// Threads: one.  Failure: after an error every later call fails; open a new one.
class AppendChannel {
 public:
  virtual ~AppendChannel() = default;
  virtual absl::Status Send(const v1::AppendRequest& batch) = 0;
  // The answer to the oldest batch that has none.
  virtual absl::StatusOr<v1::AppendStreamResponse> Receive() = 0;
  // Half-closes and reads the call's status.
  virtual absl::Status Finish() = 0;
};

struct AppenderOptions {
  // Batches sent and not yet answered; at least 1.
  size_t window = 4;
  // Tries in a row without any progress before giving up.
  int max_attempts = 8;
  // Goes on trying while the vault is locked down or sealed; otherwise that ends it at once,
  // because only people end it.
  bool outlast_lockdown = false;
};

// Sends batches over AppendStream and keeps each until it is answered; opens a new stream and sends
// the unanswered ones again, with the same batch ids, when a stream breaks or the vault asks for a
// pause. Every batch must carry a batch id: that makes the second send harmless.
// Refuses batches without an id. Does not split or order events.
// Threads: one.  Borrows: nothing; `open` and `pause` must outlive it.
// Invariants: (1) at most `window` batches are unanswered. (2) Answers are handed out in the order
// of Append. (3) A batch is answered or the appender has failed. Failure: an error that a further
// send cannot mend ends it; unanswered() says how many are uncertain.
class Appender {
 public:
  using Open = std::function<absl::StatusOr<std::unique_ptr<AppendChannel>>()>;
  using Pause = std::function<void(milliseconds)>;
  // Either the answer to the batch or why the vault refused it as a whole.
  using OnAnswer =
      std::function<void(const v1::AppendRequest&, const absl::StatusOr<v1::AppendResponse>&)>;

  Appender(AppenderOptions options, Open open, Pause pause, OnAnswer on_answer);

  // Blocks while the window is full.
  absl::Status Append(v1::AppendRequest batch);
  // Waits for every answer and ends the stream.
  absl::Status Flush();
  size_t unanswered() const { return pending_.size(); }

 private:
  absl::Status SendPending();
  absl::Status AwaitOne();
  void Answered(const absl::StatusOr<v1::AppendResponse>& answer);
  absl::Status Recover(const Error& error, const absl::Status& why);

  const AppenderOptions options_;
  const Open open_;
  const Pause pause_;
  const OnAnswer on_answer_;
  std::unique_ptr<AppendChannel> channel_;
  std::deque<v1::AppendRequest> pending_;
  size_t sent_ = 0;  // of pending_, over channel_
  int failures_ = 0;
};

}  // namespace televault::client
