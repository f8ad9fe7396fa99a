"""station.reservations: who may charge where a connector is kept, when that ends, power cuts."""

import gc

from world import T0, UNSET, World, token, waiting

from firmware.electrical import faults
from firmware.electrical.pilot import A, B, C
from firmware.station import states
from firmware.station.availability import serve
from firmware.station.reservations import ACCEPTED, Reservation, Reservations
from firmware.storage import tags

HEAP = "800K"

FAULTED, OCCUPIED, REJECTED, UNAVAILABLE = 1, 2, 3, 4
HOUR = T0 + 3600


def reserve(w, number=1, id=1, token="HER", group=None, end_s=HOUR, ms=200):
    """-> the answer"""
    module = w.station.reservations or Reservations(w.station)
    answer = module.reserve(Reservation(id, number, token, w.station.local().group(group), end_s))
    w.poll(ms)
    return answer


def ids(w):
    return [r.id for r in w.station.reservations.list] if w.station.reservations else []


def shown(w):
    return [c.state for c in w.cs]


def test_a_connector_is_kept_for_its_token():
    w = World(2).ready()
    for tag in ("HER", "HIS"):
        w.station.local().heard(tag, tags.ACCEPTED)
    assert reserve(w) == ACCEPTED and shown(w) == [states.RESERVED, states.FREE]
    assert w.states() == [states.RESERVED]
    w.tag("HIS", 1000)
    assert not w.c.waits and w.c.state == states.RESERVED and not w.station.asks
    w.car(B, 1000)  # somebody plugs in: that is no token
    w.tag("HIS", 1000)
    assert w.c.state == states.RESERVED and not w.c.tx
    w.tag("her", 1000)
    assert w.c.tx.token == "her" and w.c.tx.reservation == 1 and ids(w) == []
    assert w.states() == [states.PLUGGED, states.PAUSED_BY_CAR] or w.c.tx
    w.boot().ready()
    assert w.c.tx.reservation == 1 and not w.station.reservations
    assert waiting(w.flash)[0][1].reservation == 1


def test_a_token_goes_to_the_connector_that_is_kept_for_it():
    w = World(3).ready()
    w.station.local().heard("HER", tags.ACCEPTED)
    w.station.local().heard("HIS", tags.ACCEPTED)
    assert reserve(w, 2) == ACCEPTED
    assert w.access().choose("HER", False) is w.cs[1] and w.access().choose("HIS", False) is w.c
    w.access().card("HER")
    w.poll(200)
    assert token(w.cs[1]) == "HER" and shown(w)[1] == states.PLUGGED
    w.access().card("HIS")
    w.car(B, 1000, 3)  # his car comes elsewhere: he does not get hers
    assert w.cs[2].tx.token == "HIS" and token(w.cs[1]) == "HER"
    assert w.cs[2].tx.reservation is None and ids(w) == [1]


def test_a_card_waits_and_its_car_comes_to_what_is_kept():
    w = World(2).ready()
    w.station.local().heard("HIS", tags.ACCEPTED)
    w.access().card("HIS")
    w.poll(200)
    assert token(w.c) == "HIS"
    assert reserve(w, 2) == ACCEPTED
    w.car(B, 1000, 2)
    assert not w.cs[1].tx and w.cs[1].state == states.RESERVED and token(w.c) == "HIS"


def test_a_token_of_its_group_may_start():
    for how in ("list", "asked", "other"):
        w = World().ready(online=True)
        assert reserve(w, group="Family") == ACCEPTED
        w.c.controller.state = C
        if how == "list":
            w.settings["preauthorise"] = True
            w.station.local().heard("SON", tags.ACCEPTED, None, w.station.local().group("FAMILY"))
        w.tag("SON", 200)
        if how == "list":
            w.poll(1000)
            assert w.c.tx.reservation == 1 and w.c.tx.token == "SON"
            continue
        ask = w.station.next_ask()  # of which group he is only the Central System knows
        assert ask.token == "SON" and ask.connector is w.c
        w.access().authorised(ask, w.station.local().group("family" if how == "asked" else "x"))
        w.poll(1000)
        assert bool(w.c.tx) is (how == "asked")


