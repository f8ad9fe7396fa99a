"""make image: the whole file system of a board as one file for esptool, firmware and config in it.

    [FILE=config.json OFFSET=0x200000 SIZE=0x200000 IMAGE=... URL=... ID=...] python -m host.image

The variables are those of host.unit_config. For the first unit of many, or a board without a
serial console. The code is in slot a. IMAGE is MicroPython's .bin: then the file is all that is
on the unit's flash, with the code in the partition romfs if there is one.
"""

import json
import os
import signal
import sys
from pathlib import Path

from littlefs import LittleFS

from host.binary import Binary, BinaryError
from host.build import PLAIN, ROOT, BuildError, build
from host.port import front
from host.romfs import build_image
from host.unit_config import ConfigError, changed, check, load, said

OUT = ROOT / "build" / "pilotwire.img"
BLOCK = 4096
# As the ESP32 port makes its own.
GEOMETRY = {"read_size": 32, "prog_size": 32, "cache_size": 128, "lookahead_size": 32}
DISK_VERSION = 0x00020000


def make_image(size, config=None, code=True):
    """-> the bytes of a file system of `size` bytes with the build and, if given, config.json.
    Without `code` there is no more of the build than what MicroPython looks for there."""
    tree = build()
    fs = LittleFS(
        block_size=BLOCK, block_count=size // BLOCK, disk_version=DISK_VERSION, **GEOMETRY
    )
    for name in PLAIN:
        put(fs, name, (tree / name).read_bytes())
    if code:
        put(fs, "a.rom", build_image().read_bytes())
        put(fs, "slot", b"a")
    if config:
        put(fs, "config.json", json.dumps(config, indent=1, ensure_ascii=False).encode())
    return bytes(fs.context.buffer)


def put(fs, name, data):
    with fs.open(name, "wb") as f:
        f.write(data)


def place(name):
    """A number of bytes in the environment, as a person says it. Raises ConfigError."""
    text = os.environ.get(name) or "0x200000"
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if value < 0 or value % BLOCK:
        raise ConfigError(f"{name}={text}: whole blocks of 4096 bytes are expected, as 0x200000")
    return value


def make_whole(path, size, config=None):
    """-> (where in the flash it begins, the bytes of it all, with MicroPython's .bin `path`; its
    chip). `size`: of the file system where its table says nothing of it. Raises BinaryError."""
    binary = Binary(path).look()
    if "vfs" not in binary.parts:
        if not size:
            raise BinaryError(
                f"{path} has no partition vfs, MicroPython makes it of the flash behind "
                f"{binary.end:#x}: say how large that is, SIZE={(4 << 20) - binary.end:#x} if "
                "the flash has 4 MB"
            )
        binary.parts["vfs"] = binary.end, size
    rom = "romfs" in binary.parts
    if rom:
        binary.put("romfs", build_image().read_bytes())
    binary.put("vfs", make_image(binary.parts["vfs"][1], config, not rom))
    return binary.base, binary.data, binary.chip


def main():
    offset, size = place("OFFSET"), place("SIZE")
    path, chip = os.environ.get("IMAGE"), ""
    if size < 64 * BLOCK:
        raise ConfigError(f"SIZE={size:#x}: at least {64 * BLOCK:#x} is expected")
    given = os.environ.get("FILE")
    config = changed(load(given) if given else {}, said())
    if config:
        check(config)
    pressed = []  # (littlefs swallows a KeyboardInterrupt, and goes on without what it did)
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        if path:
            offset, data, chip = make_whole(path, size if os.environ.get("SIZE") else 0, config)
        else:
            data = make_image(size, config)
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt("no image was written")
    OUT.parent.mkdir(exist_ok=True)
    OUT.touch(mode=0o600)  # (config.json has passwords)
    OUT.write_bytes(data)
    out = os.path.relpath(OUT)
    print(f"{out}: {len(data)} B, {'with' if config else 'without'} config.json")
    esptool = os.path.relpath(Path(sys.executable).parent / "esptool")
    print(f"{esptool}{chip and ' --chip ' + chip} --port PORT write-flash {offset:#x} {out}")


if __name__ == "__main__":
    front("image", main, BinaryError, BuildError, ConfigError, OSError)
