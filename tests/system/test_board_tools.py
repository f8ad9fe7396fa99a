"""What make does with a board when something is wrong: every target, every mistake. One line says
what it is and what to do, the exit code tells, and the board is left as it was: what ran runs."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import time

import pytest
from station_driver import share
from vboard_driver import ID, SETTINGS, Board, Listener, Terminal, flash, run, runs

from host import port, unit_config
from host.build import ROOT, build
from host.process import WAIT_s, poll

ON_A_LINE = ("config", "doctor", "deploy", "backup", "repl", "logs")
TARGETS = (*ON_A_LINE, "erase", "micropython")
# Doctor has asked all: nobody listens there, and perhaps a pilot that a reset has just let go of.
WHOLE = "1 to mend; the board restarts", "2 to mend; the board restarts"
LONG_s = 60  # for a target to end, whatever has happened to the board


def lines(done):
    """What a target has said, without make's own last word."""
    return [line for line in done.stdout.splitlines() if line and not line.startswith("make: ***")]


def one_line(done, target, text):
    """It has failed, with one line that says so."""
    assert done.returncode, done.stdout
    assert "Traceback" not in done.stdout
    said = lines(done)
    assert said and said[-1].startswith(f"{target}: ") and text in said[-1], done.stdout
    return said


async def make(target, **variables):
    return await run("make", "-s", target, *[f"{k}={v}" for k, v in variables.items()])


def words(target):
    """What a target wants to be told besides the port."""
    return {"config": {"SET": "max_mA=16000"}}.get(target, {})


# Before there is a board


async def test_no_port_and_a_wrong_port(tmp_path):
    for target in TARGETS:
        done = await make(target, PORT="")
        assert len(one_line(done, target, "no PORT: say make ... PORT=")) == 1
        done = await make(target, PORT=tmp_path / "tty")
        assert len(one_line(done, target, "there is no such port: is the board plugged in")) == 1


@contextlib.contextmanager
def nobody():
    """The master of a line with nobody at its end, and its name."""
    master, slave = pty.openpty()
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("target", ON_A_LINE[:4])
async def test_a_port_where_nothing_answers(target):
    """(logs and repl have to wait for what may come.)"""
    with nobody() as (_, name):
        began = time.monotonic()
        done = await make(target, PORT=name, **words(target))
        one_line(done, target, "nothing answers as MicroPython does")
        assert time.monotonic() - began < LONG_s


@pytest.mark.parametrize(
    "variables, text",
    [
        ({"URL": "http://x/y"}, "url: ws:// or wss://"),
        ({"URL": "ws://"}, "url: ws:// is not ws://HOST:PORT/PATH"),
        ({"URL": "ws://x:99999/y"}, "is not ws://HOST:PORT/PATH"),
        ({"WIFI_PASSWORD": "short"}, "wifi_password: 8 to 63 characters, 64 hex digits, or none"),
        ({"WIFI_PASSWORD": "x" * 64}, "wifi_password: 8 to 63 characters"),
        ({"ID": "x" * 49}, "id: 1 to 48 characters"),
        ({"BOARD": "nosuch"}, "board: there is no nosuch"),
        ({"SET": "max_mA=lots"}, "max_mA: a whole number is expected"),
        ({"SET": "nosuch=1"}, "nosuch: no such field"),
        ({"SET": "max_mA"}, "max_mA: FIELD=VALUE is expected"),
        ({"FILE": "/nosuch.json"}, "/nosuch.json: "),
    ],
)
async def test_values_that_cannot_be(variables, text, tmp_path):
    """Said before the board is touched: there is none here. The image says the same."""
    with nobody() as (master, name):
        done = await make("config", PORT=name, **variables)
        assert len(one_line(done, "config", text)) == 1
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
    one_line(await make("image", **{"URL": SETTINGS["url"], "ID": ID, **variables}), "image", text)


async def test_a_place_that_is_none():
    for text in ("OFFSET=zz", "OFFSET=100", "OFFSET=-4096", "OFFSET=1.5", "SIZE=4M", "SIZE=0x"):
        name, value = text.split("=")
        done = await make("image", **{name: value})
        wanted = f"{text}: whole blocks of 4096 bytes are expected, as 0x200000"
        assert lines(done) == [f"image: {wanted}"]


class AnEsp32:
    """The port of a chip that the virtual board is not."""

    borrowed = contextlib.nullcontext

    def ask(self, code):
        here = "(name='micropython', _machine='Generic ESP32 module with ESP32', _mpy=11014)"
        return here if code == unit_config.HERE else json.dumps(SETTINGS)

    def put(self, data, path):
        self.config = json.loads(data)


