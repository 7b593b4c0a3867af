#include "vault/daemon/server.h"

#include <chrono>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <stop_token>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/base/pause.h"
#include "vault/service/access_service.h"
#include "vault/service/audit_service.h"
#include "vault/service/catalog_service.h"
#include "vault/service/incident_service.h"
#include "vault/service/ingest_service.h"
#include "vault/service/operator_service.h"
#include "vault/service/query_service.h"
#include "vault/service/retention_service.h"

namespace televault::daemon {
namespace {

constexpr size_t kQueuedCalls = 1'024;
constexpr size_t kLockdownThreads = 4;
constexpr size_t kUrgentThreads = 4;
constexpr size_t kStatusThreads = 2;
// One backup, and one to refuse the next with.
constexpr size_t kBackupThreads = 2;
// Beyond those that may be answered at one time, so that the next one is refused at once.
constexpr size_t kRefusingThreads = 2;
constexpr int kHandshakeTimeoutMs = 10'000;
constexpr int kMaxConcurrentStreams = 256;
constexpr int kMaxMetadataBytes = 16 * 1024;
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kMaxConnectionAgeMs = 3'600'000;
constexpr size_t kTransportMemoryBytes = size_t{512} << 20;
constexpr int kSocketMode = 0660;
constexpr auto kRefusalsTick = std::chrono::milliseconds(250);
constexpr size_t kMaxPemBytes = 1 << 20;

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(const TlsConfig& tls) {
  FileSystem& fs = PosixFileSystem();
  grpc::SslServerCredentialsOptions options(
      tls.client_ca_file.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                 : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  TV_ASSIGN_OR_RETURN(std::string cert, fs.ReadFile(tls.cert_file, kMaxPemBytes));
  TV_ASSIGN_OR_RETURN(std::string key, fs.ReadFile(tls.key_file, kMaxPemBytes));
  options.pem_key_cert_pairs.push_back({std::move(key), std::move(cert)});
  if (!tls.client_ca_file.empty()) {
    TV_ASSIGN_OR_RETURN(options.pem_root_certs, fs.ReadFile(tls.client_ca_file, kMaxPemBytes));
  }
  return grpc::SslServerCredentials(options);
}

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  // gRPC inflates without a bound, before anybody was asked for a token: we do it with one, after.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // Bounds what unread and half-read messages may take, whoever sends them.
  builder.SetResourceQuota(grpc::ResourceQuota("televault").Resize(kTransportMemoryBytes));
  // Two daemons on one port would split the clients between them.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kMaxConnectionAgeMs);
}

// The socket of a daemon that was killed is in the way of the next one. The data directory's lock
// has been taken by now, so nobody serves on it.
void RemoveStaleSocket(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(path.c_str());
}

}  // namespace

struct Server::Parts {
  Parts(const Config& config, Vault& opened, auth::PolicyTable table)
      : vault(opened),
        policies(std::move(table)),
        front({opened.clock(), policies, opened.control(), opened.lockdown(), opened.recorder(),
               [&opened] { return opened.Data().status(); },
               [&opened] {
                 // A token may just have been revoked: streams under it end now.
                 opened.streams().CutRefused();
                 return opened.RecordGenerations();
               }}),
        pool(config.worker_threads, kQueuedCalls),
        urgent_pool(kUrgentThreads, kQueuedCalls),
        status_pool(kStatusThreads, kQueuedCalls),
        backup_pool(kBackupThreads, kQueuedCalls),
        query_pool(config.queries_in_flight + kRefusingThreads, kQueuedCalls),
        stream_pool(service::AuditServiceImpl::kMaxStreams + kRefusingThreads, kQueuedCalls),
        recording_pool(1, kQueuedCalls),
        answering_pool(1, kQueuedCalls),
        lockdown_pool(kLockdownThreads, kQueuedCalls),
        query({front, query_pool}, opened, opened.streams(), opened.random(),
              {.memory_bytes = config.query_memory_bytes == 0 ? limits::kDefaultQueryMemoryBytes
                                                              : config.query_memory_bytes,
               .in_flight = config.queries_in_flight}),
        ingest({front, pool}, opened),
        otlp_logs({front, pool}, opened),
        catalog({front, pool}, opened),
        registrar(opened.control(), opened.random()),
        access({front, pool}, {front, urgent_pool}, opened, registrar),
        audit({front, pool}, {front, stream_pool},
              {opened.journal(), opened.entries(), opened.literals(), opened.audit_keys(),
               opened.identity().vault, opened.vkey(), [&opened] { return opened.Cosigned(); }}),
        incident({front, urgent_pool}, {front, status_pool}, {front, lockdown_pool},
                 {answering_pool, recording_pool}, opened.streams()),
        retention({front, pool}, opened, opened.random()),
        operations({front, urgent_pool}, {front, status_pool}, {front, backup_pool}, opened,
                   opened) {}

