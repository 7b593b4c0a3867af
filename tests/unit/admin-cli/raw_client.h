#pragma once

#include <array>
#include <cstdint>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include "vault/base/check.h"

namespace televault::cli {

// How long a test waits for what must come.
inline constexpr int kPatienceMs = 30'000;
// What the kernel takes without anybody reading it.
inline constexpr size_t kBuffersOfTheKernel = 32 << 20;

// A connection that says just what it is told to.
class RawClient {
 public:
  explicit RawClient(int port, uint32_t from = INADDR_LOOPBACK) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(from);
    sockaddr_in server = own;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons(static_cast<uint16_t>(port));
    TV_CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
    TV_CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&server), sizeof server) == 0);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False once the other side takes nothing any more.
  bool Send(const std::string& text) const {
    pollfd writable{fd_, POLLOUT, 0};
    return ::poll(&writable, 1, kPatienceMs) == 1 &&
           ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) >= 0;
  }
  // Bytes of `piece`, again and again, until nobody takes them or it is plainly too much.
  size_t Flood(const std::string& piece) const {
    size_t sent = 0;
    while (sent < kBuffersOfTheKernel && Send(piece)) sent += piece.size();
    return sent;
  }
  // All that comes until the connection ends.
  std::string Receive() const {
    std::string all;
    std::array<char, 4096> piece;
    pollfd readable{fd_, POLLIN, 0};
    ssize_t taken = 1;
    while (taken > 0) {
      TV_CHECK(::poll(&readable, 1, kPatienceMs) == 1);
      taken = ::recv(fd_, piece.data(), piece.size(), 0);
      if (taken > 0) all.append(piece.data(), static_cast<size_t>(taken));
    }
    return all;
  }

 private:
  const int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

}  // namespace televault::cli
