#pragma once

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "admin-cli/ingest/batch_builder.h"
#include "vault/base/clock.h"
#include "vault/client/append_stream.h"
#include "vault/mapping/record.h"

namespace televault::cli {

// One record that was not stored, as the rejects file has it. Never a value.
struct Refusal {
  uint64_t line = 0;
  std::string field;
  std::string rule;
  std::string message;
};

struct ImportCounts {
  uint64_t read = 0;
  uint64_t unreadable = 0;
  uint64_t accepted = 0;
  uint64_t rejected = 0;
  uint64_t batches = 0;
  // Batches that an earlier run had stored.
  uint64_t duplicates = 0;

  uint64_t refused() const { return unreadable + rejected; }
};

// Turns parsed records into batches, sends them and keeps count of what became of each.
// Refuses to read files or to choose formats (see record_source).
// Threads: one.  Borrows: what the callbacks refer to.
// Invariants: (1) every record is accepted, refused with its line, or unanswered when Feed or
// Finish failed. (2) Batches of one input always have the same ids. Failure: an error of the
// appender ends the import, and so does a refusal that every further batch would meet; a second run
// goes on where it stopped.
class Importer {
 public:
  struct Callbacks {
    std::function<void(const Refusal&)> on_refusal;
    std::function<void(const std::string& checkpoint)> on_checkpoint;
    std::function<void(const ImportCounts&)> on_progress;
  };

  Importer(std::string dataset, mapping::Shape shape, BatchOptions batching,
           client::AppenderOptions sending, client::Appender::Open open,
           client::Appender::Pause pause, Callbacks callbacks);

  absl::Status Feed(mapping::ParsedRecords&& records);
  // Sends what is left and waits for every answer.
  absl::Status Finish();
  const ImportCounts& counts() const { return counts_; }
  // What the vault said to the first batch where it refused every one as a whole; else OK.
  absl::Status all_refused() const {
    return stored_batches_ == 0 ? first_refusal_ : absl::OkStatus();
  }

 private:
  absl::Status Send(std::vector<NumberedBatch>&& batches);
  void TakeAnswer(const v1::AppendRequest& request,
                  const absl::StatusOr<v1::AppendResponse>& answer);
  void Refuse(const Refusal& refusal) { callbacks_.on_refusal(refusal); }

  const std::string dataset_;
  const mapping::Shape shape_;
  const Callbacks callbacks_;
  BatchBuilder builder_;
  std::map<std::string, std::vector<uint64_t>> lines_;  // of unanswered batches, by id
  ImportCounts counts_;
  uint64_t stored_batches_ = 0;  // by this run or an earlier one
  absl::Status first_refusal_;
  absl::Status refusal_of_all_;  // every further batch would meet it
  client::Appender appender_;
};

}  // namespace televault::cli
