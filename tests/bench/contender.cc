#include "tests/bench/contender.h"

#include <iostream>
#include <stdexcept>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace televault::bench {

void ServeLines(const Actions& actions) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    const auto action = words.empty() ? actions.end() : actions.find(words.front());
    if (action == actions.end()) {
      std::cout << "error nothing here is called so" << std::endl;
      continue;
    }
    try {
      const std::string answer = action->second(words);
      std::cout << "ok " << answer << std::endl;
    } catch (const std::out_of_range&) {
      // Of a table of questions, or of the words of the line.
      std::cout << "error there is no such question here" << std::endl;
    }
  }
}

std::string SecondsText(double seconds) { return absl::StrFormat("%.6f", seconds); }

}  // namespace televault::bench
