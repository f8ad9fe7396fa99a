"""A million frames, as a Central System must and must not send them, against an oracle.

    python -m tests.prove_link                       1,000,000 frames
    python -m tests.prove_link --seconds 60          what fits into a minute
    python -m tests.prove_link --ports mp32 --seed 7
    python -m tests.prove_link --only frames --sabotage utf8-passes    must fail
    python -m tests.prove_link --replay FILE         the JSON of a difference

Each module of MODULES proves one layer. It has

    COUNT                   of what it plays without --count
    SABOTAGE                names of flaws that it has to find
    prove(seed, count, seconds, ports, sabotage=None, say=print)
                            -> None, or the first difference, reduced, as a dict for JSON
    replay(found, port, sabotage=None)
                            -> None, or the difference that this one leads to
"""

import argparse
import json
import os
import sys
from pathlib import Path

from tests.prove_link import frames
from tests.prove_link.ports import PORTS

MODULES = {"frames": frames}


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove_link",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--count", type=int, help="for each module; without it what is usual there")
    add("--seconds", type=float, default=1e9, help="for each module")
    add("--seed", type=int, default=int(os.environ.get("PILOTWIRE_SEED") or 1))
    add("--ports", default="mp64,mp32", help="of mp64, mp32, mpesp (default %(default)s)")
    add("--only", choices=sorted(MODULES))
    add("--sabotage", metavar="NAME", help="a flaw of the module")
    add("--replay", metavar="FILE", help="on the first port")
    args = parser.parse_args()
    ports = [p for p in args.ports.split(",") if Path(PORTS[p]).exists()]
    if args.replay:
        found = json.loads(Path(args.replay).read_text())
        found = MODULES[found["module"]].replay(found, ports[0], args.sabotage)
        print(json.dumps(found))
        sys.exit(found is not None)
    print(f"seed {args.seed} on {', '.join(ports)}", flush=True)
    for name in [args.only] if args.only else MODULES:
        module = MODULES[name]
        count = args.count or module.COUNT
        found = module.prove(args.seed, count, args.seconds, ports, args.sabotage)
        if found:
            print(f"\nDIFFERENCE (seed {args.seed})\n" + json.dumps({"module": name, **found}))
            sys.exit(1)
    print("no difference")


if __name__ == "__main__":
    main()
