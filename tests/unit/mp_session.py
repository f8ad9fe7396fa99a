"""station/: statuses, tags, transactions, profiles and the shared ceiling, without OCPP."""

import gc
import json
import os
import random

import flash
from rig import TICK_ms, a_wall, drive, seeded
from world import T0, UNSET, World, files, record, token, waiting

from firmware.charging import limits, profile
from firmware.electrical import faults, pilot
from firmware.electrical.controller import Controller
from firmware.station import metering, profiles, states
from firmware.station.availability import serve
from firmware.station.retime import set_clock
from firmware.storage import tags
from firmware.storage.journal import CHANGED, LIMIT, OVER, SAMPLE, START, STATE, STOP, TOKEN

HEAP = "800K"

A, B, C, D = pilot.A, pilot.B, pilot.C, pilot.D


# Status


def test_plugged_first_then_a_tag():
    w = World().ready()
    w.car(B, 100)
    w.accept("TAG", 200)
    assert w.c.tx and w.c.tx.token == "TAG" and w.c.tx.start_Wh == 1000
    assert w.c.tx.start_s == w.c.tx.origin_s == w.clock.now() and w.c.waits is None
    w.car(C, 200)
    assert w.states() == [states.PLUGGED, states.CHARGING]
    assert w.queue() == ["start 1"] and files() == ["1"]


def test_of_a_session_the_journal_has_what_is_wanted():
    """Nothing but starts, samples and stops for OCPP 1.6, and not a write more."""
    told, ops = {}, {}
    everything = (TOKEN, STATE, LIMIT, OVER)
    for wanted in ((), everything):
        w = World().ready()
        w.journal.wanted = wanted
        w.flash.on()
        w.car(pilot.B, 500)
        w.accept("TAG", 1000)
        w.car(pilot.C, 1000)
        w.station.metering.tell(w.c, w.clock.now(), "sampled", metering.PERIODIC)
        w.install(record(10), 1000)
        w.car(pilot.B, 1000)
        w.stop(states.LOCAL, 2000)
        ops[wanted] = w.flash.ops
        told[wanted] = []
        while w.journal.head():
            kind, _, values = w.journal.head()
            values = None if kind == SAMPLE or values is None else values[1:]
            told[wanted].append((w.journal.seq, kind, values))
            w.journal.done()
    assert told[()] == [(0, START, None), (1, SAMPLE, None), (2, STOP, None)]
    wanted = [
        (START, None),
        (STATE, (states.CHARGING, CHANGED, None)),
        (SAMPLE, None),
        (LIMIT, (10000,)),
        (STATE, (states.PAUSED_BY_CAR, CHANGED, None)),
        (STOP, None),
    ]
    assert told[everything] == [(i,) + event for i, event in enumerate(wanted)]
    assert ops[()] < ops[everything]


def test_connection_time_out():
    for for_s in (1, 60, 86400):
        w = World(wait_s=for_s).ready()
        w.accept("TAG", 100)
        w.time.pass_ms(for_s * 1000 - 300)
        assert w.poll(100) == states.PLUGGED and token(w.c) == "TAG", for_s
        assert w.poll(200) == states.FREE and w.c.waits is None, for_s
        assert w.car(C, 1000) == states.PLUGGED and not w.c.tx, for_s


def test_plugged_without_a_tag():
    w = World().ready()
    for state in (B, C, B, A):
        w.car(state, 2000)
        assert not w.c.tx and not w.c.allow_mA
        assert not w.station.asks and not w.c.presented  # plug-and-charge is off by default
    assert w.states() == [states.PLUGGED, states.FREE]


def test_suspended_by_the_car():
    w = World().ready()
    w.charge()
    w.states()
    w.car(B, 200)  # it stops by itself
    w.car(C, 200)
    w.car(B, 20000)
    assert w.states() == [states.PAUSED_BY_CAR, states.CHARGING, states.PAUSED_BY_CAR] and w.c.tx


def test_a_car_that_does_not_begin_is_suspended_after_10_s():
    w = World().ready()
    w.car(B, 100)
    assert w.accept("TAG", 9900) == states.PLUGGED and w.c.tx
    assert w.poll(500) == states.PAUSED_BY_CAR


def test_suspended_by_the_station():
    for limit_A in (0, 4.5, 5.9):
        w = World().ready()
        w.charge()
        w.states()
        assert w.install(record(limit_A), 300) == states.PAUSED_BY_STATION and w.c.tx, limit_A
        assert w.car(B, 60000) == states.PAUSED_BY_STATION, limit_A
        w.install(record(6), 200)
        assert w.car(C, 300) == states.CHARGING, limit_A
        assert w.states() == [states.PAUSED_BY_STATION, states.CHARGING], limit_A


def test_suspended_before_it_began():
    w = World().ready()
    w.install(record(0, profile.TX_DEFAULT), 0)
    w.car(C, 100)
    assert w.accept("TAG", 300) == states.PAUSED_BY_STATION and w.c.tx
    assert w.clear(300, 7) == states.CHARGING


def test_finishing_and_a_second_transaction_while_the_car_stays():
    w = World().ready()
    w.charge()
    w.states()
    w.stop(states.LOCAL, 3000)
    assert not w.c.tx and w.states() == [states.ENDING]
    assert w.poll(60000) == states.ENDING
    w.accept("TAG2", 2000, B)
    assert w.c.tx.token == "TAG2" and w.c.tx.number == 2
    assert w.states() == [states.PLUGGED]  # not Finishing: it has begun
    w.car(C, 200)
    w.stop(states.LOCAL, 3000)
    w.car(A, 200)
    assert w.states() == [states.CHARGING, states.ENDING, states.FREE]


def test_faulted_and_back():
    for fault in (faults.PILOT_SHORT, faults.DIODE, faults.VENTILATION):
        w = World().ready()
        w.fault(fault, 100)
        assert w.station.news == [(1, states.FAULTED, fault, w.clock.now())]
        assert w.fault(faults.NONE, 100) == states.FREE
    w = World().ready()
    tx = w.charge()
    w.states()
    w.c.controller.state, w.c.controller.fault = D, faults.VENTILATION
    assert w.poll(5000) == states.FAULTED and w.c.tx is tx
    w.c.controller.state, w.c.controller.fault = B, faults.NONE
    w.poll(200)
    w.car(C, 200)
    assert w.states() == [states.FAULTED, states.PLUGGED, states.CHARGING]


def test_no_transaction_begins_in_a_fault_or_before_the_meter_was_ever_read():
    w = World()
    w.meters[0].lost = True
    w.ready()
    w.c.controller.state, w.c.controller.fault = C, faults.DIODE
    w.accept("TAG", 1000)
    assert not w.c.tx and w.c.waits and not w.c.allow_mA
    w.fault(faults.NONE, 1000)
    assert not w.c.tx and w.c.waits and not w.c.allow_mA
    w.meters[0].lost = False
    w.poll(1100)
    assert w.c.tx


def test_a_meter_that_was_lost_since_strands_nobody():
    """The bill begins at its last reading; what may flow is the Meter slot's business."""
    w = World().ready()
    w.meters[0].energy_Wh = 1234
    w.poll(1000)
    w.meters[0].lost = True
    w.accept("TAG", 1000, C)
    assert w.c.tx and w.c.tx.start_Wh == 1234


def test_nothing_is_decided_in_the_first_second():
    w = World()
    w.accept("TAG", 900, C)
    assert not w.station.news and not w.c.tx and w.c.state == states.FREE
    w.poll(200)
    assert w.c.tx


# Stopping


def test_a_stop_waits_for_the_contactor_and_then_for_a_reading():
    w = World().ready()
    tx = w.charge()
    w.read_meters = False
    e, m = w.electrics[0], w.meters[0]
    w.c.stop(states.REMOTE, "CARD")
    m.energy_Wh = 1500
    w.poll(100)
    assert w.c.allow_mA == 0 and w.c.stopping() and w.c.tx is tx
    e.closed = True
    w.station.poll()
    m.readings += 1  # of while it was still closed: not enough
    w.station.poll()
    assert w.c.tx is tx
    e.closed = False
    w.station.poll()
    assert w.c.tx is tx
    m.energy_Wh = 1502
    m.readings += 1
    w.station.poll()
    assert w.c.tx is None and w.queue() == ["stop 1"]
    got = tx.stop_Wh, tx.cause, tx.stop_token, tx.stop_s
    assert got == (1502, states.REMOTE, "CARD", w.clock.now()), got


def test_a_stop_with_a_lost_meter_does_not_wait_for_ever():
    w = World().ready()
    tx = w.charge()
    w.meters[0].energy_Wh = 1234
    w.meters[0].lost = True
    w.stop(states.LOCAL, 500)
    assert w.c.tx is None and tx.stop_Wh == 1234


def test_the_first_reason_counts():
    w = World().ready()
    tx = w.charge()
    w.c.stop(states.REMOTE)
    w.c.stop(states.LOCAL, "TAG")
    w.car(A, 3000)
    assert (tx.cause, tx.stop_token) == (states.REMOTE, None)


def test_unplugged():
    w = World().ready()
    tx = w.charge()
    w.states()
    w.car(A, 3000)
    assert w.c.tx is None and tx.cause == states.UNPLUGGED and tx.stop_token is None
    assert w.states() == [states.FREE] and w.queue() == ["stop 1"]
    assert w.car(C, 3000) == states.PLUGGED and not w.c.tx and not w.c.allow_mA


