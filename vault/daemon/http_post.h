#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "vault/base/status.h"

namespace televault::daemon {

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

// Posts `body` to `url`; a seam for tests. All of it, from looking up the name to the last byte,
// takes no longer than `at_most`. `go_on` is asked about once a second and must not throw.
// UNAVAILABLE: no answer in time; what was answered may be any status. RESOURCE_EXHAUSTED: headers
// and body together are longer than kMaxHttpAnswerBytes. CANCELLED: not to go on.
using HttpPost = std::function<absl::StatusOr<HttpAnswer>(
    const std::string& url, const std::string& body, std::chrono::milliseconds at_most,
    const std::function<bool()>& go_on)>;

inline constexpr size_t kMaxHttpAnswerBytes = 64 * 1024;

// INVALID_ARGUMENT unless `url` is http://HOST[:PORT][/PATH] or https://….
absl::Status CheckHttpUrl(const std::string& url);

// Over a connection of its own. Certificates of https are checked against those the system trusts;
// redirections are not followed, proxies of the environment not asked.
HttpPost PlainHttpPost();

}  // namespace televault::daemon
