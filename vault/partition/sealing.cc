#include "vault/partition/sealing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/block/encoding.h"
#include "vault/crypto/block_cipher.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/store/meta.h"

namespace televault::partition {
namespace {

constexpr std::string_view kHotDomain = "televault.hot.v1";
constexpr std::string_view kBlockDomain = "televault.blk.v1";
constexpr std::string_view kTagDomain = "televault.tag.v1";

std::string MicroBatchIdentity(const record::v1::MicroBatchRecord& record) {
  std::string identity(kHotDomain);
  PutLittleEndian(identity, uint32_t{record.dataset_id()});
  PutLittleEndian(identity, int32_t{record.day()});
  PutLittleEndian(identity, uint64_t{record.batch()});
  PutLittleEndian(identity, uint64_t{record.key_id()});
  PutLittleEndian(identity, uint32_t{record.schema_revision()});
  PutLittleEndian(identity, uint32_t{record.rows()});
  return identity;
}

// What all chunks of a block are bound to.
std::string BlockIdentity(const VaultId& vault, const record::v1::BlockRecord& block) {
  std::string identity(kBlockDomain);
  PutLittleEndian(identity, static_cast<uint8_t>(block.format_version()));
  PutLittleEndian(identity, static_cast<uint8_t>(block.algorithm()));
  identity.append(AsText(vault.bytes));
  PutLittleEndian(identity, uint32_t{block.dataset_id()});
  PutLittleEndian(identity, int32_t{block.day()});
  PutLittleEndian(identity, uint64_t{block.block()});
  PutLittleEndian(identity, uint64_t{block.key_id()});
  identity.append(block.salt());
  PutLittleEndian(identity, uint32_t{block.schema_revision()});
  PutLittleEndian(identity, uint32_t{block.rows()});
  PutLittleEndian(identity, uint32_t{block.chunks()});
  return identity;
}

std::string ChunkAad(std::string identity, uint32_t ordinal) {
  PutLittleEndian(identity, ordinal);
  return identity;
}

// The tags of a block in order, the footer's last.
class TagRoot {
 public:
  void Add(std::string_view sealed) {
    input_.append(sealed.substr(sealed.size() - std::min(sealed.size(), crypto::kTagBytes)));
  }
  std::string Finish() const {
    const auto root = crypto::PlainHash32(AsBytes(input_));
    return std::string(AsText(root));
  }

