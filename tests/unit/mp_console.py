"""console/: what is typed, character by character; what commands say, in pieces;
bench mode at the level of the Controller. With a real Station on a flash in RAM."""

import asyncio
import sys

from rig import HEAP_LOCKED, raises, scratch, seeded
from world import World, record

from firmware import lazy, log
from firmware.charging import profile
from firmware.console import line as console
from firmware.electrical import faults, pilot
from firmware.electrical.controller import Controller
from firmware.ocpp.configuration import Configuration
from firmware.station import states
from firmware.station.states import Ask


class Chip:
    """esp32, which needs a chip."""


class Wlan:
    """network, and its WLAN."""

    IF_STA = 0
    joined = False

    def __init__(self, interface):
        pass

    def isconnected(self):
        return self.joined

    def config(self, name):
        return "Home"

    def ifconfig(self):
        return ("192.168.1.5", "255.255.255.0", "192.168.1.1", "192.168.1.1")

    def status(self, what):
        return -61


Wlan.WLAN = Wlan
sys.modules["esp32"] = Chip
sys.modules["network"] = Wlan

SETTINGS = scratch("ocpp")
HEAP = "480K"
CHIP = True
PIECE = 101  # characters that may go out between two turns of the tick: 9 ms at 115,200 baud


class Line:
    """The serial line: gives what was typed, keeps what was said. `longest`: most that was said
    between two turns of the other tasks."""

    def __init__(self, typed):
        self.typed = typed
        self.at = 0
        self.said = b""
        self.longest = self.count = 0
        console.sys = self
        console.print = self.print

    modules = sys.modules

    @property
    def stdout(self):
        return self

    def write(self, data):
        data = data.encode() if isinstance(data, str) else bytes(data)
        self.said += data
        self.count += len(data)
        self.longest = max(self.longest, self.count)

    def print(self, *args, end="\n"):
        self.write(" ".join([str(arg) for arg in args]) + end)

    def print_exception(self, e, out):
        out.write("Traceback: %r\n" % (e,))

    async def readinto(self, data):
        await asyncio.sleep_ms(0)
        if self.at == len(self.typed):
            return 0
        data[0] = self.typed[self.at]
        self.at += 1
        return 1

    async def tick(self):
        while True:
            self.count = 0
            await asyncio.sleep_ms(0)


class Unit:
    """App, as far as the console knows it."""

    def __init__(self, world=None):
        self.asked = []
        self.kind = None
        self.after = None
        self.rpc = self.settings = self
        self.last = "it was cut"
        self.tasks = []
        if world:
            self.world = world
            self.station, self.clock = world.station, world.clock
            fixed = {"connectors": 1, "phase_switching": "false", "security": 0}
            self.settings = Configuration(fixed, print, path=SETTINGS)
            self.settings.config = self
            self.requests, self.password = self, ""
            self.config = self.link = self.outbox = self
            self.board, self.id = "reference", "CP1"
            self.networks, self.up_s = [("Home", "secret"), ("Yard", "")], 93784
            self.online, self.boot, self.ends = (
                False,
                None,
                [(0, 1, "one"), (60, 3, "nobody there")],
            )
            self.outlets = [Parts() for _ in world.cs]
        else:
            self.station = self
            self.connectors = ()

    def close(self, reason):
        self.asked.append(reason)

    def reset(self, kind, how):
        self.kind = kind, how

    def module(self, name):
        return lazy.load("ocpp.v16." + name)


class Parts:
    lock = proximity = None


async def say(typed, unit=None, names=None):
    """The console's answer to what is typed, its echo included."""
    if isinstance(typed, str):
        typed = typed.encode() + b"\r"
    line = Line(typed)
    ticks = asyncio.create_task(line.tick())
    data = bytearray(1)
    while await line.readinto(data):
        if data[0] >= 27:  # (as in app/tasks.py)
            await console.line(unit or Unit(), line, data, {} if names is None else names)
    ticks.cancel()
    assert line.longest <= PIECE, (line.longest, typed)
    return line.said


async def answer(typed, unit, names=None):
    """Its lines, without the echo."""
    said = (await say(typed, unit, names)).decode()
    return said.split("\n")[1:-1]


