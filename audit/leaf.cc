#include "audit/leaf.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

bool IsKnownType(uint8_t type) {
  return type == static_cast<uint8_t>(LeafType::kKey) ||
         type == static_cast<uint8_t>(LeafType::kEntry);
}

// "" where the body's length is right for the type.
std::string_view BodyProblem(LeafType type, size_t bytes) {
  if (bytes == 0) return "the body is empty";
  if (bytes > kMaxLeafBodyBytes) return "longer than 65535 bytes";
  if (type == LeafType::kKey && bytes != kKeyLeafBodyBytes) {
    return "the body of a key leaf must be 80 bytes long";
  }
  return "";
}

}  // namespace

std::string LeafHeader(LeafType type, const LeafKeyId& key_id) {
  std::string header;
  header.push_back(static_cast<char>(kLeafVersion));
  header.push_back(static_cast<char>(type));
  header.append(AsText(key_id));
  return header;
}

absl::StatusOr<std::string> EncodeLeaf(const LeafView& leaf) {
  const std::string_view problem = BodyProblem(leaf.type, leaf.body.size());
  if (!problem.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("audit leaf: ", AsAbsl(problem)));
  }
  std::string bytes = LeafHeader(leaf.type, leaf.key_id);
  bytes.append(AsText(leaf.body));
  return bytes;
}

absl::StatusOr<LeafView> ParseLeaf(std::span<const uint8_t> bytes) {
  if (bytes.size() < kLeafHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("audit leaf: ", bytes.size(), " bytes long, the header alone needs 18"));
  }
  if (bytes[0] != kLeafVersion) {
    return absl::DataLossError(
        absl::StrCat("audit leaf: byte 0 (version) is ", bytes[0], ", known is 1"));
  }
  if (!IsKnownType(bytes[1])) {
    return absl::DataLossError(absl::StrCat("audit leaf: byte 1 (type) is ", bytes[1],
                                            ", known are 1 (key) and 2 (entry)"));
  }
  LeafView leaf;
  leaf.type = static_cast<LeafType>(bytes[1]);
  std::copy_n(bytes.begin() + 2, kLeafKeyIdBytes, leaf.key_id.begin());
  leaf.body = bytes.subspan(kLeafHeaderBytes);
  const std::string_view problem = BodyProblem(leaf.type, leaf.body.size());
  if (!problem.empty()) return absl::DataLossError(absl::StrCat("audit leaf: ", AsAbsl(problem)));
  return leaf;
}

}  // namespace televault::audit
