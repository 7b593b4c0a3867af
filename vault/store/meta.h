#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/message_lite.h"

#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/store/store.h"

namespace televault::crypto {
class Keyring;
}

namespace televault::store {

// First byte of a meta key. Never renumbered; messages of proto/televault/record/v1/state.proto.
enum class RecordKind : uint8_t {
  kDataset = 1,        // DatasetRecord        dataset, revision
  kPartition = 2,      // PartitionRecord      dataset, day
  kBlock = 3,          // BlockRecord          dataset, day, block
  kBatchId = 4,        // BatchRecord          dataset, name = batch id
  kRejectCount = 5,    // RejectCountRecord    dataset, name = source, rule, field
  kAccessRequest = 6,  // AccessRequestRecord  name = request id
  kJob = 7,            // (of the job)         name = job id
  kMicroBatch = 8,     // (of the partition)   dataset, day, batch number
  kErasure = 9,        // ErasureRecord        number
  // 10 was never used.
  kSpending = 11,  // (of disclosure)      dataset, name
  kScratch = 255,  // tests
};

// Which record of a kind: numbers first (they sort and can be scanned by prefix), then a name
// (stored only as a keyed hash). Both parts are optional.
class RecordId {
 public:
  RecordId() = default;  // prefix of every record of the kind
  explicit RecordId(DatasetId dataset);
  RecordId(DatasetId dataset, uint32_t revision);
  explicit RecordId(PartitionId partition);
  explicit RecordId(const BlockId& block);
  explicit RecordId(uint64_t number);
  static RecordId Named(std::string_view name) { return RecordId().WithName(name); }
  // A copy with the name; join several names with '\0'. "" is a name too.
  RecordId WithName(std::string_view name) const;

  const std::string& numbers() const { return numbers_; }
  const std::string& name() const { return name_; }
  bool named() const { return named_; }

 private:
  std::string numbers_;
  std::string name_;
  bool named_ = false;
};

// Typed, sealed records of the meta family. Makes mutations and reads views; commits nothing.
// Refuses to cache: the use cases do.
// Threads: any. Borrows: keyring (and through it the meta key), random.
// Invariants: (1) a record opens only under the key it was stored at. (2) No name and no field
// value reaches the engine in the clear.
// Failure: UNAVAILABLE/SEALED while the keyring is sealed; DATA_LOSS for a record that does not
// open or parse, with its kind, never its content.
class MetaStore {
 public:
  MetaStore(VaultId vault, const crypto::Keyring& keyring, Random& random)
      : vault_(vault), keyring_(keyring), random_(random) {}

  absl::StatusOr<Mutation> Put(RecordKind kind, const RecordId& id,
                               const google::protobuf::MessageLite& record) const;
  absl::StatusOr<Mutation> Delete(RecordKind kind, const RecordId& id) const;

  // NOT_FOUND where there is none.
  absl::Status Get(const View& view, RecordKind kind, const RecordId& id,
                   google::protobuf::MessageLite& record) const;
  template <class Record>
  absl::StatusOr<Record> Get(const View& view, RecordKind kind, const RecordId& id) const {
    Record record;
    TV_RETURN_IF_ERROR(Get(view, kind, id, record));
    return record;
  }

  // Every record of the kind whose numbers start with those of `prefix`, in key order, until
  // `visit` returns false. `prefix` has no name.
  template <class Record>
  absl::Status Scan(const View& view, RecordKind kind, const RecordId& prefix,
                    const std::function<bool(const Record&)>& visit) const {
    Record record;
    return ScanInto(view, kind, prefix, record, [&] { return visit(record); });
  }
  // At most `limit` records of the kind, in key order from `cursor` on ("" = from the front). Moves
  // `cursor` to where the next call goes on: to the front again after the last record. `visit` may
  // be called for some records and the scan fail all the same; `cursor` stays then.
  template <class Record>
  absl::Status ScanSome(const View& view, RecordKind kind, size_t limit, std::string& cursor,
                        const std::function<void(const Record&)>& visit) const {
    Record record;
    return ScanSomeInto(view, kind, limit, cursor, record, [&] { visit(record); });
  }

  // Of at most `limit` records from `cursor` on, those that an older meta key seals, sealed again
  // under the current one; each mutation takes effect only over the value it was made from. Moves
  // `cursor` on: "" after the last record. Stops early at about `max_bytes` of mutations.
  absl::StatusOr<std::vector<Mutation>> Reseal(const View& view, size_t limit, size_t max_bytes,
                                               std::string& cursor) const;

  // How many records each key of Keyring::MetaKeyRing() seals, in its order. Opens every record.
  absl::StatusOr<std::vector<uint64_t>> CountByKey(const View& view) const;

 private:
  absl::StatusOr<WipedBuffer> OpenWithOlder(std::string_view key, std::string_view sealed,
                                            const absl::Status& failure) const;
  absl::StatusOr<std::string> KeyOf(RecordKind kind, const RecordId& id) const;
  absl::Status Open(std::string_view key, std::string_view sealed,
                    google::protobuf::MessageLite& record) const;
  absl::Status ScanInto(const View& view, RecordKind kind, const RecordId& prefix,
                        google::protobuf::MessageLite& record,
                        const std::function<bool()>& visit) const;
  absl::Status ScanSomeInto(const View& view, RecordKind kind, size_t limit, std::string& cursor,
                            google::protobuf::MessageLite& record,
                            const std::function<void()>& visit) const;

  const VaultId vault_;
  const crypto::Keyring& keyring_;
  Random& random_;
};

}  // namespace televault::store