 private:
  std::string input_{kTagDomain};
};

record::v1::BlockRecord NewRecord(const SealingContext& context, const BlockId& id,
                                  uint32_t schema_revision, const block::Footer& footer,
                                  const crypto::BlockKeyHeader& header) {
  record::v1::BlockRecord record;
  record.set_dataset_id(id.partition.dataset.value());
  record.set_day(id.partition.day.value());
  record.set_block(id.block);
  record.set_key_id(context.key.id.value());
  record.set_format_version(kBlockFormatVersion);
  record.set_algorithm(static_cast<uint32_t>(header.algorithm));
  record.set_salt(header.salt.data(), header.salt.size());
  record.set_commitment(header.commitment.data(), header.commitment.size());
  record.set_schema_revision(schema_revision);
  record.set_rows(footer.rows);
  record.set_min_time_us(footer.min_time.micros);
  record.set_max_time_us(footer.max_time.micros);
  record.set_chunks(footer.chunks());
  return record;
}

absl::StatusOr<crypto::BlockOpener> MakeOpener(const SealingContext& context,
                                               const record::v1::BlockRecord& record) {
  crypto::BlockKeyHeader header;
  if (record.format_version() != kBlockFormatVersion) {
    return absl::DataLossError(absl::StrCat("a block of format ", record.format_version(),
                                            "; this program reads format ", kBlockFormatVersion));
  }
  if (record.algorithm() > 0xFF || record.salt().size() != header.salt.size() ||
      record.commitment().size() != header.commitment.size()) {
    return absl::DataLossError("a block's record has a key header that is none");
  }
  TV_ASSIGN_OR_RETURN(header.algorithm,
                      crypto::ParseAlgorithm(static_cast<uint8_t>(record.algorithm())));
  std::copy(record.salt().begin(), record.salt().end(), header.salt.begin());
  std::copy(record.commitment().begin(), record.commitment().end(), header.commitment.begin());
  return crypto::BlockOpener::Create(context.key.key, header);
}

absl::StatusOr<std::vector<block::EncodedColumn>> EncodeColumns(const block::ColumnBatch& rows) {
  std::vector<block::EncodedColumn> encoded;
  for (size_t i = 0; i < rows.columns.size(); ++i) {
    TV_ASSIGN_OR_RETURN(block::EncodedColumn column,
                        block::EncodeColumn(rows.columns[i], block::IsIndexed(rows.numbers[i])));
    encoded.push_back(std::move(column));
  }
  return encoded;
}

}  // namespace

absl::StatusOr<SealedMicroBatch> SealMicroBatch(const SealingContext& context,
                                                PartitionId partition, uint64_t batch,
                                                uint32_t schema_revision,
                                                const block::ColumnBatch& rows, WallTime now,
                                                Random& random) {
  TV_ASSIGN_OR_RETURN(const WipedBuffer plain, block::EncodeMicroBatch(rows));
  const WipedVector<int64_t>& times = rows.Find(block::kEventTimeColumn)->ints;
  const auto [least, most] = std::minmax_element(times.begin(), times.end());
  SealedMicroBatch sealed;
  record::v1::MicroBatchRecord& record = sealed.record;
  record.set_dataset_id(partition.dataset.value());
  record.set_day(partition.day.value());
  record.set_batch(batch);
  record.set_key_id(context.key.id.value());
  record.set_schema_revision(schema_revision);
  record.set_rows(static_cast<uint32_t>(rows.rows));
  record.set_min_time_us(*least);
  record.set_max_time_us(*most);
  record.set_written_at_us(now.micros);
  sealed.value = crypto::Seal(context.key.key, crypto::Use::kHotBatch,
                              AsBytes(MicroBatchIdentity(record)), plain, context.vault, random);
  record.set_sealed_bytes(sealed.value.size());
  record.set_tag(sealed.value.substr(sealed.value.size() - crypto::kTagBytes));
  return sealed;
}

absl::StatusOr<block::ColumnBatch> OpenMicroBatch(const SealingContext& context,
                                                  const record::v1::MicroBatchRecord& record,
                                                  std::string_view value,
                                                  std::span<const uint16_t> wanted) {
  if (value.size() != record.sealed_bytes() || !value.ends_with(record.tag())) {
    return absl::DataLossError("a micro-batch is not the one that its record names");
  }
  TV_ASSIGN_OR_RETURN(const WipedBuffer plain, crypto::Open(context.key.key, crypto::Use::kHotBatch,
                                                            AsBytes(MicroBatchIdentity(record)),
                                                            AsBytes(value), context.vault));
  TV_ASSIGN_OR_RETURN(block::ColumnBatch rows, block::DecodeMicroBatch(plain, wanted));
  if (rows.rows != record.rows()) {
    return absl::DataLossError("a micro-batch has other rows than its record says");
  }
  return rows;
}

absl::StatusOr<SealedBlock> SealBlock(const SealingContext& context, const BlockId& id,
                                      uint32_t schema_revision, const block::ColumnBatch& rows,
                                      Random& random) {
  TV_CHECK(rows.rows > 0 && rows.rows <= limits::kRowsPerBlock);
  TV_ASSIGN_OR_RETURN(const std::vector<block::EncodedColumn> columns, EncodeColumns(rows));
  const block::Footer footer = block::MakeFooter(rows, columns, schema_revision);
  const WipedBuffer footer_bytes = block::EncodeFooter(footer);
  if (footer_bytes.size() > limits::kMaxFooterBytes) {
    return absl::InvalidArgumentError("the footer of a block is too long");
  }
  crypto::BlockSealer sealer(context.key.key, random);
  SealedBlock sealed;
  sealed.record = NewRecord(context, id, schema_revision, footer, sealer.header());
  const std::string identity = BlockIdentity(context.vault, sealed.record);
  TagRoot root;
  uint64_t bytes = 0;
  const auto seal = [&](uint32_t ordinal, uint32_t number, Bytes plain) {
    std::string chunk = sealer.Seal(ordinal, AsBytes(ChunkAad(identity, ordinal)), plain);
    root.Add(chunk);
    bytes += chunk.size();
    sealed.chunks.push_back({.number = number, .bytes = std::move(chunk)});
  };
  uint32_t next = 0;
  for (const block::EncodedColumn& column : columns) {
    for (const block::EncodedChunk* const chunk : column.Chunks()) {
      seal(next, next, chunk->bytes);
      ++next;
    }
  }
  TV_CHECK(next == footer.chunks());
  seal(next, store::kFooterChunk, footer_bytes);
  sealed.record.set_sealed_bytes(bytes);
  sealed.record.set_tag_root(root.Finish());
  return sealed;
}

absl::StatusOr<BlockOpener> BlockOpener::Create(const SealingContext& context,
                                                const record::v1::BlockRecord& record) {
  TV_ASSIGN_OR_RETURN(crypto::BlockOpener opener, MakeOpener(context, record));
  return BlockOpener(BlockIdentity(context.vault, record), record, std::move(opener));
}

absl::StatusOr<WipedBuffer> BlockOpener::Open(uint32_t number, std::string_view sealed) const {
  const bool is_footer = number == store::kFooterChunk;
  if (!is_footer && number >= chunks_) {
    return absl::DataLossError("a block has fewer chunks than its footer says");
  }
  const uint32_t ordinal = is_footer ? chunks_ : number;
  WipedBuffer plain;
  TV_RETURN_IF_ERROR(
      opener_.Open(ordinal, AsBytes(ChunkAad(identity_, ordinal)), AsBytes(sealed), plain));
  return plain;
}

absl::StatusOr<block::Footer> BlockOpener::OpenFooter(std::string_view sealed) const {
  TV_ASSIGN_OR_RETURN(const WipedBuffer plain, Open(store::kFooterChunk, sealed));
  TV_ASSIGN_OR_RETURN(block::Footer footer, block::DecodeFooter(plain));
  if (footer.rows != rows_ || footer.chunks() != chunks_) {
    return absl::DataLossError("a block's footer is not the one that its record says");
  }
  return footer;
}

absl::Status CheckBlock(const SealingContext& context, const record::v1::BlockRecord& record,
                        const std::function<absl::StatusOr<std::string>(uint32_t number)>& read) {
  TV_ASSIGN_OR_RETURN(const BlockOpener opener, BlockOpener::Create(context, record));
  TagRoot root;
  uint64_t bytes = 0;
  for (uint32_t n = 0; n <= record.chunks(); ++n) {
    const bool is_footer = n == record.chunks();
    TV_ASSIGN_OR_RETURN(const std::string sealed, read(is_footer ? store::kFooterChunk : n));
    if (is_footer) {
      TV_RETURN_IF_ERROR(opener.OpenFooter(sealed).status());
    } else {
      TV_RETURN_IF_ERROR(opener.Open(n, sealed).status());
    }
    root.Add(sealed);
    bytes += sealed.size();
  }
  if (root.Finish() == record.tag_root() && bytes == record.sealed_bytes()) return absl::OkStatus();
  return absl::DataLossError("a block has not the tags that its record says");
}

ErasedState ErasedStateOf(const record::v1::PartitionRecord& record) {
  return {.erased_up_to = record.erased_up_to(),
          .withheld = record.withheld(),
          .left_out = record.left_out_sealed(),
          .left_out_key = KeyId(record.left_out_key_id())};
}

void SetErasedState(const ErasedState& state, record::v1::PartitionRecord& record) {
  record.set_erased_up_to(state.erased_up_to);
  record.set_withheld(state.withheld);
  record.set_left_out_sealed(state.left_out);
  record.set_left_out_key_id(state.left_out_key.value());
}

std::string SealSubjects(const SealingContext& context, PartitionId partition,
                         const SubjectList& subjects, Random& random) {
  WipedBuffer plain;
  for (const crypto::Hash16& subject : subjects.all()) {
    plain.insert(plain.end(), subject.begin(), subject.end());
  }
  return crypto::Seal(context.key.key, crypto::Use::kLeftOut,
                      AsBytes(store::RecordId(partition).numbers()), plain, context.vault, random);
}

absl::StatusOr<SubjectList> OpenSubjects(const SealingContext& context, PartitionId partition,
                                         std::string_view sealed) {
  TV_ASSIGN_OR_RETURN(
      const WipedBuffer plain,
      crypto::Open(context.key.key, crypto::Use::kLeftOut,
                   AsBytes(store::RecordId(partition).numbers()), AsBytes(sealed), context.vault));
  if (plain.size() % sizeof(crypto::Hash16) != 0) {
    return absl::DataLossError("a list of subjects has a size that format v1 does not know");
  }
  std::vector<crypto::Hash16> subjects(plain.size() / sizeof(crypto::Hash16));
  for (size_t i = 0; i < subjects.size(); ++i) {
    std::copy_n(plain.begin() + static_cast<std::ptrdiff_t>(i * sizeof(crypto::Hash16)),
                sizeof(crypto::Hash16), subjects[i].begin());
  }
  return SubjectList(std::move(subjects));
}

}  // namespace televault::partition
