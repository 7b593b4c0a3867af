#pragma once

#include <string>
#include <vector>

#include "televault/v1/query_service.pb.h"
#include "vault/base/random.h"
#include "vault/query/execute.h"
#include "vault/query/plan.h"
#include "vault/service/front.h"
#include "vault/service/stream_writer.h"

namespace televault::service {

// What the caller learns about the run. Work done for an aggregate answer depends on rows that
// disclosure control withholds: those figures are zero here, and of what is withheld it says no
// number. Both stand in the audit entry alone.
v1::QueryTrailer TrailerFor(auth::AccessMode mode, const query::ExecStats& stats, uint64_t rows,
                            uint64_t duration_us);

// Lets the answer of one query out, never ahead of its audit record.
//   answer fits one window: work → outcome entry durable → header, batches, trailer
//   longer:                 intent entry durable → header, first window → … → outcome entry durable
//                           → last window, trailer
// Row answers debit each window ("next n rows") before it leaves, so that a crash over-reports.
// Refuses to hold more than one window and one batch.
// Threads: one (the call's worker). Borrows: front, call, writer.
// Invariants: (1) before any batch is written an entry that covers it is durable under the lock
// epoch in force. (2) After Finish failed nothing further is written.
class ResultStream {
 public:
  ResultStream(Front& front, Call& call, StreamWriter<v1::QueryResponse>& writer, Random& random,
               const query::Plan& plan);

  // Takes a batch; may record and write.
  absl::Status Add(v1::QueryBatch batch);
  // Records the outcome and writes what is left. The call is concluded afterwards, also on errors
  // of the query (`status`), which are returned again.
  absl::Status Finish(const absl::Status& status, const query::ExecStats& stats);

 private:
  absl::Status FlushWindow();
  absl::Status RecordIntent(uint64_t rows);
  absl::Status WriteHeader();
  absl::Status WriteWindow();
  void DropWindow();
  // Puts into the entry what has left and what the window will let out.
  void NoteAnswer(const query::ExecStats& stats);

  Front& front_;
  Call& call_;
  StreamWriter<v1::QueryResponse>& writer_;
  v1::QueryHeader header_;
  const bool rows_mode_;
  bool header_sent_ = false;
  struct Held {
    v1::QueryBatch batch;
    std::string digest;  // of the answer up to this batch
  };
  std::vector<Held> window_;
  size_t window_bytes_ = 0;
  uint64_t window_rows_ = 0;
  // What has left.
  uint64_t rows_ = 0;
  uint64_t bytes_ = 0;
  std::string digest_;          // "" before the first batch
  std::string running_digest_;  // of all batches taken: 16 bytes of salt, then the hash
};

}  // namespace televault::service
