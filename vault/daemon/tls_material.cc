#include "vault/daemon/tls_material.h"

#include <arpa/inet.h>
#include <memory>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace televault::daemon {
namespace {

template <class T, void (*F)(T*)>
struct Deleter {
  void operator()(T* object) const { F(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION, X509_EXTENSION_free>>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

absl::Status Failed(const char* step) {
  return absl::InternalError(std::string("OpenSSL could not ") + step);
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

std::string AlternativeNames(const std::vector<std::string>& hosts) {
  std::string names;
  for (const std::string& host : hosts) {
    unsigned char address[sizeof(in6_addr)];
    const bool is_address = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                            inet_pton(AF_INET6, host.c_str(), address) == 1;
    if (!names.empty()) names += ',';
    names += (is_address ? "IP:" : "DNS:") + host;
  }
  return names;
}

absl::StatusOr<Certificate> NewCertificate(EVP_PKEY* key, const char* common_name, int days) {
  Certificate certificate(X509_new());
  uint8_t serial[16];
  if (certificate == nullptr || RAND_bytes(serial, sizeof serial) != 1) return Failed("start");
  serial[0] &= 0x7F;  // positive
  const std::unique_ptr<BIGNUM, Deleter<BIGNUM, BN_free>> number(
      BN_bin2bn(serial, sizeof serial, nullptr));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const bool ok =
      X509_set_version(certificate.get(), 2) == 1 && number != nullptr &&
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -300) != nullptr &&
      X509_time_adj_ex(X509_getm_notAfter(certificate.get()), days, 0, nullptr) != nullptr &&
      X509_set_pubkey(certificate.get(), key) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name), -1, -1,
                                 0) == 1;
  if (!ok) return Failed("fill a certificate");
  return certificate;
}

template <class Write>
absl::StatusOr<std::string> ToPem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || write(bio.get()) != 1) return Failed("write PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace

absl::StatusOr<TlsMaterial> MakeTlsMaterial(const std::vector<std::string>& hosts, int days) {
  if (hosts.empty()) return absl::InvalidArgumentError("a certificate needs at least one host");
  const Key ca_key(EVP_EC_gen("P-256"));
  const Key server_key(EVP_EC_gen("P-256"));
  if (ca_key == nullptr || server_key == nullptr) return Failed("make a key");

  TV_ASSIGN_OR_RETURN(const Certificate ca, NewCertificate(ca_key.get(), "televault CA", days));
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  if (!AddExtension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      X509_sign(ca.get(), ca_key.get(), EVP_sha256()) == 0) {
    return Failed("sign the authority");
  }

  TV_ASSIGN_OR_RETURN(const Certificate server,
                      NewCertificate(server_key.get(), "televaultd", days));
  X509_set_issuer_name(server.get(), X509_get_subject_name(ca.get()));
  if (!AddExtension(server.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(server.get(), ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(server.get(), ca.get(), NID_ext_key_usage, "serverAuth") ||
      !AddExtension(server.get(), ca.get(), NID_subject_alt_name, AlternativeNames(hosts)) ||
      X509_sign(server.get(), ca_key.get(), EVP_sha256()) == 0) {
    return Failed("sign the server certificate; are the host names valid?");
  }

  TlsMaterial material;
  TV_ASSIGN_OR_RETURN(material.ca_cert,
                      ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, ca.get()); }));
  TV_ASSIGN_OR_RETURN(material.server_cert,
                      ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, server.get()); }));
  TV_ASSIGN_OR_RETURN(material.server_key, ToPem([&](BIO* bio) {
                        return PEM_write_bio_PrivateKey(bio, server_key.get(), nullptr, nullptr, 0,
                                                        nullptr, nullptr);
                      }));
  return material;
}

}  // namespace televault::daemon
