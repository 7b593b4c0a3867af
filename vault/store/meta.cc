#include "vault/store/meta.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"

namespace televault::store {
namespace {

std::string KindText(RecordKind kind) {
  return absl::StrCat("a record of kind ", static_cast<int>(kind));
}

}  // namespace

RecordId::RecordId(DatasetId dataset) { PutBigEndian(numbers_, dataset.value()); }

RecordId::RecordId(DatasetId dataset, uint32_t revision) : RecordId(dataset) {
  PutBigEndian(numbers_, revision);
}

RecordId::RecordId(PartitionId partition) : RecordId(partition.dataset) {
  PutBigEndian(numbers_, partition.day.value());
}

RecordId::RecordId(const BlockId& block) : RecordId(block.partition) {
  PutBigEndian(numbers_, block.block);
}

RecordId::RecordId(uint64_t number) { PutBigEndian(numbers_, number); }

RecordId RecordId::WithName(std::string_view name) const {
  RecordId id = *this;
  id.name_ = name;
  id.named_ = true;
  return id;
}

// kind1 ‖ numbers ‖ keyed hash of the name; the kind is hashed too, so that equal names of two
// kinds cannot be told to be equal.
absl::StatusOr<std::string> MetaStore::KeyOf(RecordKind kind, const RecordId& id) const {
  std::string key(1, static_cast<char>(kind));
  key += id.numbers();
  if (!id.named()) return key;
  TV_ASSIGN_OR_RETURN(const crypto::SecretRef name_key, keyring_.NameKey());
  const std::string input = key + id.name();
  key += AsText(crypto::KeyedHash16(*name_key, "televault.name", AsBytes(input)));
  return key;
}

absl::StatusOr<Mutation> MetaStore::Put(RecordKind kind, const RecordId& id,
                                        const google::protobuf::MessageLite& record) const {
  TV_ASSIGN_OR_RETURN(std::string key, KeyOf(kind, id));
  TV_ASSIGN_OR_RETURN(const crypto::SecretRef meta_key, keyring_.MetaKey());
  std::string plain;
  TV_CHECK(record.SerializeToString(&plain));
  std::string sealed = crypto::Seal(*meta_key, crypto::Use::kMetaRecord, AsBytes(key),
                                    AsBytes(plain), vault_, random_);
  return Mutation{Family::kMeta, std::move(key), std::move(sealed), std::nullopt, meta_key};
}

absl::StatusOr<Mutation> MetaStore::Delete(RecordKind kind, const RecordId& id) const {
  TV_ASSIGN_OR_RETURN(std::string key, KeyOf(kind, id));
  return Mutation{Family::kMeta, std::move(key), std::nullopt};
}

absl::Status MetaStore::Get(const View& view, RecordKind kind, const RecordId& id,
                            google::protobuf::MessageLite& record) const {
  TV_ASSIGN_OR_RETURN(const std::string key, KeyOf(kind, id));
  absl::StatusOr<std::string> sealed = view.Get(Family::kMeta, key);
  if (absl::IsNotFound(sealed.status())) {
    return absl::NotFoundError(
        absl::StrCat("there is no such record of kind ", static_cast<int>(kind)));
  }
  TV_RETURN_IF_ERROR(sealed.status());
  return Open(key, *sealed, record);
}

absl::Status MetaStore::Open(std::string_view key, std::string_view sealed,
                             google::protobuf::MessageLite& record) const {
  const auto kind = static_cast<RecordKind>(key.front());
  TV_ASSIGN_OR_RETURN(const crypto::SecretRef meta_key, keyring_.MetaKey());
  auto plain =
      crypto::Open(*meta_key, crypto::Use::kMetaRecord, AsBytes(key), AsBytes(sealed), vault_);
  // While a rotation is under way, an older key may have sealed it.
  if (!plain.ok()) plain = OpenWithOlder(key, sealed, plain.status());
  if (!plain.ok()) return Annotate(plain.status(), KindText(kind));
  if (!record.ParseFromArray(plain->data(), static_cast<int>(plain->size()))) {
    return absl::DataLossError(KindText(kind) + " opens but does not parse");
  }
  return absl::OkStatus();
}

absl::StatusOr<WipedBuffer> MetaStore::OpenWithOlder(std::string_view key, std::string_view sealed,
                                                     const absl::Status& failure) const {
  TV_ASSIGN_OR_RETURN(const std::vector<crypto::SecretRef> ring, keyring_.MetaKeyRing());
  for (size_t i = 1; i < ring.size(); ++i) {
    auto plain =
        crypto::Open(*ring[i], crypto::Use::kMetaRecord, AsBytes(key), AsBytes(sealed), vault_);
    if (plain.ok()) return plain;
  }
  // Meanwhile another key may have become the current one, and sealed this.
  auto plain =
      crypto::Open(*ring.front(), crypto::Use::kMetaRecord, AsBytes(key), AsBytes(sealed), vault_);
  return plain.ok() ? std::move(plain) : failure;
}

absl::StatusOr<std::vector<Mutation>> MetaStore::Reseal(const View& view, size_t limit,
                                                        size_t max_bytes,
                                                        std::string& cursor) const {
  TV_ASSIGN_OR_RETURN(const std::vector<crypto::SecretRef> ring, keyring_.MetaKeyRing());
  std::vector<Mutation> mutations;
  absl::Status status;
  std::string next;
  size_t visited = 0;
  size_t bytes = 0;
  TV_RETURN_IF_ERROR(
      view.Scan(Family::kMeta, "", cursor, [&](std::string_view key, std::string_view sealed) {
        if (visited++ == limit || bytes >= max_bytes) {
          next = key;
          return false;
        }
        if (crypto::Open(*ring.front(), crypto::Use::kMetaRecord, AsBytes(key), AsBytes(sealed),
                         vault_)
                .ok()) {
          return true;
        }
        const auto plain = OpenWithOlder(key, sealed, absl::DataLossError("does not open"));
        if (!plain.ok()) {
          status = Annotate(plain.status(), KindText(static_cast<RecordKind>(key.front())));
          return false;
        }
        Mutation mutation{Family::kMeta, std::string(key),
                          crypto::Seal(*ring.front(), crypto::Use::kMetaRecord, AsBytes(key),
                                       *plain, vault_, random_),
                          std::string(sealed), ring.front()};
        bytes += mutation.key.size() + 2 * sealed.size();
        mutations.push_back(std::move(mutation));
        return true;
      }));
  TV_RETURN_IF_ERROR(status);
  cursor = std::move(next);
  return mutations;
}

absl::StatusOr<std::vector<uint64_t>> MetaStore::CountByKey(const View& view) const {
  TV_ASSIGN_OR_RETURN(const std::vector<crypto::SecretRef> ring, keyring_.MetaKeyRing());
  std::vector<uint64_t> counts(ring.size(), 0);
  TV_RETURN_IF_ERROR(
      view.Scan(Family::kMeta, "", "", [&](std::string_view key, std::string_view sealed) {
        for (size_t i = 0; i < ring.size(); ++i) {
          const auto plain = crypto::Open(*ring[i], crypto::Use::kMetaRecord, AsBytes(key),
                                          AsBytes(sealed), vault_);
          if (!plain.ok()) continue;
          ++counts[i];
          break;
        }
        return true;
      }));
  return counts;
}

absl::Status MetaStore::ScanInto(const View& view, RecordKind kind, const RecordId& prefix,
                                 google::protobuf::MessageLite& record,
                                 const std::function<bool()>& visit) const {
  TV_CHECK(!prefix.named());
  TV_RETURN_IF_ERROR(keyring_.MetaKey().status());  // sealed: say so even where nothing is stored
  TV_ASSIGN_OR_RETURN(const std::string key_prefix, KeyOf(kind, prefix));
  absl::Status status;
  TV_RETURN_IF_ERROR(
      view.Scan(Family::kMeta, key_prefix, "", [&](std::string_view key, std::string_view sealed) {
        status = Open(key, sealed, record);
        return status.ok() && visit();
      }));
  return status;
}

absl::Status MetaStore::ScanSomeInto(const View& view, RecordKind kind, size_t limit,
                                     std::string& cursor, google::protobuf::MessageLite& record,
                                     const std::function<void()>& visit) const {
  TV_RETURN_IF_ERROR(keyring_.MetaKey().status());
  TV_ASSIGN_OR_RETURN(const std::string prefix, KeyOf(kind, RecordId()));
  absl::Status status;
  std::string next;
  size_t visited = 0;
  TV_RETURN_IF_ERROR(
      view.Scan(Family::kMeta, prefix, cursor, [&](std::string_view key, std::string_view sealed) {
        if (visited++ == limit) {
          next = key;
          return false;
        }
        status = Open(key, sealed, record);
        if (status.ok()) visit();
        return status.ok();
      }));
  TV_RETURN_IF_ERROR(status);
  cursor = std::move(next);
  return absl::OkStatus();
}

}  // namespace televault::store
