#include "vault/crypto/shares.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <sodium.h>
#include <string>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/crypto/secret_pass.h"

extern "C" {
#include <libgfshare.h>
}

namespace televault::crypto {
namespace {

// Of a share, before it becomes text: version 1, threshold 1, number 1, set id 8, value 32,
// check 5.
constexpr size_t kValueAt = 11;
constexpr size_t kCheckAt = kValueAt + kKeyBytes;
constexpr size_t kCheckBytes = 5;
constexpr size_t kShareBytes = kCheckAt + kCheckBytes;
constexpr uint8_t kVersion = 1;

// Base 32 after Crockford: no letter that can be taken for a digit, and none for another.
constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::string_view kPrefix = "tvs1";
constexpr size_t kSymbols = (kShareBytes * 8 + 4) / 5;
constexpr size_t kGroup = 7;
static_assert(kSymbols % kGroup == 0);
static_assert(kPrefix.size() + kSymbols + kSymbols / kGroup == kShareTextBytes);

// The five check bytes of a share: notice mistyped letters, stop no attacker.
std::array<uint8_t, kCheckBytes> CheckOf(Bytes share) {
  std::array<uint8_t, kCheckBytes> check{};
  const Hash32 hash = PlainHash32(share.first(kCheckAt));
  std::copy_n(hash.begin(), kCheckBytes, check.begin());
  return check;
}

Hash16 DigestOf(Bytes value) {
  Hash16 digest{};
  TV_CHECK(crypto_generichash(digest.data(), digest.size(), value.data(), value.size(), nullptr,
                              0) == 0);
  return digest;
}

SecretBytes TextOf(Bytes share) {
  SecretBytes text(kShareTextBytes);
  const auto out = text.Write(MintSecretPass());
  std::copy(kPrefix.begin(), kPrefix.end(), out.begin());
  size_t at = kPrefix.size();
  for (size_t symbol = 0; symbol < kSymbols; ++symbol) {
    if (symbol % kGroup == 0) out[at++] = '-';
    unsigned value = 0;
    for (size_t bit = symbol * 5; bit < symbol * 5 + 5; ++bit) {
      const unsigned set = bit < kShareBytes * 8 ? (share[bit / 8] >> (7 - bit % 8)) & 1U : 0U;
      value = value << 1 | set;
    }
    out[at++] = static_cast<uint8_t>(kAlphabet[value]);
  }
  TV_CHECK(at == kShareTextBytes);
  return text;
}

// 0 to 31, or nothing for what is no symbol. The letters that were left out read as what they look
// like.
std::optional<unsigned> SymbolOf(char c) {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (c == 'O') c = '0';
  if (c == 'I' || c == 'L') c = '1';
  const size_t at = kAlphabet.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(at);
}

bool IsGap(char c) { return c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

absl::Status NoShare(std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("this is no share of a root key: ", absl::string_view(why.data(), why.size()),
                   ". A share is tvs1- and eleven groups of seven letters and digits"));
}

absl::StatusOr<WipedBuffer> BytesOf(std::string_view text) {
  WipedBuffer symbols;
  for (const char c : text) {
    if (IsGap(c)) continue;
    if (symbols.size() > kPrefix.size() + kSymbols) break;
    symbols.push_back(static_cast<uint8_t>(c));
  }
  if (symbols.size() < kPrefix.size() ||
      !std::equal(kPrefix.begin(), kPrefix.end(), symbols.begin(), [](char a, uint8_t b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
      })) {
    return NoShare("it does not begin with tvs1");
  }
  if (symbols.size() != kPrefix.size() + kSymbols) {
    return NoShare(absl::StrCat("it has ",
                                symbols.size() < kPrefix.size() + kSymbols ? "fewer" : "more",
                                " than ", kSymbols, " letters and digits after tvs1"));
  }
  WipedBuffer share(kShareBytes + 1, 0);
  for (size_t i = 0; i < kSymbols; ++i) {
    const auto value = SymbolOf(static_cast<char>(symbols[kPrefix.size() + i]));
    if (!value.has_value()) {
      return NoShare(absl::StrCat("character ", i + 1, " after tvs1 is neither"));
    }
    for (size_t bit = 0; bit < 5; ++bit) {
      const size_t at = i * 5 + bit;
      share[at / 8] =
          static_cast<uint8_t>(share[at / 8] | ((*value >> (4 - bit) & 1U) << (7 - at % 8)));
    }
  }
  if (share.back() != 0) return NoShare("its last letter cannot be right");
  share.pop_back();
  const auto check = CheckOf(share);
  if (!std::equal(check.begin(), check.end(), share.begin() + kCheckAt)) {
    return NoShare("a letter or digit is mistyped");
  }
  return share;
}

// The library takes its randomness from a function of the process.
void FillRandom(unsigned char* out, unsigned int size) { randombytes_buf(out, size); }

// Frees, and overwrites what was in it.
struct FreeContext {
  void operator()(gfshare_ctx* context) const { gfshare_ctx_free(context); }
};
using GfshareContext = std::unique_ptr<gfshare_ctx, FreeContext>;

}  // namespace

absl::Status ValidateShareSet(const ShareSet& set) {
  if (set.shares < kMinShareThreshold || set.shares > kMaxShares) {
    return absl::InvalidArgumentError(absl::StrCat("a root key is split into ", kMinShareThreshold,
                                                   " to ", kMaxShares, " shares"));
  }
  if (set.threshold < kMinShareThreshold || set.threshold > set.shares) {
    return absl::InvalidArgumentError(absl::StrCat("the threshold is ", kMinShareThreshold,
                                                   " to the number of shares, ", set.shares));
  }
  if (set.digests.size() != set.shares) {
    return absl::InvalidArgumentError("each share has one digest");
  }
  return absl::OkStatus();
}

absl::StatusOr<SplitRoot> Split(const SecretBytes& root, size_t shares, size_t threshold,
                                Random& random) {
  TV_CHECK(sodium_init() >= 0);
  TV_CHECK(root.size() == kKeyBytes);
  SplitRoot split;
  split.set.shares = static_cast<uint8_t>(std::min<size_t>(shares, UINT8_MAX));
  split.set.threshold = static_cast<uint8_t>(std::min<size_t>(threshold, UINT8_MAX));
  split.set.digests.resize(split.set.shares);
  TV_RETURN_IF_ERROR(ValidateShareSet(split.set));
  random.Fill(split.set.id);

  std::vector<unsigned char> numbers;
  for (size_t i = 1; i <= shares; ++i) numbers.push_back(static_cast<unsigned char>(i));
  gfshare_fill_rand = &FillRandom;
  const GfshareContext context(
      gfshare_ctx_init_enc(numbers.data(), split.set.shares, split.set.threshold, kKeyBytes));
  if (context == nullptr) return absl::ResourceExhaustedError("no memory to split the root key");
  SecretBytes copy(kKeyBytes);
  std::ranges::copy(root.Read(MintSecretPass()), copy.Write(MintSecretPass()).begin());
  gfshare_ctx_enc_setsecret(context.get(), copy.Write(MintSecretPass()).data());
  for (uint8_t i = 0; i < split.set.shares; ++i) {
    WipedBuffer share(kShareBytes, 0);
    share[0] = kVersion;
    share[1] = split.set.threshold;
    share[2] = numbers[i];
    std::copy(split.set.id.begin(), split.set.id.end(), share.begin() + 3);
    gfshare_ctx_enc_getshare(context.get(), i, share.data() + kValueAt);
    split.set.digests[i] = DigestOf(Bytes(share).subspan(kValueAt, kKeyBytes));
    const auto check = CheckOf(share);
    std::copy(check.begin(), check.end(), share.begin() + kCheckAt);
    split.texts.push_back(TextOf(share));
  }
  return split;
}

std::string RevealShare(const SecretBytes& text) {
  return std::string(AsText(text.Read(MintSecretPass())));
}

namespace {

// Whole, of this set, and one that was given out.
absl::StatusOr<WipedBuffer> ShareOf(const ShareSet& set, std::string_view text) {
  TV_ASSIGN_OR_RETURN(WipedBuffer share, BytesOf(text));
  if (share[0] != kVersion) return NoShare("its version is not known to this program");
  if (!std::equal(set.id.begin(), set.id.end(), share.begin() + 3)) {
    return absl::FailedPreconditionError(
        absl::StrCat("this share belongs to set ", ToHex(Bytes(share).subspan(3, set.id.size())),
                     "; the vault opens with shares of set ", ToHex(set.id),
                     ". It is of another vault, or the root key was split anew since"));
  }
  const uint8_t number = share[2];
  const bool known = number >= 1 && number <= set.shares && share[1] == set.threshold;
  if (!known ||
      !EqualSecrets(set.digests[number - 1], DigestOf(Bytes(share).subspan(kValueAt, kKeyBytes)))) {
    return absl::PermissionDeniedError(
        "this share carries the set's id and was not made with it: it is forged");
  }
  return share;
}

}  // namespace

absl::Status ShareCollector::Check(std::string_view text) const {
  TV_ASSIGN_OR_RETURN(const WipedBuffer share, ShareOf(set_, text));
  if (shares_.contains(share[2])) {
    return absl::AlreadyExistsError(
        absl::StrCat("share ", share[2], " was given already; another one is needed"));
  }
  return absl::OkStatus();
}

absl::Status ShareCollector::Add(std::string_view text) {
  TV_RETURN_IF_ERROR(Check(text));
  TV_ASSIGN_OR_RETURN(WipedBuffer share, ShareOf(set_, text));
  shares_[share[2]] = TakeSecret(std::span(share).subspan(kValueAt, kKeyBytes));
  return absl::OkStatus();
}

absl::StatusOr<SecretBytes> ShareCollector::Combine() const {
  if (!complete()) {
    return absl::FailedPreconditionError(
        absl::StrCat(given(), " of ", needed(), " shares are given"));
  }
  std::vector<unsigned char> numbers;
  for (const auto& [number, value] : shares_) numbers.push_back(number);
  gfshare_fill_rand = &FillRandom;
  const GfshareContext context(
      gfshare_ctx_init_dec(numbers.data(), static_cast<unsigned>(numbers.size()), kKeyBytes));
  if (context == nullptr) return absl::ResourceExhaustedError("no memory to join the shares");
  unsigned char at = 0;
  for (const auto& [number, value] : shares_) {
    SecretBytes copy(kKeyBytes);
    std::ranges::copy(value.Read(MintSecretPass()), copy.Write(MintSecretPass()).begin());
    gfshare_ctx_dec_giveshare(context.get(), at++, copy.Write(MintSecretPass()).data());
  }
  SecretBytes root(kKeyBytes);
  gfshare_ctx_dec_extract(context.get(), root.Write(MintSecretPass()).data());
  return root;
}

}  // namespace televault::crypto
