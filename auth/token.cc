#include "auth/token.h"

#include <algorithm>
#include <cstring>
#include <sodium.h>

#include "absl/status/status.h"

namespace televault::auth {
namespace {

constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr uint32_t kBase = 62;
constexpr std::string_view kAccessorPrefix = "tva_";
constexpr size_t kAccessorDigits = 11;  // 62^11 > 2^64

bool IsDigit(char c) { return kDigits.find(c) != std::string_view::npos; }

// Big-endian base conversion by repeated division; `number` is used up.
void WriteBase62(std::span<uint8_t> number, std::span<char> out) {
  for (size_t i = out.size(); i-- > 0;) {
    uint32_t remainder = 0;
    for (uint8_t& byte : number) {
      const uint32_t value = remainder * 256 + byte;
      byte = static_cast<uint8_t>(value / kBase);
      remainder = value % kBase;
    }
    out[i] = kDigits[remainder];
  }
}

uint32_t Crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

bool IsKind(char c) {
  return c == static_cast<char>(TokenKind::kOperator) || c == static_cast<char>(TokenKind::kRole) ||
         c == static_cast<char>(TokenKind::kWrite);
}

}  // namespace

std::array<char, kTokenChecksumDigits> ChecksumDigits(std::string_view body) {
  uint32_t crc = Crc32(body);
  std::array<char, kTokenChecksumDigits> digits{};
  for (size_t i = digits.size(); i-- > 0;) {
    digits[i] = kDigits[crc % kBase];
    crc /= kBase;
  }
  return digits;
}

void FormatToken(TokenKind kind, std::span<const uint8_t, kTokenSecretBytes> secret,
                 std::span<char, kTokenTextBytes> out) {
  const char prefix[] = {'t', 'v', static_cast<char>(kind), '_'};
  std::copy(std::begin(prefix), std::end(prefix), out.begin());
  const auto body = out.subspan(sizeof prefix, kTokenBodyDigits);
  std::array<uint8_t, kTokenSecretBytes> number{};
  std::copy(secret.begin(), secret.end(), number.begin());
  WriteBase62(number, body);
  sodium_memzero(number.data(), number.size());
  const auto checksum = ChecksumDigits({body.data(), body.size()});
  std::copy(checksum.begin(), checksum.end(), out.begin() + sizeof prefix + kTokenBodyDigits);
}

absl::StatusOr<TokenKind> ParseToken(std::string_view text) {
  if (text.size() != kTokenTextBytes) {
    return absl::InvalidArgumentError(
        "a token is 53 characters long: tv, its kind, an underscore and 49 letters and digits");
  }
  if (text[0] != 't' || text[1] != 'v' || !IsKind(text[2]) || text[3] != '_') {
    return absl::InvalidArgumentError("a token starts with tvo_, tvr_ or tvw_");
  }
  const std::string_view digits = text.substr(4);
  if (!std::all_of(digits.begin(), digits.end(), IsDigit)) {
    return absl::InvalidArgumentError("a token holds only letters and digits after its underscore");
  }
  const std::string_view body = digits.substr(0, kTokenBodyDigits);
  const auto checksum = ChecksumDigits(body);
  if (digits.substr(kTokenBodyDigits) != std::string_view(checksum.data(), checksum.size())) {
    return absl::InvalidArgumentError(
        "the token's checksum does not fit: it was mistyped or cut; copy it again");
  }
  return static_cast<TokenKind>(text[2]);
}

TokenVerifier VerifierOf(std::string_view text) {
  TokenVerifier verifier{};
  crypto_generichash(verifier.data(), verifier.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return verifier;
}

bool SameVerifier(const TokenVerifier& expected, std::span<const uint8_t> stored) {
  return stored.size() == expected.size() &&
         sodium_memcmp(expected.data(), stored.data(), expected.size()) == 0;
}

std::string AccessorOf(const TokenVerifier& verifier) {
  static constexpr unsigned char kPersonal[crypto_generichash_blake2b_PERSONALBYTES] = {
      't', 'v', '.', 'a', 'c', 'c', 'e', 's', 's', 'o', 'r', '.', 'v', '1', 0, 0};
  std::array<uint8_t, crypto_generichash_blake2b_BYTES_MIN> hash{};
  crypto_generichash_blake2b_salt_personal(hash.data(), hash.size(), verifier.data(),
                                           verifier.size(), nullptr, 0, nullptr, kPersonal);
  std::string accessor(kAccessorPrefix);
  accessor.resize(kAccessorPrefix.size() + kAccessorDigits);
  WriteBase62(std::span(hash).first(8), std::span(accessor).subspan(kAccessorPrefix.size()));
  return accessor;
}

bool IsAccessor(std::string_view text) {
  return text.size() == kAccessorPrefix.size() + kAccessorDigits &&
         text.substr(0, kAccessorPrefix.size()) == kAccessorPrefix &&
         std::all_of(text.begin() + kAccessorPrefix.size(), text.end(), IsDigit);
}

}  // namespace televault::auth
