#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"

#include "vault/base/limits.h"
#include "vault/base/status.h"

namespace televault::service {

inline constexpr uint32_t kDefaultPageSize = 100;

// Where a page begins and how long it is. The token is the position of the next item; a listing
// that changes between two pages may repeat or skip an item, never fail.
struct Page {
  size_t begin = 0;
  size_t size = kDefaultPageSize;
};

// INVALID_ARGUMENT for a page size over limits::kMaxPageSize and for a token that this server did
// not give out.
inline absl::StatusOr<Page> ParsePage(uint32_t page_size, const std::string& page_token) {
  Page page;
  if (page_size > limits::kMaxPageSize) {
    return absl::InvalidArgumentError("page_size: at most 1000, 0 for the default of 100");
  }
  if (page_size > 0) page.size = page_size;
  if (!page_token.empty() && !absl::SimpleAtoi(page_token, &page.begin)) {
    return absl::InvalidArgumentError("page_token: give back the next_page_token of the answer");
  }
  return page;
}

// Calls `add` for the items of the page and returns the token of the next one, "" at the end.
template <class Items, class Add>
std::string EachOnPage(const Items& items, const Page& page, const Add& add) {
  const size_t begin = std::min(page.begin, items.size());
  const size_t end = std::min(items.size(), begin + page.size);
  for (size_t i = begin; i < end; ++i) add(items[i]);
  return end < items.size() ? std::to_string(end) : std::string();
}

}  // namespace televault::service
