#pragma once

namespace televault::crash {

// Every TV_CRASH_POINT of the product that a daemon under load reaches; together with the lists
// below all there are: tests/crash/check_crash_points.py keeps them complete.
inline constexpr const char* kCrashPoints[] = {
    "anchor.after_sync",
    "anchor.before_sync",
    "control.durable",
    "file.replace.renamed",
    "file.replace.synced",
    "file.replace.written",
    "file.shred.overwritten",
    "file.shred.removed",
    "journal.anchored",
    "journal.committed",
    "journal.prepared",
    "keyring.anchored",
    "keyring.generation_durable",
    "keyring.replica_written",
    "keyring.slot_destroyed",
    "keyring.slot_ready",
    "lock.synced",
    "lock.written",
    "merge.before_commit",
    "merge.block_erased",
    "merge.block_put",
    "merge.committed",
    "retention.after_erase",
    "retention.after_purge_deletes",
    "retention.after_shred",
    "retention.after_shred_recorded",
    "retention.before_shred",
    "store.after_commit",
    "store.before_commit",
    "store.block_built",
    "store.block_ingested",
};

// While a subject is erased: tests/integration/daemon/erasure_crash_test.cc.
inline constexpr const char* kErasureCrashPoints[] = {
    "erasure.keys_destroyed", "erasure.noted",   "erasure.rekeyed",
    "erasure.rewritten",      "erasure.settled", "rewrite.committed",
};

// While keys are changed: tests/integration/daemon/keys_test.cc.
inline constexpr const char* kKeyChangeCrashPoints[] = {
    "meta.key_destroyed", "meta.resealed",         "root.changed",
    "root.new_keyfile",   "root.old_keyfile_gone",
};

// While a backup is made: tests/integration/daemon/backup_test.cc.
inline constexpr const char* kBackupCrashPoints[] = {
    "backup.complete",
    "backup.copied",
    "backup.listed",
    "backup.named",
};

// Of a restore, and of the start after it: tests/integration/daemon/restore_test.cc.
inline constexpr const char* kRestoreCrashPoints[] = {
    "restore.followed", "restore.kept",   "restore.ordered",
    "restore.recorded", "restore.staged", "restore.swapped",
};

}  // namespace televault::crash
