"""tools/station: the whole firmware as one process on the host, on a simulated wall.

For people who test Central Systems, and for our own tests. The firmware runs unchanged on the
MicroPython unix port (tools/sim/board.py); this process is the wall that it hangs on: mains,
contactors, meters, cars, and the power that fails and comes back.
"""

import argparse
import asyncio
import fcntl
import importlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

from host.build import ROOT, SIMULATOR, BuildError, build, version
from host.romfs import build_image, build_simulator_image, in_place
from sim.car import FAULTS
from sim.devices import Panel
from sim.faults import WALL_FAULTS
from sim.wall import Wall

FLASH_BYTES = 512 * 4096  # the vfs partition of a 4 MB ESP32
FLASH_LEAST = 16 * 4096
# What stands in for the chip shares the firmware's heap: this much of it on the 32-bit port.
SIMULATOR_HEAP = 9 << 10
FAULT_NAMES = (*FAULTS, *WALL_FAULTS)
PWRON_RESET, HARD_RESET, WDT_RESET, SOFT_RESET = 1, 2, 3, 5
# as in sim/esp32/bus.py; the rest: Panel
PWM, WDT, FEED, RTC, RESET, SAY, WIFI, MEMORY = 0, 5, 6, 7, 8, 9, 13, 14
# What a Wi-Fi network is to the chip: reasons why not, 0 and 1 aside (sim/esp32/network.py).
AIR = {"on": 0, "off": 201, "locked": 202, "no-dhcp": 1}
REQUEST = struct.Struct("<BBHiQ")
ENDS = (["ev"], ["station"])  # of a cable
COMMANDS = (
    "power-cut",
    "speed",
    "escort",
    "state",
    "gauge",
    "help",
    "quit",
)  # of the whole station
END_s = 10  # for the firmware to leave its outputs safe at the end
ESCORT_s = 10  # who has said nothing for so long, in real time, is not waited for any more
ANSWER_s = 10  # for the firmware to answer a command
PRESS_ms, PRESS_LONG_ms = 500, 5000  # on the button, simulated
CRASH_s = 1  # between a crash and the next start, so that a crash loop stays readable
RTC_TOLERANCE_ms = 5000
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)  # of the RTC
MS = timedelta(milliseconds=1)

HELP = (
    """commands on the control port, one a line; each is answered by one JSON object:
  plug [C]  unplug [C]  ready [C]  pause [C]     the car at connector C (1 if not said)
  plug ev|station [C]  unplug ev|station [C]     one end of its cable: in the car, in the socket
  tag IDTAG [C]                                  a person presents a card: its idTag is known;
                                                 without C it goes where its car does
  card [UID [S ...]]                             a card lies on the reader; none: it is taken away;
                                                 S: it lies there so long, is away, is back, ...
  press [long] [C]                               the button
  ev max_mA=16000 phases=3 cable_ohm=220 [C]     what the car can take, what its cable says
  fault NAME [C]  clear NAME [C]                 """
    + ", ".join(FAULT_NAMES)
    + """
  wifi SSID on|off|locked|no-dhcp|REASON         a network is there, or not, or refuses the
                                                 password, or gives no address, or the chip says
                                                 that number of why not; on until told
  console LINE                                   typed on the firmware's own console, which
                                                 answers where this process prints
  power-cut [off_s]                              power fails at once, for off_s seconds
  speed N                                        simulated seconds per second, from now on
  escort S                                       simulated time waits for you: it goes on for S
                                                 seconds at most, until you say it again; answers
                                                 how many ms of it have passed
  gauge                                          CPU time (us) that the firmware's longest step
                                                 took, and its tick waited; since the last gauge
  state  help  quit"""
)


def log(text):
    print(text, flush=True)


class CommandError(ValueError):
    """A command that cannot be carried out; the text says why and what would be right."""


