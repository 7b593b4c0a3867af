#include "admin-cli/output/print.h"

#include <chrono>

#include "absl/strings/str_cat.h"

#include "admin-cli/output/text.h"
#include "vault/base/clock.h"

namespace televault::cli {
namespace {

constexpr std::chrono::seconds kQuietFor{1};

// Counts rows on a terminal once a query takes longer than a second.
class RowCounter {
 public:
  explicit RowCounter(Context& context)
      : context_(context),
        start_(SystemClock().Mono()),
        show_(context.terminal().err_is_terminal && !context.terminal().out_is_terminal &&
              !context.options().quiet) {}
  void Add(uint64_t rows) {
    rows_ += rows;
    if (!show_ || SystemClock().Mono() - start_ < kQuietFor) return;
    context_.err() << "\r" << HumanCount(rows_) << " rows" << std::flush;
    dirty_ = true;
  }
  ~RowCounter() {
    if (dirty_) context_.err() << "\r\x1b[K" << std::flush;
  }
  RowCounter(const RowCounter&) = delete;
  RowCounter& operator=(const RowCounter&) = delete;

 private:
  Context& context_;
  const MonoTime start_;
  const bool show_;
  uint64_t rows_ = 0;
  bool dirty_ = false;
};

}  // namespace

absl::StatusOr<v1::QueryTrailer> PrintResult(Context& context,
                                             client::MessageStream<v1::QueryResponse>& stream,
                                             ResultWriter& writer) {
  RowCounter counter(context);
  v1::QueryHeader header;
  v1::QueryTrailer trailer;
  bool has_header = false;
  bool has_trailer = false;
  absl::Status status = absl::OkStatus();
  while (status.ok()) {
    v1::QueryResponse part;
    const auto more = stream.Next(part);
    status = more.status();
    if (!more.ok() || !*more) break;
    if (part.has_header() && !has_header) {
      has_header = true;
      header = part.header();
      writer.Header(header);
    } else if (part.has_batch() && has_header && !has_trailer) {
      const auto rows = RowsOf(header, part.batch());
      status = rows.status();
      if (rows.ok()) writer.Rows(*rows);
      counter.Add(part.batch().rows());
      // Whoever read the rows may have gone, or the disk be full: rows that nobody gets are not
      // worth disclosing.
      if (!context.out().flush()) {
        stream.Cancel();
        return absl::DataLossError("standard output could not be written");
      }
    } else if (part.has_trailer() && has_header) {
      has_trailer = true;
      trailer = part.trailer();
    } else {
      status = absl::DataLossError("the vault sent the parts of a result in the wrong order");
    }
  }
  if (status.ok() && !has_trailer) status = absl::DataLossError("the result ended without its end");
  if (has_header) writer.End(status.ok() ? &trailer : nullptr);
  if (!status.ok() && has_header) {
    return Annotate(status, "the result above is not complete");
  }
  if (!status.ok()) return status;
  return trailer;
}

}  // namespace televault::cli
