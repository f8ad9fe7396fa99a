"""python -m tests.mutants [--seed N] [--count N] [--show] [--unit] [NUMBER | FROM-TO ...]

Each fault is put into a copy of the tree; the tests that see its module run there (on the 32-bit
port) until one fails. That test must pass without the fault, or it does not count. The report is
build/mutants.jsonl, to which a run adds: what is there is not run again.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .cover import covering
from .faults import ROOT, picked

SEED, COUNT = 12, 150
HANGS_s = 120  # a unit test's process; a fault may well make an endless loop
REPORT = ROOT / "build/mutants.jsonl"
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+\.py(?:::[^\s]+(?: [^-]\S*)*)?)", re.M)


class Tree:
    """A private copy of the tree."""

    def __init__(self, folder):
        self.root = Path(folder)
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True
        ).stdout.decode()
        for name in listed.splitlines():
            if (ROOT / name).exists():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        (self.root / "build").mkdir(exist_ok=True)
        for name in ("micropython32", "micropython-esp"):
            (self.root / "build" / name).symlink_to(ROOT / "build" / name)
        (self.root / ".venv").symlink_to(ROOT / ".venv")
        self.good = {}

    def failing(self, tests):
        """The first test that fails, or None."""
        environment = os.environ | {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PILOTWIRE_SEED": "1",
            "PILOTWIRE_PROCESS_s": str(HANGS_s),
        }
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        command += ["--tb=no", "-m", "not mp64 and not mpesp", *tests]
        done = subprocess.run(
            command, cwd=self.root, env=environment, stdin=subprocess.DEVNULL, capture_output=True
        )
        said = done.stdout.decode(errors="replace")
        if done.returncode == 0:
            return None
        name = FAILED.search(said)
        if name is None:
            raise SystemExit(f"no test's name in:\n{said}\n{done.stderr.decode()}")
        return name[1]

    def sound(self, test):
        """Does it pass without a fault?"""
        if test not in self.good:
            self.good[test] = self.failing([test]) is None
        return self.good[test]

    def catches(self, fault, tests):
        """The name of the test that catches the fault, or None."""
        path = self.root / fault.path
        source = path.read_bytes()
        tests = list(tests)
        while tests:
            path.write_bytes(fault.applied(source))
            try:
                test = self.failing(tests)
            finally:
                path.write_bytes(source)
            if test is None or self.sound(test):
                return test
            # It fails by itself: what follows its file still counts.
            tests = tests[tests.index(test.split("::")[0]) + 1 :]
        return None


def main():
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.split("\n\n")[1])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--show", action="store_true", help="what the faults and their tests are")
    parser.add_argument("--unit", action="store_true", help="leave the system tests out")
    parser.add_argument("numbers", nargs="*", help="17 or 1-20; all without")
    args = parser.parse_args()
    chosen = []
    for text in args.numbers or [f"1-{args.count}"]:
        first, _, last = text.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    all_faults = picked(args.seed, max(args.count, *chosen))
    tests = covering()
    if args.unit:
        tests = {path: [t for t in mine if "/unit/" in t] for path, mine in tests.items()}
    if args.show:
        for number in chosen:
            fault = all_faults[number - 1]
            print(number, fault, "\n   ", *tests[fault.path])
        return
    REPORT.parent.mkdir(exist_ok=True)
    known = {}
    if REPORT.exists():
        known = {each["fault"]: each for each in map(json.loads, REPORT.open())}
    caught = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Tree(folder)
        for number in chosen:
            fault = all_faults[number - 1]
            done = known.get(str(fault))
            if done is None or args.numbers:
                began = time.monotonic()
                test = tree.catches(fault, tests[fault.path])
                done = {"number": number, "seed": args.seed, "fault": str(fault), "test": test}
                done["took_s"] = round(time.monotonic() - began)
                with REPORT.open("a") as report:
                    report.write(json.dumps(done) + "\n")
            caught += done["test"] is not None
            print(f"{number} {fault}\n    {done['test'] or 'SURVIVED'}", flush=True)
    print(f"seed {args.seed}: {caught} of {len(chosen)} caught")


if __name__ == "__main__":
    main()
