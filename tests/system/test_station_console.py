"""The console of the firmware: what a person types on the serial line while the charger runs."""

import asyncio
import contextlib
import json
import os
import pty
import re
import sys
from datetime import timedelta

import pytest
from console_driver import Console
from station_driver import ESP32_HEAP, ID, TAG, X1, duty
from vboard_driver import Terminal

from bench.station import firmware_bytes
from host.process import TOOL, WAIT_s, poll
from host.profile import profile
from host.station.terminal import open_terminal

# The names that the commands add to the table, on first use (docs/console.md).
MOST_NAMES, MOST_BYTES = 40, 700
SECRETS = "0123456789abcdef0123456789abcdef", "wifi secret", "link secret", "home secret"


@pytest.fixture
def console(bench):
    @contextlib.asynccontextmanager
    async def make(**options):
        async with bench(**options) as b:
            yield b, Console(b)

    return make


async def test_what_is(console):
    async with console() as (b, say):
        said = await say("status")
        assert said[0] == f"Pilotwire 0.1.0 on board reference, id {ID}"
        assert re.fullmatch(r"its time is \S+Z, it has run for 0 d 0:\d\d:\d\d", said[1])
        assert said[2:5] == [
            "Wi-Fi: config.json names no network",
            "Central System: connected, ocpp1.6, boot Accepted",
            "0 profiles, nothing waits to be told",
        ]
        assert said[5] == "connector 1: Available, state A, pilot 0 A, contactor open"
        assert said[6].startswith("  meter 1000 Wh, 0 W, 0 0 0 A")
        assert await say("session") == ["connector 1: no transaction"]
        assert await say("profiles") == ["no charging profile is installed"]
        assert (await say("limit"))[0] == "connector 1: no limit but the hardware's 32 A"
        assert (await say("journal"))[0] == "0 transactions, 0 bytes of samples in 0 files"
        number = await b.charge()
        await b.set_profile(profile(5, "Default", {0: 16, 3600: 8}, level=3), 0)
        await b.set_profile(profile(6, "Max", {0: 20}, level=1), 0)
        await b.pilot(16000)
        said = await say("status 1")
        assert "connector 1: Charging, state C, pilot 16 A, contactor closed" in said
        said = await say("session")
        assert said[0] == f"connector 1: transaction {number} (number 1 here), tag {TAG}"
        assert re.fullmatch(r"  since \S+Z, \d+ s; \d+ Wh", said[1])
        said = await say("journal")
        assert said[0].startswith(f"transaction 1: connector 1, tag {TAG}, its id is {number}, ")


async def test_what_is_without_a_central_system(console):
    async with console(boot=False, url="ws://127.0.0.1:1/") as (b, say):
        await b.process.wait_output("ECONNREFUSED")
        said = await say("status")
        assert ", which is wrong: nobody has set the clock, it has run for 0 d " in said[1]
        assert said[3] == "Central System: not connected"
        assert re.fullmatch(r"  1985-\S+Z: .*ECONNREFUSED.*", said[4])
        assert (await say("limit"))[-1] == "the time is not known: what needs it is at its lowest"


async def test_status_tells_the_network(console):
    """Which one, address and strength; without one what it looks for; and how long it has run."""
    async with console(config={"ssid": "Home", "networks": [{"ssid": "Yard"}]}, speed=500) as (
        b,
        say,
    ):
        assert "Wi-Fi: Home, address 127.0.0.1, -60 dBm" in await say("status")

        async def seconds():
            (text,) = [t for t in await say("status") if "it has run for" in t]
            d, h, m, s = map(int, re.search(r"(\d+) d (\d+):(\d+):(\d+)$", text).groups())
            return ((d * 24 + h) * 60 + m) * 60 + s

        first, began = await seconds(), await b.now()
        await b.process.passes(700)
        gone = (await b.now() - began).total_seconds()
        assert 0.9 * gone - 5 <= await seconds() - first
        for ssid in ("Home", "Yard"):
            await b.do(f"wifi {ssid} off")
        look = "Wi-Fi: not in a network; it looks for Home, Yard (the log says why not)"

        async def lost():
            return look in await say("status")

        await poll(lost, WAIT_s, look)
        await b.do("wifi Yard on")


