"""A day of random sessions at two connectors, with a network and a power supply that come and go:
the Central System learns of all of it, in order, and twice only what it answered in vain."""

import asyncio
import os
import time
from datetime import timedelta

from station_driver import ESP32_HEAP, ID, Bench

from bench.station import firmware_bytes
from host.csms import parse_time

SPEED = 1500
BOOT_SPEED = 100  # what happens in a boot's first seconds takes real time too
HOUR = timedelta(hours=1)
DAY = 24 * HOUR
REAL_s = 40  # what the day may take: on a busy machine it ends early, and says so,
LEAST = 2 * HOUR  # but not before that much of it has passed
CUTS = (3 * HOUR, 10 * HOUR)  # the power fails then, or later
BOOT_s = 30
PAUSE_s = 150  # from one thing that happens to the next, on average
SAMPLE_s = 600
SLACK_s = 60
LATE = 0.25  # of the samples are further apart, because meters do not answer in so short a second
BACK_s = 10  # simulated time makes jumps of some seconds while the clock is set
QUIET_s = 300  # without a transaction message: there is none left
LOST = 0.02  # of the answers
UNBILLED = 0.02  # of the energy
HEAP = 2048  # bytes that it may have grown by
BOTH = (1, 2)
KINDS = ("StartTransaction", "MeterValues", "StopTransaction")
TAGS = ("ANNE", "BEN", "CARLA", "BAD")
EVENTS = {
    "plug": 5, "tag": 9, "unplug": 2, "pause": 1, "ready": 2, "ev": 1,
    "RemoteStart": 5, "RemoteStop": 3, "gone": 1, "drop": 1, "close": 1,
}  # fmt: skip


