#include "tests/support/published_vectors.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <string_view>

#include "vault/base/check.h"

namespace televault::testing {
namespace {

// Members that tell people about a vector and are none themselves.
constexpr std::array<std::string_view, 4> kRemarks = {"source", "desc", "name", "file"};

std::set<const nlohmann::json*>& ReadValues() {
  static std::set<const nlohmann::json*> values;
  return values;
}

void FindUnread(const nlohmann::json& value, const std::string& pointer,
                std::vector<std::string>& unread) {
  if (!value.is_structured()) {
    if (!ReadValues().contains(&value)) unread.push_back(pointer);
    return;
  }
  for (const auto& [key, member] : value.items()) {
    if (std::find(kRemarks.begin(), kRemarks.end(), key) != kRemarks.end()) continue;
    FindUnread(member, pointer + "/" + key, unread);
  }
}

}  // namespace

const nlohmann::json& PublishedVectors() {
  static const nlohmann::json vectors = [] {
    std::ifstream file("tests/golden/audit/tlog.json");
    TV_CHECK(file.good());
    return nlohmann::json::parse(file);
  }();
  return vectors;
}

void Vector::NoteRead() const { ReadValues().insert(value_); }

Vector Vectors() { return Vector(PublishedVectors()); }

std::vector<std::string> UnreadIn(const nlohmann::json& content) {
  std::vector<std::string> unread;
  FindUnread(content, "", unread);
  return unread;
}

}  // namespace televault::testing
