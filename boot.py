# Runs first on every boot. It finds the code (docs/updates.md) and makes the outputs safe before
# anything else can fail. Compiled on the board: short, and nothing in it may raise.
# ruff: noqa: F821  (what it deletes at the end)
import gc
import machine
import os
import sys

gc.threshold(8192)  # a low peak keeps the heap in one piece and leaves the rest to TLS
path = "/slot"


def put(kept):  # in place of the record, in one step
    with open(path + ".new", "w") as f:
        f.write(" ".join(kept))
    os.rename(path + ".new", path)


def read():
    """The words of the record. A slot on trial has one boot less from now on, or is given up."""
    kept = []
    try:
        with open(path) as f:
            kept = f.read().split()
        # (mpremote makes soft resets: they are no tries)
        if kept[2:] and machine.reset_cause() != machine.SOFT_RESET:
            size = int(kept[2])
            kept[2] = str(size - 1)
            if size <= 0:
                print("slot %s has failed again and again: back to %s" % tuple(kept[:2]))
                kept = kept[1:2]
                machine.RTC().memory(b"")  # its crashes were not those of the other
            put(kept)
    except Exception as e:
        if kept:  # (there is a record)
            sys.print_exception(e)
    return kept


def find(name, record):
    """Make the slot importable. OSError if its code is not there, or not whole."""
    path = "/" + name
    if name[:3] != "rom":
        os.stat(path + "/lib")
    else:
        import vfs

        rom = vfs.rom_ioctl(2, 0) if hasattr(vfs, "rom_ioctl") else 0
        rom = memoryview(b"" if isinstance(rom, int) else rom)
        if name != "rom":
            rom = rom[len(rom) // 8192 * 4096 :]
        if bytes(rom[:2]) == b"\xd2\xcd":
            check(rom)
            if name != "rom":
                vfs.mount(vfs.VfsRom(rom), path)
        elif record[1:]:  # (otherwise files at / may be meant)
            raise OSError("no image in " + name)
    # In front: files of the same name were left on the flash. And nothing of another slot.
    sys.path[:] = [path, path + "/lib"] + [p for p in sys.path if p[:4] != "/rom"]


def check(rom):
    """OSError unless the CRC behind the image is right: it is not after a broken upload."""
    import binascii

    size = 0
    for at in range(3, 7):  # behind the header stands the length, 7 bits a byte
        size = size << 7 | rom[at] & 127
        if rom[at] < 128:
            break
    end = at + 1 + size
    if binascii.crc32(rom[:end]) != int.from_bytes(rom[end : end + 4], "little"):
        raise OSError("the ROMFS image is damaged: deploy it again")


kept = read()
try:
    find(kept[0] if kept else "rom", kept)
    from firmware import safe, start  # noqa: F401  (main.py needs start)
except Exception as e:
    sys.print_exception(e)
    sys.path[:] = [".frozen"]  # nothing of it runs
    if kept[1:]:
        try:
            put(kept[1:2])
            machine.reset()
        except OSError as e:
            sys.print_exception(e)
else:
    try:
        safe.now()
    except Exception as e:
        sys.print_exception(e)
del kept, read, find, check, put, path