class Station:
    """The wall and the board on it. `await run()` until `quit`."""

    NAME = "station"  # in what it prints

    def __init__(self, args):
        self.args = args
        self.speed = args.speed
        # At speed 1 world time is the host's, always: what stalls or starts slowly, as a busy host
        # lets it, is late in it. (At other speeds it waits for the board.)
        self.real = args.speed == 1
        self.begin()
        board = load_board(args)
        self.trace = open(args.trace, "w", buffering=1) if args.trace else None
        self.flash, self.temporary = open_flash(args.flash)
        self.wall = Wall(board.CONNECTORS[: args.connectors], self.changed, self.load_meters())
        self.panel = Panel(board, self.wall)
        self.air = {}  # a number of AIR by SSID
        self.process = None
        self.words = None  # to the board: commands, a line each
        self.bus = None
        self.inbox = b""
        self.powered = True
        self.cause = PWRON_RESET
        self.rtc_ms = 0  # what the RTC shows, in ms since 2000, when world time is 0
        self.memory = b""  # of the RTC
        self.watchdog_s = None
        self.fed = 0.0
        self.returning = None  # the timer of power_back
        self.escort_ms = None  # the board may go on until this world time
        self.escorted = 0.0  # when that was said
        self.waiting = False  # the board has come there
        self.answers = asyncio.Queue()
        self.asking = asyncio.Lock()
        self.over = asyncio.Event()
        self.status = 0

    # --- the world

    def utc(self, ms=None):
        """Simulated UTC at world time `ms`."""
        return self.started + timedelta(milliseconds=self.wall.now_ms if ms is None else ms)

    def begin(self):
        """World time is 0."""
        self.anchor = 0, time.monotonic()  # a world time, and when on the host that was
        self.started = datetime.now(timezone.utc)
        if not self.real:  # (reads better in a trace)
            self.started = self.started.replace(microsecond=0)

    def host_ms(self):
        """World time by the host's clock."""
        at_ms, at = self.anchor
        return at_ms + int((time.monotonic() - at) * 1000 * self.speed)

    def moved(self):
        """The host's clock goes on from the world time that is now."""
        if not self.real:
            self.anchor = self.wall.now_ms, time.monotonic()

    def changed(self, outlet, what, fields):
        if self.trace:
            at = self.utc().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
            line = {"t": at, "ms": self.wall.now_ms, "connector": outlet.number, "what": what}
            self.trace.write(json.dumps({**line, **fields}) + "\n")

    def load_meters(self):
        # A meter keeps counting where it was: its registers lie beside a --flash that is kept.
        try:
            return json.loads(self.meters_path().read_text())
        except (OSError, ValueError):
            return ()

    def meters_path(self):
        return Path(str(self.flash) + ".meters")

    def save_meters(self):
        if not self.temporary:
            values = [outlet.energy_uWh // 1000000 for outlet in self.wall.outlets]
            self.meters_path().write_text(json.dumps(values))

    # --- the board

    def prepare(self):
        """Build what the board runs."""
        self.simulator = build_simulator_image()
        made = {"romfs": build_image, "files": build}.get(self.args.code)
        self.code = made() if made else Path(self.args.code).absolute()
        self.more_heap = SIMULATOR_HEAP
        if not in_place(self.args.interpreter):  # the images take heap: not the firmware's
            for image in (self.simulator, self.code):
                self.more_heap += image.stat().st_size if image.is_file() else 0

    def start_board(self):
        """Give the board its power, or let it come out of reset."""
        here, there = socket.socketpair()
        if self.speed == 1:
            self.wall.advance(self.host_ms())
        # what the wall keeps for the chip: its flash, and the RTC while there is power
        if self.cause == PWRON_RESET:
            self.rtc_ms = -self.wall.now_ms
            self.memory = b""
        self.spawn(self.chip(there.fileno()), there.fileno())
        there.close()
        here.setblocking(False)
        self.bus, self.inbox, self.waiting = here, b"", False
        self.watchdog_s = None
        asyncio.get_running_loop().add_reader(here, self.on_bus)

    def chip(self, fd):
        """The words that start the interpreter as the chip, its line to the wall on `fd`."""
        return [
            self.args.interpreter,
            "-X",
            f"heapsize={self.args.heap + self.more_heap}",
            "-c",
            "import rom, sys; rom.simulator(sys.argv.pop(1)); import board; board.start()",
            str(self.simulator),
            str(self.code),
            str(fd),
            str(self.flash),
            str(self.speed),
            str(self.wall.now_ms),
            str(self.host_us()),
            str(self.rtc_ms),
            str(self.cause),
        ]

    def host_us(self):
        """When it was this world time, by the host's clock; 0: now it is, for a board that has to
        start first."""
        at_ms, at = self.anchor
        return int(at * 1000000) + (self.wall.now_ms - at_ms) * 1000 if self.speed == 1 else 0

    def spawn(self, words, fd):
        """Start the interpreter, with what is to be on its flash."""
        commands, told = os.pipe()
        self.process = subprocess.Popen(
            [*words, str(commands)],
            stdin=subprocess.PIPE,  # the serial line: what is typed on the firmware's console
            env=self.environment(),
            pass_fds=(fd, commands),
            cwd="/",
            start_new_session=True,  # Ctrl-C is for us; end() passes it on
        )
        os.close(commands)
        self.words = os.fdopen(told, "wb")
        os.set_blocking(self.process.stdin.fileno(), False)
        # (not as arguments: the unix port takes none longer than 255 bytes)
        files = {"/config.json": json.dumps(self.args.unit), "/policy.py": self.args.policy}
        self.tell({**files, **self.args.certs})

    def environment(self):
        return {**os.environ, "MICROPYPATH": f"{SIMULATOR}/tools/sim:.frozen"}

    def stop_board(self):
        """The chip stops wherever it is; its pins are let go."""
        if self.process:
            if self.process.poll() is None:
                self.process.kill()  # before its pins go: it must not see them go
            self.process.wait()
            if self.process.stdin:
                self.process.stdin.close()
            if self.words:
                close(self.words)
        if self.bus:
            asyncio.get_running_loop().remove_reader(self.bus)
            self.bus.close()
            self.bus = None
        if self.asking.locked():
            self.answers.put_nowait({"error": "the station is starting"})
        self.wall.no_power()
        self.panel.no_power()
        self.save_meters()

    def on_bus(self):
        try:
            data = self.bus.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self.bus)
            return
        self.inbox += data
        self.serve_inbox()

    def serve_inbox(self):
        while len(self.inbox) >= REQUEST.size:
            op, pin, length, value, now_ms = REQUEST.unpack_from(self.inbox)
            end = REQUEST.size + length
            if len(self.inbox) < end:
                return
            self.waiting = self.escort_ms is not None and now_ms > self.escort_ms
            if self.waiting:
                return
            payload, self.inbox = self.inbox[REQUEST.size : end], self.inbox[end:]
            self.wall.advance(now_ms)
            self.moved()
            a, b, c, answer = self.serve(op, pin, value, payload)
            if self.bus is None:
                return
            try:
                length = len(answer) | self.interrupt(op)
                self.bus.sendall(struct.pack("<iiiH", a, b, c, length) + answer)
            except OSError:  # it has died since it asked; watch() will see
                return

    def serve(self, op, pin, value, payload):
        a, b, c, answer = 0, 0, 0, b""
        if op == FEED:
            self.fed = time.monotonic()
        elif op == PWM:
            self.wall.pwm(pin, int.from_bytes(payload, "little"), value)
        elif op == WDT:
            self.watchdog_s = value / 1000
            self.fed = time.monotonic()
        elif op == RTC:
            a, b = divmod(self.set_rtc(value * 1000 + int.from_bytes(payload, "little")), 1000)
        elif op == MEMORY and value:
            self.memory = bytes(payload)
        elif op == MEMORY:
            answer = self.memory
        elif op == SAY:
            self.said(json.loads(payload))
        elif op == WIFI and payload:
            a = self.air.get(payload.decode(), 0)
        elif op == WIFI:  # what is in sight
            names = [name for name, reason in self.air.items() if reason != AIR["off"]]
            answer = "\n".join(names).encode()
        elif op == RESET:
            self.cause = value
            asyncio.get_running_loop().call_soon(self.reset)
        else:
            a, b, c, answer = self.panel.serve(op, pin, value, payload)
        return a, b, c, answer

    def escort(self, lead_s):
        """Let the board go on for `lead_s` from now on, None: for ever; -> the world time."""
        now_ms = self.wall.now_ms
        self.escorted = self.fed = time.monotonic()
        self.escort_ms = None if lead_s is None else now_ms + lead_s * 1000
        if self.waiting and self.bus:
            self.serve_inbox()
        return now_ms

    def interrupt(self, op):
        """INTERRUPT, as in sim/esp32/bus.py, if somebody has typed Ctrl-C; nobody can here."""
        return 0

    def set_rtc(self, shown_ms):
        """The firmware sets its clock; -> rtc_ms.

        Simulated time that runs faster runs away from the Central System's clock. There what that
        one says of now is taken for the simulated now if it is right about the real one.
        """
        # Before the watchdog runs nobody has asked the Central System: it is the last time known.
        if self.real or self.args.true_clock or not self.watchdog_s:
            self.rtc_ms = shown_ms - self.wall.now_ms
        else:
            wrong_ms = shown_ms - (datetime.now(timezone.utc) - EPOCH) // MS
            if abs(wrong_ms) <= RTC_TOLERANCE_ms:
                wrong_ms = 0
            self.rtc_ms = (self.started - EPOCH) // MS + wrong_ms
        return self.rtc_ms

    def said(self, message):
        if "answer" in message:
            self.answers.put_nowait(message["answer"])
        else:
            number = message.pop("connector")
            self.changed(self.wall.outlets[number - 1], "limit", message)

    def reset(self):
        if self.bus and not self.over.is_set():
            log(f"{self.NAME}: reset")
            self.stop_board()
            self.start_board()

    async def watch(self):
        """Restart what crashed or hung, move the world while the board has no power."""
        while True:
            await asyncio.sleep(0.02)
            now = time.monotonic()
            if self.waiting and now - self.escorted > ESCORT_s:
                self.escort(None)
            if not self.powered:
                self.wall.advance(self.host_ms())
            elif self.bus and self.process.poll() is not None:
                await self.crashed(self.process.returncode)
            elif self.watchdog_s and not self.waiting and now - self.fed > self.watchdog_s:
                log(f"{self.NAME}: the watchdog bites")
                self.cause = WDT_RESET
                self.reset()

    async def crashed(self, code):
        self.stop_board()
        if code == 0:  # it said why on its console: a configuration that a person has to mend
            log(f"{self.NAME}: the firmware has given up")
            self.status = 1
            self.over.set()
            await asyncio.Event().wait()
        log(f"{self.NAME}: the firmware ended with {code}; it starts again")
        await asyncio.sleep(CRASH_s)
        if self.powered and not self.bus:
            self.cause = HARD_RESET
            self.start_board()

    # --- the control port

    async def ask(self, command):
        """Have the firmware carry out a command; -> its answer."""
        async with self.asking:
            while not self.answers.empty():
                self.answers.get_nowait()
            try:
                if not self.bus or not self.tell(command):
                    return {"error": "the station is starting"}
                return await asyncio.wait_for(self.answers.get(), ANSWER_s)
            except asyncio.TimeoutError:
                return {"error": "the station does not answer"}

    def tell(self, command):
        """Give the board a command; False if there is nobody to take it."""
        try:
            self.words.write(json.dumps(command).encode() + b"\n")
            self.words.flush()
        except (OSError, ValueError):  # (ValueError: closed by stop_board)
            return False
        return True

    def type(self, data):
        """Type on the firmware's console. What it has no room for is lost, as on a serial line."""
        try:
            os.write(self.process.stdin.fileno(), data)
        except (OSError, ValueError):  # (ValueError: no power)
            pass

    async def on_control(self, reader, writer):
        try:
            while True:
                try:
                    line = await reader.readline()
                    if not line:
                        break
                    answer = self.console(line) or await self.command(split(line))
                except ValueError as e:  # CommandError, and a line longer than readline takes
                    answer = {"error": str(e)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):  # (cancelled: the station ends)
            pass
        finally:
            writer.close()

    def console(self, line):
        """`console LINE`, which is as it is typed: not words as a shell has them."""
        name, _, typed = line.strip(b"\r\n").partition(b" ")
        if name != b"console":
            return None
        self.need_power()
        self.type(typed + b"\r")
        return {"ok": True}

    async def command(self, words):
        if not words:
            raise CommandError("no command; try help")
        name, words = words[0], words[1:]
        if name in COMMANDS and len(words) > (name in ("power-cut", "speed", "escort")):
            raise CommandError(f"{name}: too many words; try help")
        if name in ("plug", "unplug", "ready", "pause"):
            end = words.pop(0) if name[-4:] == "plug" and words[:1] in ENDS else None
            outlet = self.outlet(words, 0)
            car = outlet.car
            if name == "plug":
                self.need_cable(outlet, end)
                car.plug(end)
            elif name == "unplug":
                self.need_cable(outlet, end)
                self.unplug(outlet, end)
            elif not car.plugged:
                raise CommandError("no car is plugged in")
            else:
                car.wants = name == "ready"
        elif name == "tag":
            if not words or not 1 <= len(words[0]) <= 20:
                raise CommandError("tag IDTAG [C]: an idTag has 1 to 20 characters")
            connector = self.outlet(words, 1).number if len(words) > 1 else None
            self.need_power()
            return await self.ask({"do": "tag", "tag": words[0], "connector": connector})
        elif name == "card":
            self.lay_cards(words)
        elif name == "press":
            self.press(words)
        elif name == "ev":
            self.set_car(words)
        elif name in ("fault", "clear"):
            if not words or words[0] not in FAULT_NAMES:
                raise CommandError(f"{name} NAME [C]: NAME is one of {', '.join(FAULT_NAMES)}")
            outlet = self.outlet(words, 1)
            if words[0] in WALL_FAULTS:
                WALL_FAULTS[words[0]][name == "clear"](outlet)
            elif name == "fault":
                outlet.car.faults.add(words[0])
            else:
                outlet.car.faults.discard(words[0])
        elif name == "wifi":
            reason = AIR.get(words[1], number(words[1])) if len(words) == 2 else -1
            if not 0 <= reason <= 255:
                raise CommandError(f"wifi SSID {'|'.join(AIR)}|REASON")
            self.air[words[0]] = reason
        elif name == "power-cut":
            try:
                off_s = float(words[0]) if words else 1.0
            except ValueError:
                off_s = -1
            if not 0 <= off_s <= 86400:
                raise CommandError("power-cut [off_s]: 0 to 86400 seconds")
            self.power_cut(off_s)
        elif name == "speed":
            if len(words) != 1 or not 1 <= number(words[0]) <= 5000:
                raise CommandError("speed N: 1 to 5000")
            self.need_power()
            self.speed = int(words[0])
            self.real &= self.speed == 1
            self.moved()
            return await self.ask({"do": "speed", "speed": self.speed})
        elif name == "escort":
            if len(words) != 1 or not 1 <= number(words[0]) <= 3600:
                raise CommandError("escort S: 1 to 3600 seconds")
            return {"ms": self.escort(int(words[0]))}
        elif name == "state":
            return await self.state()
        elif name == "gauge":
            self.need_power()
            return await self.ask({"do": "gauge"})
        elif name == "help":
            return {"help": HELP.splitlines()}
        elif name == "quit":
            self.over.set()
        else:
            raise CommandError(f"{name}: no such command; try help")
        return {"ok": True}

    def outlet(self, words, at):
        """The outlet that word `at` names; 1 if there is none."""
        text = words[at] if len(words) > at else "1"
        if len(words) > at + 1:
            raise CommandError("too many words; try help")
        if not 1 <= number(text) <= len(self.wall.outlets):
            raise CommandError(f"connector {text}: there are 1 to {len(self.wall.outlets)}")
        return self.wall.outlets[number(text) - 1]

    def need_cable(self, outlet, end):
        if end and "proximity" not in outlet.pins:
            raise CommandError(f"connector {outlet.number}: its cable is fixed, it has no socket")

    def unplug(self, outlet, end):
        if end and not (outlet.car.in_car if end == "ev" else outlet.plugged):
            where = "car" if end == "ev" else "socket"
            raise CommandError(f"connector {outlet.number}: no plug is in the {where}")
        if not outlet.car.unplug(end):
            raise CommandError(f"connector {outlet.number}: the lock holds the plug")

    def set_car(self, words):
        usage = "ev max_mA=0..80000 phases=1..3 cable_ohm=0..5000 [C]"
        values = dict(w.split("=", 1) for w in words if "=" in w)
        if not values:
            raise CommandError(usage)
        car = self.outlet([w for w in words if "=" not in w], 0).car
        ranges = {"max_mA": (0, 80000), "phases": (1, 3), "cable_ohm": (0, 5000)}
        for key, text in values.items():
            if key not in ranges or not ranges[key][0] <= number(text) <= ranges[key][1]:
                raise CommandError(usage)
        for key, text in values.items():
            setattr(car, key, int(text))

    def lay_cards(self, words):
        if self.panel.reader is None:
            raise CommandError(f"board {self.args.unit['board']} has no reader; try tag")
        usage = "card [UID [S ...]]: 4, 7 or 10 bytes in hex; without UID it is taken away"
        uid, turns = (words or [""])[0], words[1:]
        if words and not re.fullmatch("([0-9A-Fa-f]{2}){4,10}", uid):
            raise CommandError(usage)
        if not all(re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", s) for s in turns):
            raise CommandError(usage + "; S: seconds that it lies there, is away, lies there, ...")
        self.panel.lay(bytes.fromhex(uid), [round(float(s) * 1000) for s in turns])

    def press(self, words):
        long = words[:1] == ["long"]
        outlet = self.outlet(words[long:], 0)
        if "button" not in outlet.pins:
            raise CommandError(f"board {self.args.unit['board']} has no button")
        self.panel.of(outlet, "button").press(PRESS_LONG_ms if long else PRESS_ms)

    def need_power(self):
        if not self.powered:
            raise CommandError("the power is off")

    def power_cut(self, off_s):
        log(f"{self.NAME}: power fails for {off_s:g} s")
        self.stop_board()
        self.powered = False
        self.moved()
        if self.returning:
            self.returning.cancel()
        later = asyncio.get_running_loop().call_later
        self.returning = later(off_s / self.speed, self.power_back)

    def power_back(self):
        self.returning = None
        if not self.over.is_set():
            log(f"{self.NAME}: power returns")
            self.powered = True
            self.cause = PWRON_RESET
            self.start_board()

    async def state(self):
        if self.powered:
            state = await self.ask({"do": "state"})
            if "error" not in state:
                for connector, outlet in zip(state["connectors"], self.wall.outlets, strict=True):
                    connector["ev_mA"] = outlet.car.phase_mA()  # measured at the plug
                return state
        return self.seen()

    def seen(self):
        """What can be seen from outside, when nobody on the board can tell."""
        unknown = ("status", "transactionId", "idTag", "limit_mA", "limit_by")
        return {
            "t": self.utc().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "online": False,
            "boot": None,
            "link": None,
            "power": self.powered,
            "connectors": [
                {
                    "id": o.number,
                    "cp": o.car.state(),
                    **dict.fromkeys(unknown),
                    "pilot_mA": 0,
                    "duty_u16": o.duty,
                    "contactor": o.closed,
                    "ev_mA": o.car.phase_mA(),
                    "energy_Wh": o.energy_uWh // 1000000,
                }
                for o in self.wall.outlets
            ],
            "heap": None,
        }

    # --- from start to end

    async def run(self):
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self.over.set)
        control = watch = terminal = None
        try:
            self.prepare()
            port = self.args.control
            if port is not None:
                control = await asyncio.start_server(self.on_control, "127.0.0.1", port)
                port = control.sockets[0].getsockname()[1]
                log(f"{self.NAME}: control on 127.0.0.1:{port}")
            self.begin()  # (building took a while)
            self.start_board()
            watch = asyncio.create_task(self.watch())
            if getattr(self.args, "console", False):  # (a virtual board has a line of its own)
                terminal = open_terminal(self.type)
            over = asyncio.create_task(self.over.wait())
            await asyncio.wait((watch, over), return_when=asyncio.FIRST_COMPLETED)
            if not self.over.is_set():
                await watch  # it has failed: say how
        finally:
            try:
                if watch:
                    watch.cancel()
                self.end()
                if control:
                    control.close()
            finally:  # (last, and now: it must not wait for who reads no more)
                if terminal:
                    termios.tcsetattr(sys.stdin, termios.TCSANOW, terminal)
        return self.status

    def leave(self):
        """Ctrl-C to the board: it leaves its outputs safe by itself."""
        if self.process and self.process.poll() is None:
            # Not SIGINT: in the middle of a collection it would leave the unix port's heap locked.
            self.tell({"do": "interrupt"})
            deadline = time.monotonic() + END_s
            while self.process.poll() is None and time.monotonic() < deadline:
                if self.bus:
                    self.on_bus()
                time.sleep(0.001)

    def end(self):
        self.leave()
        self.stop_board()
        self.wall.advance(self.wall.now_ms + 1000)
        if self.trace:
            self.trace.close()
        if self.temporary:
            os.unlink(self.flash)


