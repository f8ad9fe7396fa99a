"""tools/station in a test: the process, its control port, its trace, and a Central System.

Everything waits on an event, a trace line or the state, with a deadline in real seconds; nothing
sleeps and hopes. Ends only the process that it started.
"""

import asyncio
import json
import os
import shutil
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bench.memory import table_of_names
from host.build import ROOT
from host.csms import V16, CallError, CentralSystem, parse_time
from host.process import TOOL, StationProcess, WAIT_s, poll
from host.profile import profile

TEST_s = 4 * WAIT_s  # a bound on any test, so that nothing hangs
ID = "CP1"
TAG = "TAG"
# For the 32-bit port, with its code in ROMFS. 128K is the budget.
ESP32_HEAP = "128K"
X1 = 65535  # duty of the steady +12 V
STATE = {"t", "online", "boot", "link", "connectors", "heap"}
CONNECTOR = {
    "id", "cp", "status", "transactionId", "idTag", "limit_mA", "limit_by", "pilot_mA",
    "duty_u16", "contactor", "ev_mA", "energy_Wh",
}  # fmt: skip


def share(cases, turn=0):
    """Of slow cases of one kind those that this run plays: every third, and those of the next seed
    (or turn) are others; with PILOTWIRE_ALL (make prove) every one."""
    if os.environ.get("PILOTWIRE_ALL"):
        return list(cases)
    return list(cases)[(int(os.environ["PILOTWIRE_SEED"]) + turn) % 3 :: 3]


def own_tree(tree):
    """A copy of the project in `tree`, for a change of the test's own; -> its tools/station."""
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("firmware", "lib", "tools"):
        shutil.copytree(ROOT / name, tree / name, ignore=skip)
    for name in ("boot.py", "pick.py", "romfile.py", "main.py", "manifest.py"):
        shutil.copy(ROOT / name, tree)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    return tree / "tools/station"


