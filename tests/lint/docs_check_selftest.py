#!/usr/bin/env python3
"""Shows that each check of docs_check.py finds what it is for: the real files with one fault each."""

import os
import shutil
import sys
import tempfile
import unittest

import docs_check

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = ["README.md", "docs/README.md", "docs/adr/0110-sanitizers-below-grpc-in-every-run.md",
         "deploy/config/televault.toml", "docs/api.md", "docs/operations.md",
         "vault/base/status.h", "vault/daemon/config.cc", "admin-cli/commands/later.cc"]


class DocsCheckTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copytree(os.path.join(ROOT, "proto"), os.path.join(self.root, "proto"))
        for name in FILES:
            os.makedirs(os.path.dirname(os.path.join(self.root, name)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), os.path.join(self.root, name))

    def damage(self, name, old, new):
        path = os.path.join(self.root, name)
        text = docs_check.read(path)
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))

    def assert_finds(self, check, *arguments):
        self.assertTrue(list(check(self.root, *arguments)))

    def test_real_files_are_in_order(self):
        for check in (docs_check.check_config, docs_check.check_reasons, docs_check.check_later):
            self.assertEqual(list(check(self.root)), [])
        self.assertEqual(list(docs_check.check_matrix(self.root, False)), [])

    def test_finds_a_policy_that_the_matrix_does_not_show(self):
        self.damage("proto/televault/v1/query_service.proto", "LOCKDOWN_RULE_READS",
                    "LOCKDOWN_RULE_ALWAYS")
        self.assert_finds(docs_check.check_matrix, False)
        self.assertEqual(list(docs_check.check_matrix(self.root, True)), [])
        self.assertEqual(list(docs_check.check_matrix(self.root, False)), [])

    def test_finds_a_setting_that_is_not_documented(self):
        self.damage("vault/daemon/config.cc", '{"merge.tick",', '{"merge.every",')
        self.assertEqual(len(list(docs_check.check_config(self.root))), 2)

    def test_finds_a_configuration_that_is_no_toml(self):
        self.damage("deploy/config/televault.toml", "[log]", "[log")
        self.assert_finds(docs_check.check_config)

    def test_finds_a_reason_that_is_not_documented(self):
        self.damage("vault/base/status.h", '"OVERLOADED"', '"OVERLOADED_AGAIN"')
        self.assert_finds(docs_check.check_reasons)

    def test_finds_a_missing_verb_that_is_not_listed(self):
        self.damage("README.md", "`lockdown ticket`", "")
        self.assert_finds(docs_check.check_later)

    def test_finds_a_decision_that_is_not_listed(self):
        self.assertEqual(list(docs_check.check_decisions(self.root)), [])
        self.damage("docs/README.md", "(adr/0110-", "(adr/0111-")
        self.assert_finds(docs_check.check_decisions)

    def test_finds_a_link_that_leads_nowhere(self):
        self.damage("docs/api.md", "# API", "# API\n[gone](gone.md)\n")
        self.assertTrue(any("gone.md" in f for f in docs_check.check_links(self.root)))


if __name__ == "__main__":
    sys.exit(unittest.main())
