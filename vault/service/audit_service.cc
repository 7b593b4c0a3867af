#include "vault/service/audit_service.h"

#include <algorithm>
#include <array>
#include <limits>

#include "absl/strings/numbers.h"

#include "audit/checkpoint.h"
#include "audit/entry.h"
#include "audit/leaf.h"
#include "audit/proof_file.h"
#include "vault/base/bytes.h"
#include "vault/crypto/audit_key_file.h"
#include "vault/service/paging.h"

namespace televault::service {
namespace {

constexpr size_t kLeavesPerRead = 256;
// A filter that matches little must not turn one call into a scan of years: the answer then comes
// back short, with a token to go on from.
constexpr uint64_t kMaxScannedPerCall = 50'000;
constexpr auto kTailPoll = std::chrono::milliseconds(200);

// The newest tree that is signed. Behind the journal's head only where the vault is quarantined and
// signs nothing more.
struct SignedTree {
  uint64_t size = 0;
  std::string checkpoint;
};

absl::StatusOr<SignedTree> Parsed(const std::string& text) {
  if (text.empty()) {
    return absl::FailedPreconditionError("no quorum of witnesses has cosigned the log yet");
  }
  TV_ASSIGN_OR_RETURN(const audit::Checkpoint checkpoint, audit::ReadUnverified(text));
  return SignedTree{checkpoint.size, text};
}

absl::StatusOr<SignedTree> NewestSigned(const store::Journal& journal) {
  const store::CommitReceipt head = journal.Head();
  if (head.checkpoint.empty()) return absl::UnavailableError("the log has no signed tree yet");
  TV_ASSIGN_OR_RETURN(SignedTree tree, Parsed(head.checkpoint));
  tree.size = std::min(tree.size, head.tree_size);
  return tree;
}

void Note(Call& call, const char* what, uint64_t number) {
  (*call.entry.mutable_details())[what] = std::to_string(number);
}

absl::StatusOr<uint64_t> ParseCursor(const std::string& token, uint64_t newest) {
  uint64_t end = newest;
  if (!token.empty() && !absl::SimpleAtoi(token, &end)) {
    return absl::InvalidArgumentError("page_token: give back the next_page_token of the answer");
  }
  return std::min(end, newest);
}

absl::Status List(store::Journal& journal, EntryReader& entries, const LiteralHashes& literals,
                  const v1::ListEntriesRequest& request, v1::ListEntriesResponse& response) {
  TV_RETURN_IF_ERROR(audit::CheckFilter(request.filter()));
  TV_ASSIGN_OR_RETURN(const LiteralHashes::Wanted wanted, literals.Find(request.literal()));
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), ""));
  TV_ASSIGN_OR_RETURN(uint64_t end, ParseCursor(request.page_token(), journal.Head().tree_size));
  uint64_t scanned = 0;
  while (end > 0 && scanned < kMaxScannedPerCall) {
    const uint64_t begin = end > kLeavesPerRead ? end - kLeavesPerRead : 0;
    TV_ASSIGN_OR_RETURN(const auto leaves, ReadLeafRange(journal, begin, end));
    for (uint64_t index = end; index-- > begin;) {
      ++scanned;
      TV_ASSIGN_OR_RETURN(const auto entry, entries.Open(LeafIndex(index), leaves[index - begin]));
      if (entry.has_value() && audit::EndsBefore(request.filter(), *entry)) return absl::OkStatus();
      if (!entry.has_value() || !audit::Matches(request.filter(), *entry)) continue;
      if (!request.literal().empty() && !wanted.In(*entry)) continue;
      auto& out = *response.add_entries();
      out.set_index(index);
      *out.mutable_entry() = *entry;
      if (static_cast<size_t>(response.entries_size()) == page.size) {
        if (index > 0) response.set_next_page_token(std::to_string(index));
        return absl::OkStatus();
      }
    }
    end = begin;
  }
  if (end > 0) response.set_next_page_token(std::to_string(end));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ProofFor(const store::Journal& journal, uint64_t index) {
  TV_ASSIGN_OR_RETURN(const SignedTree head, NewestSigned(journal));
  if (index >= head.size) return absl::NotFoundError("no such entry: the log is shorter");
  audit::ProofFile proof;
  proof.index = index;
  proof.checkpoint = head.checkpoint;
  TV_ASSIGN_OR_RETURN(proof.hashes, journal.InclusionProof(LeafIndex(index), head.size));
  return audit::FormatProofFile(proof);
}