def duty(mA):
    """The duty that advertises `mA`: docs/electrical.md 2, written down once more."""
    if mA < 6000:
        return X1
    if mA <= 51000:
        return max(mA * 65536 // 60000, 6560)  # (6 A are 10 % or just above)
    if mA < 52500:
        return duty(51000)
    return (min(mA, 80000) + 160000) * 65536 // 250000


def draws(mA):
    """What the simulated car takes of `mA`: what it reads off that duty, less its margin."""
    return [duty(mA) * 60000 // 65536 - 100] * 3


def duties(process):
    """The duties that a car was shown, in order: without the self-test of the pilot's driver,
    which goes to state F for a moment while no car is there."""
    out = []
    for e in process.trace("pilot"):
        if e["duty_u16"] and e["duty_u16"] not in out[-1:]:
            out.append(e["duty_u16"])
    return out


def periods(schedule):
    """Of a composite schedule, as [(start, limit)] or, with numberPhases, [(start, limit, n)]."""
    out = []
    for p in schedule["chargingSchedulePeriod"]:
        entry = (p["startPeriod"], p["limit"])
        out.append(entry + (p["numberPhases"],) if "numberPhases" in p else entry)
    assert out[0][0] == 0
    assert [p[0] for p in out] == sorted({p[0] for p in out})
    assert all(0 <= p[0] < max(schedule["duration"], 1) for p in out)
    return out


class Bench:
    """A Central System and a station that talk to each other.

        async with Bench(folder, speed=20) as b: ...

    `options` are those of tools/station; config may be its fields, policy its text.
    `cs`, `process`, and `st`, the present connection. At the end the station must leave in order,
    without a traceback or an error in its log, and without a violation of OCPP in either
    direction; what a test expects to go wrong it says: `b.hostile`, `b.may_log`.
    """

    protocol = V16.protocol

    def __init__(self, folder, speed=20, *, boot=True, **options):
        self.folder = Path(folder)
        self.speed = speed
        self.boot = boot  # wait until the station is up
        self.tool = TOOL
        self.options = {"flash": self.folder / "flash", **options}
        # what is no path of a file yet
        if isinstance(options.get("config"), dict):
            self.options["config"] = self.folder / "config.json"
            self.options["config"].write_text(json.dumps(options["config"]))
        if isinstance(options.get("policy"), str):
            self.options["policy"] = self.folder / "policy.py"
            self.options["policy"].write_text(options["policy"])
        self.hostile = False  # violations are expected
        self.may_log = []  # texts that may be in error lines of the log
        self.cs = CentralSystem(log=print, protocols=(self.protocol,))
        self.cs.log_width = 400
        self.process = None
        self.st = None

    async def __aenter__(self):
        await self.cs.start()
        try:
            await self.launch()
            if self.boot:
                await self.booted()
        except BaseException:
            await self._end()
            raise
        return self

    async def launch(self, **more):
        """Start the process."""
        options = {"url": self.cs.url, "id": ID, "speed": self.speed, **self.options, **more}
        words = []
        for key, value in options.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    words += f"--{key}", one
        # PILOTWIRE_STATION="--interpreter build/micropython32/micropython32 --heap 112K": all
        # tests that do not choose for themselves run on that.
        more = os.environ.get("PILOTWIRE_STATION", "").split()
        self.process = StationProcess(self.folder, *more, *words, tool=self.tool)
        await self.process.start()

    async def booted(self, since=0, connectors=None):
        """Wait until the station has told its statuses; -> the connection."""
        self.st = await self.cs.wait_station(ID, WAIT_s)
        last = connectors or int(self.options.get("connectors", 1))
        await self.st.expect(
            "StatusNotification", lambda p: p["connectorId"] == last, WAIT_s, since
        )
        return self.st

    async def again(self, before):
        """Wait until connection `before` has ended and the station is up on the next one."""
        await before.wait_closed(WAIT_s)
        mark = before.mark()
        self.st = await self.cs.wait_station(ID, WAIT_s, after=before)
        return await self.booted(mark)

    async def __aexit__(self, kind, error, tb):
        try:
            if kind is None:
                await self.check()
        finally:
            await self._end()

    async def check(self):
        """Stop the station and look for what must never happen."""
        code = await self.process.stop()
        output = "\n".join(self.process.output)
        assert code == 0, output
        assert_orderly(self.process.output, self.may_log)
        if not self.hostile:
            for history in self.cs.histories.values():
                assert history.violations == []

    async def _end(self):
        if self.process and self.process.process:
            self.process.kill()
            await self.process.ended()
        await self.cs.stop()

    async def settled(self):
        """Wait until the station has dealt with every answer that it was given: it reads in
        order, so an answer of its own says so."""
        await self.st.call("GetConfiguration", {"key": ["HeartbeatInterval"]})

    # What happens

    async def do(self, text):
        await self.process.do(text)

    async def names(self):
        """-> (names that the interpreter knows, bytes of heap of their table)"""
        mark = len(self.process.output)
        await self.do("console >>> __import__('micropython').qstr_info()")

        def said():
            return [s for s in self.process.output[mark:] if s.startswith("qstr pool")]

        return table_of_names((await poll(said, WAIT_s, "the names"))[0])

    async def status(self, status, connector=1, since=0, timeout=WAIT_s):
        """Wait for a StatusNotification; -> its payload."""

        def test(p):
            return p["connectorId"] == connector and p["status"] == status

        return await self.st.expect("StatusNotification", test, timeout, since)

    async def charge(self, tag=TAG, connector=1):
        """Plug, present the tag, wait until energy flows; -> transactionId."""
        since = self.st.mark()
        await self.do(f"plug {connector}")
        await self.do(f"tag {tag} {connector}")
        await self.st.expect(
            "StartTransaction", lambda p: p["connectorId"] == connector, WAIT_s, since
        )
        await self.status("Charging", connector, since)
        c = await self.process.until(lambda c: c["transactionId"] is not None, connector)
        return c["transactionId"]

    async def day_of_prices(self, id):
        """A TxProfile of 96 quarter hours, 5.5 KB of JSON, of which the second holds."""
        start = await self.now() - timedelta(minutes=20)
        prices = [(i * 900, round(10 + i * 0.1, 1), 3) for i in range(96)]
        day = profile(3, "Tx", prices, startSchedule=start, duration=86400, transactionId=id)
        await self.set_profile(day, 1)
        await self.pilot(10100)
        assert (await self.composite(3600))[0] == (0, 10.1, 3)

    async def finish(self, tag=TAG, connector=1):
        """Stop with the tag and unplug; -> StopTransaction.req."""
        since = self.st.mark()
        await self.do(f"tag {tag} {connector}")
        stop = await self.st.expect("StopTransaction", None, WAIT_s, since)
        await self.status("Finishing", connector, since)
        await self.do(f"unplug {connector}")
        await self.status("Available", connector, since)
        return stop

    async def stopped(self, since=0, **fields):
        """-> StopTransaction.req, with these fields."""
        stop = await self.st.expect("StopTransaction", None, WAIT_s, since)
        assert {key: stop.get(key) for key in fields} == fields, stop
        return stop

    async def cut(self, off_s=1, meanwhile=None, up=True):
        """The power fails and returns, and the station is up, or not yet; -> the mark before."""
        before, mark = self.st, self.st.mark()
        await self.do(f"power-cut {off_s}")
        if meanwhile:
            await self.do(meanwhile)
        if up:
            await self.again(before)
        else:
            self.st = await self.cs.wait_station(ID, WAIT_s, after=before)
        return mark

    async def away(self):
        """The Central System is gone, and the station knows; -> the connection that was."""
        before = self.st
        await self.cs.stop()
        await before.wait_closed(WAIT_s)

        async def offline():
            return not (await self.process.state())["online"]

        await poll(offline, WAIT_s, "offline")
        return before

    async def back(self, before):
        """It is there again."""
        await self.cs.start()
        return await self.again(before)

    async def passed(self, seconds):
        """Wait until so much simulated time has passed."""
        begin = await self.now()

        async def later():
            return (await self.now() - begin).total_seconds() >= seconds

        await poll(later, WAIT_s, f"{seconds} s")

    async def set_profile(self, p, connector=0, expect="Accepted"):
        payload = {"connectorId": connector, "csChargingProfiles": p}
        answer = await self.st.call("SetChargingProfile", payload)
        assert answer == {"status": expect}, (answer, p)

    async def ask(self, action, expect="Accepted", **payload):
        """A request that must be answered with that status."""
        answer = await self.st.call(action, payload, WAIT_s)
        assert answer == {"status": expect}, (answer, action, payload)

    async def key(self, key, value, expect="Accepted"):
        """ChangeConfiguration."""
        await self.ask("ChangeConfiguration", expect, key=key, value=str(value))

    async def keys(self, **keys):
        """Several of them."""
        for key, value in keys.items():
            await self.key(key, value)

    async def clear(self, expect="Accepted", **criteria):
        answer = await self.st.call("ClearChargingProfile", criteria)
        assert answer == {"status": expect}, (answer, criteria)

    async def composite(self, duration=86400, connector=1, unit=None):
        """GetCompositeSchedule: see periods()."""
        payload = {"connectorId": connector, "duration": duration}
        if unit:
            payload["chargingRateUnit"] = unit
        answer = await self.st.call("GetCompositeSchedule", payload)
        assert answer["status"] == "Accepted", answer
        assert answer["connectorId"] == connector
        schedule = answer["chargingSchedule"]
        assert schedule["duration"] == duration
        assert schedule["chargingRateUnit"] == (unit or "A")
        assert "startSchedule" not in schedule
        self.schedule_start = parse_time(answer["scheduleStart"])
        return periods(schedule)

    async def pilot(self, mA, connector=1, since=None, timeout=WAIT_s):
        """Wait until the pilot says exactly `mA` (0: X1) and the car has followed."""
        car = (await self.process.until(lambda c: True, connector))["ev_mA"]

        def said(c):
            want = X1 if mA < 6000 else duty(mA)
            return c["duty_u16"] == want and c["pilot_mA"] == (0 if mA < 6000 else mA)

        c = await self.process.until(said, connector, timeout)
        if mA < 6000:
            await self.process.until(lambda c: c["ev_mA"] == [0, 0, 0], connector, timeout)
            await self.process.until(lambda c: not c["contactor"], connector, timeout)
        return c, car

    async def now(self):
        """The station's time."""
        return parse_time((await self.process.state())["t"])

    async def refused(self, action, payload, code, text=""):
        """A request that must earn a CALLERROR with that code."""
        try:
            answer = await self.st.call(action, payload, validate=False)
        except CallError as e:
            assert e.code == code, e
            assert text in e.description, e
        else:
            raise AssertionError(f"{action} {payload} answered {answer}")


class Shared:
    """A bench that serves many tests, one after another, in an event loop of its own."""

    def __init__(self, folder, bench=Bench, **options):
        self.loop = asyncio.new_event_loop()
        self.bench = bench(folder, **options)
        self.bench.cs.heartbeat_interval = 86400  # none while the loop stands still

    def __enter__(self):
        self.loop.run_until_complete(asyncio.wait_for(self.bench.__aenter__(), TEST_s))
        return self

    def __call__(self, test):
        """Run the coroutine function `test` with the bench."""
        return self.loop.run_until_complete(asyncio.wait_for(test(self.bench), TEST_s))

    def __exit__(self, *error):
        try:
            self.loop.run_until_complete(self.bench.__aexit__(None, None, None))
        finally:
            self.loop.close()


def without_profiles(shared):
    """-> run(test), by a Shared bench of which a test finds no profile installed."""

    def run(test):
        async def fresh(b):
            await b.st.call("ClearChargingProfile", {})
            assert await b.composite(60) == [(0, 32)]
            await test(b)

        return shared(fresh)

    return run


def assert_orderly(output, may_log=()):
    """No traceback anywhere, and no error in the firmware's log but those of `may_log`."""
    assert not [line for line in output if "Traceback" in line], "\n".join(output)
    for line in output:
        words = line.split()
        if len(words) > 2 and words[0].isdigit() and words[1] == "E":
            assert any(text in line for text in may_log), line


def utc(seconds=0):
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=seconds)


def run_tool(*words, timeout=WAIT_s):
    """Run tools/station to its end; -> (exit code, lines of output)."""
    import subprocess

    result = subprocess.run(
        [sys.executable, "-m", "host.station", *[str(w) for w in words]],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    return result.returncode, result.stdout.splitlines()