def test_a_card_of_its_group_at_the_only_reader():
    for online in (True, False):
        w = World(2).ready(online=online)
        w.settings["offline_unknown"] = True
        assert reserve(w, 1, group="Family") == ACCEPTED and reserve(w, 2, id=2) == ACCEPTED
        w.access().card("SON")
        ask = w.station.next_ask()
        assert bool(ask) is online and not w.c.waits and not w.cs[1].waits
        if online:
            w.access().authorised(ask, w.station.local().group("Family"))
            assert token(w.c) == "SON" and not w.cs[1].waits


def test_without_a_group_nobody_else_is_asked_for():
    w = World().ready(online=True)
    reserve(w)
    w.car(B, 500)
    w.tag("HIS", 500)
    assert not w.station.asks and not w.c.waits
    w.tag("HER", 500)
    assert w.station.next_ask().token == "HER"


def test_it_ends_at_its_time():
    for at in ("on", "off", "without a clock"):
        w = World().ready()
        reserve(w, end_s=T0 + 100)
        assert w.c.state == states.RESERVED
        if at == "on":
            w.poll(97000)
            assert w.c.state == states.RESERVED and ids(w) == [1]
            w.poll(3000)
        elif at == "off":
            w.boot(T0 + 99).poll(500)
            assert ids(w) == [1] and w.c.reserved
            w.boot(T0 + 100).poll(500)
        else:
            w.station.clock.note(1)
            w.boot(UNSET).poll(1500)
            assert w.c.state == states.RESERVED  # (nobody knows: it may still be her time)
            w.poll(100000)
        assert w.c.state == states.FREE and ids(w) == [], at
        reservations = w.station.reservations
        assert reservations.over == [[1, True]] == w.boot().ready().station.reservations.over
        w.station.reservations.told([1, True])
        w.poll(500)
        assert not w.station.reservations
        assert not w.boot().station.reservations


def test_when_it_is_not_possible():
    w = World(2).ready()
    assert reserve(w, 3) == reserve(w, -1) == REJECTED
    assert reserve(w, end_s=T0) == REJECTED
    w.car(B, 200)
    assert reserve(w) == OCCUPIED  # plugged in
    w.access().accept("HIS", w.c)
    w.poll(1000)
    assert w.c.tx and reserve(w) == OCCUPIED
    assert reserve(w, 2, id=7) == ACCEPTED and reserve(w, 2, id=8) == OCCUPIED
    assert ids(w) == [7]
    w.cs[1].controller.fault = faults.DIODE
    w.poll(200)
    assert ids(w) == [] and shown(w)[1] == states.FAULTED  # it has ended
    assert reserve(w, 2) == FAULTED
    w.cs[1].controller.fault = faults.NONE
    serve(w.station, 2, False)
    w.poll(200)
    assert reserve(w, 2) == UNAVAILABLE
    w.boot(UNSET).ready()
    assert reserve(w) == REJECTED  # nobody knows for how long


def test_while_a_token_waits_it_is_occupied():
    w = World().ready()
    w.accept("HIS", 200)
    assert w.c.waits and reserve(w) == OCCUPIED


def test_the_same_id_replaces():
    w = World(2).ready()
    assert reserve(w, 1, id=5) == ACCEPTED
    assert reserve(w, 1, id=5, token="HIM", end_s=HOUR + 9) == ACCEPTED
    assert [(r.token, r.end_s) for r in w.station.reservations.list] == [("HIM", HOUR + 9)]
    assert reserve(w, 2, id=5) == ACCEPTED
    assert shown(w) == [states.FREE, states.RESERVED]
    assert w.boot().ready() and ids(w) == [5] and shown(w) == [states.FREE, states.RESERVED]


