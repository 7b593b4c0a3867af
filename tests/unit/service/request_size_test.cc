#include "vault/service/request_size.h"

#include <gtest/gtest.h>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "televault/v1/query_service.pb.h"
#include "tests/support/status_matchers.h"
#include "vault/base/limits.h"
#include "vault/service/adapter.h"
#include "vault/service/request_memory.h"

namespace televault::service {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using OtlpRequest = opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest;

absl::StatusOr<size_t> Measure(const std::string& bytes, const google::protobuf::Descriptor& type) {
  return ParsedBytes(bytes, type, BoundsOf(type).parsed_bytes);
}

absl::StatusOr<size_t> Measure(const google::protobuf::Message& message) {
  return Measure(message.SerializeAsString(), *message.GetDescriptor());
}

// `field` with `content` as its length-delimited value.
std::string Wrapped(int field, const std::string& content) {
  std::string out(1, static_cast<char>(field << 3 | 2));
  size_t length = content.size();
  for (; length >= 0x80; length >>= 7) out.push_back(static_cast<char>(length | 0x80));
  out.push_back(static_cast<char>(length));
  return out + content;
}

std::string Repeated(const std::string& bytes, size_t times) {
  std::string out;
  out.reserve(bytes.size() * times);
  for (size_t i = 0; i < times; ++i) out += bytes;
  return out;
}

v1::AppendRequest RowBatch(int events, int fields) {
  v1::AppendRequest request;
  for (int i = 0; i < events; ++i) {
    v1::Event& event = *request.mutable_rows()->add_events();
    event.mutable_time()->set_seconds(1'795'435'200 + i);
    event.set_subject("subject number " + std::to_string(i % 1'000));
    for (int f = 0; f < fields; ++f) {
      v1::Value& value = (*event.mutable_fields())["a_field_" + std::to_string(f)];
      if (f % 2 == 0) value.set_int_value(i * f);
      if (f % 2 == 1) value.set_string_value("some text of an event");
    }
  }
  return request;
}

// 32 KiB of compressed zeros and tens inflate to these; the objects used to take 6 GB.
TEST(RequestSize, ManySmallObjectsAreRefusedBeforeTheyAreMade) {
  const std::string many = Repeated(std::string("\x0a\x00", 2), limits::kMaxMessageBytes / 2 - 16);
  EXPECT_THAT(Measure(Wrapped(5, many), *v1::AppendRequest::descriptor()),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Measure(Wrapped(1, Wrapped(5, many)), *v1::AppendStreamRequest::descriptor()),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Measure(many, *OtlpRequest::descriptor()),
              StatusIs(absl::StatusCode::kResourceExhausted));
  const std::string records = Repeated(std::string("\x12\x00", 2), many.size() / 2);
  EXPECT_THAT(Measure(Wrapped(1, Wrapped(2, records)), *OtlpRequest::descriptor()),
              StatusIs(absl::StatusCode::kResourceExhausted));
  const std::string unknown = Repeated(std::string("\x78\x01", 2), many.size() / 2);
  EXPECT_THAT(Measure(unknown, *v1::AppendRequest::descriptor()),
              StatusIs(absl::StatusCode::kResourceExhausted));
  const std::string numbers(limits::kMaxMessageBytes - 16, '\1');
  EXPECT_THAT(Measure(Wrapped(6, Wrapped(2, numbers)), *v1::AppendRequest::descriptor()),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(RequestSize, WithoutEventsTheBoundsAreNarrow) {
  EXPECT_EQ(BoundsOf(*v1::QueryRequest::descriptor()).bytes, limits::kMaxPlainRequestBytes);
  EXPECT_EQ(BoundsOf(*v1::ListRejectsRequest::descriptor()).bytes, limits::kMaxPlainRequestBytes);
  EXPECT_EQ(BoundsOf(*v1::AppendStreamRequest::descriptor()).bytes, limits::kMaxMessageBytes);
  v1::QueryRequest query;
  query.set_sql(std::string(limits::kMaxSqlBytes, 'x'));
  for (int i = 0; i < 4'000; ++i) query.add_parameters()->set_string_value(std::string(64, 'y'));
  EXPECT_THAT(Measure(query), IsOk());
  EXPECT_LT(query.ByteSizeLong(), limits::kMaxPlainRequestBytes);
  EXPECT_THAT(Measure(Repeated(std::string("\x1a\x00", 2), 500'000), *query.GetDescriptor()),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(RequestSize, LegitimateBatchesAreMeasuredAsNoLessThanTheyTake) {
  const v1::AppendRequest rows = RowBatch(limits::kMaxEventsPerAppend, 16);
  TV_ASSERT_OK_AND_ASSIGN(const size_t measured, Measure(rows));
  EXPECT_GE(measured, rows.SpaceUsedLong());
  v1::AppendRequest columns;
  columns.mutable_columns()->set_rows(limits::kMaxEventsPerAppend);
  for (size_t c = 0; c < limits::kMaxColumns; ++c) {
    v1::ColumnData& column = *columns.mutable_columns()->add_columns();
    for (size_t i = 0; i < limits::kMaxEventsPerAppend; ++i) column.add_ints(i % 64);
  }
  EXPECT_THAT(Measure(columns), IsOk());
  v1::AppendRequest doubles;
  for (int c = 0; c < 100; ++c) {
    v1::ColumnData& column = *doubles.mutable_columns()->add_columns();
    for (size_t i = 0; i < limits::kMaxEventsPerAppend; ++i) column.add_doubles(0);
  }
  TV_ASSERT_OK_AND_ASSIGN(const size_t of_doubles, Measure(doubles));
  EXPECT_GE(of_doubles, doubles.SpaceUsedLong());
}

TEST(RequestSize, WhatIsNoMessageIsMalformed) {
  const auto& type = *v1::AppendRequest::descriptor();
  for (const std::string& bytes : {std::string("\x0a\x05"
                                               "abc",
                                               5),
                                   std::string("\x00\x00", 2), std::string("\x2c", 1),
                                   std::string("\x2a\x04\x0a\x05"
                                               "ab",
                                               6),
                                   std::string("\x0b\x0b", 2), std::string("\x0f\x01", 2),
                                   std::string("\x0a\xff\xff\xff\xff\x0f", 6)}) {
    EXPECT_THAT(Measure(bytes, type), HasReason(reason::kMalformed));
    EXPECT_FALSE(v1::AppendRequest().ParseFromString(bytes));
  }
  EXPECT_THAT(Measure(std::string("\x7b\x08\x01\x7c", 4), type), IsOk());  // a group
  std::string deep;
  for (int i = 0; i < 40; ++i) deep = Wrapped(5, Wrapped(1, deep));  // AnyValue in ArrayValue
  const auto body = [](const std::string& value) {
    return Wrapped(1, Wrapped(2, Wrapped(2, Wrapped(5, value))));
  };
  EXPECT_THAT(Measure(body(deep), *OtlpRequest::descriptor()), IsOk());
  for (int i = 0; i < 40; ++i) deep = Wrapped(5, Wrapped(1, deep));
  EXPECT_THAT(Measure(body(deep), *OtlpRequest::descriptor()), HasReason(reason::kMalformed));
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += 1'000) slices.emplace_back(bytes.substr(at, 1'000));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

TEST(ParseRequest, TakesMemoryForEventsAndRefusesWhatIsTooLarge) {
  RequestMemory memory(limits::kMaxParsedMessageBytes);
  const v1::AppendRequest rows = RowBatch(100, 4);
  const grpc::ByteBuffer bytes = BufferOf(rows.SerializeAsString());
  {
    RequestMemory::Share share;
    v1::AppendRequest read;
    ASSERT_THAT(ParseRequest(bytes, memory, share, read), IsOk());
    EXPECT_EQ(read.rows().events_size(), 100);
    EXPECT_THAT(memory.Take(limits::kMaxParsedMessageBytes).status(),
                HasReason(reason::kOverloaded));
    TV_ASSERT_OK_AND_ASSIGN(const size_t measured, Measure(rows));
    TV_ASSERT_OK_AND_ASSIGN(const RequestMemory::Share rest,
                            memory.Take(limits::kMaxParsedMessageBytes - measured));
    RequestMemory::Share none;
    EXPECT_THAT(ParseRequest(bytes, memory, none, read), HasReason(reason::kOverloaded));
    v1::QueryRequest query;
    EXPECT_THAT(ParseRequest(BufferOf(Wrapped(1, "SELECT")), memory, none, query), IsOk());
    EXPECT_THAT(ParseRequest(BufferOf(Wrapped(1, std::string(limits::kMaxPlainRequestBytes, 'x'))),
                             memory, none, query),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
  EXPECT_THAT(memory.Take(limits::kMaxParsedMessageBytes), IsOk());
}

TEST(RequestMemory, GivesNoMoreThanThereIsAndTakesItBack) {
  RequestMemory memory(100);
  TV_ASSERT_OK_AND_ASSIGN(RequestMemory::Share first, memory.Take(60));
  EXPECT_THAT(memory.Take(41).status(), HasReason(reason::kOverloaded));
  {
    TV_ASSERT_OK_AND_ASSIGN(const RequestMemory::Share second, memory.Take(40));
    EXPECT_THAT(memory.Take(1).status(), HasReason(reason::kOverloaded));
  }
  RequestMemory::Share moved;
  moved = std::move(first);
  EXPECT_THAT(memory.Take(41).status(), HasReason(reason::kOverloaded));
  moved = RequestMemory::Share();
  EXPECT_THAT(memory.Take(100), IsOk());
}

}  // namespace
}  // namespace televault::service
