#!/usr/bin/env python3
"""Feeds the lint code that breaks each rule, and code that does not."""

import unittest

import hardening
import lint

HEADER = "#pragma once\n"
SERVICE = '''syntax = "proto3";
// About things.
package televault.v1;
service ThingService {
  rpc DoThing(DoThingRequest) returns (DoThingResponse) {
    option (televault.v1.policy) = {
      capability: CAPABILITY_OPERATE
      purpose: PURPOSE_RULE_NONE
      during_lockdown: LOCKDOWN_RULE_ALL
    };
  }
}
'''


def rules(path, text, **others):
    files = {path: text}
    files.update({name.replace("__", "/"): body for name, body in others.items()})
    return sorted(finding.rule for finding in lint.lint(files) if finding.path == path)


def function_of(lines):
    return "int F(int a) {\n" + "  a += 1;\n" * (lines - 2) + "}\n"


class Layers(unittest.TestCase):
    def test_wrong_directions_are_found(self):
        for path, include in (
                ("vault/base/a.cc", "vault/store/store.h"),
                ("vault/crypto/a.cc", "vault/control/lock_file.h"),
                ("vault/query/a.cc", "vault/ingest/ingestor.h"),
                ("vault/incident/a.cc", "vault/retention/shred.h"),
                ("vault/store/a.cc", "vault/service/server.h"),
                ("vault/client/a.cc", "vault/store/store.h"),
                ("auth/a.cc", "vault/base/status.h"),
                ("audit/a.cc", "vault/base/bytes.h"),
                ("audit/a.cc", "auth/token.h"),
                ("admin-cli/a.cc", "vault/query/plan.h"),
                ("vault/store/a.cc", "tests/support/fake_clock.h")):
            self.assertEqual(rules(path, f'#include "{include}"\n'), ["layer"], (path, include))

    def test_right_directions_pass(self):
        for path, include in (
                ("vault/store/a.cc", "vault/base/status.h"),
                ("vault/query/a.cc", "auth/decision.h"),
                ("vault/daemon/a.cc", "vault/service/server.h"),
                ("vault/service/a.cc", "vault/query/plan.h"),
                ("admin-cli/a.cc", "vault/client/vault.h"),
                ("tests/unit/x/a.cc", "vault/service/server.h")):
            self.assertEqual(rules(path, f'#include "{include}"\n'), [], (path, include))

    def test_libraries_stay_at_home(self):
        for path, include in (
                ("vault/query/a.cc", "rocksdb/db.h"), ("vault/store/a.cc", "grpcpp/grpcpp.h"),
                ("vault/query/a.cc", "televault/v1/query_service.grpc.pb.h"),
                ("vault/store/a.cc", "sodium.h"), ("vault/store/a.cc", "sodium/utils.h"),
                ("vault/catalog/a.cc", "pg_query.h"), ("vault/daemon/a.cc", "yaml-cpp/yaml.h"),
                ("vault/catalog/a.cc", "nlohmann/json.hpp"), ("vault/query/a.cc", "spdlog/spdlog.h"),
                ("vault/service/a.cc", "CLI/CLI.hpp"), ("vault/catalog/a.cc", "toml++/toml.h"),
                ("admin-cli/a.cc", "curl/curl.h"), ("vault/daemon/a.cc", "microhttpd.h")):
            self.assertEqual(rules(path, f"#include <{include}>\n"), ["home"], (path, include))
        self.assertEqual(rules("vault/daemon/config.cc", "#include <openssl/ssl.h>\n"), ["home"])
        self.assertEqual(rules("vault/daemon/tls.cc", "#include <openssl/ssl.h>\n"), [])
        self.assertEqual(rules("vault/store/a.cc", "#include <rocksdb/db.h>\n"), [])

    def test_includes_start_at_the_root(self):
        self.assertEqual(rules("vault/base/a.cc", '#include "status.h"\n'), ["include-root"])


