"""make image: the whole file system of a board as one file for esptool, firmware and config in it.

    python -m host.image [--config FILE] [--offset 0x200000] [--size 0x200000] [FIELD=VALUE ...]

For the first unit of many, or a board without a serial console. The code is in slot /a.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from littlefs import LittleFS

from host.build import PLAIN, ROOT, BuildError, build
from host.unit_config import ConfigError, changed, check

OUT = ROOT / "build" / "pilotwire.img"
BLOCK = 4096
# As the ESP32 port makes its own (micropython.md 1.3).
GEOMETRY = {"read_size": 32, "prog_size": 32, "cache_size": 128, "lookahead_size": 32}
DISK_VERSION = 0x00020000


def make_image(size, config=None):
    """-> the bytes of a file system of `size` bytes with the build and, if given, config.json."""
    tree = build()
    fs = LittleFS(
        block_size=BLOCK, block_count=size // BLOCK, disk_version=DISK_VERSION, **GEOMETRY
    )
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        name = name if name in PLAIN else "a/" + name
        if path.is_file():
            fs.makedirs(os.path.dirname(name), exist_ok=True)
            put(fs, name, path.read_bytes())
    put(fs, "slot", b"a")
    if config:
        put(fs, "config.json", json.dumps(config, indent=1).encode())
    return bytes(fs.context.buffer)


def put(fs, name, data):
    with fs.open(name, "wb") as f:
        f.write(data)


def main():
    parser = argparse.ArgumentParser(prog="image", description=__doc__.splitlines()[0])
    parser.add_argument("--config", metavar="FILE", help="config.json of the unit")
    parser.add_argument("--offset", type=lambda text: int(text, 0), default=0x200000)
    parser.add_argument("--size", type=lambda text: int(text, 0), default=0x200000)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("words", nargs="*", metavar="FIELD=VALUE")
    args = parser.parse_args()
    if args.size % BLOCK or args.offset % BLOCK or args.size < 64 * BLOCK:
        sys.exit("image: SIZE and OFFSET are whole blocks of 4096 bytes, SIZE at least 64")
    try:
        config = json.loads(Path(args.config).read_text()) if args.config else {}
        config = changed(config, args.words)
        if config:
            check(config)
        data = make_image(args.size, config)
    except (BuildError, ConfigError, OSError, ValueError) as e:
        sys.exit(f"image: {e}")
    args.out.parent.mkdir(exist_ok=True)
    args.out.touch(mode=0o600)  # (config.json has passwords)
    args.out.write_bytes(data)
    out = os.path.relpath(args.out)
    print(f"{out}: {len(data)} B, {'with' if config else 'without'} config.json")
    print(f"esptool --port PORT write-flash {args.offset:#x} {out}")


if __name__ == "__main__":
    main()
