#include "vault/client/vault.h"

#include <cstdlib>
#include <filesystem>
#include <grpcpp/grpcpp.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

#include "televault/v1/access_service.grpc.pb.h"
#include "televault/v1/operator_service.grpc.pb.h"
#include "televault/v1/query_service.grpc.pb.h"
#include "tests/support/status_matchers.h"

namespace televault::client {
namespace {

using testing::IsOk;
using testing::StatusIs;

std::string MetadataOf(const grpc::ServerContext& context, const std::string& key) {
  const auto found = context.client_metadata().find(key);
  return found == context.client_metadata().end()
             ? ""
             : std::string(found->second.data(), found->second.size());
}

grpc::Status Refuse(grpc::StatusCode code, const std::string& why, int64_t retry_ms) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  info.set_reason(why);
  rich.add_details()->PackFrom(info);
  if (retry_ms > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(retry_ms * 1'000'000));
    rich.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, "not now", rich.SerializeAsString());
}

class FakeOperator final : public v1::OperatorService::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    ++calls;
    authorization = MetadataOf(*context, "authorization");
    has_deadline = context->deadline() < std::chrono::system_clock::time_point::max();
    if (calls <= refusals) return Refuse(grpc::StatusCode::UNAVAILABLE, "OVERLOADED", 5);
    response->set_origin("vault.example.org");
    return grpc::Status::OK;
  }
  grpc::Status Unseal(grpc::ServerContext* context, const v1::UnsealRequest*,
                      v1::UnsealResponse*) override {
    ++calls;
    passphrase = MetadataOf(*context, "televault-unseal-bin");
    return Refuse(grpc::StatusCode::UNAVAILABLE, "OVERLOADED", 5);
  }
  int calls = 0;
  int refusals = 0;
  bool has_deadline = false;
  std::string authorization;
  std::string passphrase;
};

class FakeAccess final : public v1::AccessService::Service {
 public:
  grpc::Status CreateToken(grpc::ServerContext* context, const v1::CreateTokenRequest*,
                           v1::CreateTokenResponse* response) override {
    context->AddTrailingMetadata("televault-token-bin", "tvr_secret");
    context->AddTrailingMetadata("televault-audit-proof-bin", std::string(8192, '\x01'));
    response->mutable_token()->set_accessor("tva_1");
    return grpc::Status::OK;
  }
};

class FakeQuery final : public v1::QueryService::Service {
 public:
  grpc::Status Query(grpc::ServerContext*, const v1::QueryRequest*,
                     grpc::ServerWriter<v1::QueryResponse>* writer) override {
    v1::QueryResponse part;
    part.mutable_header()->set_audit_intent_index(7);
    writer->Write(part);
    part.mutable_batch()->set_rows(3);
    writer->Write(part);
    return cut ? Refuse(grpc::StatusCode::UNAVAILABLE, "LOCKED_DOWN", 100) : grpc::Status::OK;
  }
  bool cut = false;
};

class VaultTest : public ::testing::Test {
 protected:
  VaultTest() {
    char name[] = "/tmp/televault-client-XXXXXX";
    directory_ = mkdtemp(name);
    options_.address = "unix:" + directory_ + "/s";
    options_.pause = [this](milliseconds pause) { pauses_.push_back(pause); };
    grpc::ServerBuilder builder;
    builder.AddListeningPort(options_.address, grpc::InsecureServerCredentials());
    builder.RegisterService(&operator_);
    builder.RegisterService(&access_);
    builder.RegisterService(&query_);
    server_ = builder.BuildAndStart();
  }
  ~VaultTest() override {
    server_->Shutdown();
    std::filesystem::remove_all(directory_);
  }
  std::unique_ptr<Vault> Dial() {
    auto vault = Vault::Dial(options_, SecretText("tvr_token"));
    return vault.ok() ? *std::move(vault) : nullptr;
  }

