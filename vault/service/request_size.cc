#include "vault/service/request_size.h"

#include <algorithm>
#include <cstring>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format_lite.h>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "vault/base/limits.h"
#include "vault/service/request_bytes.h"

namespace televault::service {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

// What the allocator and the slot in a list add to an object, and a map to an entry and its key.
constexpr size_t kObjectOverhead = 32;
constexpr size_t kEntryOverhead = 64;
constexpr size_t kTextBytes = 64;     // without its characters
constexpr size_t kUnknownBytes = 32;  // without its characters
constexpr int kMaxDepth = 100;        // what protobuf's parser follows

// What the walk has to know of a message type: descriptors are too slow to ask for every field.
struct Shape {
  enum class Kind : uint8_t { kUnknown, kNumber, kNumbers, kText, kMessage };
  struct Field {
    Kind kind = Kind::kUnknown;
    uint8_t wire = 0;             // of a single value
    size_t bytes = 0;             // of one more value, without its characters
    const Shape* type = nullptr;  // kMessage
  };
  std::vector<Field> fields;  // by number
};

// Types that were asked for, with all that they hold. Nothing of it is ever given back.
class Shapes {
 public:
  const Shape& Of(const Descriptor& type) {
    const std::lock_guard lock(mu_);
    return Build(type);
  }

 private:
  const Shape& Build(const Descriptor& type) {
    const auto [known, fresh] = shapes_.try_emplace(&type);
    Shape& shape = known->second;  // a std::map: it stays where it is
    if (!fresh) return shape;
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const auto number = static_cast<size_t>(field.number());
      if (shape.fields.size() <= number) shape.fields.resize(number + 1);
      shape.fields[number] = FieldOf(field);
    }
    return shape;
  }

  Shape::Field FieldOf(const FieldDescriptor& field) {
    const auto type = static_cast<WireFormatLite::FieldType>(field.type());
    Shape::Field out;
    out.wire = static_cast<uint8_t>(WireFormatLite::WireTypeForFieldType(type));
    // Key and value of a map are parts of their entry.
    const bool in_entry = field.containing_type()->options().map_entry();
    if (const Descriptor* message = field.message_type()) {
      out.kind = Shape::Kind::kMessage;
      out.type = &Build(*message);
      out.bytes = in_entry ? 0 : BytesOf(*message);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      out.kind = Shape::Kind::kText;
      out.bytes = in_entry ? 0 : kTextBytes;
    } else {
      out.kind = field.is_repeated() ? Shape::Kind::kNumbers : Shape::Kind::kNumber;
      out.bytes = field.is_repeated() ? NumberBytes(field) : 0;
    }
    return out;
  }

  static size_t BytesOf(const Descriptor& type) {
    if (!type.options().map_entry()) {
      auto* factory = google::protobuf::MessageFactory::generated_factory();
      return factory->GetPrototype(&type)->SpaceUsedLong() + kObjectOverhead;
    }
    const Descriptor* value = type.map_value()->message_type();
    return kEntryOverhead + (value == nullptr ? kTextBytes : BytesOf(*value));
  }

  // Of one number in a list, which doubles as it grows.
  static size_t NumberBytes(const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
      case FieldDescriptor::CPPTYPE_UINT64:
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return 16;
      default:
        return 8;
    }
  }

  std::mutex mu_;  // guards shapes_
  std::map<const Descriptor*, Shape> shapes_;
};

const Shape& ShapeOf(const Descriptor& type) {
  static Shapes shapes;
  return shapes.Of(type);
}

// Numbers in `bytes`: the last byte of each is below 0x80. Eight bytes at a time, as it sees all of
// a column.
size_t VarintsIn(std::string_view bytes) {
  constexpr uint64_t kEachByte = 0x0101010101010101;
  size_t count = 0;
  while (bytes.size() >= sizeof(uint64_t)) {
    uint64_t eight = 0;
    std::memcpy(&eight, bytes.data(), sizeof(eight));
    count += ((~eight >> 7 & kEachByte) * kEachByte) >> 56;
    bytes.remove_prefix(sizeof(eight));
  }
  return count + static_cast<size_t>(std::count_if(bytes.begin(), bytes.end(),
                                                   [](char b) { return (b & 0x80) == 0; }));
}