absl::Status Get(const store::Journal& journal, EntryReader& entries,
                 const v1::GetEntryRequest& request, v1::GetEntryResponse& response) {
  std::string leaf;
  TV_ASSIGN_OR_RETURN(const auto entry, entries.Read(LeafIndex(request.index()), &leaf));
  response.mutable_entry()->set_index(request.index());
  if (entry.has_value()) *response.mutable_entry()->mutable_entry() = *entry;
  response.set_leaf(std::move(leaf));
  TV_ASSIGN_OR_RETURN(std::string proof, ProofFor(journal, request.index()));
  response.set_proof(std::move(proof));
  return absl::OkStatus();
}

absl::Status Inclusion(const store::Journal& journal, const v1::GetInclusionProofRequest& request,
                       v1::GetInclusionProofResponse& response) {
  TV_ASSIGN_OR_RETURN(std::string proof, ProofFor(journal, request.index()));
  TV_ASSIGN_OR_RETURN(const auto leaves,
                      ReadLeafRange(journal, request.index(), request.index() + 1));
  const audit::Hash hash = audit::LeafHash(AsBytes(leaves.front()));
  response.set_leaf_hash(hash.data(), hash.size());
  response.set_proof(std::move(proof));
  return absl::OkStatus();
}

absl::Status Consistency(const store::Journal& journal,
                         const v1::GetConsistencyProofRequest& request,
                         v1::GetConsistencyProofResponse& response) {
  TV_ASSIGN_OR_RETURN(const SignedTree head, NewestSigned(journal));
  const uint64_t new_size = request.new_size() == 0 ? head.size : request.new_size();
  if (request.old_size() == 0 || request.old_size() > new_size || new_size > head.size) {
    return absl::InvalidArgumentError("old_size is from 1 to new_size, new_size at most " +
                                      std::to_string(head.size));
  }
  TV_ASSIGN_OR_RETURN(const auto hashes, journal.ConsistencyProof(request.old_size(), new_size));
  for (const audit::Hash& hash : hashes) response.add_hashes(hash.data(), hash.size());
  response.set_new_size(new_size);
  if (new_size == head.size) response.set_checkpoint(head.checkpoint);
  return absl::OkStatus();
}

