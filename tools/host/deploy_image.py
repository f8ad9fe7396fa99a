"""The part of deploy.py for boards with a ROMFS partition, where the code runs in place.

The partition has two halves, slots rom and rom2 (docs/updates.md). The first image of all is
mpremote's work; the later ones come as a file, which the board itself copies into the half that
does not run.
"""

from host.port import PortError

_PATH = "/new.romfs"
_TAKE_s = 60  # without a byte, while the board writes it
# The bytes at the place where an image of this size has its CRC; it is of all before it.
_CRC = """
import vfs
def crc(name, size):
    rom = memoryview(vfs.rom_ioctl(2, 0))
    if name != "rom":
        rom = rom[len(rom) // 8192 * 4096:]
    return bytes(rom[size - 4:size])
print(crc(%r, %d))
"""
_TAKE = """
import os
from firmware import slots
try:
    print(repr(slots.write_rom(%r)))
finally:
    os.remove(%r)
"""


def is_there(port, slot, image):
    """True if that slot holds this image."""
    data = image.read_bytes()
    return port.ask(_CRC % (slot, len(data))) == data[-4:]


def send(port, image, size, ours, say):
    """Put the image into a slot that does not run; -> its name. `size`: of the partition."""
    length = image.stat().st_size
    room = size // 8192 * 4096 if ours else size
    if length > room:
        what = "half of the partition romfs" if ours else "the partition romfs"
        raise PortError(f"the image has {length} B, {what} {room}: docs/flashing.md")
    say(f"sending {image.name} ({length} B)")
    if not ours:
        port.call("romfs", "deploy", str(image))
        return "rom"
    port.call("cp", "-f", str(image), f":{_PATH}")
    return port.ask(_TAKE % (_PATH, _PATH), _TAKE_s)