def close(file):
    try:
        file.close()
    except OSError:  # what was not written yet has nobody to go to
        pass


def open_terminal(typed):
    """Have typed(bytes) called with what comes by stdin, character by character if that is a
    terminal; -> what tcsetattr() is to give it back, or None. Its Ctrl-C stays ours."""
    loop, before = asyncio.get_running_loop(), None

    def read():
        data = os.read(sys.stdin.fileno(), 1024)
        if data:
            typed(data)
        elif not before or hung_up(sys.stdin):
            loop.remove_reader(sys.stdin)
            log("station: nothing more is typed: the input has ended")

    if sys.stdin.isatty():
        before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        # Ctrl-C throws away what was typed, also what the loop has just been told of: that read
        # must not wait for the next key, for the station would wait with it.
        modes = termios.tcgetattr(sys.stdin)
        modes[6][termios.VMIN] = 0
        termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
    try:
        loop.add_reader(sys.stdin, read)
    except PermissionError:  # a file, or /dev/null: it is all there already
        typed(sys.stdin.buffer.read())
        log("station: nothing more is typed: the input has ended")
    return before


def hung_up(file):
    """True if there is nobody at the other end of this terminal."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))


def is_url(text):
    """True if a station could dial this."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("ws", "wss") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none
        return False
    return bool(good) and "@" not in parts.netloc and "#" not in text and text.isprintable()


