#!/usr/bin/env python3
"""Counts test results of one ctest run.

usage: count_results.py CTEST_JUNIT_XML DIRECTORY_OF_GTEST_XML     prints: passed failed skipped

A GoogleTest binary counts with its single cases, any other ctest entry as one. An entry that failed
without a failed case (a crash, a sanitizer, a time-out) counts as one failure.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree


def cases_of(path):
    """(passed, failed, skipped) of one GoogleTest report."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def count(junit, directory):
    if not os.path.exists(junit):  # no test has the label
        return 0, 0, 0
    total = [0, 0, 0]
    for entry in ElementTree.parse(junit).getroot().iter("testcase"):
        status = entry.get("status")
        ok = status == "run"
        report = os.path.join(directory, entry.get("name") + ".xml")
        try:
            result = list(cases_of(report))
        except (OSError, ElementTree.ParseError):
            result = [int(ok), 0, 0]
        if status in ("notrun", "disabled") and sum(result) == 0:
            result = [0, 0, 1]
        elif not ok and result[1] == 0:
            result[1] = 1
        total = [a + b for a, b in zip(total, result)]
    return tuple(total)


if __name__ == "__main__":
    print(*count(sys.argv[1], sys.argv[2]))
