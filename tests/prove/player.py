"""Plays scenarios against the real firmware: on CPython and on both MicroPythons.

    player.py FOLDER [FLAW]

A scenario is one line of JSON on stdin, its answers are one line on stdout that starts with "@".
The way of a frame is the firmware's own, Rpc to Evaluator, with files in FOLDER; the WebSocket,
the clock, the car and the meter are played here. FLAW breaks the firmware on purpose (FLAWS), to
prove that the prover notices.
"""

import sys

sys.path[:0] = [".", "lib", "tests/unit"]
if sys.implementation.name == "cpython":
    sys.path.insert(0, "tests/prove/shim")

import asyncio
import json
import os

from electrics import Electrics

from firmware import clock, lazy
from firmware.charging import limits, profile
from firmware.charging.schedule import Evaluator
from firmware.charging.store import Store
from firmware.electrical import pilot
from firmware.ocpp import registration, requests, rpc
from firmware.ocpp.outbox import Outbox
from firmware.outlet import Outlet
from firmware.station import states, station
from firmware.station.connector import Connector
from firmware.station.kept import Kept
from firmware.station.policy import Policy
from firmware.station.sharing import Sharing
from firmware.storage.journal import Journal
from firmware.storage.transactions import Folder

if sys.implementation.name == "cpython":
    import traceback

    sys.print_exception = traceback.print_exception
    asyncio.sleep_ms = lambda ms: asyncio.sleep(ms / 1000)

_2000_TO_2020 = 631152000
_CALL = "[2,"


class Time:
    """The time module and the RTC. Ticks move only where an operation says so."""

    def __init__(self):
        self.t = self.ms = 0

    def ticks_ms(self):
        return self.ms

    def time(self):
        return self.t + _2000_TO_2020

    def datetime(self, value=None):
        if value is None:
            return (0,) * 7 + (500000,)
        year, month, day, _, hour, minute, second, _ = value
        days = day - 1
        for y in range(2020, year):
            days += 366 if leap(y) else 365
        for m in range(1, month):
            days += (31, 29 if leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30)[m - 1]
        self.t = days * 86400 + hour * 3600 + minute * 60 + second


def leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


class Meter:
    energy_Wh = 1000
    power_W = 0
    current_mA = voltage_mV = (0, 0, 0)
    gives = 0x01
    frequency_cHz = 0

    def __init__(self):
        self.readings = 1

    def known(self):
        return True


class Settings:
    values = {
        "offline_unknown": False,
        "cache": False,
        "remote_authorise": False,
        "composite_local": False,
        "wait_s": 60,
        "list": False,
        "preauthorise": False,
        "unasked": False,
        "cache_s": 0,
        "cache_final": False,
        "list_final": False,
        "master_group": "",
        "status_s": 0,
        "rise_s": 0,  # (here the pilot follows at once: what is due at an instant)
        "pause_s": 0,
        "stop_unplugged": True,
        "stop_refused": True,
        "stop_sampled": 0,
        "attempts": 3,
        "retry_s": 60,
        "unaccepted": True,
        "tx_start": 4,
        "tx_stop": 6,
        "started": 0,
        "stop_sample_s": 0,
        "stop_aligned_s": 0,
        "aligned_idle": False,
        "significance_permille": 0,
        "outside": True,
        "limit_schedules": True,
        "spoken": 0,
    }

    slot = 0  # of the Central System's address

    def __init__(self, protocol):
        self.config = Config()
        self.config.protocols = (protocol,)

    def value(self, name):
        return self.values[name]

    def put(self, name, value):
        self.values[name] = value


class Config:
    pass


class Central:
    """The Central System behind the connection: answers what the station asks.

    A transaction has a number in a scenario. In OCPP 1.6 the station is given it; in 2.0.1 it has
    a name of its own, and what stands as "tx:7" in a scenario and its answers is that."""

    def __init__(self):
        self.now = ""  # what it says that the time is
        self.ids = {}  # connector: transactionIds to give
        self.rpc = self.answer = None
        self.names = {}  # "tx:7": transactionId
        self.reports = []

    async def send(self, data, *_):
        text = data if isinstance(data, str) else bytes(data).decode()
        if not text.startswith(_CALL):
            self.answer = text
            return
        _, message_id, action, payload = json.loads(text)
        conf = {}
        if action == "StartTransaction":
            number = self.ids[payload["connectorId"]].pop(0)
            conf = {"transactionId": number, "idTagInfo": {"status": "Accepted"}}
        elif action == "ReportChargingProfiles":
            text = text[text.index("{") : -1]
            for number, name in self.names.items():
                text = text.replace(name, number)
            self.reports.append(text)
        elif action in ("BootNotification", "Heartbeat"):
            conf = {"currentTime": self.now}
            if action == "BootNotification":
                conf["status"], conf["interval"] = "Accepted", 0
        answer = json.dumps([3, message_id, conf]).encode()
        asyncio.create_task(self.rpc.receive(self.rpc.decode(answer)))

    async def send_from(self, size, pieces):
        await self.send(b"".join(pieces))

    async def ask(self, text):
        self.answer = None
        for number, name in self.names.items():
            text = text.replace('"%s"' % number, '"%s"' % name)
        await self.rpc.receive(self.rpc.decode(text.encode()))
        return self.answer


