#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace televault::bench {

// What one contender of the suite can do, by the first word of a line; the other words are the
// arguments. The answer is one line without its "ok ".
using Actions =
    std::map<std::string, std::function<std::string(const std::vector<std::string>& words)>>;

// Reads lines from standard input and answers each with one on standard output, `ok …` or
// `error …`, until the input ends.
void ServeLines(const Actions& actions);

// Seconds, as every answer of the suite gives them.
std::string SecondsText(double seconds);

}  // namespace televault::bench
