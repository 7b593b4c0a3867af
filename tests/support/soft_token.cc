#include "tests/support/soft_token.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "vault/base/check.h"

namespace televault::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kVariable[] = "SOFTHSM2_CONF";

}  // namespace

std::string SoftTokens::Module() {
  if (!fs::exists("/usr/bin/softhsm2-util")) return "";
  for (const char* path : {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"}) {
    if (fs::exists(path)) return path;
  }
  return "";
}

SoftTokens::SoftTokens(const std::vector<std::string>& labels) {
  fs::create_directory(directory_.Path("tokens"));
  fs::create_directory(directory_.Path("out"));
  std::ofstream(configuration()) << "directories.tokendir = " << directory_.Path("tokens")
                                 << "\nobjectstore.backend = file\nlog.level = ERROR\n";
  TV_CHECK(::setenv(kVariable, configuration().c_str(), 1) == 0);
  WritePin(kPin);
  if (Module().empty()) return;
  for (const std::string& label : labels) Add(label);
}

SoftTokens::~SoftTokens() { ::unsetenv(kVariable); }

void SoftTokens::Add(const std::string& label, const std::string& pin) {
  const std::string command = "softhsm2-util --init-token --free --label '" + label + "' --pin '" +
                              pin + "' --so-pin 'so-pin-0815' >/dev/null";
  TV_CHECK(std::system(command.c_str()) == 0);
  for (const auto& entry : fs::directory_iterator(directory_.Path("tokens"))) {
    const std::string name = entry.path().filename();
    const bool known = std::any_of(places_.begin(), places_.end(),
                                   [&](const auto& place) { return place.second == name; });
    if (!known) places_[label] = name;
  }
}

std::string SoftTokens::Place(const std::string& label) const { return "/" + places_.at(label); }

void SoftTokens::TakeOut(const std::string& label) {
  fs::rename(directory_.Path("tokens") + Place(label), directory_.Path("out") + Place(label));
}

void SoftTokens::PutBack(const std::string& label) {
  fs::rename(directory_.Path("out") + Place(label), directory_.Path("tokens") + Place(label));
}

void SoftTokens::WritePin(const std::string& pin, int mode) {
  std::ofstream(pin_file(), std::ios::trunc) << pin << "\n";
  TV_CHECK(::chmod(pin_file().c_str(), static_cast<mode_t>(mode)) == 0);
}

void SoftTokens::Copy() {
  fs::remove_all(directory_.Path("copy"));
  fs::copy(directory_.Path("tokens"), directory_.Path("copy"), fs::copy_options::recursive);
}

void SoftTokens::PutCopyBack() {
  fs::remove_all(directory_.Path("tokens"));
  fs::copy(directory_.Path("copy"), directory_.Path("tokens"), fs::copy_options::recursive);
}

}  // namespace televault::testing
