#include "admin-cli/output/print.h"

#include <streambuf>

#include "tests/support/status_matchers.h"
#include "tests/unit/admin-cli/cli_harness.h"

namespace televault::cli {
namespace {

using televault::testing::StatusIs;

// Takes nothing, like a pipe whose reader has gone.
class Broken final : public std::streambuf {
 protected:
  int_type overflow(int_type) override { return traits_type::eof(); }
  int sync() override { return -1; }
};

// A result of a thousand batches.
class LongResult final : public client::MessageStream<v1::QueryResponse> {
 public:
  absl::StatusOr<bool> Next(v1::QueryResponse& message) override {
    message.Clear();
    if (++asked == 1) {
      v1::ResultColumn& column = *message.mutable_header()->add_columns();
      column.set_name("n");
      column.set_kind(v1::FIELD_KIND_INT);
      return true;
    }
    message.mutable_batch()->set_rows(1);
    message.mutable_batch()->add_columns()->add_ints(1);
    return asked < 1'000;
  }
  void Cancel() override { cancelled = true; }
  int asked = 0;
  bool cancelled = false;
};

TEST(PrintTest, StopsWhereNobodyReadsAnyMore) {
  for (const char* const format : {"table", "json", "jsonl", "csv"}) {
    Harness harness;
    Broken broken;
    std::ostream out(&broken);
    GlobalOptions options;
    options.output = format;
    TV_ASSERT_OK_AND_ASSIGN(
        const auto context,
        Context::Create(options, {.in = harness.in, .out = out, .err = harness.err}));
    LongResult stream;
    const auto writer = NewResultWriter(*context);
    EXPECT_THAT(PrintResult(*context, stream, *writer), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_LE(stream.asked, 2) << format;
    EXPECT_TRUE(stream.cancelled) << format;
  }
}

}  // namespace
}  // namespace televault::cli
