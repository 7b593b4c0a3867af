#!/usr/bin/env python3
"""Keeps the rules of the code that a compiler does not: layers, homes of third-party libraries,
banned calls, lengths, headers, proto conventions, forbidden words.

usage: lint.py [ROOT]      prints findings as path:line: [rule] what. fix; exit 1 if there are any
Exceptions stand in exceptions.txt: `rule path: reason`. One that excuses nothing is a finding.
"""

import collections
import os
import re
import subprocess
import sys

Finding = collections.namedtuple("Finding", "path line rule text")

MAX_LINE = 100
MAX_FILE = 600
MAX_FUNCTION = 70
MAX_TEST_FUNCTION = 120

# --- layers ---------------------------------------------------------------------------------------

LEFT = ["base", "crypto", "control", "store", "block", "catalog", "partition", "mapping"]
USE_CASES = ["ingest", "query", "erasure", "retention", "backup", "incident"]
MAY_INCLUDE = {folder: set(LEFT[:i]) for i, folder in enumerate(LEFT)}
MAY_INCLUDE.update({folder: set(LEFT) for folder in USE_CASES})
MAY_INCLUDE["service"] = set(LEFT) | set(USE_CASES)
MAY_INCLUDE["daemon"] = MAY_INCLUDE["service"] | {"service"}
MAY_INCLUDE["client"] = {"base", "block", "catalog", "mapping"}
MAY_INCLUDE["gateway"] = {"base", "catalog", "mapping", "client"}
MAY_INCLUDE["admin-cli"] = {"base", "block", "catalog", "mapping", "client", "crypto"}
PURE = {"auth", "audit"}

# include prefix (regular expression) → folders that may use it. Tests may use anything.
HOMES = [
    (r"rocksdb/", {"store"}),
    (r"grpcpp/|grpc/|.*\.grpc\.pb\.h$", {"service", "daemon", "client", "gateway"}),
    (r"sodium(\.h|/)", {"base", "crypto", "control", "auth", "audit"}),
    (r"pg_query", {"query"}),
    (r"yaml-cpp/", {"catalog", "mapping"}),
    (r"nlohmann/", {"mapping", "admin-cli"}),
    (r"spdlog/", {"service", "daemon"}),
    (r"openssl/", {"audit", "daemon"}),
    (r"CLI/", {"admin-cli", "daemon"}),
    (r"toml\+\+/", {"daemon"}),
    (r"curl/", {"daemon"}),
    (r"microhttpd", {"admin-cli"}),
    (r"p11-kit/", {"crypto"}),
]

OPENSSL_FILES = ("vault/daemon/tls", "audit/sha256")

# --- banned calls ---------------------------------------------------------------------------------

LIBRARIES = r"^(auth|audit|vault/(?!daemon/|gateway/))"
PRODUCT = r"^(auth|audit|vault|admin-cli)/"
ANYWHERE = r"^(auth|audit|vault|admin-cli|tests)/"
SECRET_HOMES = r"^(auth|audit|vault/(base|crypto|control|incident|service|daemon))/"
# (rule, where, unless, pattern, replacement)
BANNED = [
    ("secret-compare", SECRET_HOMES, None, r"\b(memcmp|bcmp|strcmp)\s*\(",
     "compare secrets with sodium_memcmp (crypto, auth); other bytes with std::equal or =="),
    ("clock", PRODUCT, r"^vault/base/clock\.cc$",
     r"\b(system_clock|steady_clock|high_resolution_clock)::now\b|\bgettimeofday\s*\(|"
     r"\bclock_gettime\s*\(|\babsl::Now\s*\(|\bstd::time\s*\(|(?<![\w.:>])time\s*\(\s*(nullptr|NULL|0)?\s*\)",
     "take a Clock (vault/base/clock.h)"),
    ("throw", ANYWHERE, None, r"\bthrow\b", "return an absl::Status"),
    ("print", LIBRARIES, None, r"\b(printf|fprintf|puts|fputs)\s*\(|\bstd::(cout|cerr|clog)\b",
     "return a Status; only the command line and the daemon print"),
    ("random", PRODUCT, None,
     r"\bs?rand\s*\(|\brandom_device\b|\bmt19937\w*|\bdefault_random_engine\b|\bdrand48\s*\(",
     "take a Random (vault/base/random.h)"),
    ("random", r"^tests/", None, r"\bs?rand\s*\(|\brandom_device\b",
     "use a fixed seed that the test prints"),
    ("sleep", r"^(tests|auth|audit|vault/(?!client/|daemon/|gateway/))", None,
     r"\b(sleep_for|sleep_until|usleep|nanosleep|SleepFor)\s*\(|(?<![\w.>])sleep\s*\(",
     "wait for the condition itself, or advance a FakeClock"),
    ("getenv", r"^(auth|audit|vault/(?!daemon/|gateway/))", r"^vault/base/crash_point\.cc$",
     r"\b(secure_)?getenv\s*\(", "pass the setting in; only main reads the environment"),
    ("detach", ANYWHERE, None, r"\.\s*detach\s*\(\s*\)", "keep a std::jthread and stop it"),
    ("process", PRODUCT, None, r"\b(std::system|popen|system)\s*\(", "call the library"),
    ("assert", PRODUCT, None, r"(?<![\w_])assert\s*\(", "use TV_CHECK, which stays on in release"),
    ("secret-pass", PRODUCT, r"^vault/crypto/|^vault/base/secret\.h$", r"\bMintSecretPass\b",
     "give the work to vault/crypto; a new place that opens a secret is a reviewed exception"),
]

