"""The electrical side of a station, as a Central System and the car see it: statuses, faults and
how they go by, cable, lock, heat, phases, cards, and every board."""

import json
import sys

import pytest
from station_driver import TAG, X1, draws, share

from host.build import ROOT
from host.process import WAIT_s, poll
from host.profile import profile

FULL = "reference_full"
BOARDS = sorted(p.stem for p in (ROOT / "firmware/boards").glob("[a-z]*.py"))
BRISK_SPEED = 40  # where a little happens
WAITING_SPEED = 120  # while nothing happens for long
CARD, OTHER_CARD = "04A1B2C3", "DEADBEEF"
LOAD_mA = 1000  # more than this is under load
NO_ERROR = ("NoError", None)


@pytest.fixture
def station(bench):
    """`async with station(...) as b`: a station on a board, with fields of its config.json."""

    def make(board=FULL, speed=20, connectors=1, **config):
        fields = {"board": board, **config}
        return bench(config=fields, heap="300K", speed=speed, connectors=connectors)

    return make


# What a Central System was told


def told(b, since=0, connector=1):
    """(status, errorCode, vendorErrorCode) as they came, each checked for its vendorId."""
    out = []
    for p in b.st.received("StatusNotification", since):
        if p["connectorId"] != connector:
            continue
        vendor = p.get("vendorErrorCode")
        assert p.get("vendorId") == ("Pilotwire" if vendor else None), p
        assert "info" not in p, p
        out.append((p["status"], p["errorCode"], vendor))
    return out


def statuses(b, since=0, connector=1):
    return [status for status, _, _ in told(b, since, connector)]


async def is_told(b, status, error="NoError", vendor=None, since=0, connector=1):
    """Wait until the Central System has been told exactly that."""
    want = (status, error, vendor)
    await poll(
        lambda: want in told(b, since, connector),
        WAIT_s,
        lambda: f"{want} after {told(b, since, connector)}",
    )


def stops(b, since=0):
    return [p["reason"] for p in b.st.received("StopTransaction", since)]


# The world


async def passes(b, seconds, speed=WAITING_SPEED):
    """Simulated time goes by, faster."""
    await b.do(f"speed {speed}")
    await b.process.passes(seconds)
    await b.do(f"speed {b.speed}")


async def sooner(b, awaitable, speed=WAITING_SPEED):
    """Wait for something that takes long, with time going by faster."""
    await b.do(f"speed {speed}")
    try:
        return await awaitable
    finally:
        await b.do(f"speed {b.speed}")


async def flows(b, mA=None, connector=1):
    """Wait until the car draws: all that it can take, or all of an offer of `mA`."""
    want = [16000] * 3 if mA is None else draws(mA)
    return await b.process.until(lambda c: c["ev_mA"] == want, connector)


async def limited(b, source, mA, connector=1):
    def test(c):
        by = c["limit_by"] and c["limit_by"]["source"]
        return by == source and c["limit_mA"] == mA

    return await b.process.until(test, connector)


async def press(b, cleared, connector=1):
    """Press the button briefly, and see what comes of it."""
    since = len(b.process.output)
    await b.do(f"press {connector}")
    await b.process.wait_output(f"faults {'' if cleared else 'not '}cleared", since=since)


async def unplugged(b, connector=1):
    """Unplug; the plug leaves the socket when the lock lets it go."""
    since = b.st.mark()
    await b.do(f"unplug {connector}")
    await b.status("Available", connector, since)
    await empty(b, connector)


async def empty(b, connector=1):
    """Wait until no plug is in the socket: there is no cable to limit anything."""

    def test(c):
        return all(
            c[by] is None or c[by]["source"] != "Cable" for by in ("limit_by", "limit_next")
        )

    await b.process.until(test, connector)


def offers(process, since=0, connector=1):
    """Trace lines at which energy was offered."""
    lines = process.trace()[since:]
    return [
        e
        for e in lines
        if e["what"] == "pilot" and e["connector"] == connector and e["advertised_mA"]
    ]


