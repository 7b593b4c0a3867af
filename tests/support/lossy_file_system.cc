#include "tests/support/lossy_file_system.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "vault/base/check.h"

namespace televault::testing {
namespace {

constexpr size_t kSector = 512;
constexpr size_t kMaxFile = 1ULL << 30;

struct Write {
  enum class Kind { kData, kTruncate } kind = Kind::kData;
  uint64_t offset = 0;  // of the data, or the new size
  std::string data;
};

// A file or directory apart from its names.
struct Node {
  bool directory = false;
  int permissions = 0644;
  std::string durable;         // contents as of the last sync
  std::vector<Write> pending;  // since then
};
using NodeRef = std::shared_ptr<Node>;

// One atomic change of a directory: names set or removed.
struct NameChange {
  std::vector<std::pair<std::string, NodeRef>> names;  // null: removed
};

struct Directory {
  std::map<std::string, NodeRef> durable;
  std::map<std::string, NodeRef> current;
  std::vector<NameChange> pending;
};

void Apply(std::string& content, const Write& write, size_t data_bytes) {
  if (write.kind == Write::Kind::kTruncate) {
    content.resize(write.offset);
    return;
  }
  if (content.size() < write.offset + data_bytes) content.resize(write.offset + data_bytes);
  std::copy_n(write.data.begin(), data_bytes,
              content.begin() + static_cast<std::ptrdiff_t>(write.offset));
}

void Apply(std::map<std::string, NodeRef>& names, const NameChange& change) {
  for (const auto& [name, node] : change.names) {
    if (node == nullptr) {
      names.erase(name);
    } else {
      names[name] = node;
    }
  }
}

std::pair<std::string, std::string> Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::string Normalized(std::string path) {
  for (size_t at; (at = path.find("//")) != std::string::npos;) path.erase(at, 1);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

struct LossyFileSystem::Impl {
  explicit Impl(FileSystem& base_fs) : base(base_fs) {}

  FileSystem& base;
  mutable std::mutex mu;  // guards everything below
  std::map<std::string, Directory> directories;
  uint64_t generation = 0;  // of the power; files of an earlier one are dead
  bool off = false;
  uint64_t calls = 0;
  uint64_t sync_calls = 0;
  std::optional<uint64_t> stop_at_call;
  std::optional<std::pair<uint64_t, absl::Status>> fail_write;
  std::optional<std::pair<uint64_t, absl::Status>> fail_sync;
  std::optional<uint64_t> skip_sync;
  std::function<bool()> faults_due;  // empty = yes

  // What was there before the first look counts as durable.
  Directory& DirectoryAt(const std::string& path) {
    const auto found = directories.find(path);
    if (found != directories.end()) return found->second;
    Directory& directory = directories[path];
    const auto names = base.List(path);
    if (!names.ok()) return directory;
    for (const std::string& name : *names) {
      const std::string full = path + "/" + name;
      auto node = std::make_shared<Node>();
      node->directory = base.List(full).ok();
      if (!node->directory) {
        auto content = base.ReadFile(full, kMaxFile);
        if (content.ok()) node->durable = *std::move(content);
      }
      directory.durable[name] = directory.current[name] = node;
    }
    return directory;
  }

  NodeRef Find(const std::string& path) {
    const auto [parent, name] = Split(path);
    Directory& directory = DirectoryAt(parent);
    const auto found = directory.current.find(name);
    return found == directory.current.end() ? nullptr : found->second;
  }

  void Change(const std::string& parent, NameChange change) {
    Directory& directory = DirectoryAt(parent);
    Apply(directory.current, change);
    directory.pending.push_back(std::move(change));
  }

  void AddDirectory(const std::string& path) {
    const auto [parent, name] = Split(path);
    auto node = std::make_shared<Node>();
    node->directory = true;
    Change(parent, {{{name, node}}});
    DirectoryAt(path);
  }

  // What is known of a directory goes along when it is renamed.
  void MoveDirectories(const std::string& from, const std::string& to) {
    std::vector<std::string> paths;
    for (const auto& [path, directory] : directories) {
      if (path == from || path.starts_with(from + "/")) paths.push_back(path);
    }
    for (const std::string& path : paths) {
      auto entry = directories.extract(path);
      entry.key() = to + path.substr(from.size());
      directories.insert(std::move(entry));
    }
  }
  void ExchangeDirectories(const std::string& a, const std::string& b) {
    const std::string between = a + "/.exchanged";
    MoveDirectories(a, between);
    MoveDirectories(b, a);
    MoveDirectories(between, b);
  }

  absl::Status BeforeMutation() {
    if (off || (stop_at_call.has_value() && calls >= *stop_at_call)) {
      off = true;
      return absl::UnavailableError("the power is off");
    }
    ++calls;
    return absl::OkStatus();
  }
  bool FaultsCount() {
    if (faults_due && faults_due()) faults_due = nullptr;
    return !faults_due;
  }
  absl::Status BeforeWrite() {
    TV_RETURN_IF_ERROR(BeforeMutation());
    if (fail_write.has_value() && FaultsCount() && --fail_write->first == 0) {
      return std::exchange(fail_write, std::nullopt)->second;
    }
    return absl::OkStatus();
  }
  enum class SyncFate { kDone, kSkipped };
  // On an error the caller drops what was pending: the kernel forgets it too.
  absl::StatusOr<SyncFate> BeforeSync() {
    TV_RETURN_IF_ERROR(BeforeMutation());
    ++sync_calls;
    if (skip_sync.has_value() && --*skip_sync == 0) {
      skip_sync.reset();
      return SyncFate::kSkipped;
    }
    if (fail_sync.has_value() && FaultsCount() && --fail_sync->first == 0) {
      return std::exchange(fail_sync, std::nullopt)->second;
    }
    return SyncFate::kDone;
  }

  void CutPower(std::mt19937_64* random);
  void Settle(std::mt19937_64* random);
  bool MoveOneBack();
  bool IsLost(const std::string& path) const;
  void Restore(const std::string& path, const Directory& directory,
               const std::set<std::string>& names_on_disk,
               std::map<const Node*, std::string>& written);
};

class LossyFile final : public WritableFile {
 public:
  LossyFile(LossyFileSystem::Impl& impl, NodeRef node, std::unique_ptr<WritableFile> file,
            uint64_t size)
      : impl_(impl),
        node_(std::move(node)),
        file_(std::move(file)),
        generation_(impl.generation),
        size_(size) {}

  absl::Status Append(Bytes data) override { return Put(std::nullopt, data); }
  absl::Status WriteAt(uint64_t offset, Bytes data) override { return Put(offset, data); }
  absl::Status Truncate(uint64_t size) override {
    const std::lock_guard lock(impl_.mu);
    TV_RETURN_IF_ERROR(Alive());
    TV_RETURN_IF_ERROR(impl_.BeforeWrite());
    TV_RETURN_IF_ERROR(file_->Truncate(size));
    node_->pending.push_back({Write::Kind::kTruncate, size, {}});
    size_ = size;
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    const std::lock_guard lock(impl_.mu);
    TV_RETURN_IF_ERROR(Alive());
    const auto fate = impl_.BeforeSync();
    if (!fate.ok()) {
      if (!impl_.off) node_->pending.clear();
      return fate.status();
    }
    if (*fate == LossyFileSystem::Impl::SyncFate::kSkipped) return absl::OkStatus();
    for (const Write& write : node_->pending) Apply(node_->durable, write, write.data.size());
    node_->pending.clear();
    return absl::OkStatus();
  }
  absl::Status Close() override { return file_->Close(); }

 private:
  absl::Status Alive() const {
    if (generation_ == impl_.generation) return absl::OkStatus();
    return absl::UnavailableError("the file was opened before the power cut");
  }
  absl::Status Put(std::optional<uint64_t> offset, Bytes data) {
    const std::lock_guard lock(impl_.mu);
    TV_RETURN_IF_ERROR(Alive());
    TV_RETURN_IF_ERROR(impl_.BeforeWrite());
    const uint64_t at = offset.value_or(size_);
    TV_RETURN_IF_ERROR(file_->WriteAt(at, data));
    size_ = std::max(size_, at + data.size());
    node_->pending.push_back({Write::Kind::kData, at, std::string(AsText(data))});
    return absl::OkStatus();
  }

  LossyFileSystem::Impl& impl_;
  const NodeRef node_;
  const std::unique_ptr<WritableFile> file_;
  const uint64_t generation_;
  uint64_t size_;
};

LossyFileSystem::LossyFileSystem(FileSystem& base) : impl_(std::make_unique<Impl>(base)) {}
LossyFileSystem::~LossyFileSystem() = default;

void LossyFileSystem::PowerCut() {
  const std::lock_guard lock(impl_->mu);
  impl_->CutPower(nullptr);
}
void LossyFileSystem::PowerCut(uint64_t seed) {
  const std::lock_guard lock(impl_->mu);
  std::mt19937_64 random(seed);
  impl_->CutPower(&random);
}
void LossyFileSystem::StopAfter(uint64_t n) {
  const std::lock_guard lock(impl_->mu);
  impl_->stop_at_call = impl_->calls + n;
}
bool LossyFileSystem::stopped() const {
  const std::lock_guard lock(impl_->mu);
  return impl_->off;
}
uint64_t LossyFileSystem::mutating_calls() const {
  const std::lock_guard lock(impl_->mu);
  return impl_->calls;
}
void LossyFileSystem::FailWrite(uint64_t n, absl::Status status) {
  const std::lock_guard lock(impl_->mu);
  impl_->fail_write = {n, std::move(status)};
}
void LossyFileSystem::FailSync(uint64_t n, absl::Status status) {
  const std::lock_guard lock(impl_->mu);
  impl_->fail_sync = {n, std::move(status)};
}
bool LossyFileSystem::fault_ahead() const {
  const std::lock_guard lock(impl_->mu);
  return impl_->fail_write.has_value() || impl_->fail_sync.has_value();
}
void LossyFileSystem::CountFaultsOnce(std::function<bool()> due) {
  const std::lock_guard lock(impl_->mu);
  impl_->faults_due = std::move(due);
}
void LossyFileSystem::SkipSync(uint64_t n) {
  const std::lock_guard lock(impl_->mu);
  impl_->skip_sync = n;
}
uint64_t LossyFileSystem::syncs() const {
  const std::lock_guard lock(impl_->mu);
  return impl_->sync_calls;
}

// Decides what of the unsynced survived and makes it the durable state.
void LossyFileSystem::Impl::Settle(std::mt19937_64* random) {
  std::set<NodeRef> nodes;
  for (auto& [path, directory] : directories) {
    for (const auto& [name, node] : directory.current) nodes.insert(node);
    for (const auto& [name, node] : directory.durable) nodes.insert(node);
    if (random != nullptr) {
      // A journaling file system keeps the order of names: a prefix survives.
      const size_t kept = (*random)() % (directory.pending.size() + 1);
      for (size_t i = 0; i < kept; ++i) Apply(directory.durable, directory.pending[i]);
    }
    directory.pending.clear();
  }
  for (const NodeRef& node : nodes) {
    for (const Write& write : node->pending) {
      if (random == nullptr) break;
      const uint64_t fate = (*random)() % 3;
      if (fate == 0) continue;
      size_t bytes = write.data.size();
      if (fate == 1 && bytes > kSector) bytes = (*random)() % (bytes / kSector) * kSector;
      Apply(node->durable, write, bytes);
    }
    node->pending.clear();
  }
}

void LossyFileSystem::Impl::Restore(const std::string& path, const Directory& directory,
                                    const std::set<std::string>& names_on_disk,
                                    std::map<const Node*, std::string>& written) {
  for (const std::string& name : names_on_disk) {
    const auto found = directory.durable.find(name);
    const std::string full = path + "/" + name;
    if (found != directory.durable.end() && found->second->directory) continue;
    if (!base.Remove(full).ok()) base.RemoveDirectory(full).IgnoreError();
  }
  for (const auto& [name, node] : directory.durable) {
    const std::string full = path + "/" + name;
    if (node->directory) {
      TV_CHECK(base.CreateDirectory(full, 0700).ok());
      continue;
    }
    const auto first = written.find(node.get());
    if (first != written.end()) {
      TV_CHECK(base.Link(first->second, full).ok());
      continue;
    }
    auto file = base.OpenWritable(full, OpenMode::kTruncate, node->permissions);
    TV_CHECK(file.ok() && (*file)->Append(AsBytes(node->durable)).ok());
    written[node.get()] = full;
  }
}

// Gives a directory whose new name did not last its old one again; false where there is none.
bool LossyFileSystem::Impl::MoveOneBack() {
  for (auto& [path, directory] : directories) {
    for (const auto& [name, node] : directory.current) {
      const auto lasting = directory.durable.find(name);
      if (!node->directory || (lasting != directory.durable.end() && lasting->second == node)) {
        continue;
      }
      const auto old =
          std::find_if(directory.durable.begin(), directory.durable.end(),
                       [&node = node](const auto& entry) { return entry.second == node; });
      if (old == directory.durable.end()) continue;
      const std::string from = path + "/" + name;
      const std::string to = path + "/" + old->first;
      if (directory.current.contains(old->first)) {
        TV_CHECK(base.Exchange(from, to).ok());
        std::swap(directory.current[name], directory.current[old->first]);
        ExchangeDirectories(from, to);
      } else {
        TV_CHECK(base.Rename(from, to).ok());
        directory.current[old->first] = node;
        directory.current.erase(name);
        MoveDirectories(from, to);
      }
      return true;
    }
  }
  return false;
}

// Whether the name of the directory, or of one above it, did not last.
bool LossyFileSystem::Impl::IsLost(const std::string& path) const {
  const auto [parent, name] = Split(path);
  const auto above = directories.find(parent);
  if (above == directories.end()) return false;
  return !above->second.durable.contains(name) || IsLost(parent);
}

void LossyFileSystem::Impl::CutPower(std::mt19937_64* random) {
  ++generation;
  Settle(random);
  while (MoveOneBack()) continue;
  std::map<std::string, std::set<std::string>> names_on_disk;
  for (const auto& [path, directory] : directories) {
    for (const auto& [name, node] : directory.current) names_on_disk[path].insert(name);
  }
  // Longer paths first when removing: a lost directory must be empty before it goes.
  for (auto it = directories.rbegin(); it != directories.rend();) {
    if (!IsLost(it->first)) {
      ++it;
      continue;
    }
    for (const std::string& child : names_on_disk[it->first]) {
      const std::string full = it->first + "/" + child;
      if (!base.Remove(full).ok()) base.RemoveDirectory(full).IgnoreError();
    }
    it = std::make_reverse_iterator(directories.erase(std::next(it).base()));
  }
  std::map<const Node*, std::string> written;
  for (auto& [path, directory] : directories) {
    Restore(path, directory, names_on_disk[path], written);
    directory.current = directory.durable;
  }
  off = false;
  stop_at_call.reset();
  fail_write.reset();
  fail_sync.reset();
  skip_sync.reset();
  faults_due = nullptr;
}

absl::StatusOr<std::unique_ptr<WritableFile>> LossyFileSystem::OpenWritable(
    const std::string& given_path, OpenMode mode, int permissions) {
  const std::string path = Normalized(given_path);
  const std::lock_guard lock(impl_->mu);
  NodeRef node = impl_->Find(path);
  const bool creates = node == nullptr;
  if (creates || mode == OpenMode::kTruncate) TV_RETURN_IF_ERROR(impl_->BeforeWrite());
  TV_ASSIGN_OR_RETURN(auto file, impl_->base.OpenWritable(path, mode, permissions));
  if (creates) {
    node = std::make_shared<Node>();
    node->permissions = permissions;
    const auto [parent, name] = Split(path);
    impl_->Change(parent, {{{name, node}}});
  } else if (mode == OpenMode::kTruncate) {
    node->pending.push_back({Write::Kind::kTruncate, 0, {}});
  }
  TV_ASSIGN_OR_RETURN(const uint64_t size, impl_->base.FileSize(path));
  return std::make_unique<LossyFile>(*impl_, node, std::move(file), size);
}

absl::StatusOr<std::string> LossyFileSystem::ReadFile(const std::string& path, size_t max_bytes) {
  return impl_->base.ReadFile(path, max_bytes);
}
absl::StatusOr<size_t> LossyFileSystem::ReadInto(const std::string& path, uint64_t offset,
                                                 std::span<uint8_t> out) {
  return impl_->base.ReadInto(path, offset, out);
}
absl::StatusOr<std::unique_ptr<ReadableFile>> LossyFileSystem::OpenPlain(const std::string& path) {
  return impl_->base.OpenPlain(path);
}
absl::StatusOr<uint64_t> LossyFileSystem::FileSize(const std::string& path) {
  return impl_->base.FileSize(path);
}

absl::Status LossyFileSystem::Link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(impl_->mu);
  const NodeRef node = impl_->Find(Normalized(from));
  const auto [parent, name] = Split(Normalized(to));
  impl_->DirectoryAt(parent);
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.Link(from, to));
  TV_CHECK(node != nullptr);
  impl_->Change(parent, {{{name, node}}});
  return absl::OkStatus();
}

absl::Status LossyFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(impl_->mu);
  const NodeRef node = impl_->Find(Normalized(from));
  const auto [from_parent, from_name] = Split(Normalized(from));
  const auto [to_parent, to_name] = Split(Normalized(to));
  impl_->DirectoryAt(to_parent);
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.Rename(from, to));
  TV_CHECK(node != nullptr);
  if (node->directory) impl_->MoveDirectories(Normalized(from), Normalized(to));
  if (from_parent == to_parent) {
    impl_->Change(to_parent, {{{from_name, nullptr}, {to_name, node}}});
  } else {
    TV_CHECK(!node->directory);  // is not moved back
    impl_->Change(from_parent, {{{from_name, nullptr}}});
    impl_->Change(to_parent, {{{to_name, node}}});
  }
  return absl::OkStatus();
}

