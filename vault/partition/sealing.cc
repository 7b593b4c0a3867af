#include "vault/partition/sealing.h"

#include <algorithm>
#include <optional>

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

std::string ChunkAad(const VaultId& vault, const record::v1::BlockRecord& block,
                     const record::v1::ChunkRecord& chunk, uint32_t ordinal) {
  std::string aad(kBlockDomain);
  PutLittleEndian(aad, static_cast<uint8_t>(block.format_version()));
  PutLittleEndian(aad, static_cast<uint8_t>(block.algorithm()));
  aad.append(AsText(vault.bytes));
  PutLittleEndian(aad, uint32_t{block.dataset_id()});
  PutLittleEndian(aad, int32_t{block.day()});
  PutLittleEndian(aad, uint64_t{block.block()});
  PutLittleEndian(aad, uint64_t{block.key_id()});
  aad.append(block.salt());
  PutLittleEndian(aad, static_cast<uint16_t>(chunk.column()));
  PutLittleEndian(aad, ordinal);
  PutLittleEndian(aad, uint32_t{chunk.codec()});
  PutLittleEndian(aad, uint64_t{chunk.raw_bytes()});
  PutLittleEndian(aad, uint32_t{block.schema_revision()});
  PutLittleEndian(aad, uint32_t{block.rows()});
  return aad;
}

// Seals one chunk, lists it in `chunk` and hands its bytes to `sealed`.
void SealChunk(const VaultId& vault, crypto::BlockSealer& sealer,
               const record::v1::BlockRecord& block, uint32_t ordinal, Bytes plain,
               record::v1::ChunkRecord& chunk, SealedBlock& sealed) {
  crypto::SealedChunk result =
      sealer.Seal(ordinal, AsBytes(ChunkAad(vault, block, chunk, ordinal)), plain);
  chunk.set_sealed_bytes(result.bytes.size());
  chunk.set_tag(result.tag.data(), result.tag.size());
  sealed.sealed_bytes += result.bytes.size();
  sealed.chunks.push_back(
      {.column = static_cast<uint16_t>(chunk.column()), .bytes = std::move(result.bytes)});
}

std::array<uint8_t, 32> TagRoot(const record::v1::BlockRecord& record) {
  std::string input(kTagDomain);
  for (const record::v1::ChunkRecord& chunk : record.chunks()) input.append(chunk.tag());
  input.append(record.footer().tag());
  return crypto::PlainHash32(AsBytes(input));
}