def assert_opened(b, since, at_once):
    """The contactor opened in the same tick as the pilot went away, or under no load once the
    car had obeyed X1."""
    lines = b.process.trace()[since:]
    opened = next(i for i, e in enumerate(lines) if e["what"] == "contactor" and not e["closed"])
    until_ms = lines[opened]["ms"] + (100 if at_once else 0)  # (the contactor comes first)
    took = [e for e in lines if e["what"] == "pilot" and e["ms"] <= until_ms]
    assert took and not any(e["advertised_mA"] for e in took), lines
    if at_once:
        assert lines[opened]["ms"] - took[0]["ms"] <= 100, lines
    else:
        assert took[0]["duty_u16"] == X1, lines
        assert lines[opened]["load_mA"] < LOAD_mA, lines
        assert lines[opened]["ms"] - took[0]["ms"] < 6100, lines
    return 0 in [e["duty_u16"] for e in took]  # (X1 before, until it is sure of state E)


# 1. Statuses


async def test_every_status_of_a_session(station):
    """Available, Preparing, Charging, SuspendedEV, SuspendedEVSE, Finishing, Faulted, and back."""
    async with station() as b:
        await b.do("plug")
        await b.status("Preparing")
        await b.do(f"tag {TAG}")
        await b.status("Charging")
        await flows(b)
        await b.do("pause")
        await b.status("SuspendedEV")
        await b.process.until(lambda c: c["cp"] == "B" and c["pilot_mA"] and not c["contactor"])
        mark = b.st.mark()
        await b.do("ready")
        await b.status("Charging", since=mark)
        await b.set_profile(profile(1, "Default", {0: 0}, kind="Relative"))
        await b.status("SuspendedEVSE", since=mark)
        await b.process.until(lambda c: not c["contactor"] and c["duty_u16"] == X1)
        mark = b.st.mark()
        await b.clear(id=1)
        await b.status("Charging", since=mark)
        await flows(b)
        mark = b.st.mark()
        await b.do("fault over-voltage")
        await is_told(b, "Faulted", "OverVoltage", since=mark)
        await b.do("clear over-voltage")
        await sooner(b, b.status("Charging", since=mark))
        await flows(b)
        await b.finish()
        came = [(s, e) for s, e, _ in told(b) if s != "Preparing"]
        assert came == [
            ("Available", "NoError"),
            ("Charging", "NoError"),
            ("SuspendedEV", "NoError"),
            ("Charging", "NoError"),
            ("SuspendedEVSE", "NoError"),
            ("Charging", "NoError"),
            ("Faulted", "OverVoltage"),
            ("Charging", "NoError"),
            ("Finishing", "NoError"),
            ("Available", "NoError"),
        ]
        assert len(b.cs.transactions) == 1


# 2. Faults while a car charges

AT_ONCE, X1_FIRST = True, False
BY_ITSELF, UNPLUGGED, BY_A_PERSON = "by itself", "unplugged", "by a person"
# fault: (profile's limit, errorCode, vendorErrorCode, how it opens, F is shown, how it goes by)
WHILE_CHARGING = {
    "residual": (None, "GroundFailure", "ResidualCurrent", AT_ONCE, True, BY_A_PERSON),
    "pe-loss": (None, "GroundFailure", "ProtectiveEarth", AT_ONCE, True, BY_ITSELF),
    "cable-loss": (None, "OtherError", "Cable", AT_ONCE, True, UNPLUGGED),
    "cable-bad": (None, "OtherError", "Cable", AT_ONCE, True, UNPLUGGED),
    "under-voltage": (None, "UnderVoltage", None, AT_ONCE, False, BY_ITSELF),
    "over-voltage": (None, "OverVoltage", None, AT_ONCE, False, BY_ITSELF),
    "overheat": (None, "HighTemperature", None, X1_FIRST, False, BY_ITSELF),
    "diode-short": (None, "EVCommunicationError", "DiodeFault", AT_ONCE, False, UNPLUGGED),
    "pilot-short": (None, "EVCommunicationError", "PilotShort", AT_ONCE, True, BY_ITSELF),
    "ventilation": (None, "OtherError", "VentilationNotAvailable", AT_ONCE, False, BY_ITSELF),
    "overdraw": (10, "OverCurrentFailure", None, X1_FIRST, False, UNPLUGGED),
    "overdraw-200": (10, "OverCurrentFailure", "Overload", AT_ONCE, True, UNPLUGGED),
    "ignore-duty": (12, "OverCurrentFailure", None, X1_FIRST, False, UNPLUGGED),
}


