#include "admin-cli/output/text.h"

#include <gtest/gtest.h>
#include <sstream>

#include "admin-cli/output/emit.h"
#include "admin-cli/output/table.h"
#include "tests/unit/admin-cli/cli_harness.h"

namespace televault::cli {
namespace {

TEST(TextTest, NothingThatCommandsATerminalGetsThrough) {
  EXPECT_EQ(Printable("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(Printable("line\nbreak\ttab"), "line\\nbreak\\ttab");
  EXPECT_EQ(PrintableLines("two\nlines\x1b[2J\n"), "two\nlines\\x1b[2J\n");
  EXPECT_EQ(PrintableLines("no end"), "no end");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");
  EXPECT_EQ(Printable("\x7f"), "\\x7f");
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xe2\x80\xae"
                      "cod"),
            "\\u202ecod");
  EXPECT_EQ(Printable("grün 東京"), "grün 東京");
}

TEST(TextTest, OverlongAndSurrogateFormsAreNotUtf8) {
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82");
}

TEST(TextTest, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("grün"), 4u);
  EXPECT_EQ(DisplayWidth("東京"), 4u);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1u);
  EXPECT_EQ(Shorten("abcdef", 4), "abc…");
  EXPECT_EQ(Shorten("東京都", 4), "東…");
  EXPECT_EQ(Shorten("abc", 3), "abc");
  EXPECT_EQ(Shorten("abc", 0), "");
}

TEST(TextTest, NumbersForPeople) {
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(1'234'567), "1,234,567");
}

TEST(TableTest, AlignsByDisplayWidthAndCutsTextBeforeNumbers) {
  std::ostringstream out;
  WriteTable(out, {{"name"}, {"n", Align::kRight}}, {{"grün", "5"}, {"a", "12345"}}, {});
  EXPECT_EQ(out.str(), "name      n\ngrün      5\na     12345\n");
  std::ostringstream narrow;
  WriteTable(narrow, {{"text"}, {"n", Align::kRight}}, {{"abcdefghijklmnop", "123456"}},
             {.max_width = 16});
  EXPECT_EQ(narrow.str(), "text           n\nabcdefg…  123456\n");
}

TEST(TableTest, RowsStandOutWhereThereAreColours) {
  for (const bool color : {false, true}) {
    std::ostringstream out;
    WriteTable(out, {{"n"}}, {{"1"}, {"2"}, {"3"}}, {.color = color}, {Tone::kAlarm, Tone::kQuiet});
    EXPECT_EQ(out.str(),
              color ? "\x1b[1mn\x1b[0m\n\x1b[31m1\x1b[0m\n\x1b[2m2\x1b[0m\n3\n" : "n\n1\n2\n3\n");
  }
}

// Every such text had an apostrophe, and "" looked like NULL: `@scope/pkg` came back as another
// value.
TEST(CsvTest, QuotesWhatNeedsItAndDisarmsFormulasWhereAsked) {
  Harness harness;
  const auto plain = harness.Make("csv");
  EXPECT_EQ(CsvCell(*plain, "plain"), "plain");
  EXPECT_EQ(CsvCell(*plain, "a,b"), "\"a,b\"");
  EXPECT_EQ(CsvCell(*plain, "say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(CsvCell(*plain, "two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(CsvCell(*plain, "@scope/pkg"), "@scope/pkg");
  EXPECT_EQ(CsvCell(*plain, "-rc1"), "-rc1");
  EXPECT_EQ(CsvCell(*plain, ""), "\"\"");
  GlobalOptions options;
  options.output = "csv";
  options.spreadsheet = true;
  const auto sheet = Context::Create(options, harness.terminal()).value();
  EXPECT_EQ(CsvCell(*sheet, "=SUM(A1)"), "'=SUM(A1)");
  EXPECT_EQ(CsvCell(*sheet, "@scope/pkg"), "'@scope/pkg");
  EXPECT_EQ(CsvCell(*sheet, "-5.25"), "-5.25");
  EXPECT_EQ(CsvCell(*sheet, "-5+cmd"), "'-5+cmd");
  EXPECT_EQ(CsvCell(*sheet, ""), "\"\"");
}

}  // namespace
}  // namespace televault::cli
