#pragma once

#include <cstdint>
#include <string>

namespace televault::audit {

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
};

// The text that is signed: one "name value" pair a line. Whoever checks a receipt writes it anew
// from what is claimed and compares it with what was signed, so that nothing has to be parsed.
std::string DeletionReceiptText(const DeletionReceipt& receipt);

}  // namespace televault::audit