  std::string directory_;
  Options options_;
  std::vector<milliseconds> pauses_;
  FakeOperator operator_;
  FakeAccess access_;
  FakeQuery query_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(VaultTest, EveryCallCarriesTheTokenAndADeadline) {
  const auto vault = Dial();
  Call call;
  TV_ASSERT_OK_AND_ASSIGN(const auto status, vault->GetStatus({}, call));
  EXPECT_EQ(status.origin(), "vault.example.org");
  EXPECT_EQ(operator_.authorization, "Bearer tvr_token");
  EXPECT_TRUE(operator_.has_deadline);
}

TEST_F(VaultTest, AReadIsRepeatedWhenTheVaultSaysWhenToComeBack) {
  operator_.refusals = 2;
  const auto vault = Dial();
  Call call;
  EXPECT_THAT(vault->GetStatus({}, call), IsOk());
  EXPECT_EQ(operator_.calls, 3);
  EXPECT_EQ(pauses_.size(), 2u);
}

TEST_F(VaultTest, RepetitionIsBounded) {
  operator_.refusals = 1000;
  const auto vault = Dial();
  Call call;
  const auto status = vault->GetStatus({}, call).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ReasonOf(status), reason::kOverloaded);
  EXPECT_EQ(operator_.calls, options_.max_attempts);
}

TEST_F(VaultTest, AChangeIsNeverRepeatedAndThePassphraseIsMetadata) {
  const auto vault = Dial();
  Call call;
  EXPECT_THAT(vault->Unseal({}, SecretText("open sesame"), call),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(operator_.calls, 1);
  EXPECT_EQ(operator_.passphrase, "open sesame");
}

TEST_F(VaultTest, TrailingMetadataArrivesEvenWithAnEightKibProof) {
  const auto vault = Dial();
  Call call;
  TV_ASSERT_OK_AND_ASSIGN(const auto response, vault->CreateToken({}, call));
  EXPECT_EQ(response.token().accessor(), "tva_1");
  EXPECT_EQ(call.token, "tvr_secret");
  EXPECT_EQ(call.audit_proof, std::string(8192, '\x01'));
}

TEST_F(VaultTest, AStreamEndsInOrderAfterItsLastMessage) {
  const auto vault = Dial();
  Call call;
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, vault->Query({}, call));
  v1::QueryResponse part;
  TV_ASSERT_OK_AND_ASSIGN(bool more, stream->Next(part));
  EXPECT_TRUE(more && part.has_header());
  TV_ASSERT_OK_AND_ASSIGN(more, stream->Next(part));
  EXPECT_TRUE(more && part.has_batch());
  TV_ASSERT_OK_AND_ASSIGN(more, stream->Next(part));
  EXPECT_FALSE(more);
}

TEST_F(VaultTest, ACutStreamSaysWhyAndGoesOnSayingIt) {
  query_.cut = true;
  const auto vault = Dial();
  Call call;
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, vault->Query({}, call));
  v1::QueryResponse part;
  EXPECT_THAT(stream->Next(part), IsOk());
  EXPECT_THAT(stream->Next(part), IsOk());
  EXPECT_EQ(ReasonOf(stream->Next(part).status()), reason::kLockedDown);
  EXPECT_EQ(ReasonOf(stream->Next(part).status()), reason::kLockedDown);
}

TEST_F(VaultTest, AStreamMayBeLeftBeforeItsEnd) {
  const auto vault = Dial();
  Call call;
  TV_ASSERT_OK_AND_ASSIGN(auto stream, vault->Query({}, call));
  v1::QueryResponse part;
  EXPECT_THAT(stream->Next(part), IsOk());
  stream.reset();
  EXPECT_THAT(vault->GetStatus({}, call), IsOk());
}

TEST_F(VaultTest, ABrokenAppendStreamGoesOnSayingWhyWhateverIsCalled) {
  options_.address = "unix:" + directory_ + "/nobody";
  const auto vault = Dial();
  TV_ASSERT_OK_AND_ASSIGN(const auto channel, vault->OpenAppendStream(Call()));
  EXPECT_THAT(channel->Receive(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(channel->Send({}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(channel->Receive(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(channel->Finish(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(VaultTest, AMissingVaultIsUnavailableAndNotTheVaultsWord) {
  options_.address = "unix:" + directory_ + "/nobody";
  const auto vault = Dial();
  Call call;
  const Error error = ErrorOf(vault->GetStatus({}, call).status());
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_TRUE(error.from_call);
  EXPECT_FALSE(error.from_vault);
}

}  // namespace
}  // namespace televault::client
