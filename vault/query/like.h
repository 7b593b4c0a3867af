#pragma once

#include <string_view>

namespace televault::query {

enum class LikeResult { kNo, kYes, kBadPattern };

// SQL LIKE over UTF-8: % any run, _ one character, \ takes the next literally. `fold` ignores the
// case of ASCII letters. A pattern that ends in a lone \ is bad.
// Bound: O(text × pattern) steps, no recursion.
LikeResult MatchLike(std::string_view text, std::string_view pattern, bool fold);

}  // namespace televault::query
