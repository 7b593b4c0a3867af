#pragma once

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/seeded_random.h"
#include "tests/support/soft_token.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/base/file_system.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/pin_file.h"
#include "vault/crypto/pkcs11_key_slots.h"
#include "vault/crypto/pkcs11_session.h"

namespace televault::crypto {

// Where slot secrets are, for tests that hold for all of it: two replicas of one vault.
class SlotBackend {
 public:
  virtual ~SlotBackend() = default;
  virtual std::unique_ptr<KeySlots> Open() = 0;
  // What the keyring knows of them.
  virtual std::vector<ReplicaId> marked() const { return {}; }
  // Everything of the slot on one replica, 0 or 1.
  virtual void Lose(int replica, uint64_t slot) = 0;
  virtual void Damage(int replica, uint64_t slot) = 0;
  // Another secret in the place of the slot's.
  virtual void Replace(int replica, uint64_t slot) = 0;
  // What a crash leaves in the middle of a Create.
  virtual void HalfMake(int replica, uint64_t slot) = 0;
  // Copies what a thief could, the device itself apart; puts it where it was.
  virtual void Steal(uint64_t slot) = 0;
  virtual void PutBackStolen(uint64_t slot) = 0;
};

class FileBackend final : public SlotBackend {
 public:
  std::unique_ptr<KeySlots> Open() override {
    return std::make_unique<FileKeySlots>(PosixFileSystem(),
                                          std::vector{dirs_[0].path(), dirs_[1].path()});
  }
  void Lose(int replica, uint64_t slot) override { std::filesystem::remove(Path(replica, slot)); }
  void Damage(int replica, uint64_t slot) override {
    std::ofstream(Path(replica, slot), std::ios::trunc) << "damage";
  }
  void Replace(int replica, uint64_t slot) override {
    Lose(replica, slot);
    FileKeySlots one(PosixFileSystem(), {dirs_[replica].path()});
    TV_CHECK(one.Create(slot, random_).ok());
  }
  void HalfMake(int replica, uint64_t slot) override {
    std::ofstream(Path(replica, slot) + ".new") << "TVK1";
  }
  // Of files a copy is all there is: they are best effort for that.
  void Steal(uint64_t) override {}
  void PutBackStolen(uint64_t) override {}

 private:
  std::string Path(int replica, uint64_t slot) {
    return dirs_[replica].Path("slot." + std::to_string(slot));
  }
  testing::TempDirectory dirs_[2];
  testing::SeededRandom random_{6};
};

class TokenBackend final : public SlotBackend {
 public:
  static constexpr VaultId kVault{{7}};

  TokenBackend() {
    auto made = Pkcs11KeySlots::Mark(settings(), kVault, random_);
    TV_CHECK(made.ok());
    marked_ = (*made)->marked();
  }
  Pkcs11Settings settings() const {
    return {testing::SoftTokens::Module(), labels_, tokens_.pin_file()};
  }
  std::unique_ptr<KeySlots> Open() override {
    auto opened = Pkcs11KeySlots::Open(settings(), kVault, random_);
    TV_CHECK(opened.ok() && (*opened)->problems().empty());
    return *std::move(opened);
  }
  std::vector<ReplicaId> marked() const override { return marked_; }
  void Lose(int replica, uint64_t slot) override {
    const auto session = Session(labels_[replica]);
    Erase(*session, TokenObject::kKey, slot);
    Erase(*session, TokenObject::kData, slot);
  }
  void Damage(int replica, uint64_t slot) override {
    const auto session = Session(labels_[replica]);
    std::string value = Value(*session, slot);
    value.back() = static_cast<char>(value.back() ^ 1);
    Erase(*session, TokenObject::kData, slot);
    TV_CHECK(session->CreateData(Label(slot), value).ok());
  }
  void Replace(int replica, uint64_t slot) override {
    Lose(replica, slot);
    auto one = Pkcs11KeySlots::Open(
        {testing::SoftTokens::Module(), {labels_[replica]}, tokens_.pin_file()}, kVault, random_);
    TV_CHECK(one.ok() && (*one)->Create(slot, random_).ok());
  }
  void HalfMake(int replica, uint64_t slot) override {
    TV_CHECK(Session(labels_[replica])->GenerateKey(Label(slot), "id").ok());
  }
  void Steal(uint64_t slot) override { stolen_ = Value(*Session(labels_[0]), slot); }
  void PutBackStolen(uint64_t slot) override {
    TV_CHECK(Session(labels_[0])->CreateData(Label(slot), stolen_).ok());
  }

  // The token as another program sees it.
  std::unique_ptr<Pkcs11Session> Session(const std::string& label) const {
    auto module = Pkcs11Module::Load(testing::SoftTokens::Module());
    TV_CHECK(module.ok());
    auto pin = ReadPinFile(tokens_.pin_file());
    TV_CHECK(pin.ok());
    auto session = Pkcs11Session::Open(*module, label, *pin);
    TV_CHECK(session.ok());
    return *std::move(session);
  }
  static std::string Label(uint64_t slot) {
    return "televault 07000000000000000000000000000000 slot " + std::to_string(slot);
  }
  static void Erase(Pkcs11Session& session, TokenObject kind, uint64_t slot) {
    auto found = session.Find(kind, Label(slot));
    TV_CHECK(found.ok());
    for (const CK_OBJECT_HANDLE object : *found) TV_CHECK(session.Destroy(object).ok());
  }
  static std::string Value(Pkcs11Session& session, uint64_t slot) {
    auto found = session.Find(TokenObject::kData, Label(slot));
    TV_CHECK(found.ok() && found->size() == 1);
    return session.Value(found->front()).value();
  }
  // Of all kinds, marks and other vaults' objects too.
  size_t Objects(const std::string& label) const {
    const auto session = Session(label);
    return session->Find(TokenObject::kKey, "")->size() +
           session->Find(TokenObject::kData, "")->size();
  }
  testing::SoftTokens& tokens() { return tokens_; }
  Random& random() { return random_; }

 private:
  const std::vector<std::string> labels_{"a", "b"};
  testing::SoftTokens tokens_{labels_};
  testing::SeededRandom random_{5};
  std::vector<ReplicaId> marked_;
  std::string stolen_;
};

// Names of backends, as test parameters.
class SlotBackendTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "File") {
      backend_ = std::make_unique<FileBackend>();
      return;
    }
    TV_SKIP_WITHOUT_SOFT_TOKENS();
    backend_ = std::make_unique<TokenBackend>();
  }
  std::unique_ptr<SlotBackend> backend_;
};

inline auto AllSlotBackends() { return ::testing::Values("File", "Token"); }
inline std::string BackendName(const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
}

}  // namespace televault::crypto
