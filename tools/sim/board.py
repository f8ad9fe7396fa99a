# Turns the MicroPython unix port into a board: LittleFS over a NOR-like image at /, the compiled
# firmware at /rom, the simulated ESP32 modules in front; then boot.py and main.py, as a board.
#
# usage: MICROPYPATH=build/simulator/tools/sim:.frozen micropython -X heapsize=128K
#     -c "import rom, sys; rom.simulator(sys.argv.pop(1)); import board; board.start()"
#     SIMULATOR FIRMWARE FD FLASH SPEED MHZ WORLD_MS HOST_US RTC_MS CAUSE KNOWN COMMANDS
# started by tools/host/station. SIMULATOR is a ROMFS image, FIRMWARE one or a folder of .mpy
# files. MHZ: as slow as a chip that has so many at most (idle.py), or 0. WORLD_MS is the world
# time when the host's clock was at HOST_US (0: when the board is up), RTC_MS what the RTC shows at
# world time 0. KNOWN: 1 if the board is calibrated to its ADC. COMMANDS is a file descriptor: its
# first line has files to put on the flash, as a JSON object; then it takes one JSON command a
# line. stdin is the serial line.

import asyncio
import gc
import json
import os
import sys
import utime
import vfs
from binascii import crc32, unhexlify
from micropython import const

import rom

code, fd, flash_path, speed, freq, world_ms, host_us, rtc_ms, cause, known, words = sys.argv[1:]
CHIP = "/sim/tools/sim/esp32"
sys.path[:] = [CHIP, ".frozen"]  # not before: asyncio keeps the real time
import bus  # noqa: E402

bus.speed = int(speed)
bus.boot_ms = bus.base_ms = int(world_ms)
bus.last_us = int(host_us) % (utime.ticks_add(0, -1) + 1) or utime.ticks_us()
bus.rtc_s, bus.rtc_ms = divmod(int(rtc_ms), 1000)
bus.open_fd(int(fd))

import esp32  # noqa: E402, F401
import machine  # noqa: E402
import network  # noqa: E402, F401
import time  # noqa: E402, F401

machine._cause = int(cause)
seed = crc32(flash_path.encode()).to_bytes(4, "big")  # of the chip that has this flash
machine.unique_id = lambda: b"\x24\x0a" + seed
machine.ADC.unit(b"\x80\x80\x80\x80" if int(known) else seed)

real_sleep_ms = asyncio.sleep_ms
_LONG_ms = 5  # of real time; a shorter sleep is one that the tick makes, and may end early