def test_the_map_of_another_chip_is_not_written():
    """It would start by driving its pilot: on an ESP32 that pin is the flash's, and stops it."""
    chip = AnEsp32()
    with pytest.raises(unit_config.ConfigError, match="it is for an ESP32S3, this is an ESP32$"):
        unit_config.configure(chip, ["board=ee_minimal_s3"])
    assert not hasattr(chip, "config")
    unit_config.configure(chip, ["board=ee_minimal"])
    assert chip.config == {**SETTINGS, "board": "ee_minimal"}


# With a board


async def test_values_arrive_as_they_were_typed(tmp_path):
    """Neither make nor a shell changes them."""
    odd = "a$$b'c\"d $HOME $(HOME) `id` \\ #;&|* \u00e4"
    flash(tmp_path)
    async with Board(tmp_path) as b:
        more = 'vendor=My "Box" model=it\'s$$1 max_mA=16000 networks=[{"ssid": "a b $x"}]'
        said = await b.make("config", KEY=odd, WIFI_PASSWORD=odd[:40], SSID="it's $$1", SET=more)
        assert odd not in said
        values = await asyncio.to_thread(unit_config.read, port.Port(b.port))
        wanted = {"password": odd, "wifi_password": odd[:40], "ssid": "it's $$1"}
        wanted.update(vendor='My "Box"', model="it's$$1", networks=[{"ssid": "a b $x"}])
        assert values == {**SETTINGS, **wanted, "max_mA": 16000}