def test_cancelled():
    w = World().ready()
    reserve(w, id=-3)
    assert not w.station.reservations.cancel(3) and ids(w) == [-3]
    assert w.station.reservations.cancel(-3)
    assert w.poll(200) == states.FREE and not w.station.reservations
    assert not w.boot().station.reservations


def test_out_of_service_ends_it():
    for number in (1, 0):
        w = World().ready()
        reserve(w, number)
        assert w.c.state == states.RESERVED
        serve(w.station, number, False)
        w.poll(200)
        assert w.c.state == states.OUT_OF_SERVICE and ids(w) == []


def test_one_of_them_stays_free_for_connector_0():
    w = World(2).ready()
    for tag in ("HER", "HIS", "ITS"):
        w.station.local().heard(tag, tags.ACCEPTED)
    assert reserve(w, 0) == ACCEPTED and shown(w) == [states.FREE] * 2
    assert reserve(w, 2, id=2, token="X") == ACCEPTED  # the other is hers now
    assert shown(w) == [states.RESERVED] * 2
    assert reserve(w, 0, id=3) == OCCUPIED and reserve(w, 1, id=3) == OCCUPIED
    assert w.station.reservations.cancel(2)
    w.poll(200)
    assert shown(w) == [states.FREE] * 2
    w.access().tag("HIS", 2)
    w.car(C, 1000, 2)
    assert w.cs[1].tx and shown(w)[0] == states.RESERVED
    w.tag("ITS", 500)
    assert not w.c.waits
    w.tag("HER", 500)
    w.car(C, 1000)
    assert w.c.tx.token == "HER" and w.c.tx.reservation == 1 and ids(w) == []


def test_connector_0_where_none_can_be_had():
    w = World(2).ready()
    for c in w.cs:
        c.controller.fault = faults.DIODE
    w.poll(200)
    assert reserve(w, 0) == FAULTED
    w.cs[1].controller.fault = faults.NONE
    serve(w.station, 2, False)
    w.poll(200)
    assert reserve(w, 0) == OCCUPIED  # (one so, one so)
    w.c.controller.fault = faults.NONE
    serve(w.station, 0, False)
    w.poll(200)
    assert reserve(w, 0) == UNAVAILABLE


def test_a_transaction_that_cannot_begin_ends_nothing():
    w = World().ready()
    w.station.local().heard("HER", tags.ACCEPTED)
    reserve(w)
    w.journal.start = lambda tx: False  # the flash is full
    w.car(B, 500)
    w.tag("HER", 1000)
    assert not w.c.tx and ids(w) == [1] and w.c.state == states.RESERVED


def test_a_file_that_cannot_be_believed_reserves_nothing():
    for text in ("", "{", "[1]", "[[1,2]]", '[["a"]]', "null"):
        w = World().ready()
        reserve(w)
        with open("/flash/auth/reserved", "w") as f:
            f.write(text)
        w.boot().ready()
        assert ids(w) == [] and w.c.state == states.FREE, text
        assert reserve(w) == ACCEPTED


def test_a_power_cut_at_every_operation():
    w = World().ready()
    w.station.local().heard("HER", tags.ACCEPTED)
    image = bytes(w.flash.data)

    def all_of_it():
        answers = [reserve(w), reserve(w, token="HIM"), reserve(w, token="HER")]
        w.car(B, 500)
        w.tag("HER", 1000)
        return answers

    w.flash.on()
    assert all_of_it() == [ACCEPTED] * 3 and w.c.tx
    total = w.flash.ops
    for cut in range(total):
        gc.collect()
        w.flash.restore(image)
        w.electrics[0].state = A
        w.boot().ready()
        w.flash.dies_at = cut
        answers = all_of_it()
        told = len(answers)  # (what was answered before the cut must hold)
        w.flash.on()
        w.electrics[0].state = A
        w.boot().ready()
        assert told == 3
        if w.c.tx or w.queue():
            tx = waiting(w.flash)[0][1]
            assert tx.reservation == 1 and ids(w) == [], cut
        else:
            assert ids(w) in ([], [1]), cut
    print("%d operations" % total)
