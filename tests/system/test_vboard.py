"""The virtual board and what make does with a board, with real mpremote.

Every target that can run without a chip runs here against tools/vboard.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from statistics import median

import pytest
from littlefs import LittleFS
from station_driver import X1, duty
from vboard_driver import ID, SETTINGS, Board, Listener, Terminal, flash, run, runs

from host import deploy, deploy_file, port, unit_config
from host.board import esptool
from host.build import OPT, PLAIN, ROOT, build, sources
from host.csms import CentralSystem
from host.image import GEOMETRY, put
from host.process import WAIT_s, poll
from host.profile import profile
from host.romfs import build_image, pack

_CTRL_C_s = 0x03030303  # the time of a file: mount tells it as bytes, none of which is a Ctrl-C
VERSION = "Pilotwire 0."  # the firmware's first line begins so
MAIN = """
import time
print("main runs")
try:
    while True:
        time.sleep_ms(10)
finally:
    print("main ends")
"""


# What a serial line and a MicroPython board do


async def test_mpremote_does_everything_that_it_does_with_a_board(tmp_path, rng):
    data = rng.randbytes(5000)
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "program.py").write_text("import os\nprint('ran', 6 * 7)\n")
    os.utime(tmp_path / "program.py", (_CTRL_C_s, _CTRL_C_s))
    async with Board(tmp_path) as b:
        assert await b.eval("6 * 7") == "42"
        assert "boot.py" in await b.mpremote("ls")
        await b.mpremote("mkdir", ":x", "+", "cp", str(tmp_path / "data"), ":x/data")
        assert "Up to date: x/data" in await b.mpremote("cp", str(tmp_path / "data"), ":x/data")
        await b.mpremote("cp", ":x/data", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == data
        assert hashlib.sha256(data).hexdigest() in await b.mpremote("sha256sum", ":x/data")
        assert "data" in await b.mpremote("tree")
        assert "VfsLfs2" in await b.mpremote("df")
        await b.mpremote("rm", "-r", ":x")
        assert await b.eval("__import__('os').listdir('/')") == "['boot.py']"
        assert "ran 42" in await b.mpremote("run", str(tmp_path / "program.py"))
        said = await b.mpremote("mount", str(tmp_path), "exec", "import program")
        assert "ran 42" in said
        assert "ZeroDivisionError" in await b.mpremote("exec", "1 / 0", code=1)
        await b.mpremote("exec", "x = 5")
        assert await b.eval("x") == "5"
        await b.mpremote("soft-reset", resume=False)
        assert await b.eval("'x' in globals()") == "False"
        assert "ROMFS is not enabled" in await b.mpremote("romfs", "query")
        clock = await b.mpremote("rtc", "--set", "+", "rtc")
        assert re.search(r"\(20\d\d, ", clock)


async def test_the_line_is_a_socket_too(tmp_path):
    async with Board(tmp_path, "--tcp", "0") as b:
        name = (await b.process.wait_output("socket://")).removeprefix("vboard: ")
        there = port.Port(name)
        assert await asyncio.to_thread(there.ask, "print(6 * 7)") == 42


async def test_main_runs_stops_and_runs_again(tmp_path):
    (tmp_path / "main.py").write_text(MAIN)
    async with Board(tmp_path) as b:
        await b.mpremote("cp", str(tmp_path / "main.py"), ":main.py")
        with Listener(b.port) as line:
            await b.process.do("reset")
            await line.until("POWERON_RESET")
            await line.until("main runs")
            line.type("\x03")
            await line.until(">>> ")
            assert re.search(r"main ends\r\n.*KeyboardInterrupt: *\r\n", line.text, re.DOTALL)
            line.type("print(6 * 7)\r")
            await line.until("\r\n42\r\n>>> ")
            line.type("\x04")  # a soft reset: main.py runs, for the REPL is the friendly one
            await line.until("MPY: soft reboot\r\nmain runs\r\n")
        # mpremote's soft reset is made in the raw REPL: main.py does not run
        assert await b.mpremote("eval", "1", resume=False) == "1\n"
        with Listener(b.port) as line:
            await b.process.do("power-cut 0.1")
            await line.until("POWERON_RESET")
            await line.until("main runs")


async def test_commands_that_the_firmware_would_have_to_help_with(tmp_path):
    async with Board(tmp_path) as b:
        for command in ("tag A", "speed 2", "gauge"):
            answer = await b.process.command(command)
            assert "not on the virtual board" in answer["error"], answer
        assert "operations" in await b.process.command("flash")


async def test_a_watchdog_cannot_be_stopped(tmp_path):
    """Neither a program that hangs nor Ctrl-D keeps it from biting."""
    async with Board(tmp_path) as b:
        with Listener(b.port) as line:
            line.type("import machine\rw = machine.WDT(timeout=800)\rwhile True: pass\r\r")
            await b.process.wait_output("the watchdog bites")
            await line.until("TG1WDT_SYS_RESET")
            await line.until(">>> ")
            since = len(b.process.output)
            line.type("import machine\rw = machine.WDT(timeout=800)\r\x04")
            await line.until("soft reboot")
            await b.process.wait_output("the watchdog bites", since=since)


async def test_a_board_in_a_chips_time(tmp_path, micropython32):
    """At its REPL: what it computes takes as long as on a chip (docs/hardware.md: 23 to 29 ms; a
    busy PC makes it more, alone it takes less than one), and waiting for keys takes time too."""
    async with Board(tmp_path, "--chip", "esp32", "--interpreter", micropython32) as b:
        with Listener(b.port) as line:

            async def said(code):
                # (typed at the prompt only: what comes while code runs is lost)
                line.type(code + "; print('it is', a, 'now')\r")
                text = await line.until(" now\r\n>>> ")
                return int(text.split("\r\nit is ")[-1].split()[0])

            line.type("\r")
            await line.until(">>> ")
            await said("import machine; from time import *; machine.freq(240000000); a = 0")
            took_us = []
            for _ in range(5):
                took_us.append(await said("a = ticks_us(); sum(range(10000)); a = ticks_us() - a"))
            print(took_us)
            assert 15000 < median(took_us) < 60000, took_us
            assert await said("a = ticks_ms(); sleep_ms(200); a = ticks_ms() - a") >= 200
            since_ms = await said("a = ticks_ms()")
            await b.process.passes(3)  # in the world, and nothing is typed
            assert await said("a = ticks_ms()") - since_ms >= 1500


async def test_mpremote_knows_the_romfs_partition(tmp_path):
    async with Board(tmp_path, "--romfs", tmp_path / "rom") as b:
        assert "786432 bytes (192 blocks" in await b.mpremote("romfs", "query")
        said = await b.mpremote("romfs", "deploy", str(build_image()))
        assert "ROMFS image deployed" in said
    assert (tmp_path / "rom").read_bytes().startswith(build_image().read_bytes())


async def test_make_deploy_with_a_romfs_partition(tmp_path, rng):
    """The first image goes into the first half, the next into the other; one that is cut off
    changes nothing."""
    other = build(tmp_path / "o3", 3)
    async with Board(tmp_path, "--romfs", tmp_path / "rom") as b:

        async def runs_from():
            with Listener(b.port) as line:
                await b.process.do("reset")
                # (pressed before the deploy's own reset was done, it can end in maintenance)
                if "Maintenance" in await line.either(VERSION, "the next reset."):
                    await b.process.do("reset")
                    await line.until(VERSION)
            return await b.eval("__import__('firmware.safe').safe.__file__")

        await b.make("config", URL=SETTINGS["url"], ID=ID)
        said = []
        await asyncio.to_thread(deploy.deploy, port.Port(b.port), other, said.append)
        assert f"sending o3.romfs ({pack(other).stat().st_size} B)" in said
        assert await runs_from() == "/rom/firmware/safe.mpy"
        assert await cut_deploy(b, None, rng.randrange(1, 60), kill=False)
        assert await runs_from() == "/rom/firmware/safe.mpy"
        said = await Deploy(b).end()
        assert "slot rom2 runs from the next start on" in said
        assert await runs_from() == "/rom2/firmware/safe.mpy"
        assert "new.romfs" not in await b.mpremote("ls")
        assert "up to date" in await Deploy(b).end()


# From a bare board to a charge point


async def central_system():
    cs = CentralSystem()
    await cs.start()
    return cs


async def test_from_a_bare_board_to_a_limit_that_survives_a_power_cut(tmp_path):
    cs = await central_system()
    async with Board(tmp_path) as b:
        # what is missing is said, and what to do
        said = await b.make("doctor", code=1)
        assert "BAD   there is no firmware on the board, or it is broken: make deploy" in said
        assert "BAD   config.json: there is none: make config" in said
        said = await b.make("config", code=1, URL="http://127.0.0.1", ID=ID)
        assert "config.json: url: " in said
        said = await b.make("config", SSID="Home", WIFI_PASSWORD="12345678", URL=cs.url, ID=ID)
        assert "12345678" not in said
        assert "written; the board restarts" in said
        said = await b.make("deploy")
        assert f"slot a: {build_image().stat().st_size} B to send\n" in said

        st = await cs.wait_station(ID, WAIT_s)
        await st.expect("StatusNotification", lambda p: p["connectorId"] == 1, WAIT_s)
        limit = profile(1, "Max", {0: 16})
        answer = await st.call(
            "SetChargingProfile", {"connectorId": 0, "csChargingProfiles": limit}
        )
        assert answer == {"status": "Accepted"}
        await b.process.do("plug")
        await st.call("RemoteStartTransaction", {"connectorId": 1, "idTag": "TAG"})
        await b.process.traced("pilot", lambda e: e["duty_u16"] == duty(16000))
        await b.process.until(lambda c: c["contactor"] and c["ev_mA"][0] > 15000)

        mark = b.process.mark()
        await b.process.do("power-cut 0.2")
        again = await cs.wait_station(ID, WAIT_s, after=st)
        await again.expect("BootNotification", None, WAIT_s)
        await b.process.traced("pilot", lambda e: e["duty_u16"] == duty(16000), since=mark)
        lines = [e for e in b.process.trace()[mark:] if e["what"] == "pilot"]
        offers = {e["duty_u16"] for e in lines} - {0, X1}
        assert offers == {duty(16000)}, "nothing else on the way there"
        await b.process.until(lambda c: c["contactor"] and c["ev_mA"][0] > 15000)

        # whoever stops the firmware stops the charging
        assert await b.eval("1") == "1"
        await b.process.until(lambda c: not c["contactor"] and c["duty_u16"] == X1)
    await cs.stop()


async def test_make_image(tmp_path):
    """The file for esptool is a flash that boots; what it prints names it. Nothing is to be
    deployed then, and the doctor finds nothing, until the Central System has gone."""
    cs = await central_system()
    words = [f"URL={cs.url}", f"ID={ID}", "SSID=Home", "WIFI_PASSWORD=12345678"]
    done = await run("make", "-s", "image", *words)
    assert done.returncode == 0, done.stdout
    assert "write-flash 0x200000 build/pilotwire.img" in done.stdout
    shutil.copy(ROOT / "build/pilotwire.img", tmp_path / "flash.img")
    async with Board(tmp_path) as b:
        st = await cs.wait_station(ID, WAIT_s)
        await st.expect("BootNotification", None, WAIT_s)
        assert "up to date" in await b.make("deploy")
        again = await cs.wait_station(ID, WAIT_s, after=st)
        await again.expect("BootNotification", None, WAIT_s)
        said = await b.make("doctor")
        assert "ok    firmware: slot a, this build" in said
        assert re.search(r"ok    pilot of connector 1: 1[12]\.\d V", said), said
        assert "ok    Wi-Fi: Home" in said
        assert f"it takes {ID}" in said
        await cs.stop()
        said = await b.make("doctor", code=1)
        assert re.search("BAD   Central System 127.0.0.1:[0-9]+: no connection", said), said
        assert said.count("BAD") == 1, said


async def test_backup_and_logs(tmp_path):
    flash(tmp_path)
    async with Board(tmp_path) as b:
        await b.mpremote("exec", MAKE_PROFILE)
        said = await b.make("backup")
        folder = ROOT / re.search(r"cd (\S+) &&", said)[1]
        files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        config = json.loads((folder / "config.json").read_text())
        shutil.rmtree(folder)
        assert files >= {"config.json", "profiles/0-1-0"}
        assert not [name for name in files if name.endswith((".mpy", ".py"))]
        assert config == SETTINGS
        # it only listens: it goes on until somebody ends it
        person = Terminal("make", "-s", "logs", f"PORT={b.port}")

        for _ in range(5):  # (it says nothing before it listens)
            await b.process.do("reset")
            with contextlib.suppress(AssertionError):
                await person.until(VERSION, 3)
                break
        assert VERSION in person.text
        await person.interrupted()


MAKE_PROFILE = """
import os
try:
    os.mkdir("/profiles")
