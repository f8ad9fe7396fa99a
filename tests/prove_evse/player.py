"""Plays chapters and says how they went; runs on MicroPython and, as a module, on CPython.

    micropython player.py SEED EVENTS SECONDS [SABOTAGE]     chapters SEED, SEED + 1, ...
    micropython player.py - [SABOTAGE] < events.json         one chapter of these events

One JSON object a line: progress ("at"), in the end "done", or "violation".
"""

import json
import sys
import time

# ruff: noqa: E402, UP031
sys.path[:0] = ["", "tools"]

from sim.monitor import Violation
from tests.prove_evse import sabotage, world


def say(what):
    """A line, in pieces: its text in one is a large block in a small heap."""
    json.dump(what, sys.stdout)
    print()


def run(seed, events, seconds, saboteur=None):
    """Play at least `events` events, or for `seconds`. -> True if nothing was violated"""
    began = said = time.time()
    happened = ticks = closings = openings = loads = changes = 0
    first = seed
    seen = set()
    took = {}  # load of the chip -> ms until the coil was off -> how often
    while happened < events and time.time() - began < seconds:
        chapter = world.chapter(seed, prefer=saboteur and saboteur.prefer)
        try:
            life = world.play(chapter, saboteur)
        except Violation as e:
            say(report(e, chapter, seed))
            return False
        except Exception as e:
            sys.stderr.write("chapter %d\n" % seed)
            raise e
        seed += 1
        happened += len(chapter)
        ticks += life.ticks
        monitor = life.monitor
        closings += monitor.closings
        openings += monitor.openings
        loads += monitor.load_openings
        changes += monitor.changes
        seen |= monitor.hazards_seen
        times = took.setdefault(life.load, {})
        for ms in life.took_ms:
            times[ms] = times.get(ms, 0) + 1
        if time.time() - said > 10:
            said = time.time()
            say({"at": happened})
    done = {"seed": first, "chapters": seed - first, "events": happened, "ticks": ticks}
    done["closings"], done["openings"], done["under load"] = closings, openings, loads
    done["duty changes"] = changes
    done["hazards"] = sorted(seen)
    done["coil off"] = {"load %d" % load: spread(took[load]) for load in sorted(took)}
    done["seconds"] = int(time.time() - began)
    say({"done": done})
    return True


def spread(times):
    """Of {ms: how often}."""
    n = sum(times.values())
    at = 0
    for ms in sorted(times):
        at += times[ms]
        if 2 * at >= n:
            return {"times": n, "median_ms": ms, "worst_ms": max(times)}
    return {"times": 0}


def report(e, events, seed=None):
    return {
        "violation": e.rule,
        "text": e.text,
        "ms": e.now_ms,
        "seed": seed,
        "events": events,
        "trace": e.trace,
    }


def replay(events, saboteur=None):
    """The report of the violation that these events lead to, or None."""
    try:
        world.play(events, saboteur)
    except Violation as e:
        return report(e, events)
    return None


def main(argv):
    name = argv[-1] if argv[-1] in sabotage.ALL else None
    saboteur = sabotage.ALL[name] if name else None
    if argv[1] == "-":
        found = replay(json.loads(sys.stdin.read()), saboteur)
        say(found)
        return found is None
    return run(int(argv[1]), int(argv[2]), float(argv[3]), saboteur)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv) else 1)