absl::Status LossyFileSystem::Exchange(const std::string& a, const std::string& b) {
  const std::lock_guard lock(impl_->mu);
  const NodeRef node_a = impl_->Find(Normalized(a));
  const NodeRef node_b = impl_->Find(Normalized(b));
  const auto [parent, name_a] = Split(Normalized(a));
  const auto [parent_b, name_b] = Split(Normalized(b));
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.Exchange(a, b));
  TV_CHECK(node_a != nullptr && node_b != nullptr && parent == parent_b);
  impl_->ExchangeDirectories(Normalized(a), Normalized(b));
  impl_->Change(parent, {{{name_a, node_b}, {name_b, node_a}}});
  return absl::OkStatus();
}

absl::Status LossyFileSystem::Remove(const std::string& path) {
  const std::lock_guard lock(impl_->mu);
  const auto [parent, name] = Split(Normalized(path));
  impl_->DirectoryAt(parent);
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.Remove(path));
  impl_->Change(parent, {{{name, nullptr}}});
  return absl::OkStatus();
}

absl::Status LossyFileSystem::CreateDirectory(const std::string& given_path, int permissions) {
  const std::string path = Normalized(given_path);
  const std::lock_guard lock(impl_->mu);
  if (impl_->Find(path) != nullptr) return impl_->base.CreateDirectory(path, permissions);
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.CreateDirectory(path, permissions));
  impl_->AddDirectory(path);
  return absl::OkStatus();
}

