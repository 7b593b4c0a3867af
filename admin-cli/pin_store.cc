#include "admin-cli/pin_store.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "vault/base/file_system.h"

namespace televault::cli {
namespace {

constexpr std::string_view kHeader = "televault-pin/v1\n";
constexpr std::string_view kAddressHeader = "televault-address/v1\n";
// No origin's file: those end in kPinSuffix.
constexpr std::string_view kAddressFolder = "/%addresses";
constexpr std::string_view kPinSuffix = ".pin";
constexpr std::string_view kAddressSuffix = ".address";
constexpr size_t kMaxAddressBytes = 4096;
constexpr size_t kMaxPinBytes = 512 * 1024;
constexpr int kFileMode = 0600;
constexpr int kDirectoryMode = 0700;

absl::Status CreateDirectories(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, ": cannot be made: ", error.message()));
  }
  std::filesystem::permissions(directory, static_cast<std::filesystem::perms>(kDirectoryMode),
                               error);
  return absl::OkStatus();
}

// Absent only where there is no such file: what cannot be looked at counts as damaged.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::string& path, size_t max_bytes) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return absl::ErrnoToStatus(errno, path);
  }
  TV_ASSIGN_OR_RETURN(std::string text, PosixFileSystem().ReadFile(path, max_bytes));
  return std::optional<std::string>(std::move(text));
}

std::string PinPath(const std::string& directory, std::string_view origin) {
  return absl::StrCat(directory, "/", FileNameOf(origin, kPinSuffix));
}

}  // namespace

std::string PlainAddress(const std::string& address) {
  constexpr std::string_view kUnix = "unix:";
  if (!address.starts_with(kUnix)) {
    return absl::AsciiStrToLower(address);
  }
  std::error_code error;
  const auto path = std::filesystem::absolute(address.substr(kUnix.size()), error);
  return error ? address : absl::StrCat("unix:", path.lexically_normal().string());
}

std::string AddressFile(const std::string& directory, const std::string& address) {
  return absl::StrCat(directory, std::string(kAddressFolder), "/",
                      FileNameOf(address, kAddressSuffix));
}

absl::StatusOr<std::string> OriginAt(const std::string& directory, const std::string& address) {
  const std::string path = AddressFile(directory, address);
  TV_ASSIGN_OR_RETURN(const auto text, ReadIfThere(path, kMaxAddressBytes));
  if (!text.has_value()) return std::string();
  std::string_view rest = *text;
  if (rest.starts_with(kAddressHeader)) {
    rest.remove_prefix(kAddressHeader.size());
    if (const auto origin = audit::TakeLine(rest); origin.ok() && !origin->empty()) {
      return std::string(*origin);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": not an address file: its lines are televault-address/v1 and an origin"));
}

absl::Status RememberOrigin(const std::string& directory, const std::string& address,
                            const std::string& origin) {
  TV_RETURN_IF_ERROR(CreateDirectories(absl::StrCat(directory, std::string(kAddressFolder))));
  const std::string text = absl::StrCat(std::string(kAddressHeader), origin, "\n");
  return ReplaceFile(PosixFileSystem(), AddressFile(directory, address), televault::AsBytes(text),
                     kFileMode);
}

std::string FormatPin(const Pin& pin) {
  return absl::StrCat(audit::AsAbsl(kHeader), pin.vkey, "\n", pin.checkpoint);
}

absl::StatusOr<Pin> ParsePin(std::string_view text) {
  if (!text.starts_with(kHeader)) {
    return absl::InvalidArgumentError("not a pin file: the first line is not televault-pin/v1");
  }
  text.remove_prefix(kHeader.size());
  Pin pin;
  TV_ASSIGN_OR_RETURN(const std::string_view vkey, audit::TakeLine(text));
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, audit::VerifierKey::Parse(vkey));
  pin.vkey = key.Text();
  // A key without a checkpoint would be a first use again, of a log that was seen.
  TV_RETURN_IF_ERROR(audit::OpenCheckpoint(text, key).status());
  pin.checkpoint = std::string(text);
  return pin;
}

std::string FileNameOf(std::string_view subject, std::string_view suffix) {
  std::string name;
  for (const char c : subject) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || (c == '.' && !name.empty());
    if (plain) {
      name += c;
    } else {
      absl::StrAppendFormat(&name, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  name += suffix;
  return name;
}

absl::StatusOr<std::string> PinDirectory() {
  if (const char* const state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return absl::StrCat(state, "/televault");
  }
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return absl::StrCat(home, "/.local/state/televault");
  }
  return absl::NotFoundError(
      "neither XDG_STATE_HOME nor HOME is set, so there is no place to pin checkpoints");
}

absl::StatusOr<std::optional<Pin>> ReadPin(const std::string& directory, std::string_view origin) {
  const std::string path = PinPath(directory, origin);
  TV_ASSIGN_OR_RETURN(const auto text, ReadIfThere(path, kMaxPinBytes));
  if (!text.has_value()) return std::nullopt;
  auto pin = ParsePin(*text);
  if (!pin.ok()) return Annotate(pin.status(), path);
  return *std::move(pin);
}

absl::StatusOr<std::unique_ptr<PinFile>> PinFile::Open(const std::string& directory,
                                                       std::string_view origin) {
  TV_RETURN_IF_ERROR(CreateDirectories(directory));
  const std::string path = PinPath(directory, origin);
  TV_ASSIGN_OR_RETURN(FileLock lock, FileLock::Wait(path + ".lock", kFileMode));
  std::unique_ptr<PinFile> file(new PinFile(path, std::move(lock)));
  TV_ASSIGN_OR_RETURN(file->pin_, ReadPin(directory, origin));
  return file;
}

absl::Status PinFile::Store(const Pin& pin) {
  const std::string text = FormatPin(pin);
  TV_RETURN_IF_ERROR(ReplaceFile(PosixFileSystem(), path_, televault::AsBytes(text), kFileMode));
  pin_ = pin;
  return absl::OkStatus();
}

}  // namespace televault::cli
