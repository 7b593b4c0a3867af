#include "vault/backup/content.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include <google/protobuf/empty.pb.h>

#include "audit/tiles.h"
#include "televault/record/v1/state.pb.h"
#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/sealing.h"
#include "vault/store/meta.h"
#include "vault/store/meta_sum.h"

namespace televault::backup {
namespace {

constexpr size_t kRecordsPerPage = 256;
constexpr uint64_t kItemsPerQuestion = 1'024;  // records and entries between two calls of go_on

absl::Status Broken(std::string_view what) {
  return absl::DataLossError(absl::StrCat("the copy is not whole: ", ToAbsl(what)));
}

// Each full tile as it is made again from the entries must be the one that is stored.
absl::Status CompareTiles(const store::View& view, const std::vector<audit::Tile>& tiles) {
  for (const audit::Tile& tile : tiles) {
    const auto stored =
        view.Get(store::Family::kAudit, store::TileKey(tile.id.level, tile.id.index));
    if (!stored.ok() || *stored != tile.bytes) {
      return Broken(absl::StrCat("tile ", tile.id.index, " of level ", tile.id.level,
                                 " of the audit log is missing or wrong"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLog(const store::View& view, const store::JournalHead& head, const GoOn& go_on) {
  audit::TileBuilder builder;
  std::vector<audit::Tile> full;
  absl::Status status;
  const auto visit = [&](std::string_view key, std::string_view leaf) {
    if (builder.size() % kItemsPerQuestion == 0) status = go_on();
    if (status.ok() && key != store::LeafKey(builder.size())) {
      status = Broken(absl::StrCat("the audit log lacks entry ", builder.size()));
    }
    if (!status.ok()) return false;
    builder.Append(audit::LeafHash(AsBytes(leaf)), full);
    if (!full.empty()) status = CompareTiles(view, std::exchange(full, {}));
    return status.ok();
  };
  TV_RETURN_IF_ERROR(view.Scan(store::Family::kAudit, store::kLeafPrefix, "", visit));
  TV_RETURN_IF_ERROR(status);
  if (builder.size() != head.tree_size || builder.Root() != head.root) {
    return Broken("the audit log does not hash to its recorded head");
  }
  return absl::OkStatus();
}

absl::Status CheckSum(const store::View& view, const store::JournalHead& head,
                      const SecretBytes& key, const GoOn& go_on) {
  store::MetaSum sum{};
  uint64_t records = 0;
  absl::Status status;
  TV_RETURN_IF_ERROR(
      view.Scan(store::Family::kMeta, "", "", [&](std::string_view name, std::string_view value) {
        if (records++ % kItemsPerQuestion == 0) status = go_on();
        sum = store::AddMod256(sum, store::MetaTerm(key, name, value));
        return status.ok();
      }));
  TV_RETURN_IF_ERROR(status);
  if (sum != head.meta_sum) return Broken("a record is stale, missing or added");
  return absl::OkStatus();
}

// Every record of a kind, a page at a time.
template <class Record, class Visit>
absl::Status ForEach(const store::MetaStore& meta, const store::View& view, store::RecordKind kind,
                     const GoOn& go_on, const Visit& visit) {
  std::string cursor;
  do {
    std::vector<Record> page;
    TV_RETURN_IF_ERROR(go_on());
    TV_RETURN_IF_ERROR(
        meta.ScanSome<Record>(view, kind, kRecordsPerPage, cursor,
                              [&](const Record& record) { page.push_back(record); }));
    for (const Record& record : page) TV_RETURN_IF_ERROR(visit(record));
  } while (!cursor.empty());
  return absl::OkStatus();
}

template <class Record>
PartitionId PartitionOf(const Record& record) {
  return {DatasetId(record.dataset_id()), Day(record.day())};
}

}  // namespace

absl::StatusOr<store::JournalHead> ReadHead(const store::View& view, const SecretBytes& key) {
  const auto stored = view.Get(store::Family::kAudit, store::kHeadKey);
  if (!stored.ok()) return Broken("it has no head of the journal");
  return store::ParseHead(AsBytes(*stored), key);
}

absl::Status CheckMetaKey(const Manifest& manifest, const std::vector<crypto::MetaKeyInfo>& left) {
  if (std::any_of(left.begin(), left.end(),
                  [&](const auto& key) { return key.number == manifest.meta_key; })) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "nothing opens this backup any more: its records are sealed under meta key ",
      manifest.meta_key, ", which was destroyed after `keys rotate meta`; use a backup that was ",
      "made after that"));
}

absl::StatusOr<Content> ContentCheck::CheckSealed() {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<store::View> view, parts_.copy.Pin());
  Content content;
  TV_ASSIGN_OR_RETURN(content.head, ReadHead(*view, parts_.freshness_key));
  TV_RETURN_IF_ERROR(CheckLog(*view, content.head, parts_.go_on));
  TV_RETURN_IF_ERROR(CheckSum(*view, content.head, parts_.freshness_key, parts_.go_on));
  return content;
}

// One pass over the records of a copy, with the keys.
class ContentCheck::Opening {
 public:
  Opening(const Parts& parts, const Keys& keys, const store::View& view, Content& content)
      : parts_(parts), keys_(keys), view_(view), content_(content) {}

  absl::Status Run() {
    TV_RETURN_IF_ERROR(OpenRecords());
    TV_RETURN_IF_ERROR(FindOldestMetaKey());
    TV_RETURN_IF_ERROR(ForEach<record::v1::PartitionRecord>(
        keys_.meta, view_, store::RecordKind::kPartition, parts_.go_on,
        [&](const auto& record) { return Add(record); }));
    TV_RETURN_IF_ERROR(
        ForEach<record::v1::BlockRecord>(keys_.meta, view_, store::RecordKind::kBlock, parts_.go_on,
                                         [&](const auto& record) { return Block(record); }));
    TV_RETURN_IF_ERROR(ForEach<record::v1::MicroBatchRecord>(
        keys_.meta, view_, store::RecordKind::kMicroBatch, parts_.go_on,
        [&](const auto& record) { return MicroBatch(record); }));
    for (const auto& [id, partition] : partitions_) {
      content_.shredded_partitions += partition.unreadable ? 1 : 0;
    }
    return absl::OkStatus();
  }

 private:
  struct Partition {
    WallTime deadline;
    bool unreadable = false;  // its key is destroyed
    bool told = false;        // what is wrong with it has been said
  };

  // Whatever kind a record is of: that it opens under its key is what matters here.
  absl::Status OpenRecords() {
    for (int kind = 0; kind <= std::numeric_limits<uint8_t>::max(); ++kind) {
      TV_RETURN_IF_ERROR(ForEach<google::protobuf::Empty>(
          keys_.meta, view_, static_cast<store::RecordKind>(kind), parts_.go_on, [&](const auto&) {
            ++content_.records;
            return absl::OkStatus();
          }));
    }
    return absl::OkStatus();
  }

  // None is destroyed while a copy is looked at; a new one may come.
  absl::Status FindOldestMetaKey() {
    const std::vector<crypto::MetaKeyInfo> keys = keys_.keyring.MetaKeys();
    // Every record has just opened: where there is one key, it did that.
    if (keys.size() == 1) {
      content_.meta_key = keys.front().number;
      return absl::OkStatus();
    }
    TV_ASSIGN_OR_RETURN(std::vector<uint64_t> records, keys_.meta.CountByKey(view_));
    std::reverse(records.begin(), records.end());  // of the oldest first, as the keys
    TV_CHECK(!keys.empty() && records.size() >= keys.size());
    size_t oldest = 0;
    while (oldest + 1 < keys.size() && records[oldest] == 0) ++oldest;
    content_.meta_key = keys[oldest].number;
    return absl::OkStatus();
  }

  absl::Status Add(const record::v1::PartitionRecord& record) {
    const PartitionId id = PartitionOf(record);
    ++content_.partitions;
    const WallTime deadline{record.deadline_us()};
    partitions_[id] = {.deadline = deadline,
                       .unreadable = record.state() != record::v1::PARTITION_STATE_LIVE ||
                                     keys_.is_gone(id, deadline)};
    return absl::OkStatus();
  }

  void Tell(PartitionId id, std::string_view what) {
    if (content_.problems.size() > limits::kMaxBackupProblems) return;
    if (content_.problems.size() == limits::kMaxBackupProblems) {
      content_.problems.emplace_back("there are more than these");
      return;
    }
    content_.problems.push_back(
        absl::StrCat(keys_.name_of(id.dataset), "/", FormatDay(id.day), ": ", ToAbsl(what)));
  }

  // The key of a unit; null where nobody can have it, or where its lack was told. It may be
  // destroyed while this runs: what the vault says then counts.
  absl::StatusOr<crypto::DataKeyRef> KeyFor(PartitionId id, KeyId key, Partition& partition) {
    if (partition.unreadable) return crypto::DataKeyRef();
    auto found = keys_.keyring.DataKeyFor(id, key);
    if (found.ok()) return found;
    TV_RETURN_IF_ERROR(parts_.go_on());  // sealed: no key is there
    if (!absl::IsNotFound(found.status())) return found.status();
    const auto others = keys_.keyring.DataKeys(id);
    const bool replaced = std::any_of(others.begin(), others.end(),
                                      [&](const auto& other) { return other.id > key; });
    partition.unreadable = replaced || keys_.is_gone(id, partition.deadline);
    if (partition.unreadable && !(replaced && keys_.fresh)) return crypto::DataKeyRef();
    if (!std::exchange(partition.told, true)) {
      Tell(id, replaced
                   ? "was sealed anew under another key while the copy was made, which has the "
                     "old rows only: make another backup"
                   : "the key of a day that has not expired is missing");
    }
    return crypto::DataKeyRef();
  }

  // Opens one unit by `open`. What does not open is a problem of its partition.
  template <class Record, class OpenUnit>
  absl::Status Unit(const Record& record, uint64_t& count, const OpenUnit& open) {
    TV_RETURN_IF_ERROR(parts_.go_on());
    const PartitionId id = PartitionOf(record);
    ++count;
    const auto at = partitions_.find(id);
    if (at == partitions_.end()) {
      Tell(id, "holds data and has no record");
      return absl::OkStatus();
    }
    Partition& partition = at->second;
    TV_ASSIGN_OR_RETURN(const crypto::DataKeyRef key,
                        KeyFor(id, KeyId(record.key_id()), partition));
    if (key == nullptr) return absl::OkStatus();
    const partition::SealingContext context{.key = *key, .vault = keys_.vault};
    const absl::Status opened = open(context);
    if (opened.ok()) content_.events += record.rows();
    // Told by the copy; anything else has ended the work.
    if (opened.ok() || (!absl::IsDataLoss(opened) && !absl::IsNotFound(opened))) return opened;
    Tell(id, std::string(opened.message()));
    return absl::OkStatus();
  }

  absl::Status Block(const record::v1::BlockRecord& record) {
    const BlockId id{PartitionOf(record), record.block()};
    return Unit(record, content_.blocks, [&](const partition::SealingContext& context) {
      return OpenBlock(context, id, record);
    });
  }

  absl::Status OpenBlock(const partition::SealingContext& context, const BlockId& id,
                         const record::v1::BlockRecord& record) {
    return partition::CheckBlock(
        context, record, [&](uint32_t number) -> absl::StatusOr<std::string> {
          TV_RETURN_IF_ERROR(parts_.go_on());
          TV_ASSIGN_OR_RETURN(auto sealed, parts_.copy.ReadBlock(id, {&number, 1}));
          ++content_.chunks;
          return std::move(sealed.front());
        });
  }

  absl::Status MicroBatch(const record::v1::MicroBatchRecord& record) {
    const std::string key = store::HotKey(PartitionOf(record), record.batch());
    return Unit(record, content_.micro_batches,
                [&](const partition::SealingContext& context) -> absl::Status {
                  TV_ASSIGN_OR_RETURN(const std::string sealed,
                                      view_.Get(store::Family::kHot, key));
                  return partition::OpenMicroBatch(context, record, sealed, {}).status();
                });
  }

  const Parts& parts_;
  const Keys& keys_;
  const store::View& view_;
  Content& content_;
  std::map<PartitionId, Partition> partitions_;
};

absl::Status ContentCheck::Open(const Keys& keys, Content& content) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<store::View> view, parts_.copy.Pin());
  return Opening(parts_, keys, *view, content).Run();
}

}  // namespace televault::backup