absl::Status ExportKeys(const crypto::AuditEpochKeys& keys, const VaultId& vault, Call& call,
                        const v1::ExportAuditKeysRequest& request,
                        v1::ExportAuditKeysResponse& response) {
  std::array<uint8_t, 32> recipient{};
  if (request.recipient_public_key().size() != recipient.size()) {
    return absl::InvalidArgumentError("recipient_public_key: must be 32 bytes (X25519)");
  }
  if (request.reason().empty() || request.reason().size() > audit::kMaxEntryTextBytes) {
    return absl::InvalidArgumentError("reason: says in 1 to 512 bytes what the keys are for");
  }
  std::copy(request.recipient_public_key().begin(), request.recipient_public_key().end(),
            recipient.begin());
  (*call.entry.mutable_details())["why"] = request.reason();
  response.set_vault_id(vault.bytes.data(), vault.bytes.size());
  std::string epochs;
  for (const crypto::AuditEpochInfo& epoch : keys.AuditEpochs()) {
    const auto sealed = crypto::SealAuditKeyTo(keys, epoch.epoch, recipient);
    if (ReasonOf(sealed.status()) == reason::kExpired) continue;
    TV_RETURN_IF_ERROR(sealed.status());
    auto& out = *response.add_keys();
    out.set_epoch(epoch.epoch);
    out.set_public_key(epoch.public_key.data(), epoch.public_key.size());
    out.set_sealed_private_key(*sealed);
    epochs += (epochs.empty() ? "" : " ") + std::to_string(epoch.epoch);
  }
  (*call.entry.mutable_details())["epochs"] = epochs;
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* AuditServiceImpl::ListEntries(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request,
                                                        grpc::ByteBuffer* response) {
  return ServeUnary<v1::ListEntriesRequest, v1::ListEntriesResponse>(
      serving_, context, "/televault.v1.AuditService/ListEntries", request, response,
      [this](Call& call, const auto& in, auto& out) {
        call.urgency = store::Urgency::kTrail;  // the trail can be reviewed with a full disk
        if (!in.literal().empty()) (*call.entry.mutable_details())["searched"] = "literal";
        TV_RETURN_IF_ERROR(List(log_.journal, log_.entries, log_.literals, in, out));
        Note(call, "entries", static_cast<uint64_t>(out.entries_size()));
        call.on_withheld = [&call] { call.entry.mutable_details()->erase("entries"); };
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AuditServiceImpl::GetEntry(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request,
                                                     grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetEntryRequest, v1::GetEntryResponse>(
      serving_, context, "/televault.v1.AuditService/GetEntry", request, response,
      [this](Call& call, const auto& in, auto& out) {
        call.urgency = store::Urgency::kTrail;
        Note(call, "index", in.index());
        return Get(log_.journal, log_.entries, in, out);
      });
}

grpc::ServerUnaryReactor* AuditServiceImpl::GetCheckpoint(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetCheckpointRequest, v1::GetCheckpointResponse>(
      serving_, context, "/televault.v1.AuditService/GetCheckpoint", request, response,
      [this](Call&, const auto&, auto& out) {
        out.set_checkpoint(log_.journal.Head().checkpoint);
        out.set_vkey(log_.vkey);
        out.set_cosigned(log_.cosigned());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AuditServiceImpl::GetInclusionProof(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request,
                                                              grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetInclusionProofRequest, v1::GetInclusionProofResponse>(
      serving_, context, "/televault.v1.AuditService/GetInclusionProof", request, response,
      [this](Call&, const auto& in, auto& out) { return Inclusion(log_.journal, in, out); });
}

grpc::ServerUnaryReactor* AuditServiceImpl::GetConsistencyProof(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return ServeUnary<v1::GetConsistencyProofRequest, v1::GetConsistencyProofResponse>(
      serving_, context, "/televault.v1.AuditService/GetConsistencyProof", request, response,
      [this](Call&, const auto& in, auto& out) { return Consistency(log_.journal, in, out); });
}

grpc::ServerUnaryReactor* AuditServiceImpl::ExportAuditKeys(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request,
                                                            grpc::ByteBuffer* response) {
  return ServeUnary<v1::ExportAuditKeysRequest, v1::ExportAuditKeysResponse>(
      serving_, context, "/televault.v1.AuditService/ExportAuditKeys", request, response,
      [this](Call& call, const auto& in, auto& out) {
        call.urgency = store::Urgency::kTrail;
        return ExportKeys(log_.keys, log_.vault, call, in, out);
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* AuditServiceImpl::TailEntries(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return ServeStream<v1::TailEntriesRequest, v1::TailEntriesResponse>(
      streams_, context, "/televault.v1.AuditService/TailEntries", request,
      [this](Call& call, const auto& in, auto& writer) { return Tail(call, in, writer); });
}

// Reading the trail is itself an entry, written before the first entry is sent.
absl::Status AuditServiceImpl::Tail(Call& call, const v1::TailEntriesRequest& request,
                                    StreamWriter<v1::TailEntriesResponse>& writer) {
  call.urgency = store::Urgency::kTrail;
  const auto slot = slots_.Take(call.principal.accessor);
  absl::Status may = slot.status();
  if (may.ok()) may = audit::CheckFilter(request.filter());
  const uint64_t size = log_.journal.Head().tree_size;
  absl::StatusOr<audit::LeafSpan> span = audit::LeafSpan{};
  if (may.ok()) {
    span = audit::SpanOf(request.filter(), size,
                         [&](uint64_t index) { return log_.entries.Read(LeafIndex(index)); });
    may = span.status();
  }
  if (!may.ok()) return serving_.front.Refuse(call, may);
  const uint64_t head = span->end;
  uint64_t next = std::max(std::min(request.start_index(), size), span->begin);
  Note(call, "from", next);
  if (request.stop_at_head()) Note(call, "to", head);
  TV_RETURN_IF_ERROR(serving_.front.Conclude(call, may).status());
  writer.SetCheck([&] { return serving_.front.StillValid(call); });
  while (!(request.stop_at_head() && next >= head) && !call.cancelled() &&
         serving_.front.clock().Mono() < call.deadline) {
    // Also where nothing is written: a tail must not outlive its token.
    TV_RETURN_IF_ERROR(serving_.front.StillValid(call));
    TV_ASSIGN_OR_RETURN(const auto leaves,
                        log_.journal.ReadLeaves(LeafIndex(next), kLeavesPerRead));
    for (const std::string& leaf : leaves) {
      if (request.stop_at_head() && next >= head) break;
      TV_ASSIGN_OR_RETURN(const auto entry, log_.entries.Open(LeafIndex(next), leaf));
      v1::TailEntriesResponse response;
      response.mutable_entry()->set_index(next);
      if (entry.has_value()) *response.mutable_entry()->mutable_entry() = *entry;
      const bool wanted = entry.has_value() ? audit::Matches(request.filter(), *entry)
                                            : request.stop_at_head() && IsSealedEntry(leaf);
      if (wanted) TV_RETURN_IF_ERROR(writer.Write(response));
      ++next;
    }
    if (leaves.empty()) log_.journal.WaitForGrowth(next, kTailPoll);
  }
  if (request.stop_at_head() && next < head) {
    return absl::DeadlineExceededError("the trail was not read to its end");
  }
  return absl::OkStatus();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* AuditServiceImpl::ExportLeaves(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return ServeStream<v1::ExportLeavesRequest, v1::ExportLeavesResponse>(
      streams_, context, "/televault.v1.AuditService/ExportLeaves", request,
      [this](Call& call, const auto& in, auto& writer) { return Export(call, in, writer); });
}

absl::Status AuditServiceImpl::Export(Call& call, const v1::ExportLeavesRequest& request,
                                      StreamWriter<v1::ExportLeavesResponse>& writer) {
  call.urgency = store::Urgency::kTrail;
  const auto head = request.cosigned() ? Parsed(log_.cosigned()) : NewestSigned(log_.journal);
  const uint64_t newest = head.ok() ? head->size : 0;
  const uint64_t size = request.size() == 0 ? newest : request.size();
  const auto slot = slots_.Take(call.principal.accessor);
  absl::Status range = slot.ok() ? head.status() : slot.status();
  if (range.ok() && request.cosigned() && request.size() != 0) {
    range = absl::InvalidArgumentError("size must be 0 where cosigned is set");
  }
  if (range.ok() && (request.first_index() > size || size > newest)) {
    range = absl::InvalidArgumentError("first_index is at most size, size at most " +
                                       std::to_string(newest));
  }
  if (range.ok()) {
    Note(call, "from", request.first_index());
    Note(call, "to", size);
  }
  const auto recorded = serving_.front.Conclude(call, range);
  if (!recorded.ok() && !call.answer_unaudited) return recorded.status();
  TV_RETURN_IF_ERROR(range);
  writer.SetCheck([&] { return serving_.front.StillValid(call); });
  uint64_t next = request.first_index();
  do {
    if (serving_.front.clock().Mono() >= call.deadline) {
      return absl::DeadlineExceededError("the export took too long; go on from the last leaf");
    }
    v1::ExportLeavesResponse response;
    response.set_first_index(next);
    TV_ASSIGN_OR_RETURN(
        auto leaves,
        log_.journal.ReadLeaves(LeafIndex(next), std::min<uint64_t>(kLeavesPerRead, size - next)));
    next += leaves.size();
    for (std::string& leaf : leaves) response.add_leaves(std::move(leaf));
    if (next < size && leaves.empty()) return absl::DataLossError("the log has a gap");
    if (next == size && size == newest) response.set_checkpoint(head->checkpoint);
    TV_RETURN_IF_ERROR(writer.Write(response));
  } while (next < size);
  return absl::OkStatus();
}

}  // namespace televault::service
