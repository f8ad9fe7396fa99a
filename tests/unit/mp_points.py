"""station/points.py and course.py: where a transaction begins and ends, for every setting of both,
and what the journal has of it."""

import flash
from world import World, files, record

from firmware.electrical import faults, pilot
from firmware.station import points, states
from firmware.storage import journal
from firmware.storage.journal import LIMIT, OVER, START, STATE, STOP, TOKEN

HEAP = "800K"

A, B, C = pilot.A, pilot.B, pilot.C
CAR, BY_TOKEN, BOTH, ENERGY = points.CAR, points.TOKEN, points.BOTH, points.ENERGY
WANTED = (TOKEN, STATE, LIMIT, OVER)
KINDS = "start stop sample token state limit over"


def a_world(start=BOTH, stop=BY_TOKEN | BOTH, **settings):
    w = World(tx_start=start, tx_stop=stop, **settings)
    w.journal.wanted = WANTED
    w.numbers = {}
    return w.ready(online=True)


def told(w):
    """["start", "state 2 0", ...]: the kinds and values of what is told, all of which goes."""
    out, numbers = [], w.numbers
    while w.journal.head():
        kind, tx, values = w.journal.head()
        assert w.journal.seq == numbers.get(tx.number, 0), (out, w.journal.seq)
        numbers[tx.number] = w.journal.seq + 1
        text = KINDS.split(" ")[kind]
        if kind == START:
            text += " %d" % tx.by
        elif kind == STOP:
            text += " %d" % tx.cause
        elif kind in (TOKEN, OVER):
            text += " %s %s" % (values[2], values[4])
        elif kind == STATE:
            text += " %d %d" % values[1:3]
        elif kind == LIMIT:
            text += " %d" % values[1]
        out.append(text)
        if kind == START:
            w.journal.answered(tx, -2)
        w.journal.done()
    return out


CHARGES = "state 2 0"  # (states.CHARGING, journal.CHANGED)
CAME, LEFT = "state 1 1", "state 0 2"


def plug(w):
    w.car(C, 1500)


def show(w):
    w.accept("TAG", 1500)


def unplug(w):
    w.car(A, 1500)


def end(w):
    w.poll(4000)  # (it is another time that the tag is shown)
    w.tag("TAG", 1500)


def began_by(start, first, then):
    """What is told of a session until it charges, and the kinds of what began it."""
    w = a_world(start)
    first(w)
    early = told(w)
    assert not w.c.allow_mA or w.c.tx.authorised
    then(w)
    assert w.c.state == states.CHARGING and w.c.tx.token == "TAG"
    return early, told(w)


def test_where_it_begins():
    """E01: at the first of the points that is reached; what comes after it is told too."""
    for start in range(1, 16):
        with_car, after = began_by(start, plug, show)
        if start & CAR:  # without a token, and without energy
            assert with_car == ["start %d" % journal.BY_CAR_ALONE], start
            assert after == ["token TAG None", CHARGES], start
        elif start == ENERGY:
            assert with_car == [] and after == ["start %d" % journal.BY_ENERGY], start
        else:
            assert with_car == [] and after == ["start %d" % journal.BY_TOKEN, CHARGES], start
        with_token, after = began_by(start, show, plug)
        if start & BY_TOKEN:
            assert with_token == ["start %d" % journal.BY_TOKEN_ALONE], start
            assert after == [CAME, CHARGES], start
        elif start == ENERGY:
            assert with_token == [] and after == ["start %d" % journal.BY_ENERGY], start
        else:
            assert with_token == [] and after == ["start %d" % journal.BY_CAR, CHARGES], start


def charging(start=BOTH, stop=BY_TOKEN | BOTH, **settings):
    w = a_world(start, stop, **settings)
    plug(w)
    show(w)
    told(w)
    return w


def test_where_it_ends():
    """E06: at the first of the points that is left; but energy ends with the authorisation."""
    for stop in range(1, 16):
        w = charging(stop=stop)
        end(w)
        assert not w.c.allow_mA and not w.c.controller.closed
        if stop == CAR:
            assert told(w) == ["over TAG %d" % states.LOCAL], stop
            assert w.c.state == states.ENDING and w.c.tx.stop_s is None
            end(w)  # (once is enough)
            w.accept("OTHER", 1500)
            assert told(w) == [] and not w.c.allow_mA and not w.c.free()
            unplug(w)
            assert told(w) == ["stop %d" % states.UNPLUGGED] and not w.c.tx
        else:
            assert told(w) == ["stop %d" % states.LOCAL] and not w.c.tx, stop
            unplug(w)
            assert told(w) == [], stop
        assert files() == []
        for stop_unplugged in (True, False):
            w = charging(stop=stop, stop_unplugged=stop_unplugged)
            unplug(w)
            if stop == BY_TOKEN and not stop_unplugged:
                assert told(w) == [LEFT] and w.c.tx.authorised
            else:
                assert told(w) == ["stop %d" % states.UNPLUGGED], stop
        w = charging(stop=stop)
        w.car(B, 1500)  # it pauses
        if stop & ENERGY:
            assert told(w) == ["stop %d" % states.CAR], stop
        else:
            assert told(w) == ["state %d 0" % states.PAUSED_BY_CAR], stop
            w.car(C, 1500)
            assert told(w) == [CHARGES] and w.c.tx, stop


