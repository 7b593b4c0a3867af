#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "auth/token.h"
#include "televault/v1/options.pb.h"

namespace televault::auth {

using Capability = ::televault::v1::Capability;

// A set of capabilities. UNSPECIFIED and numbers this version does not know are never members.
class CapabilitySet {
 public:
  constexpr CapabilitySet() = default;
  constexpr CapabilitySet(std::initializer_list<Capability> members) {
    for (const Capability member : members) Add(member);
  }
  constexpr void Add(Capability member) { bits_ |= BitOf(member); }
  constexpr void AddAll(CapabilitySet other) { bits_ |= other.bits_; }
  constexpr bool Has(Capability member) const { return (bits_ & BitOf(member)) != 0; }
  constexpr bool Intersects(CapabilitySet other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool ContainsAll(CapabilitySet other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(CapabilitySet, CapabilitySet) = default;
  // Ascending by number.
  std::vector<Capability> Members() const;

 private:
  static constexpr uint32_t BitOf(Capability member) {
    const int number = static_cast<int>(member);
    return number > 0 && number <= ::televault::v1::Capability_MAX ? uint32_t{1} << number : 0;
  }
  static_assert(::televault::v1::Capability_MAX < 32);
  uint32_t bits_ = 0;
};

struct Role {
  std::string_view name;
  CapabilitySet capabilities;
  // Giving it out takes two persons.
  bool guarded = false;
  std::string_view description;
};

// The roles every vault has, in the order of the documentation.
std::span<const Role> BuiltInRoles();

// nullptr where there is no such role.
const Role* FindRole(std::string_view name);

// Union over `roles`; an unknown role adds nothing. AUTHENTICATED and PUBLIC come with any token
// and are in no role.
CapabilitySet CapabilitiesOf(std::span<const std::string> roles);

// Whether giving out a token with these roles takes a second person.
bool NeedsConfirmation(std::span<const std::string> roles);

// Whether the roles together do what the vault keeps apart: reading telemetry with managing tokens,
// persons, keys, datasets, access, audit or lockdown; reading the audit trail with managing tokens,
// persons or keys; appending with anything else. Such a token needs an explicit acceptance.
bool CombinesDuties(std::span<const std::string> roles);

// INVALID_ARGUMENT unless there are 1 to 8 distinct known roles; the text lists the known ones.
absl::Status ValidateRoles(std::span<const std::string> roles);

// The kind a token with these roles is printed as.
TokenKind TokenKindOf(std::span<const std::string> roles);

}  // namespace televault::auth