@pytest.mark.parametrize("name", share(WHILE_CHARGING))
async def test_fault_while_charging(station, name):
    """Told with its codes, energy off as the table of faults.py says, and over as it says; the
    transaction lives until the car is unplugged, or ends at once where a person has to come.
    (Every fault, on every board: tests/unit/mp_fitting.py.)"""
    limit_A, error, vendor, at_once, state_f, over = WHILE_CHARGING[name]
    async with station() as b:
        id = await b.charge()
        await flows(b)
        if limit_A and name != "ignore-duty":
            await b.set_profile(profile(1, "Default", {0: limit_A}, kind="Relative"))
            await flows(b, 1000 * limit_A)
        told_at, at = b.st.mark(), b.process.mark()
        await b.do(f"fault {name}")
        if name == "ignore-duty":
            await b.set_profile(profile(1, "Default", {0: limit_A}, kind="Relative"))
        await is_told(b, "Faulted", error, vendor, told_at)
        await b.process.traced("contactor", lambda e: not e["closed"], since=at)
        if name == "ignore-duty":  # (the lower limit came first)
            at = b.process.trace().index(offers(b.process, at)[-1]) + 1
        assert assert_opened(b, at, at_once) == state_f
        await b.process.until(lambda c: c["duty_u16"] == X1 and not c["contactor"])
        ends = over == BY_A_PERSON
        if ends:
            assert (await b.st.expect("StopTransaction"))["reason"] == "Other"
        assert len(stops(b)) == ends
        at = b.process.mark()
        await b.do(f"clear {name}")
        if over == BY_ITSELF:
            await sooner(b, is_told(b, "Charging", since=told_at))
            assert stops(b) == []
            c = await flows(b)
            assert c["transactionId"] == id
            assert (await b.finish())["reason"] == "Local"
            assert statuses(b, told_at).count("Faulted") == 1
            return
        await passes(b, 70)
        c = await b.process.connector()
        assert (c["status"], c["contactor"]) == ("Faulted", False)
        assert c["transactionId"] == (None if ends else id)
        assert not offers(b.process, at)
        if over == BY_A_PERSON:
            await press(b, cleared=False)  # not with a car
            await b.do("unplug")
            await b.process.until(lambda c: c["cp"] == "A")
            await b.do("plug")
            await b.process.until(lambda c: c["cp"] == "B")
            await b.do(f"tag {TAG}")
            await passes(b, 30)
            assert (await b.process.connector())["status"] == "Faulted"
            assert len(b.st.received("StartTransaction")) == 1
            assert not offers(b.process, at)
            await b.do("unplug")
            await b.process.until(lambda c: c["cp"] == "A")
            mark = b.st.mark()
            await press(b, cleared=True)
            await sooner(b, is_told(b, "Available", since=mark))
        else:
            await unplugged(b)
        stop = await b.st.expect("StopTransaction")
        assert stop["reason"] == ("Other" if ends else "EVDisconnected")
        assert stop["transactionId"] == id and len(stops(b)) == 1
        if over == BY_A_PERSON:  # (that card was not taken while the fault was there)
            await b.process.until(lambda c: c["idTag"] is None)
        mark = b.st.mark()
        await b.charge()
        assert [e for _, *e in told(b, mark) if tuple(e) != NO_ERROR] == []
        await b.finish()


async def test_welded_contactor(station):
    """Seen when it should open: the transaction ends all the same, F stays until a person has
    mended it, and unplugging does not help."""
    async with station() as b:
        await b.charge()
        await flows(b)
        await b.do("fault weld")
        mark, at = b.st.mark(), b.process.mark()
        await b.do(f"tag {TAG}")
        await is_told(b, "Faulted", "PowerSwitchFailure", "ContactorWelded", mark)
        assert (await b.st.expect("StopTransaction"))["reason"] == "Local"
        await b.process.traced("pilot", lambda e: e["duty_u16"] == 0, since=at)
        at = b.process.mark()
        await b.do("unplug")
        await b.do("plug")
        await passes(b, 30)
        await press(b, cleared=False)  # it is still welded
        await passes(b, 10, BRISK_SPEED)
        c = await b.process.connector()
        assert (c["status"], c["duty_u16"], c["contactor"]) == ("Faulted", 0, False)
        assert not offers(b.process, at)
        await b.do("clear weld")
        await passes(b, 30)
        assert (await b.process.connector())["status"] == "Faulted"
        mark = b.st.mark()
        await b.do("unplug")
        await press(b, cleared=True)
        await sooner(b, is_told(b, "Available", since=mark))
        await b.charge()
        await b.finish()


