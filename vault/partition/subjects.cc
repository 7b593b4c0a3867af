#include "vault/partition/subjects.h"

namespace televault::partition {

std::vector<uint8_t> KeptRows(const block::Column& subjects, const SubjectList& list) {
  // Once for each entry of the dictionary, not for each row.
  std::vector<uint8_t> kept_codes(subjects.dictionary.size(), 1);
  bool any = false;
  for (size_t code = 0; code < kept_codes.size(); ++code) {
    if (!list.Contains(subjects.dictionary.at(static_cast<uint32_t>(code)))) continue;
    kept_codes[code] = 0;
    any = true;
  }
  std::vector<uint8_t> kept;
  if (!any) return kept;
  kept.assign(subjects.rows, 1);
  bool removes = false;
  for (size_t row = 0; row < subjects.rows; ++row) {
    if (subjects.IsNull(row) || kept_codes[subjects.codes[row]] != 0) continue;
    kept[row] = 0;
    removes = true;
  }
  if (!removes) kept.clear();
  return kept;
}

}  // namespace televault::partition
