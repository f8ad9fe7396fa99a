"""Random hours in OCPP 2.0.1: sessions of every kind, with a network and a power supply that come
and go, by the real Station, Journal and Outbox on a flash in RAM. The Central System learns of all
that was promised, in order and by its numbers, and twice only what it answered in vain."""

import asyncio
import gc
import json
import os
import random

import flash
from mp_power_cuts import V201, Day, Settings
from world import T0, UNSET, World, files

from firmware.clock import format_iso
from firmware.electrical import pilot
from firmware.storage import tags
from firmware.storage.journal import START, STOP

HEAP = "1600K"

LONG = os.getenv("PILOTWIRE_ALL") == "1"
LAST_s = 24 * 3600 if LONG else 2400
PAUSE_s = 12  # from one thing that happens to the next, on average
MORE = 65536  # bytes that it may have grown by: one station that is gone may be kept (below)


class Hours(Day):
    """events, told: as of Day, checked and forgotten whenever all is quiet; done: how often each
    thing happened; heap: what is alive whenever it is quiet."""

    def __init__(self, world, rng):
        self.rng = rng
        self.done = {}
        self.dark_s = self.next_s = 0  # until when there is no network; of the next thing
        self.heap = []
        self.count = [0, 0, 0]  # transactions, messages, how many of them came twice
        Day.__init__(self, world, True, V201())

    def noting(self, kind, keep):
        keeps = Day.noting(self, kind, keep)

        def noted(tx, *values):
            n, known = len(self.events), self.w.clock.known()
            try:
                return keeps(tx, *values)
            finally:
                for event in self.events[n:]:
                    event.append(known)

        return noted

    def act(self, s):
        """Something happens."""
        rng, c, e = self.rng, self.w.c, self.w.electrics[0]
        access = self.w.station.access()
        what = rng.choice(
            "plug plug tag tag tag unplug pause ready remote stop gone cut deaf clock".split(" ")
        )
        if what == "plug" and e.state == pilot.A:
            e.state = pilot.C
        elif what == "tag":
            access.tag(rng.choice(("ANNE", "BEN", "CARLA")), 1)
        elif what == "unplug":
            e.state = pilot.A
        elif what in ("pause", "ready") and e.state != pilot.A:
            e.state = pilot.B if what == "pause" else pilot.C
        elif what == "remote" and c.free():
            access.accept("DORA", c, kind=1, request=rng.randrange(1000))
        elif what == "stop":
            c.stop(1)
        elif what == "gone":
            self.dark_s = s + rng.randrange(5, 200)
        elif what == "cut":
            self.chip.dies_at = self.chip.ops + rng.randrange(1, 30)
            self.chip.tear = rng.choice((0, 3, 8))
        else:
            return
        self.done[what] = self.done.get(what, 0) + 1

    def person(self, s):
        if s >= LAST_s:  # they all leave
            self.w.electrics[0].state = pilot.A
            self.dark_s = 0
        elif s >= self.next_s:
            self.next_s = s + self.rng.randrange(1, 2 * PAUSE_s)
            self.act(s)
        return s > LAST_s + 20 and not self.w.c.tx

    async def run(self):
        gone = False
        while not (gone and not self.w.journal.head() and self.talking):
            s = self.true_ms // 1000 - T0
            assert s < LAST_s + 3000, (self.w.said[-5:], self.w.queue())
            try:
                if not self.chip.dead:
                    gone = self.step() or gone
            except OSError:
                assert self.chip.dead
            if not self.chip.dead:
                self.link(s >= self.dark_s)
                for _ in range(3):
                    await asyncio.sleep_ms(0)
                if len(self.events) > 60 and not self.chip.dead and self.quiet():
                    self.check()
            if self.chip.dead:
                self.link(False)
                self.outbox.delivery.cancel()  # (or its pause would keep what is gone)
                await asyncio.sleep_ms(0)
                self.chip.on()
                self.chip.dies_at = None
                flash.mount(self.chip)
                self.true_ms = (self.true_ms // 1000 + self.rng.randrange(2, 40)) * 1000
                self.boot(UNSET)
        self.check()
        self.link(False)
        await asyncio.sleep_ms(0)

    def quiet(self):
        """Nothing goes on, and all was told and answered."""
        return self.talking and not (self.w.c.tx or self.w.journal.head())

    def check(self):
        """What was told so far is right, and is forgotten."""
        told, twice = [], 0
        for message in self.told:
            if told and told[-1][1] == message[1]:
                assert not told[-1][2], ("told twice", message)
                told.pop()
                twice += 1
            told.append(message)
        ways = {0}  # how many of them may have been told up to this event
        for event in self.events:
            then = {i + 1 for i in ways if i < len(told) and same(told[i][1], event)}
            if not event[3]:
                then |= ways
            assert then, ("missing", event, [told[i : i + 2] for i in ways])
            ways = then
        assert len(told) in ways, ("nobody knows of", told[max(ways) :])
        numbers, over = {}, []
        for _, p, _, _, _ in told:
            id = p["transactionInfo"]["transactionId"]
            assert p["seqNo"] == numbers.get(id, 0) and id not in over, (p, numbers)
            numbers[id] = p["seqNo"] + 1
            assert (p["eventType"] == "Started") == (p["seqNo"] == 0), p
            if p["eventType"] == "Ended":
                over.append(id)
        assert len(over) == len(numbers)
        assert [f for f in files() if f != "clock"] == []
        for i, n in enumerate((len(over), len(told), twice)):
            self.count[i] += n
        self.told.clear()
        self.events.clear()
        self.w.said.clear()
        del told, numbers, over
        gc.collect()
        self.heap.append(gc.mem_alloc())


def same(said, event):
    kind, t, _, _, online, known = event
    what = {START: "Started", STOP: "Ended"}.get(kind, "Updated")
    # (without a clock nobody knows when it was, if the power fails once more before it is set)
    at = not known or said["timestamp"] == format_iso(t)
    return at and said["eventType"] == what and said.get("offline", False) is not online


def test_hours_at_random():
    seed = int(os.getenv("PILOTWIRE_SEED") or 0)
    random.seed(seed * 2654435761 & 0x3FFFFFFF)  # (neighbours begin alike)
    w = World(blocks=64)
    w.settings = Settings(w.settings, spoken=0)
    w.settings.config = w.settings
    w.settings.protocols = [V201.protocol]
    w.settings.update(V201.settings)
    w.settings.update({"heartbeat_s": 86400, "attempts": 3, "retry_s": 20, "wait_s": 30})
    w.settings.update({"sample_s": 30, "aligned_s": 70, "offline_unknown": True})
    points = random.randrange(1, 16), random.randrange(1, 16), random.randrange(2) == 1
    w.settings.update(dict(zip(("tx_start", "tx_stop", "stop_unplugged"), points)))
    w.boot()
    w.station.local().heard("ANNE", tags.ACCEPTED)
    hours = Hours(w, random)
    asyncio.run(hours.run())
    print("seed %d, %s: %s, %d boots" % (seed, points, json.dumps(hours.done), hours.boots))
    print("%d transactions, %d messages, %d told twice" % tuple(hours.count))
    # (what a frame that is gone has left on the stack keeps some of a station that is gone)
    half = len(hours.heap) // 2
    first, then = min(hours.heap[: half + 1]), min(hours.heap[half:])
    print("live heap: %d bytes, then %d" % (first, then))
    assert hours.count[0] and then < first + MORE
