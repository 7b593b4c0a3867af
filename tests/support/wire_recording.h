#pragma once

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>
#include <zlib.h>

#include "absl/strings/escaping.h"
#include <nlohmann/json.hpp>

namespace televault::testing {

// One recorded HTTP request of a real client, the body inflated.
struct WireRequest {
  std::string url;
  std::string content_type;
  std::string body;
};

inline std::string Gunzip(const std::string& in) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

// tests/golden/wire/<name>.json
inline std::vector<WireRequest> ReadRecording(const std::string& name) {
  std::ifstream in("tests/golden/wire/" + name + ".json");
  EXPECT_TRUE(in.good()) << name;
  std::vector<WireRequest> requests;
  for (const auto& one : nlohmann::json::parse(in)) {
    WireRequest request;
    request.url = one.at("url");
    request.content_type = one.at("headers").value("content-type", "");
    if (one.contains("body_b64")) {
      EXPECT_TRUE(absl::Base64Unescape(one.at("body_b64").get<std::string>(), &request.body));
      if (one.at("headers").value("content-encoding", "") == "gzip") {
        request.body = Gunzip(request.body);
      }
    } else {
      request.body = one.at("body").dump();
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace televault::testing
