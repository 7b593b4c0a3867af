#include <map>

#include "tests/support/published_vectors.h"

namespace televault::testing {
namespace {

// The scheme of tokens is read where tokens are tested (tests/unit/auth/token_test.cc).
const auto* const kVectorsOfTheLogAreRead = ::testing::AddGlobalTestEnvironment(
    new AllVectorsAreRead([](const std::string& section) { return section != "token_checksum"; }));

// Every list and object of the file and its members, but none within a case of a list.
void Count(const nlohmann::json& value, const std::string& pointer,
           std::map<std::string, size_t>& counts) {
  if (!value.is_structured()) return;
  counts[pointer] = value.size();
  if (value.is_array()) return;
  for (const auto& [key, member] : value.items()) Count(member, pointer + "/" + key, counts);
}

// What is read is all there is only as long as nobody takes vectors away.
TEST(PublishedVectorsTest, HoldEveryClassWithAllOfItsCases) {
  ASSERT_NE(kVectorsOfTheLogAreRead, nullptr);
  std::map<std::string, size_t> counts;
  Count(PublishedVectors(), "", counts);
  const std::map<std::string, size_t> want = {
      {"", 14},
      {"/cosignature_timestamp_parse", 3},
      {"/cosignature_v1", 1},
      {"/layout", 5},
      {"/layout/entries_path", 4},
      {"/layout/reject", 8},
      {"/layout/size_70000", 5},
      {"/layout/tile_path", 6},
      {"/proofs", 3},
      {"/proofs/consistency", 98},
      {"/proofs/inclusion", 98},
      {"/rfc6962", 5},
      {"/rfc6962/hasher", 4},
      {"/rfc6962/leaf_hashes_hex", 8},
      {"/rfc6962/leaf_inputs_hex", 8},
      {"/rfc6962/root_hex_by_size", 9},
      {"/signed_note", 2},
      {"/sunlight_mirror_300", 9},
      {"/tessera_log", 7},
      {"/tessera_log/checkpoint_by_size", 16},
      {"/tessera_log/entries_ascii", 15},
      {"/tlog_proof_marshal", 3},
      {"/tlog_proof_marshal/cases", 2},
      {"/tlog_proof_marshal/reject", 5},
      {"/token_checksum", 4},
      {"/vkeys_bad", 2},
      {"/vkeys_bad/list", 3},
      {"/witness_add_checkpoint", 4},
      {"/witness_add_checkpoint/cases", 11},
      {"/witness_update_5_8", 5},
      {"/witness_update_5_8/consistency_hex", 4},
  };
  EXPECT_EQ(counts, want);
}

TEST(PublishedVectorsTest, WhatIsNotTakenOutIsUnread) {
  const nlohmann::json content = {{"a", 1}, {"b", {1, nullptr}}};
  const Vector vector(content);
  EXPECT_EQ(vector["b"].size(), 2u);
  std::ostringstream message;
  message << vector;
  EXPECT_EQ(UnreadIn(content), (std::vector<std::string>{"/a", "/b/0", "/b/1"}));
  EXPECT_EQ(vector["a"], 1);
  EXPECT_TRUE(vector["b"][1].is_null());
  EXPECT_EQ(UnreadIn(content), std::vector<std::string>{"/b/0"});
}

}  // namespace
}  // namespace televault::testing
