// Nothing that is sealed lies open in any file: unique markers go in everywhere, then every file is
// searched for them. The same search over a vault whose cipher encrypts nothing must find them.
#include <algorithm>
#include <map>
#include <set>
#include <zlib.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "audit/leaf.h"
#include "audit/note.h"
#include "tests/integration/daemon/data_files.h"
#include "tests/integration/daemon/scenario.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"
#include "vault/crypto/envelope.h"
#include "vault/store/log_layout.h"
#include "vault/store/rocks_store.h"

namespace televault::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPassphrase[] = "zqpassphrase nine words nobody would ever guess at all";

// Kept, so only the cipher hides them.
const std::map<std::string, std::string>& Stored() {
  static const std::map<std::string, std::string> markers = {
      {"field value", "zqfieldvalue"}, {"dataset", "zqdataset"},
      {"person", "zqperson"},          {"purpose", "zqpurpose"},
      {"question", "Zqquestion"},      {"lockdown reason", "zqlockreason"},
      {"incident", "zqincident"},      {"access reason", "zqaccessreason"},
      {"SQL literal", "zqliteral"},    {"refused name", "zqrefused"},
  };
  return markers;
}
// Never kept at all.
constexpr char kRawSubject[] = "zqrawsubject-0001";

std::vector<std::string> StoredMarkers() {
  std::vector<std::string> all;
  for (const auto& [what, marker] : Stored()) all.push_back(marker);
  return all;
}

std::string MarkedManifest() {
  return SampleManifest("package_events", {{"dataset: package_events", "dataset: zqdataset"},
                                           {"maintenance", "zqpurpose"},
                                           {"Which packages change", "Zqquestion packages"}});
}

class PlaintextTest : public VaultTest {
 protected:
  explicit PlaintextTest(DaemonOptions options) : VaultTest(std::move(options)) {}
  PlaintextTest()
      : PlaintextTest({.passphrase = kPassphrase,
                       .config = "[log]\nlevel = \"debug\"\nformat = \"json\"\n"
                                 "[merge]\ntick = \"1s\"\n"}) {}

  void SetUp() override {
    ASSERT_THAT(daemon_.InitAndStart(), IsOk());
    Unseal();
    TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage", "zqdataset"}));
    PlantMarkers();
  }

  void Unseal() {
    EXPECT_THAT(
        As(daemon_.alice())->Unseal({}, client::SecretText("zqwrong passphrase here"), call_),
        ::testing::Not(IsOk()));
    ASSERT_THAT(As(daemon_.alice())->Unseal({}, client::SecretText(kPassphrase), call_), IsOk());
  }