def load_board(args):
    """The board's data file, as the firmware reads it."""
    path = ROOT / "firmware" / "boards" / (args.unit["board"] + ".py")
    if not path.exists() or path.stem == "__init__":
        names = sorted(p.stem for p in path.parent.glob("[a-z]*.py"))
        raise SystemExit(f"station: board {args.unit['board']}: there are {', '.join(names)}")
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    check_board = importlib.import_module("firmware.check_board")
    try:
        board = importlib.import_module("firmware.boards." + path.stem)
        check_board.check(board)
        return board
    except SyntaxError as e:
        raise SystemExit(f"station: {e.filename}, line {e.lineno}: {e.msg}") from None
    except Exception as e:  # (whatever is in it)
        what = e if type(e) is ValueError else f"{path}: {type(e).__name__}: {e}"
        raise SystemExit(f"station: {what}") from None


def open_flash(path):
    """-> (path of the flash image, True if it goes when the station ends)"""
    temporary = path is None
    if temporary:
        handle, path = tempfile.mkstemp(prefix="pilotwire-flash-")
        os.close(handle)
    path = Path(path).absolute()
    if not path.exists() or path.is_file() and path.stat().st_size == 0:
        path.write_bytes(b"\xff" * FLASH_BYTES)
    elif not path.is_file() or path.stat().st_size % 4096 or path.stat().st_size < FLASH_LEAST:
        raise SystemExit(f"station: {path} is not a flash image (a file of whole 4 KB blocks)")
    try:
        # Kept open, and so locked, as long as this process lives.
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"station: {path}: another station runs on this flash") from None
    return path, temporary