class Lock:
    holds = True
    keep = release = False


def test_unplugged_and_the_cable_stays_locked():
    w = World().ready()
    lock = w.c.lock = Lock()
    tx = w.charge()
    assert not lock.keep
    w.settings["unlock_unplugged"] = False
    w.poll(200)
    assert lock.keep
    w.c.controller.state = A
    for _ in range(40):
        w.poll(100)
        assert lock.keep
    assert not w.c.tx and tx.cause == states.UNPLUGGED and w.c.state == states.ENDING
    w.access().tag("other", 1)
    assert not lock.release and w.station.next_ask().token == "other"
    w.access().tag("tag", 1)
    assert lock.release and not w.station.asks
    lock.holds = False
    assert w.poll(200) == states.FREE and not lock.keep and w.c.cable_of is None
    # the same tag wants to charge again
    w.access().tag("TAG", 1)
    assert w.station.next_ask().token == "TAG"


def test_a_cable_that_is_plugged_in_again_is_nobodys():
    w = World(unlock_unplugged=False).ready()
    lock = w.c.lock = Lock()
    w.charge()
    w.car(A, 3000)
    assert w.c.cable_of == "TAG"
    assert w.car(B, 200) == states.PLUGGED and not w.c.cable_of
    w.access().tag("TAG", 1)
    assert w.station.next_ask().token == "TAG" and not lock.release


class Part:
    """A part of the electrical side, as far as a Connector sees it."""

    busy = True
    plugged = False


def test_no_transaction_begins_before_the_lock_holds():
    """Nor before anything else is sure of the plug-in; however short ConnectionTimeOut is."""
    for timeout_s in (0, 60):
        w = World(wait_s=timeout_s).ready()
        w.c.parts = [Part(), Part()]
        w.car(B, 100)
        assert w.accept("TAG", 4000) == states.PLUGGED and not w.c.tx and w.queue() == []
        w.c.parts[0].busy = False
        w.poll(1000)
        assert not w.c.tx
        w.c.parts[1].busy = False
        w.poll(200)
        assert w.c.tx and w.queue() == ["start 1"]


def test_a_lock_that_jams_is_told_and_nothing_begins():
    w = World().ready()
    w.c.parts = [Part()]
    w.car(B, 100)
    w.accept("TAG", 8000)
    assert w.fault(faults.LOCK, 40000) == states.FAULTED and w.c.controller.fault == faults.LOCK
    w.poll(15000)
    assert not w.c.tx and not w.c.waits and w.queue() == []  # ConnectionTimeOut
    w.c.parts[0].busy = False
    assert w.fault(faults.NONE, 1000) == states.PLUGGED and not w.c.tx


def test_unlock_connector_ends_an_authorisation_that_waits_for_the_lock():
    w = World().ready()
    lock = w.c.lock = Lock()
    w.c.parts = [Part()]
    w.car(B, 100)
    w.accept("TAG", 300)
    lock.release = True
    w.poll(200)
    assert not w.c.waits
    w.c.parts[0].busy = False
    assert w.poll(1000) == states.PLUGGED and not w.c.tx
    w.access().accept("TAG", w.c)  # a new one locks again
    assert not lock.release
    w.poll(200)
    assert w.c.tx


def test_the_lock_opens_when_a_transaction_ends_and_closes_for_the_next():
    for cause in (
        states.LOCAL,
        states.REMOTE,
        states.REFUSED,
        states.UNLOCK,
        states.FAULT,
        states.SOFT_RESET,
    ):
        w = World().ready()
        lock = w.c.lock = Lock()
        w.charge()
        assert not lock.release
        w.read_meters = False
        w.stop(cause, 100)
        assert not lock.release and w.c.controller.closed  # not before the contactor is open
        w.poll(200)
        assert lock.release and w.c.tx and not w.c.controller.closed  # at once, then the bill
        w.read_meters = True
        assert w.poll(2000) == states.ENDING and not w.c.tx and lock.release, cause
        w.charge("TAG2")
        assert not lock.release, cause


def test_a_lock_opens_when_a_transaction_without_a_car_is_stopped():
    w = World(stop_unplugged=False, unlock_unplugged=False).ready()
    lock = w.c.lock = Lock()
    w.charge()
    w.car(A, 2000)
    assert w.c.tx and lock.keep and not lock.release
    w.stop(states.REMOTE, 2000)
    assert not w.c.tx and lock.release and w.c.cable_of is None


def socket(w, plugged=True):
    w.c.proximity = Part()
    w.c.proximity.plugged = plugged
    return w.c.proximity


def test_a_cable_that_is_left_in_the_socket():
    """Finishing until it is gone; with another car it is a new plug-in."""
    for ends in (states.UNPLUGGED, states.LOCAL):
        w = World().ready()
        cable = socket(w, False)
        cable.plugged = True
        assert w.poll(300) == states.PLUGGED
        w.charge()
        if ends == states.LOCAL:
            assert w.stop(states.LOCAL, 2000) == states.ENDING
        w.car(A, 2000)
        assert not w.c.tx and w.poll(60000) == states.ENDING, ends
        assert w.car(C, 1000) == states.PLUGGED, ends
        assert w.car(A, 1000) == states.PLUGGED, ends
        cable.plugged = False
        assert w.poll(1000) == states.FREE, ends
        expect = [states.PLUGGED, states.CHARGING, states.ENDING, states.PLUGGED, states.FREE]
        assert w.states() == expect, ends


def test_the_last_cable_is_pulled_from_both_ends_in_either_order():
    for cable_first in (True, False):
        w = World().ready()
        cable = socket(w)
        w.charge()
        w.stop(states.REMOTE, 2000)
        if cable_first:
            cable.plugged = False
            assert w.poll(300) == states.ENDING
            w.c.controller.state = A
        else:
            assert w.car(A, 300) == states.ENDING
            cable.plugged = False
        assert w.poll(300) == states.FREE


def test_a_car_that_comes_before_the_last_one_is_billed_is_a_new_one():
    w = World().ready()
    socket(w)
    w.charge()
    w.read_meters = False
    w.car(A, 300)
    w.car(B, 300)
    w.read_meters = True
    assert w.poll(2000) == states.PLUGGED and not w.c.tx


def test_a_car_that_left_in_an_outage_leaves_its_cable_locked_if_the_key_says_so():
    for unlock, torn in ((True, False), (False, False), (False, True)):
        w = World(unlock_unplugged=unlock).ready()
        w.charge()
        w.c.controller.state = A
        w.boot()
        cable = socket(w)
        lock = w.c.lock = Lock()
        w.poll(4000)
        assert not w.c.tx and w.c.state == states.ENDING and not lock.release
        assert lock.keep is not unlock and w.c.cable_of == (None if unlock else "TAG")
        lock.holds, cable.plugged = torn, False
        assert w.poll(300) == states.FREE and not lock.keep and not w.c.cable_of


def test_a_tag_and_a_cable_without_a_car():
    w = World(wait_s=5).ready()
    socket(w)
    assert w.poll(300) == states.PLUGGED
    # timed out: the cable is there still
    assert w.accept("TAG", 6000) == states.PLUGGED and not w.c.waits
    assert w.states() == [states.PLUGGED]


def test_tags_at_the_reader():
    w = World(2).ready()
    w.access().tag("Tag1", 2)
    assert next_asked(w) == ("Tag1", w.cs[1], None) and w.woken
    assert w.station.next_ask() is None
    w.charge("Tag1")
    w.tag("other", 1000)
    assert w.c.tx and not w.station.asks
    w.poll(2000)
    w.tag("TAG1", 3000)  # compared without case
    assert w.c.tx is None and w.queue() == ["stop 1"]
    assert w.journal.head()[1].cause == states.LOCAL and w.journal.head()[1].stop_token == "TAG1"
    for i in range(20):
        w.access().ask("x%d" % i, w.c)
    assert len(w.station.asks) == 4  # nobody fills the memory by holding up cards


def test_a_tag_is_not_asked_for_when_its_time_is_over():
    for for_s in (1, 60):
        for late_ms in (0, 100):
            w = World(wait_s=for_s).ready()
            w.access().tag("TAG", 1)
            w.poll(for_s * 1000 + late_ms)
            ask = w.station.next_ask()
            assert (ask is None) == (late_ms > 0) and not w.station.asks, (for_s, late_ms)


# Plug-and-charge


def plug_and_charge(w):
    w.station.plug_tag = "Plug"
    w.station.online = True
    return w


def next_asked(w):
    ask = w.station.next_ask()
    return ask.token, ask.connector, ask.profile


def asked(w):
    """The tags that the Central System would be asked for, since the last call."""
    out = [ask.token for ask in w.station.asks]
    w.station.asks.clear()
    return out


def test_plug_and_charge_that_is_refused_is_not_asked_for_again():
    w = plug_and_charge(World()).ready()
    for _ in range(3):
        w.car(B, 120000)
        assert asked(w) == ["Plug"] and not w.c.tx
        w.car(A, 1000)


