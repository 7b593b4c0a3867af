// What the audit trail costs and how fast it is checked, in this process. Prints Markdown rows
// `| measure | figure |`.
//
// usage: audit_bench [--entries N]   1,000,000 unless told
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sodium.h>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "admin-cli/log_export.h"
#include "audit/entry.h"
#include "audit/signer_key.h"
#include "audit/verifier.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/base/clock.h"
#include "vault/base/random.h"
#include "vault/crypto/audit_sealer.h"

namespace televault::bench {
namespace {

constexpr uint64_t kDefaultEntries = 1'000'000;
constexpr int kProofs = 2'000;

double Now() { return static_cast<double>(SystemClock().Mono().nanos) / 1e9; }

void Row(const std::string& measure, const std::string& figure) {
  std::printf("| %s | %s |\n", measure.c_str(), figure.c_str());
  std::fflush(stdout);
}

// What a small query of an analyst leaves behind.
audit::AuditEntry TypicalEntry(uint64_t i) {
  audit::AuditEntry entry;
  entry.set_id(std::string(16, 'i'));
  entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  entry.set_time_us(1'767'268'800'000'000 + static_cast<int64_t>(i));
  entry.mutable_principal()->set_person("anna");
  entry.mutable_principal()->set_token("tva_0123456789a");
  entry.mutable_principal()->add_roles("analyst");
  entry.set_peer("unix:uid=1000");
  entry.set_method("/televault.v1.QueryService/Query");
  entry.set_dataset("cli_usage");
  entry.set_purpose("usage");
  entry.set_normalized_query(
      "SELECT command, count(*) FROM cli_usage WHERE (os = $1) GROUP BY command");
  entry.set_query_fingerprint("0123456789abcdef");
  entry.add_literal_hashes(std::string(16, 'h'));
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  entry.set_rule("analyst/aggregate");
  entry.set_policy_digest(std::string(32, 'd'));
  entry.set_lockdown_level("none");
  entry.set_rows_scanned(20'000);
  entry.set_groups_returned(12);
  entry.set_cells_returned(24);
  entry.set_bytes_returned(500);
  entry.set_response_digest(std::string(48, 'r'));
  entry.set_duration_us(4'000 + i % 100);
  return entry;
}

int Main(uint64_t entries) {
  const testing::TempDirectory directory;
  std::array<uint8_t, audit::kSigningSeedBytes> seed{7};
  const std::string text =
      audit::FormatSignerKey("bench.example/log", audit::KeyType::kEd25519, seed).value();
  std::array<uint8_t, audit::kSigningKeyBytes> secret;
  const audit::VerifierKey key = audit::ParseSignerKey(text, secret).value();
  std::array<uint8_t, 32> epoch_secret{9};
  std::array<uint8_t, 32> epoch_public;
  TV_CHECK(crypto_scalarmult_base(epoch_public.data(), epoch_secret.data()) == 0);
  crypto::AuditSealer sealer(VaultId{}, 1, epoch_public, SystemClock(), SystemRandom());

  std::vector<std::string> leaves;
  leaves.reserve(entries + 1);
  uint64_t leaf_bytes = 0;
  double begin = Now();
  for (uint64_t i = 0; leaves.size() < entries; ++i) {
    const std::string serialized = TypicalEntry(i).SerializeAsString();
    auto sealed = sealer.SealEntry(AsBytes(serialized));
    TV_CHECK(sealed.ok());
    for (crypto::SealedLeaf& leaf : *sealed) {
      leaf_bytes += leaf.data.size();
      leaves.push_back(std::move(leaf.data));
    }
  }
  Row("seal and hash an entry, one core",
      absl::StrFormat("%.1f µs", (Now() - begin) * 1e6 / static_cast<double>(entries)));
  Row("bytes of a sealed leaf, and of its hash in the tree",
      absl::StrFormat("%.0f + 32", static_cast<double>(leaf_bytes) / static_cast<double>(entries)));

  const std::string log = directory.Path("log");
  begin = Now();
  {
    const auto exporter = cli::LogExporter::Open(PosixFileSystem(), log, key);
    TV_CHECK(exporter.ok());
    audit::TileBuilder tree;
    std::vector<audit::Tile> full;
    for (const std::string& leaf : leaves) {
      TV_CHECK((*exporter)->Append(AsBytes(leaf)).ok());
      tree.Append(audit::LeafHash(AsBytes(leaf)), full);
      full.clear();
    }
    TV_CHECK((*exporter)->Finish(audit::SignCheckpoint(tree.Head(), key, secret).value()).ok());
  }
  Row(absl::StrFormat("export %u entries as tiles, synced", entries),
      absl::StrFormat("%.1f s", Now() - begin));

  begin = Now();
  const audit::VerifyReport report = audit::VerifyLog(
      [&](const std::string& path) { return cli::ReadLogFile(log, path); }, {.key = key});
  const double verify = Now() - begin;
  TV_CHECK(report.status.ok() && report.entries == leaves.size());
  std::array<uint8_t, crypto_hash_sha256_BYTES> digest;
  begin = Now();
  for (const std::string& leaf : leaves) {
    crypto_hash_sha256(digest.data(), AsBytes(leaf).data(), leaf.size());
  }
  const double raw = Now() - begin;
  Row("verify offline, entries/s on one core",
      absl::StrFormat("%.0f", static_cast<double>(entries) / verify));
  Row("verify offline / raw SHA-256 of the same bytes (P16)",
      absl::StrFormat("%.2f", raw / verify));

  const auto subtree = [&](uint32_t level, uint64_t index) {
    return audit::SubtreeHash(level, index, leaves.size(), [&](const audit::TileId& tile) {
      return cli::ReadLogFile(log, audit::TilePath(tile));
    });
  };
  begin = Now();
  for (uint64_t i = 0; i < kProofs; ++i) {
    TV_CHECK(audit::InclusionProof(i * leaves.size() / kProofs, leaves.size(), subtree).ok());
  }
  Row(absl::StrFormat("inclusion proof out of %u entries, from tile files", entries),
      absl::StrFormat("%.0f µs", (Now() - begin) * 1e6 / kProofs));
  return 0;
}

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  uint64_t entries = televault::bench::kDefaultEntries;
  if (argc == 3 && std::strcmp(argv[1], "--entries") == 0) {
    entries = std::strtoull(argv[2], nullptr, 10);
  } else if (argc != 1) {
    std::fputs("usage: audit_bench [--entries N]\n", stderr);
    return 1;
  }
  return televault::bench::Main(entries);
}
