// FUZZ_DEPS: televault_test_support
#include <cstddef>
#include <cstdint>
#include <string>

#include "audit/leaf.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "vault/base/check.h"
#include "vault/crypto/audit_key_file.h"
#include "vault/crypto/audit_sealer.h"
#include "vault/crypto/envelope.h"

using namespace televault;
using crypto::AuditOpener;

// The auditor's keys of tests/golden/audit/audit-keys-v1.txt.
constexpr std::string_view kKeys =
    "televault-audit-keys/v1\n"
    "vault 07070707070707070707070707070707\n"
    "epoch 1 09a17fb53dd8eee87bb9ec7a5fb7e04875f4ea2989a0f1402a8a3dfa52ccce2a "
    "40e6c6d0c9f3f14f5eac4fd54654f0a680e0cfedb8217d4c831890c669a1fa6f\n"
    "epoch 2 479c96e51a87c5237375fe36b6761b03ab0fa33db8538009e03ec9225be4d126 "
    "dd05545a4e6517594c7fd66a8b21ab36479c0cfa42317c69e4b2f94ce21a8267\n";

// A vault's trail: always the same entry key, so that the corpus can hold entries sealed with it.
struct Trail {
  crypto::ExportedAuditKeys keys = crypto::ExportedAuditKeys::Parse(kKeys).value();
  televault::testing::FakeClock clock;
  televault::testing::SeededRandom random{7};
  crypto::AuditSealer sealer{keys.vault(), 2, keys.AuditEpochs()[1].public_key, clock, random};
  std::string key_leaf = sealer.SealEntry({}).value().front().data;
  audit::LeafKeyId key_id = audit::ParseLeaf(AsBytes(key_leaf))->key_id;
};

void CheckRefusal(const absl::Status& status) {
  TV_CHECK(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) ||
           ReasonOf(status) == reason::kExpired);
}

// Opens `leaf` after the trail's key leaf. Of what opens, nothing may be other by one bit.
void OpenAfterKey(const Trail& trail, std::string leaf) {
  AuditOpener opener(trail.keys.vault(), trail.keys);
  TV_CHECK(opener.OpenLeaf(AsBytes(trail.key_leaf)).ok());
  const auto opened = opener.OpenLeaf(AsBytes(leaf));
  if (!opened.ok()) return CheckRefusal(opened.status());
  const auto view = audit::ParseLeaf(AsBytes(leaf));
  TV_CHECK(view.ok() && audit::EncodeLeaf(*view).value() == leaf);
  TV_CHECK((opened->kind == AuditOpener::LeafKind::kKey) == (view->type == audit::LeafType::kKey));
  if (view->type == audit::LeafType::kKey) {
    TV_CHECK(opened->entry.empty());
    return;
  }
  TV_CHECK(view->key_id == trail.key_id);
  TV_CHECK(opened->entry.size() + crypto::kEnvelopeOverhead == view->body.size());
  const size_t anywhere = size_t{static_cast<uint8_t>(leaf.back())} * 257 + leaf.size();
  char& other = leaf[anywhere % leaf.size()];
  other = static_cast<char>(other ^ (1 << anywhere % 8));
  TV_CHECK(!opener.OpenLeaf(AsBytes(leaf)).ok());
}

// Leaves somebody else may have written: the input is a leaf; the body of an entry under a key that
// is known; the body of a key leaf; and an entry the vault itself sealed, which opens as it was.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Trail& trail = *new Trail;
  const Bytes input(data, size);
  OpenAfterKey(trail, std::string(AsText(input)));
  OpenAfterKey(
      trail, audit::LeafHeader(audit::LeafType::kEntry, trail.key_id) + std::string(AsText(input)));

  AuditOpener opener(trail.keys.vault(), trail.keys);
  audit::LeafView key{audit::LeafType::kKey, audit::LeafKeyId{1}, input};
  if (const auto leaf = audit::EncodeLeaf(key); leaf.ok()) {
    const auto opened = opener.OpenLeaf(AsBytes(*leaf));
    if (opened.ok()) {
      TV_CHECK(opened->kind == AuditOpener::LeafKind::kKey && opened->entry.empty());
    } else {
      TV_CHECK(ReasonOf(opened.status()) == reason::kExpired);
    }
  }
  if (const auto sealed = trail.sealer.SealEntry(input); sealed.ok()) {
    TV_CHECK(absl::IsFailedPrecondition(opener.OpenLeaf(AsBytes(sealed->back().data)).status()));
    TV_CHECK(opener.OpenLeaf(AsBytes(trail.key_leaf)).ok());
    TV_CHECK(opener.OpenLeaf(AsBytes(sealed->back().data))->entry == AsText(input));
  }
  return 0;
}