absl::Status LossyFileSystem::CreateNewDirectory(const std::string& given_path, int permissions) {
  const std::string path = Normalized(given_path);
  const std::lock_guard lock(impl_->mu);
  impl_->DirectoryAt(Split(path).first);
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.CreateNewDirectory(path, permissions));
  impl_->AddDirectory(path);
  return absl::OkStatus();
}

absl::Status LossyFileSystem::RemoveDirectory(const std::string& given_path) {
  const std::string path = Normalized(given_path);
  const std::lock_guard lock(impl_->mu);
  const auto [parent, name] = Split(path);
  impl_->DirectoryAt(parent);
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.RemoveDirectory(path));
  impl_->Change(parent, {{{name, nullptr}}});
  return absl::OkStatus();
}

absl::Status LossyFileSystem::SyncDirectory(const std::string& given_path) {
  const std::string path = Normalized(given_path);
  const std::lock_guard lock(impl_->mu);
  Directory& directory = impl_->DirectoryAt(path);
  const auto fate = impl_->BeforeSync();
  if (!fate.ok()) {
    if (!impl_->off) directory.pending.clear();
    return fate.status();
  }
  if (*fate == Impl::SyncFate::kSkipped) return absl::OkStatus();
  directory.durable = directory.current;
  directory.pending.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> LossyFileSystem::List(const std::string& directory) {
  return impl_->base.List(directory);
}
bool LossyFileSystem::Exists(const std::string& path) { return impl_->base.Exists(path); }
absl::StatusOr<uint64_t> LossyFileSystem::FreeBytes(const std::string& path) {
  return impl_->base.FreeBytes(path);
}

// Two steps, as on a real disk: the contents are gone for good, then the name.
absl::StatusOr<size_t> LossyFileSystem::ReadPrivate(const std::string& path,
                                                    std::span<uint8_t> out) {
  return impl_->base.ReadPrivate(path, out);
}

absl::Status LossyFileSystem::Shred(const std::string& given_path) {
  const std::string path = Normalized(given_path);
  const std::lock_guard lock(impl_->mu);
  const NodeRef node = impl_->Find(path);
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_ASSIGN_OR_RETURN(const uint64_t size, impl_->base.FileSize(path));
  TV_ASSIGN_OR_RETURN(const auto file,
                      impl_->base.OpenWritable(path, OpenMode::kReopen, node->permissions));
  const std::string zeroes(size, '\0');
  TV_RETURN_IF_ERROR(file->WriteAt(0, AsBytes(zeroes)));
  node->durable = zeroes;
  node->pending.clear();
  TV_RETURN_IF_ERROR(impl_->BeforeMutation());
  TV_RETURN_IF_ERROR(impl_->base.Remove(path));
  const auto [parent, name] = Split(path);
  Directory& directory = impl_->DirectoryAt(parent);
  directory.current.erase(name);
  // Shredding ends with a sync of the directory.
  directory.durable = directory.current;
  directory.pending.clear();
  return absl::OkStatus();
}

}  // namespace televault::testing
