#pragma once

#include <ostream>
#include <sstream>

namespace televault::cli {

// Standard output until the history was compared with the pin: what is written stays here until it
// is flushed, and can be dropped before. Who must show something at once flushes.
// Threads: one.  Borrows: target.
// Failure: a flush that `target` does not take sets badbit here as well.
class HeldOutput final : public std::ostream {
 public:
  explicit HeldOutput(std::ostream& target);
  // Whether there was anything.
  bool Drop();

 private:
  class Buffer final : public std::stringbuf {
   public:
    explicit Buffer(std::ostream& target) : target_(target) {}

   protected:
    int sync() override;

   private:
    std::ostream& target_;
  };
  Buffer buffer_;
};

}  // namespace televault::cli
