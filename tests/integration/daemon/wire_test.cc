// Bytes that no client of ours sends, straight to the daemon's doors.
#include <array>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "auth/rpc_policy.h"
#include "televault/v1/ingest_service.grpc.pb.h"
#include "tests/integration/daemon/scenario.h"
#include "vault/base/limits.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kAppend[] = "/televault.v1.IngestService/Append";
constexpr char kAppendStream[] = "/televault.v1.IngestService/AppendStream";
constexpr char kExport[] = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

class WireTest : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    if (HasFatalFailure()) return;
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = grpc::CreateCustomChannel("unix:" + daemon_.socket(),
                                         grpc::InsecureChannelCredentials(), arguments);
  }

  static void Prepare(grpc::ClientContext& context, const TokenOf& token) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
    context.AddMetadata("authorization", "Bearer " + token.text);
  }

  // One message of `bytes` to any method.
  absl::Status Send(const std::string& method, const TokenOf& token, const std::string& bytes,
                    grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    const grpc::Slice slice(bytes);
    grpc::ClientContext context;
    Prepare(context, token);
    context.set_compression_algorithm(compression);
    grpc::CompletionQueue queue;
    const auto call =
        grpc::GenericStub(channel_).PrepareUnaryCall(&context, method, {&slice, 1}, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool finished = false;
    EXPECT_TRUE(queue.Next(&tag, &finished) && finished);
    return client::FromWire(status.error_code(), status.error_message(), status.error_details());
  }

  std::vector<v1::IndexedEntry> EntriesOf(const std::string& method) {
    return Entries(*As(cast_.auditor), ByMethod(method));
  }
  std::string Stored() {
    const Answer answer = Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage");
    EXPECT_THAT(answer.status, IsOk());
    return answer.rows.empty() ? "" : answer.rows[0][0];
  }
  static std::vector<v1::Event> Twenty() {
    std::vector<v1::Event> events;
    for (int i = 0; i < 20; ++i) {
      events.push_back(Usage(Yesterday(i), absl::StrCat("m", i), "build"));
    }
    return events;
  }

  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(WireTest, BytesThatAreNoMessageAreARefusedCallOnEveryMethodWithAnEntry) {
  TV_ASSERT_OK_AND_ASSIGN(const auto policies, auth::BuildPolicyTable());
  const std::array<const TokenOf*, 8> everybody = {
      &cast_.collector, &cast_.analyst,   &cast_.investigator, &cast_.steward,
      &cast_.auditor,   &cast_.responder, &daemon_.alice(),    &daemon_.bob()};
  int methods = 0;
  for (const auto& [method, policy] : policies.methods()) {
    // gRPC's own, and signals that this version does not take.
    if (absl::StartsWith(method, "/grpc.") || absl::StrContains(method, "collector.metrics") ||
        absl::StrContains(method, "collector.trace")) {
      continue;
    }
    SCOPED_TRACE(method);
    ++methods;
    int malformed = 0;
    for (const TokenOf* token : everybody) {
      // The stream answers the batch and goes on: see below.
      if (method == kAppendStream) break;
      const absl::Status status = Send(method, *token, std::string(64, '\xff'));
      // Who may not call it at all learns no more than that.
      if (absl::IsPermissionDenied(status)) continue;
      EXPECT_EQ(Refusal(status), "INVALID_ARGUMENT MALFORMED") << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("not a message of type"));
      EXPECT_FALSE(client::ErrorOf(status).retry_after.has_value());
      malformed += absl::IsInvalidArgument(status) ? 1 : 0;
    }
    if (method == kAppendStream) continue;
    EXPECT_GT(malformed, 0);
    TV_ASSERT_OK_AND_ASSIGN(const auto last,
                            AwaitEntry(*As(cast_.auditor), method, everybody.size()));
    int recorded = 0;
    for (const v1::IndexedEntry& entry : EntriesOf(method)) {
      recorded += entry.entry().reason() == "MALFORMED" ? 1 : 0;
    }
    EXPECT_EQ(recorded, malformed);
  }
  EXPECT_GT(methods, 35);
  // A text that is not UTF-8 makes the message none: field 1, 2 bytes.
  EXPECT_EQ(Refusal(Send(kAppend, cast_.collector, std::string("\x0a\x02\xff\xfe", 4))),
            "INVALID_ARGUMENT MALFORMED");
  // No caller, no look at the bytes.
  TokenOf nobody;
  nobody.text = "nonsense";
  EXPECT_EQ(Refusal(Send(kAppend, nobody, std::string(64, '\xff'))),
            "UNAUTHENTICATED UNAUTHENTICATED");
}

