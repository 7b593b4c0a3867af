// FUZZ_DEPS: televault_test_support
#include <cstddef>
#include <cstdint>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <memory>
#include <string>

#include "televault/record/v1/state.pb.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"
#include "vault/store/meta.h"

using namespace televault;
using store::Family;
using store::RecordId;
using store::RecordKind;

// A store of one record of the meta family.
class OneRecord final : public store::View {
 public:
  OneRecord(std::string key, std::string value) : key_(std::move(key)), value_(std::move(value)) {}
  absl::StatusOr<std::string> Get(Family, std::string_view key) const override {
    if (key != key_) return absl::NotFoundError("");
    return value_;
  }
  absl::Status Scan(
      Family, std::string_view prefix, std::string_view,
      const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    if (std::string_view(key_).starts_with(prefix)) visit(key_, value_);
    return absl::OkStatus();
  }

 private:
  const std::string key_;
  const std::string value_;
};

// The keys of a vault, always the same, so that the corpus can hold records sealed with them.
struct Vault {
  televault::testing::TempDirectory directory;
  televault::testing::SeededRandom random{3};
  crypto::FileKeySlots slots{PosixFileSystem(), {directory.path()}};
  const SecretBytes root = crypto::NewKey(random);
  const VaultId id{{7}};
  const std::unique_ptr<crypto::Keyring> keyring =
      crypto::Keyring::Create({PosixFileSystem(), slots, random, id, {directory.path()}, nullptr},
                              {}, root, televault::testing::FakeClock().Wall())
          .value();
  const store::MetaStore meta{id, *keyring, random};
};

// The order of a map's entries is not the same twice otherwise.
std::string InOrder(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream target(&bytes);
    google::protobuf::io::CodedOutputStream out(&target);
    out.SetSerializationDeterministic(true);
    message.SerializeWithCachedSizes(&out);
  }
  return bytes;
}
template <class Record>
bool Same(const Record& a, const Record& b) {
  return a.ByteSizeLong() == b.ByteSizeLong() && InOrder(a) == InOrder(b);
}

// Reads `value` as the record of this kind; it never comes back under another kind or name.
template <class Record>
absl::Status Read(const Vault& vault, RecordKind kind, const std::string& value, Record& record) {
  const RecordId id = RecordId(DatasetId(5)).WithName("name");
  const auto at = vault.meta.Delete(kind, id);
  const auto elsewhere = vault.meta.Delete(kind, RecordId(DatasetId(5)).WithName("other"));
  TV_CHECK(at.ok() && elsewhere.ok());
  TV_CHECK(absl::IsDataLoss(vault.meta
                                .Get<Record>(OneRecord(elsewhere->key, value), kind,
                                             RecordId(DatasetId(5)).WithName("other"))
                                .status()));
  const OneRecord view(at->key, value);
  const absl::Status status = vault.meta.Get(view, kind, id, record);
  int scanned = 0;
  const absl::Status scan =
      vault.meta.Scan<Record>(view, kind, RecordId(DatasetId(5)), [&](const Record& found) {
        TV_CHECK(Same(found, record));
        ++scanned;
        return true;
      });
  TV_CHECK(scan == status && scanned == (status.ok() ? 1 : 0));
  TV_CHECK(status.ok() || absl::IsDataLoss(status));
  return status;
}

// As it stands in the store; then as what a genuine envelope holds, which opens exactly where the
// message parses, and is the same after it was stored again.
template <class Record>
void Fuzz(Vault& vault, RecordKind kind, Bytes input) {
  Record record;
  (void)Read(vault, kind, std::string(AsText(input)), record);

  const RecordId id = RecordId(DatasetId(5)).WithName("name");
  const std::string key = vault.meta.Delete(kind, id)->key;
  const std::string sealed = crypto::Seal(**vault.keyring->MetaKey(), crypto::Use::kMetaRecord,
                                          AsBytes(key), input, vault.id, vault.random);
  Record plain;
  const bool parses = plain.ParseFromArray(input.data(), static_cast<int>(input.size()));
  TV_CHECK(Read(vault, kind, sealed, record).ok() == parses);
  if (!parses) return;
  TV_CHECK(Same(record, plain));
  const auto again = vault.meta.Put(kind, id, record);
  TV_CHECK(again.ok() && again->key == key);
  TV_CHECK(Read(vault, kind, *again->value, plain).ok());
  TV_CHECK(Same(record, plain));
}

// The first byte chooses the kind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The parser tells about every text that is not UTF-8.
  static const auto silent = google::protobuf::SetLogHandler(nullptr);
  (void)silent;
  static const auto vault = std::make_unique<Vault>();
  const Bytes input(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      Fuzz<record::v1::DatasetRecord>(*vault, RecordKind::kDataset, input);
      break;
    case 1:
      Fuzz<record::v1::PartitionRecord>(*vault, RecordKind::kPartition, input);
      break;
    case 2:
      Fuzz<record::v1::BlockRecord>(*vault, RecordKind::kBlock, input);
      break;
    case 3:
      Fuzz<record::v1::BatchRecord>(*vault, RecordKind::kBatchId, input);
      break;
    case 4:
      Fuzz<record::v1::RejectCountRecord>(*vault, RecordKind::kRejectCount, input);
      break;
    default:
      Fuzz<record::v1::AccessRequestRecord>(*vault, RecordKind::kAccessRequest, input);
  }
  return 0;
}