class Day:
    """What people, the network and the power do, and what the Central System is told of it."""

    def __init__(self, b, rng):
        self.b = b
        self.rng = rng
        self.done = {}  # how often each thing happened
        self.stations = [b.st]  # every connection there was
        self.ids = {}  # transactionIds, by what StartTransaction says
        self.back_at = None  # when the Central System listens again
        self.power_at = None  # when the power returned last
        self.unset = None  # the first time that it showed since then, if nobody has set its clock
        self.cuts = []  # from when to when there was none
        self.plugged = [False] * len(BOTH)

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    # The Central System

    async def watch(self):
        """Note every connection."""
        while True:
            last = self.stations[-1]
            self.stations.append(await self.b.cs.wait_station(ID, 1000, after=last))

    def answers(self):
        def info(payload):
            return {"status": "Invalid" if payload.get("idTag") == "BAD" else "Accepted"}

        def started(payload):
            what = payload["connectorId"], payload["timestamp"], payload["meterStart"]
            id = self.ids.setdefault(what, len(self.ids) + 1)
            return {"transactionId": id, "idTagInfo": info(payload)}

        def sometimes(conf):
            def answer(payload):
                if self.rng.random() >= LOST:
                    return conf(payload)
                self.count("answer lost")
                self.b.cs.stations[ID]._ws.transport.abort()
                return None

            return answer

        answer = self.b.cs.answer
        answer("Authorize", lambda payload: {"idTagInfo": info(payload)})
        answer("StartTransaction", sometimes(started))
        answer("MeterValues", sometimes(lambda payload: {}))
        answer("StopTransaction", sometimes(lambda payload: {"idTagInfo": info(payload)}))

    def told(self):
        """Transaction messages in order, each once, as (action, payload); how many came twice."""
        connection = {id: n for n, st in enumerate(self.stations) for id in st._ids}
        calls = [
            (connection[frame[1]], frame[2], frame[3])
            for way, frame, _ in self.b.st.messages
            if way == "in" and frame[0] == 2
        ]
        out, last, twice = [], 0, 0
        for i, (n, action, payload) in enumerate(calls):
            if action not in KINDS or (action == KINDS[1] and "transactionId" not in payload):
                continue
            if (action, payload) in out:
                # Only of the last message of a connection can the answer have been lost.
                assert (action, payload) == out[-1], f"told twice: {action} {payload}"
                assert calls[last][0] < n and calls[last + 1][0] > calls[last][0], calls[last:i]
                twice += 1
            else:
                out.append((action, payload))
            last = i
        return out, twice

    # What happens

    async def now(self):
        """Simulated time, also where the station does not know it."""
        while "t" not in (state := await self.b.process.state()):
            pass  # (it is starting)
        t = parse_time(state["t"])
        if t.year < 2020:  # it counts from some time that it knew, 34 years less
            self.unset = self.unset or t
            return self.power_at + (t - self.unset)
        self.unset = None
        return t

    async def wait(self, seconds):
        end = await self.now() + timedelta(seconds=seconds)
        while (left := (end - await self.now()).total_seconds()) > 0:
            await asyncio.sleep(left / SPEED)

    async def act(self):
        """Something happens."""
        rng, b = self.rng, self.b
        what = rng.choices(list(EVENTS), EVENTS.values())[0]
        c = rng.choice(BOTH)
        st = b.cs.stations.get(ID)
        if what in ("plug", "unplug"):
            await b.do(f"{what} {c}")
            self.plugged[c - 1] = what == "plug"
        elif what in ("pause", "ready") and self.plugged[c - 1]:
            await b.do(f"{what} {c}")
        elif what == "tag":
            await b.do(f"tag {rng.choice(TAGS)} {c}")
        elif what == "ev":
            await b.do(f"ev max_mA={rng.choice((6000, 10000, 16000, 32000))} {c}")
        elif what == "gone" and not self.back_at:
            self.back_at = await self.now() + rng.random() * 2 * HOUR
            await b.cs.stop()
        elif what == "drop" and st:
            await st.drop()
        elif what == "close" and st:
            await st.disconnect(1001)
        elif what.startswith("Remote") and st:
            payload = {"connectorId": c, "idTag": rng.choice(TAGS)}
            if what == "RemoteStop":
                running = [k for k, t in st.transactions.items() if not t["stop"]]
                payload = {"transactionId": rng.choice(running or [99999])}
            try:
                await st.call(what + "Transaction", payload)
            except ConnectionError:
                pass  # (it was lost meanwhile)
        else:
            return
        self.count(what)

    async def power_cut(self):
        off_s = self.rng.randrange(2, 60)
        await self.b.do(f"speed {BOOT_SPEED}")
        failed = await self.now()
        await self.b.do(f"power-cut {off_s}")
        self.power_at = failed + timedelta(seconds=off_s)
        self.unset = None
        self.cuts.append((failed, self.power_at))
        if self.rng.random() < 0.5:
            await self.b.do("unplug 1")
            self.plugged[0] = False
        await self.wait(off_s + BOOT_s)
        await self.b.do(f"speed {SPEED}")

    async def run(self, start, end, deadline):
        """Let things happen until simulated time `end`, or `deadline` in real time."""
        while (now := await self.now()) < end:
            if time.monotonic() > deadline and now - start >= LEAST:
                break
            if len(self.cuts) < len(CUTS) and now - start > CUTS[len(self.cuts)]:
                await self.power_cut()
            elif self.back_at and now >= self.back_at:
                await self.listen()
            else:
                await self.act()
            await self.wait(self.rng.expovariate(1 / PAUSE_s))

    async def listen(self):
        if self.back_at:
            await self.b.cs.start()
            self.back_at = None

    async def quiet(self):
        """The network is there, no car is, and all has been told; -> live bytes of heap."""
        await self.listen()
        for c in BOTH:
            await self.b.do(f"unplug {c}")
            self.plugged[c - 1] = False
        for c in BOTH:
            await self.b.process.until(lambda c: c["status"] == "Available", c)
        before = None
        while before != (before := len(self.told()[0])) or ID not in self.b.cs.stations:
            await self.wait(QUIET_s)
        return await firmware_bytes(self.b.process), await self.b.process.state()

    # What must be true in the end

    def check(self, first_Wh, last_Wh):
        """Every transaction from its start to its end, in order; its energy is the meter's."""
        told, twice = self.told()
        running, Wh, samples = {}, dict(zip(BOTH, first_Wh, strict=True)), 0
        late = 0  # samples
        between = 0  # Wh that belong to no transaction
        for action, p in told:
            if action == "StartTransaction":
                c, t, energy = p["connectorId"], parse_time(p["timestamp"]), p["meterStart"]
                id = self.ids[c, p["timestamp"], energy]
                assert c not in running, (p, running)
                running[c] = id, t
                between += energy - Wh[c]
            elif action == "MeterValues":
                c, t = p["connectorId"], parse_time(p["meterValue"][0]["timestamp"])
                assert running[c][0] == p["transactionId"], (p, running)
                energy = int(p["meterValue"][0]["sampledValue"][0]["value"])
                samples += 1
            else:
                ((c, t),) = [(c, parse_time(p["timestamp"])) for c, (id, _) in running.items()
                             if id == p["transactionId"]]  # fmt: skip
                energy = p["meterStop"]
            id, before = running[c]
            assert energy >= Wh[c], (p, Wh)
            passed = (t - before).total_seconds()
            assert passed >= -BACK_s, (p, before)
            # (a cut takes its time, and sampling begins anew)
            dark = [off for off in self.cuts if off[1] > before - HOUR and off[0] < t + HOUR]
            late += not dark and passed > 2 * SAMPLE_s - SLACK_s
            Wh[c], running[c] = energy, (id, t)
            if action == "StopTransaction":
                del running[c]
        assert not running, running
        # (the meter does not always answer in time when a second lasts 0.7 ms)
        between += sum(last_Wh) - sum(Wh.values())
        assert between <= (sum(last_Wh) - sum(first_Wh)) * UNBILLED, (between, last_Wh)
        assert late <= samples * LATE, (late, samples)
        lost = ("sample lost", "given up", "not written", "damaged", "dropped")
        assert not [line for line in self.b.process.output if any(word in line for word in lost)]
        starts = [p for action, p in told if action == "StartTransaction"]
        stops = [p["transactionId"] for action, p in told if action == "StopTransaction"]
        assert len(starts) == len(set(stops)) == len(stops)
        return (
            f"{len(starts)} transactions with {samples} samples ({late} late), "
            f"{twice} messages told twice, {between} of {sum(last_Wh) - sum(first_Wh)} Wh unbilled"
        )


