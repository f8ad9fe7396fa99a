"""Writes package.json, by which mip installs the firmware's sources; make format does it.

Each library in lib/ has a package.json of its own; the firmware's brings them along.
With --check nothing is written: exit code 1 if it is not true to the sources.
"""

import json
import sys

from host.build import OUT, PLAIN, ROOT, sources, version

PATH = ROOT / "package.json"


def package():
    """What package.json has to say: [path below /lib on the board, path in the repository]."""
    paths = sorted(source.relative_to(ROOT).as_posix() for source in sources(ROOT, OUT).values())
    urls = [[path.removeprefix("lib/"), path] for path in paths if path not in PLAIN]
    return {"urls": urls, "version": version()}


def main():
    if "--check" in sys.argv:
        if json.loads(PATH.read_text()) != package():
            sys.exit("package.json is not true to the sources (make format mends it)")
        for name, says in (("manifest.py", 'version="%s"'), ("CHANGELOG.md", "\n## %s")):
            if says % version() not in (ROOT / name).read_text():
                sys.exit(f"{name} does not name version {version()} (firmware/version.py)")
        return
    entries = ",\n".join("    " + json.dumps(entry) for entry in package()["urls"])
    says = json.dumps(version())
    PATH.write_text(f'{{\n  "urls": [\n{entries}\n  ],\n  "version": {says}\n}}\n')


if __name__ == "__main__":
    main()
