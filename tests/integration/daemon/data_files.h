#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/daemon_fixture.h"

namespace televault::testing {

// Every regular file below `root`.
inline std::vector<std::string> FilesBelow(const std::string& root) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

// "file: needle" for every needle that stands in a file of `root` or in a file's name.
inline std::vector<std::string> FindInFiles(const std::string& root,
                                            const std::vector<std::string>& needles) {
  std::vector<std::string> found;
  for (const std::string& file : FilesBelow(root)) {
    const std::string content = file.substr(root.size()) + "\n" + ReadWholeFile(file);
    for (const std::string& needle : needles) {
      EXPECT_GE(needle.size(), 6u) << "too short to mean anything";
      const std::boyer_moore_horspool_searcher searcher(needle.begin(), needle.end());
      if (std::search(content.begin(), content.end(), searcher) != content.end()) {
        found.push_back(file.substr(root.size()) + ": " + needle);
      }
    }
  }
  return found;
}

}  // namespace televault::testing
