"""Runs that end badly, on the whole firmware: outputs safe, the reason kept and told, the third
crash in a row is safe mode, a damaged image falls back to the one from before."""

import contextlib
import json
import re

import pytest
from station_driver import ESP32_HEAP, ID, X1, Bench, run_tool, share

from host import shorten
from host.build import ROOT, build
from host.process import WAIT_s, poll
from host.romfs import build_image

# (policy.py is what a test can put on the unit: it is imported at each start.)
RECORD = """
import sys
print("code in", sys.path[0])
import os
if "slot" not in os.listdir("/"):
    with open("/slot", "w") as f:
        f.write(%r)
"""


def two_images(first, second):
    """A partition with an image in each half."""
    half = -(-max(len(first), len(second)) // 4096) * 4096
    return first.ljust(half, b"\xff") + second.ljust(half, b"\xff")


async def test_the_second_image_runs_and_a_damaged_one_falls_back(tmp_path, micropython32):
    image = build_image().read_bytes()
    part = tmp_path / "part.romfs"
    part.write_bytes(two_images(image, image))
    options = {"interpreter": micropython32, "heap": "128K", "code": part}
    async with Bench(tmp_path, policy=RECORD % "rom2 rom 3", **options) as b:
        assert (await b.process.wait_output("code in")).endswith("/rom")
        mark = len(b.process.output)
        await b.cut(0.1)
        await b.process.wait_output("code in /rom2", since=mark)
        await b.charge()
        await b.pilot(32000)
        damaged = bytearray(part.read_bytes())
        damaged[-len(image) // 2] ^= 1
        (tmp_path / "damaged").write_bytes(damaged)
        (tmp_path / "damaged").rename(part)  # (the board has the old one mapped)
        mark = len(b.process.output)
        await b.cut(0.1)
        await b.process.wait_output("the ROMFS image is damaged", since=mark)
        assert (await b.process.wait_output("code in", since=mark)).endswith("/rom")
        b.process.output = [line for line in b.process.output if "Traceback" not in line]


async def test_a_slot_on_trial_that_crashes_is_given_up(tmp_path, micropython32):
    """Three boots, then the one from before: not safe mode."""
    image = build_image().read_bytes()
    part = tmp_path / "part.romfs"
    part.write_bytes(two_images(image, image))
    text = (
        RECORD % "rom2 rom 3"
        + "if sys.path[0] == '/rom2':\n    "
        + "\n    ".join(CRASHES.split("\n"))
    )
    options = {"interpreter": micropython32, "heap": ESP32_HEAP, "code": part}
    async with Bench(tmp_path, policy=text, **options) as b:
        mark = len(b.process.output)
        await b.cut(0.1)
        said = b.process.output[mark:]
        assert [line for line in said if line.startswith("code in")] == [
            "code in /rom2", "code in /rom2", "code in /rom2", "code in /rom",
        ]  # fmt: skip
        assert "slot rom2 was given up, it is rom again: ValueError: crash" in said
        assert not [line for line in said if "SAFE MODE" in line]
        b.process.output = [line for line in b.process.output if "Traceback" not in line]


# Whether it runs

CRASHES = """
import firmware.app.tasks
def run(self):
    raise ValueError("crash")
firmware.app.tasks.App.run = run
"""
# A critical task that takes all memory and keeps it: nothing is left to note anything with.
HUNGRY = """
import asyncio, firmware.app.tasks, firmware.start
kept = []
async def hungry(self):
    while self.outbox.boot is None or not self.station.connectors[0].controller.closed:
        await asyncio.sleep_ms(100)
    await asyncio.sleep_ms(1000)  # (a contactor takes 40 ms to close, and could stay open)
    size = 4096
    while True:
        try:
            kept.append(bytearray(size))
        except MemoryError:
            if size < 32:
                raise
            size //= 2
if not firmware.start.last:
    firmware.app.tasks.App._limit = hungry
"""
MAINTAIN = """
import machine
machine.RTC().memory(b"maintain")
machine.reset()
"""


def run_with(folder, text):
    """A station whose policy.py that is, to its end; -> its output."""
    (folder / "policy.py").write_text(text)
    words = "--url", "ws://127.0.0.1:1", "--id", "A", "--policy", folder / "policy.py"
    code, said = run_tool(*words, "--trace", folder / "trace")
    assert code == 1 and said[-1] == "station: the firmware has given up", said
    events = [json.loads(line) for line in (folder / "trace").read_text().splitlines()]
    assert not [e for e in events if e["what"] == "contactor" and e["closed"]]
    assert {e["duty_u16"] for e in events if e["what"] == "pilot"} == {X1, 0}  # (0: no power)
    return said


def test_the_third_crash_in_a_row_is_safe_mode(tmp_path, micropython):
    said = run_with(tmp_path, CRASHES)
    assert said.count("station: reset") == 3
    at = [i for i, line in enumerate(said) if line.startswith("SAFE MODE: 3 crashes in a row.")]
    assert len(at) == 1
    assert "It starts again at the next reset" in said[at[0] + 1]
    assert said[at[0] + 2].startswith("ValueError: crash; 20")
    assert "line 4, in run" in "".join(said[at[0] + 3 :])


async def test_a_task_that_leaves_no_memory_at_all(tmp_path, micropython32):
    options = {"interpreter": micropython32, "heap": ESP32_HEAP}
    async with Bench(tmp_path, policy=HUNGRY, **options) as b:
        before = b.st
        await b.do("plug")
        await b.do("tag TAG")
        await b.process.traced("contactor", lambda e: e["closed"])
        await b.process.traced("contactor", lambda e: not e["closed"])
        await b.again(before)
        assert "MemoryError" in "".join(b.process.output)
        state = await b.process.state()
        assert re.match("MemoryError: |no memory|it ended without a word", state["crash"]), state
        print(state["crash"])
        await b.status("Charging")
        b.process.output = [line for line in b.process.output if "Traceback" not in line]


# Once a transaction has run no memory is left for the module that dials, until a restart.
NO_DIAL = """
from firmware import lazy, start
low = False
real = lazy.load

def load(name):
    if low and name == "ocpp.dial":
        raise MemoryError("injected")
    return real(name)

def local_limit(now_s, station):
    global low
    if station.connectors[0].tx and not low:
        low, start.unit.up_s = True, %d

lazy.load = load
"""


@pytest.mark.parametrize("up_s", (3600, 0))
async def test_a_unit_that_has_no_memory_to_dial_restarts(bench, up_s):
    """In the end, and when no transaction runs; nothing is lost. Not in its first hour."""
    async with bench(policy=NO_DIAL % up_s, speed=100) as b:
        b.may_log.append("_connect failed: MemoryError")
        before = b.st
        await b.charge()
        mark = len(b.process.output)
        await b.away()
        await b.cs.start()

        async def failed(n, since):
            said = b.process.output[since:]
            assert "station: reset" not in said
            return sum("_connect failed: MemoryError" in line for line in said) >= n

        await poll(lambda: failed(8, mark), WAIT_s, "the longest pause")
        await b.do("tag TAG")
        await b.do("unplug")
        if up_s:
            await b.again(before)
            stop = await b.st.expect("StopTransaction", None, WAIT_s)
            assert stop["reason"] == "Local" and b.st.received("StopTransaction") == [stop]
            events = b.st.received("SecurityEventNotification")
            assert ("ResetOrReboot", "for want of memory") in [
                (e["type"], e.get("techInfo")) for e in events
            ]
            assert not (await b.process.state())["crash"]
        else:
            mark = len(b.process.output)
            await poll(lambda: failed(3, mark), WAIT_s, "the longest pause")
        b.process.output = [line for line in b.process.output if "Traceback" not in line]


def test_maintenance_mode(tmp_path, micropython):
    said = run_with(tmp_path, MAINTAIN)
    assert said.count("station: reset") == 1
    assert said[-3].startswith("Maintenance: the firmware does not run, contactors are open")


# Exceptions at every await of every task

INJECTOR = ROOT / "tests/system/injector.py"


class Inject:
    """Throws into tasks of a charging station, and looks at what follows."""

    def __init__(self, b, folder):
        self.b = b
        self.folder = folder
        self.places = {}  # of throws, by task

    async def throw(self, *steps, kind="RuntimeError", ms=None, until=None):
        """Throw at the n-th await of a task, for each (task, n); -> (the line that tells of the
        last, output since). None instead of the line where until(), a coroutine function, came
        true before."""
        out = len(self.b.process.output)
        self.plan(steps=steps, kind=kind, ms=ms)

        async def thrown():
            found = [line for line in self.output(out) if re.match(r"inject \w+ at", line)]
            if len(found) == len(steps):
                return found
            return [None] if found and until and await until() else None

        found = await poll(thrown, WAIT_s, lambda: f"{steps}: {self.output(out)}")
        if found[-1]:
            self.places.setdefault(steps[-1][0], set()).add(found[-1].split(": ", 1)[1])
        return found[-1], out

    def plan(self, **plan):
        made = self.folder / "plan.new"
        made.write_text(json.dumps(plan))
        made.rename(self.folder / "plan")

    def output(self, since):
        return self.b.process.output[since:]

    def told(self, since, text):
        return [line for line in self.output(since) if text in line]


def tasks_by_letter():
    """{what the board calls it: the name} of the private coroutines that run as tasks."""
    out = build()
    kept = set(json.loads(out.with_name(out.name + ".json").read_text())["kept"])
    by_letter = {}
    for module, names in (("link", ("_talk", "_watch")), ("dial", ("_open",))):
        letters = shorten.letters((ROOT / f"firmware/ocpp/{module}.py").read_bytes(), kept)
        by_letter.update({letters[name]: name for name in names})
    assert len(by_letter) == 3, by_letter
    return by_letter


def injected(tmp_path, **options):
    text = INJECTOR.read_text().replace('FOLDER = ""', f'FOLDER = "{tmp_path}"')
    text = text.replace("LETTERS = {}", f"LETTERS = {tasks_by_letter()}")
    return Bench(tmp_path, policy=text, **options)


def forgive(b):
    """What was thrown is in the log: all else must be orderly."""
    b.may_log.append("injected")
    output = b.process.output
    for i, line in enumerate(output):
        if line.startswith("Traceback") and "injected" in " ".join(output[i : i + 20]):
            output[i] = "(a traceback of what was thrown)"


async def test_a_critical_task_that_fails_leaves_outputs_safe_at_once(tmp_path, micropython):
    """Nothing runs between the throw and safe outputs; then the unit starts again and says why,
    to the Central System too, and the transaction goes on."""
    late_ms = []
    async with injected(tmp_path, speed=20) as b:
        inject = Inject(b, tmp_path)
        id = await b.charge()
        for task, ms in (("_limit", None), ("_sessions", None)):
            for n, kind in ((1, "RuntimeError"), (2, "MemoryError"), (3, "OSError")):
                await b.process.until(lambda c: c["contactor"] and c["pilot_mA"])
                before, mark, trace = b.st, b.st.mark(), b.process.mark()
                told, out = await inject.throw((task, n), kind=kind, ms=ms)
                opened = await b.process.traced(
                    "contactor", lambda e: not e["closed"], since=trace
                )
                x1 = await b.process.traced("pilot", lambda e: e["duty_u16"] == X1, since=trace)
                thrown_ms = int(told.split(" at ")[1].split(":")[0])
                late_ms.append(max(opened["ms"], x1["ms"]) - thrown_ms)
                await b.again(before)
                assert not inject.told(out, "the loop goes on"), (task, n, inject.output(out))
                assert inject.told(out, f"{kind}: injected; 20"), inject.output(out)
                assert inject.told(out, f"W the last run: {kind}: injected; 20")
                statuses = b.st.received("StatusNotification", mark)
                info = [p.get("info", "") for p in statuses if p["connectorId"] == 0]
                assert info[0].startswith(f"{kind}: injected; 20") and len(info[0]) == 50, info
                state = await b.process.state()
                assert state["crash"].startswith(f"{kind}: injected; 20")
                assert state["connectors"][0]["transactionId"] == id
        assert b.st.received("StartTransaction")[1:] == []
        forgive(b)
    for task, places in inject.places.items():
        print(f"{task}: {len(places)} places: {places}")
    print(f"{len(late_ms)} throws; simulated ms until outputs are safe: {sorted(late_ms)}")


BROKEN_TICK = """
import os
charges = 0

def sample():
    raise %s("injected")

def local_limit(now_s, station):
    global charges
    charges += station.connectors[0].controller.closed
    if charges == 3 and "broken" not in os.listdir("/"):
        from firmware import start
        open("/broken", "w").close()
        start.unit.outlets[0].line.sample = sample
        print("the tick breaks")
"""


async def test_a_tick_that_fails_opens_the_contactor_at_once(tmp_path):
    """It is a timer's callback: what it raises nobody hears, and the timer would go on."""
    async with Bench(tmp_path, policy=BROKEN_TICK % "RuntimeError") as b:
        before = b.st
        id = await b.charge()
        opened = await b.process.traced("contactor", lambda e: not e["closed"])
        await b.process.traced(
            "pilot", lambda e: e["duty_u16"] == X1 and e["ms"] + 1000 > opened["ms"]
        )
        await b.again(before)
        state = await b.process.state()
        assert state["crash"].startswith("RuntimeError: injected; 20")
        assert state["connectors"][0]["transactionId"] == id
        forgive(b)


SETTINGS = {
    "HeartbeatInterval": 10,
    "WebSocketPingInterval": 10,
    "MeterValueSampleInterval": 10,
    "RetryBackOffWaitMinimum": 1,
    "RetryBackOffRepeatTimes": 0,
    "RetryBackOffRandomRange": 0,
}

OTHERS = (  # (a task, what is thrown first)
    ("_connect", [("_connect", 1)]),
    ("_connect", []),
    ("_open", [("_connect", 1)]),
    ("_network", []),
    ("_talk", []),
    ("_watch", []),
    ("ping", []),
    ("heartbeats", []),
    ("_meter", []),
    ("_cards", []),
)


async def test_any_other_task_that_fails_is_started_again(tmp_path, micropython):
    """Charging goes on, the log says why, and the unit talks again. Throws into what is done when
    the connection is made come second, after one that ends it."""
    async with injected(tmp_path, speed=100, config={"board": "reference_full"}) as b:
        inject = Inject(b, tmp_path)
        await b.keys(**SETTINGS)
        id = await b.charge()
        played = share(OTHERS)
        for task, first in played:
            n = 0
            while n < 2 + len(inject.places.get(task, ())):
                n += 1
                before, trace = b.st, b.process.mark()

                async def again(before=before):
                    # connected anew, without so many awaits
                    return not before.connected and (await b.process.state())["online"]

                told, out = await inject.throw(*first, (task, n), until=first and again)
                print(n, told)
                if told is None:
                    break
                await poll(lambda out=out: inject.told(out, "injected"), WAIT_s, told)
                await alive(b)
                opened = [e for e in b.process.trace("contactor")[trace:] if not e["closed"]]
                assert not opened, told
                c = await b.process.connector()
                assert c["contactor"] and c["pilot_mA"] and c["transactionId"] == id
        forgive(b)
    for task, places in inject.places.items():
        print(f"{task}: {len(places)} places: {places}")
    if "_open" in dict(played):  # (it may find the answer without waiting for it)
        assert len(inject.places["_open"]) >= 2


async def alive(b):
    """The station is connected, or will be, and answers."""

    async def answers():
        b.st = await b.cs.wait_station(ID, WAIT_s)
        with contextlib.suppress(ConnectionError):
            await b.st.call("GetConfiguration", {"key": ["HeartbeatInterval"]})
            return True

    await poll(answers, WAIT_s, "an answer")
