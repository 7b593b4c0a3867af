#include "auth/dataset_policy.h"

#include <charconv>

#include "absl/strings/str_cat.h"

namespace televault::auth {
namespace {

constexpr std::string_view kTruncatePrefix = "truncate(";
constexpr uint32_t kMaxTruncate = 65'535;

}  // namespace

std::string_view ModeName(AccessMode mode) {
  switch (mode) {
    case AccessMode::kAggregate:
      return "aggregate";
    case AccessMode::kRows:
      return "rows";
    case AccessMode::kDifferentialPrivacy:
      return "dp";
    case AccessMode::kUnspecified:
      break;
  }
  return "";
}

std::string FormatMask(const Mask& mask) {
  switch (mask.kind) {
    case Mask::Kind::kVisible:
      return "visible";
    case Mask::Kind::kHash:
      return "hash";
    case Mask::Kind::kTruncate:
      return absl::StrCat("truncate(", mask.length, ")");
    case Mask::Kind::kYear:
      return "year";
    case Mask::Kind::kHidden:
      break;
  }
  return "hidden";
}

absl::StatusOr<Mask> ParseMask(std::string_view text) {
  if (text == "visible") return Mask::Visible();
  if (text == "hidden") return Mask{Mask::Kind::kHidden, 0};
  if (text == "hash") return Mask{Mask::Kind::kHash, 0};
  if (text == "year") return Mask{Mask::Kind::kYear, 0};
  if (text.starts_with(kTruncatePrefix) && text.ends_with(")")) {
    text.remove_prefix(kTruncatePrefix.size());
    text.remove_suffix(1);
    uint32_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error == std::errc() && end == text.data() + text.size() && length >= 1 &&
        length <= kMaxTruncate && text.front() != '0') {
      return Mask{Mask::Kind::kTruncate, length};
    }
  }
  return absl::InvalidArgumentError(
      "a mask is visible, hidden, hash, year or truncate(n) with n from 1 to 65535");
}

}  // namespace televault::auth
