#!/usr/bin/env python3
"""What the last line of tests/run says rests on this counting."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import count_results  # noqa: E402


class Counting(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def write(self, name, text):
        path = os.path.join(self.directory.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def count(self, entries, **reports):
        for name, cases in reports.items():
            self.write(name + ".xml", f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        junit = self.write("junit", f"<testsuite>{entries}</testsuite>")
        return count_results.results(junit, self.directory.name)

    def test_single_cases_of_a_binary_count(self):
        found = self.count(
            '<testcase name="a" status="run"/>',
            a='<testcase classname="S" name="One" status="run"/>'
              '<testcase classname="S" name="Two" status="run"><skipped message="x.cc:7&#10;no key"/>'
              '</testcase>'
              '<testcase classname="S" name="DISABLED_Three" status="notrun"/>')
        self.assertEqual(found, [("S.One", "passed", ""), ("S.Two", "skipped", "no key"),
                                 ("S.DISABLED_Three", "skipped", "disabled in the source")])

    def test_a_failed_case_counts_once(self):
        found = self.count('<testcase name="a" status="fail"/>',
                           a='<testcase classname="S" name="One"><failure/></testcase>')
        self.assertEqual(found, [("S.One", "failed", "")])

    def test_a_crash_is_a_failure_with_and_without_a_report(self):
        found = self.count('<testcase name="a" status="fail"/><testcase name="b" status="fail"/>',
                           a='<testcase classname="S" name="One" status="run"/>')
        self.assertEqual([result for _, result, _ in found], ["passed", "failed", "failed"])

    def test_a_report_that_breaks_off_is_a_failure(self):
        self.write("a.xml", "<testsuites><testsuite>")
        found = self.count('<testcase name="a" status="fail"/>')
        self.assertEqual(found, [("a", "failed", "")])

    def test_a_skipped_program_says_why(self):
        found = self.count('<testcase name="a" status="notrun"><system-out>preparing\n'
                           'skipped: node is not installed\n</system-out></testcase>')
        self.assertEqual(found, [("a", "skipped", "node is not installed")])

    def test_no_test_with_the_label(self):
        self.assertEqual(count_results.results("/nonexistent", self.directory.name), [])


if __name__ == "__main__":
    unittest.main()
