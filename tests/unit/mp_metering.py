"""station/metering.py and ocpp/v16/messages.py: what is measured when, and its exact text."""

import json
import os

from world import T0, UNSET, World

from firmware.clock import parse_iso
from firmware.electrical import pilot
from firmware.ocpp.v16 import messages
from firmware.station import metering, states
from firmware.station.retime import set_clock
from firmware.storage.journal import STOP
from firmware.storage.transactions import Transaction

HEAP = "800K"
BOTH = True
CHIP = True

ENERGY, POWER, CURRENT, VOLTAGE, OFFERED_A, OFFERED_W, HEAT = 1, 2, 0x1C, 0xE0, 0x100, 0x200, 0x400
FREQUENCY = 0x800
ALL = 0xFFF


class Heat:
    def __init__(self, dC):
        self.temperature_dC = dC


def a_world(**settings):
    w = World().ready()
    w.settings.update(settings)
    m = w.meters[0]
    m.energy_Wh, m.power_W = 1234567, 11040
    m.current_mA, m.voltage_mV = (16000, 15905, 7), (230049, 230050, 399999)
    w.c.heat = Heat(355)
    return w


def take(w, bits, context=metering.TRIGGER):
    w.settings["sampled"] = bits
    return w.station.metering.take(w.c, T0, "sampled", context)


def values(sample):
    """{measurand, with phase: text} of the MeterValue of a sample."""
    out = {}
    for v in messages._value(sample)["sampledValue"]:
        name = v["measurand"] + (" " + v["phase"] if "phase" in v else "")
        assert name not in out and isinstance(v["value"], str)
        out[name] = v["value"] + (" " + v["unit"] if "unit" in v else "")
    return out


