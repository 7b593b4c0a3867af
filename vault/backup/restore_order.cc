#include "vault/backup/restore_order.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"
#include "vault/crypto/hash.h"

namespace televault::backup {
namespace {

constexpr char kHeader[] = "televault restore v1";
constexpr std::string_view kPersonal = "televault.rstor";
constexpr size_t kMaxOrderBytes = 16 * 1024;
constexpr std::string_view kMacLine = "mac ";

absl::Status Malformed() {
  return absl::DataLossError(
      "the order of a restore was changed, or is another vault's: run the restore again");
}

std::string BodyOf(const RestoreOrder& order) {
  return absl::StrCat(
      kHeader, "\nvault ", ToHex(order.vault.bytes), "\nmade_at_us ", order.made_at.micros,
      "\nsize ", order.head.size, "\nroot ", ToHex(order.head.root), "\ncommits ", order.commits,
      "\nmeta_sum ", ToHex(order.meta_sum), "\nanchored ", order.anchored ? 1 : 0,
      "\nanchor_commits ", order.anchor_commits, "\nanchor_size ", order.anchor.size,
      "\nanchor_root ", ToHex(order.anchor.root), "\ncontrol_generation ", order.control_generation,
      "\nanchor_control_generation ", order.anchor_control_generation, "\nstore_epoch ",
      order.store_epoch.value(), "\nlock_epoch ", order.lock_epoch.value(), "\nkeyring_generation ",
      order.keyring_generation, "\nstarted ", order.started ? 1 : 0, "\nadopted ",
      order.adopted ? 1 : 0, "\nput_back ", order.put_back ? 1 : 0, "\nfollows ",
      order.follows ? 1 : 0, "\naccepted x", ToHex(AsBytes(order.accepted)), "\nby x",
      ToHex(AsBytes(order.by)), "\n");
}

// Reads "name value" lines; remembers whether one was wrong.
class Fields {
 public:
  explicit Fields(std::string_view rest) : rest_(rest) {}

  std::string_view Text(std::string_view name) {
    const auto line = audit::TakeLine(rest_);
    if (!line.ok() || line->size() <= name.size() || !line->starts_with(name) ||
        (*line)[name.size()] != ' ') {
      wrong_ = true;
      return {};
    }
    return line->substr(name.size() + 1);
  }
  uint64_t Number(std::string_view name) {
    const auto value = audit::ParseDecimal(Text(name));
    wrong_ |= !value.ok();
    return value.ok() ? *value : 0;
  }
  bool Flag(std::string_view name) { return Number(name) == 1; }
  template <size_t kSize>
  void Hex(std::string_view name, std::array<uint8_t, kSize>& out) {
    const auto bytes = FromHex(Text(name));
    wrong_ |= !bytes.ok() || bytes->size() != kSize;
    if (!wrong_) std::copy(bytes->begin(), bytes->end(), out.begin());
  }
  // "x" and the bytes in hexadecimal, so that any text stands in one line.
  std::string Escaped(std::string_view name) {
    const std::string_view text = Text(name);
    const auto bytes = FromHex(text.substr(text.empty() ? 0 : 1));
    wrong_ |= !bytes.ok();
    return bytes.ok() ? *bytes : "";
  }
  bool wrong() const { return wrong_; }

