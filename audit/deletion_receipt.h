#pragma once

#include <cstdint>
#include <string>

namespace televault::audit {

// RFC 3339 in UTC as receipts spell it: up to six decimals, none at the end that is zero.
std::string ReceiptTime(int64_t us);

// What a deletion receipt states, docs/formats/receipt-v1.md. Times are RFC 3339 in UTC.
struct DeletionReceipt {
  std::string dataset;  // pseudonym, 32 hex digits
  std::string day;
  uint64_t key_id = 0;
  uint64_t events = 0;
  std::string deadline;
  std::string shredded_at;
  std::string purged_at;
  uint64_t shredded_leaf = 0;
  std::string destruction;
  std::string holds;  // ids, "," between; "" = none
};

// What the receipt of a settled erasure states.
struct ErasureReceipt {
  std::string dataset;  // pseudonym, 32 hex digits
  std::string id;       // of the erasure, 32 hex digits
  std::string requested_at;
  std::string deadline;
  std::string settled_at;
  uint32_t partitions = 0;  // rewritten
  uint64_t events = 0;      // removed
  std::string destruction;
  std::string holds;
};

// The text that is signed: one "name value" pair a line. Whoever checks a receipt writes it anew
// from what is claimed and compares it with what was signed, so that nothing has to be parsed.
std::string DeletionReceiptText(const DeletionReceipt& receipt);
std::string ErasureReceiptText(const ErasureReceipt& receipt);

}  // namespace televault::audit
