# A whole station without OCPP: the real Station, Connectors, Journal, Store and Clock on a flash
# in RAM, in time that the test moves; the electrical side is played by the test or by tools/sim.

import os
import vfs

import flash
from electrics import Electrics

from firmware import clock
from firmware.charging import limits, profile, store
from firmware.charging.record import pack
from firmware.charging.schedule import Evaluator
from firmware.electrical import pilot
from firmware.outlet import Outlet
from firmware.station import profiles, station
from firmware.station.connector import Connector
from firmware.station.kept import Kept
from firmware.station.reservations import Reservations
from firmware.station.retime import set_clock
from firmware.station.sharing import Sharing
from firmware.storage.journal import SAMPLE, START, STOP, Journal
from firmware.storage.transactions import Folder

T0 = clock.parse_iso("2026-11-20T12:00:00Z")
UNSET = -631152000  # 2000-01-01: what an ESP32 shows after a power cut
KINDS = {START: "start", SAMPLE: "sample", STOP: "stop"}


class Time:
    """The time module and the RTC of this world."""

    def __init__(self, t=T0):
        self.ms = 2**30 - 20000  # ticks wrap soon
        self.t_ms = t * 1000

    def pass_ms(self, ms):
        self.ms = (self.ms + ms) % 2**30
        self.t_ms += ms

    def ticks_ms(self):
        return self.ms

    def time(self):
        return self.t_ms // 1000 + 631152000

    def datetime(self, value=None):
        if value is None:
            return (0,) * 7 + (self.t_ms % 1000 * 1000,)
        y, month, d, _, h, m, s, us = value
        self.t_ms = 1000 * clock.parse_iso(f"{y:04d}-{month:02d}-{d:02d}T{h:02d}:{m:02d}:{s:02d}Z")
        self.t_ms += us // 1000


class Meter:
    def __init__(self):
        self.energy_Wh = 1000
        self.power_W = 0
        self.current_mA = self.voltage_mV = (0, 0, 0)
        self.frequency_cHz = 5000
        self.gives = 0x8FF
        self.readings = 0
        self.lost = False

    def known(self):
        return not self.lost and self.readings > 0


