"""A power cut at every flash operation of a whole session, in three ways (make test: at a third of
them, which the seed picks): plug, authorise, start, 20 samples, stop, unplug. The real Station,
Journal and Outbox on a flash in RAM, with a Central System behind them that notes what it is told,
in OCPP 1.6 or 2.0.1."""

import asyncio
import gc
import json

import flash
from fork import forked
from rig import due
from world import T0, UNSET, World, files

from firmware.clock import format_iso, parse_iso
from firmware.electrical import pilot
from firmware.ocpp import delivery, outbox, registration
from firmware.storage import tags
from firmware.storage.journal import OVER, SAMPLE, START, STOP, TOKEN

HEAP = "1600K"

STEP_ms = 500
TEARS = 0, 3, 8  # eighths of the operation that still happen
TURNS = 3  # of the sender in a step
PLUG_s, TAG_s, STOP_s = 5, 8, 226  # at least 20 samples lie between the last two
OFF_s = 7  # how long the power stays away
LAST_s = 600  # by then all must have been told
SLOW_s = 12  # what every second answer takes: samples are taken meanwhile
IDENTITY = "Pilotwire", "prover", "1", "0", None, 0


def meter_Wh(t):
    """What the meter shows at the true second `t`: no two seconds have the same."""
    return 1000 + 3 * (t - T0)


class V16:
    """What of the session depends on the language."""

    protocol = "ocpp1.6"
    ACTIONS = {START: "StartTransaction", SAMPLE: "MeterValues", STOP: "StopTransaction"}
    settings = {"aligned_s": 25, "stop_sampled": 1}

    def __init__(self):
        self.ids = 0

    def about(self, action, payload):
        """Is it to be told, once? (Readings that belong to no transaction are not kept.)"""
        return action in self.ACTIONS.values() and (
            action != self.ACTIONS[SAMPLE] or "transactionId" in payload
        )

    def answer(self, action):
        """(confirmation, an id that it gives or None)"""
        conf, id = {"idTagInfo": {"status": "Accepted"}}, None
        if action == "StartTransaction":
            # One that knows nothing of a message that comes twice: another id.
            self.ids += 1
            conf["transactionId"] = id = 100 + self.ids
        return conf, id

    def same(self, message, event):
        """The message is the one of that event."""
        kind, t, tag = event[:3]
        action, payload = message[:2]
        if action != self.ACTIONS[kind]:
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

    def check(self, told, where):
        """What must be true of all messages, each once."""
        id = None
        for message in told:
            id = message[4] or id
            assert message[4] or message[1]["transactionId"] == id, (where, message, id)
        kinds = [message[0] for message in told]
        wanted = [self.ACTIONS[kind] for kind in (START, SAMPLE, STOP)]
        assert kinds == wanted[:1] + wanted[1:2] * (len(told) - 2) + wanted[2:]
        assert 22 <= len(told) <= 25 or where != "no cut", len(told)


class V201:
    """The same in OCPP 2.0.1, where the transaction begins by the car alone and ends with it."""

    protocol = "ocpp2.0.1"
    # (what the start tells beside energy has to be the same if it is told twice)
    settings = {
        "aligned_s": 25,
        "stop_sampled": 1,
        "stop_sample_s": 15,
        "started": 3,
        "tx_start": 1,
        "tx_stop": 1,
    }

    def about(self, action, payload):
        return action == "TransactionEvent"

    def answer(self, action):
        return {"idTokenInfo": {"status": "Accepted"}}, None

    def same(self, message, event):
        kind, t, tag, _, online = event
        said = message[1]
        values = said.get("meterValue")
        at, context = t, "Sample."
        right = said["timestamp"] == format_iso(t) and said.get("offline", False) is not online
        if kind == START:
            right = right and said["eventType"] == "Started" and len(values) == 1
            right = right and len(values[0]["sampledValue"]) == 2
            context = "Transaction.Begin"
        elif kind == STOP:
            right = right and said["eventType"] == "Ended"
            context = "Transaction.End"
        else:
            right = right and said["eventType"] == "Updated"
            if kind != SAMPLE:
                named = said.get("idToken")
                tagged = named and named["idToken"] == "TAG"
                return right and not values and bool(tagged) == (kind in (TOKEN, OVER))
        return bool(right and values and shows201(values[-1:], at, context))

    def check(self, told, where):
        # (what the power cut undid of a transaction that nobody had heard of yet leaves no trace)
        numbers, kinds = [], []
        for message in told:
            assert (
                message[1]["transactionInfo"]["transactionId"]
                == told[0][1]["transactionInfo"]["transactionId"]
            ), where
            numbers.append(message[1]["seqNo"])
            kinds.append(message[1]["eventType"])
        assert numbers == list(range(len(told))), (where, numbers)
        assert kinds == ["Started"] + ["Updated"] * (len(told) - 2) + ["Ended"], (where, kinds)
        triggers = [message[1]["triggerReason"] for message in told]
        for trigger in ("CablePluggedIn", "Authorized", "StopAuthorized"):
            assert triggers.count(trigger) == 1, (where, trigger, triggers)
        # (of a car that left while the power was away nobody knows more than that)
        assert triggers[-1] in ("EVCommunicationLost", "AbnormalCondition"), (where, triggers)
        end = told[-1][1]
        data = [values for values in end["meterValue"]]
        assert all([shows201([value], parse_iso(value["timestamp"])) for value in data]), where
        assert data[0]["sampledValue"][0]["context"] == "Transaction.Begin"
        assert end["transactionInfo"]["stoppedReason"] == "Local"
        assert end["transactionInfo"]["chargingState"] == "Idle"


