#include "vault/crypto/keyring_format.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"

namespace televault::crypto {
namespace {

constexpr uint8_t kVersion = 4;

template <class T>
std::string Identity(std::string_view kind, T value) {
  std::string identity(kind);
  PutLittleEndian(identity, value);
  return identity;
}

void Put(WipedBuffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
template <class T>
requires std::is_integral_v<T>
void Put(WipedBuffer& out, T value) {
  std::string bytes;  // a number, no key
  PutLittleEndian(bytes, value);
  Put(out, AsBytes(bytes));
}

absl::Status TakeKey(ByteReader& reader, WrappedKey& key) {
  TV_ASSIGN_OR_RETURN(const Bytes bytes, reader.Take(key.size()));
  if (!LooksLikeEnvelope(bytes)) {
    return absl::DataLossError("a wrapped key is not an envelope of a known version");
  }
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return absl::OkStatus();
}

template <class T>
absl::Status TakeInto(ByteReader& reader, T& value) {
  TV_ASSIGN_OR_RETURN(value, reader.LittleEndian<T>());
  return absl::OkStatus();
}

template <size_t kSize>
absl::Status TakeInto(ByteReader& reader, std::array<uint8_t, kSize>& out) {
  TV_ASSIGN_OR_RETURN(const Bytes bytes, reader.Take(kSize));
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> TakeCount(ByteReader& reader, size_t limit, std::string_view what) {
  TV_ASSIGN_OR_RETURN(const uint32_t count, reader.LittleEndian<uint32_t>());
  if (count > limit) {
    return absl::DataLossError(absl::StrCat(count, " ", absl::string_view(what.data(), what.size()),
                                            ", more than the ", limit, " allowed"));
  }
  return count;
}

// Keys come in strictly rising order: one encoding per content, and no entry twice.
template <class Map, class Key, class Value>
absl::Status Insert(Map& map, Key key, Value value) {
  if (!map.empty() && !(map.rbegin()->first < key)) {
    return absl::DataLossError("entries are not in rising order");
  }
  map.emplace_hint(map.end(), std::move(key), std::move(value));
  return absl::OkStatus();
}

absl::Status ParseReplicas(ByteReader& reader, KeyringContent& content) {
  TV_ASSIGN_OR_RETURN(const uint32_t count, TakeCount(reader, kMaxKeyReplicas, "key replicas"));
  content.replicas.resize(count);
  for (ReplicaId& id : content.replicas) TV_RETURN_IF_ERROR(TakeInto(reader, id));
  if (std::adjacent_find(content.replicas.begin(), content.replicas.end(),
                         std::greater_equal<>()) != content.replicas.end()) {
    return absl::DataLossError("key replicas are not in rising order");
  }
  return absl::OkStatus();
}

// A text that an operator typed: bounded, its length first.
absl::StatusOr<std::string> TakeText(ByteReader& reader, size_t limit) {
  TV_ASSIGN_OR_RETURN(const uint16_t size, reader.LittleEndian<uint16_t>());
  if (size > limit) return absl::DataLossError("a text is longer than allowed");
  TV_ASSIGN_OR_RETURN(const Bytes bytes, reader.Take(size));
  return std::string(AsText(bytes));
}

absl::Status ParseHolds(ByteReader& reader, KeyringContent& content) {
  TV_ASSIGN_OR_RETURN(const uint32_t count,
                      TakeCount(reader, limits::kMaxLegalHolds, "legal holds"));
  for (uint32_t i = 0; i < count; ++i) {
    LegalHold hold;
    TV_RETURN_IF_ERROR(TakeInto(reader, hold.id));
    TV_ASSIGN_OR_RETURN(const uint32_t dataset, reader.LittleEndian<uint32_t>());
    hold.dataset = DatasetId(dataset);
    TV_ASSIGN_OR_RETURN(const int32_t first, reader.LittleEndian<int32_t>());
    hold.first_day = Day(first);
    TV_ASSIGN_OR_RETURN(const int32_t last, reader.LittleEndian<int32_t>());
    hold.last_day = Day(last);
    TV_RETURN_IF_ERROR(TakeInto(reader, hold.placed_at.micros));
    TV_RETURN_IF_ERROR(TakeInto(reader, hold.until.micros));
    TV_RETURN_IF_ERROR(TakeInto(reader, hold.ended_at.micros));
    TV_ASSIGN_OR_RETURN(hold.placed_by, TakeText(reader, limits::kMaxNameBytes));
    TV_ASSIGN_OR_RETURN(hold.reason, TakeText(reader, limits::kMaxReasonBytes));
    if (!content.holds.empty() && !(content.holds.back().id < hold.id)) {
      return absl::DataLossError("entries are not in rising order");
    }
    content.holds.push_back(std::move(hold));
  }
  return absl::OkStatus();
}

absl::Status ParseRoot(ByteReader& reader, KeyringContent& content) {
  RootDescription& root = content.root;
  TV_ASSIGN_OR_RETURN(const uint8_t source, reader.LittleEndian<uint8_t>());
  root.source = static_cast<RootSource>(source);
  TV_RETURN_IF_ERROR(TakeInto(reader, content.root_created_at.micros));
  if (root.source == RootSource::kPassphrase) {
    TV_RETURN_IF_ERROR(TakeInto(reader, root.passphrase.salt));
    TV_RETURN_IF_ERROR(TakeInto(reader, root.passphrase.passes));
    TV_RETURN_IF_ERROR(TakeInto(reader, root.passphrase.memory_bytes));
  } else if (root.source == RootSource::kShares) {
    TV_RETURN_IF_ERROR(TakeInto(reader, root.shares.id));
    TV_RETURN_IF_ERROR(TakeInto(reader, root.shares.shares));
    TV_RETURN_IF_ERROR(TakeInto(reader, root.shares.threshold));
    root.shares.digests.resize(root.shares.shares);
    for (Hash16& digest : root.shares.digests) TV_RETURN_IF_ERROR(TakeInto(reader, digest));
  }
  if (const absl::Status valid = ValidateRoot(root); !valid.ok()) {
    return absl::DataLossError(valid.message());
  }
  TV_RETURN_IF_ERROR(TakeKey(reader, content.root_check));
  return TakeKey(reader, content.name_key);
}

absl::Status ParseHead(ByteReader& reader, KeyringContent& content) {
  uint8_t version = 0;
  TV_RETURN_IF_ERROR(TakeInto(reader, version));
  if (version != kVersion) {
    return absl::DataLossError(
        absl::StrCat("version ", version, "; this program reads ", kVersion));
  }
  TV_RETURN_IF_ERROR(TakeInto(reader, content.slot));
  TV_RETURN_IF_ERROR(TakeInto(reader, content.generation));
  TV_RETURN_IF_ERROR(TakeInto(reader, content.next_key_id));
  TV_RETURN_IF_ERROR(TakeInto(reader, content.first_key_since_restore));
  if (content.first_key_since_restore > content.next_key_id) {
    return absl::DataLossError("a key id of a restore that was never given out");
  }
  TV_ASSIGN_OR_RETURN(const uint64_t lock_epoch, reader.LittleEndian<uint64_t>());
  content.lock_epoch = LockEpoch(lock_epoch);
  TV_RETURN_IF_ERROR(ParseReplicas(reader, content));
  TV_RETURN_IF_ERROR(ParseHolds(reader, content));
  return ParseRoot(reader, content);
}

absl::Status ParseMetaKeys(ByteReader& reader, KeyringContent& content) {
  TV_ASSIGN_OR_RETURN(const uint32_t count, TakeCount(reader, limits::kMaxMetaKeys, "meta keys"));
  if (count == 0) return absl::DataLossError("no meta key");
  for (uint32_t i = 0; i < count; ++i) {
    WrappedMetaKey key;
    TV_ASSIGN_OR_RETURN(const uint32_t number, reader.LittleEndian<uint32_t>());
    TV_RETURN_IF_ERROR(TakeInto(reader, key.created_at.micros));
    TV_RETURN_IF_ERROR(TakeKey(reader, key.key));
    TV_RETURN_IF_ERROR(Insert(content.meta_keys, number, key));
  }
  return absl::OkStatus();
}

absl::Status ParseAuditEpochs(ByteReader& reader, KeyringContent& content) {
  TV_ASSIGN_OR_RETURN(const uint32_t count,
                      TakeCount(reader, limits::kMaxAuditEpochs, "audit epochs"));
  if (count == 0) return absl::DataLossError("no audit epoch");
  for (uint32_t i = 0; i < count; ++i) {
    WrappedAuditEpoch epoch;
    TV_RETURN_IF_ERROR(TakeInto(reader, epoch.info.epoch));
    TV_RETURN_IF_ERROR(TakeInto(reader, epoch.info.public_key));
    TV_RETURN_IF_ERROR(TakeInto(reader, epoch.info.created_at.micros));
    TV_ASSIGN_OR_RETURN(const uint8_t shredded, reader.LittleEndian<uint8_t>());
    if (shredded > 1) return absl::DataLossError("an audit epoch is neither live nor shredded");
    epoch.shredded = shredded == 1;
    if (!epoch.shredded) TV_RETURN_IF_ERROR(TakeKey(reader, epoch.private_key));
    TV_RETURN_IF_ERROR(Insert(content.audit_epochs, epoch.info.epoch, epoch));
  }
  return absl::OkStatus();
}

absl::Status ParseDatasetKeys(ByteReader& reader, KeyringContent& content) {
  TV_ASSIGN_OR_RETURN(const uint32_t erasure_keys,
                      TakeCount(reader, limits::kMaxDatasets, "erasure keys"));
  for (uint32_t i = 0; i < erasure_keys; ++i) {
    WrappedKey key;
    TV_ASSIGN_OR_RETURN(const uint32_t dataset, reader.LittleEndian<uint32_t>());
    TV_RETURN_IF_ERROR(TakeKey(reader, key));
    TV_RETURN_IF_ERROR(Insert(content.erasure_keys, DatasetId(dataset), key));
  }
  TV_ASSIGN_OR_RETURN(const uint32_t salts, TakeCount(reader, limits::kMaxSubjectSalts, "salts"));
  for (uint32_t i = 0; i < salts; ++i) {
    WrappedKey key;
    TV_ASSIGN_OR_RETURN(const uint32_t dataset, reader.LittleEndian<uint32_t>());
    TV_ASSIGN_OR_RETURN(const int64_t period, reader.LittleEndian<int64_t>());
    TV_RETURN_IF_ERROR(TakeKey(reader, key));
    TV_RETURN_IF_ERROR(Insert(content.salts, std::pair(DatasetId(dataset), period), key));
  }
  return absl::OkStatus();
}

absl::Status ParseDataKeys(ByteReader& reader, KeyringContent& content) {
  TV_ASSIGN_OR_RETURN(
      const uint32_t count,
      TakeCount(reader, limits::kMaxLivePartitions + limits::kMaxRewrittenPartitions, "data keys"));
  for (uint32_t i = 0; i < count; ++i) {
    TV_ASSIGN_OR_RETURN(const uint32_t dataset, reader.LittleEndian<uint32_t>());
    TV_ASSIGN_OR_RETURN(const int32_t day, reader.LittleEndian<int32_t>());
    TV_ASSIGN_OR_RETURN(const uint64_t id, reader.LittleEndian<uint64_t>());
    if (id >= content.next_key_id) return absl::DataLossError("a key id that was never given out");
    WrappedDataKey key;
    TV_RETURN_IF_ERROR(TakeInto(reader, key.deadline.micros));
    TV_RETURN_IF_ERROR(TakeKey(reader, key.key));
    const PartitionId partition{DatasetId(dataset), Day(day)};
    TV_RETURN_IF_ERROR(Insert(content.data_keys, std::pair(partition, KeyId(id)), key));
  }
  return absl::OkStatus();
}

}  // namespace

std::string RootCheckIdentity() { return "root"; }
std::string NameKeyIdentity() { return "name"; }
std::string MetaKeyIdentity(uint32_t number) { return Identity("meta", number); }
std::string AuditEpochIdentity(uint32_t epoch) { return Identity("audit", epoch); }
std::string ErasureKeyIdentity(DatasetId dataset) { return Identity("erase", dataset.value()); }
std::string SaltIdentity(DatasetId dataset, int64_t period) {
  std::string identity = Identity("salt", dataset.value());
  PutLittleEndian(identity, period);
  return identity;
}
std::string DataKeyIdentity(PartitionId partition, KeyId id) {
  std::string identity = Identity("data", partition.dataset.value());
  PutLittleEndian(identity, partition.day.value());
  PutLittleEndian(identity, id.value());
  return identity;
}
std::string KeyringIdentity(uint64_t slot) { return Identity("keyring", slot); }

namespace {

void PutText(WipedBuffer& out, std::string_view text) {
  Put(out, static_cast<uint16_t>(text.size()));
  Put(out, AsBytes(text));
}

void PutHolds(WipedBuffer& out, const std::vector<LegalHold>& holds) {
  Put(out, static_cast<uint32_t>(holds.size()));
  for (const LegalHold& hold : holds) {
    Put(out, Bytes(hold.id));
    Put(out, hold.dataset.value());
    Put(out, hold.first_day.value());
    Put(out, hold.last_day.value());
    Put(out, hold.placed_at.micros);
    Put(out, hold.until.micros);
    Put(out, hold.ended_at.micros);
    PutText(out, hold.placed_by);
    PutText(out, hold.reason);
  }
}

void PutRoot(WipedBuffer& out, const KeyringContent& content) {
  const RootDescription& root = content.root;
  Put(out, static_cast<uint8_t>(root.source));
  Put(out, content.root_created_at.micros);
  if (root.source == RootSource::kPassphrase) {
    Put(out, Bytes(root.passphrase.salt));
    Put(out, root.passphrase.passes);
    Put(out, root.passphrase.memory_bytes);
  } else if (root.source == RootSource::kShares) {
    Put(out, Bytes(root.shares.id));
    Put(out, root.shares.shares);
    Put(out, root.shares.threshold);
    for (const Hash16& digest : root.shares.digests) Put(out, Bytes(digest));
  }
  Put(out, content.root_check);
  Put(out, content.name_key);
}

}  // namespace

WipedBuffer EncodeKeyring(const KeyringContent& content) {
  WipedBuffer out;
  out.reserve(1024 + content.data_keys.size() * (24 + kWrappedKeyBytes));
  Put(out, kVersion);
  Put(out, content.slot);
  Put(out, content.generation);
  Put(out, content.next_key_id);
  Put(out, content.first_key_since_restore);
  Put(out, content.lock_epoch.value());
  Put(out, static_cast<uint32_t>(content.replicas.size()));
  for (const ReplicaId& id : content.replicas) Put(out, Bytes(id));
  PutHolds(out, content.holds);
  PutRoot(out, content);
  Put(out, static_cast<uint32_t>(content.meta_keys.size()));
  for (const auto& [number, key] : content.meta_keys) {
    Put(out, number);
    Put(out, key.created_at.micros);
    Put(out, key.key);
  }
  Put(out, static_cast<uint32_t>(content.audit_epochs.size()));
  for (const auto& [number, epoch] : content.audit_epochs) {
    Put(out, number);
    Put(out, epoch.info.public_key);
    Put(out, epoch.info.created_at.micros);
    Put(out, static_cast<uint8_t>(epoch.shredded));
    if (!epoch.shredded) Put(out, epoch.private_key);
  }
  Put(out, static_cast<uint32_t>(content.erasure_keys.size()));
  for (const auto& [dataset, key] : content.erasure_keys) {
    Put(out, dataset.value());
    Put(out, key);
  }
  Put(out, static_cast<uint32_t>(content.salts.size()));
  for (const auto& [id, key] : content.salts) {
    Put(out, id.first.value());
    Put(out, id.second);
    Put(out, key);
  }
  Put(out, static_cast<uint32_t>(content.data_keys.size()));
  for (const auto& [id, key] : content.data_keys) {
    Put(out, id.first.dataset.value());
    Put(out, id.first.day.value());
    Put(out, id.second.value());
    Put(out, key.deadline.micros);
    Put(out, key.key);
  }
  return out;
}

absl::StatusOr<KeyringContent> ParseKeyring(Bytes bytes) {
  KeyringContent content;
  ByteReader reader(bytes);
  for (const auto parse :
       {ParseHead, ParseMetaKeys, ParseAuditEpochs, ParseDatasetKeys, ParseDataKeys}) {
    TV_RETURN_IF_ERROR(Annotate(parse(reader, content), "keyring"));
  }
  if (reader.remaining() != 0) return absl::DataLossError("keyring: bytes after the last entry");
  return content;
}

}  // namespace televault::crypto
