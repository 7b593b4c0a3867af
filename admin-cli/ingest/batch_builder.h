#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "televault/v1/ingest_service.pb.h"
#include "vault/base/limits.h"

namespace televault::cli {

// A batch and the line (or position) each of its events came from.
struct NumberedBatch {
  v1::AppendRequest request;
  std::vector<uint64_t> lines;  // parallel to request.rows().events()
};

struct BatchOptions {
  size_t max_events = 10'000;
  // Serialised events; a single larger event still makes a batch.
  size_t max_bytes = 4 * limits::MiB;
  std::string source;
  v1::Consent consent;
  bool has_consent = false;
  // Mixed into the ids: lets the same content be stored once more on purpose.
  std::string run;
};

// Gathers events into batches, one open batch per dataset, and names each batch after its content
// and its number, so that the same input always makes the same ids: a second run of an interrupted
// import stores nothing twice.
// Threads: one.  Borrows: nothing.
// Invariants: (1) events keep their order within a dataset. (2) Equal input, options and order give
// equal ids; equal batches of one run have different ids.
class BatchBuilder {
 public:
  explicit BatchBuilder(BatchOptions options) : options_(std::move(options)) {}

  // Appends batches that became full to `full`.
  void Add(const std::string& dataset, v1::Event event, uint64_t line,
           std::vector<NumberedBatch>& full);
  // What is left, by dataset.
  std::vector<NumberedBatch> Finish();

 private:
  struct Open {
    NumberedBatch batch;
    size_t bytes = 0;
    uint64_t number = 0;
  };
  NumberedBatch Close(const std::string& dataset, Open& open);

  const BatchOptions options_;
  std::map<std::string, Open> open_;
};

// 16 bytes of SHA-256 over the run, the number and the request without its id.
std::string BatchId(const v1::AppendRequest& request, uint64_t number, const std::string& run);

}  // namespace televault::cli