def _sleep_ms(ms):
    if bus.speed == 1 or ms <= 0:
        return real_sleep_ms(ms)
    if ms > _LONG_ms * bus.speed:
        return _sleep_long(bus.now_ms() + ms)
    return real_sleep_ms(max(1, ms // bus.speed))


async def _sleep_long(until_ms):
    # (simulated time is slower where the host is too busy for it; a back-off sleeps by that)
    while True:
        left_ms = until_ms - bus.now_ms()
        if left_ms <= 0:
            return
        await real_sleep_ms(max(1, left_ms // bus.speed))


_wait = asyncio.core._io_queue.wait_io_event
_TURN_us = const(3000000)


def _wait_io_event(dt):
    if dt:  # (0: a task is ready) what time.py may let pass until the next wait
        bus.turn_us = _TURN_us
    left_ms = bus.wait()  # (a program that computes keeps it waiting here; not a chip: cpu.py)
    if left_ms >= 0 and dt:
        left_ms = max(1, left_ms // bus.speed)
        dt = left_ms if dt < 0 else min(dt, left_ms)
    _wait(dt)


if int(freq):
    import idle

    idle.start(int(freq))
else:
    asyncio.core._io_queue.wait_io_event = _wait_io_event
    asyncio.sleep_ms = _sleep_ms
    asyncio.sleep = lambda s: _sleep_ms(int(s * 1000))


class Flash:
    """NOR flash in a host file: 4 KB blocks, erased to ones, programmed by clearing bits. A chip
    waits for it: 1 ms for a page of 256 bytes, 45 ms for an erase, 400 for one in 64 of them."""

    def __init__(self, path):
        self._file = open(path, "r+b")
        self._blocks = self._file.seek(0, 2) // 4096
        self._erased = b"\xff" * 256
        self._erases = 0

    def readblocks(self, block, buf, offset=0):
        if bus.chip:
            bus.chip.lock()
        self._file.seek(block * 4096 + offset)
        self._file.readinto(buf)
        self._takes(60 + len(buf) // 8)

    def writeblocks(self, block, buf, offset=0):
        if bus.chip:
            bus.chip.lock()
        self._file.seek(block * 4096 + offset)
        self._file.write(buf)
        self._takes(60 + 4 * len(buf))

    def _takes(self, us):
        if bus.chip:
            bus.world_us += us
            bus.chip.free()

    def ioctl(self, op, arg):
        if op == 4:
            return self._blocks
        if op == 5:
            return 4096
        if op == 6:
            if bus.chip:
                bus.chip.lock()
            self._file.seek(arg * 4096)
            for _ in range(16):  # (4 KB at once would be 4 KB of the firmware's heap)
                self._file.write(self._erased)
            self._erases += 1
            self._takes(400000 if self._erases % 64 == 0 else 45000)
        return 0


def running():
    """The unit that runs, or None."""
    start = sys.modules.get("firmware.start")
    return start.unit if start else None


async def commands():
    """One JSON command a line; answers go over the bus."""
    reader = asyncio.StreamReader(words)
    while True:
        line = await reader.readline()
        if not line:
            raise SystemExit
        command = json.loads(line)
        unit = running()
        answer = {"error": "the station is starting"}
        if unit and command["do"] == "state":
            answer = unit.status()
            answer["heap"]["simulator"] = bus.heap  # of "alloc": what is not the firmware's
        elif command["do"] == "speed":
            bus.now_ms()  # the old speed counts until now
            bus.speed = command["speed"]
            answer = {"ok": True}
        elif command["do"] == "interrupt":
            raise KeyboardInterrupt(True)  # (of start.py: it is switched off)
        elif unit and command["do"] == "gauge":
            answer = __import__("gauge").read()
        elif unit and command["do"] == "tag":
            answer = {"ok": True}
            if not present(unit.station, command["tag"], command["connector"]):
                answer = {"error": "the tag was there a moment ago: it counts once"}
        elif unit and command["do"] in ("needs", "outside"):
            answer = told(unit.station, command["do"], command["words"], command["connector"])
        say({"answer": answer})


def present(station, tag, number):
    """A tag at connector `number`; None: at the station."""
    if number is None and len(station.connectors) > 1:
        return station.access().card(tag)
    return station.access().tag(tag, number or 1)


def told(station, what, words, number):
    """What the car at connector `number` needs; or a limit from outside."""
    from firmware import lazy

    try:
        if what == "outside":
            return {"ok": True, "note": station.impose(words)}
        domain = lazy.load("station.needs")
        why = domain.put(station, number, *domain.read(station, words))
        if not why:
            return {"ok": True, "note": domain.text(station.connectors[number - 1])}
    except ValueError as e:
        why = str(e)
    return {"error": why}


def say(what):
    bus.ask(bus.SAY, 0, 0, json.dumps(what).encode())


def watch_limits(unit):
    """Tell the wall of every change of a limit, for the trace."""
    from firmware import lazy

    seen = [None] * len(unit.station.connectors)  # (checksums: what lasts is in the chip's heap)

    def look():
        reason = lazy.load("ocpp.reason").reason  # (not kept: it is not the chip's)
        purposes = unit.outbox.module("words").PURPOSES
        for i, c in enumerate(unit.station.connectors):
            limit = reason(unit.station, c, purposes)
            del limit["limit_next"]
            limit["connector"] = c.number
            check = crc32(json.dumps(limit).encode()) & 0x3FFFFFFF
            if seen[i] != check:
                seen[i] = check
                say(limit)

    unit.station.sharing.on_limit = look


async def hook():
    """Wait until the firmware is up, then watch it."""
    while not running():
        await real_sleep_ms(1)
    watch_limits(running())


def put(path, data):
    """A file of the unit, text or [hexadecimal digits]; written only when it has changed, as each
    write wears the flash."""
    data = unhexlify(data[0]) if isinstance(data, list) else data.encode()
    try:
        with open(path, "rb") as f:
            old = f.read()
    except OSError:
        old = b""
        folder = path[: path.rfind("/")]
        if folder and folder[1:] not in os.listdir("/"):
            os.mkdir(folder)
    if old != data:
        with open(path, "wb") as f:
            f.write(data)


def put_files():
    for path, data in json.loads(words.readline()).items():  # ("?": unless it is there)
        if data is not None and not (path[0] == "?" and path[2:] in os.listdir("/")):
            put(path.lstrip("?"), data)


class Vfs:
    """The chip's module vfs: with a partition for ROMFS, which MicroPython mounts by itself."""

    def __init__(self, image):
        self._image = image
        self.mount = vfs.mount
        self.VfsRom = vfs.VfsRom
        try:
            vfs.mount(vfs.VfsRom(image), "/rom")
        except OSError:  # no image, or not all of it: it says nothing
            pass

    def rom_ioctl(self, op, number=0):
        return self._image if op == 2 else 1


def start():
    global words
    words = open(int(words), "rb")
    flash = Flash(flash_path)
    if code.endswith(".romfs"):
        sys.modules["vfs"] = Vfs(rom.partition(code))
    else:
        vfs.mount(vfs.VfsPosix(code), "/rom")
    asyncio.create_task(commands())
    asyncio.create_task(hook())
    os.chdir("/")
    vfs.umount("/")
    gc.collect()
    bus.heap = gc.mem_alloc() - rom.before
    del sys.modules["rom"]
    try:
        vfs.mount(flash, "/")
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(flash, "/")
    # As the ESP32 port has it; then what few boards need of the chip is loaded when they do.
    sys.path[:] = ["", ".frozen", "/rom", "/rom/lib", "/lib", CHIP, "/sim"]
    put_files()
    gc.collect()
    try:
        for name in ("boot.py", "main.py"):
            with open("/sim/" + name) as f:
                exec(compile(f.read(), name, "exec"), {"__name__": "__main__"})
    except KeyboardInterrupt:  # the REPL appears; main.py has left the outputs safe
        sys.exit(130)
    except Exception as e:  # it appears also here: nothing runs until a person comes
        sys.print_exception(e)
        sys.exit(0)
