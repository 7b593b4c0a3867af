#include "admin-cli/output/held.h"

#include <gtest/gtest.h>
#include <sstream>

namespace televault::cli {
namespace {

TEST(HeldOutputTest, NothingLeavesBeforeAFlushAndWhatIsDroppedNever) {
  std::ostringstream target;
  HeldOutput held(target);
  held << "shown" << '\n';
  EXPECT_EQ(target.str(), "");
  held << std::flush;
  EXPECT_EQ(target.str(), "shown\n");
  held << std::string(100'000, 'x');
  held.Drop();
  held << std::flush;
  EXPECT_EQ(target.str(), "shown\n");
  held << "more" << std::flush;
  EXPECT_EQ(target.str(), "shown\nmore");
}

TEST(HeldOutputTest, ATargetThatTakesNothingIsAnError) {
  std::ostringstream target;
  target.setstate(std::ios_base::badbit);
  HeldOutput held(target);
  held << "lost";
  EXPECT_TRUE(held);
  held << std::flush;
  EXPECT_FALSE(held);
}

}  // namespace
}  // namespace televault::cli
