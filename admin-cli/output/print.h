#pragma once

#include "admin-cli/output/result.h"
#include "vault/client/vault.h"

namespace televault::cli {

// Copies the stream to `writer`. The trailer, or how the stream ended without one: DATA_LOSS also
// where the output takes no more, which cancels the stream.
absl::StatusOr<v1::QueryTrailer> PrintResult(Context& context,
                                             client::MessageStream<v1::QueryResponse>& stream,
                                             ResultWriter& writer);

}  // namespace televault::cli
