"""python -m bench [--quick] [--only NAME ...]"""

import argparse
import importlib
import json
import pkgutil
import sys

import bench


def load():
    """Fill bench.MEASUREMENTS."""
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name != "__main__":
            importlib.import_module(f"bench.{module.name}")


def main():
    load()
    parser = argparse.ArgumentParser(prog="bench", description=bench.__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        action="append",
        choices=sorted(bench.MEASUREMENTS),
        metavar="NAME",
        help="again for more",
    )
    parser.add_argument(
        "--quick", action="store_true", help="do each thing once, to see that all of it runs"
    )
    args = parser.parse_args()
    bench.quick = args.quick
    results = bench.measure(args.only or bench.MEASUREMENTS)
    print(json.dumps(results, indent=2))
    failed = bench.failed(results)
    if failed:
        sys.exit("failed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