def test_plug_and_charge_offline():
    for allowed in (False, True):
        w = World(offline_unknown=allowed).ready()
        w.station.plug_tag = "Plug"
        w.car(C, 1000)
        assert bool(w.c.tx) is allowed
        w.car(A, 3000)
        assert not w.c.tx and w.queue() == (["start 1", "stop 1"] if allowed else [])
        assert not allowed or w.journal.head()[1].cause == states.UNPLUGGED


def test_plug_and_charge_waits_until_a_transaction_may_begin():
    w = plug_and_charge(World()).ready()
    w.c.controller.fault = faults.WELDED
    serve(w.station, 1, False)
    w.car(B, 2000)
    w.fault(faults.NONE, 2000)
    assert not asked(w)
    serve(w.station, 1, True)
    w.poll(2000)
    assert asked(w) == ["Plug"]


def test_plug_and_charge_does_not_follow_another_tag():
    w = plug_and_charge(World()).ready()
    w.access().accept("Other", w.c)
    w.car(C, 1000)
    assert w.c.tx.token == "Other"
    w.stop(states.LOCAL, 5000)
    assert not w.c.tx and not asked(w)


def test_plug_and_charge_over_a_power_cut():
    w = World()
    w.c.controller.state = C
    plug_and_charge(w).ready()
    assert asked(w) == ["Plug"]  # it was plugged in before the station had power
    plug_and_charge(w.boot()).ready()
    assert asked(w) == ["Plug"]  # nothing came of it yet
    w.accept("Plug", 1000)
    tx = w.c.tx
    plug_and_charge(w.boot()).ready()
    assert w.c.tx.number == tx.number
    w.stop(states.REMOTE, 3000)
    for _ in range(2):
        plug_and_charge(w.boot()).ready()
        w.poll(2000)
        assert not w.c.tx and not asked(w)
    w.c.controller.state = A
    plug_and_charge(w.boot()).ready()
    w.car(C, 1000)
    assert asked(w) == ["Plug"]


def test_plug_and_charge_of_a_unit_that_does_not_resume():
    for lost in (False, True):
        w = plug_and_charge(World()).ready()
        w.charge("Plug")
        plug_and_charge(w.boot())
        w.meters[0].lost = lost
        w.c.resumes = False
        asked(w)
        w.poll(5000)
        assert not w.c.tx and not asked(w) and w.journal.head()[1].cause == states.POWER_LOSS


def test_nothing_starts_while_a_reset_is_under_way():
    w = plug_and_charge(World(4)).ready()
    w.charge()
    assert asked(w) == ["Plug"]
    w.access().accept("waits", w.cs[2])
    w.poll(200)
    for c in w.cs:
        c.ending = True
    w.stop(states.SOFT_RESET, 3000)
    assert not w.c.tx and w.c.state == states.ENDING
    for e in w.electrics:
        e.state = C
    w.access().accept("answered", w.cs[3])  # it was asked for before
    w.access().tag("Tag", 1)
    w.access().card("Card")
    w.poll(3000)
    assert not asked(w) and w.access().choose("TAG", False) is None and w.queue() == ["stop 1"]
    assert not any([c.tx or c.waits or c.free() for c in w.cs])


def test_choosing_a_connector():
    w = World(3).ready()
    assert w.access().choose("TAG", False) is w.cs[0]
    w.electrics[1].state = B  # a car is there
    assert w.access().choose("TAG", False) is w.cs[1]
    w.charge(c=w.cs[1])
    assert w.access().choose("TAG", False) is w.cs[0]
    w.electrics[0].state, w.electrics[0].fault = C, faults.DIODE
    w.poll(100)
    assert w.access().choose("TAG", False) is w.cs[2]
    w.access().accept("T", w.cs[2])
    assert w.access().choose("TAG", False) is None


# Power cuts


def test_a_power_cut_with_the_car_still_there():
    w = World().ready()
    tx = w.charge()
    start = tx.start_s
    w.poll(60000)
    w.meters[0].readings = 0
    w.boot()
    assert w.c.tx.id == tx.id and w.c.tx is not tx
    w.poll(1500)
    assert w.c.tx.origin_s == start and w.c.state == states.CHARGING
    assert states.FREE not in w.states() and not w.queue()
    w.stop(states.LOCAL, 3000)
    assert w.queue() == ["stop 1"] and w.journal.head()[1].id == tx.id


def test_a_resumed_transaction_whose_car_does_not_want_is_not_available():
    w = World().ready()
    w.charge()
    w.boot()
    w.car(B, 2000)
    assert w.c.tx and w.c.state == states.PLUGGED
    assert w.poll(10000) == states.PAUSED_BY_CAR


def test_after_a_power_cut_nothing_is_decided_before_the_pilot_was_read():
    """However long that takes: time alone says nothing (a loop that stalls, a simulation)."""
    for state, plugged in ((A, False), (B, True), (C, True)):
        w = World().ready()
        w.charge()
        w.boot()
        e = w.electrics[0]
        e.state, e.known = A, False  # (what a Controller says at first)
        for _ in range(5):
            w.time.pass_ms(20000)
            w.poll(100)
            assert w.c.tx and not w.c.stopping() and not w.c.settled() and not w.station.news
        e.state, e.known = state, True
        w.poll(3000)
        assert bool(w.c.tx) == plugged and w.c.settled()
        if not plugged:
            assert w.journal.head()[1].cause == states.POWER_LOSS


def test_where_the_pilot_cannot_be_read_the_car_is_not_taken_to_be_gone():
    """Behind a latched fault it stays in F; between its windows nobody knows the state."""
    for fault, reason in ((faults.WELDED, states.FAULT), (faults.PILOT_RANGE, None)):
        w = World().ready()
        w.station.plug_tag = "PLUG"
        w.charge()
        w.boot()
        w.station.plug_tag = "PLUG"
        e = w.electrics[0]
        e.state, e.known, e.fault = A, False, fault
        w.poll(20000)
        assert w.c.settled() and w.c.state == states.FAULTED
        assert bool(w.c.tx) == (not reason)
        if reason:
            assert w.journal.head()[1].cause == reason
        e.state, e.known, e.fault = C, True, faults.NONE
        w.poll(2000)
        # it goes on, or has ended and does not begin by itself with the car that was there
        assert bool(w.c.tx) == (not reason) and not w.c.waits
        assert w.c.state == (states.CHARGING if w.c.tx else states.PLUGGED)


def test_a_power_cut_and_the_meter_wakes_up_later_than_the_station():
    """Also when the station stalls: that does not cut the wait short."""
    for waits_ms, stalls_ms in ((5000, ()), (1500, (20000,) * 5)):
        w = World().ready()
        w.charge()
        w.meters[0].energy_Wh, w.meters[0].readings, w.meters[0].lost = 0, 0, True
        w.boot()
        w.car(A, waits_ms)
        for ms in stalls_ms:
            w.time.pass_ms(ms)
            w.poll(100)
            assert w.c.tx
        assert w.c.tx and not w.queue(), stalls_ms
        w.meters[0].energy_Wh, w.meters[0].lost = 5000, False
        w.poll(2000)
        assert w.c.tx is None and w.journal.head()[1].stop_Wh == 5000, stalls_ms


def test_a_power_cut_and_neither_car_nor_meter_nor_clock_return():
    w = World().ready()
    w.meters[0].energy_Wh = 7000
    w.charge()
    w.meters[0].energy_Wh, w.meters[0].readings, w.meters[0].lost = 0, 0, True
    w.boot(UNSET)
    w.car(A, 10000)
    assert w.c.tx  # it may still wake up
    w.poll(5000)
    tx = w.journal.head()[1]
    assert w.c.tx is None and tx.stop_Wh == 7000  # never less than at the start
    set_clock(w.station, T0 + 600, 0, 0)
    tx = w.journal.head()[1]
    assert T0 + 600 - 5 <= tx.stop_s <= T0 + 600 and tx.start_s < T0 + 10
    w.boot()
    assert w.journal.head()[1].stop_s == tx.stop_s


def test_a_start_that_was_not_answered_is_told_again():
    w = World().ready()
    w.accept("TAG", 1000, C)
    assert w.queue() == ["start 1"]
    w.boot().poll(2000)
    assert w.queue() == ["start 1"] and w.c.tx is w.journal.head()[1]
    w.journal.answered(w.c.tx, 99)
    w.journal.done()
    assert w.station.running(99) is w.c and w.station.running(None) is None


def test_a_transaction_of_a_connector_that_is_no_more():
    w = World(2).ready()
    w.charge(c=w.cs[1])
    w.n = 1
    w.boot().poll(2000)
    assert w.c.tx is None


def test_a_full_flash_does_not_begin_what_it_cannot_remember():
    w = World(blocks=8).ready()
    flash.crowd("/flash/tx")
    w.c.controller.state = C
    w.access().accept("A" * 20, w.c, record(10))
    w.poll(3000)
    assert w.c.tx is None and w.c.waits is None and not w.c.allow_mA and not w.queue()
    assert not w.store.records


# Profiles and transactions


def test_a_txprofile_ends_with_its_transaction():
    w = World().ready()
    tx = w.charge()
    assert profiles.install(w.station, record(10, transaction=tx.number)) is None
    w.install(record(12, profile.TX_DEFAULT, id=8), 200)
    assert w.c.allow_mA == 10000
    w.stop(states.LOCAL, 3000)
    assert [profile.purpose(r) for r in w.store.records] == [profile.TX_DEFAULT]
    w.accept("TAG2", 200)
    assert w.c.tx and w.c.allow_mA == 12000