record::v1::BlockRecord NewRecord(const SealingContext& context, const BlockId& id,
                                  uint32_t schema_revision, const block::ColumnBatch& rows,
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
  record.set_rows(static_cast<uint32_t>(rows.rows));
  const block::Column& time = *rows.Find(block::kEventTimeColumn);
  record.set_min_time_us(time.ints.front());
  record.set_max_time_us(time.ints.back());
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

absl::Status OpenChunk(const VaultId& vault, const crypto::BlockOpener& opener,
                       const record::v1::BlockRecord& block, const record::v1::ChunkRecord& chunk,
                       uint32_t ordinal, std::string_view sealed, WipedBuffer& plain) {
  crypto::ChunkTag tag;
  if (chunk.tag().size() != tag.size() || chunk.sealed_bytes() != sealed.size()) {
    return absl::DataLossError("a chunk has not the length that its record says");
  }
  std::copy(chunk.tag().begin(), chunk.tag().end(), tag.begin());
  return opener.Open(ordinal, AsBytes(ChunkAad(vault, block, chunk, ordinal)), AsBytes(sealed), tag,
                     plain);
}

// Place of the column in the record's list, which is its ordinal.
std::optional<uint32_t> OrdinalOf(const record::v1::BlockRecord& record, uint16_t number) {
  for (int i = 0; i < record.chunks_size(); ++i) {
    if (record.chunks(i).column() == number) return static_cast<uint32_t>(i);
  }
  return std::nullopt;
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
  crypto::BlockSealer sealer(context.key.key, random);
  SealedBlock sealed;
  sealed.record = NewRecord(context, id, schema_revision, rows, sealer.header());
  std::vector<block::ChunkCodec> codecs;
  const auto add = [&](uint16_t number, const block::EncodedChunk& chunk) {
    const auto ordinal = static_cast<uint32_t>(sealed.record.chunks_size());
    record::v1::ChunkRecord& listed = *sealed.record.add_chunks();
    listed.set_column(number);
    listed.set_codec(chunk.codec.Number());
    listed.set_raw_bytes(chunk.codec.raw_bytes);
    SealChunk(context.vault, sealer, sealed.record, ordinal, chunk.bytes, listed, sealed);
  };
  for (size_t i = 0; i < rows.columns.size(); ++i) {
    TV_ASSIGN_OR_RETURN(const block::EncodedColumn column, block::EncodeColumn(rows.columns[i]));
    add(rows.numbers[i], column.values);
    if (column.dictionary.has_value()) add(DictionaryOf(rows.numbers[i]), *column.dictionary);
    codecs.push_back(column.values.codec);
  }
  const WipedBuffer footer = block::EncodeFooter(block::MakeFooter(rows, codecs, schema_revision));
  record::v1::ChunkRecord& listed = *sealed.record.mutable_footer();
  listed.set_column(store::kFooterColumn);
  listed.set_raw_bytes(footer.size());
  SealChunk(context.vault, sealer, sealed.record,
            static_cast<uint32_t>(sealed.record.chunks_size()), footer, listed, sealed);
  sealed.tag_root = TagRoot(sealed.record);
  return sealed;
}

absl::StatusOr<block::Footer> OpenFooter(const SealingContext& context,
                                         const record::v1::BlockRecord& record,
                                         std::string_view sealed) {
  TV_ASSIGN_OR_RETURN(const crypto::BlockOpener opener, MakeOpener(context, record));
  WipedBuffer plain;
  TV_RETURN_IF_ERROR(OpenChunk(context.vault, opener, record, record.footer(),
                               static_cast<uint32_t>(record.chunks_size()), sealed, plain));
  TV_ASSIGN_OR_RETURN(block::Footer footer, block::DecodeFooter(plain));
  if (footer.rows != record.rows()) {
    return absl::DataLossError("a block's footer has other rows than its record says");
  }
  return footer;
}

absl::StatusOr<ColumnOpener> ColumnOpener::Create(const SealingContext& context,
                                                  const record::v1::BlockRecord& record,
                                                  const block::Footer& footer) {
  TV_ASSIGN_OR_RETURN(crypto::BlockOpener opener, MakeOpener(context, record));
  return ColumnOpener(context.vault, record, footer, std::move(opener));
}

absl::StatusOr<std::pair<block::ChunkCodec, WipedBuffer>> ColumnOpener::OpenPart(
    uint16_t number, std::string_view sealed) const {
  const std::optional<uint32_t> ordinal = OrdinalOf(record_, number);
  if (!ordinal.has_value()) {
    return absl::DataLossError("a block's record does not name a chunk that the block must have");
  }
  const record::v1::ChunkRecord& chunk = record_.chunks(static_cast<int>(*ordinal));
  WipedBuffer plain;
  TV_RETURN_IF_ERROR(OpenChunk(vault_, opener_, record_, chunk, *ordinal, sealed, plain));
  TV_ASSIGN_OR_RETURN(const block::ChunkCodec codec,
                      block::CodecFromNumber(chunk.codec(), chunk.raw_bytes()));
  return std::pair(codec, std::move(plain));
}

absl::StatusOr<block::OpenedChunk> ColumnOpener::Open(uint16_t number,
                                                      std::string_view sealed) const {
  const block::FooterColumn* const column = footer_.Find(number);
  TV_CHECK(column != nullptr);
  TV_ASSIGN_OR_RETURN(auto part, OpenPart(number, sealed));
  return block::OpenChunk(part.first, std::move(part.second), column->type, record_.rows());
}

absl::Status ColumnOpener::OpenDictionary(uint16_t number, std::string_view sealed,
                                          block::ColumnReader& reader) const {
  TV_ASSIGN_OR_RETURN(auto part, OpenPart(DictionaryOf(number), sealed));
  return block::OpenDictionary(part.first, std::move(part.second), reader);
}

absl::Status CheckChunk(const SealingContext& context, const record::v1::BlockRecord& record,
                        uint16_t column, std::string_view sealed) {
  const std::optional<uint32_t> ordinal = OrdinalOf(record, column);
  if (!ordinal.has_value()) return absl::DataLossError("a block's record has no such column");
  TV_ASSIGN_OR_RETURN(const crypto::BlockOpener opener, MakeOpener(context, record));
  WipedBuffer plain;
  return OpenChunk(context.vault, opener, record, record.chunks(static_cast<int>(*ordinal)),
                   *ordinal, sealed, plain);
}

uint64_t SealedBytes(const record::v1::BlockRecord& record) {
  uint64_t bytes = record.footer().sealed_bytes();
  for (const record::v1::ChunkRecord& chunk : record.chunks()) bytes += chunk.sealed_bytes();
  return bytes;
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
