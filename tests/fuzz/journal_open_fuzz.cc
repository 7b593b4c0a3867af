// FUZZ_DEPS: televault_test_store televault_test_support
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "audit/tiles.h"
#include "tests/fuzz/archive.h"
#include "tests/support/sim_store.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/store/engine.h"
#include "vault/store/log_layout.h"
#include "vault/store/meta_sum.h"

using namespace televault;

constexpr uint64_t kOneTile = audit::kTileWidth;

class NoSigner final : public store::CheckpointSigner {
 public:
  absl::StatusOr<std::string> SignCheckpoint(uint64_t, const audit::Hash&) const override {
    return "signed";
  }
};

store::CommitUnit UnitOf(const std::string& leaf) {
  store::CommitUnit unit;
  unit.leaves.push_back({leaf, audit::LeafHash(AsBytes(leaf))});
  return unit;
}

absl::StatusOr<store::Engine> Open(std::unique_ptr<store::Store> store, const SecretBytes& key,
                                   bool adopt) {
  static const NoSigner signer;
  static const televault::testing::TempDirectory directory;
  const std::string path = directory.Path("anchor");
  if (PosixFileSystem().Exists(path)) TV_CHECK(PosixFileSystem().Remove(path).ok());
  TV_ASSIGN_OR_RETURN(auto anchor,
                      store::Anchor::Open({.path = path, .fs = PosixFileSystem(), .key = key}));
  return store::OpenEngine({.store = std::move(store),
                            .anchor = std::move(anchor),
                            .freshness_key = key,
                            .signer = signer,
                            .lock_epoch = [] { return LockEpoch(1); },
                            .on_failure = [](std::string_view) {},
                            .keyring_generation = 1,
                            .control_generation = 1,
                            .current_lock_epoch = LockEpoch(1),
                            .adopt_recovered_state = adopt});
}

// Puts the archive into a store: "m…" are records of the meta family, everything else is the audit
// family's. The MAC of a head that lacks only that is made right, so that its fields are reached.
void Fill(store::Store& store, Bytes archive, const SecretBytes& key) {
  constexpr size_t kMacBytes = 32;
  static const size_t head_bytes = store::EncodeHead({}, key).size();
  store::CommitBatch batch;
  for (auto& [name, content] : televault::testing::ReadArchive(archive)) {
    const bool meta = name.starts_with('m');
    std::string value = content;
    if (name == store::kHeadKey && value.size() == head_bytes - kMacBytes) {
      value += AsText(crypto::KeyedHash32(key, "televault.jhead", AsBytes(value)));
    }
    batch.mutations.push_back(
        {meta ? store::Family::kMeta : store::Family::kAudit, meta ? name.substr(1) : name, value});
  }
  const auto epoch = store.AcquireLease(StoreEpoch(0));
  TV_CHECK(epoch.ok() && store.Commit(*epoch, batch) == store::CommitOutcome::kOk);
}

// The journal's log is the one its head tells: every entry is there, they hash to the root, each is
// proven, and the next one goes on from them. Above one tile the tiles stand for the entries.
void CheckLog(store::Journal& journal) {
  const store::CommitReceipt head = journal.Head();
  if (head.tree_size >= kOneTile) return;
  audit::Frontier tree;
  while (tree.size() < head.tree_size) {
    const auto leaves = journal.ReadLeaves(LeafIndex(tree.size()), kOneTile);
    TV_CHECK(leaves.ok() && !leaves->empty());
    for (const std::string& leaf : *leaves) tree.Append(audit::LeafHash(AsBytes(leaf)));
  }
  TV_CHECK(tree.Root() == head.root);
  if (head.tree_size > 0) {
    const LeafIndex index(head.tree_size / 2);
    const auto proof = journal.InclusionProof(index, head.tree_size);
    const auto leaf = journal.ReadLeaves(index, 1);
    TV_CHECK(proof.ok() && leaf.ok());
    const audit::Hash hash = audit::LeafHash(AsBytes(leaf->front()));
    TV_CHECK(audit::VerifyInclusion(index.value(), hash, *proof, tree.Head()).ok());
  }
  const auto receipt = journal.Commit(UnitOf("one more"));
  TV_CHECK(receipt.ok() && receipt->first_leaf == LeafIndex(head.tree_size));
  tree.Append(audit::LeafHash(AsBytes("one more")));
  TV_CHECK(receipt->root == tree.Root());
}

// What a vault reads when it opens its store, written by somebody with the disk in his hands: the
// journal's head, leaves, tiles, the kept checkpoint, records. Either the vault goes on from
// exactly that log, or it accepts nothing. The first byte says whether an operator adopts what is
// there.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const SecretBytes key(32);
  auto store = std::make_unique<televault::testing::SimStore>(
      std::make_shared<televault::testing::SimDisk>(1));
  Fill(*store, {data + 1, size - 1}, key);
  const bool adopt = data[0] % 2 == 1;
  const auto engine = Open(std::move(store), key, adopt);
  TV_CHECK(engine.ok());
  if (!engine->quarantine.empty()) {
    TV_CHECK(!engine->journal->Commit(UnitOf("refused")).ok());
    return 0;
  }
  if (!adopt) {
    const auto view = engine->store->Pin();
    const auto head = (*view)->Get(store::Family::kAudit, store::kHeadKey);
    const auto sum = store::SumOfMeta(**view, key);
    TV_CHECK(sum.ok());
    TV_CHECK(head.ok() ? store::ParseHead(AsBytes(*head), key)->meta_sum == *sum
                       : *sum == store::MetaSum{});
  }
  CheckLog(*engine->journal);
  return 0;
}