async def test_limit_profiles_and_composite_schedule(console):
    async with console() as (b, say):
        await b.charge()
        now = await b.now()
        start = now - timedelta(seconds=now.timestamp() % 60)
        await b.set_profile(profile(5, "Default", {0: 16, 7200: 8.5}, level=3,
                                    kind="Absolute", startSchedule=start), 0)  # fmt: skip
        await b.set_profile(profile(6, "Max", {0: 20}, level=1), 0)
        await b.pilot(16000)
        change = (start + timedelta(seconds=7200)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert await say("limit") == [
            "connector 1: 16 A by TxDefaultProfile, id 5, stackLevel 3",
            "  without that: 20 A by ChargePointMaxProfile, id 6, stackLevel 1",
            "    Hardware       32 A",
            "  * Profiles       16 A",
            f"  profiles: 8.5 A from {change} on",
            "  offered now: 16 A, pilot 16 A; a transaction runs",
        ]
        said = await say("profiles")
        assert len(said) == 3 and said[1].split()[:4] == ["*", "0", "3", "TxDefaultProfile"]
        assert said[2].split() == (
            "0 1 ChargePointMaxProfile 6 Absolute 1 in A since always".split()
        )
        answer = await b.composite(14400)
        said = await say("composite 1 14400")
        assert re.fullmatch(r"connector 1 from \S+Z for 14400 s, amperes per phase", said[0])
        rows = [text.split() for text in said[1:]]
        assert [float(row[1]) for row in rows] == [limit for _, limit in answer] == [16, 8.5]
        assert rows[1][0] == change
        assert [len(row[2]) for row in rows] == [40, 21]
        said = await say("composite 1 600 w")
        assert said[0].endswith("watts in all") and said[1].split()[1] == "11040"
        said = await say("composite 0")
        assert said[0].startswith("connector 0 from")
        # What was asked for does not change what is in force.
        await b.pilot(16000)
        await b.clear()
        steps = {900 * k: 6 + k % 26 for k in range(96)}
        await b.set_profile(profile(1, "Default", steps, kind="Recurring", recurrencyKind="Daily",
                                    startSchedule="2026-01-01T00:00:00Z"), 0)  # fmt: skip
        said = await say("composite 1 80000")
        assert len(said) == len(await b.composite(80000)) + 1 >= 89
        said = await say("composite 1 200000")
        assert len(said) == 98 and said[-1] == "it ends here: a schedule has at most 96 periods"


async def test_help_and_config(console):
    """Every command has its line; config shows what the Central System is told, and changes what
    that could."""
    async with console() as (b, say):
        said = await say("help")
        names = {text.split()[0] for text in said if text.startswith("  ")}
        assert names >= set(
            "status session limit profiles composite faults clear config journal log heap tasks"
            " bench pilot contactor reset >>>".split()
        )
        assert await say("?") == said
        conf = await b.st.call("GetConfiguration", {})
        want = {}
        for key in conf["configurationKey"]:
            mark = "  (read-only)" if key["readonly"] else ""
            want[key["key"]] = key.get("value", "(not shown)") + mark
        said = await say("config")
        keys = dict(text.split(" = ", 1) for text in said if not text.startswith("config.json "))
        assert {name: keys[name] for name in want} == want
        assert all("." in name for name in keys.keys() - want.keys())  # (what only 2.0.1 has)
        said = await say("config MeterValueSampleInterval 77")
        assert said == [
            "Accepted: in force from now on", "MeterValueSampleInterval = 77  (0 to 86400)"
        ]  # fmt: skip
        ask = {"key": ["MeterValueSampleInterval"]}
        (value,) = (await b.st.call("GetConfiguration", ask))["configurationKey"]
        assert value["value"] == "77"


READ_ONLY = "Rejected: a field of config.json, which make config changes; here it is read-only"
STAYS = "Rejected: it stays as it was"
MAX_mA = "config.json max_mA = 32000, the default  (6000 to 80000; read-only)"
RESUME = "config.json resume = True, the default  (true or false; read-only)"
NO_SUCH = ": no such key, of OCPP or of config.json; config shows all that there are"
SECRET = "32 to 40 hexadecimal digits, or a colon and then 16 to 40 letters, digits and *-_=:+@."
SOME = "measurands of docs/configuration.md, at most 12"
ROTATIONS = "RST or 0.RST,1.STR ..., at most 5"
NO_SUCH_COMMAND = ": no such command; "
NOT_ON_BENCH = ": connector 1: in bench mode only; see bench on"
MISTAKES = (
    ("PROFLIES", "proflies" + NO_SUCH_COMMAND + "did you mean profiles?"),
    ("x" * 300, "x" * 100 + NO_SUCH_COMMAND + "try help"),
    ("limit 2", "limit: connector 2: there are 1 to 1"),
    ("limit one", "limit: connector one: there are 1 to 1"),
    ("limit 1 2", "limit: it is used as: limit [connector]"),
    ("profiles all", "profiles: it is used as: profiles"),
    ("composite 7", "composite: connector 7: there are 0 to 1"),
    ("composite 1 0", "composite: duration_s: 1 to 316224000"),
    ("composite 1 x", "composite: duration_s: 1 to 316224000"),
    ("composite 1 60 V", "composite: it is in A or in W"),
    ("log loud", "log: it is used as: log [error|warning|info|debug] [follow]"),
    ("reset now", "reset: it is used as: reset [hard]"),
    ("bench", "bench: it is used as: bench on|off [connector]"),
    ("bench maybe", "bench: say on or off"),
    ("bench off", "connector 1: not in bench mode"),
    ("pilot 16", "pilot" + NOT_ON_BENCH),
    ("contactor on", "contactor" + NOT_ON_BENCH),
    ("config max_mA 3", READ_ONLY, MAX_mA),
    ("config max_mA", MAX_mA),
    ("config id CP2", READ_ONLY, f"config.json id = {ID}  (1 to 48 characters; read-only)"),
    ("config resume no", READ_ONLY, RESUME),
    ("config wifi_password", "config.json wifi_password = , the default  (*; read-only)"),
    ("config HeartbeatInterval 0", STAYS, "HeartbeatInterval = *  (1 to 86400)"),
    ("config HeartbeatInterval soon", STAYS, "HeartbeatInterval = *  (1 to 86400)"),
    ("config LocalPreAuthorize yes", STAYS, "LocalPreAuthorize = false  (true or false)"),
    ("config StopTxnSampledData SoC", STAYS, f"StopTxnSampledData =   ({SOME})"),
    ("config ConnectorPhaseRotation X", STAYS, f"ConnectorPhaseRotation = Unknown  ({ROTATIONS})"),
    ("config AuthorizationKey abc", STAYS, f"AuthorizationKey = *  ({SECRET})"),
    ("config SecurityProfile 7", STAYS, "SecurityProfile = 0  (0 to 3)"),
    ("config NumberOfConnectors 3", STAYS, "NumberOfConnectors = 1  (read-only)"),
    ("config Nothing 3", "Nothing" + NO_SUCH),
    ("config Nothing", "Nothing" + NO_SUCH),
    ("config a b c", "config: it is used as: config [key] [value]"),
    ("contactor maybe", "contactor: *"),
    ("plug", "plug: no such command; *"),
)


async def test_every_mistake_gets_a_line_that_says_what_is_right(console):
    async with console() as (b, say):
        for line, *wanted in MISTAKES:
            said = await say(line)
            patterns = [re.escape(text).replace(r"\*", ".+") for text in wanted]
            assert len(said) == len(patterns), (line, said)
            for text, pattern in zip(said, patterns, strict=True):
                assert re.fullmatch(pattern, text), (line, text)


async def test_secrets_are_not_shown(console):
    networks = [{"ssid": "Home", "password": SECRETS[3]}, {"ssid": "Yard"}]
    fields = {"wifi_password": SECRETS[1], "password": SECRETS[2], "networks": networks}
    async with console(config=fields) as (b, say):
        said = await say("config")
        assert "config.json wifi_password = (not shown)  (read-only)" in said
        assert "config.json password = (not shown)  (read-only)" in said
        assert "config.json networks = ['Home', 'Yard']  (read-only)" in said
        before, mark = b.st, b.st.mark()
        # A change has the effect that it has when the Central System makes it: the link is new.
        said = await say("config AuthorizationKey " + SECRETS[0])
        assert said == [
            "Accepted: in force from now on",
            f"AuthorizationKey = (not shown)  ({SECRET})",
        ]
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        await b.booted(mark)
        said = await say("config") + await say("log") + await say("config AuthorizationKey")
        assert not [text for text in said for secret in SECRETS if secret in text]


async def test_faults_and_clearing_them(console):
    async with console(config={"board": "reference_full"}, heap="300K", speed=20) as (b, say):
        said = await say("faults")
        assert said[0] == "connector 1: no fault" and "  Residual " in said[1] + said[2] + said[3]
        await b.charge()
        await b.do("fault residual")
        await b.status("Faulted")
        c = await b.process.connector()
        assert (c["fault"], c["severity"], c["pilot_mA"]) == ("ResidualCurrent", 0, 0)
        said = await say("faults 1")
        assert said[0] == "connector 1: ResidualCurrent, severity 0"
        assert "when a person says so: the button, or clear 1" in said[1]
        not_now = "connector 1: not with a car, a welded contactor or a sensor that has tripped"
        assert await say("clear") == [not_now]
        assert (await say("bench on"))[0].startswith("bench: connector 1: a car is connected")
        await b.do("clear residual")
        await b.do("unplug")
        await b.process.until(lambda c: c["cp"] == "A")
        since = b.st.mark()
        cleared = "connector 1: faults that waited for a person are cleared"
        assert await say("clear") == [cleared]
        await b.status("Available", since=since)


async def test_bench_mode(console):
    async with console() as (b, say):
        assert (await say("bench on"))[0] == "for 300 s: connector 1 is out of service"
        await b.status("Unavailable")
        assert (await say("pilot 5")) == ["pilot: say 6 to 80 amperes, or off"]
        assert (await say("pilot 16")) == [
            "connector 1: from the next tick on the pilot is at the duty of 16 A"
        ]
        await b.process.until(lambda c: c["duty_u16"] == duty(16000))
        await say("pilot 52")
        await b.process.until(lambda c: c["duty_u16"] == duty(51000))
        await say("contactor on")
        assert await b.process.until(lambda c: c["contactor"])
        await b.process.traced("contactor", lambda e: e["closed"])
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=1)
        await say("contactor off")
        await b.process.until(lambda c: not c["contactor"])
        await say("pilot off")
        await b.process.until(lambda c: c["duty_u16"] == X1)
        await say("pilot 32")
        await say("contactor on")
        await b.process.until(lambda c: c["contactor"])
        # A car: safe at the first tick that knows of it.
        since = b.process.mark()
        await b.do("plug")
        await b.process.wait_output("bench mode has ended: a car is there")
        opened = await b.process.traced("contactor", lambda e: not e["closed"], since=since)
        plugged = await b.process.traced("car", lambda e: e["state"] != "A", since=since)
        # (that it is the first tick, mp_console.py says; here 100 ms of a busy host are let pass)
        assert opened["ms"] - plugged["ms"] <= 100 * b.speed
        await b.process.until(lambda c: c["duty_u16"] == X1)
        assert (await say("bench on"))[0].startswith("bench: connector 1: a car is connected")
        await b.status("Preparing")
        await b.do(f"tag {TAG}")
        await b.status("Charging")
        assert (await say("pilot 6"))[0].startswith("pilot: connector 1: in bench mode only")


