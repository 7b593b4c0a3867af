#include "admin-cli/commands/audit_entries.h"

#include <gmock/gmock.h>

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/admin-cli/cli_harness.h"

namespace televault::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kRed[] = "\x1b[31m";
constexpr char kFaint[] = "\x1b[2m";
constexpr char kReset[] = "\x1b[0m";

constexpr record::v1::EntryKind kKinds[] = {
    record::v1::ENTRY_KIND_UNSPECIFIED, record::v1::ENTRY_KIND_INTENT,
    record::v1::ENTRY_KIND_OUTCOME, record::v1::ENTRY_KIND_EVENT};

v1::IndexedEntry Entry(record::v1::EntryKind kind, record::v1::Verdict verdict) {
  v1::IndexedEntry entry;
  entry.set_index(7);
  entry.mutable_entry()->set_kind(kind);
  entry.mutable_entry()->set_verdict(verdict);
  entry.mutable_entry()->set_method("/televault.v1.QueryService/Query");
  entry.mutable_entry()->mutable_principal()->set_person("alice");
  return entry;
}

// What PrintEntry writes with these options.
std::string Printed(const v1::IndexedEntry& entry, const GlobalOptions& options, bool terminal) {
  Harness harness;
  Terminal where = harness.terminal();
  where.out_is_terminal = terminal;
  const auto context = Context::Create(options, where);
  EXPECT_THAT(context, televault::testing::IsOk());
  PrintEntry(**context, entry);
  return harness.out.str();
}

// Where something stands in `text` that a terminal might act on: controls (C0, DEL, C1), marks that
// reorder or hide, bytes that are not UTF-8. npos: nowhere.
size_t Unsafe(std::string_view text) {
  if (!audit::IsUtf8(text)) return 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (static_cast<uint8_t>(text[i]) < 0x20 || text[i] == '\x7f') return i;
    const std::string_view rest = text.substr(i);
    if (rest[0] == '\xc2' && static_cast<uint8_t>(rest[1]) < 0xa0) return i;
    for (const std::string_view mark : {"\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8b"}) {
      if (rest.starts_with(mark)) return i;
    }
  }
  return std::string_view::npos;
}

class AuditEntriesTest : public ::testing::Test {
 protected:
  void SetUp() override { unsetenv("NO_COLOR"); }
  void TearDown() override { unsetenv("NO_COLOR"); }
};

TEST_F(AuditEntriesTest, RefusalsStandOutAndEventsDoNot) {
  for (const record::v1::EntryKind kind : kKinds) {
    EXPECT_EQ(EntryTone(EntryJson(Entry(kind, record::v1::VERDICT_DENY))), Tone::kAlarm) << kind;
    for (const auto verdict : {record::v1::VERDICT_UNSPECIFIED, record::v1::VERDICT_ALLOW}) {
      const Tone want = kind == record::v1::ENTRY_KIND_EVENT ? Tone::kQuiet : Tone::kPlain;
      EXPECT_EQ(EntryTone(EntryJson(Entry(kind, verdict))), want) << kind << " " << verdict;
    }
  }
  EXPECT_EQ(EntryTone(EntryJson({})), Tone::kPlain);
}

TEST_F(AuditEntriesTest, ATerminalShowsTheToneAndGoesBackToItsOwnColour) {
  const std::string refused =
      Printed(Entry(record::v1::ENTRY_KIND_OUTCOME, record::v1::VERDICT_DENY), {}, true);
  EXPECT_THAT(refused, StartsWith(std::string(kRed) + "7  "));
  EXPECT_THAT(refused, HasSubstr("alice called QueryService/Query: refused"));
  EXPECT_THAT(refused, EndsWith(std::string(kReset) + "\n"));
  const std::string event =
      Printed(Entry(record::v1::ENTRY_KIND_EVENT, record::v1::VERDICT_ALLOW), {}, true);
  EXPECT_THAT(event, StartsWith(std::string(kFaint) + "7  "));
  EXPECT_THAT(event, EndsWith(std::string(kReset) + "\n"));
  const std::string intent =
      Printed(Entry(record::v1::ENTRY_KIND_INTENT, record::v1::VERDICT_ALLOW), {}, true);
  EXPECT_THAT(intent, StartsWith("7  "));
  EXPECT_THAT(intent, Not(HasSubstr("\x1b")));
}

