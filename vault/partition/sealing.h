#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "televault/record/v1/state.pb.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/block/column.h"
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
};

// `rows` is valid and has an event_time column, 1..limits::kRowsPerBlock rows. INVALID_ARGUMENT
// where they do not fit a block.
absl::StatusOr<SealedBlock> SealBlock(const SealingContext& context, const BlockId& id,
                                      uint32_t schema_revision, const block::ColumnBatch& rows,
                                      Random& random);

// Opens the chunks of one block: whatever else is bound to a chunk, its record says.
// Threads: any. Failure: DATA_LOSS for whatever is not what was sealed.
class BlockOpener {
 public:
  static absl::StatusOr<BlockOpener> Create(const SealingContext& context,
                                            const record::v1::BlockRecord& record);
  absl::StatusOr<block::Footer> OpenFooter(std::string_view sealed) const;
  // `number` as in the store.
  absl::StatusOr<WipedBuffer> Open(uint32_t number, std::string_view sealed) const;

 private:
  BlockOpener(std::string identity, const record::v1::BlockRecord& record,
              crypto::BlockOpener opener)
      : identity_(std::move(identity)),
        rows_(record.rows()),
        chunks_(record.chunks()),
        opener_(std::move(opener)) {}

  const std::string identity_;
  const uint32_t rows_;
  const uint32_t chunks_;
  crypto::BlockOpener opener_;
};

// Whether what a store holds of a block is what was sealed: each chunk opens, and their tags are
// those of the record. `read` hands out the sealed chunk with a number.
absl::Status CheckBlock(const SealingContext& context, const record::v1::BlockRecord& record,
                        const std::function<absl::StatusOr<std::string>(uint32_t number)>& read);

ErasedState ErasedStateOf(const record::v1::PartitionRecord& record);
void SetErasedState(const ErasedState& state, record::v1::PartitionRecord& record);

// The subjects that aggregates leave out, for the partition's record.
std::string SealSubjects(const SealingContext& context, PartitionId partition,
                         const SubjectList& subjects, Random& random);
absl::StatusOr<SubjectList> OpenSubjects(const SealingContext& context, PartitionId partition,
                                         std::string_view sealed);

}  // namespace televault::partition