async def test_bench_mode_ends_by_itself(console):
    async with console(speed=60) as (b, say):
        await say("bench on 1")
        await say("contactor on")
        closed = await b.process.traced("contactor", lambda e: e["closed"])
        opened = await b.process.traced("contactor", lambda e: not e["closed"])
        await b.process.wait_output("bench mode has ended: it was ended, or its time is over")
        # (the five minutes began at most so much before)
        assert 240000 <= opened["ms"] - closed["ms"] <= 300000
        await b.status("Available")
        # Asked for again, it goes on for as long; then the Central System wants the connector.
        await say("bench on")
        assert await say("bench on") == ["connector 1: bench mode goes on"]
        since = b.st.mark()
        await b.ask("ChangeAvailability", connectorId=1, type="Operative")
        await b.process.wait_output("bench mode has ended: the connector is wanted")
        await b.status("Available", since=since)


async def test_the_log(console):
    async with console() as (b, say):
        said = await say("log")
        assert said[-1].startswith("|") and any("boot Accepted" in text for text in said)
        assert await say("log debug") == ["from now on: debug"]
        assert await say(">>> __import__('sys').modules['firmware.log'].level") == ["3"]
        since = len(b.process.output)
        await b.do("console log error follow")
        await b.process.wait_output("until a key is pressed", since=since)
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.do("console ")  # only Enter
        assert await say(">>> __import__('sys').modules['firmware.log'].level") == ["3"]