def test_a_pause_of_the_station_ends_it_where_energy_does():
    w = charging(stop=ENERGY)
    w.install(record(0), 12000)
    assert told(w) == ["stop %d" % states.PAUSE]


def test_what_ends_all_of_it_ends_it_at_every_point():
    for cause in (states.HARD_RESET, states.SOFT_RESET, states.UNLOCK, states.POWER_LOSS):
        w = charging(stop=CAR)
        w.stop(cause, 1500)
        assert told(w) == ["stop %d" % cause] and not w.c.tx
    w = charging(stop=CAR)
    w.fault(faults.RESIDUAL, 1500)
    assert told(w)[-1] == "stop %d" % states.FAULT


def test_nobody_plugs_in_in_time():
    """E03.FR.05: also after the power was away, or where the car's leaving would end it."""
    for stop in (BY_TOKEN, CAR, BOTH | BY_TOKEN):
        w = a_world(BY_TOKEN, stop, wait_s=20)
        show(w)
        assert told(w) == ["start %d" % journal.BY_TOKEN_ALONE]
        w.poll(18000)
        assert w.c.tx
        w.poll(2000)
        assert not w.c.tx and told(w) == ["stop %d" % states.TIME_OUT], stop
        assert w.station.connectors[0].free()
        show(w)
        plug(w)
        assert w.c.state == states.CHARGING


def test_who_may_come_back_has_as_long_as_who_is_to_come():
    """E10.FR.02: to a cable of the station."""
    w = charging(stop=BY_TOKEN, stop_unplugged=False, wait_s=20)
    unplug(w)
    w.poll(10000)
    plug(w)
    assert told(w) == [LEFT, CAME, CHARGES]
    w.poll(30000)
    assert w.c.tx
    unplug(w)
    w.poll(20000)
    assert told(w) == [LEFT, "stop %d" % states.TIME_OUT] and not w.c.tx


def test_a_car_without_a_token_that_leaves():
    """Nothing is left that could end it, whatever the points say."""
    for stop in range(1, 16):
        w = a_world(CAR, stop, stop_unplugged=False)
        plug(w)
        w.poll(20000)
        assert w.c.state == states.PLUGGED and not w.c.allow_mA
        unplug(w)
        assert told(w) == [
            "start %d" % journal.BY_CAR_ALONE,
            "stop %d" % states.UNPLUGGED,
        ], stop
        assert not w.c.tx


def test_a_car_begins_one_transaction_alone():
    """What has ended does not begin again until another car comes; a token can, at once."""
    w = charging(CAR, BY_TOKEN)
    end(w)
    assert told(w) == ["stop %d" % states.LOCAL]
    w.poll(5000)
    assert told(w) == [] and not w.c.tx
    w.accept("TAG2", 1500)
    assert told(w) == ["start %d" % journal.BY_TOKEN, CHARGES]
    unplug(w)
    plug(w)
    assert told(w) == ["stop %d" % states.UNPLUGGED, "start %d" % journal.BY_CAR_ALONE]


def test_a_token_is_for_the_car_that_has_begun():
    """Asked for before the car's transaction began, or while another's wish is being thought
    about; the first offer does not wait."""
    w = a_world(CAR, rise_s=5)
    w.access().ask("TAG", w.c)
    ask = w.station.next_ask()
    plug(w)
    assert w.c.tx and w.c.free()
    w.access().authorised(ask)
    w.poll(400)
    assert w.c.claim() and w.c.allow_mA == 32000
    w.access().accept("OTHER", w.c)
    w.poll(500)
    assert told(w) == ["start %d" % journal.BY_CAR_ALONE, "token TAG None", CHARGES]
    end(w)
    assert not w.c.tx


def test_the_profile_of_a_token_that_comes_later():
    w = a_world(CAR)
    plug(w)
    w.access().accept("TAG", w.c, record(10))
    w.poll(1000)
    assert w.c.allow_mA == 10000
    w = a_world(BY_TOKEN)
    w.access().accept("TAG", w.c, record(10))
    w.poll(1000)
    plug(w)
    assert w.c.allow_mA == 10000 and len(w.store.records) == 1
    end(w)
    assert not w.store.records


