#include "vault/base/check.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

namespace televault {

void CheckFailed(const char* condition, const char* file, int line) {
  // Straight to the descriptor: the logger may be what is broken.
  const std::string text = std::string("televault: broken invariant: ") + condition + " at " +
                           file + ":" + std::to_string(line) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  std::abort();
}

}  // namespace televault