  v1::AppendRequest Packages(uint32_t rows) {
    v1::AppendRequest request;
    request.set_dataset("zqdataset");
    request.mutable_consent()->set_given(true);
    request.mutable_consent()->set_notice_version(1);
    v1::Columns& columns = *request.mutable_columns();
    columns.set_rows(rows);
    v1::ColumnData& action = *columns.add_columns();
    action.set_name("action");
    action.add_dictionary("install");
    v1::ColumnData& package = *columns.add_columns();
    package.set_name("package");
    package.add_dictionary("zqfieldvalue");
    package.add_dictionary("lib-other");
    v1::ColumnData& version = *columns.add_columns();
    version.set_name("version");
    for (uint32_t i = 0; i < 1'000; ++i) version.add_dictionary(absl::StrCat("1.", i * i, "-", i));
    for (uint32_t i = 0; i < rows; ++i) {
      columns.add_time_us(Yesterday(0).micros + i);
      action.add_codes(0);
      package.add_codes(i % 2);
      version.add_codes(i * 7 % 1'000);
    }
    return request;
  }

  void PlantMarkers() {
    ASSERT_THAT(daemon_.Admit("zqperson", "analyst"), IsOk());
    const auto steward = As(cast_.steward);
    TV_ASSERT_OK_AND_ASSIGN(const auto applied, Apply(*steward, MarkedManifest()));
    ASSERT_TRUE(applied.applied()) << applied.DebugString();
    TV_ASSERT_OK_AND_ASSIGN(const auto other, Apply(*steward, SampleManifest("cli_usage")));
    ASSERT_TRUE(other.applied());
    const auto collector = As(cast_.collector);
    TV_ASSERT_OK_AND_ASSIGN(const auto bulk, Append(*collector, Packages(65'536)));
    ASSERT_EQ(bulk.accepted(), 65'536u) << bulk.DebugString();
    ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "partition.merge"), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(const auto hot, Append(*collector, Packages(100)));
    ASSERT_EQ(hot.accepted(), 100u);
    TV_ASSERT_OK_AND_ASSIGN(const auto subject,
                            Append(*collector, RowsOf({Usage(Yesterday(1), kRawSubject, "build"),
                                                       Usage(Yesterday(1), "m", "zqrejected")})));
    ASSERT_EQ(subject.accepted(), 1u) << subject.DebugString();
    for (const v1::Reject& reject : subject.rejects()) {
      EXPECT_FALSE(absl::StrContains(reject.message(), "zqrejected"));
    }
    AskWithMarkers();
    LockWithMarkers();
  }

  void AskWithMarkers() {
    const std::string sql = "SELECT action FROM zqdataset WHERE package = 'zqliteral'";
    v1::RequestAccessRequest request;
    request.set_sql(sql);
    request.set_purpose("security");
    request.set_grant_s(600);
    request.set_reason("zqaccessreason");
    ASSERT_THAT(As(cast_.investigator)->RequestAccess(request, call_), IsOk());
    EXPECT_THAT(Ask(*As(cast_.analyst),
                    "SELECT count(*) FROM zqdataset WHERE package = 'zqfieldvalue'", "zqpurpose")
                    .rows,
                ElementsAre(ElementsAre("32818")));
    // Refusals and failures name places, never values.
    const Answer bad = Ask(*As(cast_.analyst), "SELECT 'zqliteral' FRM zqdataset", "zqpurpose");
    EXPECT_FALSE(bad.status.ok());
    v1::EnrolPersonRequest pending;
    pending.set_name("zqrefused");
    EXPECT_THAT(As(daemon_.alice())->EnrolPerson(pending, call_), IsOk());
  }

  void LockWithMarkers() {
    v1::EngageLockdownRequest request;
    request.set_level(v1::LOCKDOWN_LEVEL_ROWS);
    request.set_reason("zqlockreason");
    request.set_incident("zqincident");
    ASSERT_THAT(As(cast_.responder)->EngageLockdown(request, call_), IsOk());
  }

  std::vector<std::string> Secrets() const {
    std::vector<std::string> secrets = {kPassphrase, "zqwrong passphrase", kRawSubject,
                                        "zqrejected"};
    for (const TokenOf* token :
         {&daemon_.alice(), &daemon_.bob(), &cast_.collector, &cast_.analyst, &cast_.investigator,
          &cast_.steward, &cast_.auditor, &cast_.responder}) {
      secrets.push_back(token->text);
      secrets.push_back(token->text.substr(4, 24));
    }
    return secrets;
  }

  // The files that hold tokens on purpose are left out.
  std::vector<std::string> Found(const std::vector<std::string>& needles) const {
    std::vector<std::string> found = FindInFiles(daemon_.directory(), needles);
    std::erase_if(found, [](const std::string& at) { return at.starts_with("/tokens/"); });
    return found;
  }
};

TEST_F(PlaintextTest, NoFileOfTheVaultAndNoLogHoldsAMarkerASecretOrAToken) {
  EXPECT_THAT(Found(StoredMarkers()), IsEmpty());
  EXPECT_THAT(Found(Secrets()), IsEmpty());
  // What the page cache had not written yet, and what a start writes.
  daemon_.Kill();
  EXPECT_THAT(Found(StoredMarkers()), IsEmpty());
  ASSERT_THAT(daemon_.Start(), IsOk());
  Unseal();
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  EXPECT_THAT(Found(StoredMarkers()), IsEmpty());
  EXPECT_THAT(Found(Secrets()), IsEmpty());
  for (const std::string& secret : Secrets()) {
    EXPECT_FALSE(absl::StrContains(daemon_.Output(), secret));
  }
}

bool Incompressible(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  EXPECT_EQ(compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                      reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 9),
            Z_OK);
  return size >= bytes.size();
}

bool KnownAuditValue(std::string_view key, std::string_view value) {
  if (key.starts_with(store::kLeafPrefix)) {
    const auto leaf = audit::ParseLeaf(AsBytes(value));
    return leaf.ok() &&
           (leaf->type == audit::LeafType::kKey ? leaf->body.size() == audit::kKeyLeafBodyBytes
                                                : crypto::LooksLikeEnvelope(leaf->body));
  }
  if (key.starts_with("T")) return value.size() == 256 * 32 && Incompressible(std::string(value));
  if (key == store::kHeadKey) {
    return value.size() == 1 + 8 + 8 + 32 + 32 + 3 * 8 + 32 && value[0] == 2;
  }
  if (key == store::kCheckpointKey) {
    const auto note = audit::ParseNote(value);
    return note.ok() && note->text.starts_with("vault.test/televault\n");
  }
  return false;
}

TEST_F(PlaintextTest, EveryValueOfEveryFamilyIsAnEnvelopeALeafOrADocumentedPlainStructure) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(
      const auto store,
      store::OpenRocksStore({.directory = daemon_.data_dir() + "/store", .fs = PosixFileSystem()}));
  TV_ASSERT_OK_AND_ASSIGN(const auto view, store->Pin());
  std::map<store::Family, int> values;
  for (const store::Family family :
       {store::Family::kMeta, store::Family::kHot, store::Family::kAudit}) {
    ASSERT_THAT(view->Scan(family, "", "",
                           [&](std::string_view key, std::string_view value) {
                             ++values[family];
                             EXPECT_TRUE(family == store::Family::kAudit
                                             ? KnownAuditValue(key, value)
                                             : crypto::LooksLikeEnvelope(AsBytes(value)))
                                 << static_cast<int>(family) << " key of " << key.size()
                                 << " bytes that starts with " << static_cast<int>(key[0]);
                             return true;
                           }),
                IsOk());
  }
  EXPECT_GT(values[store::Family::kMeta], 5);
  EXPECT_GT(values[store::Family::kHot], 0);
  EXPECT_GT(values[store::Family::kAudit], 50);
  // Chunks carry no header of their own: their salt stands in the block's sealed record.
  TV_ASSERT_OK_AND_ASSIGN(const auto blocks, store->ListBlocks());
  EXPECT_FALSE(blocks.empty());
  std::string chunks;
  for (const BlockId& block : blocks) {
    for (uint32_t number = 0; number < 16; ++number) {
      const auto chunk = store->ReadBlock(block, std::array{number});
      if (chunk.ok()) chunks += chunk->front();
    }
    TV_ASSERT_OK_AND_ASSIGN(const auto footer,
                            store->ReadBlock(block, std::array{store::kFooterChunk}));
    chunks += footer.front();
  }
  EXPECT_GT(chunks.size(), 1'000u);
  EXPECT_TRUE(Incompressible(chunks));
}

// The same vault with a cipher that encrypts nothing.
class NullCipherTest : public PlaintextTest {
 protected:
  NullCipherTest()
      : PlaintextTest({.binary = TELEVAULTD_NULL_CIPHER,
                       .passphrase = kPassphrase,
                       .config = "[merge]\ntick = \"1s\"\n",
                       .environment = {{"TELEVAULT_NULL_CIPHER_TEST", "1"}}}) {}
};

TEST_F(NullCipherTest, TheSearchFindsEveryMarkerThatIsKept) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  const std::vector<std::string> found = Found(StoredMarkers());
  for (const auto& [what, marker] : Stored()) {
    EXPECT_THAT(found, Contains(HasSubstr(marker))) << what << " is kept nowhere";
  }
  // Raw ids, tokens and the passphrase are not kept, with whatever cipher.
  EXPECT_THAT(Found(Secrets()), IsEmpty());
}

}  // namespace
}  // namespace televault::testing
