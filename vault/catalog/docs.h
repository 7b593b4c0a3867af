#pragma once

#include <string>

#include "vault/catalog/manifest.h"

namespace televault::catalog {

// TELEMETRY.md: why, what, how, who, opt-in/opt-out and when, for the people the data is about.
// Deterministic: the same manifest gives the same bytes.
std::string RenderMarkdown(const Manifest& manifest);

}  // namespace televault::catalog