except OSError:
    pass
open("/profiles/0-1-0", "w").close()
"""


async def test_make_repl_is_the_console_while_the_firmware_runs(tmp_path):
    flash(tmp_path)
    async with Board(tmp_path) as b:
        with Listener(b.port) as line:
            await line.until(VERSION)
        person = Terminal("make", "-s", "repl", f"PORT={b.port}")
        await person.until("Use Ctrl-] ")
        person.type("status\r")
        await person.until("connector 1: Available")
        person.type("\x03")
        await person.until("Stopped, contactors are open")
        await person.until("\r\n>>> ")
        person.type("\x1d")
        assert await person.ended() == 0


async def test_a_person_at_a_terminal(tmp_path):
    """make repl, and make config that asks."""
    async with Board(tmp_path) as b:
        person = Terminal("make", "-s", "repl", f"PORT={b.port}")
        await person.until("Use Ctrl-] ")
        person.type("print(6 * 7)\r")
        await person.until("42\r\n>>> ")
        person.type("\x1d")
        assert await person.ended() == 0

        person = Terminal("make", "-s", "config", f"PORT={b.port}")
        answers = ("Home", "secretsecret", "ws://10.0.0.1:9000/ocpp", "CP 1", "", "", "")
        for (_, question), answer in zip(unit_config.ASKED, answers, strict=True):
            await person.until(question)
            assert "secret" not in person.text
            person.type(answer + "\n")
        await person.until("written; the board restarts")
        assert await person.ended() == 0
        values = {"ssid": "Home", "wifi_password": "secretsecret", "id": "CP 1"}
        wanted = {**values, "url": "ws://10.0.0.1:9000/ocpp"}
        assert await asyncio.to_thread(unit_config.read, port.Port(b.port)) == wanted
        # one value changes, the others stay; an empty one goes
        await b.make("config", SET="max_mA=16000 wifi_password=", ID="0815")
        values = await asyncio.to_thread(unit_config.read, port.Port(b.port))
        del wanted["wifi_password"]
        assert values == {**wanted, "id": "0815", "max_mA": 16000}


# Other ways onto a board


def test_manifest_names_what_there_is():
    """What it freezes; freezing itself needs a compiler for the chip and was never tried."""
    found = []

    def package(name, base_path=".", opt=0):
        assert opt == OPT
        found.extend((ROOT / base_path / name).rglob("*.py"))

    names = {"package": package, "metadata": lambda **k: None, "include": lambda path: None}
    exec((ROOT / "manifest.py").read_text(), names)
    wanted = [path for name, path in sources().items() if name not in PLAIN]
    assert sorted(found) == sorted(path for path in wanted if path.suffix == ".py")


# Interrupted deploys


def other_build(folder):
    """A build in which one module and boot.py are others."""
    tree = folder / "other"
    shutil.copytree(build(), tree)
    (tree / "firmware/log.mpy").write_bytes(
        (tree / "firmware/log.mpy").read_bytes().replace(b"%d %s %s", b"%d_%s_%s")
    )
    (tree / "boot.py").write_text((tree / "boot.py").read_text() + "# another\n")
    assert pack(tree).read_bytes() != build_image().read_bytes()
    return tree


async def boots(b, trees):
    """The board comes up with the firmware, and all of it is of one of `trees`; -> that one.

    Whoever killed a deploy may have pressed EN just when it began to start for maintenance: then
    it says so, and that the next reset will do."""
    for _ in range(2):
        with Listener(b.port) as line:
            await b.process.do("reset")
            text = await line.either(VERSION, "It starts at the next reset")
        if VERSION in text:
            break
    assert VERSION in text
    there = port.Port(b.port)

    def look():
        words = there.ask(deploy.STATE)[2]
        return words, there.ask(deploy_file.SUM % f"/{words[0]}.rom")

    words, digest = await asyncio.to_thread(look)
    for tree in trees:
        if digest == hashlib.sha256(pack(tree).read_bytes()).hexdigest():
            return tree, words
    raise AssertionError(f"slot {words} is neither")


class Deploy:
    """A deploy as a process, with its mpremote in one process group, that can be killed."""

    def __init__(self, b, tree=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "host.deploy", b.port, *([str(tree)] if tree else [])],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tools")}, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        )  # fmt: skip

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        said, _ = self.process.communicate()
        return said

    async def end(self):
        said, _ = await asyncio.to_thread(self.process.communicate)
        assert self.process.returncode == 0, said
        return said


async def flash_ops(b):
    return (await b.process.command("flash"))["operations"]


async def cut_deploy(b, tree, at, kill):
    """A deploy of `tree` that the power (or, kill, the person) cuts at flash operation `at`;
    -> True if it came so far."""
    since, before = len(b.process.output), await flash_ops(b)
    if not kill:
        assert await b.process.command(f"power-cut-at {at} 17 0") == {"ok": True}
    going = Deploy(b, tree)

    async def cut():
        if kill:
            return await flash_ops(b) >= before + at or going.process.poll() is not None
        fails = [line for line in b.process.output[since:] if "power fails" in line]
        return fails or going.process.poll() is not None

    await poll(cut, WAIT_s, "the cut, or the end of the deploy")
    ended = going.process.poll() is not None
    going.kill()
    return not ended


async def test_what_make_does_with_a_board_is_no_try_of_new_code(tmp_path):
    """A slot on trial without a Central System stays through any number of doctors and configs and
    presses on EN. Power that is cut does count, and the doctor says what was given up and why."""
    new = other_build(tmp_path)
    flash(tmp_path)
    async with Board(tmp_path) as b:
        with Listener(b.port) as line:
            await line.until(VERSION)
        await Deploy(b, new).end()
        for number in range(2):
            said = await b.make("doctor", code=1)
            assert "note  slot b is on trial: 3 more starts may fail, then it is slot a" in said
            assert "A Central System that accepts it ends the trial" in said
            await b.make("config", SET=f"max_mA={16000 + number}")
            await runs(b)  # (before that nobody knows whether it is a press or the power)
            with Listener(b.port) as line:
                await b.process.do("reset")
                await line.until(VERSION)
        assert (await boots(b, [new]))[1][:2] == ["b", "a"]
        for left in ("2", "1", "0"):
            with Listener(b.port) as line:
                await b.process.do("power-cut 0")
                await line.until(f"slot b is on trial, after it a: {left} more starts may fail")
                await line.until(VERSION)
        told = "slot b was given up, it is a again: the power went off"
        with Listener(b.port) as line:
            await b.process.do("power-cut 0")
            await line.until(told)
            await line.until("the last run: " + told)
        said = await b.make("doctor", code=1)
        assert " firmware: slot a" in said
        assert "note  " + told in said and "on trial" not in said


DEPLOY_OPS = 2200  # flash operations of a deploy, and some more


async def test_a_deploy_may_be_cut_anywhere(tmp_path, rng):
    """Power cuts at random flash operations, killed mpremotes: the board boots the old code or the
    new code, all of it. PILOTWIRE_CUTS is how many of each (2 without it)."""
    cuts = int(os.environ.get("PILOTWIRE_CUTS", 2))
    trees = [build(), other_build(tmp_path)]
    flash(tmp_path)
    seen = []
    async with Board(tmp_path) as b:
        tree, _ = await boots(b, trees)
        for kill in [False] * cuts + [True] * cuts:
            new = trees[1 - trees.index(tree)]
            at = rng.randrange(1, DEPLOY_OPS)
            came = await cut_deploy(b, new, at, kill)
            after, words = await boots(b, trees)
            seen.append((kill, at, came, after is new, words))
            print(seen[-1])
            tree = after
        new = trees[1 - trees.index(tree)]
        await Deploy(b, new).end()
        assert (await boots(b, trees))[0] is new
    assert [came for _, _, came, _, _ in seen if came], seen


async def test_a_unit_with_a_folder_of_an_earlier_build(tmp_path):
    """One deploy puts the image into the other slot; the folder is what it falls back to. It goes
    when that is emptied for the next."""
    tree, fs = build(), LittleFS(block_size=4096, block_count=512, **GEOMETRY)
    for path in tree.rglob("*.mpy"):
        name = "a/" + path.relative_to(tree).as_posix()
        fs.makedirs(os.path.dirname(name), exist_ok=True)
        put(fs, name, path.read_bytes())
    for name in ("pick.py", "boot.py", "main.py"):
        put(fs, name, (tree / name).read_bytes())
    put(fs, "config.json", json.dumps(SETTINGS).encode())
    put(fs, "slot", b"a")
    (tmp_path / "flash.img").write_bytes(bytes(fs.context.buffer))
    async with Board(tmp_path) as b:
        await runs(b)
        said = await Deploy(b).end()
        assert f"slot b: {build_image().stat().st_size} B to send\n/romfile.py\n" in said
        _, words = await boots(b, [tree])
        assert words[:2] == ["b", "a"] and words[2] in ("2", "3"), words
        # (deploy has restarted it, and may have come as far as to count that)
        for left in range(int(words[2]))[::-1]:
            with Listener(b.port) as line:
                await b.process.do("power-cut 0")
                await line.until(f"slot b is on trial, after it a: {left} more starts may fail")
                await line.until(VERSION)
        with Listener(b.port) as line:
            await b.process.do("power-cut 0")
            await line.until("slot b was given up, it is a again: the power went off")
            await line.until(VERSION)
        new = other_build(tmp_path)
        for name in ("b", "a"):
            said = await Deploy(b, new if name == "b" else None).end()
            assert f"slot {name} runs from the next start on" in said
        assert (await boots(b, [tree]))[1][:2] == ["a", "b"]
        assert await b.eval("__import__('os').stat('/a')[0]") == str(0x4000)
        assert "a.rom" in await b.mpremote("ls")


async def test_the_first_deploy_may_be_cut_too(tmp_path, rng):
    """On a board without code: there is the REPL, and the next deploy is as good as the first."""
    tree = build()
    async with Board(tmp_path) as b:
        assert await cut_deploy(b, tree, rng.randrange(1, 1500), kill=False)
        with Listener(b.port) as line:
            await b.process.do("reset")
            await line.until(">>> ")
        await Deploy(b, tree).end()
        with Listener(b.port) as line:
            await b.process.do("reset")
            await line.until("config.json: there is none")


async def test_a_deploy_that_does_not_fit_changes_nothing(tmp_path):
    """The flash is full: one line says so, and the unit runs what it ran."""
    trees = [build(), other_build(tmp_path)]
    flash(tmp_path)
    async with Board(tmp_path) as b:
        await b.mpremote("exec", FILL)
        going = Deploy(b, trees[1])
        said, _ = await asyncio.to_thread(going.process.communicate)
        assert going.process.returncode == 1
        assert "the board's flash is full" in said.splitlines()[-1], said
        assert (await boots(b, trees))[0] is trees[0]
        assert "b.rom" not in await b.mpremote("ls")


FILL = """
import os
n = 0
try:
    while True:
        with open("/big%d" % n, "wb") as f:
            for i in range(64):
                f.write(bytes(1024))
        n += 1