class Banned(unittest.TestCase):
    def test_every_banned_call_is_found(self):
        for rule, path, code in (
                ("secret-compare", "auth/a.cc", "if (memcmp(a, b, 32) == 0) return;"),
                ("secret-compare", "vault/control/a.cc", "x = strcmp(a, b);"),
                ("clock", "vault/query/a.cc", "auto t = std::chrono::system_clock::now();"),
                ("clock", "vault/query/a.cc", "auto t = steady_clock::now();"),
                ("clock", "admin-cli/a.cc", "auto t = absl::Now();"),
                ("clock", "auth/a.cc", "auto t = time(nullptr);"),
                ("clock", "auth/a.cc", "clock_gettime(CLOCK_REALTIME, &ts);"),
                ("throw", "vault/store/a.cc", "throw std::runtime_error(x);"),
                ("print", "vault/query/a.cc", "std::cout << x;"),
                ("print", "audit/a.cc", "fprintf(stderr, x);"),
                ("random", "vault/query/a.cc", "int x = std::rand();"),
                ("random", "vault/query/a.cc", "std::mt19937_64 engine;"),
                ("random", "tests/unit/a_test.cc", "std::random_device device;"),
                ("sleep", "tests/unit/a_test.cc", "std::this_thread::sleep_for(1ms);"),
                ("sleep", "vault/store/a.cc", "usleep(10);"),
                ("getenv", "vault/store/a.cc", "const char* x = getenv(name);"),
                ("detach", "vault/store/a.cc", "thread.detach();"),
                ("process", "vault/store/a.cc", "popen(command, mode);"),
                ("assert", "vault/store/a.cc", "assert(x == 1);"),
                ("secret-pass", "vault/query/a.cc", "key.Read(crypto::MintSecretPass());")):
            self.assertEqual(rules(path, code + "\n"), [rule], code)

    def test_comments_strings_and_homes_are_no_calls(self):
        for path, code in (
                ("vault/query/a.cc", "// system_clock::now() would be wrong here"),
                ("vault/query/a.cc", "/* throw\n std::cout */"),
                ("vault/query/a.cc", 'Status("never throw; memcmp(a)");'),
                ("vault/query/a.cc", 'auto x = R"(throw "std::cout")";'),
                ("vault/base/clock.cc", "clock_gettime(CLOCK_REALTIME, &ts);"),
                ("vault/base/crash_point.cc", "getenv(name);"),
                ("vault/daemon/main.cc", "std::cout << ready;"),
                ("vault/daemon/main.cc", "getenv(name);"),
                ("tests/unit/a_test.cc", "std::mt19937_64 random(7);"),
                ("vault/query/a.cc", "const int64_t n = 1'000'000; throw_count = 2;"),
                ("vault/query/a.cc", "static_assert(sizeof(x) == 4); row.time(0);")):
            self.assertEqual(rules(path, code + "\n"), [], code)


class Lengths(unittest.TestCase):
    def test_functions(self):
        self.assertEqual(rules("auth/a.cc", function_of(70)), [])
        self.assertEqual(rules("auth/a.cc", function_of(71)), ["function-length"])
        self.assertEqual(rules("tests/unit/a_test.cc", function_of(71)), [])
        self.assertEqual(rules("tests/unit/a_test.cc", function_of(121)), ["function-length"])
        wrapped = "namespace x {\nclass C {\n public:\n  C() = default;\n" + function_of(71) + "};\n}\n"
        self.assertEqual(rules("auth/a.cc", wrapped), ["function-length"])
        two = "namespace x {\n" + function_of(60) + function_of(60) + "}\n"
        self.assertEqual(rules("auth/a.cc", two), [])
        table = "namespace x {\nconstexpr int k[] = {\n" + "  f(1),\n" * 90 + "};\n}\n"
        self.assertEqual(rules("auth/a.cc", table), [])

    def test_files_and_lines(self):
        self.assertEqual(rules("auth/a.cc", "int a;\n" * 600), [])
        self.assertEqual(rules("auth/a.cc", "int a;\n" * 601), ["file-length"])
        self.assertEqual(rules("auth/a.cc", "x" * 100 + "\n"), [])
        self.assertEqual(rules("auth/a.cc", "x" * 101 + "\n"), ["line-length"])
        self.assertEqual(rules("auth/a.cc", "// " + "…" * 97 + "\n"), [])


class Headers(unittest.TestCase):
    def test_shape(self):
        user = '#include "auth/a.h"\n'
        self.assertEqual(rules("auth/a.h", HEADER, auth__b=user, **{"auth__b.cc": user}), [])
        self.assertEqual(rules("auth/a.h", "int a;\n", **{"auth__b.cc": user}), ["pragma-once"])
        self.assertEqual(rules("auth/a.h", HEADER + "using namespace std;\n",
                               **{"auth__b.cc": user}), ["using-namespace"])

    def test_nobody_includes_it(self):
        self.assertEqual(rules("auth/a.h", HEADER), ["orphan-header"])
        self.assertEqual(rules("auth/a.h", HEADER, **{"auth__a.cc": '#include "auth/a.h"\n'}),
                         ["orphan-header"])


