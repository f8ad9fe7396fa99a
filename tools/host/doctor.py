"""make doctor: looks at a board from outside and says, line by line, what is right and what to do.

    python -m host.doctor PORT

The board restarts in maintenance mode for it (contactors open, nothing charges) and again at the
end. ok: right. note: worth knowing. BAD: has to be mended; then the exit code is 1.
"""

import importlib
import os
import sys
from datetime import datetime, timezone

from host import deploy, deploy_file, unit_config
from host.build import ROOT, BuildError, build
from host.doctor_outside import Outside
from host.port import Port, front
from host.romfs import build_image

FILES_HEAP = 130 << 10  # what the code takes from files (docs/flashing.md)
TLS_HEAP = 45 << 10  # of the ESP-IDF's: buffers of 16 + 4 KB and the handshake
JOURNAL = 256 << 10  # of flash: what the firmware keeps for its journal
CLOCK_s = 120

CHIP = """
import gc, os, sys
gc.collect()
try:
    import esp32
    idf = [r[1:3] for r in esp32.idf_heap_info(esp32.HEAP_DATA)]
except Exception:
    idf = []
try:
    part = [p.info()[2:4] for p in esp32.Partition.find(esp32.Partition.TYPE_DATA, label="vfs")]
except Exception:
    part = []
v = os.statvfs("/")
print((getattr(sys.implementation, "_machine", sys.platform), gc.mem_free(), idf,
    v[0] * v[2], v[0] * v[3], part, len([n for n in os.listdir("/") if n in ("a.rom", "b.rom")])))
"""
# -> the newest line of the record, the newest one about a slot that was given up
CRASH = """
first = back = ""
try:
    with open("/crash") as f:
        for line in f:
            line = line.strip()
            first = first or line
            if line.startswith("slot "):
                back = line
                break
except OSError:
    pass
print((first, back))
"""
CLOCK = "import machine; print(tuple(machine.RTC().datetime()))"
SENSE = """
import machine
adc = machine.ADC(machine.Pin(%d), atten=machine.ADC.ATTN_11DB)
print(max([adc.read_uv() for i in range(1000)]))
"""


