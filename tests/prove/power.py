"""No power cut, and no request, lifts a limit: a whole station on its wall, against oracle.py.

    python -m tests.prove.power                    200 chapters
    python -m tests.prove.power --seconds 60 --seed 7
    python -m tests.prove.power --chapter 12 --seed 7          only that one
    python -m tests.prove.power --flaw deaf                    must fail

A chapter is a station of its own (tools/station at SPEED, LittleFS, one or two cars) and a strict
Central System, in OCPP 1.6 and 2.0.1 by turns, whose clock is wrong by up to 2 s, either way, and
changes its mind. Profiles of every purpose, kind and level come, are replaced and cleared,
transactions begin and end, and the power fails at random instants, also while a request is under
way. When it is back the Central System tells the time, or does not for a while, or is away: then
people go on charging.

What must hold, by the pilots that the wall saw and the true time: at no moment is one above what
the profiles allow, by a station that always knows the time. Those are, after a power cut, what was
installed before it or, if a request was under way, either that or what it would have been; while a
request is under way and a moment later, the larger of what held before and what holds after. So
across a power cut none is above what the profiles on flash allow at any time.
"""

import argparse
import asyncio
import contextlib
import copy
import functools
import json
import os
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from host.csms import CallError, CentralSystem  # noqa: E402
from host.process import StationProcess, WAIT_s, poll  # noqa: E402
from host.romfs import build_image, build_simulator_image  # noqa: E402
from host.variables import parse_variable  # noqa: E402

from . import harness, scenarios  # noqa: E402
from .oracle import CEILING, DEFAULT, EPOCH, NOTED, ORACLES, UNSET, iso  # noqa: E402

CHAPTERS = 200
SPEED = 20
ERROR_s = 2  # of the Central System's clock
MARGIN_s = 5  # two such errors, and what a boundary may be late by
X1 = 65535  # duty of the steady +12 V
HARDWARE = 320
AMPS = (0, 50, 60, 70, 80, 100, 130, 160, 200)
UNKNOWN = "1970-01-01T00:00:00.000Z"  # a currentTime that is ignored
KEYS = {
    "PilotwireIncreaseDelay": 2,  # (a limit that is lifted for a moment is one too many)
    "PilotwireMinimumPause": 0,
    "LocalAuthorizeOffline": "true",
    "RetryBackOffWaitMinimum": 1,
    "RetryBackOffRandomRange": 0,
    "RetryBackOffRepeatTimes": 0,
    "HeartbeatInterval": 86400,
}
VARIABLES = {
    "PilotwireIncreaseDelay": "PilotwireCtrlr.IncreaseDelay",
    "PilotwireMinimumPause": "PilotwireCtrlr.MinimumPause",
    "LocalAuthorizeOffline": "AuthCtrlr.LocalAuthorizeOffline",
}  # (the others are of OCPPCommCtrlr, and called the same)
# What breaks the firmware, as a policy.py of the unit.
FLAWS = {
    # profiles are ignored after a power cut, until the clock is set
    "deaf": """
from firmware.charging.schedule import NONE, Evaluator
at = Evaluator.at
def deaf(self, *args, **more):
    at(self, *args, **more)
    if not self.known:
        self.winner, self.limit = None, NONE
Evaluator.at = deaf
""",
    # what is replaced goes at once
    "hasty": """
from firmware.charging.store import Store
change = Store.change
def hasty(store):
    made = change(store)
    put = made.put
    made.put = lambda w, *instants: put(w)
    return made
Store.change = hasty
""",
}


class Broken(Exception):
    """A pilot was above what is allowed, or an answer is not the oracle's."""