def split(line):
    """The words of a command, as a shell has them."""
    try:
        return shlex.split(line.decode())
    except UnicodeDecodeError:
        raise CommandError("not UTF-8") from None


def number(text):
    """The number that `text` is; -1 if it is none."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else -1


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"station: {message} (--help tells more)\n")


def find_interpreter(parser, args):
    """--interpreter and --heap become what Station wants; the parser says what is wrong."""
    size = re.fullmatch("([1-9][0-9]{0,8})([KM]?)", args.heap, re.IGNORECASE)
    if not size:
        parser.error(f"--heap: {args.heap} is not a size like 128K")
    args.heap = int(size[1]) << {"": 0, "K": 10, "M": 20}[size[2].upper()]
    venv = ROOT / ".venv/bin/micropython"
    args.interpreter = args.interpreter or os.environ.get("MICROPYTHON") or str(venv)
    if os.sep in args.interpreter:  # it is started with / as its folder
        args.interpreter = os.path.abspath(args.interpreter)
    if not shutil.which(args.interpreter):
        parser.error(f"no MicroPython at {args.interpreter}: run 'make setup', or --interpreter")


def arguments(argv=None):
    parser = Parser(
        prog="tools/station",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--url", action="append", help="of the Central System, without the station's id: "
        "ws://HOST:PORT/PATH; once more for the one to try when that fails")  # fmt: skip
    add("--id", help="chargePointId")
    add("--password", help="for Basic authentication")
    add("--flash", help="flash image that survives from run to run (default: a temporary one)")
    add("--connectors", type=int, help="1 to 4 (default 1)")
    add("--interpreter", help="MicroPython unix port (default: $MICROPYTHON or the one in .venv)")
    add("--heap", help="for the firmware, without what the simulated chip needs (default 256K; "
        "320K for a board with more parts)")  # fmt: skip
    add("--code", default="romfs", metavar="WHAT", help="romfs (default): the firmware runs from "
        "a ROMFS image, in place, as from the flash of an ESP32; NAME.romfs: from that image; "
        "files: from .mpy files, which are loaded into the heap")  # fmt: skip
    add("--control", type=int, metavar="PORT", help="TCP port on 127.0.0.1 for commands; 0: any")
    add("--console", action="store_true", help="what is typed here goes to the firmware's console "
        "(docs/console.md), as over its serial line")  # fmt: skip
    add("--trace", metavar="FILE", help="one JSON object a line for every change")
    add("--speed", type=int, default=1, help="simulated seconds per second (default 1: the "
        "simulated clock is the host's)")  # fmt: skip
    add("--config", metavar="FILE", help="config.json of the unit; the options above come first")
    add("--security-profile", type=int, choices=range(4), help="of OCPP's security white paper: "
        "0 none, 1 password, 2 TLS and password, 3 TLS and certificate (default: 2 with wss://, "
        "else 0)")  # fmt: skip
    add("--certs", metavar="DIR", help="put ca*.der, client.der and client.key.der of this folder "
        "on the unit, in /certs (docs/security.md)")  # fmt: skip
    add("--policy", metavar="FILE", help="put on the unit as /policy.py, the owner's rules")
    add("--true-clock", action="store_true", help="take the Central System's time as it is, "
        "also when --speed makes simulated time run away from it (always at speed 1)")  # fmt: skip
    add("--version", action="version", version=f"Pilotwire {version()}")
    args = parser.parse_args(argv)
    if args.policy:
        try:
            args.policy = Path(args.policy).read_text()
        except (OSError, UnicodeDecodeError) as e:
            parser.error(f"--policy: {e}")
    args.certs = certificates(parser, args.certs)
    unit = {}
    if args.config:
        try:
            unit = json.loads(Path(args.config).read_text())
        except (OSError, ValueError) as e:
            parser.error(f"--config: {e}")
        if not isinstance(unit, dict):
            parser.error("--config: an object is expected")
    for name in ("url", "id", "password", "connectors", "security_profile"):
        if getattr(args, name) is not None:
            unit[name] = getattr(args, name)
    args.connectors = unit.setdefault("connectors", 1)
    if not isinstance(args.connectors, int) or not 1 <= args.connectors <= 4:
        parser.error("--connectors: 1 to 4")
    unit.setdefault("board", "reference" if args.connectors == 1 else "wall")
    for name in ("url", "id"):
        if not unit.get(name):
            parser.error(f"--{name} is needed (or {name} in --config)")
    for name in ("id", "board"):
        if not isinstance(unit[name], str):
            parser.error(f"--config: {name}: text is expected")
    urls = unit["url"] if isinstance(unit["url"], list) else [unit["url"]]
    for url in urls:
        if not isinstance(url, str):
            parser.error("--config: url: text or a list of texts is expected")
        if not is_url(url):
            parser.error(f"--url: {url} is not ws://HOST[:PORT][/PATH] (or wss://...)")
    if all(url.lower().startswith("wss:") for url in urls):
        unit.setdefault("security_profile", 2)
    if args.heap is None:
        args.heap = "256K" if unit["board"] in ("reference", "wall") else "320K"
    find_interpreter(parser, args)
    if args.code not in ("romfs", "files") and not (
        args.code.endswith(".romfs") and Path(args.code).is_file()
    ):
        parser.error(f"--code: {args.code} is neither romfs, files nor an image (NAME.romfs)")
    if getattr(args, "console", False) and sys.stdin is None:
        parser.error("--console: nothing can be typed, for stdin is closed")
    if args.control is not None and not 0 <= args.control <= 65535:
        parser.error("--control: 0 to 65535")
    if not 1 <= args.speed <= 5000:
        parser.error("--speed: 1 to 5000")
    args.unit = unit
    return args


def certificates(parser, folder):
    """What is to be on the unit's flash of the certificates in `folder`: path -> [hex digits]."""
    if folder is None:
        return {}
    names = ("ca*.der", "client.der", "client.key.der")
    paths = [path for name in names for path in sorted(Path(folder).glob(name))]
    if not paths:
        parser.error(f"--certs: {folder} has no {', '.join(names)}")
    return {f"/certs/{path.name}": [path.read_bytes().hex()] for path in paths}


def main():
    args = arguments()
    try:
        raise SystemExit(asyncio.run(Station(args).run()))
    except (BuildError, OSError) as e:
        raise SystemExit(f"station: {e}") from None


if __name__ == "__main__":
    main()