async def test_one_fault_after_another(station):
    """The gravest counts, also in a StatusNotification that is asked for; when it goes, the lesser
    one is told."""
    async with station() as b:
        await b.charge()
        await flows(b)
        mark = b.st.mark()
        await b.do("fault overheat")
        await is_told(b, "Faulted", "HighTemperature", since=mark)
        await b.do("fault cable-loss")
        await is_told(b, "Faulted", "OtherError", "Cable", mark)
        mark = b.st.mark()
        await b.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=1)
        await is_told(b, "Faulted", "OtherError", "Cable", mark)
        await b.do("unplug")
        await b.st.expect("StopTransaction")
        mark = b.st.mark()
        await b.do("clear cable-loss")
        await b.process.until(lambda c: c["cp"] == "A")
        c = await b.process.connector()
        assert c["status"] == "Faulted"
        assert told(b)[-1] == ("Faulted", "HighTemperature", None)
        await b.do("clear overheat")
        await is_told(b, "Available", since=mark)


# 3. Cards


async def test_card(station):
    """It starts; left lying it starts nothing more; another one changes nothing; it stops."""
    async with station() as b:
        await b.do("plug")
        await b.do(f"card {CARD}")
        await b.status("Charging")
        assert b.st.received("StartTransaction")[0]["idTag"] == CARD
        await passes(b, 30, BRISK_SPEED)
        assert stops(b) == []
        await b.do("card")
        await passes(b, 3, BRISK_SPEED)
        await b.do(f"card {OTHER_CARD}")
        await b.process.wait_output(f"card {OTHER_CARD}: no connector is free")
        await b.do("card")
        await passes(b, 3, BRISK_SPEED)
        assert stops(b) == []
        await b.do(f"card {CARD.lower()}")
        stop = await b.st.expect("StopTransaction")
        assert stop["reason"] == "Local" and stop["idTag"] == CARD
        await b.status("Finishing")
        await passes(b, 10, BRISK_SPEED)  # (it still lies there)
        assert len(b.st.received("Authorize")) == 1
        assert len(b.st.received("StartTransaction")) == 1
        await b.do("unplug")
        await b.do("card")


AGAIN = f"tag {CARD} was here a moment ago"


@pytest.mark.parametrize("away_s", [1.2, 2])
async def test_card_shown_twice(station, away_s):
    """As a hand does it that is not sure, 0.6 s, away, and 0.6 s again, at the pace of the reader:
    it begins, or ends, a transaction, and undoes nothing; later it counts again."""
    async with station(speed=2) as b:
        await b.do("plug")
        await b.process.until(lambda c: c["cp"] == "B")
        for what in ("StartTransaction", "StopTransaction"):
            mark = b.st.mark()
            await b.do(f"card {CARD} 0.6 {away_s} 1.5")
            await b.st.expect(what, None, WAIT_s, mark)
            await passes(b, 0.6 + away_s + 1.5 + 5, 2)  # (away for long enough to count again)
            both = b.st.received("StartTransaction", mark) + b.st.received("StopTransaction", mark)
            assert len(both) == 1, both
            tx = (await b.process.connector())["transactionId"]
            assert (tx is not None) is (what == "StartTransaction")
        # (a host that stands still for a moment may hide the card, or its absence, once)
        assert AGAIN in "\n".join(b.process.output)


async def test_card_that_is_not_accepted(station):
    async with station() as b:
        b.cs.tags[CARD] = "Blocked"
        await b.do("plug")
        await b.do(f"card {CARD}")
        await b.process.wait_output(f"tag {CARD} not accepted: Blocked")
        await b.do(f"card {OTHER_CARD}")
        await b.status("Charging")
        assert [p["idTag"] for p in b.st.received("StartTransaction")] == [OTHER_CARD]


