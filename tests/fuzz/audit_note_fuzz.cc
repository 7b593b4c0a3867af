#include <cstddef>
#include <cstdint>
#include <string_view>

#include "audit/encoding.h"
#include "audit/note.h"
#include "vault/base/check.h"

using namespace televault::audit;

// A note that parses is written in one way only, and that way parses to the same note.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto note = ParseNote(text); note.ok()) {
    const auto again = ParseNote(note->Text());
    TV_CHECK(again.ok() && again->text == note->text && again->signatures == note->signatures);
    TV_CHECK(!note->signatures.empty() && note->signatures.size() <= kMaxNoteSignatures);
    TV_CHECK(!note->text.empty() && note->text.back() == '\n');
    for (const NoteSignature& signature : note->signatures) TV_CHECK(IsKeyName(signature.name));
  }
  if (const auto key = VerifierKey::Parse(text); key.ok()) TV_CHECK(key->Text() == text);
  return 0;
}