def test_what_is_held_back_until_energy_flows():
    """E01.FR.06: it is billed from there; nobody hears of one that never takes any."""
    w = a_world(ENERGY)
    w.car(B, 1000)
    show(w)
    w.meters[0].energy_Wh = 1500
    assert (w.c.tx and w.c.tx.seq, files(), w.journal.head()) == (0, ["1"], None)
    w.station.metering.tell(w.c, w.clock.now(), "sampled", 0)
    assert not w.journal.head() and len(w.station.samples) == 1
    w.boot()
    w.journal.wanted = WANTED
    w.ready()
    assert (w.c.tx and w.c.tx.seq, w.c.allow_mA) == (0, 32000), w.said
    plug(w)
    assert w.c.tx.start_Wh == 1500 and told(w) == ["start %d" % journal.BY_ENERGY]
    for stop in (CAR, BY_TOKEN):
        w = a_world(ENERGY, stop)
        w.car(B, 1000)
        show(w)
        end(w)
        assert not w.c.tx and told(w) == [] and files() == []


def test_a_full_flash_begins_nothing_at_any_point():
    for start in (CAR, BY_TOKEN, BOTH, ENERGY):
        w = a_world(start)
        flash.crowd("/flash/tx")
        show(w)
        plug(w)
        w.poll(2000)
        assert not w.c.tx and not w.c.allow_mA and not told(w), start


def test_before_it_is_accepted():
    """TxBeforeAcceptedEnabled (B02, B03): with it off, nothing begins until then."""
    for start in (CAR, BY_TOKEN, BOTH):
        w = World(tx_start=start, unaccepted=False)
        w.journal.wanted = WANTED
        w.ready()
        plug(w)
        show(w)
        assert not w.c.tx
        w.station.online = True
        w.station.online = False
        w.poll(1500)
        assert w.c.state == states.CHARGING, start


def test_a_refused_token():
    """E05: with something left for it, and what is told when that is spent."""
    w = charging(stop=CAR, refused_Wh=100)
    w.c.tx.denied = True
    w.meters[0].energy_Wh += 99
    w.poll(1500)
    assert told(w) == []
    w.meters[0].energy_Wh += 1
    w.poll(12000)
    spent = "state %d %d" % (states.PAUSED_BY_STATION, journal.ENERGY_SPENT)
    assert told(w) == [spent]
    w = charging(stop=CAR)
    w.c.stop(states.REFUSED)
    w.poll(1500)
    assert told(w) == ["over None %d" % states.REFUSED] and not w.c.allow_mA


def test_small_changes_of_a_limit_are_not_told():
    """LimitChangeSignificance; neither is the first offer, nor a pause."""
    w = charging(significance_permille=100)
    for limit_A, is_told in ((29, 0), (28.8, 0), (28.7, 1), (31.5, 0), (31.6, 1)):
        w.install(record(limit_A), 1000)
        assert told(w) == ["limit %d" % (limit_A * 1000)] * is_told, limit_A
    w.install(record(0), 12000)
    w.install(record(31.6), 2000)
    assert told(w) == ["state %d 0" % states.PAUSED_BY_STATION, CHARGES]


def test_how_long_energy_flowed():
    w = charging()
    w.poll(20000)
    w.car(B, 10000)
    w.car(C, 10000)
    tx = w.c.tx
    end(w)
    assert 34 <= tx.flow_s <= 37, tx.flow_s


def test_who_wants_less_knows_no_points():
    """As in OCPP 1.6: authorised and plugged in, until the token ends it. One that has no token,
    or whose token's part is over, ends when the Central System has become such a one."""
    w = World(tx_start=15, tx_stop=CAR).ready()
    plug(w)
    assert not w.c.tx
    show(w)
    end(w)
    assert not w.c.tx and w.queue() == ["start 1", "stop 1"]
    for over in (False, True):
        w = charging(CAR, CAR) if over else a_world(CAR, CAR)
        plug(w)
        if over:
            end(w)
        w.journal.wanted = ()
        w.poll(1500)
        assert not w.c.tx


def test_a_power_cut_at_each_point():
    """What was told stays, and what was not is not half there: the token in particular."""
    w = a_world(CAR, CAR)
    w.flash.dies_at = None
    plug(w)
    told(w)
    blank, t = bytes(w.flash.data), w.time.t_ms
    for cut in range(1, 60):
        w = a_world(CAR, CAR)
        w.flash.restore(blank)
        flash.mount(w.flash)
        w.time.t_ms = t
        w.electrics[0].state = C
        w.boot()
        w.journal.wanted = WANTED
        w.ready(online=True)
        w.flash.on()
        w.flash.dies_at = cut
        try:
            show(w)
            end(w)
            w.flash.dies_at = None
        except OSError:
            pass
        died = w.flash.dead
        w.flash.on()
        flash.mount(w.flash)
        w.boot()
        w.journal.wanted = WANTED
        w.ready()
        w.numbers = {1: 1}
        tx, said = w.c.tx, told(w)
        assert tx and tx.seq == 1 + len(said), (cut, said)
        assert (tx.kind >= 0) == any([s[:5] == "token" for s in said]), (cut, said)
        assert (tx.over is not None) == any([s[:4] == "over" for s in said]), (cut, said)
        if not died:
            break
    assert cut > 5
