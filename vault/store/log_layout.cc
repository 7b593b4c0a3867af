#include "vault/store/log_layout.h"

#include <algorithm>

#include "vault/crypto/hash.h"

namespace televault::store {
namespace {

constexpr uint8_t kHeadVersion = 2;
constexpr size_t kMacBytes = 32;
constexpr size_t kHeadBytes = 1 + 8 + 8 + 32 + 32 + 8 + 8 + 8 + kMacBytes;
constexpr std::string_view kHeadPersonal = "televault.jhead";

}  // namespace

std::string LeafKey(uint64_t index) {
  std::string key = kLeafPrefix;
  PutBigEndian(key, index);
  return key;
}

std::string TileKey(uint32_t level, uint64_t index) {
  std::string key = "T";
  PutBigEndian(key, static_cast<uint8_t>(level));
  PutBigEndian(key, index);
  return key;
}

std::string EncodeHead(const JournalHead& head, const SecretBytes& key) {
  std::string out;
  PutLittleEndian(out, kHeadVersion);
  PutLittleEndian(out, head.seq);
  PutLittleEndian(out, head.tree_size);
  out += AsText(head.root);
  out += AsText(head.meta_sum);
  PutLittleEndian(out, head.keyring_generation);
  PutLittleEndian(out, head.control_generation);
  PutLittleEndian(out, head.lock_epoch.value());
  out += AsText(crypto::KeyedHash32(key, kHeadPersonal, AsBytes(out)));
  return out;
}

absl::StatusOr<JournalHead> ParseHead(Bytes value, const SecretBytes& key) {
  if (value.size() != kHeadBytes || value[0] != kHeadVersion) {
    return absl::DataLossError("the journal's head record has an unknown form");
  }
  const Bytes body = value.first(kHeadBytes - kMacBytes);
  if (!crypto::EqualSecrets(crypto::KeyedHash32(key, kHeadPersonal, body),
                            value.subspan(body.size()))) {
    return absl::DataLossError("the journal's head record was changed or is another vault's");
  }
  ByteReader reader(body.subspan(1));
  JournalHead head;
  TV_ASSIGN_OR_RETURN(head.seq, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(head.tree_size, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(const Bytes root, reader.Take(head.root.size()));
  std::copy(root.begin(), root.end(), head.root.begin());
  TV_ASSIGN_OR_RETURN(const Bytes sum, reader.Take(head.meta_sum.size()));
  std::copy(sum.begin(), sum.end(), head.meta_sum.begin());
  TV_ASSIGN_OR_RETURN(head.keyring_generation, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(head.control_generation, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(const uint64_t lock_epoch, reader.LittleEndian<uint64_t>());
  head.lock_epoch = LockEpoch(lock_epoch);
  return head;
}

}  // namespace televault::store