def test_a_txprofile_needs_its_transaction():
    w = World(2).ready()
    tx = None
    for more in ({}, {"transaction": 2}, {"connector": 2}, {"connector": 3}, {"connector": 0}):
        refused = profiles.install(w.station, record(10, **more))
        assert refused == "no such transaction is running", more
        tx = tx or w.charge()
    w.install(record(9, profile.TX_DEFAULT, transaction=tx.number), 0)  # (ignored, A13)
    w.install(record(10, transaction=tx.number), 0)
    w.stop(states.LOCAL, 100)


def test_after_a_power_cut_a_txprofile_stays_with_its_transaction_only():
    w = World(2).ready()
    tx = w.charge()
    w.install(record(10, transaction=tx.number), 0)
    w.charge(c=w.cs[1])
    w.install(record(11, connector=2, id=8), 0)
    w.boot().poll(2000)
    assert [c.allow_mA for c in w.cs] == [10000, 11000]
    # connector 2's ended without the profile being removed: the cut came between
    w.journal.stop(set_stop(w.cs[1].tx))
    w.boot().poll(2000)
    assert len(w.store.records) == 1 and w.c.allow_mA == 10000 and w.cs[1].tx is None


def set_stop(tx):
    tx.stop_s, tx.stop_Wh, tx.cause = tx.start_s, tx.start_Wh, states.LOCAL
    return tx


def test_the_profile_of_a_remote_start_is_in_force_from_the_first_tick():
    for plugged_first in (True, False):
        w = World().ready()
        if plugged_first:
            w.car(C, 500)
        w.access().accept("TAG", w.c, record([(0, 8), (2, 12)]))
        w.c.controller.state = C
        seen = []
        while len(seen) < 40:
            w.poll(100)
            if w.c.allow_mA not in seen[-1:]:
                seen.append(w.c.allow_mA)
            if w.c.tx and w.clock.now() > w.c.tx.start_s + 3:
                break
        assert seen[-2:] == [8000, 12000] and max(seen) == 12000, (plugged_first, seen)
        assert profile.connector(w.store.records[0]) == 1


def test_a_remote_start_that_times_out_leaves_no_profile():
    w = World().ready()
    w.access().accept("TAG", w.c, record(8))
    w.poll(61000)
    assert w.c.waits is None and not w.store.records
    w.accept("TAG", 500, C)
    assert w.c.allow_mA == 32000


