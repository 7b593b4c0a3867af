#pragma once

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>

#include "absl/strings/str_replace.h"

namespace televault::catalog {

inline std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::string CliUsage() { return ReadText("deploy/samples/cli_usage.yaml"); }

// The sample with `from` replaced; fails the test if `from` is not in it.
inline std::string CliUsageWith(std::string from, std::string to) {
  const std::string text = CliUsage();
  EXPECT_NE(text.find(from), std::string::npos) << from;
  return absl::StrReplaceAll(text, {{from, to}});
}

}  // namespace televault::catalog