async def test_what_is_typed():
    for typed, heard in (
        (b">>> 1\r", b"1"),
        (b">>> 1\n", b"1"),
        (b">>> 1\r\n", b"1"),
        (b"\r\n\r\n>>> 1\r\n", b"1"),
        (b"\x00\x01\x08\x7f>>> 1\r", None),  # (a delete first: it begins a line, which is empty)
        (b">>> 12\x08\r", b"1"),
        (b">>> 12\x7f\x7f7\r", b"7"),
        (b">\x08\x08\x08\x08>>> 1\r", b"1"),
        (b"nonsense\x15>>> 1\r", b"1"),
        (b">>> \x1b[A1\x1b[D\x1b[15~\x1bOP\r", b"1"),
        (b"\x1b[A>>> 1\r", b"1"),
        (b">>> '\xc3\xa9'\x7f\x7f\xc3\xa8'\r", b"'\\xe8'"),
        (b">>> \t\x07\x0b1\r", b"1"),
        (b">>> 1", b"1"),  # (the line ends)
        (b"   \r", b""),
    ):
        said = await say(typed)
        last = said.split(b"\n")[-2:-1] or [b""]
        assert heard is None or last[0] == heard or not heard and len(said) <= 5, (typed, said)


async def test_echo_is_what_a_terminal_needs():
    for typed, said in (
        (b"ab\x7fc\x1b[Ad\r", b"ab\b \bcd\n"),
        (b"ab\x15cd\r", b"ab\r\x1b[Kcd\n"),
        (b"\xc3\xa9\x7fx\r", b"\xc3\xa9\b \bx\n"),
    ):
        heard = await say(typed)
        assert heard.startswith(said), (typed, heard)


async def test_a_line_that_is_too_long():
    said = await say(b"x" * 512 + b"\r")
    assert b"no such command" in said
    said = await say(b"x" * 520 + b"\r")
    assert said == b"x" * 512 + b"\n8 characters too many: a line has at most 512\n"
    # What was too much can be taken away again.
    said = await say(b"y" * 520 + b"\x7f" * 508 + b"\x15>>> 1\r")
    assert said.endswith(b">>> 1\n1\n")


async def test_words_that_are_too_long_come_in_pieces():
    unit = Unit(World())
    for typed in (
        "limit " + "9" * 400,
        "composite 1 " + "x" * 400,
        "z" * 500,
        ">>> '" + "a" * 450,
    ):
        assert await answer(typed, unit)


async def test_noise():
    assert (await say(b"\xff\xfe\x80abc\r")).endswith(b"\nnot UTF-8: noise on the line?\n")
    assert (await say(b"\x80" * 20 + b"\x7f" * 30 + b">>> 1\r")).endswith(b"1\n")


async def test_the_log_while_somebody_types():
    line = Line(b"he")
    data = bytearray(b"t")

    async def readinto(data):
        if line.at == 2:
            log.info("what happens")
            line.at = 3
            data[0] = 13
            return 1
        return await Line.readinto(line, data)

    line.readinto = readinto
    printed = "print" in dir(log)
    await console.line(Unit(), line, data, {})
    said = line.said.split(b"\n")
    assert said[0].startswith(b"the\r\x1b[K") and said[0].endswith(b" I what happens")
    assert said[1] == b"the"
    assert printed == ("print" in dir(log))


async def test_an_exception_is_told_and_costs_nothing():
    for typed, kind in (
        (">>> 1 / 0", "ZeroDivisionError"),
        (">>> nothing", "NameError"),
        (">>> 1 +", "SyntaxError"),
        (">>> raise SystemExit", "SystemExit"),
        (">>> raise MemoryError", "MemoryError"),
        (">>> raise ValueError('x')", "ValueError"),
        (">>> [][1]", "IndexError"),
        (">>> raise OSError(28)", "OSError"),
        ("status", "AttributeError"),  # (of a unit that is none)
    ):
        said = await answer(typed, Unit())
        assert said[-1].startswith("Traceback: " + kind), (typed, said)


