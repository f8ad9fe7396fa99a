"""romfile.py, and pick.py with it: modules are imported from the one file of a slot, and one that
is damaged is not chosen, whatever is wrong with it."""

import micropython
import os
import sys
import vfs
from binascii import crc32

import images
from mp_boot import HARD, board, boot, install, made, read, record, two_slots
from rig import raises, seeded

from romfile import RomFile

HEAP = "1600K"
BOTH = True
SWEEPS = ("test_every_flipped_byte_is_noticed", "test_every_length_but_its_own_is_noticed")
MODULES = {
    "firmware": {
        "x.mpy": images.mpy("NAME = __name__"),
        "sub": {
            "__init__.mpy": images.mpy("NAME = __name__ + '!'"),
            "y.mpy": images.mpy("from firmware import x\nOF = x.NAME\nraise SystemExit(OF)"),
        },
    },
    "lib": {"z.mpy": images.mpy("NAME = __name__")},
}


def put(name, data):
    with open("/%s.rom" % name, "wb") as f:
        f.write(data)


def mounted(data, places=32):
    """A RomFile of these bytes, at /m and on the path."""
    board()
    put("m", data)
    rom = RomFile("/m.rom")
    vfs.mount(rom, "/m")
    sys.path[:] = ["/m", "/m/lib/"]
    for name in [name for name in sys.modules if name.startswith("firmware")]:
        del sys.modules[name]
    return rom


def unmounted():
    vfs.umount("/m")


def test_modules_packages_and_what_is_not_there():
    for places in (9, 32, 500):  # (crowded, and with much room)
        mounted(images.image(MODULES, places))
        from firmware import sub, x

        assert (x.NAME, sub.NAME) == ("firmware.x", "firmware.sub!")
        assert x.__file__ == "/m/firmware/x.mpy"
        assert raises(SystemExit, __import__, "firmware.sub.y").args == ("firmware.x",)
        import z

        assert z.NAME == "z" and z.__file__ == "/m/lib//z.mpy"
        del sys.modules["z"]
        for name in ("firmware.no", "firmware.x.no", "no", "firmware.sub.x"):
            raises(ImportError, __import__, name)
        unmounted()


def test_what_a_path_is():
    rom = mounted(images.image(MODULES))
    for path in ("/m", "/m/", "/m/firmware/sub"):
        assert os.stat(path)[0] == 0x4000
    what = MODULES["firmware"]["x.mpy"]
    assert os.stat("/m//firmware/x.mpy") == (0x8000, 0, 0, 0, 0, 0, len(what), 0, 0, 0)
    with open("/m/firmware/x.mpy", "rb") as f:
        assert f.read(len(what)) == what
    for path in ("/m/firmware/x", "/m/firmware/x.py", "/m/x.mpy", "/m/firmware/"):
        assert raises(OSError, os.stat, path).errno == 2
        assert raises(OSError, open, path).errno == 2
    assert os.statvfs("/m")[2] == rom.table and os.listdir("/m") == []
    unmounted()


def given_up(data, why):
    """Slot b with these bytes is left for a at once."""
    put("b", data)
    record("b a 3")
    assert boot(HARD) == 1
    assert read("/slot") == "a"
    text = "slot b was given up, it is a again: " + why
    assert read("/crash").startswith(text), read("/crash")
    os.remove("/crash")


def small(version=2):
    return made(version, m1="VERSION = %d" % version)


def test_every_flipped_byte_is_noticed():
    two_slots()
    good = small()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        given_up(bad, "OSError: /b.rom is damaged")
    put("b", good)
    record("b a")
    assert boot(HARD) == 2


def test_every_length_but_its_own_is_noticed():
    """Cut short, with what flash has where nothing was written, with something behind it."""
    two_slots()
    good = small()
    for size in range(len(good)):
        given_up(good[:size], "OSError: /b.rom is damaged")
    for more in (b"\0", b"\xff", good):
        given_up(good + more, "OSError: /b.rom is damaged")
        given_up(more * (len(good) // len(more)) + b"\xff", "OSError: /b.rom is damaged")


def with_table(change):
    """An image whose table was changed, and its CRC-32 made right again: it was made wrong."""
    data = bytearray(small()[:-4])
    table = len(data) - 2 - (32 + images.NEAR - 1) * images.ENTRY
    change(data, table)
    return images.with_crc(data)


def test_a_table_that_is_garbage_is_an_import_error():
    two_slots()
    random = seeded("mp_romfile")

    def empty(data, at):
        data[at:-2] = bytes(len(data) - 2 - at)

    def places(number):
        def change(data, at):
            data[-2:] = number.to_bytes(2, "little")

        return change

    def noise(data, at):
        data[at:-2] = bytes([random.randrange(256) for _ in range(len(data) - 2 - at)])

    for change in (empty, places(0), places(1), places(31), places(65535), noise, noise, noise):
        given_up(with_table(change), "ImportError: no module named 'firmware")


def test_a_place_that_is_garbage_is_no_module():
    """It is behind the end, in the middle of another, or said to be a folder."""
    two_slots()
    size = len(small())

    def start_at(place, mode=0x80):
        def change(data, at):
            entry = data.index(crc32("/firmware/start.mpy").to_bytes(4, "little"), at)
            data[entry + 4] = mode
            data[entry + 5 : entry + 8] = place.to_bytes(3, "little")

        return change

    for place in (size, size + 4096, 0xFFFFFF, 0, 40):
        given_up(with_table(start_at(place)), "ValueError: incompatible .mpy file")
    put("b", with_table(start_at(40, 0x40)))
    record("b a 3")
    assert boot(HARD) in (1, None)


def test_ctrl_c_does_not_come_while_a_module_is_looked_for():
    """MicroPython raises it where code branches, and runs there what was scheduled; whatever
    stat() raises is "a module that is not there" to it, by which a slot would be given up."""
    rom, ran = mounted(images.image(MODULES)), []

    class File:
        def __init__(self, file):
            self.seek, self.read, self.close = file.seek, file.readinto, file.close

        def readinto(self, buf):
            self.read(buf)
            micropython.schedule(ran.append, 1)

    rom.file = File(rom.file)
    rom.stat("/firmware/x.mpy")
    within = ran[:]
    for _ in range(2):
        pass
    assert (within, ran) == ([], [1])
    unmounted()


def test_a_folder_of_an_earlier_build_still_runs():
    """Until a file is there; what was its slot is emptied when it is the other one's turn."""
    from mp_boot import install_files

    board()
    os.mkdir("/a")
    install_files("/a", 5)
    record("a")
    assert boot(HARD) == 5
    install("b", 6)
    record("b a 3")
    assert boot(HARD) == 6
    from firmware import slots

    assert slots.stage() == "a" and "a" not in os.listdir("/")
    install("a", 7)
    record("a b 3")
    assert boot(HARD) == 7