async def test_python(console):
    async with console() as (b, say):
        assert await say(">>> 1 + 1") == ["2"]
        assert await say(">>>station.connectors[0].number") == ["1"]
        assert await say(">>> x = [unit.config.id]") == []
        assert await say(">>> x * 2; x") == []
        assert await say(">>> x") == [f"['{ID}']"]
        assert await say(">>> for i in range(3): print(i)") == ["0", "1", "2"]
        assert await say(">>> unit.outlets[0].meter.read()") == []  # a coroutine is awaited
        assert await say(">>> 'ab' * 300") == ["'" + "ab" * 300 + "'"]
        assert await say(">>> ") == await say(">>>") != ["x"]
        b.process.output[:] = [text for text in b.process.output if "Traceback" not in text]


async def test_what_runs_and_what_it_takes(console):
    async with console() as (b, say):
        said = await say("tasks")
        names = [text.split()[0] for text in said]
        assert set(names) >= {"limit", "sessions", "meter", "console", "network"}
        assert "  console     the one that says this" in said
        assert re.search("^  limit       due in [0-9]+ ms$", "\n".join(said), re.MULTILINE)
        said = "\n".join(await say("heap"))
        for pattern in (
            r"Python heap: \d+ bytes live, \d+ free",
            r"IDF heap \(TLS\): 94256 of 110000 bytes free, 53248 in one piece",
            r"flash: 19\d\d of 2048 KB free",
            r"n_qstr=\d+",
        ):
            assert re.search(pattern, said), (pattern, said)


