#pragma once

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <string>

#include "admin-cli/context.h"

namespace televault::cli {

// Streams in memory, and a directory that goes with the test.
struct Harness {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  std::string directory;

  Harness() {
    char name[] = "/tmp/televault-cli-XXXXXX";
    const char* const made = mkdtemp(name);
    directory = made == nullptr ? "" : made;
  }
  ~Harness() { std::filesystem::remove_all(directory); }

  Terminal terminal() { return {.in = in, .out = out, .err = err}; }
  std::unique_ptr<Context> Make(const std::string& output) {
    GlobalOptions options;
    options.output = output;
    auto context = Context::Create(options, terminal());
    return context.ok() ? *std::move(context) : nullptr;
  }
};

}  // namespace televault::cli
