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

// Posts `body` to `url`; a seam for tests. No step of it takes longer than `at_most`, all together
// twice as long. UNAVAILABLE: no answer in time; what was answered may be
// any status. RESOURCE_EXHAUSTED: the answer is longer than kMaxHttpAnswerBytes.
using HttpPost = std::function<absl::StatusOr<HttpAnswer>(
    const std::string& url, const std::string& body, std::chrono::milliseconds at_most)>;

inline constexpr size_t kMaxHttpAnswerBytes = 64 * 1024;

// INVALID_ARGUMENT unless `url` is http://HOST[:PORT][/PATH] or https://….
absl::Status CheckHttpUrl(const std::string& url);

// Over a connection of its own. Certificates of https are checked against those the system trusts;
// redirections are not followed.
HttpPost PlainHttpPost();

}  // namespace televault::daemon