except OSError:
    os.remove("/big%d" % n)
"""


# What is said when something is wrong


def test_a_port_without_permission(tmp_path, monkeypatch):
    (tmp_path / "tty").touch()
    monkeypatch.setattr(os, "access", lambda *words: False)
    with pytest.raises(port.PortError, match="no permission"):
        port.Port(str(tmp_path / "tty"))


async def test_esptool_is_not_let_loose_on_what_is_no_chip(tmp_path):
    (tmp_path / "tty").touch()
    with pytest.raises(port.PortError, match="esptool needs the serial port of a real chip"):
        esptool(port.Port(str(tmp_path / "tty")), "erase-flash")
    done = await run("make", "-s", "micropython", f"PORT={tmp_path}/tty", "IMAGE=")
    assert "no IMAGE: download a .bin" in done.stdout
    (tmp_path / "image").write_bytes(b"PK")
    done = await run(
        "make", "-s", "micropython", f"PORT={tmp_path}/tty", f"IMAGE={tmp_path}/image"
    )
    assert "is no image for an ESP32" in done.stdout
    done = await run(sys.executable, "-m", "esptool", "version")
    assert "5.6.0" in done.stdout


def test_the_messages_in_troubleshooting_are_real():
    """Every message that docs/troubleshooting.md has in the first column is in the code, or is one
    of MicroPython's or of the chip's."""
    theirs = ("ImportError: no module named 'firmware'", "ValueError: incompatible .mpy file",
        "MemoryError", "TG1WDT_SYS_RESET", "WiFi Out of Memory", "HTTP 400")  # fmt: skip
    tops = "firmware/**/*.py", "lib/**/*.py", "*.py", "tools/host/*.py"
    sources = [path for top in tops for path in ROOT.glob(top)]
    # (texts that go over several lines of code)
    code = re.sub(r'"\s*f?"', "", "".join(path.read_text() for path in sources))
    for line in (ROOT / "docs/troubleshooting.md").read_text().splitlines():
        if line.startswith("|"):
            for message in re.findall("`([^`]+)`", line.split("|")[1]):
                assert message in theirs or message in code or message == "SAFE MODE: ", message