class World:
    """A station; every operation of a scenario is a method. Those on connectors do nothing where
    they make no sense, so that a scenario stays one when operations are taken out."""

    def __init__(self, folder, scenario):
        self.folder, self.scenario = folder, scenario
        for name in ("profiles", "tx", "auth"):
            empty(folder + "/" + name)
        self._noted("")
        self.time = station.time = clock.time = Time()
        registration.time = rpc.time = self.time
        n = scenario["connectors"]
        self.electrics = [Electrics() for _ in range(n)]
        self.meters = [Meter() for _ in range(n)]
        self.central = Central()
        self.central.ids = {number: [] for number in range(1, n + 1)}
        self.silent = self.offline = False

    async def reboot(self, now):
        self._build()
        await self._boot(now)
        await self._settle()

    def _noted(self, text):
        with open(self.folder + "/last_time", "w") as f:
            f.write(text)

    async def cut(self, noted):
        # The power, and with it the clock; the Central System is not there yet.
        self.offline = True
        if noted is None:
            os.remove(self.folder + "/last_time")
        else:
            self._noted("%d %d" % (noted, not self.station.clock.known()))
        self.time.t = -_2000_TO_2020
        self._build()
        await self._settle()

    async def restore(self, now):
        self.offline = False
        await self._boot(now)
        await self._follow()

    async def _boot(self, now):
        self.central.now = now
        await self.outbox.registration.boot()

    async def _settle(self):
        self.station.poll()
        self.time.ms += 1500  # now the states of the pilots count
        await self._follow()

    def _build(self):
        said = []
        journal = Journal(Folder(self.folder + "/tx", said.append), self.folder + "/samples")
        store = Store(self.folder + "/profiles", said.append)
        settings = Settings(self.scenario["protocol"])
        self.connectors = []
        for i, e in enumerate(self.electrics):
            outlet = Outlet(None, None, self.meters[i])
            outlet.controller = e
            slots = limits.Limits(self.scenario["hardware_mA"])
            self.connectors.append(Connector(i + 1, outlet, slots, journal, settings.value))
        sharing = Sharing(
            self.connectors,
            Evaluator(store, self.scenario["volts"]),
            store,
            clock.Clock(self.time, self.folder + "/last_time"),
            settings.value,
        )
        kept = Kept(self.folder + "/kept.json", self.connectors, said.append)
        self.station = station.Station(
            sharing,
            journal,
            kept,
            said.append,
            Policy(said.append),
            auth=self.folder + "/auth",
        )
        link = rpc.Rpc(lambda action, payload: self.requests.handle(action, payload), said.append)
        identity = ("", "", "", "", "", 0)
        self.outbox = Outbox(self.station, link, settings, identity, None, said.append)
        self.requests = requests.Requests(self.outbox, None, None)
        if "outside" in os.listdir(self.folder + "/auth"):
            lazy.load("station.outside").load(self.station)
        self.central.rpc = link
        link.attach(self.central)

    async def _follow(self):
        # The station sees what has happened and tells the Central System.
        self.station.poll()
        self.time.ms %= 1 << 30
        while not self.silent and not self.offline and await self.outbox._say_one():
            pass

    async def frame(self, text):
        answer = await self.central.ask(text)
        await self._follow()
        return answer

    async def report(self, text):
        """The answer to GetChargingProfiles, and the reports that follow."""
        self.central.reports = []
        answer = await self.central.ask(text)
        while self.outbox.tales:  # (also to a Central System that hears nothing else)
            await lazy.load("ocpp.jobs").go_on(self.outbox, ())
        return [answer, self.central.reports]

    async def heartbeat(self, now):
        self.central.now = now
        await self.outbox.registration.beat()
        await self._follow()

    async def advance(self, seconds):
        self.time.t += seconds
        await self._follow()

    async def outside(self, number, by, tenths, seconds, safe):
        """A limit from outside the Central System; None: it is over."""
        line = "off" if tenths is None else "%d.%d" % divmod(tenths, 10)
        line += " at %d by %s" % (number, by)
        if seconds is not None:
            line += " for %d" % seconds
        if safe is not None:
            line += " else %d.%d" % divmod(safe, 10)
        self.station.impose(line)
        if self.station.sharing.outside:
            self.station.sharing.outside._rest = 0  # (here time passes without polls)
        await self._follow()

    async def _come(self, c, transaction):
        self.central.ids[c.number].append(transaction)
        self.electrics[c.number - 1].state = pilot.C
        self.station.poll()
        if c.tx:
            self.central.names["tx:%d" % transaction] = c.tx.uuid
        else:
            self.electrics[c.number - 1].state = pilot.A
            self.central.ids[c.number].pop()
        await self._follow()
        return c.tx is not None

    async def plug(self, number, transaction):
        c = self.connectors[number - 1]
        return c.tx is None and await self._come(c, transaction)

    async def begin(self, number, transaction):
        c = self.connectors[number - 1]
        if c.tx:
            return False
        self.station.access().accept("LOCAL", c)
        return await self._come(c, transaction)

    async def expire(self):
        self.time.ms += 61000
        await self._follow()

    async def end(self, number):
        c = self.connectors[number - 1]
        if c.tx:
            c.stop(states.LOCAL)
            self.station.poll()  # (it ends when nothing can close the contactor any more)
            self.station.poll()
            self.meters[number - 1].readings += 1
            self.station.poll()
            self.electrics[number - 1].state = pilot.A
            await self._follow()

    async def hush(self):
        self.silent = True

    async def speak(self):
        self.silent = False
        await self._follow()

    async def limits(self, n, step, poll):
        """For every connector [how often, mA or None, chargingProfileId or None, until, mA
        offered], over `n` instants, the first of them now. `poll`: worked out when the station
        thinks it is due."""
        out = [[] for _ in self.connectors]
        for i in range(n):
            if i:
                self.time.t += step
            if poll:
                self.station.poll()
            else:
                if self.station.sharing.outside:
                    self.station.sharing.outside.poll(self.station.clock.now())
                self.station.sharing.evaluate(self.station.clock.now(), self.time.ms)
            for k, c in enumerate(self.connectors):
                mA = c.limits.values[limits.PROFILES]
                winner = c.winner[profile.ID] if c.winner else None
                until_s, runs = c.until_s, out[k]
                if runs and runs[-1][1:] == [mA, winner, until_s, c.allow_mA]:
                    runs[-1][0] += 1
                else:
                    runs.append([1, mA, winner, until_s, c.allow_mA])
        return out


