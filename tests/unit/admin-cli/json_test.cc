#include "admin-cli/output/json.h"

#include <gtest/gtest.h>

#include "admin-cli/output/emit.h"
#include "televault/record/v1/audit.pb.h"
#include "televault/v1/access_service.pb.h"
#include "tests/unit/admin-cli/cli_harness.h"

namespace televault::cli {
namespace {

TEST(JsonTest, EntriesKeepTheContractsNamesAndExactNumbers) {
  record::v1::AuditEntry entry;
  entry.set_id(std::string("\x01\xff", 2));
  entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  entry.set_verdict(record::v1::VERDICT_DENY);
  entry.set_time_us(9'007'199'254'740'993);
  entry.set_rows_scanned(18'446'744'073'709'551'615u);
  (*entry.mutable_details())["b"] = "2";
  (*entry.mutable_details())["a"] = "1";
  const Json json = ToJson(entry);
  EXPECT_EQ(json["id"], "01ff");
  EXPECT_EQ(json["kind"], "outcome");
  EXPECT_EQ(json["verdict"], "deny");
  EXPECT_EQ(Dump(json["time_us"], -1), "9007199254740993");
  EXPECT_EQ(Dump(json["rows_scanned"], -1), "18446744073709551615");
  EXPECT_EQ(Dump(json["details"], -1), R"({"a":"1","b":"2"})");
  EXPECT_TRUE(json["principal"].is_null());
  EXPECT_EQ(json["dataset"], "");
}

TEST(JsonTest, TimesAreRfc3339AndReceiptsAreShort) {
  v1::CreateTokenResponse response;
  response.mutable_token()->mutable_expires_at()->set_seconds(1);
  response.mutable_receipt()->set_index(5);
  response.mutable_receipt()->set_proof("long");
  const Json json = ToJson(response);
  EXPECT_EQ(json["token"]["expires_at"], "1970-01-01T00:00:01Z");
  EXPECT_TRUE(json["token"]["created_at"].is_null());
  EXPECT_EQ(Dump(json["receipt"], -1), R"({"index":5,"intent_index":0,"size":0})");
}

TEST(JsonTest, WhatIsAbsentIsNotZero) {
  v1::Token token;
  EXPECT_TRUE(ToJson(token)["uses_left"].is_null());
  token.set_uses_left(0);
  EXPECT_EQ(ToJson(token)["uses_left"], 0);
}

TEST(JsonTest, BytesThatAreNotUtf8DoNotEndTheProgram) {
  EXPECT_EQ(Dump(Json("\xff"), -1), "\"\xef\xbf\xbd\"");
}

TEST(EmitTest, TheSameListInEveryFormat) {
  const std::vector<Json> objects = {Json{{"name", "a"}, {"n", 1}},
                                     Json{{"name", "b,c"}, {"n", 2}}};
  const std::vector<ListColumn> columns = {{"name", "name"}, {"number", "n", Align::kRight}};
  const auto emit = [&](const std::string& format) {
    Harness harness;
    EmitList(*harness.Make(format), objects, columns);
    return harness.out.str();
  };
  EXPECT_EQ(emit("table"), "name  number\na          1\nb,c        2\n");
  EXPECT_EQ(emit("csv"), "name,number\r\na,1\r\n\"b,c\",2\r\n");
  EXPECT_EQ(emit("jsonl"), "{\"name\":\"a\",\"n\":1}\n{\"name\":\"b,c\",\"n\":2}\n");
  EXPECT_EQ(Json::parse(emit("json")), Json(objects));
}

}  // namespace
}  // namespace televault::cli
