// Runs a fuzz target without a fuzzer: every file of the corpus as it is, cut at every one of some
// lengths, and mutated with a fixed seed. The same input always comes in the same order.
//
// usage: NAME_fuzz_replay CORPUS_DIRECTORY [MUTATIONS_PER_FILE]

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr uint64_t kSeed = 20261123;
constexpr int kDefaultMutations = 200;
constexpr size_t kCuts = 64;

uint64_t inputs = 0;

void RunOne(const std::string& input) {
  // A buffer of exactly this size, so that AddressSanitizer sees a read past the end.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  ++inputs;
}

std::string Mutate(std::string input, const std::vector<std::string>& corpus,
                   std::mt19937_64& random) {
  const auto below = [&random](size_t bound) { return static_cast<size_t>(random() % bound); };
  for (size_t change = below(4) + 1; change-- > 0;) {
    if (input.empty()) input.push_back('\0');
    const size_t at = below(input.size());
    switch (below(7)) {
      case 0:
        input[at] = static_cast<char>(input[at] ^ (1u << below(8)));
        break;
      case 1:
        input[at] = static_cast<char>(random());
        break;
      case 2:
        input.insert(at, 1, static_cast<char>(random()));
        break;
      case 3:
        input.erase(at, below(8) + 1);
        break;
      case 4:
        input.insert(at, input.substr(below(input.size()), below(32)));
        break;
      case 5: {
        const std::string& other = corpus[below(corpus.size())];
        if (!other.empty()) input.replace(at, below(16), other.substr(below(other.size()), 32));
        break;
      }
      default:
        for (size_t i = at; i < std::min(at + 8, input.size()); ++i) input[i] = '\xff';
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " CORPUS_DIRECTORY [MUTATIONS_PER_FILE]\n";
    return 2;
  }
  const int mutations = argc > 2 ? std::atoi(argv[2]) : kDefaultMutations;
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  if (error || paths.empty()) {
    std::cerr << argv[1] << " is not a directory with at least one corpus file\n";
    return 1;
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }

  RunOne("");
  std::mt19937_64 random(kSeed);
  for (const std::string& input : corpus) {
    RunOne(input);
    const size_t step = std::max<size_t>(1, input.size() / kCuts);
    for (size_t size = 0; size < input.size(); size += step) RunOne(input.substr(0, size));
    for (int i = 0; i < mutations; ++i) RunOne(Mutate(input, corpus, random));
  }
  std::cout << inputs << " inputs from " << corpus.size() << " corpus files\n";
  return 0;
}