# Checked in every text file.
WORDS = [
    (r"(?<![\w.])/work/", "a path of one machine"),
    (r"(?<![\w.])/(home|Users)/[a-z]", "a path of one machine"),
    (r"\b(deb\.debian\.org|registry\.npmjs\.org|pypi\.org|files\.pythonhosted\.org|"
     r"proxy\.golang\.org|static\.crates\.io)\b", "the host of a package registry"),
    (r"\b(TODO|FIXME|XXX)\b", "unfinished work; refuse it with an error and say so in the README"),
]
TEXT_SUFFIXES = (".h", ".cc", ".proto", ".py", ".md", ".txt", ".yaml", ".yml", ".toml", ".json",
                 ".cmake", ".sh", ".service", ".ts", ".js")


def strip_code(text):
    """Blanks comments, strings and characters; keeps every newline and column."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|'
        r"(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'", re.S)
    blank = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    return pattern.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def folder_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "vault" and len(parts) > 2 else parts[0]


def check_includes(path, text):
    folder = folder_of(path)
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text, re.M):
        name, line = match.group(2), line_of(text, match.start())
        if match.group(1) == '"' and "/" not in name and not name.endswith(".pb.h"):
            yield Finding(path, line, "include-root",
                          f'"{name}" is relative. Include from the root: "vault/base/status.h"')
        if folder == "tests":
            continue
        if name.startswith("tests/"):
            yield Finding(path, line, "layer", "the product includes nothing of tests/")
        if name.startswith("vault/"):
            target = name.split("/")[1]
            if folder in PURE:
                yield Finding(path, line, "layer", f"{folder}/ is pure: it includes nothing of "
                              "vault/. Take the value as an argument")
            elif target != folder and target not in MAY_INCLUDE.get(folder, set()):
                yield Finding(path, line, "layer", f"{folder} must not include {target}. Meet in "
                              "vault/service, or move the shared part to the left")
        if folder in PURE and name.split("/")[0] in PURE - {folder}:
            yield Finding(path, line, "layer", "auth and audit do not include each other")
        for pattern, homes in HOMES:
            if re.match(pattern, name) and folder not in homes:
                yield Finding(path, line, "home", f"<{name}> lives in {', '.join(sorted(homes))}. "
                              "Go through that folder's interface")
        if name.startswith("openssl/") and not path.startswith(OPENSSL_FILES):
            yield Finding(path, line, "home", f"<{name}> lives in {', '.join(OPENSSL_FILES)}")


def check_banned(path, code):
    for rule, where, unless, pattern, fix in BANNED:
        if not re.match(where, path) or (unless and re.match(unless, path)):
            continue
        for match in re.finditer(pattern, code):
            yield Finding(path, line_of(code, match.start()), rule,
                          f"`{match.group(0).strip()}` is banned here. {fix[0].upper()}{fix[1:]}")


def functions(code):
    """(first line, last line) of every function body outside of another function. Best effort."""
    code = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code,
                  flags=re.M)
    start, stack = 0, []
    for match in re.finditer(r"[{};]", code):
        position, char = match.start(), match.group(0)
        inside = any(kind == "function" for kind, _ in stack)
        if char == "{":
            head = code[start:position]
            kind = "other"
            if re.search(r"\b(namespace|extern)\b", head):
                kind = "open"
            elif re.search(r"\b(class|struct|union)\b", head) and not re.search(r"\)\s*\w*\s*$", head):
                kind = "open"
            elif ")" in head and not re.search(r"=\s*$", head) and not inside:
                kind = "function"
            stack.append((kind, start + len(head) - len(head.lstrip())))
        elif char == "}" and stack:
            kind, begin = stack.pop()
            if kind == "function":
                yield line_of(code, begin), line_of(code, position)
        if char != ";" or not stack or stack[-1][0] == "open":
            start = position + 1


def check_lengths(path, text, code):
    lines = text.split("\n")
    if len(lines) - 1 > MAX_FILE:
        yield Finding(path, MAX_FILE, "file-length", f"{len(lines) - 1} lines, at most {MAX_FILE}. "
                      "Split it by what a reader looks for")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE and not re.match(r'\s*#include|\s*//\s*\S+$', line):
            yield Finding(path, number, "line-length", f"{len(line)} columns, at most {MAX_LINE}. "
                          "Run clang-format")
    bound = MAX_TEST_FUNCTION if path.startswith("tests/") else MAX_FUNCTION
    for first, last in functions(code):
        if last - first + 1 > bound:
            yield Finding(path, first, "function-length", f"{last - first + 1} lines, at most "
                          f"{bound}. Keep the branching, move straight work into helpers")


def check_header(path, text, code):
    if "#pragma once" not in text:
        yield Finding(path, 1, "pragma-once", "no #pragma once. Begin the header with it")
    for match in re.finditer(r"^\s*using namespace\b", code, re.M):
        yield Finding(path, line_of(code, match.start()), "using-namespace",
                      "`using namespace` in a header. Name what is used")


def check_orphans(files):
    included = collections.defaultdict(set)
    for path, text in files.items():
        if path.endswith((".h", ".cc")):
            for name in re.findall(r'#\s*include\s*"([^"]+)"', text):
                included[name].add(os.path.splitext(path)[0])
    for path in files:
        if path.endswith(".h") and not included[path] - {os.path.splitext(path)[0]}:
            yield Finding(path, 1, "orphan-header",
                          "nobody includes it but itself. Use it, or move it into its .cc")


# --- proto ----------------------------------------------------------------------------------------


def blocks(text, keyword):
    """(name, position, body) of every `keyword Name { … }`."""
    for match in re.finditer(r"^[ \t]*" + keyword + r"\s+(\w+)[^{;\n]*\{", text, re.M):
        depth, position = 1, match.end()
        while depth and position < len(text):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 1
        yield match.group(1), match.start(), text[match.end():position - 1]


def has_comment_before(text, position):
    before = text[:position].rstrip("\n").split("\n")
    return bool(before) and before[-1].strip().startswith("//")


def check_enums(path, text, code):
    for name, position, body in blocks(code, "enum"):
        line = line_of(code, position)
        if not has_comment_before(text, position):
            yield Finding(path, line, "proto-comment", f"enum {name} has no comment. Say what it "
                          "tells apart")
        zero = re.search(r"(\w+)\s*=\s*0\s*;", body)
        if not zero or not zero.group(1).endswith("_UNSPECIFIED"):
            yield Finding(path, line, "proto-zero", f"the zero value of {name} must end in "
                          "_UNSPECIFIED")


def check_services(path, text, code, seen):
    for service, position, body in blocks(code, "service"):
        header = re.search(r"^//", text.split("package ")[0], re.M)
        if not has_comment_before(text, position) and not header:
            yield Finding(path, line_of(code, position), "proto-comment",
                          f"service {service} has no comment. Say who calls it for what")
        for rpc in re.finditer(r"\brpc\s+(\w+)\s*\(\s*(?:stream\s+)?([\w.]+)\s*\)\s*returns\s*"
                               r"\(\s*(?:stream\s+)?([\w.]+)\s*\)\s*(\{|;)", body):
            name, request, response = rpc.group(1), rpc.group(2), rpc.group(3)
            line = line_of(code, position) + body[:rpc.start()].count("\n")
            end = body.find("rpc ", rpc.end())
            options = body[rpc.end():end if end >= 0 else len(body)]
            yield from check_policy(path, line, name, options if rpc.group(4) == "{" else "")
            for message, suffix in ((request, "Request"), (response, "Response")):
                if message != name + suffix:
                    yield Finding(path, line, "proto-messages", f"{name} takes {name}Request and "
                                  f"answers {name}Response, not {message}")
                if message in seen:
                    yield Finding(path, line, "proto-messages", f"{message} is used by two RPCs. "
                                  "Give each its own")
                seen.add(message)


def check_policy(path, line, name, options):
    if "(televault.v1.policy)" not in options:
        yield Finding(path, line, "proto-policy", f"{name} has no option (televault.v1.policy). "
                      "Declare capability, purpose and during_lockdown")
        return
    for member, prefix in (("capability", "CAPABILITY_"), ("purpose", "PURPOSE_RULE_"),
                           ("during_lockdown", "LOCKDOWN_RULE_")):
        value = re.search(member + r":\s*(\w+)", options)
        if not value or not value.group(1).startswith(prefix) or value.group(1).endswith(
                "_UNSPECIFIED"):
            yield Finding(path, line, "proto-policy", f"{name}: policy member {member} is missing "
                          "or unspecified")


def check_proto(path, text, seen):
    if not path.startswith("proto/televault/"):
        return
    code = strip_code(text)
    yield from check_enums(path, text, code)
    yield from check_services(path, text, code, seen)


def check_words(path, text):
    for pattern, what in WORDS:
        if "home" in pattern and path.startswith("tests/"):
            continue  # made-up paths as test data
        for match in re.finditer(pattern, text):
            yield Finding(path, line_of(text, match.start()), "word",
                          f"`{match.group(0)}` is {what}")


# --- all of it ------------------------------------------------------------------------------------


def check_all(files):
    """files: path from the root → text."""
    seen = set()
    for path, text in sorted(files.items()):
        if path.startswith("proto/opentelemetry/"):
            continue
        if not path.startswith(("tests/lint/", "tests/golden/")):
            yield from check_words(path, text)
        if path.endswith(".proto"):
            yield from check_proto(path, text, seen)
        if path.endswith((".h", ".cc")):
            code = strip_code(text)
            yield from check_includes(path, text)
            yield from check_banned(path, code)
            yield from check_lengths(path, text, code)
            if path.endswith(".h"):
                yield from check_header(path, text, code)
    yield from check_orphans(files)


def read_exceptions(text):
    """(rule, path) → line; and the findings about the file itself."""
    exceptions, findings = {}, []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.match(r"(\S+) (\S+): (\S.{9,})$", line)
        if not match:
            findings.append(Finding("tests/lint/exceptions.txt", number, "exception",
                                    "not of the form `rule path: reason`"))
            continue
        exceptions[(match.group(1), match.group(2))] = number
    return exceptions, findings


def lint(files, exceptions_text=""):
    exceptions, findings = read_exceptions(exceptions_text)
    used = set()
    for finding in check_all(files):
        key = (finding.rule, finding.path)
        if key in exceptions:
            used.add(key)
        else:
            findings.append(finding)
    for key, number in exceptions.items():
        if key not in used:
            findings.append(Finding("tests/lint/exceptions.txt", number, "exception",
                                    f"`{key[0]} {key[1]}` excuses nothing any more. Remove it"))
    return findings


def load(root):
    listing = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True)
    if listing.returncode == 0:
        paths = listing.stdout.split("\n")
    else:  # a source archive
        paths = [os.path.relpath(os.path.join(directory, name), root)
                 for directory, _, names in os.walk(root) for name in names
                 if not re.search(r"/(build|node_modules)(/|$)", directory)]
    files = {}
    for path in paths:
        full = os.path.join(root, path)
        executable = os.access(full, os.X_OK) and "." not in os.path.basename(path)
        if os.path.isfile(full) and (path.endswith(TEXT_SUFFIXES) or executable):
            with open(full, encoding="utf-8", errors="replace") as file:
                files[path] = file.read()
    return files


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(here))
    with open(os.path.join(here, "exceptions.txt"), encoding="utf-8") as file:
        exceptions_text = file.read()
    files = load(root)
    if len(files) < 20:
        print(f"{root}: only {len(files)} files found; this is not the source tree")
        return 2
    findings = lint(files, exceptions_text)
    for finding in sorted(findings):
        print(f"{finding.path}:{finding.line}: [{finding.rule}] {finding.text}")
    print(f"lint: {len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