def empty(folder):
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there
    for name in os.listdir(folder):
        os.remove(folder + "/" + name)


def late_end(w):
    # validTo still inside
    if w[profile.VALID_TO] > 0:
        w[profile.VALID_TO] += 1
    return w


def lost_phase(w):
    # numberPhases 1 of the last period forgotten
    last = profile.HEADER + 2 * (w[0] >> 24 & 0xFF) - 1
    if w[last] >> 24 == 1:
        w[last] &= 0xFFFFFF
    return w


FLAWS = {"late_end": late_end, "lost_phase": lost_phase}


def break_it(flaw):
    if flaw == "hasty":  # what is replaced goes at once
        change = Store.change

        def hasty(store):
            made = change(store)
            put = made.put
            made.put = lambda w, *instants: put(w, beside=instants[-1] is True)
            return made

        Store.change = hasty
        return
    if flaw == "careless":  # what cannot be placed does not limit
        Evaluator._judged = lambda *args: None
        return
    load, bad = lazy.load, FLAWS[flaw]

    def flawed(name):
        module = load(name)
        if name == "charging.record":
            good = module.pack
            module.pack = lambda *args, **more: bad(good(*args, **more))
        return module

    lazy.load = flawed


async def play(folder, scenario):
    world = World(folder, scenario)
    answers = []
    for op in scenario["ops"]:
        answers.append(await getattr(world, op[0])(*op[1:]))
    return answers


async def main(folder, flaw=None):
    if flaw:
        break_it(flaw)
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        try:
            answers = await play(folder, json.loads(line))
        except Exception as e:
            sys.print_exception(e)
            answers = repr(e)
        sys.stdout.write("@")
        json.dump(answers, sys.stdout)
        print()
        if sys.implementation.name == "cpython":
            sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
