#include "vault/client/dial.h"

#include <cerrno>
#include <fstream>
#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"

namespace televault::client {
namespace {

// The inclusion proof alone may take 8 KiB, a third more in base64.
constexpr int kMaxMetadataBytes = 64 * 1024;
constexpr int kKeepaliveMillis = 5 * 60 * 1000;
constexpr size_t kMaxPemBytes = limits::MiB;
constexpr size_t kMaxSocketPathBytes = 107;

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno, path);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.empty() || text.size() > kMaxPemBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a PEM file of at most 1 MiB"));
  }
  return text;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> TlsCredentials(const Options& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError(
        "a client certificate needs its key and a key its certificate: give both or neither");
  }
  grpc::SslCredentialsOptions tls;
  TV_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadPem(options.ca_file));
  TV_ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadPem(options.cert_file));
  TV_ASSIGN_OR_RETURN(tls.pem_private_key, ReadPem(options.key_file));
  return grpc::SslCredentials(tls);
}

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  // We decide what is sent twice; gRPC's own retries do not know about batch ids.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A token never takes a way that an environment variable chose.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetUserAgentPrefix("televault");
  return arguments;
}

absl::Status NotAnAddress() {
  return absl::InvalidArgumentError(
      "the vault's address is unix:PATH, /PATH or HOST:PORT (TLS), e.g. "
      "unix:/run/televault/televault.sock or vault.example.org:8858");
}

}  // namespace

absl::StatusOr<Target> ParseAddress(std::string_view address) {
  if (address.starts_with("unix:")) address.remove_prefix(5);
  if (address.starts_with("//")) address.remove_prefix(2);
  if (address.starts_with("/") || address.starts_with("./") || address.starts_with("../")) {
    if (address.size() > kMaxSocketPathBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the path of a UNIX socket has at most ", kMaxSocketPathBytes, " bytes"));
    }
    return Target{absl::StrCat("unix:", absl::string_view(address.data(), address.size())), true};
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return NotAnAddress();
  const std::string_view host = address.substr(0, colon);
  const std::string port(address.substr(colon + 1));
  const bool bare_v6 = host.find(':') != std::string_view::npos && host.front() != '[';
  uint32_t number = 0;
  if (bare_v6 || host.find_first_of("/ \t") != std::string_view::npos ||
      !absl::SimpleAtoi(port, &number) || number == 0 || number > 65'535) {
    return NotAnAddress();
  }
  return Target{absl::StrCat("dns:///", absl::string_view(address.data(), address.size())), false};
}

void SilenceTransport() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const Options& options) {
  TV_ASSIGN_OR_RETURN(const Target target, ParseAddress(options.address));
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (target.unix_socket) {
    credentials = grpc::InsecureChannelCredentials();
  } else {
    TV_ASSIGN_OR_RETURN(credentials, TlsCredentials(options));
  }
  return grpc::CreateCustomChannel(target.uri, credentials, Arguments());
}

}  // namespace televault::client