  void FinishPools() {
    for (WorkPool* other :
         {&pool, &urgent_pool, &status_pool, &backup_pool, &query_pool, &stream_pool}) {
      other->Finish();
    }
    // Each hands on to the next.
    for (WorkPool* next : {&lockdown_pool, &answering_pool, &recording_pool}) next->Finish();
  }

  std::vector<grpc::Service*> Services() {
    return {&query, &ingest,   &otlp_logs, &catalog,   &access,
            &audit, &incident, &retention, &operations};
  }

  Vault& vault;
  const auth::PolicyTable policies;
  service::Front front;
  WorkPool pool;
  WorkPool urgent_pool;
  WorkPool status_pool;
  WorkPool backup_pool;
  WorkPool query_pool;
  WorkPool stream_pool;
  // Each goes before the one above, which it hands on to.
  WorkPool recording_pool;
  WorkPool answering_pool;
  WorkPool lockdown_pool;
  service::QueryServiceImpl query;
  service::IngestServiceImpl ingest;
  service::OtlpLogsServiceImpl otlp_logs;
  service::CatalogServiceImpl catalog;
  service::Registrar registrar;
  service::AccessServiceImpl access;
  service::AuditServiceImpl audit;
  service::IncidentServiceImpl incident;
  service::RetentionServiceImpl retention;
  service::OperatorServiceImpl operations;
  std::vector<std::string> addresses;
  std::unique_ptr<grpc::Server> server;
  std::jthread counted;  // records refusals that were counted; waits for the disk
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() {
  if (parts_->server != nullptr) Shutdown(microseconds(0));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config, Vault& vault) {
  TV_ASSIGN_OR_RETURN(auth::PolicyTable policies, auth::BuildPolicyTable());
  auto parts = std::make_unique<Parts>(config, vault, std::move(policies));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetLimits(builder);
  std::vector<int> ports(config.listen.size(), -1);
  for (size_t i = 0; i < config.listen.size(); ++i) {
    const std::string& address = config.listen[i];
    std::shared_ptr<grpc::ServerCredentials> credentials;
    if (address.starts_with("unix:")) {
      // The socket's mode is the barrier; the token is asked for on top of it.
      credentials = grpc::InsecureServerCredentials();
      RemoveStaleSocket(address.substr(5));
    } else {
      TV_ASSIGN_OR_RETURN(credentials, TlsCredentials(config.tls));
    }
    builder.AddListeningPort(address, std::move(credentials), &ports[i]);
  }
  for (grpc::Service* service : parts->Services()) builder.RegisterService(service);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr) {
    return absl::UnavailableError(
        "cannot listen: is the address taken, or is the certificate not one for its key?");
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    std::string address = config.listen[i];
    if (address.starts_with("unix:")) {
      if (::chmod(address.substr(5).c_str(), kSocketMode) != 0) {
        return absl::UnavailableError("cannot set the mode of " + address.substr(5));
      }
    } else if (ports[i] <= 0) {
      return absl::UnavailableError("cannot listen on " + address + ": the address is taken");
    } else {
      address = absl::StrCat(address.substr(0, address.rfind(':')), ":", ports[i]);
    }
    parts->addresses.push_back(std::move(address));
  }
  parts->counted = std::jthread([&front = parts->front](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      front.RecordRefusals();
      Pause(stop, kRefusalsTick);
    }
  });
  std::unique_ptr<Server> server(new Server(std::move(parts)));
  server->UpdateHealth();
  return server;
}

const std::vector<std::string>& Server::addresses() const { return parts_->addresses; }

void Server::UpdateHealth() {
  grpc::HealthCheckServiceInterface* health = parts_->server->GetHealthCheckService();
  if (health == nullptr) return;
  const bool open = parts_->vault.Data().ok();
  const v1::LockdownLevel level = parts_->vault.lockdown().Status().level();
  health->SetServingStatus("televault.v1.QueryService", open && level < v1::LOCKDOWN_LEVEL_READS);
  health->SetServingStatus("televault.v1.IngestService", open && level < v1::LOCKDOWN_LEVEL_ALL);
  health->SetServingStatus("televault.v1.CatalogService", open);
  health->SetServingStatus("televault.v1.AccessService", open);
  health->SetServingStatus("televault.v1.RetentionService", open);
  health->SetServingStatus("televault.v1.OperatorService", true);
  health->SetServingStatus("televault.v1.IncidentService", true);
  health->SetServingStatus("televault.v1.AuditService", true);
  health->SetServingStatus("", open && level < v1::LOCKDOWN_LEVEL_READS);
}

void Server::Shutdown(microseconds drain) {
  if (auto* health = parts_->server->GetHealthCheckService()) health->Shutdown();
  parts_->server->Shutdown(
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_micros(drain.count(), GPR_TIMESPAN)));
  parts_->server->Wait();
  parts_->FinishPools();
  parts_->counted = std::jthread();
  parts_->front.RecordLastRefusals();
}

}  // namespace televault::daemon