 private:
  std::string_view rest_;
  bool wrong_ = false;
};

// Where the restore put older control files back, these and no other ones; else none that are older
// than the restore or the anchor saw.
bool SameRights(const RestoreOrder& order, const FoundAtStart& found) {
  const uint64_t anchored = found.anchor.has_value() ? found.anchor->control_generation : 0;
  if (order.control_generation < order.anchor_control_generation) {
    return found.control_generation == order.control_generation &&
           (anchored == order.anchor_control_generation || IsTaken(order, found.anchor));
  }
  return found.control_generation >= std::max(order.control_generation, anchored);
}

}  // namespace

void RestoreOrder::TakeAnchor(const std::optional<store::AnchorState>& state) {
  const store::AnchorState known = state.value_or(store::AnchorState());
  anchored = state.has_value();
  anchor_commits = known.seq;
  anchor = {known.tree_size, known.root};
  anchor_control_generation = known.control_generation;
}

std::string FormatOrder(const RestoreOrder& order, const SecretBytes& key) {
  const std::string body = BodyOf(order);
  return absl::StrCat(body, ToAbsl(kMacLine),
                      ToHex(crypto::KeyedHash32(key, kPersonal, AsBytes(body))), "\n");
}

absl::StatusOr<RestoreOrder> ParseOrder(std::string_view text, const SecretBytes& key) {
  const size_t mac_line = kMacLine.size() + 2 * sizeof(crypto::Hash32) + 1;
  if (text.size() <= mac_line) return Malformed();
  const std::string_view body = text.substr(0, text.size() - mac_line);
  const auto mac =
      FromHex(text.substr(body.size() + kMacLine.size(), mac_line - kMacLine.size() - 1));
  if (!mac.ok() ||
      !crypto::EqualSecrets(crypto::KeyedHash32(key, kPersonal, AsBytes(body)), AsBytes(*mac))) {
    return Malformed();
  }
  Fields fields(body.substr(std::min(body.size(), sizeof(kHeader))));
  RestoreOrder order;
  fields.Hex("vault", order.vault.bytes);
  order.made_at.micros = static_cast<int64_t>(fields.Number("made_at_us"));
  order.head.size = fields.Number("size");
  fields.Hex("root", order.head.root);
  order.commits = fields.Number("commits");
  fields.Hex("meta_sum", order.meta_sum);
  order.anchored = fields.Flag("anchored");
  order.anchor_commits = fields.Number("anchor_commits");
  order.anchor.size = fields.Number("anchor_size");
  fields.Hex("anchor_root", order.anchor.root);
  order.control_generation = fields.Number("control_generation");
  order.anchor_control_generation = fields.Number("anchor_control_generation");
  order.store_epoch = StoreEpoch(fields.Number("store_epoch"));
  order.lock_epoch = LockEpoch(fields.Number("lock_epoch"));
  order.keyring_generation = fields.Number("keyring_generation");
  order.started = fields.Flag("started");
  order.adopted = fields.Flag("adopted");
  order.put_back = fields.Flag("put_back");
  order.follows = fields.Flag("follows");
  order.accepted = fields.Escaped("accepted");
  order.by = fields.Escaped("by");
  // One spelling for each order.
  if (fields.wrong() || FormatOrder(order, key) != text) return Malformed();
  return order;
}

bool IsTaken(const RestoreOrder& order, const std::optional<store::AnchorState>& anchor) {
  return anchor.has_value() && anchor->seq == order.commits &&
         anchor->tree_size == order.head.size && anchor->root == order.head.root &&
         anchor->meta_sum == order.meta_sum &&
         anchor->control_generation == order.control_generation;
}

bool AcceptsLostHistory(const RestoreOrder& order, const FoundAtStart& found) {
  if (order.accepted.empty() || order.started) return false;
  if (found.keyring_generation < order.keyring_generation || !SameRights(order, found)) {
    return false;
  }
  if (IsTaken(order, found.anchor)) {
    return found.keyring_generation >= found.anchor->keyring_generation;
  }
  // One that came or went since says something else than was accepted.
  if (found.anchor.has_value() != order.anchored) return false;
  // Nothing but the keyring's generation then says that it is still the same moment: it grows when
  // the order is followed.
  if (!order.anchored) return found.keyring_generation == order.keyring_generation;
  return found.anchor->seq == order.anchor_commits &&
         found.anchor->tree_size == order.anchor.size && found.anchor->root == order.anchor.root &&
         found.keyring_generation >= found.anchor->keyring_generation;
}

SecretBytes OrderKey(const SecretBytes& anchor_key) {
  return crypto::DeriveKey(anchor_key, kPersonal);
}

absl::StatusOr<std::optional<RestoreOrder>> ReadOrder(FileSystem& fs,
                                                      const std::string& store_directory,
                                                      const SecretBytes& key) {
  const auto text = fs.ReadFile(absl::StrCat(store_directory, "/", kOrderFile), kMaxOrderBytes);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  TV_RETURN_IF_ERROR(text.status());
  TV_ASSIGN_OR_RETURN(RestoreOrder order, ParseOrder(*text, key));
  return order;
}

absl::Status WriteOrder(FileSystem& fs, const std::string& store_directory,
                        const RestoreOrder& order, const SecretBytes& key) {
  return ReplaceFile(fs, absl::StrCat(store_directory, "/", kOrderFile),
                     AsBytes(FormatOrder(order, key)), 0600);
}

absl::Status RemoveOrder(FileSystem& fs, const std::string& store_directory) {
  for (const char* const name : {kStagingMark, kOrderFile}) {
    const absl::Status removed = fs.Remove(absl::StrCat(store_directory, "/", name));
    if (!absl::IsNotFound(removed)) TV_RETURN_IF_ERROR(removed);
  }
  return fs.SyncDirectory(store_directory);
}

}  // namespace televault::backup
