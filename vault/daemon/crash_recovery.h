#pragma once

#include "vault/base/status.h"
#include "vault/crypto/keyring.h"
#include "vault/incident/lockdown_manager.h"
#include "vault/partition/merger.h"
#include "vault/service/entry_reader.h"
#include "vault/service/recorder.h"
#include "vault/store/journal.h"

namespace televault::daemon {

// Finds the intents of earlier runs that have no outcome and records an UNKNOWN_CRASH outcome for
// each: what they announced may have been disclosed. Looks back to where it last did so. Lockdowns
// that were engaged since and have no entry, because nothing could be written, get an `audit.gap`
// entry.
absl::Status CloseOpenIntents(const store::Journal& journal, service::EntryReader& entries,
                              service::Recorder& recorder, const v1::LockdownStatus& lockdowns);

// Destroys the keys that are due while the datasets are closed, and what an earlier run left of old
// ones. The entries and records follow at
// the first retention run after the unseal.
absl::Status ShredWhileSealed(crypto::Keyring& keyring, const incident::LockdownManager& lockdown);

// The audit leaf of a merge.
absl::StatusOr<std::vector<store::AuditLeaf>> SealMerge(service::Recorder& recorder,
                                                        const partition::MergeEvent& event,
                                                        const std::string& dataset);

}  // namespace televault::daemon