async def test_somebody_else_has_the_port(tmp_path):
    flash(tmp_path)
    async with Board(tmp_path) as b:
        await runs(b)
        fd = os.open(b.port, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            for target in ON_A_LINE:
                done = await make(target, PORT=b.port, **words(target))
                text = "cannot be opened: does another program (mpremote, a term"
                assert len(one_line(done, target, text)) == 1
        finally:
            os.close(fd)
        await runs(b)


STUBBORN = """
while True:
    try:
        print("busy")
        __import__("time").sleep_ms(5)
    except KeyboardInterrupt:
        pass
"""


async def test_a_program_that_does_not_let_go(tmp_path):
    """It prints and prints, and takes no Ctrl-C."""
    (tmp_path / "main.py").write_text(STUBBORN)
    async with Board(tmp_path) as b:
        await b.mpremote("cp", str(tmp_path / "main.py"), ":main.py")
        await b.process.do("reset")
        for target in ("doctor", "config"):
            done = await make(target, PORT=b.port, **words(target))
            one_line(done, target, "nothing answers as MicroPython does")


async def test_a_board_that_somebody_has_stopped(tmp_path):
    """It works as with one that runs, and starts it."""
    flash(tmp_path)
    async with Board(tmp_path) as b:
        with Listener(b.port) as line:
            await line.until("Pilotwire 0.")
            line.type("\x03")
            await line.until(">>> ")
            line.type("import os\r")
            await line.until(">>> ")
        await b.make("config", SET="max_mA=16000")
        await runs(b)


async def test_a_value_that_the_board_refuses_leaves_it_running(tmp_path):
    """Each of the two is good; together they are not."""
    flash(tmp_path, ip="10.0.0.9", gateway="10.0.0.1")
    async with Board(tmp_path) as b:
        await runs(b)
        done = await make("config", PORT=b.port, SET="gateway=")
        one_line(done, "config", "gateway: is missing, ip wants it")
        await runs(b)


# In the middle


def other_build(folder):
    tree = folder / "other"
    shutil.copytree(build(), tree)
    for path in (tree / "firmware").glob("*.mpy"):
        path.write_bytes(path.read_bytes() + b"\0")
    return tree


def command(target, b, folder):
    """A target as a person gives it, with something to do for it."""
    if target == "deploy":
        python = [ROOT / ".venv/bin/python", "-m", "host.deploy", b.port, other_build(folder)]
        return ["env", f"PYTHONPATH={ROOT / 'tools'}", *python]
    more = [f"{k}={v}" for k, v in words(target).items()]
    return ["make", "-s", target, f"PORT={b.port}", *more]


HAPPENS = {
    # what happens to the board, and what is said
    "reset": ("reset", r"the board restarted in the middle|stopped answering"),
    "a dip": ("power-cut 0", r"the board restarted in the middle|stopped answering"),
    "no power": ("power-cut 3000", r"the board has stopped answering: has it power\?"),
}


MIDDLE = [
    (target, what)
    for turn, target in enumerate(("deploy", "backup", "doctor", "config"))
    for what in share(HAPPENS, turn)
]


@pytest.mark.parametrize("target, what", MIDDLE)
async def test_in_the_middle(target, what, tmp_path):
    """EN is pressed, the power dips or goes for good while a target is at it. Where it comes too
    late, or so early that it finds the board again, the target has done its work."""
    flash(tmp_path)
    happens, text = HAPPENS[what]
    async with Board(tmp_path) as b:
        await runs(b)
        going = asyncio.create_task(run(*command(target, b, tmp_path)))
        await poll(lambda: stopped(b), WAIT_s, "it has come so far")
        before = (await b.process.command("flash"))["operations"]
        if target == "deploy":
            await poll(lambda: written(b, before + 200), WAIT_s, "the deploy writes")
        await b.process.do(happens)
        began = time.monotonic()
        done = await going
        assert time.monotonic() - began < LONG_s
        assert "Traceback" not in done.stdout
        if done.returncode and lines(done)[-1] not in WHOLE:
            assert re.search(f"{text}|the board does not answer|nothing answers", done.stdout)
            assert lines(done)[-1].startswith(f"{target}: "), done.stdout
        if what != "no power":
            await runs(b)


@pytest.mark.parametrize("target", ["repl", "logs"])
async def test_the_plug_is_pulled_while_somebody_looks(target, tmp_path):
    flash(tmp_path)
    async with Board(tmp_path) as b:
        await runs(b)
        person = Terminal("make", "-s", target, f"PORT={b.port}")
        if target == "repl":
            await person.until("Use Ctrl-] ")
        else:
            await poll(lambda: heard(b, person, "Pilotwire 0."), WAIT_s, "the start of the board")
        await b.process.do("quit")
        await b.process.process.wait()
        assert await person.ended()
        assert re.search(f"{target}: /dev/.*: the line to the board was cut: plug it", person.text)
        assert "Traceback" not in person.text


async def stopped(b):
    return (await b.process.command("line"))["repl"]


async def written(b, at):
    return (await b.process.command("flash"))["operations"] >= at


async def test_the_plug_is_pulled_in_the_middle(tmp_path):
    """The port itself goes."""
    flash(tmp_path)
    async with Board(tmp_path) as b:
        await runs(b)
        going = asyncio.create_task(run("make", "-s", "doctor", f"PORT={b.port}"))
        await poll(lambda: stopped(b), WAIT_s, "it has come so far")
        await b.process.do("quit")
        await b.process.process.wait()
        done = await going
        one_line(done, "doctor", "the line to the board was cut: plug it in again")


async def test_another_thing_answers_between_two_looks(tmp_path):
    """At the same name; or the board has lost its firmware, or hangs."""
    async with Board(tmp_path) as b:
        line = port.Port(b.port)
        assert await asyncio.to_thread(line.ask, "print(1)") == 1
        mute = pty.openpty()
        line.name = os.ttyname(mute[1])
        with pytest.raises(port.PortError, match="stopped answering: has it power"):
            await asyncio.to_thread(line.ask, "print(1)", 1)
        for end in mute:
            os.close(end)


async def test_what_was_typed_while_it_started_is_in_nobodys_way():
    """mpremote had asked for raw paste when the board restarted, and nothing had read that when
    Ctrl-C came: its REPL waits for the end of what is pasted, until the next Ctrl-C."""
    board, line = pty.openpty()
    os.set_blocking(board, False)
    typed = b""

    async def until(end):
        def come():
            nonlocal typed
            with contextlib.suppress(BlockingIOError):
                typed += os.read(board, 4096)
            return end in typed

        await poll(come, WAIT_s, repr(end))

    asked = asyncio.create_task(asyncio.to_thread(port.Port(os.ttyname(line)).ask, "print(1)", 20))
    await until(b"\x03\r\x01")
    typed = b""
    os.write(board, b"\r\n=== \r\n=== ")
    await until(b"\x03\r\x01")
    os.write(board, b"raw REPL; CTRL-B to exit\r\n>")
    await until(b"\x05A\x01")
    os.write(board, b"R\x00")
    await until(b"print(1)\x04")
    os.write(board, b"OK1\r\n\x04\x04>")
    assert await asked == 1
    for end in board, line:
        os.close(end)


# Ctrl-C

STAGES = [  # target, what it has said when somebody presses Ctrl-C, what is said then
    ("doctor", "", ""),
    ("doctor", "ok    MicroPython", "the board restarts"),
    ("doctor", "pilot", "the board restarts"),
    ("deploy", "restarting in maintenance mode", "the board restarts"),
    ("deploy", "B to send", "the board restarts"),
    ("backup", "", ""),
    ("config", "Central System", "nothing was written"),
    ("config", "chargePointId", "nothing was written"),
    ("config", "", ""),
    ("logs", "Pilotwire 0.", ""),
]


@pytest.mark.parametrize("target, at, text", STAGES)
async def test_ctrl_c(target, at, text, tmp_path, rng):
    """Somewhere, or at a certain point: no traceback, and what ran runs."""
    flash(tmp_path, max_mA=16000)
    async with Board(tmp_path) as b:
        await runs(b)
        asks = [] if target != "config" else ["make", "-s", target, f"PORT={b.port}"]
        person = Terminal(*(asks or command(target, b, tmp_path)))
        if target == "logs":
            await poll(lambda: heard(b, person, at), WAIT_s, "the start of the board")
        elif target == "config" and at:
            for number, (_, question) in enumerate(unit_config.ASKED):
                await person.until(question)
                if at in question:
                    break
                person.type(("Home", "secretsecret", "http://x", "")[number] + "\n")
                if number == 2:  # that it is none is said at once
                    await person.until("url: ws:// or wss://")
                    await person.until(question)
                    person.type(SETTINGS["url"] + "\n")
        elif at:
            await person.until(at)
        else:
            await poll(lambda: stopped(b), WAIT_s, "it has begun")
            await asyncio.sleep(rng.uniform(0, 1.5))
        since = person.text
        code = await person.interrupted()
        said = since + person.text
        assert "Traceback" not in said, said
        if text:
            assert code, said
            assert f"{target}: stopped by Ctrl-C; {text}" in said
        await runs(b)
        there = await asyncio.to_thread(unit_config.read, port.Port(b.port))
        assert there == {**SETTINGS, "max_mA": 16000}


async def heard(b, person, text):
    await b.process.do("reset")
    with contextlib.suppress(AssertionError):
        await person.until(text, 3)
        return True
    return False


# What is left behind


async def test_mip_does_not_touch_the_code_that_runs(tmp_path):
    flash(tmp_path)
    async with Board(tmp_path) as b:
        await b.mpremote("mip", "install", str(ROOT / "lib/uwebsockets/package.json"))
        assert "uwebsockets" in await b.mpremote("ls", ":/lib")
        assert await b.eval("__import__('uwebsockets').__name__") == "uwebsockets"
        assert "up to date" in await b.make("deploy")


async def test_a_backup_is_put_back_as_it_says(tmp_path):
    """The command that it prints is one that works."""
    flash(tmp_path, max_mA=16000)
    async with Board(tmp_path) as b:
        said = await b.make("backup")
        command = re.search("put back with: (.*)", said)[1]
        folder = ROOT / re.search(r"cd (\S+) &&", command)[1]
        try:
            await b.make("config", SET="max_mA=20000")
            done = await run("env", "-i", "PATH=/usr/bin:/bin", "HOME=/", "sh", "-c", command)
            assert done.returncode == 0, done.stdout
            await runs(b)
            values = json.loads((folder / "config.json").read_text())
            assert await asyncio.to_thread(unit_config.read, port.Port(b.port)) == values
        finally:
            shutil.rmtree(folder)
        assert values["max_mA"] == 16000


NO_WIFI = (
    ("locked", r"202: it refuses the password \(-60 dBm\): make config WIFI_PASSWORD"),
    ("15", "15: it refuses the password"),
    ("off", "201: it is not in sight"),
    ("no-dhcp", r"1001: it gives no address \(DHCP\)"),
    ("211", "211: it wants another security"),
    ("203", r"203: it is there \(-60 dBm\) and does not let it in"),
)


async def test_why_there_is_no_wifi(tmp_path):
    flash(tmp_path, ssid="Home", wifi_password="not this one")
    async with Board(tmp_path) as b:
        for state, text in share(NO_WIFI):
            await b.process.do(f"wifi Home {state}")
            said = await b.make("doctor", code=1)
            assert re.search("BAD   Wi-Fi: Home not joined, status " + text, said), said


async def test_why_there_is_no_tls(tmp_path):
    """What the unit itself would say of its certificates."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    flash(tmp_path, url=f"wss://127.0.0.1:{number}/ocpp", password="0123456789abcdef")
    async with Board(tmp_path) as b:
        said = await b.make("doctor", code=1)
        assert f"BAD   Central System 127.0.0.1:{number}: no CA: SecurityProfile 2" in said
    server.close()


def test_whatever_a_restart_breaks_off_is_told_as_one():
    for text in (
        "the board restarted in the middle",
        "unexpected read during raw paste: b'e'",  # the first byte of the boot loader
        "could not complete raw paste: b'ets'",
        "timeout waiting for first EOF reception",
        "could not exec command (response: b'et')",
    ):
        assert port.explain(f"mpremote: {text}\n") == port.RESTARTED