class World:
    """`boot()` makes a new station on the same flash, as a power cut does. `settings`: those that
    are other than below."""

    def __init__(self, connectors=1, hardware_mA=32000, t=T0, blocks=16, hold=False, **settings):
        self.time = station.time = clock.time = Time(t)
        self.flash = flash.Flash(blocks)
        flash.mount(self.flash)
        self.n = connectors
        self.hardware_mA = hardware_mA
        self.hold = hold  # config.json: hold_limit
        self.said = []
        self.settings = {
            "offline_unknown": False,
            "cache": True,
            "wait_s": 60,
            "list": True,
            "offline_known": True,
            "preauthorise": False,
            "unasked": False,
            "cache_s": 0,
            "cache_final": False,
            "list_final": False,
            "master_group": "",
            "refused_Wh": 0,
            "aligned_s": 0,
            "sample_s": 60,
            "status_s": 0,
            "sampled": 1,
            "aligned": 1,
            "rise_s": 0,  # (tests of what waits set these two)
            "pause_s": 0,
            "stop_unplugged": True,
            "stop_sampled": 0,
            "unlock_unplugged": True,
            "stop_aligned": 0,
            "stop_sample_s": 0,
            "stop_aligned_s": 0,
            "aligned_idle": False,
            "started": 1,
            "offline_s": 0,
            "tx_start": 4,  # authorised and plugged in
            "tx_stop": 6,
            "unaccepted": True,
            "significance_permille": 10,
            "outside": True,
            "composite_local": False,
        }
        assert not set(settings) - set(self.settings), settings
        self.settings.update(settings)
        self.electrics = [Electrics() for _ in range(connectors)]
        self.meters = [Meter() for _ in range(connectors)]
        self.read_meters = True
        self.boot()

    def boot(self, t=None):
        if t is not None:
            self.time.t_ms = t * 1000
        self.journal = Journal(Folder("/flash/tx", self.said.append), "/flash/samples")
        self.store = store.Store("/flash/profiles", self.said.append)
        self.woken = 0
        cs = []
        for i in range(self.n):
            outlet = Outlet(None, None, self.meters[i])
            outlet.controller = self.electrics[i]
            slots = limits.Limits(self.hardware_mA)
            cs.append(Connector(i + 1, outlet, slots, self.journal, self.settings.__getitem__))
        self.clock = clock.Clock(self.time, "/flash/last_time")
        kept = Kept("/flash/kept.json", cs, self.said.append)
        held = kept if self.hold else None
        settings, evaluator = self.settings.__getitem__, Evaluator(self.store, 230)
        sharing = Sharing(cs, evaluator, self.store, self.clock, settings, held)
        self.station = station.Station(
            sharing, self.journal, kept, self.said.append, None, auth="/flash/auth"
        )
        Reservations(self.station)
        self.station.notify = self.wake
        self.c = cs[0]
        self.cs = cs
        return self

    def wake(self):
        self.woken += 1

    def access(self):
        return self.station.access()

    def poll(self, ms=100):
        """`ms` pass, with a poll every 100 ms; cars obey, meters are read."""
        for _ in range(ms // 100):
            self.time.pass_ms(100)
            for i, c in enumerate(self.cs):
                e, m = self.electrics[i], self.meters[i]
                if isinstance(e, Electrics):
                    offered = pilot.B <= e.state <= pilot.C and not e.fault
                    e.pilot_mA = pilot.advertisable_mA(c.allow_mA) if offered else 0
                    e.closed = e.state == pilot.C and e.pilot_mA > 0
                    e.may_draw_mA = e.pilot_mA
                if self.read_meters and not m.lost and self.time.t_ms % 1000 < 100:
                    m.readings += 1
            self.station.poll()
        return self.c.state

    def car(self, state, ms, connector=1):
        """The car at `connector` shows `state`, and `ms` pass; -> poll()."""
        self.cs[connector - 1].controller.state = state
        return self.poll(ms)

    def accept(self, tag, ms, state=None):
        """`tag` is accepted at connector 1, where a car shows `state` from now on, and `ms` pass;
        -> poll()."""
        if state is not None:
            self.c.controller.state = state
        self.access().accept(tag, self.c)
        return self.poll(ms)

    def fault(self, fault, ms):
        """Connector 1 has this fault, and `ms` pass; -> poll()."""
        self.c.controller.fault = fault
        return self.poll(ms)

    def tag(self, tag, ms):
        """`tag` is shown at connector 1, and `ms` pass; -> poll()."""
        self.access().tag(tag, 1)
        return self.poll(ms)

    def stop(self, cause, ms):
        """Connector 1's transaction is stopped, and `ms` pass; -> poll()."""
        self.c.stop(cause)
        return self.poll(ms)

    def install(self, w, ms):
        """Profile record `w` is accepted, and `ms` pass; -> poll()."""
        assert profiles.install(self.station, w) is None
        return self.poll(ms)

    def clear(self, ms, id=None):
        """Profile `id`, or all of them, are cleared, and `ms` pass; -> poll()."""
        profiles.clear(self.station, id)
        return self.poll(ms)

    def told(self, t, ms):
        """The Central System says that it is `t`, and `ms` pass; -> poll()."""
        set_clock(self.station, t, 0, 0)
        return self.poll(ms)

    def ready(self, online=False):
        """Past the first second after boot."""
        self.station.online |= online
        self.poll(1500)
        self.station.news.clear()
        return self

    def charge(self, tag="TAG", c=None):
        """A car that is there charges, with a transaction that the Central System knows."""
        c = c or self.c
        c.controller.state = pilot.C
        self.poll(200)
        self.access().accept(tag, c)
        self.poll(1000)
        assert c.tx, "no transaction"
        self.journal.answered(c.tx, 1000 + c.tx.number)
        while self.journal.head():
            self.journal.done()
        return c.tx

    def queue(self):
        """["start 1", "sample 1", ...]: what the journal holds, by transaction number."""
        return [f"{KINDS[kind]} {tx.number}" for kind, tx, _ in waiting(self.flash)]

    def states(self):
        """States of connector 1 that were told since the last call."""
        out = [n.state for n in self.station.news if n.number == 1]
        self.station.news.clear()
        return out


def record(limit_A, purpose=profile.TX, connector=1, level=0, id=7, kind=profile.RELATIVE, **more):
    """A profile record of one period; several: [(startPeriod_s, amps), ...]"""
    periods = limit_A if isinstance(limit_A, list) else [(0, limit_A)]
    periods = [(s, int(a * 10), 0) for s, a in periods]
    if purpose == profile.CEILING:
        more.setdefault("start", T0 - 1000)
        kind = profile.ABSOLUTE
        connector = 0
    return pack(id, connector, level, purpose, kind, periods, **more)


def waiting(chip):
    """What a station that boots from this flash would tell, all of it: on a copy."""
    copy = flash.Flash(chip.blocks)
    copy.restore(chip.data)
    vfs.mount(vfs.VfsLfs2(copy), "/copy")
    try:
        journal = Journal(Folder("/copy/tx", print), "/copy/samples")
        journal.load()
        out = []
        while journal.head():
            out.append(journal.head())
            journal.done()
        return out
    finally:
        vfs.umount("/copy")


def files(folder="/flash/tx"):
    return sorted(os.listdir(folder))


def tx_file(name, text):
    """`text`: str or bytes"""
    with open("/flash/tx/" + name, "wb") as f:
        f.write(text)


def token(c):
    """Whose token waits at connector `c`, or None."""
    return c.waits and c.waits.token
