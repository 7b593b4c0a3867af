#!/usr/bin/env python3
"""Runs the vault against its peers over one data set and prints Markdown tables.

usage: suite.py [--events N] [--pairs N] [--only NAME[,NAME]] [--build DIRECTORY]
Every figure is the median of ratios of pairs that were measured in turn (A B B A …), with the
least and the greatest of them. All contenders answer the same questions; where an answer differs,
the suite fails.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from statistics import median

from contender import Contender, Failed, NoSuchQuestion, Pairs

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAYS = 30

# What each question is, for the table; every contender has its own text for it.
QUESTIONS = {
    "count": "count",
    "commands": "group by command: count, avg",
    "days": "filter, group by day and os: count, avg",
    "users": "count(distinct subject) per version, 4 of 30 days",
    "failures": "p95 of the duration of failures",
    "slice": "group by command over 1 % of the time",
    "subject": "all rows of one subject",
}
# The vault answers an analyst (figures about groups of at least k, checked) or an investigator
# (single events, after two approvals). An analyst sees days and no subjects.
MODES = {
    "aggregate": ("count", "commands", "days", "users", "failures"),
    "rows": tuple(QUESTIONS),
}
# What is written: its name, the kind, batches each time, events of a batch, the peer.
WRITES = (
    ("columns of 10 fields, batches of 10,000, two streams", "columns", 40, 10_000, "RocksDB"),
    ("rows of 10 fields, batches of 1,000, two streams", "rows", 100, 1_000, "PostgreSQL"),
)
OMISSIONS = {
    "RocksDB": "no server, no parsing, no roles, no audit, no encryption: it puts as many bytes as the "
               "vault seals for a batch",
    "DuckDB": "no server, no roles, no audit, no encryption, plaintext in memory",
    "DuckDB encrypted": "no server, no roles, no audit",
    "PostgreSQL": "no encryption, no audit on disk before the answer, no k",
    "SQLCipher": "no server, no roles, no audit",
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def value(cell):
    """Numbers and times as floats, so that engines that print them differently agree."""
    if not isinstance(cell, str):
        return cell
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        time = datetime.datetime.fromisoformat(cell)
        return time.replace(tzinfo=datetime.timezone.utc).timestamp() * 1e6
    except ValueError:
        return cell


def ordered(rows):
    return sorted(([value(cell) for cell in row] for row in rows),
                  key=lambda row: [(isinstance(cell, str), cell) for cell in row])


def difference(ours, theirs, tolerance):
    """Where two answers differ; "" = nowhere."""
    ours, theirs = ordered(ours), ordered(theirs)
    if len(ours) != len(theirs):
        return f"{len(ours)} rows against {len(theirs)}"
    for a, b in zip(ours, theirs):
        for x, y in zip(a, b):
            if isinstance(x, str) or isinstance(y, str):
                same = x == y
            else:
                same = abs(x - y) <= tolerance * max(abs(x), abs(y), 1e-9)
            if not same:
                return f"{a} against {b}"
    return ""


class Suite:
    def __init__(self, options):
        self.options = options
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="televault-bench-"))
        # PostgreSQL runs as another user.
        self.directory.chmod(0o711)
        self.vault = None
        self.peers = {}
        self.writers = {}  # that only write
        self.sizes = {}
        self.notes = []

    def close(self):
        for contender in [*self.peers.values(), *self.writers.values(), self.vault]:
            if contender is not None:
                contender.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def binary(self, name):
        return str(pathlib.Path(self.options.build) / "tests" / name)

    def start(self):
        yesterday = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)
        first = yesterday - datetime.timedelta(days=DAYS - 1)
        first_us = int(datetime.datetime(first.year, first.month, first.day,
                                         tzinfo=datetime.timezone.utc).timestamp()) * 1_000_000
        csv = self.directory / "usage.csv"
        say("writing the data set")
        with open(csv, "wb") as out:
            subprocess.run([self.binary("usage_csv"), str(self.options.events)], stdout=out,
                           check=True)
        csv.chmod(0o644)
        log = str(self.directory / "log")
        here, day = str(self.directory), first.isoformat()
        duckdb = ["node", "tests/bench/peers/duckdb.mjs", str(csv), here, day]
        commands = {
            "vault": [self.binary("vault_contender"), str(self.options.events)],
            "DuckDB": [*duckdb, "plain"],
            "DuckDB encrypted": [*duckdb, "encrypted"],
            "PostgreSQL": [self.binary("postgres_peer"), str(csv), here, day],
            "SQLCipher": [self.binary("sqlcipher_peer"), str(csv), here, str(first_us)],
        }
        wanted = self.options.only.split(",") if self.options.only else [*commands, "RocksDB"]
        if "RocksDB" in wanted:
            self.writers["RocksDB"] = Contender(
                "RocksDB", [self.binary("rocksdb_peer"), here], log)
        for name, command in commands.items():
            if name != "vault" and name not in wanted:
                continue
            say(f"loading {name}")
            try:
                contender = Contender(name, command, log)
                begin = time.monotonic()
                self.sizes[name] = contender.ask("load").split()
                say(f"  {time.monotonic() - begin:.1f} s")
            except (Failed, FileNotFoundError) as failed:
                if name == "vault":
                    with open(log, encoding="utf-8") as said:
                        sys.exit(f"vault: {failed}\n{said.read()[-2000:]}")
                self.notes.append(f"{name} was not measured: {failed}")
                continue
            if name == "vault":
                self.vault = contender
            else:
                self.peers[name] = contender

    def check_answers(self):
        """The peers' answers are those of the vault."""
        for mode, questions in MODES.items():
            for question in questions:
                ours = json.loads(self.vault.ask(f"rows {question} {mode}"))
                # An analyst's percentile is the middle of a bin that k have values in.
                tolerance = 0.02 if (question, mode) == ("failures", "aggregate") else 1e-9
                for name, peer in self.peers.items():
                    try:
                        theirs = json.loads(peer.ask(f"rows {question}"))
                    except NoSuchQuestion:
                        continue
                    found = difference(ours, theirs, tolerance)
                    if found:
                        sys.exit(f"{question} ({mode}) of the vault and of {name}: {found}")

    def compare(self, question, mode, name, first=False):
        """One row of the table; None where the peer has no such question."""
        peer = self.peers[name]

        def run(contender, line):
            if first:
                contender.ask("restart")
            return contender.seconds(line)

        def ours():
            return run(self.vault, f"query {question} {mode}")

        def theirs():
            return run(peer, f"query {question}")
        try:
            ours(), theirs()
        except NoSuchQuestion:
            return None
        before = self.vault.processor_seconds(), peer.processor_seconds()
        pairs = Pairs(ours, theirs, self.options.pairs)
        after = self.vault.processor_seconds(), peer.processor_seconds()
        used = [(b - a) / self.options.pairs * 1e3 for a, b in zip(before, after)]
        return (f"| {QUESTIONS[question]} | {mode} | {name} | {median(pairs.ours) * 1e3:.1f} | "
                f"{median(pairs.theirs) * 1e3:.1f} | {median(pairs.ratios):.2f} "
                f"({min(pairs.ratios):.2f} to {max(pairs.ratios):.2f}) | "
                f"{'' if first else f'{used[0]:.0f} : {used[1]:.0f}'} |")

    def writes(self):
        """How fast durable writes are, beside somebody who writes the same."""
        print("\n### Durable writes\n\nThe vault's are parsed, checked, pseudonymised, sealed and "
              "audited. A ratio above 1: the vault writes more.\n\n"
              "| what | peer | vault events/s | peer | ratio | processor s per million events |\n"
              "|---|---|---|---|---|---|")
        for what, kind, batches, events, name in WRITES:
            peer = self.writers.get(name) or self.peers.get(name)
            if peer is None:
                continue
            sealed = self.vault.ask(f"write {kind} {batches}").split()[1]
            # RocksDB is told how large a batch is.
            line = f"write {batches} {sealed}" if name == "RocksDB" else f"write {batches}"
            peer.ask(line)
            before = self.vault.processor_seconds(), peer.processor_seconds()
            pairs = Pairs(lambda k=kind, b=batches: self.vault.seconds(f"write {k} {b}"),
                          lambda p=peer, text=line: p.seconds(text), self.options.pairs)
            after = self.vault.processor_seconds(), peer.processor_seconds()
            millions = self.options.pairs * batches * events / 1e6
            used = [(b - a) / millions for a, b in zip(before, after)]
            rates = [batches * events / median(seconds) for seconds in (pairs.ours, pairs.theirs)]
            ratios = [1 / ratio for ratio in pairs.ratios]
            print(f"| {what} | {name} | {rates[0]:,.0f} | {rates[1]:,.0f} | {median(ratios):.2f} "
                  f"({min(ratios):.2f} to {max(ratios):.2f}) | {used[0]:.1f} : {used[1]:.1f} |",
                  flush=True)

    def tables(self):
        head = ("| question | as | peer | vault ms | peer ms | ratio | processor ms |\n"
                "|---|---|---|---|---|---|---|")
        print(f"\n### {self.options.events:,} events, repeated queries\n\n{head}")
        for question in QUESTIONS:
            for mode, questions in MODES.items():
                for name in self.peers:
                    if question in questions:
                        row = self.compare(question, mode, name)
                        if row:
                            print(row, flush=True)
        print(f"\n### The first query after the open\n\n{head}")
        for question in ("commands", "days"):
            for name in self.peers:
                row = self.compare(question, "aggregate", name, first=True)
                if row:
                    print(row, flush=True)
        print("\n### Size\n\nLoading: the vault from messages until the last of them is durable, merges not "
              "included; the others\nfrom a CSV file, checkpoints included. Bytes: after merges and "
              "checkpoints.\n\n| | load s | bytes per event |\n|---|---|---|")
        for name, sizes in self.sizes.items():
            # The vault says when all was merged, too.
            size = sizes[2] if name == "vault" else sizes[1]
            print(f"| {name} | {sizes[0]} | {int(size) / self.options.events:.1f} |")
        for name in [*self.peers, *self.writers]:
            print(f"\n{name} has {OMISSIONS[name]}.")
        for note in self.notes:
            print(f"\n{note}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--only", default="")
    parser.add_argument("--build", default="build/release")
    options = parser.parse_args()
    os.chdir(ROOT)
    suite = Suite(options)
    try:
        suite.start()
        suite.check_answers()
        suite.tables()
        suite.writes()
    finally:
        suite.close()


if __name__ == "__main__":
    main()
