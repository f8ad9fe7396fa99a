"""tools/station's interface: options, control port, state, trace, and how it ends."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from station_driver import (
    CONNECTOR,
    STATE,
    X1,
    Bench,
    assert_orderly,
    draws,
    duties,
    run_tool,
    utc,
)

from host.build import ROOT
from host.csms import CentralSystem, parse_time
from host.process import TOOL, WAIT_s
from host.profile import profile
from host.station.arguments import arguments

NUMBER = (int,)
TYPES = {
    "id": NUMBER,
    "cp": (str,),
    "status": (str,),
    "severity": (int, type(None)),
    "transactionId": (int, type(None)),
    "idTag": (str, type(None)),
    "limit_mA": (int, type(None)),
    "limit_by": (dict, type(None)),
    "pilot_mA": NUMBER,
    "duty_u16": NUMBER,
    "contactor": (bool,),
    "ev_mA": (list,),
    "energy_Wh": NUMBER,
}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def check_state(state, connectors=1):
    """The shape of `state` in issue 2."""
    assert STATE <= set(state)
    assert ISO.fullmatch(state["t"])
    assert type(state["online"]) is bool
    assert state["boot"] in (None, "Accepted", "Pending", "Rejected")
    assert [c["id"] for c in state["connectors"]] == list(range(1, connectors + 1))
    for c in state["connectors"]:
        assert set(c) >= CONNECTOR
        for key, types in TYPES.items():
            assert type(c[key]) in types, (key, c[key])
        assert c["cp"] in tuple("ABCDEF")
        assert len(c["ev_mA"]) == 3
        assert all(type(mA) is int for mA in c["ev_mA"])
        check_limit(c)
    for key in ("alloc", "free"):
        assert type(state["heap"][key]) is int and state["heap"][key] > 0


def check_limit(c):
    by = c["limit_by"]
    assert (by is None) == (c["limit_mA"] is None)
    if by is None:
        return
    profiles = ("TxProfile", "TxDefaultProfile", "ChargePointMaxProfile")
    if by["source"] in profiles:
        assert set(by) == {"source", "profile", "stackLevel", "until"}
    else:
        assert set(by) == {"source", "until"}
    assert by["until"] is None or ISO.fullmatch(by["until"])


# Options


GOOD_URL = "--url ws://127.0.0.1:1/ocpp"
BAD_OPTIONS = (
    ("", "--url is needed"),
    (GOOD_URL, "--id is needed"),
    *(
        (f"--id CP1 --url {url}", "--url")
        for url in ("http://127.0.0.1/ocpp", "ws://", "ws://127.0.0.1:99999/x", "ws://127.0.0.1:x/")
    ),
    (GOOD_URL + " --id=", "--id"),
    (GOOD_URL + " --id CP1 --control any", "--control: any is not a whole number"),
    *(
        (f"{GOOD_URL} --id CP1 {words}", words.split()[0])
        for words in (
            "--connectors 0", "--connectors 5", "--connectors two", "--speed 0", "--speed fast",
            "--heap lots", "--control 70000", "--control -1", "--config /nowhere/config.json",
            "--colour red", "surplus",
        )
    ),
    (f"{GOOD_URL} --id CP1 --interpreter /nowhere/micropython", "no MicroPython at"),
)  # fmt: skip


def test_bad_option(capsys):
    """One clear line, and an exit code that is not 0."""
    for words, text in BAD_OPTIONS:
        with pytest.raises(SystemExit) as ended:
            arguments(words.split())
        said = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2 and len(said) == 1 and text in said[0], (words, said)
    for words, text in (
        ("--flash /nowhere/flash", "/nowhere/flash"),
        ("--flash /tmp", "not a flash image"),
        ("--trace /nowhere/trace", "/nowhere/trace"),
    ):
        code, lines = run_tool(*GOOD_URL.split(), "--id", "CP1", *words.split())
        assert code == 1 and len(lines) == 1 and text in lines[0], lines


def test_bad_config(tmp_path):
    """(Every field: tests/unit/mp_config.py.)"""
    path = tmp_path / "config.json"
    for config, text in (
        ("{", "--config"),
        ("[]", "an object is expected"),
        ('{"url": ["ws://h/", "http://h/"], "id": "A"}', "http://h/ is not ws://"),
        ('{"url": "ws://h/", "id": "A", "connectors": "2"}', "1 to 4"),
        ('{"url": "ws://h/", "id": "A", "board": "nonesuch"}', "board nonesuch"),
        (
            '{"url": "ws://h/", "id": "A", "board": "reference_full", "connectors": 2}',
            "connectors: reference_full has 1",
        ),
        ('{"url": "ws://h/", "id": "A", "colour": "red"}', "colour: no such field"),
    ):
        path.write_text(config)
        code, lines = run_tool("--config", path)
        assert code != 0
        assert [line for line in lines if text in line], lines
        assert not [line for line in lines if "Traceback" in line]


def test_bad_flash(tmp_path):
    path = tmp_path / "flash"
    for size in (1000, 4096, 65537):
        path.write_bytes(bytes(size))
        code, lines = run_tool("--url", "ws://h/", "--id", "A", "--flash", path)
        assert code == 1 and len(lines) == 1 and "not a flash image" in lines[0]
        assert path.stat().st_size == size  # untouched


GOOD = (ROOT / "firmware/boards/reference.py").read_text()
START = """
import pathlib, sys
from host.station import __main__, arguments
arguments.ROOT = pathlib.Path(sys.argv.pop(1))
__main__.main()
"""


@pytest.mark.parametrize(
    "text, says",
    [
        ("CONNECTORS = [", ", line 1: '[' was never closed"),
        (GOOD + "\nX = Y\n", "NameError: name 'Y' is not defined"),
        (GOOD.replace("CONNECTORS", "KONNECTORS"), "board mine: CONNECTORS is missing"),
        (GOOD + "\nMAX_mA = 5\n", "board mine: MAX_mA: "),
        (GOOD + "\nCONNECTORS = 5\n", "mine"),
        (GOOD + "\nimport nowhere\n", "No module named 'nowhere'"),
    ],
)
def test_bad_board(tmp_path, text, says):
    """A file of one's own, with a mistake: a line that names it."""
    boards = tmp_path / "firmware/boards"
    boards.mkdir(parents=True)
    (tmp_path / "firmware/check_board.py").symlink_to(ROOT / "firmware/check_board.py")
    (boards / "mine.py").write_text(text)
    (tmp_path / "config.json").write_text('{"board": "mine"}')
    done = subprocess.run(
        [sys.executable, "-c", START, tmp_path, "--url", "ws://h/", "--id", "A", "--config",
         tmp_path / "config.json", "--interpreter", "/bin/true"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        capture_output=True, text=True, timeout=WAIT_s,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("station: "), done.stderr
    assert says in done.stderr


def test_console_with_stdin_closed():
    done = subprocess.run(
        ["/bin/sh", "-c", f"{TOOL} --url ws://h/ --id A --console <&-"],
        env={**os.environ, "PILOTWIRE_PYTHON": sys.executable},
        capture_output=True, text=True, timeout=WAIT_s,
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done
    assert "--console: nothing can be typed, for stdin is closed" in done.stderr


@pytest.mark.parametrize("what", ["", "help\n", "pipe"])
async def test_console_where_the_input_ends(micropython, tmp_path, what):
    """Of a file, /dev/null or a pipe: what is in it is typed, then the station goes on."""
    path = tmp_path / "typed"
    path.write_text("help\n" if what == "pipe" else what)
    command = f"cat {path} | {TOOL} $@" if what == "pipe" else f"{TOOL} $@ < {path}"
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command if what else f"{TOOL} $@ < /dev/null", "sh",
        *("--url", "ws://127.0.0.1:1/", "--id", "A", "--console", "--control", "0"),
        env={**os.environ, "PILOTWIRE_PYTHON": sys.executable},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    lines, port = [], None
    try:
        wanted = {"the input has ended", "ECONNREFUSED"} | (
            {"clear [connector]"} if what else set()
        )
        while wanted:
            line = (await asyncio.wait_for(process.stdout.readline(), WAIT_s)).decode()
            assert line, lines
            lines.append(line)
            wanted = {text for text in wanted if text not in line}
            if "control on 127.0.0.1:" in line:
                port = int(line.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"quit\n")
        assert json.loads(await reader.readline()) == {"ok": True}
        writer.close()
        rest = await asyncio.wait_for(process.stdout.read(), WAIT_s)
        assert await process.wait() == 0
        assert b"Traceback" not in rest and "Traceback" not in "".join(lines)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_a_fault_that_the_board_does_not_see(bench):
    async with bench() as b:
        for name, part in (
            ("interlock", "interlock"),
            ("residual-broken", "residual"),
            ("warm", "ntc"),
        ):
            note = f"board reference has no {part} and sees nothing"
            assert await b.process.command("fault " + name) == {"ok": True, "note": note}
            assert await b.process.command("clear " + name) == {"ok": True}
        for name in ("meter-lost", "phase-loss", "diode-short"):
            assert await b.process.command("fault " + name) == {"ok": True}
            await b.do("clear " + name)


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, lines = run_tool("--url", "ws://h/", "--id", "A", "--control", port)
    assert code == 1
    assert len(lines) == 1 and "in use" in lines[0]


def test_help():
    code, lines = run_tool("--help")
    assert code == 0
    words = "--url --id --password --flash --connectors --interpreter --heap --control --trace"
    words += " --speed --config plug unplug ready pause tag fault power-cut quit"
    assert [word for word in words.split() if word not in "\n".join(lines)] == []


def test_the_version_is_said_everywhere():
    version = re.search('VERSION = "(.+)"', (ROOT / "firmware/version.py").read_text())[1]
    assert run_tool("--version") == (0, [f"Pilotwire {version}"])
    # (make test runs this, and a make below another one says first where it is)
    make = "make", "--no-print-directory", "help"
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"Pilotwire {version}, ")


async def test_one_flash_is_for_one_station(bench, tmp_path):
    async with bench() as b:
        code, lines = await asyncio.to_thread(
            run_tool, "--url", b.cs.url, "--id", "B", "--flash", b.options["flash"]
        )
        assert code == 1 and len(lines) == 1 and "another station" in lines[0]


async def test_config_password_and_options_first(bench, tmp_path):
    """--config is the unit's config.json; what stands on the command line comes first."""
    config = tmp_path / "config.json"
    unit = {"url": "ws://nowhere/", "id": "OTHER", "password": "secret", "serial": "S/N 1",
            "vendor": "Vendor", "model": "Model", "max_mA": 20000, "connectors": 2}  # fmt: skip
    config.write_text(json.dumps(unit))
    b = bench(config=config, connectors=1, boot=False)
    b.cs.credentials = {"CP1": "secret"}
    async with b:
        await b.booted()
        assert b.st.boot["chargePointVendor"] == "Vendor"
        assert b.st.boot["chargePointModel"] == "Model"
        assert b.st.boot["chargePointSerialNumber"] == "S/N 1"
        await b.charge()
        await b.pilot(20000)


async def test_id_is_a_path_element(bench, tmp_path):
    """An identity with characters that a URL cannot have is percent-encoded (OCPP-J 3.1.1)."""
    cs = CentralSystem(log=print)
    await cs.start()
    b = Bench(tmp_path, id="RDAM 12/3é", boot=False, url=cs.url)
    try:
        async with b:
            await cs.wait_station("RDAM 12/3é", 10)
    finally:
        await cs.stop()


# The control port


@pytest.mark.parametrize("connectors", [1, 4])
async def test_state_shape(bench, connectors):
    async with bench(connectors=connectors) as b:
        n = connectors
        await b.process.until(lambda c: c["duty_u16"] == X1, n)  # (the pilot tests itself once)
        state = await b.process.state()
        check_state(state, n)
        assert state["online"] is True and state["boot"] == "Accepted"
        assert abs((parse_time(state["t"]) - utc()).total_seconds()) < 60
        free = {
            "id": n, "cp": "A", "status": "Available", "transactionId": None, "idTag": None,
            "limit_mA": None, "limit_by": None, "pilot_mA": 0, "duty_u16": X1,
            "contactor": False, "ev_mA": [0, 0, 0],
        }  # fmt: skip
        await b.process.until(lambda c: c["energy_Wh"] == 1000, n)
        assert state["connectors"][n - 1] | free == state["connectors"][n - 1]
        id = await b.charge("ABC", n)
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3, n)
        state = await b.process.state()
        check_state(state, n)
        busy = {
            "id": n, "cp": "C", "status": "Charging", "transactionId": id, "idTag": "ABC",
            "limit_mA": None, "limit_by": None, "pilot_mA": 32000, "duty_u16": 34952,
            "contactor": True, "ev_mA": [16000, 16000, 16000],
        }  # fmt: skip
        assert state["connectors"][n - 1] | busy == state["connectors"][n - 1]
        for i in range(n - 1):
            assert state["connectors"][i] | free | {"id": i + 1} == state["connectors"][i]
        until = utc(86400)
        await b.set_profile(profile(3, "Default", {0: 13}, level=2, validTo=until), n)
        await b.pilot(13000, n)
        await b.process.until(lambda c: c["ev_mA"] == draws(13000), n)
        state = await b.process.state()
        check_state(state, n)
        c = state["connectors"][n - 1]
        assert (c["limit_mA"], c["pilot_mA"], c["duty_u16"]) == (13000, 13000, 14199)
        by = {"source": "TxDefaultProfile", "profile": 3, "stackLevel": 2}
        assert c["limit_by"] == by | {"until": until.strftime("%Y-%m-%dT%H:%M:%SZ")}


async def test_commands(bench):
    """Each command does what it says; `plug` brings a car that wants to charge."""
    async with bench(connectors=2) as b:
        p = b.process
        await b.do("plug")
        await p.until(lambda c: c["cp"] == "B")
        assert (await p.connector(2))["cp"] == "A"
        await b.do("ev max_mA=10000 phases=1 1")
        await b.do("tag A")
        await b.status("Charging")
        await p.until(lambda c: c["ev_mA"] == [10000, 0, 0])
        since = b.st.mark()
        await b.do("pause")
        await b.status("SuspendedEV", since=since)
        await p.until(lambda c: (c["cp"], c["contactor"]) == ("B", False))
        since = b.st.mark()
        await b.do("ready 1")
        await b.status("Charging", since=since)
        since = b.st.mark()
        await b.do("ev phases=3")
        await b.do("ev max_mA=7000")
        await p.until(lambda c: c["ev_mA"] == [7000] * 3)
        await b.do("fault diode-short")
        await b.status("Faulted", since=since)
        await b.do("clear diode-short")
        await b.do("unplug 1")
        await p.until(lambda c: c["cp"] == "A")
        assert (await p.command("help"))["help"]
        await b.do("quit")
        assert await p.ended() == 0


MISTAKES = (
    ("", "no command"),
    ("fly", "no such command"),
    ("PLUG", "no such command"),
    ("plug 0", "connector 0: there are 1 to 2"),
    ("plug 3", "connector 3: there are 1 to 2"),
    ("plug -1", "connector -1"),
    ("plug one", "connector one"),
    ("plug 1 2", "too many words"),
    ("unplug 5", "connector 5"),
    ("ready", "no car is plugged in"),
    ("pause 2", "no car is plugged in"),
    ("tag", "tag IDTAG"),
    ("tag ''", "tag IDTAG"),
    ("tag 123456789012345678901", "1 to 20 characters"),
    ("tag A 3", "connector 3"),
    ("tag A B C", "too many words"),
    ("ev", "ev max_mA"),
    ("ev max_mA=-1", "ev max_mA"),
    ("ev max_mA=90000", "ev max_mA"),
    ("ev max_mA=ten", "ev max_mA"),
    ("ev phases=4", "ev max_mA"),
    ("ev colour=red", "ev max_mA"),
    ("ev phases=1 3", "connector 3"),
    ("fault", "NAME is one of"),
    ("fault flat-tyre", "NAME is one of"),
    ("fault pilot-short 9", "connector 9"),
    ("clear", "NAME is one of"),
    ("clear flat-tyre", "NAME is one of"),
    ("power-cut soon", "0 to 86400"),
    ("power-cut -1", "0 to 86400"),
    ("power-cut nan", "0 to 86400"),
    ("power-cut 1 2", "too many words"),
    ("state 1", "too many words"),
    ("dim", "dim on|off|chatter"),
    ("dim on", "board wall has no contact DIM"),
    ("quit now", "too many words"),
    ('tag "A', "No closing quotation"),
    ("plug ²", "connector ²"),
    ("x" * 70000, ""),
)


def test_mistakes_on_the_control_port(two):
    for command, text in MISTAKES:
        answer = two(command)
        assert list(answer) == ["error"] and text in answer["error"], (command, answer)
        assert "\n" not in answer["error"], command
        assert two("state")["connectors"][0]["cp"] == "A", command


@pytest.fixture
def two(tmp_path):
    """A function that gives a command to a station of two connectors that nobody answers."""
    with subprocess.Popen(
        [ROOT / "tools/station", "--url", "ws://127.0.0.1:1/ocpp", "--id", "A", "--control", "0",
         "--connectors", "2", "--trace", tmp_path / "trace"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            lines = [process.stdout.readline()]
            port = int(re.search(r"control on 127\.0\.0\.1:(\d+)", lines[0])[1])

            def command(text):
                with socket.create_connection(("127.0.0.1", port), 10) as s:
                    s.sendall(text.encode() + b"\n")
                    return json.loads(s.makefile().readline())

            yield command
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(b"\xff\xfe\nstate\n")
                answers = s.makefile()
                assert "UTF-8" in json.loads(answers.readline())["error"]
                check_state(json.loads(answers.readline()), 2)
            with socket.create_connection(("127.0.0.1", port), 10):  # and one that says nothing
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=WAIT_s)
            assert process.returncode == 0
            assert_orderly(lines + output.splitlines())
        finally:
            process.kill()


async def test_state_without_power(bench):
    """All keys are there; the board knows nothing, the wall can be seen."""
    async with bench() as b:
        await b.charge()
        await b.do("power-cut 3600")
        state = await b.process.state()
        assert STATE <= set(state) and set(state["connectors"][0]) == CONNECTOR
        assert state["online"] is False and state["boot"] is None
        c = await b.process.until(lambda c: not c["contactor"])
        assert c["ev_mA"] == [0, 0, 0] and c["duty_u16"] == 0
        assert "power is off" in (await b.process.command("tag A"))["error"]
        await b.do("unplug")
        await b.do("power-cut 0")  # sooner than was said
        await b.process.wait_output("power returns")
        await b.booted(since=b.st.mark())


# The trace


async def test_trace(bench):
    async with bench() as b:
        p = b.process
        await b.charge()
        await p.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.set_profile(profile(1, "Default", {0: 10}))
        await b.pilot(10000)
        await p.until(lambda c: c["ev_mA"] == draws(10000))
        await b.finish()
        lines = p.trace()
        for e in lines:
            assert list(e)[:4] == ["t", "ms", "connector", "what"]
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["t"])
            assert type(e["ms"]) is int and e["connector"] == 1
        assert [e["ms"] for e in lines] == sorted(e["ms"] for e in lines)
        assert duties(p) == [X1, 34952, 10922, X1]
        assert [(e["closed"], e["load_mA"]) for e in p.trace("contactor")] == [
            (True, 0),
            (False, 0),
        ]
        limits = [(e["limit_mA"], e["limit_by"]) for e in p.trace("limit")]
        by = {"source": "TxDefaultProfile", "profile": 1, "stackLevel": 0, "until": None}
        assert limits == [(None, None), (10000, by)]
        states = [e["state"] for e in p.trace("car")]
        assert [s for s, before in zip(states, [""] + states, strict=False) if s != before] == [
            *"ABCBA"
        ]
        settled = [e["ev_mA"] for e in p.trace("car")]
        assert [16000] * 3 in settled and draws(10000) in settled


# The end


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, "quit", "twice"])
async def test_end_with_outputs_safe(bench, tmp_path, signum):
    """Exit 0; X1 and the contactor opens, then the chip has no power."""
    async with bench() as b:
        p = b.process
        await b.charge()
        await p.until(lambda c: c["ev_mA"] == [16000] * 3)
        if signum == "quit":
            await b.do("quit")
            code = await p.ended()
        elif signum == "twice":
            p.process.send_signal(signal.SIGINT)
            p.process.send_signal(signal.SIGINT)
            code = await p.ended()
        else:
            code = await p.stop(signum)
        assert code == 0
        assert_orderly(p.output)
        lines = p.trace()
        assert [e["closed"] for e in lines if e["what"] == "contactor"] == [True, False]
        assert [e["duty_u16"] for e in lines if e["what"] == "pilot"][-2:] == [X1, 0]
        assert [e["ev_mA"] for e in lines if e["what"] == "car"][-1] == [0, 0, 0]
        leftovers = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
        assert leftovers.stdout == ""


