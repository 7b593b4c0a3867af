#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "audit/encoding.h"
#include "audit/signer_key.h"
#include "audit/verifier.h"
#include "tests/fuzz/archive.h"
#include "vault/base/check.h"

using namespace televault::audit;
using Files = std::map<std::string, std::string>;

// A log whose operator signs whatever it likes.
class Signer {
 public:
  Signer() {
    const std::array<uint8_t, kSigningSeedBytes> seed{7};
    const std::string text = FormatSignerKey("log.example/fuzz", KeyType::kEd25519, seed).value();
    key = ParseSignerKey(text, secret_);
    TV_CHECK(key.ok());
  }
  void Sign(std::string& text) const {
    const auto signature = SignText(text, *key, secret_);
    if (signature.ok()) text = Note{text, {*signature}}.Text();
  }
  absl::StatusOr<VerifierKey> key = absl::UnknownError("");

 private:
  std::array<uint8_t, kSigningKeyBytes> secret_;
};

// The directory behind VerifyLog; remembers which files were read.
struct Directory {
  Files files;
  Files read = {};

  VerifyReport Verify(const VerifyOptions& options) {
    return VerifyLog(
        [this](const std::string& path) -> absl::StatusOr<std::string> {
          const auto file = files.find(path);
          if (file == files.end()) return absl::NotFoundError(path);
          return read[path] = file->second;
        },
        options);
  }
};

// The entries of a log that verified, straight from its bundles.
std::vector<std::string> EntriesOf(const Files& files, uint64_t size) {
  std::vector<std::string> entries;
  for (uint64_t index = 0; TileWidthAt(0, index, size) > 0; ++index) {
    const TileId id{0, index, TileWidthAt(0, index, size)};
    const auto exact = files.find(BundlePath(id));
    const bool whole = exact == files.end();
    const std::string& bytes = whole ? files.at(BundlePath({0, index})) : exact->second;
    auto views = ParseBundle(bytes, id.width);
    if (!views.ok()) views = ParseBundle(bytes, kTileWidth);
    views->resize(id.width);
    entries.insert(entries.end(), views->begin(), views->end());
  }
  return entries;
}

// What verified is what was signed, and the stream of an online check says the same.
void CheckVerified(const Files& files, const VerifyReport& report, const VerifyOptions& options) {
  const Checkpoint& signed_head = *report.checkpoint;
  const std::vector<std::string> entries = EntriesOf(files, signed_head.size);
  std::optional<TreeHead> pinned;
  if (options.pinned) pinned = options.pinned->Head();
  LeafStreamVerifier stream(pinned, options.check_framing);
  Frontier tree;
  const auto check_pin = [&] {
    TV_CHECK(!pinned || tree.size() != pinned->size || tree.Root() == pinned->root);
  };
  for (const std::string& entry : entries) {
    check_pin();
    TV_CHECK(stream.Append(AsBytes(entry)).ok());
    tree.Append(LeafHash(AsBytes(entry)));
  }
  check_pin();
  TV_CHECK(tree.Head() == signed_head.Head() && report.entries == entries.size());
  TV_CHECK(stream.Finish(signed_head).ok());
  TV_CHECK(stream.entries_without_key() == report.entries_without_key);
  TV_CHECK(!pinned || (pinned->size <= tree.size() && report.pin && report.pin == stream.pin()));
}

// Of the files a verification rested on, no byte may be another, and none may be missing. What
// stands in a full file behind the beginning for which it was read counts for nothing.
void CheckThatEveryFileCounts(const Directory& good, const VerifyOptions& options, uint64_t size) {
  for (const auto& [path, content] : good.read) {
    auto id = ParseTilePath(path);
    const bool bundle = !id.ok();
    if (bundle) id = ParseBundlePath(path);
    if (!id.ok() || TileWidthAt(id->level, id->index, size) != id->width) continue;
    const TileId full{id->level, id->index};
    const std::string full_path = bundle ? BundlePath(full) : TilePath(full);
    if (path == full_path || !good.files.contains(full_path)) {
      Directory without = good;
      without.files.erase(path);
      TV_CHECK(absl::IsDataLoss(without.Verify(options).status));
    }
    Directory changed = good;
    std::string& bytes = changed.files[path];
    if (bundle && !ParseBundle(bytes, id->width).ok()) continue;
    const size_t used = bundle ? bytes.size() : size_t{id->width} * kHashBytes;
    bytes[used * 31 / 64] = static_cast<char>(bytes[used * 31 / 64] ^ 0x40);
    TV_CHECK(!changed.Verify(options).status.ok());
  }
}

// An exported log that somebody else wrote: the archive's files, where the texts of "checkpoint"
// and "pin" are what the log signs now and signed when it was seen before.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Signer signer;
  Directory directory{televault::testing::ReadArchive({data, size})};
  VerifyOptions options{.key = *signer.key};
  if (const auto pin = directory.files.find("pin"); pin != directory.files.end()) {
    if (const auto pinned = ParseCheckpointBody(pin->second); pinned.ok()) options.pinned = *pinned;
  }
  const auto head = directory.files.find(std::string(kCheckpointPath));
  if (head != directory.files.end()) signer.Sign(head->second);

  for (const bool framing : {true, false}) {
    options.check_framing = framing;
    const VerifyReport report = directory.Verify(options);
    if (report.status.ok()) {
      CheckVerified(directory.files, report, options);
      CheckThatEveryFileCounts(directory, options, report.checkpoint->size);
      continue;
    }
    TV_CHECK(absl::IsInvalidArgument(report.status) || absl::IsDataLoss(report.status) ||
             absl::IsFailedPrecondition(report.status) ||
             (absl::IsNotFound(report.status) && head == directory.files.end()));
    TV_CHECK(!report.first_bad_index ||
             (report.checkpoint && *report.first_bad_index <= report.checkpoint->size));
  }
  return 0;
}
