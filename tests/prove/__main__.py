"""Proves the smart charging of the firmware against oracle.py: python -m tests.prove --help"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import time

from . import harness, scenarios
from .oracle import ORACLES

COMPARISONS = 1_000_000


def work(number, workers, seed, stop, results, commands):
    """A process: every scenario whose number belongs to it, until `stop` is set."""
    prover = harness.Prover(commands)
    sent = {}
    for i in range(number, 10**9, workers):
        if stop.is_set():
            break
        made = make(seed, i)
        try:
            prover.play(made)
        except harness.Difference as d:
            results.put(("difference", i, made, d.what, d.who))
            break
        now = dict(prover.counts)
        results.put(("counts", {k: n - sent.get(k, 0) for k, n in now.items()}))
        sent = now
    prover.close()


def make(seed, i):
    """Every other one is made for OCPP 2.0.1; all are played in both languages."""
    return scenarios.scenario(random.Random(f"{seed} {i}"), list(ORACLES)[i % 2])


def smallest(scenario, what, who, commands):
    """The scenario made small, and the difference that is left."""
    # The one that differs and one to compare it with are enough.
    few = {n: c for n, c in commands.items() if n in (who, "cpython")}
    prover = harness.Prover(few)

    def difference(scenario):
        try:
            prover.play(scenario)
        except harness.Difference as d:
            return d if d.what == what else None

    try:
        scenario = harness.shrink(scenario, difference)
        return scenario, difference(scenario)
    finally:
        prover.close()


def prove(seed, commands, seconds=None, comparisons=COMPARISONS, workers=2, say=print):
    """True if no difference was found. Stops after `seconds`, or where both counts are reached."""
    began = time.monotonic()
    stop, results = multiprocessing.Event(), multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=work, args=(i, workers, seed, stop, results, commands))
        for i in range(workers)
    ]
    for process in processes:
        process.start()
    counts, found = dict.fromkeys(("scenarios", "limit", "composite", "bound", "report"), 0), None
    while found is None:
        try:
            kind, *rest = results.get(timeout=1)
        except multiprocessing.queues.Empty:
            if not all(p.is_alive() for p in processes):
                raise RuntimeError("a worker ended: see above") from None
            kind = None
        if kind == "counts":
            for key, n in rest[0].items():
                counts[key] = counts.get(key, 0) + n
        elif kind == "difference":
            found = rest
        if seconds is not None:
            if time.monotonic() - began >= seconds:
                break
        elif min(counts["limit"], counts["composite"]) >= comparisons:
            break
    stop.set()
    while any(p.is_alive() for p in processes):  # (a queue that is not emptied holds them up)
        try:
            kind, *rest = results.get(timeout=0.1)
            found = found or (rest if kind == "difference" else None)
        except multiprocessing.queues.Empty:
            pass
    say(
        f"seed {seed}: {counts['scenarios']} scenarios on {', '.join(commands)},"
        f" {counts['limit']} limit comparisons, {counts['composite']} composite comparisons,"
        f" {counts['bound']} with a bound, {counts['report']} profiles reported,"
        f" {time.monotonic() - began:.0f} s"
    )
    if found is None:
        return True
    i, made, what, who = found
    say(f"DIFFERENCE in scenario {i} of seed {seed}: {what} ({who}); making it small ...")
    small, left = smallest(made, what, who, commands)
    say(json.dumps(small))
    say(str(left or "not seen again"))
    return False


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--seed", type=int, help="PILOTWIRE_SEED, or a new one")
    parser.add_argument("--seconds", type=float, help="stop after about so long")
    parser.add_argument("--comparisons", type=int, default=COMPARISONS, help="of each kind")
    parser.add_argument("--interpreters", help="of cpython,mp64,mp32,mpesp; all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scenario", help="play the JSON scenario of this file only; -: of stdin")
    options = parser.parse_args()
    names = options.interpreters.split(",") if options.interpreters else None
    commands, missing = harness.interpreters(names)
    for each in missing:
        print("skipped: no", each, "(make setup)")
        if os.environ.get("CI") == "true":
            sys.exit(1)
    if options.scenario:
        with open(0 if options.scenario == "-" else options.scenario) as f:
            made = json.load(f)
        prover = harness.Prover(commands)
        try:
            prover.play(made)
        except harness.Difference as d:
            sys.exit(str(d))
        finally:
            prover.close()
        return
    seed = options.seed
    if seed is None:
        seed = int(os.environ.get("PILOTWIRE_SEED") or int.from_bytes(os.urandom(4), "big") >> 2)
    good = prove(seed, commands, options.seconds, options.comparisons, options.workers)
    sys.exit(not good)


if __name__ == "__main__":
    main()
