#include "tests/support/forensics.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"

namespace televault::testing {
namespace {

constexpr size_t kPiece = size_t{8} << 20;

// Reads [begin, end) of an open file in pieces that overlap by the longest needle; what cannot be
// read is passed over.
void Search(int fd, uint64_t begin, uint64_t end, const std::vector<Needle>& needles,
            std::set<std::string>& found) {
  size_t overlap = 0;
  for (const Needle& needle : needles) overlap = std::max(overlap, needle.size());
  std::string piece(kPiece + overlap, '\0');
  for (uint64_t at = begin; at < end; at += kPiece) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(piece.size(), end - at));
    const ssize_t got = ::pread(fd, piece.data(), wanted, static_cast<off_t>(at));
    if (got <= 0) continue;
    for (const Needle& needle : needles) {
      if (needle.In({piece.data(), static_cast<size_t>(got)})) found.insert(needle.name());
    }
  }
}

std::vector<std::string> ListOf(const std::set<std::string>& found) {
  return {found.begin(), found.end()};
}

}  // namespace

Needle::Needle(std::string name, std::string_view bytes) : name_(std::move(name)) {
  TV_CHECK(bytes.size() >= 8);
  for (const char c : bytes) inverted_.push_back(static_cast<char>(~c));
}

bool Needle::In(std::string_view haystack) const {
  const auto first = static_cast<char>(~inverted_.front());
  for (const char* at = haystack.data(); haystack.size() >= size();) {
    const auto left = static_cast<size_t>(haystack.data() + haystack.size() - at);
    if (left < size()) return false;
    at = static_cast<const char*>(std::memchr(at, first, left - size() + 1));
    if (at == nullptr) return false;
    if (std::equal(inverted_.begin(), inverted_.end(), at,
                   [](char inverted, char c) { return static_cast<char>(~inverted) == c; })) {
      return true;
    }
    ++at;
  }
  return false;
}

absl::StatusOr<std::vector<std::string>> FindInMemory(pid_t pid,
                                                      const std::vector<Needle>& needles) {
  const std::string process = absl::StrCat("/proc/", pid);
  const int memory = ::open((process + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (memory < 0) return absl::ErrnoToStatus(errno, process + "/mem");
  std::set<std::string> found;
  std::ifstream maps(process + "/maps");
  size_t regions = 0;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    uint64_t begin = 0;
    uint64_t end = 0;
    char dash = 0;
    std::string access;
    fields >> std::hex >> begin >> dash >> end >> access;
    if (access.empty() || access[0] != 'r' || line.find("[vvar") != std::string::npos) continue;
    ++regions;
#ifdef __SANITIZE_ADDRESS__
    // Terabytes of AddressSanitizer's own, in which no byte of a program stands.
    constexpr uint64_t kShadow = uint64_t{1} << 40;
    if (end - begin >= kShadow) continue;
#endif
    Search(memory, begin, end, needles, found);
  }
  ::close(memory);
  if (regions == 0) return absl::PermissionDeniedError("the process's memory cannot be listed");
  return ListOf(found);
}

absl::StatusOr<std::vector<std::string>> FindInFile(const std::string& path,
                                                    const std::vector<Needle>& needles) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  std::set<std::string> found;
  const off_t size = ::lseek(file, 0, SEEK_END);
  Search(file, 0, static_cast<uint64_t>(std::max<off_t>(size, 0)), needles, found);
  ::close(file);
  return ListOf(found);
}

absl::StatusOr<std::vector<std::string>> FindUnder(const std::string& directory,
                                                   const std::vector<Needle>& needles) {
  std::set<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    if (!entry.is_regular_file(error)) continue;
    const auto here = FindInFile(entry.path(), needles);
    if (absl::IsNotFound(here.status())) continue;  // removed meanwhile
    TV_RETURN_IF_ERROR(here.status());
    found.insert(here->begin(), here->end());
  }
  if (error) return absl::UnavailableError(directory + ": " + error.message());
  return ListOf(found);
}

}  // namespace televault::testing
