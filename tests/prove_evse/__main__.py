"""A million random events against the electrical side, watched by tools/sim/monitor.py.

    python -m tests.prove_evse                        1,000,000 events
    python -m tests.prove_evse --seconds 60           what fits into a minute
    python -m tests.prove_evse --ports mp32 --seed 7
    python -m tests.prove_evse --sabotage opens-late  must fail
    python -m tests.prove_evse --replay FILE          the JSON of a violation

Each port (MicroPython 64 and 32 bit) plays its share in a process of its own. At the first
violation the list of events is reduced to what it needs, and printed as JSON with its trace.
"""

import argparse
import json
import os
import selectors
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAYER = "tests/prove_evse/player.py"
HEAP = "400K"  # (a large one is slower)
PORTS = {
    "mp64": os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython"),
    "mp32": os.environ.get("MICROPYTHON32") or str(ROOT / "build/micropython32/micropython32"),
    "mpesp": os.environ.get("MICROPYTHON_ESP")
    or str(ROOT / "build/micropython-esp/micropython-esp"),
    "cpython": sys.executable,
}


def host():
    """player.py on this CPython: firmware/electrical needs nothing but const()."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
    if "micropython" not in sys.modules:
        sys.modules["micropython"] = types.SimpleNamespace(const=lambda value: value)
    from tests.prove_evse import player, sabotage

    return player, sabotage


def start(port, *arguments, **options):
    command = [PORTS[port], "-m", "tests.prove_evse.cpython"]
    if port != "cpython":
        command = [PORTS[port], "-X", f"heapsize={HEAP}", PLAYER]
    environment = {k: v for k, v in os.environ.items() if k != "MICROPYPATH"}
    command += [str(a) for a in arguments if a is not None]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **out, **options)


def message(port, process, said):
    """What the player says; instead it may have said why it ended."""
    try:
        return json.loads(said)
    except ValueError:
        raise SystemExit(f"prove_evse: {port} ended with {process.wait()}\n{said}") from None


def replay_on(port, events, name):
    """The violation that these events lead to on `port`, or None."""
    process = start(port, "-", name, stdin=subprocess.PIPE)
    said, _ = process.communicate(json.dumps(events))
    return message(port, process, said)


def shrink(found, again):
    """The shortest list of events that breaks the same rule; `again(events)` -> report or None"""

    def breaks(events):
        nonlocal found
        report = again(events)
        if report and report["violation"] == found["violation"]:
            found = {**report, "seed": found["seed"]}
            return True
        return False

    events = found["events"]
    n = 2
    while len(events) > 2:  # (the first one is the beginning)
        size = max(1, (len(events) - 1) // n)
        for at in range(len(events) - size, 0, -size):
            fewer = events[:at] + events[at + size :]
            # what was left out took its time, perhaps that is what counts
            gap = sum(e[0] for e in events[at : at + size])
            later = [list(e) for e in fewer]
            if at < len(later):
                later[at][0] += gap
            if breaks(fewer):
                events = fewer
                break
            if at < len(later) and breaks(later):
                events = later
                break
        else:
            if size == 1:
                break
            n = min(2 * n, len(events))
    for i in range(1, len(events)):
        # shorter pauses
        for gap in (0, 7, 25, 250, 1000, 2500, 5000, 10000):
            if gap < events[i][0]:
                shorter = [list(e) for e in events]
                shorter[i][0] = gap
                if breaks(shorter):
                    events = shorter
                    break
    seed, parts, load = events[0][2]
    for part in list(parts):
        fewer = [p for p in parts if p != part]
        if breaks([[0, "begin", [seed, fewer, load]], *events[1:]]):
            parts = fewer
    if load:  # perhaps it has nothing to do with how busy the chip is
        breaks([[0, "begin", [seed, parts, 0]], *events[1:]])
    return found


def prove(seed, events, seconds, ports, name=None, log=print):
    """-> (what each port did, None) or (.., the violation, reduced)"""
    share = -(-events // len(ports))
    # (far apart, so that no two play the same chapter)
    running = {
        start(port, seed + i * 10000000, share, seconds, name): port
        for i, port in enumerate(ports)
    }
    done, found = {}, None
    selector = selectors.DefaultSelector()
    for process in running:
        selector.register(process.stdout, selectors.EVENT_READ, process)
    while selector.get_map() and not found:
        for key, _ in selector.select():
            line = key.fileobj.readline()
            port = running[key.data]
            if not line:
                selector.unregister(key.fileobj)
                if key.data.wait() and port not in done:
                    raise SystemExit(f"prove_evse: {port} ended with {key.data.returncode}")
                continue
            if line[0] != "{":
                line += key.fileobj.read()
            told = message(port, key.data, line)
            if "violation" in told:
                found = {**told, "port": port}
                break
            if "done" in told:
                done[port] = told["done"]
                log(f"{port}: " + json.dumps(told["done"]), flush=True)
            elif log is print:
                print(f"{port}: {told['at']} of {share} events", file=sys.stderr, flush=True)
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()
    return done, found and reduced(found, name)


def reduced(found, name=None):
    port = found["port"]
    player, sabotage = host()
    saboteur = sabotage.ALL[name] if name else None
    if player.replay(found["events"], saboteur):
        report = shrink(found, lambda events: player.replay(events, saboteur))
    else:  # only there
        report = shrink(found, lambda events: replay_on(port, events, name))
    return {**report, "port": port, "sabotage": name}


def show(found):
    trace = found.pop("trace")
    events = found.pop("events")
    print("\nVIOLATION " + json.dumps(found))
    print('{"events": [\n ' + ",\n ".join(json.dumps(e) for e in events) + "\n]}")
    print("\n".join(trace))


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove_evse",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--events", type=int, default=1000000)
    add("--seconds", type=float, default=1e9)
    add("--seed", type=int, default=int(os.environ.get("PILOTWIRE_SEED") or 1))
    add("--ports", default="mp64,mp32", help="of mp64, mp32, mpesp, cpython (default %(default)s)")
    add("--sabotage", metavar="NAME")
    add("--replay", metavar="FILE", help="a file with the list of events; on the first port")
    args = parser.parse_args()
    ports = [p for p in args.ports.split(",") if Path(PORTS[p]).exists()]
    if args.replay:
        events = json.loads(Path(args.replay).read_text())
        events = events["events"] if isinstance(events, dict) else events
        found = replay_on(ports[0], events, args.sabotage)
        if found:
            show({**found, "port": ports[0]})
        raise SystemExit(1 if found else 0)
    # Small integers on the 32-bit port; neighbouring seeds must not share chapters.
    seed = args.seed % 1000 * 10000 + args.seed // 1000 % 1000
    print(f"seed {args.seed}: chapters from {seed} on {', '.join(ports)}", flush=True)
    _, found = prove(seed, args.events, args.seconds, ports, args.sabotage)
    if found:
        show(found)
        raise SystemExit(1)
    print("no violation")


if __name__ == "__main__":
    main()
