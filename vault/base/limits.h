#pragma once

#include <cstddef>
#include <cstdint>

// Every bound of the system. Whoever adds a queue, a loop over input or a request field adds its
// bound here and a static_assert where two bounds depend on each other.
namespace televault::limits {

inline constexpr size_t KiB = 1024;
inline constexpr size_t MiB = 1024 * KiB;

// Blocks and batches.
inline constexpr size_t kRowsPerBlock = 65'536;
inline constexpr size_t kRowsPerVector = 1'024;
inline constexpr size_t kRowsPerCheck = 2'048;       // deadline, cancellation, lockdown, expiry
inline constexpr size_t kRowsPerSmallChunk = 8'192;  // no chunk of a column has fewer, but the last
inline constexpr size_t kWorthAChunk = 16 * KiB;     // encoded, of a column's rows
inline constexpr size_t kDictionaryPageBytes = 16 * KiB;  // of text, where entries are shorter
inline constexpr size_t kMaxBlockBytes = 16 * MiB;
inline constexpr size_t kMaxColumns = 256;                     // event_time and subject included
inline constexpr size_t kMaxChunkRawBytes = 64 * MiB;          // one column of one block, inflated
inline constexpr size_t kMaxListElementsPerChunk = 4'194'304;  // 64 a row in a full block
inline constexpr size_t kMaxMicroBatchRawBytes = 128 * MiB;    // all columns, inflated
inline constexpr size_t kMaxFooterBytes = 4 * MiB;
inline constexpr size_t kMaxFooterCacheBytes = 64 * MiB;

// Merge.
inline constexpr size_t kMergeHotBytes = 8 * MiB;       // sealed; from then on a merge is due
inline constexpr size_t kMergeHotBatches = 8;           // with an oldest of 60 s a merge is due
inline constexpr int64_t kMergeAgeMicros = 60'000'000;  // 60 s
inline constexpr size_t kMaxMergeRows = 4 * kRowsPerBlock;
inline constexpr size_t kMaxMergeBytes = 64 * MiB;         // sealed, of all inputs
inline constexpr size_t kMaxMergeMemoryBytes = 256 * MiB;  // all inputs, decoded and joined
// In memory: a number or a code, its place in the dictionary, its NULL; without its text.
inline constexpr size_t kMaxValueMemoryBytes = 9;
inline constexpr size_t kMaxMergeInputs = 8'192;  // their deletes fit one commit
inline constexpr size_t kMaxEventsPerAppend = 65'536;
inline constexpr size_t kMaxColumnNumber = 4'096;  // over the life of a dataset
inline constexpr size_t kMaxSubjectBytes = 256;    // a raw subject id
inline constexpr size_t kMaxEventIdBytes = 64;
inline constexpr size_t kMaxRejectsReported = 10'000;  // of one batch: all, for batches up to that
inline constexpr size_t kMaxBatchesInFlight = 4'096;

// Commits.
inline constexpr size_t kMaxCommitBytes = 8 * MiB;
inline constexpr size_t kWriteBufferBytes = 16 * MiB;  // of each family of the engine
inline constexpr size_t kMaxJournalQueueBytes = 64 * MiB;
// Beyond the queue's bound, for security events only.
inline constexpr size_t kJournalSecurityQueueBytes = 1 * MiB;
// Of one commit: keys, full tiles, head record, checkpoint.
inline constexpr size_t kCommitOverheadBytes = 256 * KiB;
inline constexpr size_t kMaxUnitBytes = kMaxCommitBytes - kCommitOverheadBytes;
inline constexpr size_t kMaxLeavesPerCommit = 4'096;
inline constexpr size_t kMaxOpeningsPerCommit = 1'024;  // partitions; each is an entry of its own
inline constexpr size_t kMaxLeafReadBytes = 8 * MiB;
inline constexpr size_t kMaxAuditLeafBytes = 65'535;  // tlog-tiles entry bound

// Messages.
inline constexpr size_t kMaxMessageBytes = 64 * MiB;
// Of objects, once parsed. A column's number takes up to 16 bytes while its list grows.
inline constexpr size_t kMaxParsedMessageBytes = 512 * MiB;
inline constexpr size_t kMaxParsedBytesInFlight = 2'048 * MiB;  // of messages with events
// Requests that carry no events.
inline constexpr size_t kMaxPlainRequestBytes = 1 * MiB;
inline constexpr size_t kMaxParsedPlainRequestBytes = 16 * MiB;
inline constexpr size_t kMaxResultBatchBytes = 512 * KiB;
inline constexpr size_t kHandoverBytes = 1 * MiB;  // of rows from one thread to another, about
inline constexpr size_t kMaxErrorTextBytes = 1 * KiB;
inline constexpr size_t kMaxSqlBytes = 64 * KiB;
inline constexpr size_t kMaxSqlTokens = 8'192;  // a parser stack of 4,096 operators: 1 MiB
inline constexpr size_t kMaxManifestBytes = 256 * KiB;
inline constexpr size_t kMaxReasonBytes = 1 * KiB;
inline constexpr size_t kMaxNameBytes = 64;
inline constexpr size_t kMaxPageSize = 1'000;

// Queries.
inline constexpr size_t kDefaultQueryMemoryBytes = 256 * MiB;
inline constexpr size_t kMaxExpressionDepth = 64;
// BETWEEN and CASE x WHEN repeat what they test, so a short text can ask for a large tree. A text
// counts as one node more for each kTextBytesPerNode, because every repetition copies it.
inline constexpr size_t kMaxExpressionNodes = 16'384;
inline constexpr size_t kTextBytesPerNode = 16;
// GROUP BY by position binds its expression again; texts of parameters are added.
inline constexpr size_t kMaxBoundNodes = 3 * kMaxExpressionNodes;
inline constexpr size_t kMaxSelectItems = 256;
inline constexpr size_t kMaxQueriesInFlight = 64;

// Live partitions: keyring size, open and purge time are measured at this number.
inline constexpr size_t kMaxLivePartitions = 400'000;
// Keys beyond that for partitions that are being rewritten: erasing must not wait for room.
inline constexpr size_t kMaxRewrittenPartitions = 1'024;
// Subjects ever erased: their hashes are in memory.
inline constexpr size_t kMaxErasures = 1'000'000;
// Subjects of a day that aggregates leave out because of erasures; beyond that they get nobody.
inline constexpr size_t kMaxLeftOut = 16'384;

// Lockdowns in force. Engaging is never refused: beyond these the scope is widened to everything,
// and lockdowns over everything of one level become one.
inline constexpr size_t kMaxScopedLockdowns = 48;
inline constexpr size_t kMaxWideLockdowns = 12;

// Keys. A keyring file is read whole: one entry takes 124 bytes.
inline constexpr size_t kMaxKeyringBytes = 128 * MiB;
inline constexpr size_t kMaxDatasets = 4'096;
inline constexpr size_t kMaxSubjectSalts = 65'536;
inline constexpr size_t kMaxAuditEpochs = 1'024;
// Up to so many a further one is made on request; the rest is for those of the months to come.
inline constexpr size_t kMaxAskedAuditEpochs = kMaxAuditEpochs / 2;
inline constexpr size_t kMaxMetaKeys = 8;
inline constexpr size_t kMaxLegalHolds = 256;  // ended ones included, while their days are there
inline constexpr int kMaxHoldDays = 366;
inline constexpr size_t kMaxPinBytes = 255;         // of a token's user
inline constexpr size_t kMaxSlotTokens = 8;         // that hold one vault's slot secrets
inline constexpr size_t kMaxTokenLabelBytes = 32;   // PKCS#11
inline constexpr size_t kMaxTokenSlots = 256;       // of one module
inline constexpr size_t kMaxTokenObjects = 65'536;  // of one kind on one token, looked through
inline constexpr size_t kMaxTokenValueBytes = 4 * KiB;
inline constexpr size_t kMinPassphraseBytes = 12;
inline constexpr size_t kMaxPassphraseBytes = 1'024;
inline constexpr uint32_t kMaxPassphrasePasses = 16;
inline constexpr uint64_t kMinPassphraseMemory = 8 * MiB;
inline constexpr uint64_t kMaxPassphraseMemory = 1'024 * MiB;

// Control store.
inline constexpr size_t kMaxPersons = 4'096;
inline constexpr size_t kMaxTokens = 16'384;
inline constexpr int kDaysTokensAreListed = 30;  // after their expiry
inline constexpr size_t kMaxControlBytes = 32 * MiB;
inline constexpr size_t kMaxLockStateBytes = 512 * KiB;

// Backups.
inline constexpr size_t kMaxBackupPathBytes = 1'024;
inline constexpr size_t kMaxBackupManifestBytes = 16 * KiB;
inline constexpr size_t kMaxBackupListBytes = 256 * MiB;  // about 120 bytes a file
inline constexpr size_t kMaxBackupProblems = 100;         // told one by one
inline constexpr size_t kBackupPieceBytes = 1 * MiB;      // between two looks at whether to go on
inline constexpr size_t kBackupUnsyncedBytes = 8 * MiB;   // waiting to be written at any time
inline constexpr uint64_t kBackupKeepFreeBytes = 256 * MiB;
static_assert(kBackupPieceBytes <= kBackupUnsyncedBytes);

// Votes. Compiled in: no setting lowers it.
inline constexpr int kMinApprovals = 2;

static_assert(kMaxCommitBytes < kMaxJournalQueueBytes);
static_assert(kMaxOpeningsPerCommit + 2 < kMaxLeavesPerCommit);
// A full tile is 8 KiB; 256 leaves fill one of the lowest level.
static_assert(kMaxLeavesPerCommit / 256 * 8 * KiB + kMaxLeavesPerCommit * 9 < kCommitOverheadBytes);
static_assert(kMaxResultBatchBytes < kMaxMessageBytes);
static_assert(kMaxEventsPerAppend * (kMaxColumns + 1) * 16 + kMaxMessageBytes <
              kMaxParsedMessageBytes);
static_assert(2 * kMaxParsedMessageBytes <= kMaxParsedBytesInFlight);
static_assert(2 * (kMaxManifestBytes + kMaxSqlBytes) < kMaxPlainRequestBytes);
// What repeats nothing is never refused for its size alone.
static_assert(kMaxSqlTokens + kMaxSqlBytes / kTextBytesPerNode < kMaxExpressionNodes);
static_assert(kRowsPerBlock % kRowsPerSmallChunk == 0 && kRowsPerSmallChunk % kRowsPerCheck == 0);
static_assert(kRowsPerCheck % kRowsPerVector == 0);
static_assert(kMaxEventsPerAppend <= kRowsPerBlock);
// Any one micro-batch fits a merge, and any block that a merge wrote: texts are at most half of the
// raw bytes allowed, and a list element takes a code and a place in the dictionary.
static_assert(kMaxEventsPerAppend * kMaxColumns * kMaxValueMemoryBytes +
                  kMaxListElementsPerChunk * 8 + kMaxMicroBatchRawBytes / 2 <=
              kMaxMergeMemoryBytes);
static_assert(kMaxColumns < kMaxColumnNumber && kMaxColumnNumber < 0xFFFF);
static_assert(kMinApprovals >= 2);
static_assert((kMaxLivePartitions + kMaxRewrittenPartitions) * 124 + kMaxSubjectSalts * 112 +
                  kMaxDatasets * 104 + kMaxAuditEpochs * 144 +
                  kMaxLegalHolds * (64 + kMaxNameBytes + kMaxReasonBytes) <
              kMaxKeyringBytes);

}  // namespace televault::limits