class Proto(unittest.TestCase):
    PATH = "proto/televault/v1/thing_service.proto"

    def test_a_good_service_passes(self):
        self.assertEqual(rules(self.PATH, SERVICE), [])

    def test_policies(self):
        bare = SERVICE[:SERVICE.index(" {\n    option")] + ";\n}\n"
        self.assertEqual(rules(self.PATH, bare), ["proto-policy"])
        for gone in ("capability: CAPABILITY_OPERATE", "purpose: PURPOSE_RULE_NONE",
                     "during_lockdown: LOCKDOWN_RULE_ALL"):
            self.assertEqual(rules(self.PATH, SERVICE.replace(gone, "")), ["proto-policy"], gone)
        self.assertEqual(rules(self.PATH, SERVICE.replace("RULE_NONE", "RULE_UNSPECIFIED")),
                         ["proto-policy"])

    def test_messages(self):
        self.assertEqual(rules(self.PATH, SERVICE.replace("DoThingRequest", "Empty")),
                         ["proto-messages"])
        self.assertEqual(rules(self.PATH, SERVICE.replace("DoThingResponse", "stream Other")),
                         ["proto-messages"])

    def test_enums_and_comments(self):
        good = "// Kinds of thing.\nenum Kind {\n  KIND_UNSPECIFIED = 0;\n}\n"
        self.assertEqual(rules(self.PATH, SERVICE + good), [])
        self.assertEqual(rules(self.PATH, SERVICE + good.replace("// Kinds of thing.", "")),
                         ["proto-comment"])
        self.assertEqual(rules(self.PATH, SERVICE + good.replace("UNSPECIFIED", "NONE")),
                         ["proto-zero"])
        self.assertEqual(rules(self.PATH, SERVICE.replace("// About things.\n", "")),
                         ["proto-comment"])

    def test_upstream_files_are_left_alone(self):
        self.assertEqual(rules("proto/opentelemetry/x.proto", "enum A {\n B = 0;\n}\n"), [])


class Words(unittest.TestCase):
    def test_forbidden_words(self):
        for text in ("see /work/x\n", "cd /home/somebody\n", "curl https://pypi.org/x\n",
                     "later: " + "TO" + "DO\n"):
            self.assertEqual(rules("docs/a.md", text), ["word"], text)
        for text in ("a network/work/flow\n", "https://example.org/work/x\n", "its home/dir\n"):
            self.assertEqual(rules("docs/a.md", text), [], text)


class Exceptions(unittest.TestCase):
    FILES = {"vault/store/a.cc": "throw 1;\n"}

    def test_one_excuses_its_rule_and_file_only(self):
        reason = "throw vault/store/a.cc: the reason why it must be so\n"
        self.assertEqual(lint.lint(self.FILES, reason), [])
        other = reason.replace("throw", "print", 1)
        self.assertEqual(sorted(f.rule for f in lint.lint(self.FILES, other)),
                         ["exception", "throw"])

    def test_unused_and_unreasoned_ones_are_findings(self):
        unused = "throw vault/store/b.cc: the reason why it must be so\n"
        self.assertEqual([f.rule for f in lint.lint({}, unused)], ["exception"])
        self.assertEqual([f.rule for f in lint.lint({}, "throw vault/store/a.cc\n")], ["exception"])
        self.assertEqual([f.rule for f in lint.lint({}, "throw vault/store/a.cc: why\n")],
                         ["exception"])


class Hardening(unittest.TestCase):
    GOOD = ("  Type:      DYN (Position-Independent Executable file)\n",
            "  INTERP 0x1\n  LOAD 0x0 R E 0x1\n  GNU_STACK 0x0 RW 0x10\n  GNU_RELRO 0x0 R 0x1\n",
            " 0x1e (FLAGS)  BIND_NOW\n 0x6ffffffb (FLAGS_1)  Flags: NOW PIE\n",
            " 1: FUNC __stack_chk_fail@GLIBC_2.4\n 2: FUNC __memcpy_chk@GLIBC_2.3.4\n")

    def test_a_hardened_binary_passes(self):
        self.assertEqual(list(hardening.findings(*self.GOOD)), [])

    def test_each_thing_that_is_missing_is_found(self):
        for part, old, new, said in (
                (0, "DYN", "EXEC", "position independent"), (1, "INTERP", "x", "position independent"),
                (1, "GNU_RELRO", "x", "read-only"), (2, "NOW", "x", "lazily"),
                (1, "RW 0x10", "RWE 0x10", "executable stack"), (1, "GNU_STACK", "x", "executable"),
                (1, " R E ", " RWE ", "writable and executable"),
                (2, "(FLAGS_1)", "(RUNPATH)", "build machine"),
                (3, "__stack_chk_fail", "x", "stack protector"),
                (3, "__memcpy_chk", "memcpy", "checked C library")):
            parts = list(self.GOOD)
            parts[part] = parts[part].replace(old, new)
            found = list(hardening.findings(*parts))
            self.assertEqual(len(found), 1, (old, found))
            self.assertIn(said, found[0])


if __name__ == "__main__":
    unittest.main()