def duty(tenths):
    """That advertises so many 0.1 A at most (IEC 61851-1)."""
    return max(tenths * 65536 // 600, 6560)  # (6 A are 10 % or just above)


class Wall:
    """World time, in ms, by the control port of the station. It goes at most a second past what
    this process has had the time for: a busy host makes no clock wrong."""

    escort, over = None, False

    async def open(self, port):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.lock = asyncio.Lock()
        self.escort = asyncio.create_task(self.goes_on())

    async def ms(self, lead_s=1):
        async with self.lock:
            self.writer.write(b"escort %d\n" % lead_s)
            return json.loads(await asyncio.wait_for(self.reader.readline(), WAIT_s))["ms"]

    async def goes_on(self):
        while not self.over:
            await self.ms()
            await asyncio.sleep(0.2 / SPEED)

    async def close(self):
        """The world time at the end; it waits for nobody any more."""
        self.over = True
        await self.escort
        return await self.ms(3600)


class Chapter:
    """epochs: [from ms, to ms or None, oracles]: what may be installed meanwhile is what one of
    them says. `oracles`: of now; more than one only where the power cut hid an answer."""

    def __init__(self, seed, number, folder, flaw=None, say=print, ocpp=None):
        self.rng = random.Random(f"power {seed} {number}")
        self.folder, self.say = folder, say
        self.first = self.rng.randint(scenarios.FIRST, scenarios.LAST - 10**6)
        self.connectors = self.rng.choice((1, 1, 2))
        self.protocol = ocpp or list(ORACLES)[number % 2]
        self.new = self.protocol == "ocpp2.0.1"
        oracle = ORACLES[self.protocol]
        self.oracles = [oracle(self.connectors, now=self.first, hardware=HARDWARE)]
        self.epochs = [[0, None, self.snapshot()]]
        self.error_ms = 0
        self.told = self.known = True  # the Central System tells the time; the station knows it
        self.lag_s = 0  # while it does not, that is later than it can be by so much or NOTED more
        if self.rng.random() < 0.15:  # nobody ever has
            self.told, self.known, self.lag_s = False, False, self.first
        self.ids = 0
        self.charging = {}  # connector: transactionId, None: not known yet
        self.story = []  # what happened, to be read where it went wrong
        self.counts = {"chapters": 1, "requests": 0, "cuts": 0, "amid": 0, "seconds": 0}
        self.flaw = flaw

    # --- time

    def t(self, ms):
        """Seconds since 2020 at world time `ms`, by the true clock."""
        return self.first + ms // 1000

    async def now(self):
        ms = await self.wall.ms()
        for o in self.oracles:
            o.now = self.t(ms)
        return ms

    async def central_now(self):
        if not self.told:
            return UNKNOWN
        ms = await self.wall.ms() + self.error_ms
        t = EPOCH + timedelta(seconds=self.first, milliseconds=ms)
        return t.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def on_boot(self, payload):
        return {"status": "Accepted", "interval": 86400, "currentTime": await self.central_now()}

    async def on_heartbeat(self, payload):
        return {"currentTime": await self.central_now()}

    async def on_start(self, payload):
        self.ids += 1
        return {"transactionId": self.ids, "idTagInfo": {"status": "Accepted"}}

    async def passed(self, seconds):
        """So much of the world's time passes."""
        until = await self.wall.ms() + seconds * 1000

        async def there():
            return await self.wall.ms() >= until

        await poll(there, WAIT_s + seconds, f"{seconds} s")

    # --- what may be installed

    def snapshot(self):
        return copy.deepcopy(self.oracles)

    def turn(self, since_ms, until_ms):
        """From `since_ms` on it may be as `oracles` say, until `until_ms` as before."""
        self.epochs[-1][1] = until_ms
        self.epochs.append([since_ms, None, self.snapshot()])

    def note(self, ms, *what):
        self.story.append(f"{ms / 1000:.1f} {' '.join(map(str, what))}")

    def applied(self, oracle, action, payload, more_s):
        """(what `oracle` answers, it afterwards); `more_s`: so much of the time is lost beside
        `lag_s`."""
        o = copy.deepcopy(oracle)
        if not self.known:
            o.now, o.known = oracle.now - self.lag_s - more_s - UNSET, False
        if action == "set":
            status = o.set(payload["connectorId"], payload["csChargingProfiles"])
        else:
            status = o.clear(payload)
        for p in o.profiles:
            if p.received == o.now:
                p.received = oracle.now
        o.now, o.known = oracle.now, True
        return status, o

    # --- moves

    async def request(self):
        """A SetChargingProfile or ClearChargingProfile: (set or clear, payload)"""
        await self.now()
        o, rng = self.oracles[0], self.rng
        if rng.random() < 0.15:
            return "clear", scenarios._clear(rng, o)[0]
        connector, p = scenarios._set(rng, o)
        p = copy.deepcopy(p)
        if o.profiles and rng.random() < 0.25:  # one that is there is renewed, from soon on
            old = rng.choice(o.profiles)
            connector, p = old.connector, copy.deepcopy(old.payload)
            p["validFrom"] = iso(o.now + rng.choice((0, 1, 2, 10, 20, 60)))
            p["chargingProfileId"] += rng.choice((0, 0, 5))
        said = p["chargingSchedule"]["chargingSchedulePeriod"]
        del said[rng.randint(1, 5) :]
        for each in said:
            each["limit"] = rng.choice(AMPS) / 10
            if p["chargingSchedule"]["chargingRateUnit"] == "W":
                each["limit"] *= 230 * each.get("numberPhases", 3)
        return "set", {"connectorId": connector, "csChargingProfiles": p}

    async def clear_of_edges(self):
        """No profile begins just now: by whose clock, would be the question."""
        while True:
            ms = await self.now()
            begins = [
                p.begins() - self.t(ms) for o in self.oracles for p in o.profiles if not p.begun
            ]
            near = [b for b in begins if -6 <= b <= 6]
            if not near:
                return ms
            await self.passed(max(near) + 7)

    def said(self, action, payload):
        """(action, payload) of a request in this chapter's language."""
        if not self.new:
            names = {"set": "SetChargingProfile", "clear": "ClearChargingProfile"}
            return names[action], payload
        args = (payload,) if action == "clear" else tuple(payload.values())
        name, new = json.loads(harness.frame_201(action, args)[1])[2:]
        p = payload.get("csChargingProfiles", {})
        if "transactionId" in p:
            new["chargingProfile"]["transactionId"] = str(p["transactionId"])
        return name, new

    async def ask(self, action, payload, cut_s=None):
        """A request; `cut_s`: the power fails so soon after it was sent (real time), for a second
        number of seconds."""
        before = await self.clear_of_edges()
        said = self.said(action, payload)
        call = asyncio.create_task(self.st.call(*said, WAIT_s, validate=False))
        status = None
        if cut_s:
            await asyncio.sleep(cut_s[0])
            await self.fail(cut_s[1])
        with contextlib.suppress(ConnectionError):
            try:
                status = (await call)["status"]
            except CallError as e:
                status = e.code
        after = await self.wall.ms()
        self.note(before, action, status, json.dumps(payload))
        self.counts["requests"] += 1
        results = [
            (o, *self.applied(o, action, payload, more_s))
            for o in self.oracles
            for more_s in ((0,) if self.known else (0, NOTED))
        ]
        if status is None:
            self.counts["amid"] += 1
            self.oracles = [each for old, _, new in results for each in (old, new)]
        else:
            self.oracles = [new for _, wanted, new in results if wanted == status]
            if not self.oracles:
                wanted = [wanted for _, wanted, _ in results]
                raise Broken(f"{action}: {status} instead of {wanted}: {payload}")
        self.turn(before, after)

    async def begin(self, c):
        await self.passed(4)  # (a tag counts once)
        before = await self.now()
        await self.process.do(f"plug {c}")
        await self.process.do(f"tag TAG {c}")
        await self.process.until(lambda x: x["status"] in ("Charging", "SuspendedEVSE"), c)
        ms = await self.now()
        self.charging[c] = None
        for o in self.oracles:
            o.tx.pop(c, None)
            o._run(c, None)
        if self.central._server:
            await self.know(c)
        self.note(before, "begin", c, self.charging[c])
        self.turn(before, ms)

    async def know(self, c):
        """The station and the oracles learn the transactionId."""
        x = await self.process.until(lambda x: x["transactionId"] is not None, c)
        self.charging[c] = x["transactionId"]
        for o in self.oracles:
            if c in o.tx:
                o.tx[c][0] = o.ids[c] = x["transactionId"]

    async def end(self, c, how="tag"):
        before = await self.now()
        if how == "tag":
            await self.passed(4)  # (a tag counts once)
            await self.process.do(f"tag TAG {c}")
            await self.process.until(
                lambda x: x["transactionId"] is None and x["idTag"] is None, c
            )
        await self.process.do(f"unplug {c}")
        if how == "tag":
            await self.process.until(lambda x: x["status"] == "Available", c)
        await self.ended(c, before)

    async def ended(self, c, before):
        self.charging.pop(c)
        for o in self.oracles:
            o.end(c)
        self.note(before, "end", c)
        self.turn(before, await self.wall.ms())

    async def heartbeat(self):
        """The Central System tells the time, with another error."""
        self.error_ms = self.rng.randint(-1000 * ERROR_s, 1000 * ERROR_s)
        mark = self.st.mark()
        await self.st.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        await self.st.expect("Heartbeat", None, WAIT_s, mark)
        await self.settled()
        self.note(await self.wall.ms(), "clock", self.error_ms)

    async def settled(self):
        if self.new:
            data = [parse_variable("OCPPCommCtrlr.HeartbeatInterval")]
            await self.st.call("GetVariables", {"getVariableData": data})
        else:
            await self.st.call("GetConfiguration", {"key": ["HeartbeatInterval"]})

    async def fail(self, off_s):
        """The power fails; what was known of the time is what was noted."""
        await self.process.do(f"power-cut {off_s}")
        self.off_s = off_s

    async def cut(self):
        rng = self.rng
        self.counts["cuts"] += 1
        way = rng.choice(("on", "on", "dark", "off"))
        off_s = rng.choice((0, 1, 5, 40))
        self.error_ms = rng.randint(-1000 * ERROR_s, 1000 * ERROR_s)
        self.told = way != "dark"
        before, ms = self.st, await self.now()
        self.note(ms, "cut", way, off_s)
        if way == "off":
            await self.central.stop()
            await self.fail(off_s)
        elif rng.random() < 0.6:
            await self.ask(*await self.request(), (rng.random() * 0.008, off_s))
        else:
            await self.fail(off_s)
        await self.now()
        for o in self.oracles:
            o.reboot()
        self.turn(ms, await self.wall.ms())
        self.lag_s, self.known = off_s + 1, False
        if self.charging and rng.random() < 0.2:
            c = rng.choice(list(self.charging))
            gone = await self.wall.ms()
            await self.process.do(f"unplug {c}")
            await self.up()
            await self.ended(c, gone)
        if way == "off":
            await self.alone(off_s)
            await self.central.start()
        self.st = await self.central.wait_station("CP1", WAIT_s, after=before)
        await self.st.expect("StatusNotification", None, WAIT_s)
        await self.settled()
        if way == "dark":
            await self.dark()
        self.known = True
        for c in self.charging:
            await self.know(c)
        self.oracles = self.differing()
        self.turn(await self.now(), await self.wall.ms())

    async def dark(self):
        """The Central System is there, and asks before it tells the time. (In OCPP 2.0.1 nothing
        is installed then: scenarios.spoken.)"""
        for _ in range(self.rng.randint(0, 3)):
            action, payload = await self.request()
            if action == "clear" or not self.new:
                await self.ask(action, payload)
            await self.passed(self.rng.choice((1, 5, 20)))
        self.told = True
        await self.heartbeat()

    def differing(self):
        """One of each kind of `oracles`."""
        out = {}
        for o in self.oracles:
            key = [(p.fields, p.begun, p.received, p.id, p.until) for p in o.profiles + o.staying]
            out.setdefault(repr((key, o.tx)), o)
        return list(out.values())

    async def alone(self, off_s):
        """Nobody tells the time; people go on."""
        await self.up()
        for _ in range(self.rng.randint(1, 3)):
            c = self.rng.randint(1, self.connectors)
            what = self.rng.choice(("pass", "pass", "person", "cut"))
            if what == "person" and c in self.charging:
                await self.end(c)
            elif what == "person":
                await self.begin(c)
            elif what == "cut":
                self.counts["cuts"] += 1
                ms = await self.now()
                await self.fail(off_s)
                for o in self.oracles:
                    o.reboot()
                self.note(ms, "cut again")
                self.turn(ms, await self.wall.ms())
                await self.up()
            await self.passed(self.rng.choice((3, 20, 60)))

    async def up(self):
        """The unit is there, and has looked at its cars."""

        async def there():
            state = await self.process.command("state")
            return (
                "error" not in state
                and state.get("power", True)
                and all(x["status"] not in (None, "Unavailable") for x in state["connectors"])
            )

        await poll(there, WAIT_s, "the unit")
        await self.passed(3)

    # --- a chapter

    async def play(self):
        """Raises Broken."""
        self.central = CentralSystem(log=None, protocols=(self.protocol,))
        self.central.answer("BootNotification", self.on_boot)
        self.central.answer("Heartbeat", self.on_heartbeat)
        self.central.answer("StartTransaction", self.on_start)
        await self.central.start()
        self.wall = Wall()
        words = ["--url", self.central.url, "--id", "CP1", "--speed", SPEED, "--true-clock"]
        words += ["--connectors", self.connectors, "--flash", self.folder + "/flash"]
        if self.flaw:
            Path(self.folder, "policy.py").write_text(FLAWS[self.flaw])
            words += ["--policy", self.folder + "/policy.py"]
        self.process = StationProcess(self.folder, *words, quiet=True)
        try:
            await self.process.start()
            await self.wall.open(self.process.port)
            await self.moves()
            ms = await self.wall.close()
            assert await self.process.stop() == 0, self.process.output
            self.check(ms)
        except (Exception, asyncio.CancelledError):
            self.say(*self.story, *self.process.output[-30:], sep="\n")
            raise
        finally:
            if self.wall.escort:
                self.wall.escort.cancel()
            if self.process.process:
                self.process.kill()
                await self.process.ended()
            await self.central.stop()

    async def moves(self):
        rng = self.rng
        self.st = await self.central.wait_station("CP1", WAIT_s)
        field = "evseId" if self.new else "connectorId"
        await self.st.expect("StatusNotification", lambda p: p[field] == self.connectors, WAIT_s)
        for key, value in KEYS.items():
            await self.configure(key, str(value))
        for c in range(1, self.connectors + 1):
            await self.process.do(f"ev max_mA=32000 {c}")
        await self.begin(1)
        if not self.told:
            await self.dark()
            self.known = True
        for purpose in rng.sample((DEFAULT, CEILING), rng.choice((1, 1, 2))):
            ms = await self.now()
            schedule = {
                "startSchedule": iso(self.t(ms) - 100),
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": rng.choice((8, 16, 20))}],
            }
            base = {
                "chargingProfileId": 900 + (purpose == CEILING),
                "stackLevel": rng.choice((0, 0, 3)),
                "chargingProfilePurpose": purpose,
                "chargingProfileKind": "Absolute",
                "chargingSchedule": schedule,
            }
            await self.ask("set", {"connectorId": 0, "csChargingProfiles": base})
        for _ in range(rng.randint(8, 14)):
            await self.move(
                rng.choices(("ask", "cut", "person", "clock", "pass"), (6, 2, 1, 1, 2))[0]
            )
        while self.counts["cuts"] < 2:
            await self.move("cut")
        if not self.charging:
            await self.begin(1)
        await self.passed(20)

    async def configure(self, key, value):
        if self.new:
            entry = parse_variable(VARIABLES.get(key, f"OCPPCommCtrlr.{key}"))
            data = [{**entry, "attributeValue": value}]
            answer = await self.st.call("SetVariables", {"setVariableData": data})
            status = answer["setVariableResult"][0]["attributeStatus"]
        else:
            answer = await self.st.call("ChangeConfiguration", {"key": key, "value": value})
            status = answer["status"]
        assert status == "Accepted", (key, answer)

    async def move(self, name):
        rng = self.rng
        if name == "ask":
            await self.ask(*await self.request())
            await self.passed(rng.choice((1, 2, 10)))
        elif name == "cut":
            await self.cut()
            await self.passed(rng.choice((2, 10, 30)))
        elif name == "clock":
            await self.heartbeat()
        elif name == "pass":
            await self.passed(rng.choice((5, 30, 100)))
        else:
            c = rng.randint(1, self.connectors)
            await (self.end if c in self.charging else self.begin)(c)

    # --- what must hold

    def check(self, end_ms):
        lines = [e for e in self.process.trace("pilot")]
        cache = {}
        shown = dict.fromkeys(range(1, self.connectors + 1), X1)
        for e, after in zip(lines, [*lines[1:], {"ms": end_ms}], strict=True):
            shown[e["connector"]] = e["duty_u16"]
            if all(d in (0, X1) for d in shown.values()):
                continue
            for ms in {e["ms"], *range(e["ms"] // 1000 * 1000 + 1000, after["ms"], 1000)}:
                self.counts["seconds"] += 1
                total = 0
                for c, d in shown.items():
                    if d in (0, X1):
                        continue
                    most = self.most(c, ms, cache)
                    if most < 60 or d > duty(most):
                        self.broken(ms, f"connector {c} is offered {d * 600 / 65536:.1f}", most)
                    total += 60 * 65536 // 600 if d == duty(60) else d
                most = self.most(0, ms, cache)
                if total > duty(most) + 1 and len(shown) > 1:
                    self.broken(ms, f"both are offered {total * 600 / 65536:.1f}", most)

    def broken(self, ms, what, most):
        raise Broken(
            f"{ms / 1000:.1f} s, {iso(self.t(ms))}: {what} tenths of an A, {most} are allowed"
        )

    def most(self, c, ms, cache):
        """What connector `c` (0: all together) may have at about that time, in 0.1 A."""
        most = 0
        span_ms = MARGIN_s * 1000
        for i, (since, until, oracles) in enumerate(self.epochs):
            if since > ms + span_ms or until is not None and until < ms - span_ms:
                continue
            for t in range(self.t(ms) - MARGIN_s, self.t(ms) + MARGIN_s + 1):
                said = cache.get((i, c, t))
                if said is None:
                    hardware = HARDWARE * (1 if c else self.connectors)
                    limits = [o.limit(c, t)[0] for o in oracles]
                    said = max(hardware if x is None else min(x, hardware) for x in limits)
                    cache[i, c, t] = said
                most = max(most, said)
        return most


async def chapter(seed, number, flaw=None, say=print, ocpp=None):
    """-> its counts; raises Broken."""
    with tempfile.TemporaryDirectory(prefix="power-") as folder:
        told = Chapter(seed, number, folder, flaw, say, ocpp)
        await asyncio.wait_for(told.play(), 300)
        return told.counts


async def prove(seed, chapters, seconds=1e9, flaw=None, first=0, together=3, say=print, ocpp=None):
    """True if all of them hold; so many at a time. ocpp: in that, and not both by turns."""
    build_image(), build_simulator_image()  # (not each station for itself)
    began = time.monotonic()
    counts, bad = {}, []
    numbers = iter(range(first, first + chapters))

    async def worker():
        for i in numbers:
            if bad or time.monotonic() - began > seconds:
                break
            try:
                for key, n in (await chapter(seed, i, flaw, say, ocpp)).items():
                    counts[key] = counts.get(key, 0) + n
            except Exception as e:
                say(f"BROKEN: chapter {i} of seed {seed}: {e!r}")
                bad.append(i)

    await asyncio.gather(*[worker() for _ in range(together)])
    say(f"seed {seed}: {counts}, {time.monotonic() - began:.0f} s")
    return not bad


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove.power",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seed", type=int, help="PILOTWIRE_SEED, or a new one")
    add("--chapters", type=int, default=CHAPTERS)
    add("--seconds", type=float, default=1e9, help="begin none after so long")
    add("--chapter", type=int, help="only this one")
    add("--together", type=int, default=3, help="so many at a time (default %(default)s)")
    add("--flaw", choices=sorted(FLAWS))
    add("--ocpp", choices=ORACLES, help="not both by turns")
    args = parser.parse_args()
    seed = args.seed
    if seed is None:
        seed = int(os.environ.get("PILOTWIRE_SEED") or int.from_bytes(os.urandom(4), "big") >> 2)
    chapters, first = (args.chapters, 0) if args.chapter is None else (1, args.chapter)
    say = functools.partial(print, flush=True)
    how = args.seconds, args.flaw, first, args.together, say, args.ocpp
    good = asyncio.run(prove(seed, chapters, *how))
    sys.exit(not good)


if __name__ == "__main__":
    main()