class Doctor:
    """`bad` counts what has to be mended."""

    def __init__(self, port, say=print):
        self.port = port
        self.say = say
        self.bad = 0
        self.config = {}

    def ok(self, text):
        self.say("ok    " + text)

    def note(self, text):
        self.say("note  " + text)

    def wrong(self, text):
        self.bad += 1
        self.say("BAD   " + text)

    def run(self):
        """Look at everything; -> how much is bad. PortError if the board does not answer."""
        with self.port.borrowed():
            version, ours, words = self.port.ask(deploy.STATE)[:3]
            if ours:
                deploy.maintain(self.port)
            self.micropython(version)
            self.code(ours, words)
            self.configured()
            if self.config:
                self.board(ours)
                self.clock()
                outside = Outside(self)
                if outside.wifi():
                    outside.central_system()
        return self.bad

    def micropython(self, version):
        machine, free, idf, size, left, vfs, slots = self.port.ask(CHIP)
        self.machine = machine
        text = f"MicroPython {'.'.join(map(str, version))} on {machine}"
        if version < deploy.OLDEST:
            self.wrong(text + ": 1.26.1 or newer is needed: make micropython")
        else:
            self.ok(text)
        where = "".join(f" at {at:#x}, {length} B" for at, length in vfs)
        text = f"flash: {left >> 10} KB of {size >> 10} are free{where}"
        least = JOURNAL + (2 - slots) * build_image().stat().st_size
        if left < least:
            self.wrong(
                f"{text}, {least >> 10} KB are needed: .venv/bin/mpremote rm what is not this "
                "unit's"
            )
        else:
            self.ok(text)
        self.heap = free + sum(region[0] for region in idf)
        self.ok(f"heap: {free >> 10} KB free" + (
            f", and {sum(r[0] for r in idf) >> 10} KB of the ESP-IDF's, at most "
            f"{max(r[1] for r in idf) >> 10} KB in one piece" if idf else ""))  # fmt: skip
        if idf and max(region[1] for region in idf) < TLS_HEAP:
            self.note("wss:// may find too little of the ESP-IDF's heap in one piece")

    def code(self, ours, words):
        if not ours:
            self.wrong("there is no firmware on the board, or it is broken: make deploy")
            return
        slot = words[0] if words else "rom"
        text = f"firmware: slot {slot}"
        if slot in ("a", "b"):
            same = deploy_file.is_there(self.port, slot, build_image())
            same = same and not deploy.plain_differ(self.port, build())
            (self.ok if same else self.note)(
                text + (", this build" if same else ", another build")
            )
            if self.heap < FILES_HEAP + TLS_HEAP:
                self.note("from files the code takes 130 KB of heap: see docs/flashing.md, ROMFS")
        else:
            self.ok(text + " (a ROMFS image)")
        if words[2:]:
            self.note(
                f"slot {slot} is on trial: {words[2]} more starts may fail, then it is slot "
                f"{words[1]} again. A Central System that accepts it ends the trial, or five "
                "minutes of running; what make does with the board counts nothing"
            )
        crash, back = self.port.ask(CRASH)
        if back and back.split()[1] != slot:
            self.note(back)
        if crash and crash != back:
            self.note("the last crash: " + crash)

    def configured(self):
        values = unit_config.read(self.port)
        if not values:
            self.wrong("config.json: there is none: make config")
            return
        try:
            unit_config.check(values)
        except unit_config.ConfigError as e:
            self.wrong(f"{e}: make config")
            return
        self.config = values
        self.ok(f"config.json: {values['id']} on board {self.board_name()}")

    def board_name(self):
        return self.config.get("board", "reference")

    def board(self, ours):
        """Is it the chip of the board's map, and does the pilot show what it should?"""
        if str(ROOT) not in sys.path:
            sys.path.append(str(ROOT))
        board = importlib.import_module("firmware.boards." + self.board_name())
        if "ESP32" in self.machine:
            chip = self.machine.rpartition("with ")[2].replace("-", "")
            if chip != board.CHIP:
                self.wrong(f"board {self.board_name()} has an {board.CHIP}, this is an {chip}")
        else:
            self.note("no ESP32: a virtual board")
        if not ours:
            return  # nobody has set the outputs
        if not hasattr(board, "SENSE_PER_V_uV"):
            self.note("pilot: this board's sense cannot be read from here")
            return
        for number, pins in enumerate(board.CONNECTORS[: self.config.get("connectors", 1)], 1):
            uv = self.port.ask(SENSE % pins["sense"])
            mV = (uv - board.SENSE_ZERO_uV) * 1000 // board.SENSE_PER_V_uV
            text = f"pilot of connector {number}: {mV / 1000:.1f} V"
            if 11000 <= mV <= 13000:
                self.ok(text + ": no car, as it should be at +12 V")
            elif 8000 <= mV < 11000 or 5000 <= mV < 7000:
                self.note(text + ": a car is plugged in")
            else:
                self.wrong(text + ": 12 V are expected: wiring, supply or calibration of the "
                    "driver (docs/hardware.md)")  # fmt: skip

    def clock(self):
        y, mo, d, _, h, mi, s, _ = self.port.ask(CLOCK)
        try:
            there = datetime(y, mo, d, h, mi, s, tzinfo=timezone.utc)
            wrong_s = abs((there - datetime.now(timezone.utc)).total_seconds())
        except ValueError:
            wrong_s = CLOCK_s + 1
        text = f"clock: {y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02} UTC"
        if wrong_s <= CLOCK_s:
            self.ok(text)
        else:
            self.note(text + ": not set; the Central System sets it")


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", "")
    bad = Doctor(Port(name)).run()
    print(f"{bad} to mend; the board restarts" if bad else "nothing is wrong; the board restarts")
    return bool(bad)


if __name__ == "__main__":
    front("doctor", main, BuildError)
