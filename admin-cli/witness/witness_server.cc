#include "admin-cli/witness/witness_server.h"

#include <atomic>
#include <exception>
#include <microhttpd.h>
#include <netdb.h>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "audit/witness.h"
#include "vault/base/check.h"

namespace televault::cli {
namespace {

constexpr unsigned kMaxSilentSeconds = 10;
// Request line and headers of a connection, and the piece of its body that is being read.
constexpr size_t kConnectionMemory = 16 * 1024;
constexpr int32_t kStepMs = 250;
constexpr const char* kPath = "/add-checkpoint";

MHD_Result Respond(MHD_Connection* connection, const Witness::Answer& answer) {
  MHD_Response* response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_Result queued =
      MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
  if (queued == MHD_YES) {
    // What is refused unread would pass for the next request.
    queued = MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  }
  if (queued == MHD_YES) {
    queued = MHD_queue_response(connection, static_cast<unsigned>(answer.http_status), response);
  }
  MHD_destroy_response(response);
  return queued;
}

// Once the headers are there: why the body is not read, with status 0 where it is.
Witness::Answer RefuseUnread(MHD_Connection* connection, std::string_view method,
                             std::string_view path) {
  const auto header = [&](const char* name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  };
  if (method != MHD_HTTP_METHOD_POST || path != kPath) {
    return {MHD_HTTP_NOT_FOUND, "text/plain", "POST to /add-checkpoint\n"};
  }
  if (header(MHD_HTTP_HEADER_CONTENT_ENCODING) != nullptr) {
    return {MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "text/plain",
            "send the request as it is, without Content-Encoding\n"};
  }
  const char* length = header(MHD_HTTP_HEADER_CONTENT_LENGTH);
  // The library does not bound the head of a chunk: it spins on one that does not end.
  if (length == nullptr || header(MHD_HTTP_HEADER_TRANSFER_ENCODING) != nullptr) {
    return {MHD_HTTP_LENGTH_REQUIRED, "text/plain", "send the request with its Content-Length\n"};
  }
  uint64_t bytes = 0;
  if (!absl::SimpleAtoi(length, &bytes) || bytes > audit::kMaxAddCheckpointBytes) {
    return {MHD_HTTP_CONTENT_TOO_LARGE, "text/plain", "the request is longer than 64 KiB\n"};
  }
  return {};
}

}  // namespace

// What the library calls back into; all of it from the thread in Run.
struct WitnessServer::Http {
  struct Connection {
    MHD_Connection* id;
    int socket;
    MonoTime accepted;
  };

  Http(Witness& serves, const Clock& time) : witness(serves), clock(time) {
    connections.reserve(kMaxConnections);
  }
  ~Http() {
    if (daemon != nullptr) MHD_stop_daemon(daemon);
  }
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  bool Listen(const addrinfo& address) {
    const unsigned family = address.ai_family == AF_INET6 ? MHD_USE_DUAL_STACK : MHD_NO_FLAG;
    daemon =
        MHD_start_daemon(MHD_USE_EPOLL | family, 0, nullptr, nullptr, &Handle, this,       //
                         MHD_OPTION_SOCK_ADDR, address.ai_addr,                            //
                         MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,                     //
                         MHD_OPTION_PER_IP_CONNECTION_LIMIT, kMaxConnectionsOfOneAddress,  //
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,            //
                         MHD_OPTION_CONNECTION_TIMEOUT, kMaxSilentSeconds,                 //
                         MHD_OPTION_NOTIFY_CONNECTION, &NoteConnection, static_cast<void*>(this),
                         MHD_OPTION_NOTIFY_COMPLETED, &Complete, nullptr, MHD_OPTION_END);
    return daemon != nullptr;
  }

  // The library's timeout begins again with every byte.
  void CutOffOld() const {
    const MonoTime now = clock.Mono();
    for (const Connection& connection : connections) {
      if (now - connection.accepted < kMaxConnectionTime) return;
      ::shutdown(connection.socket, SHUT_RDWR);
    }
  }

  static void NoteConnection(void* self, MHD_Connection* id, void**,
                             MHD_ConnectionNotificationCode what) {
    auto& http = *static_cast<Http*>(self);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
      std::erase_if(http.connections, [&](const Connection& known) { return known.id == id; });
      return;
    }
    const MHD_ConnectionInfo* info = MHD_get_connection_info(id, MHD_CONNECTION_INFO_CONNECTION_FD);
    http.connections.push_back({id, info->connect_fd, http.clock.Mono()});
  }

  // First without a body, then with each piece of it, then without one again.
  static MHD_Result Handle(void* self, MHD_Connection* connection, const char* path,
                           const char* method, const char*, const char* data, size_t* size,
                           void** request) {
    try {
      if (*request == nullptr) {
        const Witness::Answer refusal = RefuseUnread(connection, method, path);
        if (refusal.http_status != 0) return Respond(connection, refusal);
        *request = std::make_unique<std::string>().release();
        return MHD_YES;
      }
      auto& body = *static_cast<std::string*>(*request);
      if (*size == 0) {
        return Respond(connection, static_cast<Http*>(self)->witness.AddCheckpoint(body));
      }
      // No longer than its length, which was looked at.
      body.append(data, std::exchange(*size, 0));
      return MHD_YES;
    } catch (const std::exception&) {
      // Out of memory; past here is C. The connection is closed.
      return MHD_NO;
    }
  }

  static void Complete(void*, MHD_Connection*, void** request, MHD_RequestTerminationCode) {
    const std::unique_ptr<std::string> body(static_cast<std::string*>(*request));
    *request = nullptr;
  }

  Witness& witness;
  const Clock& clock;
  MHD_Daemon* daemon = nullptr;
  std::vector<Connection> connections;  // the oldest first
  std::atomic<bool> stopping{false};
};

WitnessServer::WitnessServer(std::unique_ptr<Http> http, int port)
    : http_(std::move(http)), port_(port) {}
WitnessServer::~WitnessServer() = default;

absl::StatusOr<std::unique_ptr<WitnessServer>> WitnessServer::Bind(Witness& witness,
                                                                   const Clock& clock,
                                                                   const std::string& host,
                                                                   int port) {
  auto http = std::make_unique<Http>(witness, clock);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found) != 0) found = nullptr;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  const addrinfo* address = found;
  while (address != nullptr && !http->Listen(*address)) address = address->ai_next;
  if (address == nullptr) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", host, ":", port, ": the address is taken or not one of this machine"));
  }
  const int bound = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
  return std::unique_ptr<WitnessServer>(new WitnessServer(std::move(http), bound));
}

void WitnessServer::Run() {
  while (!http_->stopping) {
    TV_CHECK(MHD_run_wait(http_->daemon, kStepMs) == MHD_YES);
    http_->CutOffOld();
  }
}

void WitnessServer::Stop() { http_->stopping = true; }

}  // namespace televault::cli