async def test_reset(console):
    async with console() as (b, say):
        before = b.st
        await b.charge()
        mark = before.mark()
        await b.do("console reset hard")
        await b.process.wait_output("transactions end, then the unit restarts")
        stop = await before.expect("StopTransaction", timeout=WAIT_s)
        assert stop["reason"] == "HardReset"
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        await b.st.expect("BootNotification", None, WAIT_s, mark)


ALL = (
    "help status session faults tasks heap limit profiles composite config journal log|limt|xyzzy|"
    "composite 1 86400 W|config HeartbeatInterval|config HeartbeatInterval 300|config id|clear|"
    "bench on|pilot 16|contactor on|contactor off|pilot off|bench off|>>> 1 + 1|log info|limit 9|"
    "status 1 2|reset perhaps"
)


async def test_the_heap_after_all_commands(console, micropython32):
    """What is left of a session: names, and dicts that have grown. On the 32-bit port."""
    lines = ALL.split("|")
    lines = lines[0].split() + lines[1:]
    async with console(interpreter=micropython32, heap=ESP32_HEAP, speed=1) as (b, say):
        for number in range(16):
            steps = {3600 * k: 6 + k for k in range(24)}
            await b.set_profile(profile(number, "Default", steps, level=number % 10), number // 10)

        async def names():
            said = "\n".join(await say(">>> __import__('micropython').qstr_info()"))
            return int(re.search(r"n_qstr=(\d+)", said)[1])

        await b.settled()
        live, known = await firmware_bytes(b.process), await names()
        for _ in range(2):
            for line in lines:
                await say(line)
            await b.process.until(lambda c: c["status"] == "Available")
            # the latest of these stays, up to the ring
            await b.settled()
            after, more = await firmware_bytes(b.process), await names() - known
            print(f"{after - live} bytes, {more} names more")
            assert after - live <= MOST_BYTES and more <= MOST_NAMES
        first = after
        for line in lines:
            await say(line)
        assert await firmware_bytes(b.process) - first <= 64  # from then on nothing


PERSON = "CP2"  # the station at the terminal


def person(url, folder):
    """tools/station --console on a terminal of its own."""
    words = ("--url", url, "--id", PERSON, "--trace", folder / "trace", "--console")
    return Terminal("env", f"PILOTWIRE_PYTHON={sys.executable}", TOOL, *words, "--control", "0")


async def test_a_person_at_a_terminal(bench, tmp_path):
    """Echo, backspace, Ctrl-U, arrows, pasted lines, and Ctrl-C, which leaves outputs safe."""
    async with bench() as b:  # (only for its Central System)
        t = person(b.cs.url, tmp_path)
        await t.until("boot Accepted")
        for typed, echoed in (
            ("limX\x7fit\r", "limX\b \bit\r\n"),
            ("nonsense\x15limit\r", "nonsense\r\x1b[Klimit\r\n"),
            ("lim\x1b[D\x1b[3~\x1bOAit\r\n", "limit\r\n"),
            ("  limit  1 \n", "limit  1 \r\n"),
            ("\x00\x07limit\r\n\r\n\n", "limit\r\n"),
        ):
            t.type(typed)
            await t.until(echoed + "connector 1: no limit but")
            await t.until("so nothing\r\n")
        t.type("".join(f">>> {n} * 1000\r" for n in range(1, 20)))  # pasted
        await t.until("\n19000\r\n")
        st = await b.cs.wait_station(PERSON, WAIT_s)
        await st.expect("StatusNotification", lambda p: p["connectorId"] == 1, WAIT_s)
        t.type("bench on\rpilot 16\rcontactor on\r")
        await t.until("closes at the next tick")
        trace = tmp_path / "trace"
        await poll(lambda: '"closed": true' in trace.read_text(), WAIT_s, "closed")
        t.type("profi")
        await t.until("profi")
        assert await t.interrupted() == 0, t.text
        events = [json.loads(text) for text in trace.read_text().splitlines()]
        assert [e["closed"] for e in events if e["what"] == "contactor"] == [True, False]
        # (0: then the chip has no power)
        assert [e["duty_u16"] for e in events if e["what"] == "pilot"][-2:] == [X1, 0]


async def test_what_ctrl_c_has_thrown_away_is_not_waited_for(monkeypatch):
    """The loop was told of a key, and Ctrl-C came before it was read."""
    master, slave = pty.openpty()
    readers, typed = [], []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_reader", lambda file, read: readers.append(read))
    monkeypatch.setattr(loop, "remove_reader", lambda file: readers.clear())
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        open_terminal(typed.append)
        (read,) = readers
        task = asyncio.create_task(asyncio.to_thread(read))
        done, _ = await asyncio.wait([task], timeout=WAIT_s / 10)
        os.write(master, b"x")  # (whoever waits for a key gets one)
        await task
        assert done and readers == [read]
        read()
        assert typed == [b"x"]
        os.close(master)
        read()  # the terminal has gone
        assert not readers and typed == [b"x"]


async def test_the_log_does_not_mangle_what_is_typed(bench, tmp_path):
    """A line of the log, while a person types, comes above what was typed."""
    async with bench() as b:
        t = person(b.cs.url, tmp_path)
        await t.until("boot Accepted")
        st = await b.cs.wait_station(PERSON, WAIT_s)
        t.type("profi")
        await t.until("profi")
        answer = await st.raw('[2,"1","Nothing",{}]')
        assert answer[0] == 4
        await t.until("\r\x1b[K")
        await t.until("request refused: NotImplemented: Nothing\r\nprofi")
        t.type("les\r")
        await t.until("les\r\nno charging profile is installed")
        assert await t.interrupted() == 0, t.text
