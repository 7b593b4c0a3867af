#pragma once

#include <concepts>
#include <functional>
#include <gtest/gtest.h>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"

// The published vectors of the log formats (tests/golden/audit/tlog.json), and that every one of
// them is read by some test.
namespace televault::testing {

// The file as it is, to count what it holds. Tests use what Vectors() hands out.
const nlohmann::json& PublishedVectors();

// A value of the file. Notes which texts, numbers, truth values and nulls a test took out of it.
// Threads: one.
class Vector {
 public:
  class Iterator {
   public:
    explicit Iterator(nlohmann::json::const_iterator at) : at_(at) {}
    Vector operator*() const { return Vector(*at_); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return a.at_ != b.at_; }

   private:
    nlohmann::json::const_iterator at_;
  };

  explicit Vector(const nlohmann::json& value) : value_(&value) {}
  template <class Key>
  Vector operator[](const Key& key) const {
    return Vector(value_->at(key));
  }
  Iterator begin() const { return Iterator(value_->begin()); }
  Iterator end() const { return Iterator(value_->end()); }
  size_t size() const { return value_->size(); }

  bool is_null() const {
    NoteRead();
    return value_->is_null();
  }
  template <class T>
  T get() const {
    NoteRead();
    return value_->get<T>();
  }
  template <class T>
  requires(std::same_as<T, std::string> || (std::integral<T> && !std::same_as<T, char>))
  operator T() const {  // NOLINT(google-explicit-constructor): reads like the library's own
    return get<T>();
  }
  template <class T>
  friend bool operator==(const Vector& vector, const T& other) {
    return vector.get<T>() == other;
  }
  // For messages: does not count as read.
  friend std::ostream& operator<<(std::ostream& out, const Vector& vector) {
    return out << *vector.value_;
  }

 private:
  void NoteRead() const;

  const nlohmann::json* value_;
};

Vector Vectors();

// Where the values lie, as JSON pointers, that nobody has read so far. What only says where a
// vector comes from is left out.
std::vector<std::string> UnreadIn(const nlohmann::json& content);

// At the end of a test program that ran all of its tests: a vector that none of them read, in the
// sections (members of the file) that `mine` chooses, is a failure.
class AllVectorsAreRead final : public ::testing::Environment {
 public:
  explicit AllVectorsAreRead(std::function<bool(const std::string& section)> mine)
      : mine_(std::move(mine)) {}
  void TearDown() override {
    const ::testing::UnitTest& tests = *::testing::UnitTest::GetInstance();
    if (tests.test_to_run_count() + tests.disabled_test_count() < tests.total_test_count()) return;
    for (const auto& [section, content] : PublishedVectors().items()) {
      if (section == "_about" || !mine_(section)) continue;
      EXPECT_EQ(UnreadIn(content), std::vector<std::string>()) << section;
    }
  }

 private:
  const std::function<bool(const std::string&)> mine_;
};

}  // namespace televault::testing
