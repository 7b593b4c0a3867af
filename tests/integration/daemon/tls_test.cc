// The TCP listener: TLS only, with the certificate that init made; client certificates where the
// configuration asks for them.
#include <fstream>
#include <grpcpp/grpcpp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "televault/v1/operator_service.grpc.pb.h"
#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kServer[] =
    "[tls]\ncert_file = \"@DIRECTORY@/vault/tls/server.crt\"\n"
    "key_file = \"@DIRECTORY@/vault/tls/server.key\"\n";

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

// Writes NAME.crt, which signs itself, and NAME.key.
void MakeCertificate(const std::string& directory, const std::string& name) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> cert(X509_new(), &X509_free);
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 86'400);
  X509_NAME* subject = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert.get(), subject);
  X509_set_pubkey(cert.get(), key.get());
  ASSERT_GT(X509_sign(cert.get(), key.get(), EVP_sha256()), 0);
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  ASSERT_EQ(PEM_write_bio_X509(bio.get(), cert.get()), 1);
  std::ofstream(absl::StrCat(directory, "/", name, ".crt")) << Text(bio.get());
  (void)BIO_reset(bio.get());
  ASSERT_EQ(PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr),
            1);
  std::ofstream(absl::StrCat(directory, "/", name, ".key")) << Text(bio.get());
}

class TlsTest : public ::testing::Test {
 protected:
  explicit TlsTest(const std::string& more = "")
      : daemon_({.config = kServer + more, .listen = {"127.0.0.1:0"}}) {}
  void SetUp() override {
    ASSERT_THAT(daemon_.Init(), IsOk());
    MakeCertificate(daemon_.directory(), "friend");
    MakeCertificate(daemon_.directory(), "stranger");
    ASSERT_THAT(daemon_.Start(), IsOk()) << daemon_.Output();
  }
  std::string File(const std::string& name) const { return daemon_.directory() + "/" + name; }
  ProcessResult Status(const std::vector<std::string>& tls) {
    std::vector<std::string> arguments = {"--addr", daemon_.listener(0), "--timeout", "20s"};
    arguments.insert(arguments.end(), tls.begin(), tls.end());
    arguments.push_back("status");
    const ProcessResult result = RunCli(daemon_, daemon_.alice(), arguments);
    std::cout << "exit " << result.exit_code << ": " << result.err;
    EXPECT_FALSE(absl::StrContains(result.err, "ssl_")) << "a line of the transport's own";
    return result;
  }

  Daemon daemon_;
};

TEST_F(TlsTest, OnlyWhoTrustsTheVaultsOwnAuthorityReachesIt) {
  const std::string ca = File("vault/tls/ca.crt");
  EXPECT_EQ(Status({"--cacert", ca}).exit_code, 0);
  const ProcessResult wrong = Status({"--cacert", File("stranger.crt")});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--cacert"));
  EXPECT_EQ(Status({}).exit_code, 2) << "the system's authorities do not know it";
  const ProcessResult missing = Status({"--cacert", File("none.crt")});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("none.crt"));
  const ProcessResult half = Status({"--cacert", ca, "--cert", File("friend.crt")});
  EXPECT_EQ(half.exit_code, 1);
  EXPECT_THAT(half.err, HasSubstr("neither"));
}

TEST_F(TlsTest, PlaintextIsRefused) {
  const auto stub = v1::OperatorService::NewStub(
      grpc::CreateChannel(daemon_.listener(0), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::GetStatusResponse response;
  const grpc::Status status = stub->GetStatus(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

class MutualTlsTest : public TlsTest {
 protected:
  MutualTlsTest() : TlsTest("client_ca_file = \"@DIRECTORY@/friend.crt\"\n") {}
};

TEST_F(MutualTlsTest, WhoShowsNoCertificateOrAStrangersIsNotLetIn) {
  const std::string ca = File("vault/tls/ca.crt");
  EXPECT_EQ(
      Status({"--cacert", ca, "--cert", File("friend.crt"), "--key", File("friend.key")}).exit_code,
      0);
  const ProcessResult none = Status({"--cacert", ca});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("--cert and --key"));
  EXPECT_EQ(Status({"--cacert", ca, "--cert", File("stranger.crt"), "--key", File("stranger.key")})
                .exit_code,
            2);
  // Certificate and key of two owners.
  const ProcessResult mixed =
      Status({"--cacert", ca, "--cert", File("friend.crt"), "--key", File("stranger.key")});
  EXPECT_EQ(mixed.exit_code, 2);
  EXPECT_THAT(mixed.err, HasSubstr("belong together"));
}

TEST(BadCertificateTest, AKeyThatIsNotTheCertificatesIsSaidAtTheStart) {
  Daemon daemon({.config = "[tls]\ncert_file = \"@DIRECTORY@/vault/tls/server.crt\"\n"
                           "key_file = \"@DIRECTORY@/other.key\"\n",
                 .listen = {"127.0.0.1:0"}});
  ASSERT_THAT(daemon.Init(), IsOk());
  MakeCertificate(daemon.directory(), "other");
  EXPECT_THAT(daemon.Start(), StatusIs(absl::StatusCode::kInternal, HasSubstr("certificate")));
}

}  // namespace
}  // namespace televault::testing