async def test_what_is_near_to_a_command():
    for typed, meant in (
        ("limt", "limit"), ("limits", "limit"), ("lmiit", "limit"), ("satus", "status"),
        ("hepl", "help"), ("bnch", "bench"), ("profile", "profiles"), ("conifg", "config"),
        ("LIMTI", "limit"), ("lmits", "limit"),
    ):  # fmt: skip
        said = await answer(typed, Unit())
        assert said == ["%s: no such command; did you mean %s?" % (typed.lower(), meant)], said
    for typed in ("xyz", "a", "limitlimitlimit", "\u00e9\u00e9\u00e9\u00e9"):
        assert await answer(typed, Unit()) == ["%s: no such command; try help" % typed]


def filled():
    """A world with profiles, a transaction and samples."""
    w = World(connectors=2).ready()
    w.settings["composite_local"] = False
    tx = w.charge()
    periods = [(3600 * k, 6 + k) for k in range(10)]
    for number in range(6):
        w.install(record(periods, profile.TX_DEFAULT, 0, number, number + 20), 0)
    until_s = w.clock.now() + 86400
    w.install(record(10, id=5, level=2, valid_to=until_s, transaction=tx.number), 0)
    w.install(record(25, profile.CEILING, id=6), 120000)
    for e in w.electrics:
        e.duty_u16, e.parts = pilot.STEADY, ()
    w.journal.sample(tx, (w.clock.now(), 5, 1, 0))
    return w


async def test_what_a_change_has_to_do_is_done():
    unit = Unit(World())
    said = await answer("config HeartbeatInterval 30", unit)
    assert said[0] == "Accepted: in force from now on" and unit.settings.value("heartbeat_s") == 30
    said = await answer("config SampledDataCtrlr.TxEndedInterval 15", unit)
    assert said[0] == "Accepted: in force from now on"
    assert unit.settings.value("stop_sample_s") == 15
    assert not unit.asked
    await answer("config AuthorizationKey :correct.horse.battery", unit)
    assert unit.asked == ["another AuthorizationKey"] and unit.after is None
    assert unit.settings.password() == b"correct.horse.battery"


def bench(*parts, **options):
    """A connector with a real Controller, in bench mode, and the module."""
    from firmware.console import bench as module

    w = World().ready()
    w.c.controller = c = Controller(parts, **options)
    high_mV = 12000
    for i in range(200):
        c.tick(25 * i, high_mV, high_mV, 0)
        high_mV = -12000 if c.duty_u16 == pilot.FAULT else 12000
        if c.duty_u16 == pilot.FAULT and options:
            break
    said = list(module.bench(Unit(w), "on", [w.c]))
    assert said[0] == "for 300 s: connector 1 is out of service"
    assert not w.c.operative and c.bench
    return w, module, c


def tick(c, at, high_mV=12000):
    c.tick(5000 + 25 * at, high_mV, -12000, 32000)
    return c


async def test_bench_mode_takes_the_pilot_over_as_it_is():
    """The self-test is at it, with state F on the line: the change to +12 V has to be seen."""
    w, module, c = bench(self_test=True)
    at_ms = 5000
    duties = [c.duty_u16]
    for _ in range(40):
        at_ms += 25
        high_mV = -12000 if duties[-1] == pilot.FAULT else 12000
        c.tick(at_ms, high_mV, high_mV, 0)
        duties.append(c.duty_u16)
    assert duties[0] == pilot.FAULT and duties[-1] == pilot.STEADY
    assert c.bench and c.state == pilot.A and not c.fault


async def test_bench_mode_ends_at_the_first_tick_that_knows():
    def car(w, c):
        for at in range(3, 6):
            tick(c, at, 9000)

    def charging_car(w, c):
        for at in range(3, 6):
            tick(c, at, 6000)

    def fault(w, c):
        c._check = lambda low_mV: faults.DIODE
        tick(c, 3)

    def time(w, c):
        c.bench.left_ms = 24
        tick(c, 3)

    def tag(w, c):
        w.c.waits = Ask("T", w.c, None, 0)
        tick(c, 3)

    def service(w, c):
        w.station.kept.put_in_service()
        tick(c, 3)

    def reset(w, c):
        w.c.ending = True
        tick(c, 3)

    for happens in (car, charging_car, fault, time, tag, service, reset):
        w, module, c = bench()
        list(module.pilot(None, "16", [w.c]))
        list(module.contactor(None, "on", [w.c]))
        tick(c, 1)
        assert tick(c, 2).closed and c.duty_u16 == pilot.duty_u16(16000)
        happens(w, c)
        assert not c.bench and not c.closed, happens
        assert c.duty_u16 == pilot.STEADY and not c.pilot_mA and w.c.operative