async def test_card_before_the_cable_without_a_meter(station):
    """A meter that is lost forbids nothing: a card is taken as ever."""
    async with station() as b:
        await b.process.until(lambda c: c["energy_Wh"])  # (once it must have been read)
        await b.do("fault meter-lost")
        await sooner(b, is_told(b, "Available", "PowerMeterFailure"))
        await b.do(f"card {CARD}")
        await b.st.expect("Authorize")
        await b.do("plug")
        await flows(b, 6000)


# 4. Cable, heat, meter


async def test_cable_is_a_limit(station):
    """As long as its plug is in the socket."""
    async with station() as b:
        await empty(b)
        await b.do("plug")
        await limited(b, "Cable", 32000)
        answer = await b.st.call(
            "DataTransfer", {"vendorId": "Pilotwire", "messageId": "LimitReason"}
        )
        assert json.loads(answer["data"])["limit_by"]["source"] == "Cable"
        await b.do(f"tag {TAG}")
        await b.status("Charging")
        await unplugged(b)


async def test_meter_lost(station):
    """6 A from a minute on, told as an error but not as Faulted."""
    async with station() as b:
        id = await b.charge()
        await flows(b)
        mark = b.st.mark()
        await b.do("fault meter-lost")
        await passes(b, 50)
        await is_told(b, "Charging", "PowerMeterFailure", since=mark)
        await limited(b, "Meter", 6000)
        await flows(b, 6000)
        await b.do("clear meter-lost")
        await limited(b, "Cable", 32000)
        await flows(b)
        assert told(b, mark) == [("Charging", "PowerMeterFailure", None), ("Charging", *NO_ERROR)]
        assert (await b.process.connector())["transactionId"] == id
        stop = await b.finish()
        assert stop["meterStop"] > b.cs.transactions[id]["meterStart"]


async def test_no_energy_without_a_meter(station):
    """With meter_lost_mA 0 a lost meter suspends."""
    async with station(meter_lost_mA=0) as b:
        await b.charge()
        await flows(b)
        mark = b.st.mark()
        await b.do("fault meter-lost")
        await passes(b, 50)
        await is_told(b, "SuspendedEVSE", "PowerMeterFailure", since=mark)
        await limited(b, "Meter", 0)
        await b.do("clear meter-lost")
        await is_told(b, "Charging", since=mark)
        await flows(b)


# 5. One phase or three


def moved_under_load(trace):
    """Pairs of lines between which the relay of L2 and L3 moved while current flowed."""
    out, before, opened = [], None, False
    for e in trace:
        if e["what"] == "contactor" and not e["closed"]:
            opened = True
        if e["what"] == "car" and e["ev_mA"][0]:
            n = sum(mA > 0 for mA in e["ev_mA"])
            if before and before[0] != n and not opened:
                out.append((before[1], e))
            before, opened = (n, e), False
    return out


async def key(b, name):
    answer = await b.st.call("GetConfiguration", {"key": [name]})
    (entry,) = answer["configurationKey"]
    assert entry["readonly"] is True
    return entry["value"]


async def one_phase(b, mA):
    await b.process.until(lambda c: c["ev_mA"] == draws(mA)[:1] + [0, 0])