def poll(w, seconds, step_ms=1000):
    """Meters are read and samples taken for so long; -> all that were queued."""
    for _ in range(seconds * 1000 // step_ms):
        w.time.pass_ms(step_ms)
        w.station.metering.poll(w.clock.now(), w.clock.known(), step_ms)


def taken(w):
    """(time, context) of what waits for the Central System, in and out of transactions."""
    out = [sample for _, sample in w.station.samples]
    w.station.samples.clear()
    while w.journal.head():
        sample = w.journal.head()[2]
        if sample:
            out.append(sample)
        w.journal.done()
    return [(s[0], metering.CONTEXTS.split(" ")[s[-1]]) for s in out]


# Values


def test_every_measurand():
    w = a_world()
    w.electrics[0].pilot_mA = 16000
    assert values(take(w, ALL)) == {
        "Energy.Active.Import.Register": "1234567 Wh",
        "Power.Active.Import": "11040 W",
        "Current.Import L1": "16.000 A",
        "Current.Import L2": "15.905 A",
        "Current.Import L3": "0.007 A",
        "Voltage L1-N": "230.0 V",
        "Voltage L2-N": "230.1 V",
        "Voltage L3-N": "400.0 V",
        "Current.Offered": "16.000 A",
        "Power.Offered": "13761 W",  # 16 A at 860.098 V: 13761.568, rounded towards less
        "Temperature": "35.5 Celsius",
        "Frequency": "50.00",  # OCPP 1.6 has no hertz
    }


def test_the_layout():
    w = a_world()
    w.electrics[0].pilot_mA = 16000
    heads = (T0, 1234567, 11040, 16000, 15905, 7, 2300, 2301, 4000, 16000, 13761, 355, 5000)
    assert take(w, ALL) == heads + (ALL, 2)
    assert take(w, 0x418) == (T0, 15905, 7, 355, 0x418, 2)


def test_text():
    w = a_world()
    m = w.meters[0]
    for Wh in (0, 1, 999, 2**30, 2**32 - 1):
        m.energy_Wh = Wh
        assert values(take(w, ENERGY)) == {"Energy.Active.Import.Register": "%d Wh" % Wh}
    for mA, text in ((0, "0.000"), (1, "0.001"), (60, "0.060"), (999, "0.999"), (32000, "32.000")):
        m.current_mA = (mA, 0, 0)
        assert values(take(w, 4)) == {"Current.Import L1": text + " A"}
        w.electrics[0].pilot_mA = mA
        assert values(take(w, OFFERED_A)) == {"Current.Offered": text + " A"}
    for mV, text in ((49, "0.0"), (50, "0.1"), (229949, "229.9"), (229950, "230.0")):
        m.voltage_mV = (mV, 0, 0)
        assert values(take(w, 0x20)) == {"Voltage L1-N": text + " V"}
    for dC, text in ((0, "0.0"), (5, "0.5"), (-5, "-0.5"), (-105, "-10.5"), (710, "71.0")):
        w.c.heat.temperature_dC = dC
        assert values(take(w, HEAT)) == {"Temperature": text + " Celsius"}
    for cHz, text in ((4998, "49.98"), (5005, "50.05"), (6000, "60.00")):
        m.frequency_cHz = cHz
        assert values(take(w, FREQUENCY)) == {"Frequency": text}


def test_what_is_not_known_is_not_said():
    w = a_world()
    w.meters[0].voltage_mV = (230000, 0, 0)
    assert values(take(w, VOLTAGE)) == {"Voltage L1-N": "230.0 V"}
    w.c.heat.temperature_dC = None
    assert "Temperature" not in values(take(w, ALL))
    assert take(w, HEAT, 4) is None
    w.c.heat = None
    assert "Temperature" not in values(take(w, ALL))
    w.meters[0].frequency_cHz = 0
    assert "Frequency" not in values(take(w, ALL))
    w.meters[0].frequency_cHz = 5000
    w.meters[0].gives = 0x01  # S0
    assert sorted(values(take(w, ALL))) == [
        "Current.Offered", "Energy.Active.Import.Register", "Power.Offered"
    ]  # fmt: skip
    w.meters[0].lost = True
    assert sorted(values(take(w, ALL))) == ["Current.Offered", "Power.Offered"]
    assert take(w, ENERGY, 3) is None
    # A trigger was accepted: something is said.
    assert values(take(w, ENERGY)) == {"Current.Offered": "0.000 A"}
    w.meters[0].lost = False
    assert list(values(take(w, 0))) == ["Energy.Active.Import.Register"]
    assert take(w, 0, 3) is None


def test_power_offered():
    w = a_world()
    m, e = w.meters[0], w.electrics[0]
    e.pilot_mA = 10000
    for gives, volts, phases, lost, expected in (
        (0xFF, (230000,) * 3, 0, False, 6900),
        (0xFF, (230000,) * 3, 3, False, 6900),
        (0xFF, (230000,) * 3, 1, False, 2300),
        (0xFF, (230000,) * 3, 2, False, 4600),
        (0xFF, (230000, 0, 0), 0, False, 2300),  # one phase of three is there
        (0xFF, (0, 0, 0), 0, False, 6900),  # nominal
        (0xFF, (210000,) * 3, 0, True, 6900),
        (0x27, (231000, 0, 0), 0, False, 2310),
        (0x27, (0, 0, 0), 0, False, 2300),
        (0x01, (0, 0, 0), 0, False, 6900),
        (0x01, (0, 0, 0), 1, False, 2300),
        (0xFF, (230099, 0, 0), 0, False, 2300),  # 2300.99
    ):
        m.gives, m.voltage_mV, w.c.phases, m.lost = gives, volts, phases, lost
        text = values(take(w, OFFERED_W))["Power.Offered"]
        assert text == "%d W" % expected, (gives, volts, phases, text)
    e.pilot_mA = 0
    assert values(take(w, OFFERED_W)) == {"Power.Offered": "0 W"}


def test_contexts():
    w = a_world()
    for context, text in (
        (0, "Sample.Periodic"),
        (1, "Sample.Clock"),
        (metering.TRIGGER, "Trigger"),
        (3, "Transaction.Begin"),
        (4, "Transaction.End"),
    ):
        for v in messages._value(take(w, ALL, context))["sampledValue"]:
            assert v["context"] == text


# When


def test_periodic_only_in_a_transaction():
    w = a_world(sample_s=10)
    poll(w, 60)
    assert taken(w) == []
    w.charge()
    t = w.clock.now()
    poll(w, 35)
    assert taken(w) == [(t + s, "Sample.Periodic") for s in (10, 20, 30)]
    w.settings["sample_s"] = 2  # in force at once: 5 s have passed
    poll(w, 4)
    assert len(taken(w)) == 2
    w.settings["sample_s"] = 0
    poll(w, 100)
    w.settings["sample_s"] = 10
    w.settings["sampled"] = 0
    poll(w, 100)
    assert taken(w) == []


def test_aligned_to_midnight_at_every_interval():
    midnight = parse_iso("2026-11-21T00:00:00Z")
    for step_s in (1, 2, 7, 15, 60, 300, 900, 1000, 3600, 7000, 25000, 43200, 50000, 86399, 86400):
        w = a_world(aligned_s=step_s)
        last = 86400 - 1 - (86400 - 1) % step_s  # the last instant of a day
        for instant in (-86400, step_s - 86400, last - 86400, 0, step_s, last, 86400):
            w.time.t_ms = (midnight + instant) * 1000 - 1400
            w.station.metering._seen = None
            poll(w, 4, 500)
            got = [t - midnight for t, _ in taken(w)]
            assert instant in got, (step_s, instant)
            assert all(t % 86400 % step_s == 0 for t in got), (step_s, got)


def test_a_clock_that_jumps_is_not_an_instant():
    w = a_world(aligned_s=900)
    poll(w, 30)
    taken(w)
    for jump_s in (3600 + 100, -3600, 450, 86400 + 450):
        w.time.t_ms += jump_s * 1000
        poll(w, 2)
        assert taken(w) == [], jump_s
    w = World(t=UNSET, aligned_s=900)
    poll(w, 2000, 10000)
    assert taken(w) == []
    w.time.t_ms = T0 * 1000 - 1000
    poll(w, 2)
    assert taken(w) == []  # it was not set when the instant came


def test_samples_of_no_transaction_are_bounded():
    w = a_world(aligned_s=1)
    poll(w, 100)
    assert len(w.station.samples) == 16 and w.station.samples[-1][1][0] == w.clock.now()
    assert not w.journal.head() and w.woken


# transactionData


def data(w, tx):
    return [(s[0], metering.CONTEXTS.split(" ")[s[-1]]) for s in tx.data]


def end(w):
    tx = w.c.tx
    w.stop(states.LOCAL, 3000)
    assert w.c.tx is None
    return tx


def test_transaction_data():
    w = a_world(
        stop_sampled=ENERGY, stop_aligned=ENERGY | VOLTAGE,
        sample_s=40, aligned_s=60, aligned=0,
        sampled=0,
    )  # fmt: skip
    w.charge()
    tx = w.c.tx
    poll(w, 100)
    assert taken(w) == []
    w.meters[0].energy_Wh += 500
    assert end(w) is tx
    aligned = [t for t in range(tx.start_s + 1, tx.stop_s) if t % 60 == 0]
    contexts = [c for _, c in data(w, tx)]
    assert contexts[0] == "Transaction.Begin" and contexts[-1] == "Transaction.End"
    assert [t for t, c in data(w, tx) if c == "Sample.Clock"] == aligned
    assert contexts.count("Sample.Periodic") == 2
    assert data(w, tx)[0][0] == tx.start_s and data(w, tx)[-1][0] == tx.stop_s
    assert tx.data[0][1] == tx.start_Wh and tx.data[-1][1] == tx.stop_Wh
    tx.id = 5
    payload = json.loads("".join(messages.event(STOP, tx, None, 0)[1]()))
    told = payload.pop("transactionData")
    kept, tx.data = tx.data, []
    assert payload == messages.event(STOP, tx, None, 0)[1]
    assert told == [messages._value(s) for s in kept]


def test_no_transaction_data_unless_asked_for():
    w = a_world(aligned_s=60)
    w.charge()
    poll(w, 200)
    tx = end(w)
    assert tx.data == [] and isinstance(messages.event(STOP, tx, None, 0)[1], dict)


def test_transaction_data_has_a_bound():
    """What lies between gives way, evenly; the first and the last never."""
    for n in (10, 11, 12, 13, 100, 1000):
        w = a_world(stop_sampled=ENERGY, sampled=0, sample_s=1)
        w.charge()
        poll(w, n)
        tx = end(w)
        contexts = [c for _, c in data(w, tx)]
        assert len(contexts) == n + 2 if n < 12 else 8 <= len(contexts) <= 15, (n, len(contexts))
        assert contexts[0] == "Transaction.Begin" and contexts[-1] == "Transaction.End"
        assert contexts.count("Sample.Periodic") == len(contexts) - 2
        times = [t for t, _ in data(w, tx)]
        assert times == sorted(times) and times[0] == tx.start_s and times[-1] == tx.stop_s


def test_transaction_data_of_everything():
    w = a_world(stop_sampled=ALL, sampled=0, sample_s=1)
    w.charge()
    for i in range(100):
        w.meters[0].energy_Wh += 50 + i % 3
        w.meters[0].current_mA = (16000 + i % 7 * 99, 31000 - i % 5 * 99, 15000 + i % 3 * 777)
        poll(w, 1)
    w.meters[0].energy_Wh = 2**32 - 1
    tx = end(w)
    assert 3 <= len(tx.data) <= 6 and os.stat("/flash/tx/1.data")[6] <= 121, len(tx.data)
    assert [tx.data[0][-1], tx.data[-1][-1]] == [3, 4] and tx.data[-1][1] == 2**32 - 1
    for sample in tx.data:
        assert len(values(sample)) == 12, values(sample)


def test_an_end_that_a_power_cut_undid_is_not_told():
    """The last sample was on flash, the stop was not."""
    w = a_world(stop_sampled=ENERGY, sampled=0)
    w.charge()
    tx = w.c.tx
    tx.stop_s = w.clock.now()
    w.station.metering.keep(w.c, tx, tx.stop_s)
    tx.stop_s = None
    w.boot().poll(3000)
    tx = end(w)
    assert [c for _, c in data(w, tx)] == ["Transaction.Begin", "Transaction.End"]
    assert data(w, tx)[-1][0] == tx.stop_s


def test_a_clock_that_is_set_late():
    w = World(t=UNSET).ready()
    w.settings.update({"stop_sampled": ENERGY, "sample_s": 10})
    w.accept("TAG", 3000, pilot.C)
    poll(w, 15)
    now = w.clock.now()
    ages = [now - t for t, _ in data(w, w.c.tx)]
    assert len(ages) == 2
    set_clock(w.station, T0, 0, 0)
    assert [T0 - t for t, _ in data(w, w.c.tx)] == ages
    set_clock(w.station, T0 + 50, 0, 0)
    assert [T0 - t for t, _ in data(w, w.c.tx)] == ages


# A meter whose register is not always the same one


def told_Wh(w):
    """The energy of every sample that waits, in order."""
    out = []
    while w.journal.head():
        kind, tx, sample = w.journal.head()
        if sample:
            out.append(sample[1])
        w.journal.done()
    return out


def count(w, Wh):
    """A minute of charging: a reading a second, and a sample."""
    for _ in range(60):
        w.meters[0].energy_Wh += Wh // 60
        poll(w, 1)


def another(w, Wh):
    """The driver takes another register for one."""
    before_Wh, w.meters[0].energy_Wh = w.meters[0].energy_Wh, Wh
    w.c.moved(before_Wh, Wh)


def test_the_energy_of_a_transaction_never_runs_backwards():
    w = a_world()
    w.charge()
    tx = w.c.tx
    assert tx.start_Wh == 1234567
    told = []
    for i, register in enumerate((0, 500, 50000000, 3, 1234567)):
        count(w, 180)
        another(w, register)
        count(w, 180)
        told += told_Wh(w)
        assert told[-1] == 1234567 + 360 * (i + 1), (register, told)
    assert told == sorted(told) and len(told) == 10
    w.boot().poll(3000)  # at each of them the power may fail
    w.c.moved(None, w.meters[0].energy_Wh)
    assert w.c.energy_Wh() == told[-1]
    count(w, 180)
    end(w)
    assert w.journal.head()[1].stop_Wh == 1234567 + 5 * 360 + 180
    assert w.c.energy_Wh() == w.meters[0].energy_Wh  # (between transactions as it stands)
    w.car(pilot.A, 2000)
    w.charge()
    assert w.c.tx.start_Wh == w.meters[0].energy_Wh and w.c.tx.offset_Wh == 0


def test_what_rises_by_more_than_20_Wh_a_second_is_another_register():
    """From the start of the transaction on; a day where the clock is before that."""
    for s, rise_Wh, moved in ((10, 200, False), (10, 201, True), (-1, 20 * 86400, False)):
        tx = Transaction(1, 1, "TAG", T0, 1000)
        tx.seen_Wh = 1000
        assert tx.moved(None, 1000 + rise_Wh, T0 + s) == moved, (s, rise_Wh)
        assert tx.offset_Wh == -rise_Wh * moved


def test_another_register_after_a_power_cut():
    """What was seen stays; what cannot have flowed since the start is another meter's."""
    for clock, register in (
        (True, 1234567 + 3000),  # it has counted on: nothing is lost
        (True, 0),  # it lost its own
        (True, 1234567 + 100),
        (True, 99000000),  # another one
        (False, 99000000),
        (False, 1234567 + 3000),
        (False, 0),
    ):
        w = a_world()
        w.charge()
        count(w, 1800)
        assert told_Wh(w) == [1234567 + 1800]
        w.meters[0].energy_Wh = 0  # (nothing was read yet)
        w.boot(None if clock else UNSET)
        assert w.c.energy_Wh() == 1234567 + 1800, register  # also before the first reading
        w.poll(3000)
        w.meters[0].energy_Wh = register
        w.c.moved(None, register)
        goes_on = register == 1234567 + 3000
        begin_Wh = register if goes_on else 1234567 + 1800
        assert w.c.energy_Wh() == begin_Wh, (clock, register, w.c.energy_Wh())
        w.boot().poll(3000)  # once more
        w.c.moved(None, register)
        assert w.c.energy_Wh() == begin_Wh
        w.meters[0].energy_Wh += 100
        tx = w.c.tx
        end(w)
        assert tx.stop_Wh == begin_Wh + 100 and tx.stop_Wh >= tx.seen_Wh
