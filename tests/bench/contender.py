"""Contenders of the suite: processes that are driven by lines (see contender.h)."""
import os
import subprocess

TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A contender that ended or cannot go on; the text says why."""


class NoSuchQuestion(Exception):
    """The engine has nothing that answers it."""


def _children(pid):
    """Every process below `pid`, itself included."""
    parents = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                parents[int(entry)] = int(stat.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def _processor_seconds(pid):
    """What the process and those it waited for have used."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICK


class Contender:
    """One engine. Threads: one."""

    def __init__(self, name, command, log):
        self.name = name
        self._log = log
        with open(log, "a", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)

    def ask(self, line):
        """The answer to one line."""
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        word, _, rest = answer.rstrip("\n").partition(" ")
        if word == "ok":
            return rest
        if rest == "there is no such question here":
            raise NoSuchQuestion
        with open(self._log, encoding="utf-8", errors="replace") as said:
            raise Failed(rest or f"{self.name} ended: {said.read()[-1000:]}")

    def seconds(self, line):
        return float(self.ask(line).split()[0])

    def processor_seconds(self):
        """Of everything that works for it so far."""
        pids = {self._process.pid} | {int(pid) for pid in self.ask("pids").split()}
        every = set().union(*(_children(pid) for pid in pids))
        return sum(_processor_seconds(pid) for pid in every)

    def close(self):
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(timeout=120)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Pairs:
    """Times of two things, measured in turn as A B B A …"""

    def __init__(self, ours, theirs, pairs):
        self.ours, self.theirs, self.ratios = [], [], []
        for pair in range(pairs):
            if pair % 2 == 0:
                a = ours()
                b = theirs()
            else:
                b = theirs()
                a = ours()
            self.ours.append(a)
            self.theirs.append(b)
            self.ratios.append(a / b)
