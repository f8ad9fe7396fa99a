"""Outputs over every kind of reset: LEDC and plain outputs go on through all but power-on and
EN."""

import pytest
from station_driver import X1, Bench, duty, own_tree
from vboard_driver import Board, Listener

from host.build import ROOT

CONTACTOR, PILOT = 33, 27  # of board "reference"
SAFE = f"{CONTACTOR} {PILOT}"
OFFER = duty(16000)
CHARGING = f"""
from machine import PWM, Pin
PWM(Pin({CONTACTOR}), freq=5000, duty_u16=65535)
PWM(Pin({PILOT}), freq=1000, duty_u16={OFFER})
"""
# It hangs as soon as energy flows; the next run does not.
HANGS = """
import time
def local_limit(now_s, station):
    from firmware import start
    if not start.last and station.connectors[0].controller.closed:
        print("it hangs")
        while True:
            time.sleep_ms(10)
"""


def safe(c):
    return not c["contactor"] and c["duty_u16"] == 0  # F


async def test_a_hang_is_over_when_boot_py_runs(tmp_path, micropython32):
    options = {"config": {"watchdog_s": 2}, "policy": HANGS, "interpreter": micropython32}
    async with Bench(tmp_path, speed=1, heap="128K", **options) as b:
        before = b.st
        await b.do("plug")
        await b.do("tag TAG")
        await b.process.wait_output("it hangs")
        mark = b.process.mark()
        await b.process.wait_output("the watchdog bites")
        closed = await b.process.traced("contactor", lambda e: not e["closed"], since=mark)
        await b.process.traced("pilot", lambda e: e["duty_u16"] == X1, since=mark)
        trace = b.process.trace()[mark:]
        assert [e["duty_u16"] for e in trace if e["what"] == "pilot"][:2] == [0, X1], trace
        await b.again(before)
        assert "watchdog" in (await b.process.state())["crash"]
        await b.status("Charging")
        print(closed["ms"], "ms: the contactor opens")


# The same, and the tick does not come either, as where C code hangs with interrupts off.
BOARD = """
from .reference import *  # noqa: F403

HEARTBEAT = 19
"""
STOPS = HANGS.replace("        while", "        machine.Timer(0).deinit()\n        while")
STOPS = STOPS.replace("import time", "import machine\nimport time")
WATCHDOG_s = 8


async def test_the_heartbeat_holds_the_contactor_until_no_tick_comes(bench, tmp_path):
    """Long before the watchdog bites. Without a heartbeat it would not even close."""
    tool = own_tree(tmp_path / "tree")
    (tmp_path / "tree/firmware/boards/mine.py").write_text(BOARD)
    b = bench(config={"board": "mine", "watchdog_s": WATCHDOG_s}, policy=STOPS, speed=1)
    b.tool = tool
    async with b:
        before = b.st
        await b.do("plug")
        await b.do("tag TAG")
        await b.process.wait_output("it hangs")
        closed = await b.process.traced("contactor", lambda e: e["closed"])
        opened = await b.process.traced("contactor", lambda e: not e["closed"])
        assert opened["ms"] - closed["ms"] < 1000 * WATCHDOG_s // 2  # (policy.py runs each second)
        await b.process.wait_output("the watchdog bites")
        await b.again(before)
        await b.status("Charging")


# No code at all, nor in a slot, nor in one on trial; a board that there is not.
FOUND = (
    {},
    {"slot": "a"},
    {"slot": "a b 3"},
    {"config.json": '{"board": "none-such"}'},
)


async def put(b, tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        await b.mpremote("cp", str(tmp_path / name), ":" + name)


@pytest.mark.parametrize("files", FOUND)
async def test_safe_where_nothing_can_be_found(tmp_path, files):
    async with Board(tmp_path, "--trace", tmp_path / "trace") as b:
        for name in ("boot.py", "pick.py"):
            await b.mpremote("cp", str(ROOT / name), ":" + name)
        await put(b, tmp_path, {"safe": SAFE, **files})
        await b.mpremote("exec", CHARGING)
        await b.process.until(lambda c: c["contactor"] and c["duty_u16"] == OFFER)
        with Listener(b.port) as line:
            await b.mpremote("exec", "--no-follow", "import machine; machine.reset()")
            await line.until(">>> ")
        await b.process.until(safe)
        assert await b.eval("6 * 7") == "42"  # and it stays so in the REPL
        assert safe((await b.process.command("state"))["connectors"][0])


async def test_only_power_and_en_let_go_of_the_pins(tmp_path):
    """Without boot.py, so that nothing but the chip acts."""
    async with Board(tmp_path, "--trace", tmp_path / "trace") as b:
        await b.mpremote("rm", ":boot.py")
        await b.mpremote("exec", CHARGING)
        for reset in ("machine.reset()", "machine.WDT(timeout=1000)"):
            with Listener(b.port) as line:
                await b.mpremote("exec", "--no-follow", "import machine; " + reset)
                await line.until(">>> ")
            c = (await b.process.command("state"))["connectors"][0]
            assert c["contactor"] and c["duty_u16"] == OFFER, reset
        await b.process.do("reset")  # EN
        await b.process.until(lambda c: not c["contactor"] and c["duty_u16"] == 0)
        # A soft reset stops LEDC, low, if the port has used it since the processor's reset, and
        # leaves a plain output as it is.
        await b.mpremote("exec", CHARGING)
        with Listener(b.port) as line:
            await b.mpremote("exec", "--no-follow", "import machine; machine.reset()")
            await line.until(">>> ")
        await b.mpremote("soft-reset")
        await b.process.until(lambda c: c["contactor"] and c["duty_u16"] == OFFER)
        await b.mpremote("exec", CHARGING)
        await b.mpremote("soft-reset")
        await b.process.until(lambda c: not c["contactor"] and c["duty_u16"] == 0)
        await b.mpremote("exec", f"from machine import Pin; Pin({CONTACTOR}, Pin.OUT, value=1)")
        await b.mpremote("soft-reset")
        await b.process.until(lambda c: c["contactor"])
        await b.process.do("power-cut 0.1")
        await b.process.until(lambda c: not c["contactor"])
