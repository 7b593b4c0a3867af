#include "vault/daemon/tls_material.h"

#include <memory>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "tests/support/status_matchers.h"

namespace televault::daemon {
namespace {

using televault::testing::StatusIs;

std::unique_ptr<X509, decltype(&X509_free)> ReadCertificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return {certificate, &X509_free};
}

TEST(TlsMaterial, TheServerCertificateVerifiesForItsHostsOnly) {
  TV_ASSERT_OK_AND_ASSIGN(const TlsMaterial tls, MakeTlsMaterial({"localhost", "127.0.0.1"}, 30));
  const auto ca = ReadCertificate(tls.ca_cert);
  const auto server = ReadCertificate(tls.server_cert);
  ASSERT_NE(ca, nullptr);
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(X509_check_host(server.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(server.get(), "example.org", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(server.get(), "127.0.0.1", 0), 1);

  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, ca.get());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, server.get(), nullptr);
  EXPECT_EQ(X509_verify_cert(context), 1);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
}

TEST(TlsMaterial, NoHostIsAnError) {
  EXPECT_THAT(MakeTlsMaterial({}, 30), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace televault::daemon
