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
  trailer.set_suppressed_cells(1);
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
  EXPECT_EQ(json["suppressed"], 1);
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
  EXPECT_EQ(Print("csv", &trailer),
            "os,n,day,tags\r\nlinux,12,1970-01-01T00:00:01Z,a;b\r\n,,1970-01-01T00:00:02Z,\r\n");
  EXPECT_EQ(Print("jsonl", &trailer),
            "{\"os\":\"linux\",\"n\":12,\"day\":\"1970-01-01T00:00:01Z\",\"tags\":[\"a\",\"b\"]}\n"
            "{\"os\":null,\"n\":null,\"day\":\"1970-01-01T00:00:02Z\",\"tags\":[]}\n");
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
