"""A power cut at every flash operation of a whole session (make test: at a third of them, which
the seed picks): plug, authorise, start, 20 samples, stop, unplug. The real Station, Journal and
Outbox on a flash in RAM, with a Central System behind them that notes what it is told."""

import asyncio
import gc
import json

import flash
from rig import share
from world import T0, UNSET, World, files

from firmware.clock import format_iso, parse_iso
from firmware.electrical import pilot
from firmware.ocpp import delivery, outbox, registration
from firmware.storage import tags
from firmware.storage.journal import SAMPLE, START, STOP

HEAP = "1600K"

STEP_ms = 500
TURNS = 3  # of the sender in a step
PLUG_s, TAG_s, STOP_s = 5, 8, 226  # at least 20 samples lie between the last two
OFF_s = 7  # how long the power stays away
LAST_s = 600  # by then all must have been told
SLOW_s = 12  # what every second answer takes: samples are taken meanwhile
ACTIONS = {START: "StartTransaction", SAMPLE: "MeterValues", STOP: "StopTransaction"}


def meter_Wh(t):
    """What the meter shows at the true second `t`: no two seconds have the same."""
    return 1000 + 3 * (t - T0)


class Settings(dict):
    """Configuration, as far as the Outbox asks for it."""

    def value(self, name):
        return self[name]

    def put(self, name, value):
        self[name] = value


class VirtualTime:
    """asyncio for the Outbox, whose sleeps take the time of the world."""

    Event = asyncio.Event
    TimeoutError = asyncio.TimeoutError

    def __init__(self, day):
        self.day = day
        self.create_task = asyncio.create_task

    async def sleep_ms(self, ms):
        end_ms = self.day.true_ms + ms
        while self.day.true_ms < end_ms:
            await asyncio.sleep_ms(0)

    def sleep(self, s):
        return self.sleep_ms(s * 1000)


class Delivery(delivery.Delivery):
    async def tell(self, kind, tx, sample):
        await delivery.Delivery.tell(self, kind, tx, sample)
        day = self._outbox.rpc
        day.told[-1][2] = not day.chip.dead  # what its answer meant is on flash


