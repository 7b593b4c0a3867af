#include "vault/daemon/http_post.h"

#include <condition_variable>
#include <httplib.h>
#include <mutex>
#include <stop_token>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace televault::daemon {
namespace {

struct Url {
  std::string server;  // with scheme
  std::string path;
};

absl::StatusOr<Url> Split(const std::string& url) {
  constexpr size_t kMaxAuthority = 255;
  constexpr uint32_t kMaxPort = 65'535;
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  const size_t host = known ? url.find("//") + 2 : 0;
  const size_t slash = url.find('/', host);
  Url parts{url.substr(0, slash), slash == std::string::npos ? "/" : url.substr(slash)};
  const std::string authority = parts.server.substr(host);
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  const bool has_port =
      colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  // The library reads the port without asking whether it is one.
  uint32_t port = 1;
  const bool port_ok = !has_port || (absl::SimpleAtoi(authority.substr(colon + 1), &port) &&
                                     port > 0 && port <= kMaxPort);
  if (!known || authority.empty() || authority.size() > kMaxAuthority || !port_ok ||
      url.find_first_of(" \t\r\n?#@") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", url, "\" is not http://HOST[:PORT][/PATH] or https://…"));
  }
  return parts;
}

absl::StatusOr<HttpAnswer> Post(const std::string& url, const std::string& body,
                                std::chrono::milliseconds at_most) {
  TV_ASSIGN_OR_RETURN(const Url parts, Split(url));
  httplib::Client client(parts.server);
  if (!client.is_valid()) return absl::InvalidArgumentError("cannot connect to " + url);
  client.set_connection_timeout(at_most);
  client.set_read_timeout(at_most);
  client.set_write_timeout(at_most);
  client.set_follow_location(false);
  client.set_keep_alive(false);
  // Timeouts are those of single reads: whoever drips, headers too, is cut off by this.
  const std::jthread watchdog([&client, at_most](const std::stop_token& stop) {
    std::mutex mu;
    std::condition_variable_any never;
    std::unique_lock lock(mu);
    never.wait_for(lock, stop, 2 * at_most, [] { return false; });
    if (!stop.stop_requested()) client.stop();
  });
  HttpAnswer answer;
  bool too_long = false;
  httplib::Request request;
  request.method = "POST";
  request.path = parts.path;
  request.body = body;
  request.set_header("Content-Type", "text/plain");
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    too_long = answer.body.size() + size > kMaxHttpAnswerBytes;
    if (!too_long) answer.body.append(data, size);
    return !too_long;
  };
  const httplib::Result result = client.send(request);
  if (too_long) return absl::ResourceExhaustedError(url + ": the answer is longer than 64 KiB");
  if (!result) {
    return absl::UnavailableError(absl::StrCat(url, ": ", httplib::to_string(result.error())));
  }
  answer.status = result->status;
  answer.content_type = result->get_header_value("Content-Type");
  return answer;
}

}  // namespace

absl::Status CheckHttpUrl(const std::string& url) { return Split(url).status(); }

HttpPost PlainHttpPost() { return &Post; }

}  // namespace televault::daemon