async def test_a_day(tmp_path, micropython32, rng):
    seed = os.environ["PILOTWIRE_SEED"]
    b = Bench(tmp_path, SPEED, interpreter=micropython32, heap=ESP32_HEAP, connectors=2)
    b.cs.heartbeat_interval = 86400
    async with b:
        for key, value in (
            ("MeterValueSampleInterval", SAMPLE_s),
            ("MeterValuesSampledData", "Energy.Active.Import.Register"),
            ("WebSocketPingInterval", 0),  # (of simulated seconds: a busy machine is no dead one)
        ):
            await b.key(key, str(value))
        day = Day(b, rng)
        day.answers()
        watching = asyncio.create_task(day.watch())
        try:
            deadline = time.monotonic() + REAL_s
            start = await day.now()
            # (a meter that was not read yet shows nothing)
            read = [await b.process.until(lambda c: c["energy_Wh"], c) for c in BOTH]
            first_Wh = [c["energy_Wh"] for c in read]
            await day.run(start, start + HOUR, deadline)
            first, _ = await day.quiet()
            await day.run(start, start + DAY, deadline)
            passed = await day.now() - start
            last, state = await day.quiet()
            told = day.told()
            await day.power_cut()
            await day.quiet()
            assert day.told() == told  # nothing is left on the flash
        finally:
            watching.cancel()
        result = day.check(first_Wh, [c["energy_Wh"] for c in state["connectors"]])
        print(
            f"seed {seed}: {passed / HOUR:.1f} h, {day.done}, {len(day.cuts)} power cuts: {result}"
        )
        print(f"live heap: {first} bytes after the first hour, {last} at the end")
        assert last <= first + HEAP
