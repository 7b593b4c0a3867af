// Linked into a daemon that records no call without changes and hands out no receipts, so that the
// price of the audit trail can be measured. Calls of the two functions below come here instead
// (linker option --wrap); nothing of it is in the product.
#include "vault/service/recorder.h"

namespace televault::service {

using Recorded = Recorder::Recorded;

absl::StatusOr<Recorded> RealRecord(Recorder* self, record::v1::AuditEntry entry,
                                    Recording recording) asm("__real_" RECORD_SYMBOL);
absl::StatusOr<Recorded> NullRecord(Recorder* self, record::v1::AuditEntry entry,
                                    Recording recording) asm("__wrap_" RECORD_SYMBOL);
absl::StatusOr<v1::AuditReceipt> NullReceiptFor(const Recorder* self, const Recorded& recorded) asm(
    "__wrap_" RECEIPT_FOR_SYMBOL);

absl::StatusOr<Recorded> NullRecord(Recorder* self, record::v1::AuditEntry entry,
                                    Recording recording) {
  if (recording.mutations.empty()) return Recorded{};
  return RealRecord(self, std::move(entry), std::move(recording));
}

absl::StatusOr<v1::AuditReceipt> NullReceiptFor(const Recorder*, const Recorded&) {
  return v1::AuditReceipt();
}

}  // namespace televault::service
