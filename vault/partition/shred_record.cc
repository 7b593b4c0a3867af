#include "vault/partition/shred_record.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "vault/base/bytes.h"
#include "vault/crypto/keyring.h"

namespace televault::partition {

void SetShredded(const crypto::Keyring& keyring, uint64_t events, WallTime deadline, WallTime now,
                 record::v1::PartitionRecord& record) {
  record.set_state(record::v1::PARTITION_STATE_SHREDDED);
  record.set_events(events);
  record.set_shredded_at_us(now.micros);
  record.set_destruction(crypto::ToString(keyring.slot_kind()));
  record.clear_left_out_sealed();
  record.clear_left_out_key_id();
  record.clear_holds();
  const PartitionId id{DatasetId(record.dataset_id()), Day(record.day())};
  for (const crypto::LegalHold& hold : keyring.Holds()) {
    if (hold.Covers(id) && hold.End() > deadline) record.add_holds(ToHex(hold.id));
  }
}

void Describe(const record::v1::PartitionRecord& record, std::string pseudonym,
              record::v1::AuditEntry& entry) {
  auto& details = *entry.mutable_details();
  details["day"] = FormatDay(Day(record.day()));
  details["deadline"] = FormatRfc3339({record.deadline_us()});
  details["key_id"] = absl::StrCat(record.key_id());
  details["events"] = absl::StrCat(record.events());
  details["pseudonym"] = std::move(pseudonym);
  details["destruction"] = record.destruction();
  if (record.shredded_at_us() != 0) {
    details["shredded_at"] = FormatRfc3339({record.shredded_at_us()});
  }
  if (record.holds_size() > 0) details["holds"] = absl::StrJoin(record.holds(), ",");
}

}  // namespace televault::partition