async def test_phase_switching(station):
    """A TxProfile for one phase opens the contactor without load, moves the relay and waits 10 s;
    back to three not before five minutes have gone. It is the station that pauses, not the car."""
    async with station() as b:
        assert await key(b, "ConnectorSwitch3to1PhaseSupported") == "true"
        id = await b.charge()
        await flows(b)
        at, mark = b.process.mark(), b.st.mark()
        one = profile(1, "Tx", [(0, 10, 1)], kind="Relative", transactionId=id)
        await b.set_profile(one, 1)
        await one_phase(b, 10000)
        lines = b.process.trace()[at:]
        opened = [e for e in lines if e["what"] == "contactor" and not e["closed"]]
        closed = [e for e in lines if e["what"] == "contactor" and e["closed"]]
        assert len(opened) == len(closed) == 1
        assert opened[0]["load_mA"] < LOAD_mA
        again = [e for e in offers(b.process, at) if e["ms"] > opened[0]["ms"]]
        assert again[0]["ms"] - opened[0]["ms"] >= 10000
        assert closed[0]["ms"] > again[0]["ms"]
        moved_ms = opened[0]["ms"]
        at = b.process.mark()
        three = profile(1, "Tx", [(0, 10, 3)], kind="Relative", transactionId=id)
        await b.set_profile(three, 1)
        await passes(b, 260)
        opening = b.process.traced("contactor", lambda e: not e["closed"], since=at)
        await sooner(b, opening, BRISK_SPEED)
        await flows(b, 10000)
        lines = b.process.trace()[at:]
        opened = [e for e in lines if e["what"] == "contactor" and not e["closed"]]
        assert len(opened) == 1 and opened[0]["load_mA"] < LOAD_mA
        assert opened[0]["ms"] - moved_ms >= 290000
        assert stops(b) == [] and set(statuses(b, mark)) <= {"SuspendedEVSE", "Charging"}
        assert not moved_under_load(b.process.trace())
        stop = await b.finish()
        assert stop["transactionId"] == id


# 6. The random delay at the start


async def test_start_delay(station):
    """Each transaction has its own delay, nothing is offered before, and none is longer."""
    longest_s = 60
    async with station("wall", 40, 4, start_delay_s=longest_s) as b:
        for number in range(1, 5):
            await b.do(f"plug {number}")
            await b.do(f"tag {TAG}{number} {number}")
        for number in range(1, 5):
            await b.status("Charging", number)
        delays_ms = []
        for number in range(1, 5):
            plugged = await b.process.traced("car", lambda e: e["state"] == "B", number)
            first = offers(b.process, connector=number)[0]
            delays_ms.append(first["ms"] - plugged["ms"])
            told_first = statuses(b, connector=number)
            assert told_first[-1] == "Charging"
            assert set(told_first[:-1]) <= {"Available", "Preparing", "SuspendedEVSE"}
            closed = await b.process.traced("contactor", lambda e: e["closed"], number)
            assert closed["ms"] > first["ms"]
        assert max(delays_ms) < longest_s * 1000 + 5000
        assert max(delays_ms) - min(delays_ms) > 1000, delays_ms


# 7. Odd cars


async def test_a_press_lasts_in_simulated_time(station):
    """Half a second of the station's, though the host has a millisecond for it."""
    async with station(speed=500) as b:
        await press(b, cleared=True)


async def test_car_that_is_not_woken(station):
    """With wake off it sleeps: SuspendedEV, and no F."""
    async with station(wake=False) as b:
        await b.do("fault sleeper")
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await sooner(b, b.status("SuspendedEV"), BRISK_SPEED)
        await passes(b, 60)
        since = offers(b.process)[0]["ms"]
        assert not [e for e in b.process.trace("pilot") if e["ms"] > since]


# 8. Boards


@pytest.mark.parametrize("board", BOARDS)
async def test_board(station, board):
    """Boots, charges at what a profile says, and stops."""
    async with station(board) as b:
        await b.set_profile(profile(1, "Default", {0: 13}, kind="Relative"))
        id = await b.charge()
        await flows(b, 13000)
        assert (await b.process.connector())["pilot_mA"] == 13000
        await passes(b, 10, BRISK_SPEED)
        stop = await b.finish()
        assert stop["transactionId"] == id and stop["reason"] == "Local"
        metered = "meter" in _connector_of(board)
        assert (stop["meterStop"] > b.cs.transactions[id]["meterStart"]) == metered
        last = b.process.trace("contactor")[-1]
        assert not last["closed"] and last["load_mA"] < LOAD_mA
        assert {e for _, *e in map(tuple, told(b)) for e in e} == set(NO_ERROR)
        switches = await key(b, "ConnectorSwitch3to1PhaseSupported")
        assert switches == str("phases" in _connector_of(board)).lower()


def _connector_of(board):
    import importlib

    sys.path.append(str(ROOT)) if str(ROOT) not in sys.path else None
    return importlib.import_module(f"firmware.boards.{board}").CONNECTORS[0]
