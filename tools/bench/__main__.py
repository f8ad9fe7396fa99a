"""python -m bench [--only NAME ...]"""

import argparse
import importlib
import json
import pkgutil
import sys

import bench


def main():
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name != "__main__":
            importlib.import_module(f"bench.{module.name}")
    parser = argparse.ArgumentParser(prog="bench", description=bench.__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        action="append",
        choices=sorted(bench.MEASUREMENTS),
        metavar="NAME",
        help="again for more",
    )
    results = bench.measure(parser.parse_args().only or bench.MEASUREMENTS)
    print(json.dumps(results, indent=2))
    failed = [
        name for name, value in results.items() if isinstance(value, dict) and "error" in value
    ]
    if failed:
        sys.exit("failed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
