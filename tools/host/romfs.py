"""The ROMFS image of the compiled tree: what an ESP32 runs in place from its flash, and what lies
in a code slot that is a file.

    python -m host.romfs

writes build/firmware.romfs. Its last record is one that MicroPython passes over: the table by
which romfile.py finds a path at once. Behind the file system stands the CRC-32 of all before it,
four bytes, little-endian: by them pick.py knows that it is whole. MicroPython itself believes the
length in the header.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import zlib

from host.build import PLAIN, BuildError, build, build_simulator, varint

_MAGIC = b"\xd2\xcd\x31"
_PADDING, _DATA, _FOLDER, _FILE = 1, 2, 4, 5  # kinds of records
_ENTRY, _NEAR = 11, 8  # as in romfile.py


def build_image(out=None):
    """Brings build/firmware and its image up to date; -> path of the image. Raises BuildError."""
    # MicroPython looks for boot.py (and that for pick.py) and main.py in the writable file system.
    return pack(build(out))


def build_simulator_image():
    """The same for what stands in for the chip."""
    return pack(build_simulator(), ())


def in_place(interpreter):
    """True if this MicroPython runs images in memory that is not heap (tools/sim/rom.py)."""
    done = subprocess.run([interpreter, "-c", "import ffi"], capture_output=True)
    return done.returncode == 0


def pack(tree, left_out=PLAIN):
    """Brings the image of a tree up to date with it, by the record that build() leaves; without
    one it is made anew. -> path of the image"""
    image = tree.with_name(tree.name + ".romfs")
    record = tree.with_name(tree.name + ".json")  # of the build: written last
    with open(tree.with_name(tree.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = image.exists() and record.exists()
        if not current or image.stat().st_mtime_ns < record.stat().st_mtime_ns:
            made = image.with_name(f".{image.name}.tmp")
            import tempfile  # (2 ms, which tools/station need not wait for)

            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(tree, f"{folder}/rom", ignore=shutil.ignore_patterns(*left_out))
                _mpremote(f"{folder}/rom", made)
            data = indexed(made.read_bytes())
            made.write_bytes(data + zlib.crc32(data).to_bytes(4, "little"))
            os.replace(made, image)
    return image


def parts(image):
    """What is in an image: {"/path": [where its data begins, its size]}, [0, 0] for a folder."""
    size, at = varint(image, len(_MAGIC))
    found = {"/": [0, 0]}
    found.update((path, where) for path, *where in _walk(image, at, at + size, ""))
    return found


def _walk(image, at, end, folder):
    while at < end:
        kind, at = varint(image, at)
        size, at = varint(image, at)
        begin, at = at, at + size
        if kind not in (_FOLDER, _FILE):
            continue
        size, begin = varint(image, begin)
        path = f"{folder}/{image[begin : begin + size].decode()}"
        begin += size
        if kind == _FOLDER:
            yield path, 0, 0
            yield from _walk(image, begin, at, path)
        else:
            kind, begin = varint(image, begin)
            size, begin = varint(image, begin)
            assert kind == _DATA and begin + size == at, path
            yield path, begin, size


def indexed(image):
    """The image with the table of romfile.py as its last record: of each path its CRC-32, 0x40 (a
    folder) or 0x80 (a file), where it begins (3 bytes) and its size (3), in one of the _NEAR
    places from CRC-32 modulo `places` on; then `places` (2)."""
    paths = parts(image)
    places = len(paths) * 4 // 3
    while True:
        table = _table(paths, places)
        if table:
            break
        places += 1
    _, begin = varint(image, len(_MAGIC))
    size = len(table) + 2
    record = _encoded(_PADDING) + _encoded(size)
    payload = len(image) - begin + len(record) + size
    length = _encoded(payload)
    if (len(_MAGIC) + len(length) + payload) % 2:  # (no record of its own is so short)
        record = record[:1] + b"\x80" + record[1:]
        length = _encoded(payload + 1)
    image = _MAGIC + length + image[begin:] + record
    table = _table(parts(image), places)
    return image + table + places.to_bytes(2, "little")


def _table(paths, places):
    table = bytearray((places + _NEAR - 1) * _ENTRY)
    for path, (at, size) in paths.items():
        crc = zlib.crc32(path.encode())
        home = crc % places * _ENTRY
        free = [i for i in range(home, home + _NEAR * _ENTRY, _ENTRY) if not table[i + 4]]
        if not free:
            return None
        entry = crc.to_bytes(4, "little") + (b"\x80" if at else b"\x40")
        entry += at.to_bytes(3, "little") + size.to_bytes(3, "little")
        table[free[0] : free[0] + _ENTRY] = entry
    # What import asks for, and gets: of a module the folder, the source, and then this.
    for path in paths:
        stem = path.removesuffix(".mpy")
        for asked in {path, stem, stem + ".py"}:
            crc = zlib.crc32(asked.encode())
            home = crc % places * _ENTRY
            there = table[home : home + _NEAR * _ENTRY].find(crc.to_bytes(4, "little"))
            if asked in paths and there % _ENTRY or asked not in paths and there >= 0:
                return None
    return bytes(table)


def _encoded(number):
    data = bytes([number & 127])
    while number := number >> 7:
        data = bytes([128 | number & 127]) + data
    return data


def _mpremote(folder, image):
    # (it needs no board for this; boot.py, pick.py and main.py stay as they are)
    command = ["-m", "mpremote", "romfs", "--no-mpy", "--output", str(image), "build", folder]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    if done.returncode:
        raise BuildError((done.stderr or done.stdout).strip())


def main():
    try:
        image = build_image()
    except BuildError as error:
        sys.exit(str(error))
    print(f"{os.path.relpath(image)}: {image.stat().st_size} B")


if __name__ == "__main__":
    main()
