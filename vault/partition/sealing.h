#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "televault/record/v1/state.pb.h"
#include "vault/base/ids.h"
#include "vault/base/limits.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/block/column.h"
#include "vault/block/column_reader.h"
#include "vault/block/footer.h"
#include "vault/crypto/block_cipher.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/subjects.h"
#include "vault/store/store.h"

// Plain batches to sealed micro-batches and blocks, and back (docs/formats/block-v1.md, Sealing).
// Everything that is checked or bound while opening comes from the record, never from the bytes.
namespace televault::partition {

inline constexpr uint32_t kBlockFormatVersion = 1;

// Opens and seals for one vault under one data key. Borrows the key: one task, one call.
struct SealingContext {
  const crypto::DataKey& key;
  const VaultId& vault;
};

struct SealedMicroBatch {
  record::v1::MicroBatchRecord record;
  std::string value;  // for the hot family
};

// `rows` is valid, not empty and has an event_time column.
absl::StatusOr<SealedMicroBatch> SealMicroBatch(const SealingContext& context,
                                                PartitionId partition, uint64_t batch,
                                                uint32_t schema_revision,
                                                const block::ColumnBatch& rows, WallTime now,
                                                Random& random);

// `wanted` as in block::DecodeMicroBatch. DATA_LOSS where anything is not as the record says.
absl::StatusOr<block::ColumnBatch> OpenMicroBatch(const SealingContext& context,
                                                  const record::v1::MicroBatchRecord& record,
                                                  std::string_view value,
                                                  std::span<const uint16_t> wanted);

struct SealedBlock {
  record::v1::BlockRecord record;
  std::vector<store::BlockChunk> chunks;  // footer last
  uint64_t sealed_bytes = 0;
  std::array<uint8_t, 32> tag_root{};
};

// `rows` is valid, sorted by event time, 1..limits::kRowsPerBlock rows.
absl::StatusOr<SealedBlock> SealBlock(const SealingContext& context, const BlockId& id,
                                      uint32_t schema_revision, const block::ColumnBatch& rows,
                                      Random& random);

absl::StatusOr<block::Footer> OpenFooter(const SealingContext& context,
                                         const record::v1::BlockRecord& record,
                                         std::string_view sealed);

// The number under which a block keeps the dictionary of a column, where that is a chunk of its
// own.
constexpr uint16_t kDictionaryBit = 0x8000;
static_assert(limits::kMaxColumnNumber < kDictionaryBit);
constexpr uint16_t DictionaryOf(uint16_t column) { return column | kDictionaryBit; }

// Opens single columns of one block.
// Threads: any. Borrows: record and footer. Failure: DATA_LOSS for whatever is not what they say.
class ColumnOpener {
 public:
  static absl::StatusOr<ColumnOpener> Create(const SealingContext& context,
                                             const record::v1::BlockRecord& record,
                                             const block::Footer& footer);
  // `number` is in the footer, `sealed` its chunk.
  absl::StatusOr<block::OpenedChunk> Open(uint16_t number, std::string_view sealed) const;
  // The dictionary that `reader`, which has the values of the column, lacks.
  absl::Status OpenDictionary(uint16_t number, std::string_view sealed,
                              block::ColumnReader& reader) const;

 private:
  absl::StatusOr<std::pair<block::ChunkCodec, WipedBuffer>> OpenPart(uint16_t number,
                                                                     std::string_view sealed) const;
  ColumnOpener(const VaultId& vault, const record::v1::BlockRecord& record,
               const block::Footer& footer, crypto::BlockOpener opener)
      : vault_(vault), record_(record), footer_(footer), opener_(std::move(opener)) {}

  const VaultId vault_;
  const record::v1::BlockRecord& record_;
  const block::Footer& footer_;
  crypto::BlockOpener opener_;
};

ErasedState ErasedStateOf(const record::v1::PartitionRecord& record);
void SetErasedState(const ErasedState& state, record::v1::PartitionRecord& record);

// The subjects that aggregates leave out, for the partition's record.
std::string SealSubjects(const SealingContext& context, PartitionId partition,
                         const SubjectList& subjects, Random& random);
absl::StatusOr<SubjectList> OpenSubjects(const SealingContext& context, PartitionId partition,
                                         std::string_view sealed);

// Opens one chunk, and decodes nothing: whether it is what was sealed.
absl::Status CheckChunk(const SealingContext& context, const record::v1::BlockRecord& record,
                        uint16_t column, std::string_view sealed);

// Sealed bytes of the block as its record counts them.
uint64_t SealedBytes(const record::v1::BlockRecord& record);

}  // namespace televault::partition
