#pragma once

#include <memory>

#include "vault/base/secret.h"
#include "vault/catalog/catalog.h"
#include "vault/erasure/eraser.h"
#include "vault/erasure/erasures.h"
#include "vault/ingest/ingestor.h"
#include "vault/ingest/vault_ports.h"
#include "vault/partition/merger.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/partition_reader.h"
#include "vault/partition/partition_writer.h"
#include "vault/retention/retention.h"
#include "vault/service/access_desk.h"
#include "vault/service/erased_subjects.h"
#include "vault/service/literal_hashes.h"
#include "vault/store/meta.h"
#include "vault/store/store.h"

namespace televault::service {

// Everything that needs the keys: built at unseal, let go of at seal. Calls hold it by shared_ptr
// while they run, so that sealing never pulls the ground from under one.
struct DataPlane {
  store::Store& store;
  store::MetaStore& meta;
  const LiteralHashes& literals;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<partition::PartitionCatalog> partitions;
  std::unique_ptr<partition::PartitionWriter> writer;
  std::unique_ptr<partition::PartitionReader> reader;
  std::unique_ptr<partition::Merger> merger;
  std::unique_ptr<ingest::WriterSink> sink;
  std::unique_ptr<ingest::KeyringSubjectKeys> subject_keys;
  std::unique_ptr<erasure::Erasures> erasures;
  std::unique_ptr<ErasedSubjects> subject_blocks;
  std::unique_ptr<ingest::MetaLedger> ledger;
  std::unique_ptr<ingest::Ingestor> ingestor;
  std::unique_ptr<erasure::Eraser> eraser;
  std::unique_ptr<retention::RetentionManager> retention;
  std::unique_ptr<AccessDesk> access;
  SecretBytes mask_key;  // keys the `hash` mask; fresh at every unseal
};

// Hands out the data plane.
class DataPlaneSource {
 public:
  virtual ~DataPlaneSource() = default;
  // UNAVAILABLE with reason SEALED or CONTROL_MODE where there is none.
  virtual absl::StatusOr<std::shared_ptr<DataPlane>> Data() = 0;
};

}  // namespace televault::service