class Settings(dict):
    """Configuration, as far as the Outbox asks for it."""

    slot = 0

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

    events: what the station wanted to tell: [kind, true second, token, it was promised, online]
    told: what the Central System has received: [action, payload, answer dealt with, boot, id]
    """

    def __init__(self, world, online, language):
        self.w = world
        self.language = language
        self.chip = world.flash
        self.online = online
        self.true_ms = T0 * 1000
        self.events = []
        self.told = []
        self.boots = self.asked = self.began = 0
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
        self.outbox = outbox.Outbox(w.station, self, w.settings, IDENTITY, None, w.said.append)
        for kind, name in ((START, "start"), (SAMPLE, "sample"), (STOP, "stop"), (None, "note")):
            setattr(w.journal, name, self.noting(kind, getattr(w.journal, name)))

    def noting(self, kind, keep):
        def noted(tx, *values):
            what = values[0] if kind is None else kind
            event = [what, self.true_ms // 1000, tx.token, False, self.w.journal.online]
            if kind is not None or what in self.w.journal.wanted:
                self.events.append(event)
            result = keep(tx, *values)
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
        conf, id = self.language.answer(action)
        if self.language.about(action, payload):
            self.told.append([action, payload, False, self.boots, id])
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
            if s >= TAG_s and not (c.claim() or c.waits or self.w.station.asks):
                if c.settled() and s % 5 == TAG_s % 5:
                    self.w.station.access().tag("TAG", 1)
        elif s >= STOP_s and e.state == pilot.C:
            if c.tx and c.tx.authorised and not c.stopping():
                self.w.station.access().tag("TAG", 1)
            elif not (c.tx and c.tx.authorised) and c.settled():
                e.state = pilot.A
        return e.state == pilot.A and s > STOP_s and not c.tx

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

    # What goes on in the meantime; Hours in mp_day.py has other ways

    last_s = LAST_s

    def linked(self, gone):
        """There is a network; `gone`: the person has left."""
        return self.online or gone

    def off_s(self):
        """For how long the power stays away."""
        return OFF_s

    def look(self):
        """Once a step, with the power on."""

    async def run(self):
        gone = False
        while not (gone and not self.w.journal.head() and self.talking):
            assert self.true_ms < (T0 + self.last_s) * 1000, (
                self.w.said,
                self.told,
                self.w.queue(),
            )
            try:
                if not self.chip.dead:
                    gone = self.step() or gone
            except OSError:
                assert self.chip.dead
            if not self.chip.dead:
                self.link(self.linked(gone))
                for _ in range(TURNS):
                    await asyncio.sleep_ms(0)
                if not self.chip.dead:
                    self.look()
            if self.chip.dead:
                self.link(False)
                self.outbox.delivery.cancel()  # (its pause would keep what is gone)
                await asyncio.sleep_ms(0)
                self.chip.on()
                flash.mount(self.chip)
                self.true_ms = (self.true_ms // 1000 + self.off_s()) * 1000
                self.boot(UNSET)
        self.link(False)
        await asyncio.sleep_ms(0)

    # What must be true in the end

    def check(self, where):
        """All that was promised was told, in order, with what was true; -> told twice."""
        told, twice = [], 0
        for message in self.told:
            if told and told[-1][:2] == message[:2]:
                assert not told[-1][2] and told[-1][3] < message[3], (where, message)
                told.pop()
                twice += 1
            told.append(message)
        assert twice <= 1, where
        i = 0
        for event in self.events:
            if i < len(told) and self.language.same(told[i], event):
                i += 1
            else:
                t = event[1] - T0
                assert not event[3], (where, "missing", t, event, told[i : i + 2])
        assert i == len(told), (where, "nobody knows of", told[i:])
        self.language.check(told, where)
        assert [f for f in files() if f != "clock"] == [], (where, files())
        assert self.chip.misused == 0
        return twice


def shows(values, t, context=""):
    value = values[0]["sampledValue"][0]
    return (
        len(values) == 1
        and values[0]["timestamp"] == format_iso(t)
        and value["value"] == str(meter_Wh(t))
        and value["context"].startswith(context)
    )


def shows201(values, t, context=""):
    value = values[0]["sampledValue"][0]
    return (
        values[0]["timestamp"] == format_iso(t)
        and value["value"] == meter_Wh(t)
        and value["context"].startswith(context)
    )


def speaking(language, blocks=16, **settings):
    """A World for a Day in `language`, with these settings."""
    w = World(blocks=blocks)
    w.settings = Settings(w.settings, spoken=0, heartbeat_s=86400, attempts=3)
    w.settings.config = w.settings
    w.settings.protocols = [language.protocol]
    w.settings.update(language.settings)
    w.settings.update(settings)
    return w.boot()


async def cuts(language, online):
    """The day without a cut; at each operation copies of this process go on with one."""
    w = speaking(language, sample_s=15, retry_s=60)
    if not online:
        w.station.local().heard("TAG", tags.ACCEPTED)
    gc.collect()
    w.flash.on()
    done = 0

    def cut(op):
        nonlocal done
        for i, tear in enumerate(TEARS):
            if due(op + i):
                done += 1
                if forked():
                    w.flash.cut, w.flash.tear = None, tear
                    return True
        return False

    w.flash.cut = cut
    day = Day(w, online, language())
    await day.run()
    twice = day.check("no cut" if day.boots == 1 else (online, w.flash.tear))
    if day.boots == 1:
        assert twice == 0
        print("%d operations, %d cuts, none lost" % (w.flash.ops, done))
        assert done > 50


def test_online():
    asyncio.run(cuts(V16, True))


def test_offline():
    asyncio.run(cuts(V16, False))


def test_online_in_201():
    asyncio.run(cuts(V201, True))


def test_offline_in_201():
    asyncio.run(cuts(V201, False))
