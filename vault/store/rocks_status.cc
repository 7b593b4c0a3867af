#include "vault/store/rocks_status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "rocksdb/status.h"

namespace televault::store {

absl::Status FromRocks(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string text =
      absl::StrCat(absl::string_view(doing.data(), doing.size()), ": ", status.ToString());
  if (status.IsNoSpace()) {
    return WithReason(absl::ResourceExhaustedError(text + "; free disk space"), reason::kDiskFull);
  }
  switch (status.code()) {
    case rocksdb::Status::kNotFound:
      return absl::NotFoundError(text);
    case rocksdb::Status::kCorruption:
      return absl::DataLossError(text);
    case rocksdb::Status::kInvalidArgument:
      return absl::InternalError(text);
    default:
      return absl::UnavailableError(text);
  }
}

}  // namespace televault::store
