#include "admin-cli/output/held.h"

#include <string_view>

namespace televault::cli {

HeldOutput::HeldOutput(std::ostream& target) : std::ostream(nullptr), buffer_(target) {
  rdbuf(&buffer_);
}

bool HeldOutput::Drop() {
  const bool any = !buffer_.view().empty();
  buffer_.str("");
  return any;
}

int HeldOutput::Buffer::sync() {
  const std::string_view held = view();
  target_.write(held.data(), static_cast<std::streamsize>(held.size()));
  target_ << std::flush;
  str("");
  return target_ ? 0 : -1;
}

}  // namespace televault::cli
