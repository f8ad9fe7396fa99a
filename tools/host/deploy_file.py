"""The part of deploy.py for boards without a ROMFS partition, where a code slot is a file.

What the file of the slot that runs has already is copied on the board, piece by piece; only the
rest is sent. A piece is a file of the image, or what lies between two of them.
"""

import hashlib
import struct
import sys
import tempfile

from host.port import PortError
from host.romfs import parts

SEND_s = 900
LONG_s = 60  # without a byte: the board reads, writes or removes all of a slot
_PARTS = "/new.parts"
_STEP = struct.Struct("<II")  # so many bytes; where they are in the old file, or
_SENT = 0xFFFFFFFF  # here, behind this
_WORTH = 2 / 3  # of the image: who sends as much can send it whole
_HEAD = 8  # bytes of a SHA-256 that say which piece it is; the whole is compared at the end

# How long a file is, and its CRC-32; of an image it is at the end.
_END = """
def end(path):
    try:
        with open(path, "rb") as f:
            size = f.seek(-4, 2) + 4
            return size, f.read()
    except OSError:
        return 0, b""
print(end(%r))
"""
# (size, beginning of the SHA-256) of each piece, by the table of romfile.py.
_PIECES = """
import binascii, hashlib
def sha(f, left):
    h = hashlib.sha256()
    while left:
        data = f.read(min(left, 1024))
        if not data:
            break
        h.update(data)
        left -= len(data)
    return binascii.hexlify(h.digest()[:%d]).decode()
def look(path):
    with open(path, "rb") as f:
        end = f.seek(-6, 2)
        n = int.from_bytes(f.read(2), "little") + 7
        f.seek(end - n * 11)
        cuts = {0, end - n * 11}
        for _ in range(n):
            e = f.read(11)
            at = int.from_bytes(e[5:8], "little")
            if at:
                cuts.add(at)
                cuts.add(at + int.from_bytes(e[8:], "little"))
        cuts = sorted(cuts)
        f.seek(0)
        return [(b - a, sha(f, b - a)) for a, b in zip(cuts, cuts[1:])]
print(look(%r))
"""
# Copies what is to be there, from the old file and from what was sent.
_PUT = """
import os
def put(old, new, parts):
    buf = memoryview(bytearray(1024))
    with open(parts, "rb") as p, open(old, "rb") as o, open(new, "wb") as n:
        while True:
            head = p.read(8)
            if not head:
                break
            left, at = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:], "little")
            f = p
            if at != 0xffffffff:
                f = o
                f.seek(at)
            while left:
                k = f.readinto(buf, min(left, 1024))
                if not k:
                    raise OSError(5)
                n.write(buf[:k])
                left -= k
try:
    put(%r, %r, %r)
finally:
    os.remove(%r)
"""
SUM = """
import binascii, hashlib
h = hashlib.sha256()
with open(%r, "rb") as f:
    while True:
        data = f.read(1024)
        if not data:
            break
        h.update(data)
print(repr(binascii.hexlify(h.digest()).decode()))
"""
# (An earlier build leaves an empty folder.)
_STAGE = """
import os
from firmware import slots
name = slots.stage()
try:
    os.rmdir("/" + name)
except OSError:
    pass
print(repr(name))
"""
# On a board without code there are no slots yet: a becomes the first.
_FIRST = """
import os
def remove(path):
    try:
        for entry in os.ilistdir(path):
            below = path + "/" + entry[0]
            if entry[1] == 0x4000:
                remove(below)
            else:
                os.remove(below)
        os.rmdir(path)
    except OSError:
        pass
remove("/a")
if "a.rom" in os.listdir("/"):
    os.remove("/a.rom")
"""


def is_there(port, slot, image):
    """True if that slot holds this image."""
    data = image.read_bytes()
    return port.ask(_END % f"/{slot}.rom") == (len(data), data[-4:])


def send(port, image, running, ours, say):
    """Put the image into a slot that does not run; -> its name. running: the slot that does."""
    data, there = image.read_bytes(), []
    if running in ("a", "b") and port.ask(_END % f"/{running}.rom")[0]:
        there = port.ask(_PIECES % (_HEAD, f"/{running}.rom"), LONG_s)
    if ours:
        slot = port.ask(_STAGE, LONG_s)
    else:
        port.run(_FIRST, LONG_s)
        slot = "a"
    new, steps = f"/{slot}.rom", plan(data, there)
    more = {"timeout": SEND_s, "quiet": not sys.stdout.isatty()}
    if len(steps) > _WORTH * len(data):
        say(f"slot {slot}: {len(data)} B to send")
        port.call("cp", "-f", str(image), f":{new}", **more)
    else:
        say(f"slot {slot}: {len(steps)} B to send, the other {len(data) - len(steps)} are there")
        with tempfile.NamedTemporaryFile() as f:
            f.write(steps)
            f.flush()
            port.call("cp", "-f", f.name, f":{_PARTS}", **more)
        port.run(_PUT % (f"/{running}.rom", new, _PARTS, _PARTS), LONG_s)
    if port.ask(SUM % new, LONG_s) != hashlib.sha256(data).hexdigest():
        raise PortError("what has arrived is not what was sent; nothing has changed: try again")
    return slot


def plan(image, there):
    """What is to be sent where the pieces `there` are: the steps of _PUT, as it reads them."""
    old, at = {}, 0
    for size, digest in there:
        old.setdefault((size, digest), at)
        at += size
    cuts = {0, len(image)}
    for begin, size in parts(image).values():
        cuts |= {begin, begin + size}
    steps, cuts = [], sorted(cuts)
    for begin, end in zip(cuts, cuts[1:], strict=False):
        piece = image[begin:end]
        at = old.get((len(piece), hashlib.sha256(piece).digest()[:_HEAD].hex()), _SENT)
        size, before, sent = steps.pop() if steps else (0, at, b"")
        goes_on = at == before == _SENT or _SENT not in (at, before) and at == before + size
        if not goes_on:
            steps.append((size, before, sent))
            size, before, sent = 0, at, b""
        steps.append((size + len(piece), before, sent + piece * (at == _SENT)))
    return b"".join(_STEP.pack(size, at) + sent for size, at, sent in steps)
