#include "vault/daemon/http_post.h"

#include <algorithm>
#include <curl/curl.h>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace televault::daemon {
namespace {

struct FreeCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// What has come of an answer. Neither of its functions may throw: they are called from C.
struct Taken {
  const std::function<bool()>& go_on;
  size_t bytes = 0;
  std::string body;  // never grows past what it has reserved

  bool TooLong() const { return bytes > kMaxHttpAnswerBytes; }
};

// Lines, those of interim answers and trailers too.
size_t TakeHeader(const char*, size_t size, size_t count, void* taken) {
  auto& to = *static_cast<Taken*>(taken);
  to.bytes += size * count;
  return to.TooLong() ? 0 : size * count;
}

size_t TakeBody(const char* data, size_t size, size_t count, void* taken) {
  auto& to = *static_cast<Taken*>(taken);
  to.bytes += size * count;
  if (to.TooLong()) return 0;
  to.body.append(data, size * count);
  return size * count;
}

int Ended(void* taken, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Taken*>(taken)->go_on() ? 0 : 1;
}

CURLcode Perform(CURL* curl, const std::string& url, const std::string& body,
                 std::chrono::milliseconds at_most, Taken& taken) {
  const std::unique_ptr<curl_slist, FreeCurl> headers(
      curl_slist_append(nullptr, "Content-Type: text/plain"));
  CURLcode code = headers == nullptr ? CURLE_OUT_OF_MEMORY : CURLE_OK;
  const auto set = [&](CURLoption option, auto value) {
    if (code == CURLE_OK) code = curl_easy_setopt(curl, option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  // One form of framing to bound, and no upgrade to another.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDS, body.data());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_NOSIGNAL, 1L);
  // 0 would be no bound.
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<int64_t>(at_most.count(), 1)));
  // A look-up that the system's resolver does not come back from is left to end by itself.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_HEADERFUNCTION, &TakeHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&taken));
  set(CURLOPT_WRITEFUNCTION, &TakeBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&taken));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &Ended);
  set(CURLOPT_XFERINFODATA, static_cast<void*>(&taken));
  return code == CURLE_OK ? curl_easy_perform(curl) : code;
}

// Says nothing that the other side has made up.
absl::Status WhyNot(const std::string& url, CURLcode code, const Taken& taken) {
  // The library gives a header line 100 KB, and this is what it calls a longer one.
  if (taken.TooLong() || code == CURLE_OUT_OF_MEMORY) {
    return absl::ResourceExhaustedError(url + ": the answer is longer than 64 KiB");
  }
  if (code == CURLE_ABORTED_BY_CALLBACK) return absl::CancelledError(url + ": given up");
  return absl::UnavailableError(absl::StrCat(url, ": ", curl_easy_strerror(code)));
}

absl::StatusOr<HttpAnswer> Post(const std::string& url, const std::string& body,
                                std::chrono::milliseconds at_most,
                                const std::function<bool()>& go_on) {
  TV_RETURN_IF_ERROR(CheckHttpUrl(url));
  const std::unique_ptr<CURL, FreeCurl> curl(curl_easy_init());
  if (curl == nullptr) return absl::ResourceExhaustedError("no memory for a request");
  Taken taken{.go_on = go_on, .bytes = 0, .body = {}};
  taken.body.reserve(kMaxHttpAnswerBytes);
  if (const CURLcode code = Perform(curl.get(), url, body, at_most, taken); code != CURLE_OK) {
    return WhyNot(url, code, taken);
  }
  long status = 0;
  const char* type = nullptr;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl.get(), CURLINFO_CONTENT_TYPE, &type);
  return HttpAnswer{.status = static_cast<int>(status),
                    .content_type = type == nullptr ? "" : type,
                    .body = std::move(taken.body)};
}

}  // namespace

absl::Status CheckHttpUrl(const std::string& url) {
  constexpr size_t kMaxAuthority = 255;
  constexpr uint32_t kMaxPort = 65'535;
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  const size_t host = known ? url.find("//") + 2 : 0;
  const std::string authority = url.substr(host, url.find('/', host) - host);
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  const bool has_port =
      colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  uint32_t port = 1;
  const bool port_ok = !has_port || (absl::SimpleAtoi(authority.substr(colon + 1), &port) &&
                                     port > 0 && port <= kMaxPort);
  if (!known || authority.empty() || authority.size() > kMaxAuthority || !port_ok ||
      url.find_first_of(" \t\r\n?#@") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", url, "\" is not http://HOST[:PORT][/PATH] or https://…"));
  }
  return absl::OkStatus();
}

HttpPost PlainHttpPost() {
  // Before there are threads that post.
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)ready;  // where it failed, every post does
  return &Post;
}

}  // namespace televault::daemon
