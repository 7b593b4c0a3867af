#include "admin-cli/output/result.h"

#include "tests/support/status_matchers.h"
#include "tests/unit/admin-cli/cli_harness.h"

namespace televault::cli {
namespace {

using televault::testing::StatusIs;

v1::QueryHeader Header() {
  v1::QueryHeader header;
  const auto add = [&](const char* name, v1::FieldKind kind) {
    header.add_columns()->set_name(name);
    header.mutable_columns(header.columns_size() - 1)->set_kind(kind);
  };
  add("os", v1::FIELD_KIND_ENUM);
  add("n", v1::FIELD_KIND_INT);
  add("day", v1::FIELD_KIND_TIMESTAMP);
  add("tags", v1::FIELD_KIND_STRING_LIST);
  return header;
}

v1::QueryBatch Batch() {
  v1::QueryBatch batch;
  batch.set_rows(2);
  v1::ColumnData* column = batch.add_columns();
  column->add_dictionary("linux");
  column->add_codes(0);
  column->add_codes(0);
  column->set_nulls(std::string("\0\1", 2));
  column = batch.add_columns();
  column->add_ints(12);
  column->add_ints(0);
  column->set_nulls(std::string("\0\1", 2));
  column->set_suppressed(std::string("\0\1", 2));
  column = batch.add_columns();
  column->add_ints(1'000'000);
  column->add_ints(2'000'000);
  column = batch.add_columns();
  column->add_dictionary("a");
  column->add_dictionary("b");
  column->add_codes(0);
  column->add_codes(1);
  column->add_list_ends(2);
  column->add_list_ends(2);
  return batch;
}

v1::QueryTrailer Trailer() {
  v1::QueryTrailer trailer;
  trailer.set_rows(2);
  trailer.set_suppressed_cells(true);
  trailer.mutable_receipt()->set_index(41);
  trailer.mutable_receipt()->set_size(42);
  return trailer;
}

std::string Print(const std::string& format, const v1::QueryTrailer* trailer) {
  Harness harness;
  const auto context = harness.Make(format);
  const auto writer = NewResultWriter(*context);
  writer->Header(Header());
  const auto rows = RowsOf(Header(), Batch());
  EXPECT_TRUE(rows.ok()) << rows.status();
  writer->Rows(*rows);
  writer->End(trailer);
  return harness.out.str();
}

TEST(ResultTest, JsonIsTheDocumentedObject) {
  const v1::QueryTrailer trailer = Trailer();
  const Json json = Json::parse(Print("json", &trailer));
  EXPECT_EQ(Dump(json["columns"][0], -1), R"({"name":"os","type":"enum"})");
  EXPECT_EQ(Dump(json["rows"][0], -1), R"(["linux",12,"1970-01-01T00:00:01Z",["a","b"]])");
  EXPECT_EQ(Dump(json["rows"][1], -1), R"([null,null,"1970-01-01T00:00:02Z",[]])");
  EXPECT_EQ(json["suppressed"], true);
  EXPECT_EQ(Dump(json["audit"], -1), R"({"index":41,"size":42})");
  EXPECT_FALSE(json.contains("incomplete"));
}

TEST(ResultTest, ACutResultIsValidJsonThatSaysSo) {
  const Json json = Json::parse(Print("json", nullptr));
  EXPECT_EQ(json["rows"].size(), 2u);
  EXPECT_EQ(json["incomplete"], true);
  EXPECT_FALSE(json.contains("audit"));
}

TEST(ResultTest, TableCsvAndLines) {
  const v1::QueryTrailer trailer = Trailer();
  EXPECT_EQ(Print("table", &trailer),
            "os              n  day                   tags\n"
            "linux          12  1970-01-01T00:00:01Z  a, b\n"
            "       (withheld)  1970-01-01T00:00:02Z\n");
  EXPECT_EQ(
      Print("csv", &trailer),
      "os,n,day,tags\r\nlinux,12,1970-01-01T00:00:01Z,a;b\r\n,,1970-01-01T00:00:02Z,\"\"\r\n");
  EXPECT_EQ(Print("jsonl", &trailer),
            "{\"os\":\"linux\",\"n\":12,\"day\":\"1970-01-01T00:00:01Z\",\"tags\":[\"a\",\"b\"]}\n"
            "{\"os\":null,\"n\":null,\"day\":\"1970-01-01T00:00:02Z\",\"tags\":[]}\n");
}

// The second of two columns with one name overwrote the first.
TEST(ResultTest, LinesKeepColumnsOfTheSameName) {
  v1::QueryHeader header;
  v1::QueryBatch batch;
  batch.set_rows(1);
  for (const char* const name : {"count", "count", "count_2", "count"}) {
    header.add_columns()->set_name(name);
    header.mutable_columns(header.columns_size() - 1)->set_kind(v1::FIELD_KIND_INT);
    batch.add_columns()->add_ints(header.columns_size());
  }
  Harness harness;
  const auto context = harness.Make("jsonl");
  const auto writer = NewResultWriter(*context);
  writer->Header(header);
  TV_ASSERT_OK_AND_ASSIGN(const auto rows, RowsOf(header, batch));
  writer->Rows(rows);
  EXPECT_EQ(harness.out.str(), "{\"count\":1,\"count_3\":2,\"count_2\":3,\"count_4\":4}\n");
}

// A stored text must not give orders to the terminal of whoever reads it.
TEST(ResultTest, NoFormatSendsControlsToATerminal) {
  const std::string evil = "a\x1b]0;x\x07\xc2\x9b\xe2\x80\xae\x7f";
  v1::QueryHeader header;
  header.add_columns()->set_name(evil);
  header.mutable_columns(0)->set_kind(v1::FIELD_KIND_STRING);
  v1::QueryBatch batch;
  batch.set_rows(1);
  batch.add_columns()->add_dictionary(evil);
  batch.mutable_columns(0)->add_codes(0);
  TV_ASSERT_OK_AND_ASSIGN(const auto rows, RowsOf(header, batch));
  for (const char* const format : {"table", "json", "jsonl", "csv"}) {
    Harness harness;
    Terminal terminal = harness.terminal();
    terminal.out_is_terminal = true;
    GlobalOptions options;
    options.output = format;
    options.no_color = true;
    TV_ASSERT_OK_AND_ASSIGN(const auto context, Context::Create(options, terminal));
    const auto writer = NewResultWriter(*context);
    writer->Header(header);
    writer->Rows(rows);
    writer->End(nullptr);
    for (const char* const bad : {"\x1b", "\x07", "\xc2\x9b", "\xe2\x80\xae", "\x7f"}) {
      EXPECT_EQ(harness.out.str().find(bad), std::string::npos) << format;
    }
  }
  Harness pipe;
  const auto context = pipe.Make("csv");
  const auto writer = NewResultWriter(*context);
  writer->Header(header);
  EXPECT_EQ(pipe.out.str(), evil + "\r\n");
}

TEST(ResultTest, ABatchThatDoesNotFitIsRefusedBeforeMemoryIsTaken) {
  v1::QueryBatch batch = Batch();
  batch.set_rows(4'000'000'000);
  EXPECT_THAT(RowsOf(Header(), batch), StatusIs(absl::StatusCode::kDataLoss));
  batch = Batch();
  batch.mutable_columns()->RemoveLast();
  EXPECT_THAT(RowsOf(Header(), batch), StatusIs(absl::StatusCode::kDataLoss));
  batch = Batch();
  batch.mutable_columns(3)->set_list_ends(1, 99);
  EXPECT_THAT(RowsOf(Header(), batch), StatusIs(absl::StatusCode::kDataLoss));
  batch = Batch();
  batch.mutable_columns(3)->set_list_ends(0, 3);
  EXPECT_THAT(RowsOf(Header(), batch), StatusIs(absl::StatusCode::kDataLoss));
  batch = Batch();
  batch.mutable_columns(1)->set_nulls("x");
  EXPECT_THAT(RowsOf(Header(), batch), StatusIs(absl::StatusCode::kDataLoss));
  batch = Batch();
  batch.mutable_columns(0)->set_codes(0, 77);
  EXPECT_THAT(RowsOf(Header(), batch), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::cli