class Day:
    """One run of the session, with a power cut if the flash has one; for the Outbox also the Rpc.

    events: what the station wanted to tell: [kind, true second, idTag or None, it was promised]
    told: what the Central System has received: [action, payload, answer dealt with, boot, id]
    """

    def __init__(self, world, online):
        self.w = world
        self.chip = world.flash
        self.online = online
        self.true_ms = T0 * 1000
        self.events = []
        self.told = []
        self.boots = self.ids = self.asked = self.began = 0
        self.mute = False
        self.talking = None
        delivery.asyncio = outbox.asyncio = registration.asyncio = VirtualTime(self)
        registration.time = world.time
        outbox.Delivery = Delivery
        world.electrics[0].state = pilot.A
        self.boot(T0)

    def boot(self, t):
        w = self.w
        w.said.clear()
        w.boot(t)
        self.boots += 1
        self.outbox = outbox.Outbox(w.station, self, w.settings, {}, None, w.said.append)
        for kind, name in ((START, "start"), (SAMPLE, "sample"), (STOP, "stop")):
            setattr(w.journal, name, self.noting(kind, getattr(w.journal, name)))

    def noting(self, kind, keep):
        def noted(tx, *sample):
            event = [kind, self.true_ms // 1000, tx.token, False]
            self.events.append(event)
            result = keep(tx, *sample)
            event[3] = not self.chip.dead
            return result

        return noted

    # The Central System and the way to it

    async def call(self, action, payload, wait_s=30, tries=None):
        if self.chip.dead:
            await asyncio.Event().wait()  # (nothing leaves any more)
        self.asked += 1
        self.began = registration.time.ticks_ms()
        if callable(payload):
            payload = json.loads("".join(payload()))
        conf = {"idTagInfo": {"status": "Accepted"}}
        # (readings that belong to no transaction are not kept)
        if action in ACTIONS.values() and (
            action != ACTIONS[SAMPLE] or "transactionId" in payload
        ):
            self.told.append([action, payload, False, self.boots, None])
        if action == "StartTransaction":
            # One that knows nothing of a message that comes twice: another id.
            self.ids += 1
            conf["transactionId"] = self.told[-1][4] = 100 + self.ids
        slow = self.asked % 2
        if slow:
            await outbox.asyncio.sleep_ms(SLOW_s * 1000)
            if self.chip.dead:
                await asyncio.Event().wait()
        if action == "BootNotification":
            while self.true_ms % 1000:  # (so that the two clocks tick together)
                await asyncio.sleep_ms(0)
            # (the station takes a slow answer for one of a second ago)
            now = format_iso(self.true_ms // 1000 - slow)[:-1] + ".001Z"
            conf = {"status": "Accepted", "interval": 86400, "currentTime": now}
        return conf

    def link(self, up):
        if up and not self.talking:
            self.talking = asyncio.create_task(self.talk())
        elif not up and self.talking:
            self.talking.cancel()
            self.talking = None

    async def talk(self):
        try:
            await self.outbox.talk()
        except OSError:
            assert self.chip.dead

    # The person, the car, the electricity

    def person(self, s):
        """What they do, `s` seconds into the day; whatever a power cut undid they do again."""
        c, e = self.w.c, self.w.electrics[0]
        if PLUG_s <= s < STOP_s:
            e.state = pilot.C
            if s >= TAG_s and not (c.tx or c.waits or self.w.station.asks):
                if c.settled() and s % 5 == TAG_s % 5:
                    self.w.station.access().tag("TAG", 1)
        elif s >= STOP_s and e.state == pilot.C:
            if c.tx and not c.stopping():
                self.w.station.access().tag("TAG", 1)
            elif not c.tx and c.settled():
                e.state = pilot.A
                return True
        return e.state == pilot.A and s > STOP_s

    def step(self):
        """Half a second; True when the person has left."""
        w, e, meter = self.w, self.w.electrics[0], self.w.meters[0]
        w.time.pass_ms(STEP_ms)
        self.true_ms += STEP_ms
        e.pilot_mA = w.c.allow_mA if e.state == pilot.C else 0
        e.closed = e.pilot_mA > 0
        meter.energy_Wh = meter_Wh(self.true_ms // 1000)
        meter.readings += 1
        gone = False
        if not self.true_ms % 1000:
            gone = self.person(self.true_ms // 1000 - T0)
            w.station.metering.poll(w.clock.now(), w.clock.known(), 1000)
        w.station.poll()
        return gone

    async def run(self):
        gone = False
        while not (gone and self.boots and not self.w.journal.head() and self.talking):
            assert self.true_ms < (T0 + LAST_s) * 1000, (self.w.said, self.told, self.w.queue())
            try:
                if not self.chip.dead:
                    gone = self.step() or gone
            except OSError:
                assert self.chip.dead
            if not self.chip.dead:
                self.link(self.online or gone)
                for _ in range(TURNS):
                    await asyncio.sleep_ms(0)
            if self.chip.dead:
                self.link(False)
                await asyncio.sleep_ms(0)
                self.chip.on()
                flash.mount(self.chip)
                self.true_ms = (self.true_ms // 1000 + OFF_s) * 1000
                self.boot(UNSET)
        self.link(False)
        await asyncio.sleep_ms(0)

    # What must be true in the end

    def check(self, where):
        """All that was promised was told, in order, with what was true; -> told twice."""
        told, twice, id = [], 0, None
        for message in self.told:
            action, payload, _, boot, given = message
            if told and told[-1][:2] == message[:2]:
                assert not told[-1][2] and told[-1][3] < boot, (where, "told twice", message)
                told.pop()
                twice += 1
            told.append(message)
            id = given or id
            assert given or payload["transactionId"] == id, (where, payload, id)
        assert twice <= 1, where
        i = 0
        for kind, t, tag, promised in self.events:
            if i < len(told) and same(told[i], kind, t, tag):
                i += 1
            else:
                assert not promised, (where, "missing", kind, t - T0, told[i:])
        assert i == len(told), (where, "nobody knows of", told[i:])
        kinds = [message[0] for message in told]
        assert kinds == [ACTIONS[START]] + [ACTIONS[SAMPLE]] * (len(told) - 2) + [ACTIONS[STOP]]
        assert [f for f in files() if f != "clock"] == [], (where, files())
        assert self.chip.misused == 0
        return twice


def same(message, kind, t, tag):
    """The message is the one of that kind that happened at the true second `t`."""
    action, payload = message[:2]
    if action != ACTIONS[kind]:
        return False
    if kind == SAMPLE:
        return shows(payload["meterValue"], t, "Sample.")
    if kind == START:
        return payload == {
            "connectorId": 1,
            "idTag": tag,
            "meterStart": meter_Wh(t),
            "timestamp": format_iso(t),
        }
    data = payload["transactionData"]
    got = [payload[k] for k in ("meterStop", "timestamp", "reason", "idTag")]
    return (
        got == [meter_Wh(t), format_iso(t), "Local", tag]
        and shows(data[-1:], t, "Transaction.End")
        and all([shows([value], parse_iso(value["timestamp"])) for value in data])
        and data[0]["sampledValue"][0]["context"] == "Transaction.Begin"
    )


def shows(values, t, context=""):
    value = values[0]["sampledValue"][0]
    return (
        len(values) == 1
        and values[0]["timestamp"] == format_iso(t)
        and value["value"] == str(meter_Wh(t))
        and value["context"].startswith(context)
    )


async def cuts(online, tear):
    w = World()
    w.settings = Settings(w.settings)
    for key, value in (
        ("heartbeat_s", 86400),
        ("sample_s", 15),
        ("aligned_s", 25),
        ("stop_sampled", 1),
        ("attempts", 3),
        ("retry_s", 60),
    ):
        w.settings[key] = value
    w.boot()
    if not online:
        w.station.local().heard("TAG", tags.ACCEPTED)
    blank = bytes(w.flash.data)
    day = Day(w, online)
    await day.run()
    total = w.flash.ops
    assert day.check("no cut") == 0
    assert 22 <= len(day.told) <= 25, len(day.told)
    done = twice = messages = 0
    for cut in share(total):
        gc.collect()
        w.flash.restore(blank)
        flash.mount(w.flash)
        w.flash.tear, w.flash.dies_at = tear, cut
        day = Day(w, online)
        await day.run()
        if day.boots == 1:
            continue  # (what LittleFS does depends on where it begins to look for blocks)
        done += 1
        twice += day.check((online, tear, cut))
        messages += len(day.told)
    print(
        "%s, %d/8 of the operation happen: %d cuts, %d messages, %d told twice, none lost"
        % ("online" if online else "offline", tear, done, messages, twice)
    )
    assert done > 50 // 3


def run(online, tear):
    asyncio.run(cuts(online, tear))


def test_online_nothing_of_the_operation_happens():
    run(True, 0)


def test_online_part_of_it_happens():
    run(True, 3)


def test_online_all_of_it_happens():
    run(True, 8)


def test_offline_nothing_of_the_operation_happens():
    run(False, 0)


def test_offline_part_of_it_happens():
    run(False, 5)


def test_offline_all_of_it_happens():
    run(False, 8)
