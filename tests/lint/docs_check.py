#!/usr/bin/env python3
"""Holds the documentation against the code it speaks of.

usage: docs_check.py [--write] [ROOT]
Prints findings as path: what is wrong; exit 1 if there are any. --write renews the matrix of RPCs in
docs/operations.md from the policies in proto/.

Checked: the matrix of every RPC; that deploy/config/televault.toml is valid and names every setting
with its default; that docs/api.md names every error reason; that README.md names every verb that is
not available; that every relative link leads somewhere; that docs/README.md lists every decision.
"""

import collections
import os
import re
import sys
import tomllib

BEGIN = "<!-- matrix: written by tests/lint/docs_check.py --write -->"
END = "<!-- /matrix -->"

Rpc = collections.namedtuple("Rpc", "service name capability purpose lockdown sealed exclusive")

# What the options alone do not say: while_sealed calls whose answer waits for a durable entry or for
# the engine, and so stop in control mode.
STOPS_IN_CONTROL_MODE = {"Unseal", "ProposeLift", "ApproveLift"}
# Recorded with store::Urgency::kSecurity: they use all of the space that is kept free.
SECURITY_EVENTS = {"EngageLockdown", "ProposeLift", "ApproveLift", "Unseal", "Seal", "RevokeToken",
                   "RevokeAccess", "DisablePerson", "RunRetention"}
# With store::Urgency::kTrail: they use half of it. Those that work sealed go on unrecorded after that.
TRAIL = {"ListEntries", "GetEntry", "TailEntries", "ExportAuditKeys"}
AGGREGATES_ONLY = {"Query", "Explain"}
# Refused while a lockdown at level seal is in force, although it works while sealed.
STOPS_AT_SEAL = {"Unseal"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def parse_rpcs(root):
    folder = os.path.join(root, "proto/televault/v1")
    rpcs = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith("_service.proto"):
            continue
        text = read(os.path.join(folder, name))
        service = re.search(r"^service (\w+)", text, re.M).group(1)
        for match in re.finditer(r"^  rpc (\w+)\(.*?^  }", text, re.M | re.S):
            body = match.group(0)
            option = lambda key: re.search(rf"\b{key}: (\w+)", body)
            value = lambda key, prefix: option(key).group(1).removeprefix(prefix)
            rpcs.append(Rpc(service, match.group(1), value("capability", "CAPABILITY_"),
                            value("purpose", "PURPOSE_RULE_"),
                            value("during_lockdown", "LOCKDOWN_RULE_"),
                            bool(option("while_sealed")), bool(option("exclusive"))))
    return rpcs


def cells(rpc):
    stops = {"ALWAYS": "", "ROWS": "rows", "READS": "reads", "ALL": "all"}[rpc.lockdown]
    levels = ["rows", "reads", "all"]
    works = ["no" if stops and levels.index(stops) <= i else "yes" for i in range(len(levels))]
    if rpc.name in AGGREGATES_ONLY:
        works[0] = "aggregates"
    sealed = "yes" if rpc.sealed else "no"
    # Level `seal` seals the vault: what works sealed and is not stopped by the level goes on.
    works.append("no" if stops or rpc.name in STOPS_AT_SEAL else sealed)
    control = "yes" if rpc.sealed and rpc.name not in STOPS_IN_CONTROL_MODE else "no"
    if rpc.name in SECURITY_EVENTS:
        full = "yes"
    elif rpc.name in TRAIL:
        full = "to half"
    else:
        full = "yes, recorded later" if rpc.sealed else "no"
    return works + [sealed, control, full]


def matrix(rpcs):
    lines = ["| RPC | capability | `rows` | `reads` | `all` | `seal` | sealed | control mode "
             "| disk full |",
             "|---|---|---|---|---|---|---|---|---|"]
    service = ""
    for rpc in rpcs:
        if rpc.service != service:
            service = rpc.service
            lines.append(f"| **{service}** | | | | | | | | |")
        name = rpc.name + (" ¹" if rpc.exclusive else "")
        capability = rpc.capability.lower().replace("_", " ")
        if rpc.purpose == "REQUIRED":
            capability += " + purpose"
        lines.append("| " + " | ".join([name, capability] + cells(rpc)) + " |")
    return "\n".join(lines)


def check_matrix(root, write):
    path = os.path.join(root, "docs/operations.md")
    text = read(path)
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        yield "docs/operations.md: the marks of the matrix are missing"
        return
    wanted = f"{BEGIN}\n{matrix(parse_rpcs(root))}\n"
    if text[begin:end] == wanted:
        return
    if write:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text[:begin] + wanted + text[end:])
    else:
        yield ("docs/operations.md: the matrix of RPCs is not that of proto/; renew it with "
               "tests/lint/docs_check.py --write and read what changed")


def flatten(table, prefix=""):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def check_config(root):
    path = "deploy/config/televault.toml"
    text = read(os.path.join(root, path))
    try:
        tomllib.loads(text)
        documented = dict(flatten(tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.M))))
    except tomllib.TOMLDecodeError as error:
        yield f"{path}: {error}"
        return
    code = read(os.path.join(root, "vault/daemon/config.cc"))
    known = set(re.findall(r'^      \{"([a-z0-9_.]+)",', code, re.M))
    for name in sorted(known - documented.keys()):
        yield f"{path}: the setting {name} is missing"
    for name in sorted(documented.keys() - known):
        yield f"{path}: {name} is no setting"


def check_reasons(root):
    status = read(os.path.join(root, "vault/base/status.h"))
    page = read(os.path.join(root, "docs/api.md"))
    for name in re.findall(r'string_view k\w+ = "([A-Z_]+)"', status):
        if f"`{name}`" not in page:
            yield f"docs/api.md: the error reason {name} is missing"


def check_later(root):
    code = read(os.path.join(root, "admin-cli/commands/later.cc"))
    readme = read(os.path.join(root, "README.md"))
    for noun, verb in re.findall(r'LaterVerb\{"(\w+)", "(\w*)"', code):
        command = f"`{noun} {verb}`" if verb else f"`{noun}`"
        if command not in readme:
            yield f"README.md: {command} is not available and is not listed"


def check_links(root):
    pages = [name for name in os.listdir(root) if name.endswith(".md")]
    for folder, _, names in os.walk(os.path.join(root, "docs")):
        pages += [os.path.relpath(os.path.join(folder, n), root) for n in names if n.endswith(".md")]
    for page in sorted(pages):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", read(os.path.join(root, page)), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            if not os.path.exists(os.path.join(root, os.path.dirname(page), target)):
                yield f"{page}: the link to {target} leads nowhere"


def check_decisions(root):
    index = read(os.path.join(root, "docs/README.md"))
    for name in sorted(os.listdir(os.path.join(root, "docs/adr"))):
        if f"(adr/{name})" not in index:
            yield f"docs/README.md: the decision adr/{name} is missing"


def main(arguments):
    write = "--write" in arguments
    roots = [a for a in arguments if a != "--write"]
    here = os.path.dirname(os.path.abspath(__file__))
    root = roots[0] if roots else os.path.dirname(os.path.dirname(here))
    findings = [*check_matrix(root, write), *check_config(root), *check_reasons(root),
                *check_later(root), *check_links(root), *check_decisions(root)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