async def test_escort(bench):
    """Simulated time waits for who escorts it, however late that comes; then it goes on alone."""
    async with bench(speed=1000) as b:
        before = (await b.process.command("escort 5"))["ms"]
        first, deadline = before, time.monotonic() + WAIT_s
        while before < first + 60000:  # (alone it would take 0.06 s)
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
            now = (await b.process.command("escort 5"))["ms"]
            assert before <= now <= before + 5000
            before = now
        # Nobody comes any more: it does not wait for ever, and the watchdog has not bitten.
        since = len(b.process.output)
        await b.process.until(lambda c: c["status"] == "Available")
        assert not [line for line in b.process.output[since:] if "watchdog" in line]
        assert "error" in await b.process.command("escort 0")


async def test_what_cannot_be_pulled(bench):
    """A fixed cable has one end; of a socket what is plugged."""
    async with bench() as b:
        for command in ("plug ev", "plug station", "unplug ev", "unplug station 1"):
            answer = await b.process.command(command)
            assert answer == {"error": "connector 1: its cable is fixed, it has no socket"}
    async with bench(config={"board": "reference_full"}, heap="300K") as b:
        for end, where in (("ev", "car"), ("station", "socket")):
            answer = await b.process.command(f"unplug {end}")
            assert answer == {"error": f"connector 1: no plug is in the {where}"}
