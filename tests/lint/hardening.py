#!/usr/bin/env python3
"""Checks that binaries carry the hardening that deploy/cmake asks for.

usage: hardening.py READELF BINARY…      exit 1 with a line for each thing a binary lacks
"""

import re
import subprocess
import sys


def findings(headers, segments, dynamic, symbols):
    """What is missing, from the output of readelf -h, -lW, -dW and --dyn-syms -W."""
    if not re.search(r"^\s*Type:\s+DYN\b", headers, re.M) or not re.search(r"\bINTERP\b", segments):
        yield "is not position independent; compile with -fPIE, link with -pie"
    if not re.search(r"\bGNU_RELRO\b", segments):
        yield "has no read-only relocations; link with -z relro"
    if not re.search(r"\(BIND_NOW\)|\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b", dynamic):
        yield "binds lazily; link with -z now"
    stack = re.search(r"\bGNU_STACK\b.*", segments)
    if not stack or re.search(r"\bRW?E\b", stack.group(0)):
        yield "has an executable stack; link with -z noexecstack"
    if re.search(r"^\s*LOAD\s.*\bRWE\b", segments, re.M):
        yield "has a segment that is writable and executable"
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        yield "looks for libraries in a path of the build machine; install without an RPATH"
    if "__stack_chk_fail" not in symbols:
        yield "has no stack protector; compile with -fstack-protector-strong"
    if not re.search(r"\b__\w+_chk@", symbols.replace("__stack_chk_fail", "")):
        yield "has no checked C library calls; compile with -D_FORTIFY_SOURCE=2"


def main(readelf, binaries):
    bad = 0
    for binary in binaries:
        read = lambda *flags: subprocess.run([readelf, *flags, binary], capture_output=True,
                                             text=True, check=True).stdout
        for finding in findings(read("-h"), read("-lW"), read("-dW"), read("--dyn-syms", "-W")):
            print(f"{binary} {finding}")
            bad += 1
    print(f"{len(binaries)} binaries, {bad} findings")
    return 1 if bad or not binaries else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
