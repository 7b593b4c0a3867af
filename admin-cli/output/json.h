#pragma once

#include <google/protobuf/message.h>
#include <string>

#include <nlohmann/json.hpp>

namespace televault::cli {

// Members keep the order in which the contract declares them.
using Json = nlohmann::ordered_json;

// A message as scripts read it: field names of the contract, every field present, 64-bit integers
// as numbers, timestamps in RFC 3339 (null where absent), enums as lower-case words without their
// type's prefix ("" for UNSPECIFIED), bytes in hex, receipts reduced to index, intent_index and
// size.
Json ToJson(const google::protobuf::Message& message);

// Text of `value`; bytes that are not UTF-8 are replaced, characters that a terminal obeys or that
// hide what stands around them are \uXXXX: the same JSON. indent < 0: one line.
std::string Dump(const Json& value, int indent);

}  // namespace televault::cli
