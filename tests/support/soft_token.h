#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/temp_directory.h"

namespace televault::testing {

// Tokens of SoftHSM in a directory of their own, which modules that are loaded from now on use,
// those of child processes, too. One at a time.
class SoftTokens {
 public:
  static constexpr char kPin[] = "pin-4711-of-the-tests";

  explicit SoftTokens(const std::vector<std::string>& labels = {});
  ~SoftTokens();

  // "" where softhsm2 is not installed.
  static std::string Module();

  void Add(const std::string& label, const std::string& pin = kPin);
  // Seen, or missed, by whoever loads the module next.
  void TakeOut(const std::string& label);
  void PutBack(const std::string& label);

  // Holds kPin.
  std::string pin_file() const { return directory_.Path("pin"); }
  void WritePin(const std::string& pin, int mode = 0600);
  // Value of the environment variable SOFTHSM2_CONF.
  std::string configuration() const { return directory_.Path("softhsm2.conf"); }
  // A copy of everything that lies on disk of all tokens, and its return.
  void Copy();
  void PutCopyBack();

 private:
  std::string Place(const std::string& label) const;

  TempDirectory directory_{TempDirectory::InMemory()};  // the module syncs at every object
  std::map<std::string, std::string> places_;           // label → name of the token's directory
};

}  // namespace televault::testing

// A test that needs them is left out, and says so, only where they cannot be had.
#define TV_SKIP_WITHOUT_SOFT_TOKENS()                                                \
  do {                                                                               \
    if (::televault::testing::SoftTokens::Module().empty())                          \
      GTEST_SKIP() << "skipped: softhsm2 is not installed (see tests/packages.txt)"; \
  } while (false)