TEST_F(WireTest, AStreamRefusesAMessageThatIsNoneAndGoesOn) {
  grpc::ClientContext context;
  Prepare(context, cast_.collector);
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = grpc::GenericStub(channel_).PrepareCall(&context, kAppendStream, &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(await());
  v1::AppendStreamRequest good;
  *good.mutable_append() = RowsOf(Twenty());
  const std::array<std::string, 3> sent = {good.SerializeAsString(), std::string(9, '\xff'),
                                           good.SerializeAsString()};
  std::vector<v1::AppendStreamResponse> answers;
  for (const std::string& bytes : sent) {
    const grpc::Slice slice(bytes);
    call->Write({&slice, 1}, nullptr);
    ASSERT_TRUE(await());
    grpc::ByteBuffer read;
    call->Read(&read, nullptr);
    ASSERT_TRUE(await());
    v1::AppendStreamResponse answer;
    ASSERT_TRUE(
        grpc::SerializationTraits<v1::AppendStreamResponse>::Deserialize(&read, &answer).ok());
    answers.push_back(answer);
  }
  call->WritesDone(nullptr);
  ASSERT_TRUE(await());
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(await());
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answers[0].append().accepted(), 20u);
  EXPECT_EQ(answers[1].error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(answers[1].error().reason(), "MALFORMED");
  EXPECT_EQ(answers[2].append().accepted(), 20u);
  EXPECT_EQ(Stored(), "40");
  const auto entries = EntriesOf(kAppendStream);
  ASSERT_THAT(entries, SizeIs(3));
  EXPECT_EQ(entries[1].entry().reason(), "MALFORMED");
}

// gRPC drops a message that is longer than the bound before any code of ours runs: there is an
// answer but no entry.
TEST_F(WireTest, AMessageThatIsTooLongIsRefusedAndNotRetried) {
  const absl::Status refused =
      Send(kAppend, cast_.collector, std::string(limits::kMaxMessageBytes + 1, '\0'));
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger than max")));
  EXPECT_FALSE(client::ErrorOf(refused).retry_after.has_value());
  // The connection goes on.
  EXPECT_EQ(Refusal(Send(kAppend, cast_.collector, "\xff")), "INVALID_ARGUMENT MALFORMED");
}

// Of a daemon that has not held what it refused: AddressSanitizer keeps what was freed for a while.
#ifdef __SANITIZE_ADDRESS__
constexpr uint64_t kMostKib = 800'000;
#else
constexpr uint64_t kMostKib = 400'000;
#endif
uint64_t PeakKib(pid_t pid) {
  const std::string state = ReadWholeFile(absl::StrCat("/proc/", pid, "/status"));
  uint64_t peak_kib = 0;
  const std::string at = state.substr(state.find("VmHWM:") + 6);
  EXPECT_TRUE(absl::SimpleAtoi(at.substr(0, at.find("kB")), &peak_kib)) << state;
  return peak_kib;
}

// Half a megabyte that inflates to 512: nobody's memory but the sender's pays for it.
TEST_F(WireTest, WhatInflatesBeyondTheBoundIsRefusedOnRecordAndNeverHeld) {
  v1::AppendRequest bomb = RowsOf({});
  bomb.mutable_rows()->add_events()->set_subject(std::string(size_t{512} << 20, 's'));
  const std::string bytes = bomb.SerializeAsString();
  TokenOf nobody;
  nobody.text = "nonsense";
  EXPECT_EQ(Refusal(Send(kAppend, nobody, bytes, GRPC_COMPRESS_GZIP)),
            "UNAUTHENTICATED UNAUTHENTICATED");
  const absl::Status refused = Send(kAppend, cast_.collector, bytes, GRPC_COMPRESS_GZIP);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("inflated")));
  EXPECT_FALSE(client::ErrorOf(refused).retry_after.has_value());
  const auto entries = EntriesOf(kAppend);
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries[0].entry().reason(), "RESOURCE_EXHAUSTED");
  EXPECT_LT(PeakKib(daemon_.pid()), kMostKib);
}

// 64 KiB that inflate to 33 million empty events used to be 6 GB of objects before their number was
// looked at.
TEST_F(WireTest, WhatBecomesTooManyObjectsIsRefusedOnRecordAndNeverMade) {
  std::string events;
  for (size_t i = 0; i < limits::kMaxMessageBytes / 2 - 16; ++i) events.append("\x0a\x00", 2);
  std::string length;
  size_t left = events.size();
  for (; left >= 0x80; left >>= 7) length.push_back(static_cast<char>(left | 0x80));
  length.push_back(static_cast<char>(left));
  const std::string bomb = "\x2a" + length + events;
  const absl::Status refused = Send(kAppend, cast_.collector, bomb, GRPC_COMPRESS_GZIP);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  EXPECT_FALSE(client::ErrorOf(refused).retry_after.has_value());
  const auto entries = EntriesOf(kAppend);
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries[0].entry().reason(), "RESOURCE_EXHAUSTED");
  EXPECT_LT(PeakKib(daemon_.pid()), kMostKib);
}

TEST_F(WireTest, BrokenCompressionIsARefusedCall) {
  // The header of a gzip stream and nothing more, sent as if it were plain: nothing tells them
  // apart but these bytes.
  EXPECT_EQ(
      Refusal(Send(kAppend, cast_.collector, std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10))),
      "INVALID_ARGUMENT MALFORMED");
  EXPECT_EQ(Refusal(Send(kExport, cast_.collector, std::string("\x1f garbage"))),
            "INVALID_ARGUMENT MALFORMED");
}

TEST_F(WireTest, CompressedRequestsAreReadAndStored) {
  const std::string good = RowsOf(Twenty()).SerializeAsString();
  EXPECT_THAT(Send(kAppend, cast_.collector, good, GRPC_COMPRESS_GZIP), IsOk());
  EXPECT_EQ(Stored(), "20");
}

}  // namespace
}  // namespace televault::testing
