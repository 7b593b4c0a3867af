#!/usr/bin/env python3
"""Every TV_CRASH_POINT of the product stands in tests/crash/crash_points.h, once and in order, and
nothing else does; no name is used at two places, or an armed test would not know which one fired."""

import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def points_of_the_product():
    for top in ("auth", "audit", "vault", "admin-cli"):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in files:
                if name.endswith((".cc", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        text = file.read()
                    for point in re.findall(r'TV_CRASH_POINT\("([^"]+)"\)', text):
                        yield point, os.path.relpath(path, ROOT)


def main():
    findings = []
    used = {}
    for point, path in points_of_the_product():
        if point in used:
            findings.append(f"{path}: {point} is used in {used[point]} already")
        used[point] = path
    with open(os.path.join(ROOT, "tests/crash/crash_points.h"), encoding="utf-8") as file:
        arrays = [re.findall(r'"([^"]+)",', part) for part in file.read().split("};")]
    listed = [point for array in arrays for point in array]
    findings += [f"{used[point]}: {point} is missing from tests/crash/crash_points.h"
                 for point in sorted(set(used) - set(listed))]
    findings += [f"tests/crash/crash_points.h: there is no crash point {point}"
                 for point in sorted(set(listed) - set(used))]
    if not used or len(listed) != len(set(listed)) or any(a != sorted(a) for a in arrays):
        findings.append("tests/crash/crash_points.h: each list is sorted, and a point named once")
    print("\n".join(findings) or f"{len(used)} crash points, all listed")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
