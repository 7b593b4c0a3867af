#include "admin-cli/witness/witness_server.h"

#include <atomic>
#include <httplib.h>
#include <thread>

#include "absl/strings/str_cat.h"

#include "audit/witness.h"

namespace televault::cli {
namespace {

constexpr time_t kTimeoutSeconds = 10;
constexpr int kUnsupportedMedia = 415;
constexpr size_t kThreads = 8;
constexpr int kNotFound = 404;
constexpr int kTooLarge = 413;
constexpr const char* kPath = "/add-checkpoint";

}  // namespace

struct WitnessServer::Http {
  httplib::Server server;
  std::atomic<bool> ended{false};
};

WitnessServer::WitnessServer(std::unique_ptr<Http> http, int port)
    : http_(std::move(http)), port_(port) {}
WitnessServer::~WitnessServer() = default;

absl::StatusOr<std::unique_ptr<WitnessServer>> WitnessServer::Bind(Witness& witness,
                                                                   const std::string& host,
                                                                   int port) {
  auto http = std::make_unique<Http>();
  httplib::Server& server = http->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_payload_max_length(audit::kMaxAddCheckpointBytes);
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  // What is refused unread would pass for the next request.
  server.set_keep_alive_max_count(1);
  server.set_pre_routing_handler([](const httplib::Request& in, httplib::Response& out) {
    if (in.method != "POST" || in.path != kPath) {
      out.status = kNotFound;
    } else if (in.has_header("Content-Encoding")) {
      // The library would inflate without a bound.
      out.status = kUnsupportedMedia;
      out.set_content("send the request as it is, without Content-Encoding\n", "text/plain");
    } else {
      return httplib::Server::HandlerResponse::Unhandled;
    }
    return httplib::Server::HandlerResponse::Handled;
  });
  server.Post(kPath, [&witness](const httplib::Request&, httplib::Response& out,
                                const httplib::ContentReader& read) {
    // By hand: the library bounds no body that comes in chunks.
    std::string body;
    const bool whole = read([&body](const char* data, size_t size) {
      if (body.size() + size > audit::kMaxAddCheckpointBytes) return false;
      body.append(data, size);
      return true;
    });
    if (!whole) {
      out.status = kTooLarge;
      return;
    }
    const Witness::Answer answer = witness.AddCheckpoint(body);
    out.status = answer.http_status;
    out.set_content(answer.body, answer.content_type);
  });
  const int bound =
      port == 0 ? server.bind_to_any_port(host) : (server.bind_to_port(host, port) ? port : -1);
  if (bound <= 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", host, ":", port, ": the address is taken or not one of this machine"));
  }
  return std::unique_ptr<WitnessServer>(new WitnessServer(std::move(http), bound));
}

void WitnessServer::Run() {
  http_->server.listen_after_bind();
  http_->ended = true;
}

bool WitnessServer::ended() const { return http_->ended; }

void WitnessServer::Stop() {
  // Before it runs, the library stops nothing.
  while (!http_->ended && !http_->server.is_running()) std::this_thread::yield();
  http_->server.stop();
}

}  // namespace televault::cli
