#include "vault/backup/manifest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"
#include "vault/base/bytes.h"

namespace televault::backup {
namespace {

constexpr char kHeader[] = "televault backup v1";
constexpr size_t kMaxNameBytes = 128;

absl::Status Malformed(std::string_view what) {
  return absl::DataLossError(absl::StrCat("backup: ", ToAbsl(what)));
}

// What the engine calls its files, and the checkpoint.
bool IsFileName(std::string_view name) {
  if (name == kCheckpointFile) return true;
  constexpr std::string_view kPrefix = "store/db/";
  static_assert(kPrefix.substr(0, kPrefix.size() - 1) == kDatabaseDirectory);
  if (!name.starts_with(kPrefix) || name.size() > kMaxNameBytes) return false;
  const std::string_view file = name.substr(kPrefix.size());
  if (file.empty() || file.front() == '.') return false;
  return std::all_of(file.begin(), file.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
  });
}

template <size_t kSize>
absl::Status ReadHex(std::string_view text, std::array<uint8_t, kSize>& out) {
  const auto bytes = FromHex(text);
  // One spelling: lower case.
  if (!bytes.ok() || bytes->size() != kSize || ToHex(AsBytes(*bytes)) != text) {
    return Malformed("not a number of hexadecimal digits where one stands");
  }
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return absl::OkStatus();
}

absl::Status ReadNumber(std::string_view text, uint64_t& out) {
  const auto value = audit::ParseDecimal(text);
  if (!value.ok()) return Malformed("not a decimal number where one stands");
  out = *value;
  return absl::OkStatus();
}

// The value of the next line, which is "name value".
absl::StatusOr<std::string_view> TakeField(std::string_view& rest, std::string_view name) {
  const auto line = audit::TakeLine(rest);
  if (!line.ok() || line->size() <= name.size() || !line->starts_with(name) ||
      (*line)[name.size()] != ' ') {
    return Malformed(absl::StrCat("the line \"", ToAbsl(name), " …\" is missing"));
  }
  return line->substr(name.size() + 1);
}

absl::Status TakeNumber(std::string_view& rest, std::string_view name, uint64_t& out) {
  TV_ASSIGN_OR_RETURN(const std::string_view text, TakeField(rest, name));
  return ReadNumber(text, out);
}

template <size_t kSize>
absl::Status TakeHex(std::string_view& rest, std::string_view name,
                     std::array<uint8_t, kSize>& out) {
  TV_ASSIGN_OR_RETURN(const std::string_view text, TakeField(rest, name));
  return ReadHex(text, out);
}

absl::StatusOr<FileEntry> ParseEntry(std::string_view line) {
  FileEntry entry;
  constexpr size_t kHashDigits = 2 * sizeof(entry.hash);
  const size_t size_at = kHashDigits + 1;
  const size_t space = line.size() > size_at ? line.find(' ', size_at) : std::string_view::npos;
  if (space == std::string_view::npos || line[kHashDigits] != ' ') {
    return Malformed("a line of the list is not \"hash size name\"");
  }
  TV_RETURN_IF_ERROR(ReadHex(line.substr(0, kHashDigits), entry.hash));
  TV_RETURN_IF_ERROR(ReadNumber(line.substr(size_at, space - size_at), entry.size));
  entry.name = line.substr(space + 1);
  if (!IsFileName(entry.name)) return Malformed("the list names a file that no backup has");
  return entry;
}

}  // namespace

std::string FormatList(const std::vector<FileEntry>& files) {
  std::string text;
  for (const FileEntry& file : files) {
    absl::StrAppend(&text, ToHex(file.hash), " ", file.size, " ", file.name, "\n");
  }
  return text;
}