async def test_bench_mode_needs_every_part_but_those_that_wait_for_a_plug():
    class Part:
        fault = faults.NONE
        busy = ready = False

        def tick(self, dt_ms, c):
            pass

    part, lock = Part(), Part()
    w, module, c = bench(part)
    c.parts = part, lock
    w.c.controller.bench.left_ms = 0
    tick(c, 0)
    w.c.lock = lock
    list(module.bench(Unit(w), "on", [w.c]))
    list(module.contactor(None, "on", [w.c]))
    assert not tick(c, 1).closed
    part.ready = True
    assert tick(c, 2).closed
    part.fault = faults.RESIDUAL
    tick(c, 3)
    assert not c.closed and not c.bench


async def test_bench_mode_is_refused():
    from firmware.console import bench as module

    def fault(w):
        w.c.controller.fault = faults.WELDED

    def car(w):
        w.c.controller.state = pilot.B

    for prepare, text in (
        (car, "a car is connected"),
        (lambda w: setattr(w.c, "waits", Ask("T", w.c, None, 0)), "a transaction"),
        (lambda w: setattr(w.c, "tx", object()), "a transaction"),
        (fault, "a fault"),
        (lambda w: setattr(w.c, "ending", True), "a reset"),
        (World.boot, "nobody knows yet"),
    ):
        w = World().ready()
        w.c.controller = Controller()
        prepare(w)
        e = raises(ValueError, list, module.bench(Unit(w), "on", [w.c]))
        assert text in str(e) and (w.c.operative or prepare is World.boot), (text, e)
    w, module, _ = bench()
    for amps in ("5", "81", "x", "-6"):
        raises(ValueError, list, module.pilot(None, amps, [w.c]))
    for amps, mA in (("6", 6000), ("80", 80000), ("off", 0)):
        assert list(module.pilot(None, amps, [w.c])) and w.c.controller.bench.allow_mA == mA


async def test_a_bench_tick_allocates_nothing():
    w, module, controller = bench()
    list(module.pilot(None, "16", [w.c]))
    list(module.contactor(None, "on", [w.c]))
    tick(controller, 1)
    with HEAP_LOCKED:
        for at in range(2, 9):
            controller.tick(5000 + 25 * at, 12000, -12000, 32000)
    assert controller.closed


async def test_random_lines():
    random = seeded("lines")
    w = filled()
    unit = Unit(w)
    before = [bytes(r) for r in w.store.records]
    words = "status session limit profiles composite faults journal log help 1 0 86400 W A"
    words = words.split() + ["pilot", "contactor", "on", "bench", "-1", "|", ">>>", "\u00e9"]
    for _ in range(150):
        typed = bytearray()
        for _ in range(random.randint(1, 5)):
            if random.randint(0, 3):
                typed += random.choice(words).encode() + b" "
            else:
                typed += bytes([random.randint(0, 255) for _ in range(random.randint(1, 30))])
        await say(bytes(typed) + b"\r\r", unit)
    assert [bytes(r)[:48] for r in w.store.records] == [r[:48] for r in before]
    assert w.c.tx and w.c.state == states.CHARGING and not unit.kind


async def test_what_each_task_waits_for():
    status = lazy.load("console.status")

    async def ends():
        pass

    async def sleeps():
        await asyncio.sleep(3600)

    class Unit:
        tasks = ["_ended", asyncio.create_task(ends())]

    Unit.tasks += ["waits", asyncio.create_task(asyncio.Event().wait())]
    Unit.tasks += ["sleeps", asyncio.create_task(sleeps())]
    Unit.tasks += ["asks", asyncio.current_task()]
    await asyncio.sleep_ms(10)
    said = [line.split(None, 1) for line in status.tasks(Unit)]
    assert said[:2] == [["ended", "it has ended"], ["waits", "waits for something"]], said
    assert said[2][1].startswith("due in 35"), said
    assert said[3] == ["asks", "the one that says this"], said
    for task in Unit.tasks[3:6:2]:
        task.cancel()
