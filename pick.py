# What boot.py runs next: it finds the code (docs/updates.md), and makes the outputs safe by what
# is found. Compiled on the board: short, and nothing in it may raise.
import machine
import os
import sys

path = "/slot"


def put(path, text):  # in place of the file, in one step
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def read():
    """The words of the record. A slot on trial has one start less from now on, or is given up."""
    words = []
    try:
        with open(path) as f:
            words = f.read().split()
        if words[2:]:
            count(words, machine.RTC().memory(), machine.reset_cause())
    except Exception as e:
        if words:  # (there is a record)
            sys.print_exception(e)
    return words


def count(words, memory, cause):
    """Was this start a try? Not after one that a person or a tool has ended: a soft reset, Ctrl-C,
    maintenance (firmware/crash.py), the reset button, which the ESP32 calls power-on as well, but
    RTC memory outlives it (and a supply that dips)."""
    run = memory[:3] == b"run"
    if memory == b"stop":
        machine.RTC().memory(b"")  # once
    elif (
        cause != machine.SOFT_RESET
        and memory != b"maintain"
        and not (run and cause == machine.PWRON_RESET)
    ):
        size = int(words[2]) - 1
        if size < 0:
            end = "it ended before it ran"
            if run and cause == machine.WDT_RESET:
                end = "the watchdog ended it, the tick did not come"
            elif run:
                end = "it ended without a word"
            elif memory.split()[-1:] == [b"0"]:
                end = "it restarted itself"
            elif memory:
                end = ""  # (the record says it)
            elif cause == machine.PWRON_RESET:
                end = "the power went off"
            back(words, end)
            return
        words[2] = str(size)
        put(path, " ".join(words))
    print("slot %s is on trial, after it %s: %s more starts may fail" % tuple(words[:3]))


def back(words, end):
    """To the slot from before. /crash says why, and the next run tells it."""
    text = ""
    try:
        with open("/crash") as f:
            text = f.read()
    except OSError:
        pass
    end = end or text.split(";")[0] or "it crashed"
    end = "slot %s was given up, it is %s again: %s\n" % (words[0], words[1], end)
    print(end, end="")
    words[:] = words[1:2]
    put(path, words[0])
    machine.RTC().memory(b"back")  # (its crashes were not those of the other)
    try:
        put("/crash", (end + text)[:1000])
    except OSError as e:
        sys.print_exception(e)


def find(name, record):
    """Make the slot importable. OSError if its code is not there, or not whole."""
    import vfs

    path = "/" + name
    if name in ("a", "b") and name + ".rom" in os.listdir("/"):
        whole(path + ".rom")
        from romfile import RomFile

        vfs.mount(RomFile(path + ".rom"), path)
    elif name[:3] != "rom":  # a folder, of an earlier build
        os.stat(path + "/lib")
    else:
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
    # (Only /lib itself may end like it: mip installs into the first that does, and no slot is to
    # change under the code that runs. A ROMFS takes no / at the end, and mip does not look there.)
    lib = "/lib" if name[:3] == "rom" else "/lib/"
    sys.path[:] = [path, path + lib] + [p for p in sys.path if p[:4] != "/rom"]


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


def whole(path):
    """The same for an image that is a file, to its end."""
    import binascii

    crc, buf = 0, bytearray(1024)
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buf)
            if not n:
                break
            crc = binascii.crc32(memoryview(buf)[:n], crc)
    if crc != 0x2144DF1C:  # (what any bytes with their CRC-32 behind them have)
        raise OSError("%s is damaged: deploy it again" % path)


words = read()
try:
    find(words[0] if words else "rom", words)
    from firmware import safe, start  # noqa: F401  (main.py needs start)
except Exception as e:
    sys.print_exception(e)
    sys.path[:] = [".frozen"]  # nothing of it runs
    if words[1:]:
        try:
            back(words, "%s: %s" % (type(e).__name__, e))
            machine.reset()
        except OSError as e:
            sys.print_exception(e)
else:
    try:
        safe.now()
    except Exception as e:
        sys.print_exception(e)