TEST_F(AuditEntriesTest, NoColourLeavesATerminalWithoutBeingWanted) {
  GlobalOptions table;
  table.output = "table";
  GlobalOptions no_color = table;
  no_color.no_color = true;
  GlobalOptions lines = table;
  lines.output = "jsonl";
  for (const record::v1::EntryKind kind : kKinds) {
    for (const auto verdict : {record::v1::VERDICT_ALLOW, record::v1::VERDICT_DENY}) {
      const v1::IndexedEntry entry = Entry(kind, verdict);
      EXPECT_THAT(Printed(entry, table, false), Not(HasSubstr("\x1b")));
      EXPECT_THAT(Printed(entry, {}, false), Not(HasSubstr("\x1b")));
      EXPECT_THAT(Printed(entry, no_color, true), Not(HasSubstr("\x1b")));
      EXPECT_THAT(Printed(entry, lines, true), Not(HasSubstr("\x1b")));
      setenv("NO_COLOR", "1", 1);
      EXPECT_THAT(Printed(entry, table, true), Not(HasSubstr("\x1b")));
      unsetenv("NO_COLOR");
    }
  }
}

// Every text of an entry that somebody outside may have chosen.
std::vector<std::string*> TextsOf(record::v1::AuditEntry& entry) {
  record::v1::AuditPrincipal& principal = *entry.mutable_principal();
  return {principal.mutable_person(),
          principal.mutable_token(),
          principal.add_roles(),
          entry.mutable_peer(),
          entry.mutable_method(),
          entry.mutable_dataset(),
          entry.mutable_purpose(),
          entry.mutable_normalized_query(),
          entry.mutable_query_fingerprint(),
          entry.mutable_reason(),
          entry.mutable_rule(),
          entry.mutable_grant(),
          entry.mutable_lockdown_level(),
          entry.add_masks(),
          &(*entry.mutable_details())["detail"]};
}

TEST_F(AuditEntriesTest, NothingThatCommandsATerminalGetsThroughFromAnyText) {
  const std::string hostile[] = {"\x1b[2J\x1b]0;owned\x07",
                                 "a\r\nb\tc",
                                 "\xc2\x9b"
                                 "31m",
                                 "\xe2\x80\xae"
                                 "cod\xe2\x81\xa6",
                                 "\xe2\x80\x8bhidden",
                                 "\x7f\b",
                                 std::string("\0", 1),
                                 "\xff\xfe\x1b[31m",
                                 "\xc2"};
  GlobalOptions table;
  table.output = "table";
  table.no_color = true;
  GlobalOptions lines = table;
  lines.output = "jsonl";
  record::v1::AuditEntry shape;
  const size_t texts = TextsOf(shape).size();
  for (const std::string& text : hostile) {
    for (size_t i = 0; i <= texts; ++i) {
      v1::IndexedEntry entry = Entry(record::v1::ENTRY_KIND_OUTCOME, record::v1::VERDICT_DENY);
      if (i < texts) {
        *TextsOf(*entry.mutable_entry())[i] = text;
      } else {
        (*entry.mutable_entry()->mutable_details())[text] = "of a hostile name";
      }
      for (const GlobalOptions& options : {table, lines}) {
        std::string line = Printed(entry, options, true);
        ASSERT_THAT(line, EndsWith("\n"));
        line.pop_back();
        EXPECT_EQ(Unsafe(line), std::string::npos) << options.output << " " << i << ": " << line;
      }
      // With colours there are two sequences, ours, around all of it.
      const std::string coloured = Printed(entry, {}, true);
      ASSERT_THAT(coloured, StartsWith(kRed));
      ASSERT_THAT(coloured, EndsWith(std::string(kReset) + "\n"));
      const size_t begin = sizeof kRed - 1;
      const std::string inside = coloured.substr(begin, coloured.size() - begin - sizeof kReset);
      EXPECT_EQ(Unsafe(inside), std::string::npos) << i << ": " << inside;
    }
  }
}

}  // namespace
}  // namespace televault::cli
