"""The ROMFS image of the compiled tree: what an ESP32 runs in place from its flash.

    python -m host.romfs

writes build/firmware.romfs for `mpremote romfs deploy`. Behind the file system stands the CRC-32
of all before it, four bytes, little-endian: by them pick.py knows that the upload was not cut
short. MicroPython itself believes the length in the header.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import zlib

from host.build import PLAIN, BuildError, build, build_simulator


def build_image(out=None):
    """Brings build/firmware and its image up to date; -> path of the image. Raises BuildError."""
    # MicroPython looks for boot.py (and that for pick.py) and main.py in the writable file system.
    return _pack(build(out), PLAIN)


def build_simulator_image():
    """The same for what stands in for the chip."""
    return _pack(build_simulator())


def in_place(interpreter):
    """True if this MicroPython runs images in memory that is not heap (tools/sim/rom.py)."""
    done = subprocess.run([interpreter, "-c", "import ffi"], capture_output=True)
    return done.returncode == 0


def _pack(tree, left_out=()):
    image = tree.with_name(tree.name + ".romfs")
    record = tree.with_name(tree.name + ".json")  # of the build: written last
    with open(tree.with_name(tree.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists() or image.stat().st_mtime_ns < record.stat().st_mtime_ns:
            made = image.with_name(f".{image.name}.tmp")
            import tempfile  # (2 ms, which tools/station need not wait for)

            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(tree, f"{folder}/rom", ignore=shutil.ignore_patterns(*left_out))
                _mpremote(f"{folder}/rom", made)
            data = made.read_bytes()
            made.write_bytes(data + zlib.crc32(data).to_bytes(4, "little"))
            os.replace(made, image)
    return image


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
