#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace televault::cli {

// Text that is safe on a terminal: control characters (C0, DEL, C1) and bytes that are not UTF-8
// become escapes such as \x1b, newlines and tabs become \n and \t.
std::string Printable(std::string_view text);

// The same line by line: newlines stay.
std::string PrintableLines(std::string_view text);

// JSON text in which DEL, C1 controls and marks that reorder or hide text are \uXXXX. `json` is
// valid JSON in UTF-8, so that they stand inside of strings only and the value stays the same.
std::string EscapeForTerminal(std::string_view json);

// Columns a printable text takes: code points, combining marks and zero-width ones not counted,
// wide East Asian ones counted twice.
size_t DisplayWidth(std::string_view text);

// Cuts to at most `width` columns; a cut text ends in "…".
std::string Shorten(std::string_view text, size_t width);

// "1.4 GiB".
std::string HumanBytes(uint64_t bytes);
// "1,234,567".
std::string HumanCount(uint64_t count);

}  // namespace televault::cli