absl::StatusOr<std::vector<FileEntry>> ParseList(std::string_view text) {
  std::vector<FileEntry> files;
  while (!text.empty()) {
    const auto line = audit::TakeLine(text);
    if (!line.ok()) return Malformed("the list does not end with its last line");
    TV_ASSIGN_OR_RETURN(FileEntry entry, ParseEntry(*line));
    if (!files.empty() && files.back().name >= entry.name) {
      return Malformed("the list is not in order");
    }
    files.push_back(std::move(entry));
  }
  return files;
}

std::string FormatManifest(const Manifest& manifest) {
  return absl::StrCat(kHeader, "\nvault ", ToHex(manifest.vault.bytes), "\ncreated_at ",
                      FormatRfc3339(manifest.created_at), "\naudit_size ", manifest.head.size,
                      "\naudit_root ", ToHex(manifest.head.root), "\ncommits ", manifest.commits,
                      "\nmeta_sum ", ToHex(manifest.meta_sum), "\nstore_epoch ",
                      manifest.store_epoch.value(), "\nkeyring_generation ",
                      manifest.keyring_generation, "\nmeta_key ", manifest.meta_key,
                      "\nlock_epoch ", manifest.lock_epoch.value(), "\nfiles ", manifest.files,
                      "\nbytes ", manifest.bytes, "\nlist ", ToHex(manifest.list), "\n");
}

absl::StatusOr<Manifest> ParseManifest(std::string_view text) {
  std::string_view rest = text;
  const auto header = audit::TakeLine(rest);
  if (!header.ok() || *header != kHeader) {
    return Malformed("the first line of the manifest is not \"televault backup v1\"");
  }
  Manifest manifest;
  TV_RETURN_IF_ERROR(TakeHex(rest, "vault", manifest.vault.bytes));
  TV_ASSIGN_OR_RETURN(const std::string_view created, TakeField(rest, "created_at"));
  const auto created_at = ParseRfc3339(created);
  if (!created_at.ok()) return Malformed("created_at is no time");
  manifest.created_at = *created_at;
  uint64_t store_epoch = 0;
  uint64_t meta_key = 0;
  uint64_t lock_epoch = 0;
  TV_RETURN_IF_ERROR(TakeNumber(rest, "audit_size", manifest.head.size));
  TV_RETURN_IF_ERROR(TakeHex(rest, "audit_root", manifest.head.root));
  TV_RETURN_IF_ERROR(TakeNumber(rest, "commits", manifest.commits));
  TV_RETURN_IF_ERROR(TakeHex(rest, "meta_sum", manifest.meta_sum));
  TV_RETURN_IF_ERROR(TakeNumber(rest, "store_epoch", store_epoch));
  TV_RETURN_IF_ERROR(TakeNumber(rest, "keyring_generation", manifest.keyring_generation));
  TV_RETURN_IF_ERROR(TakeNumber(rest, "meta_key", meta_key));
  TV_RETURN_IF_ERROR(TakeNumber(rest, "lock_epoch", lock_epoch));
  TV_RETURN_IF_ERROR(TakeNumber(rest, "files", manifest.files));
  TV_RETURN_IF_ERROR(TakeNumber(rest, "bytes", manifest.bytes));
  TV_RETURN_IF_ERROR(TakeHex(rest, "list", manifest.list));
  manifest.store_epoch = StoreEpoch(store_epoch);
  manifest.meta_key = static_cast<uint32_t>(meta_key);
  manifest.lock_epoch = LockEpoch(lock_epoch);
  // Also what a reader would take for the same, as a time written otherwise.
  if (!rest.empty() || FormatManifest(manifest) != text) {
    return Malformed("the manifest is not written as a vault writes it");
  }
  return manifest;
}

absl::StatusOr<Manifest> OpenManifest(std::string_view note, const audit::VerifierKey& key) {
  const auto parsed = audit::ParseNote(note);
  if (!parsed.ok()) return Malformed("the manifest is no signed note");
  TV_RETURN_IF_ERROR(audit::VerifyNote(*parsed, {&key, 1}).status());
  return ParseManifest(parsed->text);
}

}  // namespace televault::backup