def test_a_remote_start_whose_profile_cannot_be_kept_does_not_start():
    w = World().ready()
    for i in range(32):
        other = record(16, profile.TX_DEFAULT, id=100 + i, level=i % 16, connector=i // 16)
        assert not w.store.change().put(other)
    w.c.controller.state = C
    w.access().accept("TAG", w.c, record(8))
    w.poll(1000)
    assert w.c.tx is None and w.c.waits is None and not w.c.allow_mA and not files()


def test_a_power_cut_between_profile_and_transaction_leaves_neither():
    w = World().ready()
    w.c.controller.state = C
    kept = w.journal.start

    def cut(tx):
        assert [profile.purpose(r) for r in w.store.records] == [profile.TX]  # written first
        raise SystemExit

    w.journal.start = cut
    w.access().accept("TAG", w.c, record(8))
    try:
        w.poll(1000)
        raise AssertionError("no transaction was begun")
    except SystemExit:
        pass
    w.journal.start = kept
    w.boot().poll(2000)
    assert not w.store.records and w.c.tx is None and not files()


# Clock


def test_the_clock_is_set_while_a_transaction_runs():
    for known in (True, False):
        for jump in (3600, -3600, 86400 * 40):
            w = World(t=T0 if known else UNSET).ready()
            w.install(record([(0, 20), (60, 10)], profile.TX_DEFAULT), 0)
            tx = w.charge()
            w.poll(30000)
            assert w.c.allow_mA == 20000
            age_s = w.clock.now() - tx.origin_s
            target = w.clock.now() + jump if known else T0 + jump
            set_clock(w.station, target, 0, 0)
            moved_s = w.clock.now() - tx.origin_s - age_s  # (the clock shows whole seconds)
            assert -1 <= moved_s <= 1, (known, jump, moved_s)
            w.poll(100)
            assert w.c.allow_mA == 20000, (known, jump)
            w.poll(40000)
            assert w.c.allow_mA == 10000, (known, jump)
            w.boot()
            assert w.c.tx.origin_s == tx.origin_s


def test_age_survives_the_jump():
    for known in (True, False):
        w = World(t=T0 if known else UNSET).ready()
        w.accept("TAG", 30000, C)
        tx = w.c.tx
        age = w.clock.now() - tx.origin_s
        w.station.metering.poll(w.clock.now(), w.clock.known(), 60000)
        set_clock(w.station, T0 + 5000, 0, 0)
        assert T0 + 5000 - tx.origin_s == age and w.clock.now() == T0 + 5000
        sample_s = waiting(w.flash)[1][2][0]
        if known:
            assert tx.start_s < T0 + 100 and sample_s < T0 + 100  # told as it was then
        else:
            assert tx.start_s == tx.origin_s and sample_s == T0 + 5000
        # a second setting is a correction only
        for t in (T0 + 6000, T0 + 6001):
            set_clock(w.station, t, 0, 0)
            assert T0 + 6000 - tx.origin_s == age


def test_a_start_and_a_sample_without_the_time_are_noted_to_the_second():
    """Whatever was noted the second before: after a power cut nothing is told as before them."""

    def noted_s():
        with open("/flash/last_time") as f:
            return int(f.read().split()[0])

    for t in (T0, UNSET):
        w = World(t=t).ready()
        w.car(B, 1000 - w.time.t_ms % 1000)
        w.clock.note(1)
        before_s = noted_s()
        w.poll(900)
        w.accept("TAG", 200)
        assert noted_s() == before_s + 1 and w.c.tx.start_s == w.clock.now()
        w.poll(1000)
        w.journal.sample = lambda tx, sample: None
        w.station.sample(w.c, ())
        assert noted_s() == before_s + (1 if t == T0 else 2)


def test_after_a_power_cut_without_a_clock_the_origin_is_right_already():
    w = World().ready()
    w.install(record([(0, 20), (3600, 10)], profile.TX_DEFAULT), 0)
    tx = w.charge()
    w.boot(UNSET).poll(2000)
    set_clock(w.station, T0 + 1800, 0, 0)
    assert w.c.tx.origin_s == tx.start_s
    w.poll(200)
    assert w.c.allow_mA == 20000
    w.poll(1802000)
    assert w.c.allow_mA == 10000


def test_without_a_clock_the_ceiling_is_at_its_lowest():
    w = World().ready()
    w.install(record([(0, 25), (86400, 8)], profile.CEILING, id=9), 0)
    w.charge()
    w.poll(100)
    assert w.c.allow_mA == 25000
    w.boot(UNSET)  # nothing is heard of the Central System
    seen = set()
    for _ in range(50):
        w.poll(100)
        seen.add(w.c.allow_mA)
    assert max(seen) == 8000 and w.c.tx, seen
    w.told(T0 + 600, 200)
    assert w.c.allow_mA == 25000


def test_the_limit_held_over_a_power_cut():
    """hold_limit: what was in force stays a cap until the time is known; without it what is
    certain applies, and what is not is at its lowest (A17)."""
    for hold in (True, False):
        w = World(2, hold=hold).ready()
        w.install(record([(0, 12), (7200, 9)], profile.TX_DEFAULT, 0, kind=0, start=T0), 0)
        w.install(record(14, profile.TX_DEFAULT, 2, 1, id=8, kind=0, start=T0), 0)
        for c in w.cs:
            w.charge(c=c)
        w.poll(100)
        assert [c.allow_mA for c in w.cs] == [12000, 14000]
        w.boot(UNSET).poll(2000)
        # the second is certain, the first may have come to its 9 A
        assert [c.allow_mA for c in w.cs] == [9000, 14000]
        w.poll(60000)
        w.clear(200)
        assert [c.allow_mA for c in w.cs] == ([12000, 14000] if hold else [32000] * 2)
        assert limits.SOURCES.split()[w.c.limits.source] == ("LastLimit" if hold else "Hardware")
        # less is less
        w.install(record(10, id=9), 200)
        assert w.c.allow_mA == 10000
        profiles.clear(w.station, 9)
        w.install(record([(0, 12), (7200, 9)], profile.TX_DEFAULT, 0, kind=0, start=T0), 0)
        w.install(record(14, profile.TX_DEFAULT, 2, 1, id=8, kind=0, start=T0), 0)
        w.boot(UNSET).poll(2000)  # once more: what is held is not what holds without the time
        assert w.c.allow_mA == 9000
        w.told(T0 + 7200, 200)
        assert [c.allow_mA for c in w.cs] == [9000, 14000]
        w.clear(200)
        w.boot(UNSET).poll(2000)
        assert w.c.allow_mA == 32000  # nothing limited when the power failed


# Replaced, received and cut off: the limit must never be looser than it was told


def renewed(w, start, **more):
    w.install(record(8, profile.TX, 1, kind=profile.ABSOLUTE, start=start, **more), 0)
    w.station.poll()


def test_a_renewal_that_begins_now_by_another_clock_lifts_nothing():
    for ahead in (-2, 0, 1, 2, 3, 4, 60, 86400):
        for id in (7, 8):
            w = None
            gc.collect()
            w = World().ready()
            w.charge()
            renewed(w, T0 - 5, id=7)
            for _ in range(5):
                now = w.clock.now()
                renewed(w, now + ahead, id=id)
                for step in (0, -2, 3, -1, 2):  # the clock is corrected
                    w.told(w.clock.now() + step, 200)
                    assert w.c.limits.values[limits.PROFILES] == 8000, (ahead, id, step)
                w.poll(2000)
                assert w.c.limits.values[limits.PROFILES] == 8000
            assert w.store.count() == 1
            assert len(w.store.records) == (1 if ahead <= 3 else 2), ahead


def test_a_start_in_the_next_seconds_counts_as_begun():
    """Also validFrom, and where there was nothing before; later periods stay where they are."""
    for more in ({"start": T0 + 5}, {"start": T0, "valid_from": T0 + 5}):
        w = World(t=T0 + 2).ready()  # (a second and a half later)
        now = w.clock.now()
        begins = now + 3
        shift = begins - T0 - 5
        more = {name: t + shift for name, t in more.items()}
        first = [(0, 10), (4 if len(more) == 1 else begins - more["start"] + 4, 12)]
        w.install(record(first, profile.TX_DEFAULT, kind=0, **more), 0)
        got = []
        for t in range(now, now + 9):
            w.station.sharing.evaluate(t, w.time.ms)
            got.append(w.c.limits.values[limits.PROFILES])
        assert got == [10000] * 7 + [12000] * 2, got
        profiles.clear(w.station)
        begins = w.clock.now() + 4
        w.install(record(10, profile.TX_DEFAULT, kind=0, start=begins), 0)
        w.station.poll()
        assert w.c.limits.values[limits.PROFILES] is None


def test_a_replaced_profile_over_a_power_cut_and_clock_jumps():
    w = World().ready()
    w.charge()
    renewed(w, T0 - 100)
    w.install(record(20, profile.TX, kind=profile.ABSOLUTE, start=T0 + 600), 0)
    for t in (T0 + 5, T0 + 605, T0 - 3000, T0 + 597, T0 + 600):
        set_clock(w.station, t, 0, 0)
        w.station.poll()
        assert w.c.limits.values[limits.PROFILES] == (8000 if t < T0 + 600 else 20000), t - T0
    set_clock(w.station, T0 + 10, 0, 0)
    w.boot(UNSET).poll(2000)
    assert w.c.limits.values[limits.PROFILES] == 8000
    set_clock(w.station, T0 + 30, 0, 0)
    w.station.poll()
    assert w.c.limits.values[limits.PROFILES] == 8000
    profiles.clear(w.station, 7)
    w.station.poll()
    assert w.c.limits.values[limits.PROFILES] is None and not w.store.records


def test_a_replaced_profile_goes_with_its_transaction():
    w = World().ready()
    w.charge()
    renewed(w, T0 - 100)
    renewed(w, T0 + 600)
    assert len(w.store.records) == 2
    w.stop(states.LOCAL, 500)
    assert not w.store.records and files("/flash/profiles") == []


def test_clearing_a_replaced_profile_is_not_told_as_clearing_one():
    w = World().ready()

    def install(x):
        return profiles.install(w.station, x)

    install(record(9, profile.TX_DEFAULT, id=1, kind=0, start=T0 - 9))
    install(record(9, profile.TX_DEFAULT, id=2, kind=0, start=T0 + 99))
    assert profiles.clear(w.station, 1) == 0  # (it is not installed; it goes all the same)
    assert len(w.store.records) == 1 and profiles.clear(w.station, 2) == 1


def test_a_ceiling_that_comes_before_the_clock_is_set():
    for more in ({}, {"kind": profile.RELATIVE}):
        w = World(t=UNSET).ready()
        w.charge()
        ceiling = record([(0, 10), (600, 8)], profile.CEILING, start=None, duration=3600, **more)
        w.install(ceiling, 300000)
        assert w.c.allow_mA == 10000
        for boots in (False, True):
            if boots:
                w.boot(w.time.t_ms // 1000 + 5).poll(2000)
            else:
                set_clock(w.station, T0, 0, 0)
            w.poll(200)
            assert w.c.allow_mA == 10000
        w.poll(290000)
        assert w.c.allow_mA == 10000
        w.poll(12000)
        assert w.c.allow_mA == 8000
        w.told(T0 + 3590, 200)
        assert w.c.allow_mA == 32000


def cut_in_the_dark(w):
    """Profile record `w` comes before the clock is set, and the power fails before that is; ->
    the world, where nobody knows how far it is."""
    world = World(t=UNSET).ready()
    world.charge()
    world.install(w, 1000)
    assert world.c.allow_mA == 10000
    world.boot(UNSET).poll(3000)
    assert world.c.tx and world.c.allow_mA == 8000
    set_clock(world.station, T0, 0, 0)
    return world


def test_a_ceiling_that_came_before_the_clock_was_set_and_a_power_cut():
    """Nobody knows how long ago it came: it is at its lowest, also when the clock is set."""
    w = cut_in_the_dark(record([(0, 10), (600, 8)], profile.CEILING, start=None, duration=3600))
    for _ in range(2):
        w.poll(3000)
        assert w.c.allow_mA == 8000
        w.boot(w.time.t_ms // 1000)
    w.told(T0 + 3700, 200)
    assert w.c.allow_mA == 32000


def test_a_transaction_that_began_without_a_clock_before_a_power_cut():
    """How far its schedules are nobody knows, until the clock is set."""
    w = cut_in_the_dark(record([(0, 10), (3600, 8), (7200, 12)], profile.TX_DEFAULT))
    w.poll(200)
    assert w.c.allow_mA == 10000


def test_a_held_limit_costs_almost_no_wear():
    w = World(4, hold=True, blocks=32).ready()
    w.poll(1000)
    w.flash.on()
    for i in range(200):
        for _ in range(2):
            w.station.kept.put("held", [6000 + i * 100 + n for n in range(1, 5)])
    print("%d erases, %d operations in 200 changes" % (w.flash.erases, w.flash.ops))
    assert w.flash.erases <= 10
    assert os.stat("/flash/kept.json")[6] < 128


def test_all_that_is_kept_of_four_connectors_stays_inline():
    kept = World(4, hold=True).ready().station.kept
    numbers = [1, 2, 3, 4]
    for key, values in (
        ("out", [0] + numbers),
        ("charged", numbers),
        ("latched", [[n, faults.METER] for n in numbers]),
        ("held", [80000] * 4),
    ):
        assert kept.put(key, values)
    assert os.stat("/flash/kept.json")[6] < 128


def test_a_held_limit_that_cannot_be_read():
    for text, wanted in (
        ('["x"]', [6000, 6000]), ("7", [6000, 6000]),
        ("[]", [None, None]), ("[8000]", [8000, None]), ("[null,0,9000]", [None, 0, 9000]),
    ):  # fmt: skip
        w = World(2, hold=True)
        with open("/flash/kept.json", "w") as f:
            f.write('{"version":1,"out":[],"charged":[],"latched":[],"held":%s}' % text)
        w.said.clear()
        w.boot(UNSET)
        assert w.station.kept.held == wanted, text
        assert bool(w.said) == (wanted[0] == 6000), w.said
        w.poll(2000)


def test_a_flash_that_is_full_does_not_stop_the_limits():
    w = World(hold=True, blocks=8).ready()
    flash.fill()
    w.station.kept.put("held", [7000])
    w.poll(100)
    much = [12345678] * 40  # (more than is kept inline)
    assert not w.station.kept.put("held", much)
    assert "kept.json" in w.said[-1] and w.station.kept.held != much
    w.poll(1000)


def test_a_local_limit_holds_while_the_clock_is_set_for_the_first_time():
    w = World(t=UNSET).ready()
    w.charge()
    w.c.limits.put(limits.POLICY, 9000, w.clock.now() + 60)
    w.station.sharing.due_s = 0
    w.poll(200)
    assert w.c.allow_mA == 9000
    set_clock(w.station, T0, 0, 0)
    for _ in range(50):
        w.poll(100)
        assert w.c.allow_mA == 9000
    w.poll(60000)
    assert w.c.allow_mA == 32000


# The ceiling over several connectors


def test_a_ceiling_that_falls_is_followed_without_interruption():
    w = World(2).ready()
    w.install(record(32, profile.CEILING, id=9), 0)
    for c in w.cs:
        w.charge(c=c)
    w.poll(10000)
    assert [c.allow_mA for c in w.cs] == [16000, 16000]
    w.electrics[0].may_draw_mA = w.electrics[1].may_draw_mA = 16000
    w.install(record(12, profile.CEILING, id=9), 0)
    w.station.poll()
    # both go down to their share at once; neither has to wait for the other
    assert [c.allow_mA for c in w.cs] == [6000, 6000]


def test_who_comes_later_waits_until_the_other_has_let_go():
    w = World(2).ready()
    w.install(record(20, profile.CEILING, id=9), 0)
    w.charge()
    assert w.c.allow_mA == 20000 and w.station.sharing.limit_mA(w.c) == 20000
    w.car(B, 100, 2)
    w.access().accept("TAG2", w.cs[1])
    w.station.poll()
    assert [c.allow_mA for c in w.cs] == [10000, 0]
    w.electrics[0].pilot_mA, w.electrics[0].may_draw_mA = 10000, 20000
    w.station.poll()
    assert [c.allow_mA for c in w.cs] == [10000, 0]
    w.electrics[0].may_draw_mA = 12000
    w.station.poll()
    assert [c.allow_mA for c in w.cs] == [10000, 8000]
    w.electrics[0].may_draw_mA = 10000
    w.station.poll()
    assert [c.allow_mA for c in w.cs] == [10000, 10000]
    assert w.station.sharing.why(w.c)[1][profile.ID] == 9


def test_sharing_with_cars():
    """Cars come and go under a ceiling that changes: what may be drawn never exceeds it."""
    seeded("sharing")
    n = 3
    w = World(n, t=T0, rise_s=random.choice((0, 2, 5)), pause_s=random.choice((0, 20)))
    w.electrics[:] = [Controller() for _ in range(n)]
    w.boot()
    wall = a_wall(n)
    ceiling_mA, lowered_ms = 32000, 20000
    w.install(record(32, profile.CEILING, id=9), 0)
    most_mA = closings = 0
    draws = 0
    for tick in range(24000):
        if tick % 4 == 0:
            for m in w.meters:
                m.readings += 1
            w.station.poll()
        if not random.randrange(200):
            i = random.randrange(n)
            car, c = wall.outlets[i].car, w.cs[i]
            if not car.plugged:
                car.plug()
                car.max_mA = random.choice((6000, 16000, 32000))
                w.access().accept("T%d" % i, c)
            elif random.randrange(3):
                car.wants = not car.wants
            elif random.randrange(2):
                c.stop(states.REMOTE)
            else:
                car.unplug()
        if not random.randrange(900):
            amps = random.choice((0, 6, 10, 13, 18, 24, 32, 40))
            if amps * 1000 < ceiling_mA:
                lowered_ms = 0
            ceiling_mA = amps * 1000
            w.install(record(amps, profile.CEILING, id=9), 0)
            w.station.poll()
        w.time.pass_ms(TICK_ms)
        lowered_ms += TICK_ms
        wall.advance(wall.now_ms + TICK_ms)
        may = real = 0
        for i, e in enumerate(w.electrics):
            outlet = wall.outlets[i]
            high, low = outlet.car.pilot_mV(outlet.duty)
            before = e.closed
            e.tick(w.time.ms, high, low, w.cs[i].allow_mA)
            closings += e.closed and not before
            drive(wall, outlet, e)
            # (what an open contactor's car was told before counts once it is closed)
            may += e.may_draw_mA if e.closed else e.pilot_mA
            real += outlet.car.current_mA
        # the duty changes at once; 5 s for the cars to follow
        if lowered_ms > 5050:
            assert may <= ceiling_mA, "tick %d: may draw %d of %d" % (tick, may, ceiling_mA)
            assert real <= ceiling_mA + 100, "tick %d: %d of %d" % (tick, real, ceiling_mA)
        allowed = sum([c.allow_mA for c in w.cs])
        assert allowed <= ceiling_mA, "tick %d: %d of %d allowed" % (tick, allowed, ceiling_mA)
        most_mA = max(most_mA, real)
        draws += real > 0
        if tick % 200 == 0:
            while w.journal.head():
                kind, tx, _ = w.journal.head()
                if kind == 0:
                    w.journal.answered(tx, tx.number)
                w.journal.done()
    print("%d closings, at most %d mA, current in %d ticks" % (closings, most_mA, draws))
    assert closings > 3 and most_mA > 10000


def test_why_under_a_ceiling_with_two_connectors():
    """An own limit below 6 A, which leaves no share, is the reason; not the ceiling."""
    w = World(2).ready()
    w.install(record(30, profile.CEILING, id=9, duration=86400), 0)
    w.charge()
    w.charge(c=w.cs[1])
    w.install(record(5, id=5), 1000)
    assert w.station.sharing.limit_mA(w.c) == 5000 and w.c.allow_mA == 0
    source, by, until_s, next_mA, _, after = w.station.sharing.why(w.c)
    assert (source, by[profile.ID], next_mA, after[profile.ID]) == (limits.PROFILES, 5, 30000, 9)
    w.install(record([(0, 16), (600, 8)], id=4, connector=2), 0)
    w.install(record(20, id=5), 1000)
    assert [w.station.sharing.limit_mA(c) for c in w.cs] == [15000, 15000]
    source, by, until_s, next_mA, _, after = w.station.sharing.why(w.cs[1])
    assert (source, by[profile.ID], next_mA, after[profile.ID]) == (limits.PROFILES, 9, 16000, 4)
    assert until_s == by[profile.START] + 86400  # the ceiling's end, not that of its own profile


def test_who_is_told_of_limits_is_told_of_shares():
    w = World(2).ready()
    w.install(record(20, profile.CEILING, id=9), 0)
    seen = []
    w.station.sharing.on_limit = lambda: seen.append([w.station.sharing.limit_mA(c) for c in w.cs])
    w.charge()
    w.charge(c=w.cs[1])
    w.poll(1000)
    assert seen[-1] == [10000, 10000]
    n = len(seen)
    w.electrics[0].pilot_mA = 0
    w.electrics[1].may_draw_mA = w.electrics[1].pilot_mA = 20000  # it goes on for a moment
    w.station.sharing.allot(w.clock.now(), w.time.ms)
    assert seen[n:] == [[0, 10000]]
    w.poll(1000)
    assert seen[-1] == [10000, 10000] and len(seen) == n + 2
    w.cs[1].stop(states.LOCAL)
    w.poll(3000)
    assert seen[-1] == [20000, 20000]


def test_a_local_limit_has_no_end():
    """What is renewed before it expires does not end then."""
    w = World().ready()
    for source in range(limits.INSTALLATION, limits.PROFILES):
        w.c.limits.put(source, 9000, w.clock.now() + 60, 6000)
        w.station.sharing.evaluate(w.clock.now(), w.time.ms)
        assert (
            w.station.sharing.why(w.c)[0] == source
            and w.station.sharing.why(w.c)[2] == limits.NEVER
        )
        w.c.limits.put(source, None)


def test_samples_belong_to_a_transaction():
    w = World().ready()
    w.station.sample(w.c, ("x",))
    assert not w.queue() and w.station.samples == [(1, ("x",))]
    w.charge()
    w.station.sample(w.c, (T0, 7, 1, 0))
    assert w.journal.head()[2] == (T0, 7, 1, 0) and len(w.station.samples) == 1


# Availability


def test_out_of_service():
    w = World(2).ready()
    assert serve(w.station, 1, False)
    assert w.poll(200) == states.OUT_OF_SERVICE and w.cs[1].state == states.FREE
    assert w.car(C, 200) == states.OUT_OF_SERVICE  # also with a car
    w.access().tag("TAG", 1)
    assert w.station.next_ask() is None and w.access().choose("TAG", False) is w.cs[1]
    w.accept("TAG", 1000)  # (an answer that was on its way)
    assert not w.c.tx and not w.c.waits and w.c.allow_mA == 0
    for t in (T0, UNSET):  # over every reboot
        w.boot(t).ready()
        assert w.c.state == states.OUT_OF_SERVICE and w.cs[1].state == states.FREE
    assert serve(w.station, 1, True)
    assert w.poll(200) == states.PLUGGED
    w.accept("TAG", 1000)
    assert w.c.tx


def test_out_of_service_as_a_whole():
    w = World(2).ready()
    w.charge(c=w.cs[1])
    w.station.news.clear()
    assert w.station.kept.in_service() and serve(w.station, 0, False)
    w.poll(200)
    assert [c.state for c in w.cs] == [states.OUT_OF_SERVICE, states.CHARGING]
    w.boot().ready()
    assert (
        w.c.state == states.OUT_OF_SERVICE
        and w.cs[1].tx
        and w.access().choose("TAG", False) is None
    )
    told = [n[:2] for n in w.station.news if not n.number]
    assert not told and w.station.kept.in_service()  # until the transaction has ended
    w.cs[1].stop(states.LOCAL)
    w.poll(3000)
    told = [n[:2] for n in w.station.news if not n.number]
    assert told == [(0, states.OUT_OF_SERVICE)] and not w.station.kept.in_service()
    serve(w.station, 0, True)
    assert w.station.news[-1][:2] == (0, states.FREE)
    w.station.news.clear()
    serve(w.station, 0, False)
    assert w.station.news[-1][:2] == (0, states.OUT_OF_SERVICE)
    serve(w.station, 0, True)
    w.poll(200)
    assert w.c.state == states.FREE


def test_availability_that_cannot_be_kept_or_read():
    w = World(2).ready()
    w.station.kept._path = "/flash/there/is/none"
    assert not serve(w.station, 1, False) and w.c.operative
    wrong = ["", "{", "7", "[]", '["x"]', "{}"]
    for version, out, latched in ((2, [1], []), (1, ["x"], []), (1, [1], [2]), (1, 1, [])):
        kept = {"version": version, "out": out, "charged": [], "latched": latched, "held": []}
        wrong.append(json.dumps(kept))
    for text in wrong:
        with open("/flash/kept.json", "w") as f:
            f.write(text)
        w.said.clear()
        w.boot()
        assert all([c.operative for c in w.cs]) and w.said, text
        assert not w.station.kept.latched, text
        assert w.station.kept.held == [6000] * 2, text
    # the same again costs no write
    serve(w.station, 2, False)
    ops = w.flash.ops
    serve(w.station, 2, False)
    assert w.flash.ops == ops


def test_a_fault_that_is_only_told_does_not_keep_a_car_waiting():
    w = World().ready()
    w.c.controller.state = B
    assert w.fault(faults.METER, 200) == states.PLUGGED and w.access().choose("TAG", False) is w.c
    assert w.station.news[-1].fault == faults.METER
    w.accept("TAG", 1000)
    assert w.c.tx
    w.station.news.clear()
    w.fault(faults.NONE, 200)
    assert w.station.news[-1][1:3] == (w.c.state, faults.NONE)  # the end of an error is told


# Faults that wait for a person


def test_a_residual_current_ends_the_transaction_and_outlives_every_reset():
    for fault in faults.ENDING:
        w = World(2).ready()
        w.charge(c=w.cs[1])
        w.electrics[1].fault = fault
        w.electrics[1].closed = False
        w.poll(3000)
        assert not w.cs[1].tx and w.cs[1].state == states.FAULTED
        assert w.queue() == ["stop 1"] and w.journal.head()[1].cause == states.FAULT
        w.boot()
        assert w.station.kept.latched == [[2, fault]]
        assert not w.station.kept.clear_faults(w.cs[1])  # a car is there
        w.electrics[1].clears = True
        assert w.station.kept.clear_faults(w.cs[1]) and w.station.kept.latched == []
        w.boot()
        assert w.station.kept.latched == []


def test_an_open_interlock_ends_the_transaction_and_waits_for_nobody():
    w = World(2).ready()
    w.charge(c=w.cs[1])
    w.electrics[1].fault = faults.INTERLOCK
    w.poll(3000)
    assert not w.cs[1].tx and w.cs[1].state == states.FAULTED
    assert w.queue() == ["stop 1"] and w.journal.head()[1].cause == states.INTERLOCK
    assert w.journal.head()[1].fault == faults.INTERLOCK
    assert w.station.kept.latched == []
    w.boot()
    assert w.station.kept.latched == []
    w.electrics[1].fault = faults.NONE
    w.poll(3000)
    assert not w.cs[1].tx and w.cs[1].allow_mA == 0


def test_other_faults_do_not_end_it():
    w = World().ready()
    tx = w.charge()
    for fault in range(1, len(faults.REACTION)):
        if fault not in faults.ENDING and fault != faults.INTERLOCK:
            w.fault(fault, 1000)
            assert w.c.tx is tx, fault
    assert w.station.kept.latched == []


# Who may charge, without the Central System or with it


def test_who_charges_at_once_and_who_is_asked_for():
    """Offline those who are known, or not refused; online the Central System is asked, unless
    LocalPreAuthorize is set."""
    for online, setting, tag, charges in (
        (False, None, "good", True),
        (False, None, "BAD", False),
        (False, None, "NEW", False),
        (False, "offline_unknown", "BAD", False),
        (False, "offline_unknown", "NEW", True),
        (True, "offline_unknown", "GOOD", False),
        (True, "offline_unknown", "NEW", False),
        (True, "preauthorise", "GOOD", True),
        (True, "preauthorise", "NEW", False),
    ):
        w = World(**({setting: True} if setting else {})).ready(online)
        w.station.local().heard("GOOD", tags.ACCEPTED)
        w.station.local().heard("BAD", 1)
        w.c.controller.state = C
        w.tag(tag, 1000)
        case = online, setting, tag
        assert (w.c.tx.token if charges else w.station.next_ask().token) == tag, case
        assert bool(w.c.tx) is charges and not w.station.asks, case


def test_tags_that_wait_when_the_connection_is_lost():
    w = World(2).ready(online=True)
    w.station.local().heard("GOOD", tags.ACCEPTED)
    for c in w.cs:
        c.controller.state = C
    w.access().tag("NEW", 1)
    w.access().tag("GOOD", 2)
    w.poll(1000)
    assert not w.c.tx and not w.cs[1].tx
    w.station.offline()
    w.poll(1000)
    assert not w.c.tx and w.cs[1].tx.token == "GOOD"
    assert w.station.next_ask().token == "NEW" and w.station.next_ask() is None


def test_a_tag_of_the_same_group_stops():
    for known in (True, False):
        w = World().ready()
        group = w.station.local().group("Group")
        w.access().accept("A", w.c, None, group)
        w.car(C, 1000)
        assert w.c.tx.group == group
        for tag, parent in (("B", "other"), ("C", None), ("a", group)):
            w.access().accept(tag, w.c, None, parent)  # "a": an answer that was on its way
            w.poll(1000)
            assert w.c.tx, tag
        w.boot().ready()  # also after a power cut
        if known:
            w.station.local().heard("D", tags.ACCEPTED, None, w.station.local().group("GROUP"))
            w.access().tag("D", 1)
        else:
            w.station.online = True
            w.access().tag("D", 1)
            assert w.c.tx and next_asked(w) == ("D", w.c, None)
            w.access().accept("D", w.c, None, group)
        w.poll(3000)
        assert not w.c.tx
        tx = waiting(w.flash)[-1][1]
        assert (tx.cause, tx.stop_token, tx.token) == (states.LOCAL, "D", "A")


def test_a_card_of_the_same_group_at_the_only_reader():
    w = World(2).ready()
    g1, g2 = map(w.station.local().group, ("G1", "G2"))
    for c, tag, parent in zip(w.cs, "AB", (g1, g2)):
        c.controller.state = C
        w.access().accept(tag, c, None, parent)
    w.poll(1000)
    assert w.c.tx and w.cs[1].tx
    w.station.local().heard("X", tags.ACCEPTED, None, g2)
    w.access().card("X")
    w.poll(3000)
    assert w.c.tx and not w.cs[1].tx
    w.access().card("Y")  # a connector is free again: it wants to charge there
    assert w.station.next_ask().connector is w.cs[1]


def test_006_a_card_at_the_only_reader_goes_where_the_car_does():
    """Older TC_006: bound to the connector that is plugged next."""
    w = World(2).ready()
    w.access().card("Card")
    assert next_asked(w) == ("Card", None, None)
    w.access().accept("Card", None, None, "G")
    w.poll(1000)
    assert token(w.c) == "Card" and w.c.state == states.PLUGGED
    w.car(C, 1000, 2)
    assert not w.c.waits and w.c.state == states.FREE and not w.c.tx
    assert w.cs[1].tx.token == "Card" and w.cs[1].tx.group == "G"


def test_a_tag_at_a_connector_stays_there():
    w = World(2).ready()
    w.access().card("Card")
    w.access().accept("Card", None)
    w.access().tag("Other", 1)  # at the connector's own reader
    w.access().accept("Other", w.c)
    w.car(C, 1000, 2)
    assert token(w.c) == "Other" and not w.cs[1].tx


# What waits is for the car that was there


def granted(w, ask, parent=None):
    """The Central System has thought about `ask`, and accepts it."""
    w.access().authorised(ask, parent)
    w.poll(1000)


def test_an_authorisation_is_for_the_car_that_was_there():
    w = World().ready(online=True)
    for cars, starts in (
        ((C,), True),  # it is there still
        ((C, B, C), True),
        ((C, A), False),  # it has left
        ((C, A, C), False),  # another one came
        ((A, C), True),  # the card first
        ((A, C, A), False),
        ((A, C, A, C), False),
    ):
        w.electrics[0].state = cars[0]
        w.poll(300)
        w.access().tag("TAG", 1)
        ask = w.station.next_ask()
        for state in cars[1:]:
            w.car(state, 300)
        granted(w, ask)
        if starts:
            assert w.c.tx.token == "TAG", cars
            w.c.stop(states.LOCAL)
        else:
            assert not w.c.tx and not w.c.waits and w.c.free(), cars
        w.car(A, 3000)
        # and nothing of it is left for the next one
        assert w.car(C, 3000) == states.PLUGGED and not w.c.tx, cars
        w.car(A, 300)


def test_what_waits_at_a_connector_goes_with_its_car():
    """A tag that is accepted, with a remote start's profile, while a fault is in the way."""
    w = World().ready()
    w.electrics[0].state, w.electrics[0].fault = B, faults.DIODE
    w.poll(300)
    w.access().accept("TAG", w.c, record(6))
    w.poll(1000)
    assert w.c.waits.profile is not None
    w.electrics[0].state, w.electrics[0].fault = A, faults.NONE
    assert w.c.free()  # at once: a remote start may come before the next poll
    w.car(C, 3000)
    assert not w.c.tx and w.c.waits is None


def test_a_card_of_the_group_ends_the_transaction_that_it_was_shown_at():
    w = World().ready(online=True)
    w.access().accept("A", w.c, None, "G")
    w.car(C, 1000)
    w.access().tag("B", 1)
    ask = w.station.next_ask()
    w.stop(states.REMOTE, 3000)
    assert not w.c.tx
    granted(w, ask, "G")
    assert not w.c.tx and not w.c.waits  # it came to end, not to begin
    w.access().accept("A", w.c, None, "G")
    w.poll(1000)
    tx = w.c.tx
    granted(w, ask, "G")
    assert w.c.tx is tx and not w.c.stopping()


def test_a_card_that_came_to_begin_ends_nothing():
    """A remote start was faster than the answer about a card of the same group."""
    w = World().ready(online=True)
    w.car(C, 300)
    w.access().tag("B", 1)
    ask = w.station.next_ask()
    w.access().accept("A", w.c, None, "G")
    w.poll(1000)
    granted(w, ask, "G")
    assert w.c.tx.token == "A"


def test_who_has_left_is_not_asked_for_and_holds_nobody_up():
    w = World().ready(online=True)
    w.station.local().heard("GOOD", tags.ACCEPTED)
    for i in range(9):
        w.car(C, 300)
        w.access().tag("GOOD" if i % 2 else "T%d" % i, 1)
        w.car(A, 300)
    w.car(C, 300)
    w.station.offline()  # nor does he charge then
    w.poll(1000)
    assert not w.c.tx and w.station.next_ask() is None
    w.station.online = True
    w.access().tag("good", 1)
    w.station.offline()
    w.poll(1000)
    assert w.c.tx.token == "good"


def test_a_card_at_the_only_reader_is_for_the_next_car_wherever_that_comes():
    for gone in (False, True):
        w = World(2).ready(online=True)
        w.access().card("Card")
        ask = w.station.next_ask()
        w.car(C, 300, 2)  # before the answer
        if gone:
            w.car(A, 300, 2)
            w.car(C, 300, 2)
        granted(w, ask)
        tx = w.cs[1].tx
        assert not w.c.tx and not w.c.waits
        assert tx is None if gone else tx.token == "Card"


def test_a_card_shown_while_the_plug_is_pulled():
    """The pilot is debounced: just after the plug was pulled the car still seems to be there."""
    for shown_ms in tuple(range(-40, 25, 5)) + (100, 145):
        for poll_ms in (40, 80):  # (the state changes between the two)
            pulled(shown_ms, poll_ms)


def pulled(shown_ms, poll_ms):
    w = World()
    w.electrics[:] = [Controller()]
    w.boot().ready()
    wall = a_wall()
    outlet = wall.outlets[0]
    outlet.car.wants = False
    outlet.car.plug()
    for ms in range(0, 4500, 5):
        if ms == 1000:
            outlet.car.unplug()
        if ms == 1000 + shown_ms:
            w.access().accept("FIRST", w.c)
        if ms == 3500:
            assert w.c.free() is (shown_ms < 100), (shown_ms, poll_ms)
            outlet.car.plug()
        w.time.pass_ms(5)
        wall.advance(wall.now_ms + 5)
        if ms % TICK_ms == 0:
            high, low = outlet.car.pilot_mV(outlet.duty)
            w.c.controller.tick(w.time.ms, high, low, w.c.allow_mA)
            drive(wall, outlet, w.c.controller)
        if ms % 100 == poll_ms:
            w.meters[0].readings += 1
            w.station.poll()
        if ms > 3500 and shown_ms < 100:
            assert not w.c.tx, (shown_ms, poll_ms)
    if shown_ms >= 100:  # a card that is shown first
        assert w.c.tx.token == "FIRST"


def test_no_more_starts_wait_to_be_authorised_than_connectors_are_free():
    w = World(2).ready(online=True)
    for tag in ("One", "Two"):
        assert w.access().choose("TAG", False)
        w.access().ask(tag, None)
    assert w.access().choose("TAG", False) is None
    assert w.station.next_ask().token == "One"  # it is on its way
    assert w.access().choose("TAG", False) is None
    w.access().accept("One", None)
    assert w.station.next_ask().token == "Two" and w.access().choose("TAG", False) is None
    assert (
        w.station.next_ask() is None and w.access().choose("TAG", False) is w.cs[1]
    )  # "Two" was refused


def test_a_start_for_the_car_that_is_there_is_not_overtaken():
    w = World(2).ready(online=True)
    w.car(C, 200)
    w.access().card("One")
    w.access().card("Two")
    assert next_asked(w) == ("One", w.c, None)
    w.access().accept("Two", None)  # (by a list of the station's own)
    w.accept("One", 200)
    assert w.c.tx.token == "One" and token(w.cs[1]) == "Two"


def test_a_card_that_waits_is_one_card_however_often_it_is_shown():
    w = World(3).ready(online=True)
    w.access().card("Card")
    w.access().card("card")
    assert w.station.next_ask().token == "Card"
    w.access().card("CARD")  # the answer is on its way
    assert w.station.next_ask() is None
    w.access().accept("Card", None)
    w.poll(1000)
    w.access().card("Card")  # it waits
    w.access().authorised(w.station.next_ask())
    w.poll(100)
    assert [token(c) for c in w.cs] == ["Card", None, None]
    w.car(C, 1000, 3)  # and goes where its car does all the same
    assert w.cs[2].tx and not [c.waits for c in w.cs if c.waits]
    w.access().card("Card")
    w.station.offline()
    assert not w.station.asks and w.cs[2].tx


def presented(w, by_card):
    """The person's "Card", with what the station answers to its holder."""
    return w.access().card("Card") if by_card else w.access().tag("cARD", 1)


def test_a_card_shown_twice_does_one_thing():
    """0.6 s on the reader, gone for 1.2 to 2 s, and again: it began, or ended, and no more."""
    for by_card in (True, False):
        for gap_ms in (1800, 2200, 2600):
            w = World(2).ready()
            w.station.local().heard("Card", tags.ACCEPTED)
            for c in w.cs:
                c.controller.state = C
            w.poll(200)
            assert presented(w, by_card)
            w.poll(gap_ms)
            assert w.c.tx and not presented(w, by_card), gap_ms
            w.poll(3200)
            assert w.c.tx and not w.c.stopping(), gap_ms
            assert presented(w, by_card)  # this time it means it
            w.poll(gap_ms)
            assert not w.c.tx and not presented(w, by_card), gap_ms
            w.poll(3200)
            assert not w.c.tx and not w.cs[1].tx and not w.c.waits, gap_ms
            assert presented(w, by_card)
            w.poll(200)
            assert w.c.tx, gap_ms


def test_a_card_that_is_seen_again_and_again_does_one_thing():
    """Its time begins anew with each look, whether it comes or lies."""
    for lies in (True, False):
        w = World().ready()
        w.station.local().heard("Card", tags.ACCEPTED)
        w.car(C, 200)
        assert presented(w, True)
        for _ in range(5):
            w.poll(2600)
            assert w.c.again("Card", w.time.ticks_ms()) if lies else not presented(w, True)
            assert w.c.tx and not w.c.stopping()
        w.poll(3200)
        assert presented(w, True) and w.c.stopping()


def test_a_card_whose_question_is_out_asks_no_second_one():
    """Neither for the connector where its car is nor for another one that is free; and the one
    that waits for a connection is as young as the card was seen last."""
    for online in (True, False):
        w = World(2).ready()
        w.station.online = online
        w.settings["offline_known"] = False
        w.car(C, 200, 2)
        assert w.access().card("Card")
        ask = w.station.next_ask() if online else w.station.asks[0]
        assert ask.connector is w.cs[1]
        w.poll(59000)
        assert not w.access().card("card") and len(w.station.asks) == (not online)
        w.poll(2000)
        ask = ask if online else w.station.next_ask()
        assert ask
        w.access().authorised(ask)
        w.poll(200)
        assert w.cs[1].tx and not w.c.tx and not w.c.waits
    w = World(2).ready(online=True)
    w.car(C, 200, 2)
    assert w.access().card("Card")
    w.car(A, 200, 2)  # with another car it is another matter
    w.car(C, 200, 2)
    assert w.access().card("Card")
    w.poll(200)
    assert w.station.next_ask().connector is w.cs[1]


def test_a_card_shown_twice_is_not_in_the_way_of_others():
    w = World().ready()
    w.charge("Card")
    w.stop(states.REMOTE, 2000)  # at once
    assert not w.c.tx
    w.poll(1000)
    w.charge("Card")
    assert not w.access().tag("Card", 1)
    w.car(A, 1200)  # nor of the next car, which comes soon
    w.c.controller.state = C
    w.station.local().heard("Card", tags.ACCEPTED)
    assert w.poll(200) == states.PLUGGED and w.access().tag("Card", 1)
    w.poll(200)
    assert w.c.tx


def test_energy_for_a_tag_that_is_not_accepted():
    w = World().ready()
    tx = w.charge()
    tx.denied = True
    w.poll(200)
    assert not w.c.allow_mA
    w.settings["refused_Wh"] = 500
    w.poll(200)
    assert w.c.allow_mA == 32000
    w.meters[0].energy_Wh = tx.start_Wh + 499
    w.poll(200)
    assert w.c.allow_mA == 32000
    w.meters[0].lost = True  # nobody knows how much it would be
    w.poll(200)
    assert not w.c.allow_mA
    w.meters[0].lost = False
    w.meters[0].energy_Wh += 1
    assert w.poll(5000) == states.PAUSED_BY_STATION and not w.c.allow_mA and w.c.tx is tx
