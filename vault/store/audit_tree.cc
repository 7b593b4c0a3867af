#include "vault/store/audit_tree.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/store/log_layout.h"

namespace televault::store {
namespace {

absl::Status Missing(const absl::Status& status, std::string_view what, uint64_t index) {
  if (!absl::IsNotFound(status)) return status;
  return absl::DataLossError(absl::StrCat("the audit log lacks ",
                                          absl::string_view(what.data(), what.size()), " ", index));
}

absl::StatusOr<std::string> StoredTile(const View& view, const audit::TileId& tile) {
  absl::StatusOr<std::string> bytes = view.Get(Family::kAudit, TileKey(tile.level, tile.index));
  if (!bytes.ok()) {
    return Missing(bytes.status(), absl::StrCat("tile of level ", tile.level), tile.index);
  }
  return bytes;
}

absl::Status CheckSize(uint64_t size, uint64_t published) {
  if (size <= published) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("the audit log has ", published, " entries, fewer than ", size));
}

}  // namespace

absl::StatusOr<audit::TileBuilder> RebuildTree(const View& view, uint64_t size) {
  return audit::TileBuilder::Rebuild(
      size, [&](const audit::TileId& tile) { return StoredTile(view, tile); },
      [&](uint64_t index) -> absl::StatusOr<audit::Hash> {
        const absl::StatusOr<std::string> leaf = view.Get(Family::kAudit, LeafKey(index));
        if (!leaf.ok()) return Missing(leaf.status(), "entry", index);
        return audit::LeafHash(AsBytes(*leaf));
      });
}

AuditTree::AuditTree(Store& store, TreeSnapshot initial)
    : store_(store), snapshot_(std::make_shared<TreeSnapshot>(std::move(initial))) {}

std::shared_ptr<const TreeSnapshot> AuditTree::snapshot() const {
  const std::lock_guard lock(mu_);
  return snapshot_;
}

void AuditTree::Publish(TreeSnapshot next) {
  auto published = std::make_shared<const TreeSnapshot>(std::move(next));
  {
    const std::lock_guard lock(mu_);
    snapshot_ = std::move(published);
  }
  grown_.notify_all();
}

void AuditTree::WaitForGrowth(uint64_t size, std::chrono::milliseconds at_most) const {
  std::unique_lock lock(mu_);
  grown_.wait_for(lock, at_most, [&] { return snapshot_->builder.size() > size; });
}

namespace {

// Hashes of complete subtrees of a published tree. The view is pinned after the snapshot was
// taken, so every tile that is full in the snapshot is in the view.
class SubtreeReader {
 public:
  SubtreeReader(const TreeSnapshot& tree, const View& view) : tree_(tree), view_(view) {}

  absl::StatusOr<audit::Hash> operator()(uint32_t level, uint64_t index) const {
    // Receipts ask for leaves written a moment ago: most of their path lies in the edge.
    if (const auto at_edge = tree_.builder.Find(level, index)) return *at_edge;
    return audit::SubtreeHash(level, index, tree_.builder.size(),
                              [this](const audit::TileId& tile) { return Tile(tile); });
  }

 private:
  absl::StatusOr<std::string> Tile(const audit::TileId& tile) const {
    if (audit::TileWidthAt(tile.level, tile.index, tree_.builder.size()) == audit::kTileWidth) {
      return StoredTile(view_, tile);
    }
    return audit::EncodeTile(tree_.builder.edge(tile.level));
  }

  const TreeSnapshot& tree_;
  const View& view_;
};

}  // namespace

absl::StatusOr<std::vector<audit::Hash>> AuditTree::InclusionProof(LeafIndex index,
                                                                   uint64_t tree_size) const {
  const std::shared_ptr<const TreeSnapshot> tree = snapshot();
  TV_RETURN_IF_ERROR(CheckSize(tree_size, tree->builder.size()));
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<View> view, store_.Pin());
  return audit::InclusionProof(index.value(), tree_size, SubtreeReader(*tree, *view));
}

absl::StatusOr<std::vector<audit::Hash>> AuditTree::ConsistencyProof(uint64_t old_size,
                                                                     uint64_t new_size) const {
  const std::shared_ptr<const TreeSnapshot> tree = snapshot();
  TV_RETURN_IF_ERROR(CheckSize(new_size, tree->builder.size()));
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<View> view, store_.Pin());
  return audit::ConsistencyProof(old_size, new_size, SubtreeReader(*tree, *view));
}

absl::StatusOr<audit::Hash> AuditTree::RootAt(uint64_t size) const {
  const std::shared_ptr<const TreeSnapshot> tree = snapshot();
  TV_RETURN_IF_ERROR(CheckSize(size, tree->builder.size()));
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<View> view, store_.Pin());
  return audit::RootFromReader(size, SubtreeReader(*tree, *view));
}

absl::StatusOr<std::vector<std::string>> AuditTree::ReadLeaves(LeafIndex first,
                                                               size_t count) const {
  const uint64_t size = snapshot()->builder.size();
  std::vector<std::string> leaves;
  if (first.value() >= size || count == 0) return leaves;
  const uint64_t end = first.value() + std::min<uint64_t>(count, size - first.value());
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<View> view, store_.Pin());
  size_t bytes = 0;
  uint64_t next = first.value();
  const auto visit = [&](std::string_view key, std::string_view leaf) {
    bytes += leaf.size();
    const bool too_much = !leaves.empty() && bytes > limits::kMaxLeafReadBytes;
    if (next == end || too_much || key != LeafKey(next)) return false;
    leaves.emplace_back(leaf);
    ++next;
    return true;
  };
  TV_RETURN_IF_ERROR(view->Scan(Family::kAudit, kLeafPrefix, LeafKey(next), visit));
  // A gap is told when it is the first entry asked for.
  if (leaves.empty()) {
    return absl::DataLossError(absl::StrCat("the audit log lacks entry ", first.value()));
  }
  return leaves;
}

}  // namespace televault::store
