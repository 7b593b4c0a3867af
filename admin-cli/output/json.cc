#include "admin-cli/output/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/map_field.h>
#include <google/protobuf/reflection.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include <google/protobuf/timestamp.pb.h>

#include "admin-cli/output/text.h"
#include "televault/v1/types.pb.h"
#include "vault/base/bytes.h"
#include "vault/base/time.h"

namespace televault::cli {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// "AccessState" → "ACCESS_STATE_".
std::string PrefixOf(const std::string& type_name) {
  std::string prefix;
  for (const char c : type_name) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  return prefix + '_';
}

std::string Word(const EnumValueDescriptor& value) {
  if (value.number() == 0) return "";
  std::string name = value.name();
  const std::string prefix = PrefixOf(value.type()->name());
  if (name.rfind(prefix, 0) == 0) name.erase(0, prefix.size());
  return absl::AsciiStrToLower(name);
}

std::string BytesOrText(const FieldDescriptor& field, const std::string& value) {
  return field.type() == FieldDescriptor::TYPE_BYTES ? ToHex(AsBytes(value)) : value;
}

Json Single(const Message& message, const FieldDescriptor& field) {
  const Reflection& r = *message.GetReflection();
  if (field.has_presence() && !r.HasField(message, &field)) return Json();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return r.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return r.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return r.GetFloat(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return Word(*r.GetEnum(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return BytesOrText(field, r.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(r.GetMessage(message, &field));
  }
  return Json();
}

Json Element(const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& r = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r.GetRepeatedInt32(message, &field, i);
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetRepeatedInt64(message, &field, i);
    case FieldDescriptor::CPPTYPE_UINT32:
      return r.GetRepeatedUInt32(message, &field, i);
    case FieldDescriptor::CPPTYPE_UINT64:
      return r.GetRepeatedUInt64(message, &field, i);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetRepeatedDouble(message, &field, i);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return r.GetRepeatedFloat(message, &field, i);
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetRepeatedBool(message, &field, i);
    case FieldDescriptor::CPPTYPE_ENUM:
      return Word(*r.GetRepeatedEnum(message, &field, i));
    case FieldDescriptor::CPPTYPE_STRING:
      return BytesOrText(field, r.GetRepeatedString(message, &field, i));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(r.GetRepeatedMessage(message, &field, i));
  }
  return Json();
}

Json MapField(const Message& message, const FieldDescriptor& field) {
  const Reflection& r = *message.GetReflection();
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  // A plain map first: the order of a protobuf map is not the same in every run.
  nlohmann::json sorted = nlohmann::json::object();
  for (int i = 0; i < r.FieldSize(message, &field); ++i) {
    const Message& entry = r.GetRepeatedMessage(message, &field, i);
    sorted[entry.GetReflection()->GetString(entry, &key)] = Single(entry, value);
  }
  return Json(sorted);
}

Json Field(const Message& message, const FieldDescriptor& field) {
  if (field.is_map()) return MapField(message, field);
  if (!field.is_repeated()) return Single(message, field);
  Json list = Json::array();
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    list.push_back(Element(message, field, i));
  }
  return list;
}

Json FromTimestamp(const google::protobuf::Timestamp& t) {
  return FormatRfc3339(WallTime{t.seconds() * 1'000'000 + t.nanos() / 1000});
}

Json FromReceipt(const v1::AuditReceipt& receipt) {
  return Json{{"index", receipt.index()},
              {"intent_index", receipt.intent_index()},
              {"size", receipt.size()}};
}

}  // namespace

Json ToJson(const Message& message) {
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    return FromTimestamp(*time);
  }
  if (const auto* receipt = dynamic_cast<const v1::AuditReceipt*>(&message)) {
    return FromReceipt(*receipt);
  }
  Json object = Json::object();
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    object[type.field(i)->name()] = Field(message, *type.field(i));
  }
  return object;
}

std::string Dump(const Json& value, int indent) {
  return EscapeForTerminal(value.dump(indent, ' ', false, Json::error_handler_t::replace));
}

}  // namespace televault::cli
