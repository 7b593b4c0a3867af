#!/usr/bin/env python3
"""Counts test results of one ctest run.

usage: count_results.py CTEST_JUNIT_XML DIRECTORY_OF_GTEST_XML [--strict]
prints: passed failed skipped; then a line for each failed or skipped case, saying why it was skipped

A GoogleTest binary counts with its single cases, any other ctest entry as one. An entry that failed
without a failed case (a crash, a sanitizer, a time-out) counts as one failure.
With --strict, where everything needed can be installed, a test that is skipped because something
"is not installed" has failed.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

MISSING = "not installed"


def why_skipped(text):
    """The reason in a skipped test's output: its line `skipped: …`, or its last line."""
    lines = [line.strip() for line in (text or "").split("\n") if line.strip()]
    said = [line for line in lines if re.match(r"skipped\b", line, re.I)]
    return re.sub(r"^skipped:?\s*", "", (said or lines or ["no reason given"])[-1], flags=re.I)


def cases_of(path):
    """[(name, result, why)] of one GoogleTest report; result is passed, failed or skipped."""
    cases = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            cases.append((name, "failed", ""))
        elif skipped is not None:
            # The message begins with the place in the source.
            cases.append((name, "skipped", why_skipped(skipped.get("message"))))
        elif case.get("status") == "notrun":
            cases.append((name, "skipped", "disabled in the source"))
        else:
            cases.append((name, "passed", ""))
    return cases


def results(junit, directory):
    """[(name, result, why)] of a whole run."""
    if not os.path.exists(junit):  # no test has the label
        return []
    found = []
    for entry in ElementTree.parse(junit).getroot().iter("testcase"):
        name, status = entry.get("name"), entry.get("status")
        try:
            cases = cases_of(os.path.join(directory, name + ".xml"))
        except (OSError, ElementTree.ParseError):
            cases = []
        if status in ("notrun", "disabled") and not cases:
            cases = [(name, "skipped", why_skipped(entry.findtext("system-out")))]
        elif not cases:
            cases = [(name, "passed" if status == "run" else "failed", "")]
        elif status != "run" and not any(result == "failed" for _, result, _ in cases):
            cases.append((f"{name}, the whole program", "failed", ""))
        found += cases
    return found


def main(arguments):
    strict = "--strict" in arguments
    junit, directory = [a for a in arguments if not a.startswith("--")]
    found = results(junit, directory)
    if strict:
        found = [(name, "failed" if result == "skipped" and MISSING in why else result, why)
                 for name, result, why in found]
    print(*(sum(result == wanted for _, result, _ in found)
            for wanted in ("passed", "failed", "skipped")))
    for name, result, why in found:
        if result != "passed":
            print(f"{result}: {name}" + (f": {why}" if why else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