// Threads: one; used once. Borrows the bytes.
class Walker {
 public:
  Walker(std::string_view bytes, size_t bound)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), bound_(bound) {}

  // Fields up to the end of the message, or of the group of that number. False: not a message, or
  // over the bound.
  bool Fields(const Shape& type, uint32_t group, int depth) {
    if (depth > kMaxDepth) return false;
    while (at_ < end_) {
      uint32_t tag = 0;
      if (!Tag(tag) || tag >> 3 == 0) return false;
      const uint32_t number = tag >> 3;
      const uint32_t wire = tag & 7;
      if (wire == WireFormatLite::WIRETYPE_END_GROUP) return number == group;
      static constexpr Shape::Field kUnknown{.bytes = kUnknownBytes};
      const Shape::Field& field = number < type.fields.size() ? type.fields[number] : kUnknown;
      const bool packed =
          field.kind == Shape::Kind::kNumbers && wire == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
      // What comes in another form than declared, the parser keeps as unknown.
      const bool known = field.kind != Shape::Kind::kUnknown && (packed || wire == field.wire);
      if (!Value(known ? field : kUnknown, number, wire, depth)) return false;
    }
    return group == 0;
  }

  size_t cost() const { return cost_; }

 private:
  // At most five bytes, of which the parser drops what is above 32 bits.
  bool Tag(uint32_t& tag) {
    constexpr ptrdiff_t kMaxTagBytes = 5;
    const char* const begin = at_;
    uint64_t value = 0;
    if (!Varint(value) || at_ - begin > kMaxTagBytes) return false;
    tag = static_cast<uint32_t>(value);
    return true;
  }

  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 70 && at_ < end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool Skip(uint64_t bytes) {
    if (bytes > static_cast<uint64_t>(end_ - at_)) return false;
    at_ += bytes;
    return true;
  }

  bool Value(const Shape::Field& field, uint32_t number, uint32_t wire, int depth) {
    cost_ += field.bytes;
    if (cost_ > bound_) return false;
    uint64_t ignored = 0;
    switch (wire) {
      case WireFormatLite::WIRETYPE_VARINT:
        return Varint(ignored);
      case WireFormatLite::WIRETYPE_FIXED64:
        return Skip(8);
      case WireFormatLite::WIRETYPE_FIXED32:
        return Skip(4);
      case WireFormatLite::WIRETYPE_START_GROUP: {
        static const Shape kNothing;
        cost_ += 2 * kObjectOverhead;
        return Fields(kNothing, number, depth + 1);
      }
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return Delimited(field, depth);
      default:
        return false;
    }
  }

  bool Delimited(const Shape::Field& field, int depth) {
    uint64_t length = 0;
    if (!Varint(length) || length > static_cast<uint64_t>(end_ - at_)) return false;
    if (field.kind == Shape::Kind::kMessage) {
      const char* const outer = std::exchange(end_, at_ + length);
      if (!Fields(*field.type, 0, depth + 1)) return false;
      end_ = outer;
      return true;
    }
    if (field.kind == Shape::Kind::kNumbers) {
      cost_ += field.bytes * NumbersIn(field, {at_, static_cast<size_t>(length)});
    } else {
      cost_ += length + (field.kind == Shape::Kind::kUnknown ? kTextBytes : 0);
    }
    return cost_ <= bound_ && Skip(length);
  }

  static size_t NumbersIn(const Shape::Field& field, std::string_view bytes) {
    if (field.wire == WireFormatLite::WIRETYPE_VARINT) return VarintsIn(bytes);
    return bytes.size() / (field.wire == WireFormatLite::WIRETYPE_FIXED64 ? 8 : 4);
  }

  const char* at_;
  const char* end_;  // of the message that is walked
  const size_t bound_;
  size_t cost_ = 0;
};

}  // namespace

RequestBounds BoundsOf(const Descriptor& type) {
  const Descriptor* const of_events[] = {
      v1::AppendRequest::descriptor(), v1::AppendStreamRequest::descriptor(),
      opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest::descriptor()};
  if (std::find(std::begin(of_events), std::end(of_events), &type) != std::end(of_events)) {
    return {limits::kMaxMessageBytes, limits::kMaxParsedMessageBytes};
  }
  return {limits::kMaxPlainRequestBytes, limits::kMaxParsedPlainRequestBytes};
}

absl::StatusOr<size_t> ParsedBytes(std::string_view bytes, const Descriptor& type, size_t bound) {
  Walker walker(bytes, bound);
  const bool whole = walker.Fields(ShapeOf(type), 0, 0);
  if (walker.cost() > bound) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the request takes more than ", bound,
                     " bytes of memory once it is read: it has too many fields or values; send it "
                     "in parts"));
  }
  if (!whole) return NotAMessage(type.full_name());
  return walker.cost();
}

}  // namespace televault::service
