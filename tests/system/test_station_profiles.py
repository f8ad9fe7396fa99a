"""SetChargingProfile, ClearChargingProfile, GetCompositeSchedule: docs/smart-charging.md, by row.

One station of two connectors serves all rows: a transaction runs on connector 1, none on 2.
"""

import asyncio
from datetime import timedelta

import pytest
from station_driver import Shared, utc, without_profiles

from host.csms import parse_time
from host.profile import profile

PROPERTY = "PropertyConstraintViolation"
DAY = 86400


@pytest.fixture(scope="module")
def station(tmp_path_factory, micropython):
    """`station(test)` runs test(b) with no profile installed; b.id is the transaction on 1."""
    with Shared(tmp_path_factory.mktemp("profiles"), connectors=2) as shared:

        async def begin(b):
            b.id = await b.charge(connector=1)
            await b.key("PilotwireMinimumPause", 0)  # (one row's nothing is not to be the next's)
            await b.do("speed 1")

        shared(begin)
        yield without_profiles(shared)


def id_of(b, p):
    """The profile with the transaction's id where it says so."""
    if p.get("transactionId") == "running":
        return {**p, "transactionId": b.id}
    return p


# 6 Accepting

HOUR = {0: 10}
LONG = {i: 10 + i % 2 for i in range(96)}
PAST, FUTURE = utc(-DAY), utc(DAY)


def D(periods=HOUR, **more):
    """A TxDefaultProfile."""
    return profile(1, "Default", periods, **more)


ACCEPTED = {
    # name: (connector, profile, composite of connector 1 for 60 s afterwards)
    "TxDefault on 0": (0, D(), [(0, 10)]),
    "TxDefault on 1": (1, D(), [(0, 10)]),
    "TxDefault on 2": (2, D(), [(0, 32)]),
    "ChargePointMax on 0": (0, profile(1, "Max", HOUR), [(0, 10)]),
    "Tx on 1": (1, profile(1, "Tx", HOUR, transactionId="running"), [(0, 10)]),
    "Tx without transactionId": (1, profile(1, "Tx", HOUR), [(0, 10)]),
    "transactionId on TxDefault": (1, D(transactionId=99), [(0, 10)]),
    "transactionId on ChargePointMax": (
        0, profile(1, "Max", {0: 0}, kind="Relative", transactionId=1743197615), [(0, 0)],
    ),
    "level 15": (0, D(level=15), [(0, 10)]),
    "96 periods": (0, D(LONG, kind="Relative"), None),
    "watts": (0, D({0: 6900}, unit="W"), [(0, 10)]),
    "numberPhases 1": (0, D([(0, 10, 1)]), [(0, 10, 1)]),
    "duration 0": (0, D(duration=0), [(0, 32)]),
    "Recurring": (0, D(kind="Recurring", recurrencyKind="Daily", startSchedule=PAST), [(0, 10)]),
    "Recurring, not begun": (
        0, D(kind="Recurring", recurrencyKind="Weekly", startSchedule=FUTURE), [(0, 32)],
    ),
    "Relative ChargePointMax": (0, profile(1, "Max", HOUR, kind="Relative"), [(0, 10)]),
    "recurrencyKind on Absolute": (
        0, D({0: 10, 100: 9}, recurrencyKind="Daily", startSchedule=PAST), [(0, 9)],
    ),
    "startSchedule on Relative": (0, D(kind="Relative", startSchedule=FUTURE), [(0, 10)]),
    "Absolute, begins tomorrow": (0, D(startSchedule=FUTURE), [(0, 32)]),
    "validTo before validFrom": (0, D(validFrom=FUTURE, validTo=PAST), [(0, 32)]),
    "expired": (0, D(validTo=PAST), [(0, 32)]),
    "schedule is over": (0, D(startSchedule=PAST, duration=3600), [(0, 32)]),
    "valid for a century": (
        0, D(validFrom="1999-01-01T00:00:00Z", validTo="2099-12-31T23:59:59.999Z"), [(0, 10)],
    ),
    "year 9999": (0, D(validTo="9999-12-31T23:59:59Z"), [(0, 10)]),
    "with an offset": (0, D(startSchedule="2020-06-01T00:00:00+02:00"), [(0, 10)]),
    "Daily since 2013": (
        0,
        D(kind="Recurring", recurrencyKind="Daily", duration=DAY,
          startSchedule="2013-01-01T00:00:00Z"),
        [(0, 10)],
    ),
    "limit 0": (0, D({0: 0}), [(0, 0)]),
    "limit 16.1": (0, D({0: 16.1}), [(0, 16.1)]),
    # more than one decimal restricts, rounded down (A31)
    "limit 16.15": (0, D({0: 16.15}), [(0, 16.1)]),
    "limit 0.01": (0, D({0: 0.01}), [(0, 0)]),
    "limit 8.228260869565219": (0, D({0: 8.228260869565219}), [(0, 8.2)]),
    "limit above the hardware": (0, D({0: 1e30}), [(0, 32)]),
    "limit of 400 digits": (0, D({0: 10**399}), [(0, 32)]),
    "period of 400 digits": (0, D({0: 9, 10**399: 1}), [(0, 9)]),
    "minChargingRate": (0, D({0: 8}, minChargingRate=10.5), [(0, 8)]),
    "id 0": (0, profile(0, "Default", HOUR), [(0, 10)]),
    "id -1": (0, profile(-1, "Default", HOUR), [(0, 10)]),
    "id 2147483647": (0, profile(2**31 - 1, "Default", HOUR), [(0, 10)]),
    "id -2147483648": (0, profile(-(2**31), "Default", HOUR), [(0, 10)]),
    "unknown fields": (0, D(vendor={"x": [1]}, colour="red"), [(0, 10)]),
}  # fmt: skip
REJECTED = {
    "ChargePointMax on 1": (1, profile(1, "Max", HOUR)),
    "Tx on 0": (0, profile(1, "Tx", HOUR)),
    "Tx of another transaction": (1, profile(1, "Tx", HOUR, transactionId=99)),
    "Tx without a transaction": (2, profile(1, "Tx", HOUR)),
    "Tx of the other connector": (2, profile(1, "Tx", HOUR, transactionId="running")),
    "level 16": (0, D(level=16)),
    "level -1": (0, D(level=-1)),
    "97 periods": (0, D({**LONG, 96: 1})),
    "no periods": (0, D({})),
    "first period late": (0, D({1: 10})),
    "two periods at once": (0, D([(0, 10), (0, 9)])),
    "periods in disorder": (0, D([(0, 10), (50, 8), (40, 9)])),
    "negative limit": (0, D({0: -0.1})),
    "numberPhases 0": (0, D([(0, 10, 0)])),
    "numberPhases 4": (0, D([(0, 10, 4)])),
    "negative duration": (0, D(duration=-1)),
    "Recurring without recurrencyKind": (0, D(kind="Recurring", startSchedule=PAST)),
    "Recurring without startSchedule": (0, D(kind="Recurring", recurrencyKind="Daily")),
}  # fmt: skip


@pytest.mark.parametrize("name", [*ACCEPTED, *REJECTED])
def test_accept(station, name):
    connector, p, *composite = ACCEPTED.get(name) or REJECTED[name]

    async def test(b):
        payload = {"connectorId": connector, "csChargingProfiles": id_of(b, p)}
        got = await b.st.call("SetChargingProfile", payload, validate=False)
        assert got == {"status": "Accepted" if name in ACCEPTED else "Rejected"}
        if name in REJECTED:
            assert await b.composite(60) == [(0, 32)]
            await b.clear(expect="Unknown")
        elif composite != [None]:
            assert [await b.composite(60)] == composite

    station(test)


def test_connector_unknown(station):
    async def test(b):
        for connector in (-1, 3, 1000):
            payload = {"connectorId": connector, "csChargingProfiles": D()}
            await b.refused("SetChargingProfile", payload, PROPERTY)

    station(test)


def test_transaction_id_on_another_purpose_is_ignored_and_logged(station):
    """A13: as a Home Assistant integration sent its slider; it holds beyond that transaction."""

    async def test(b):
        p = profile(1, "Max", {0: 7}, kind="Relative", transactionId=1743197615)
        await b.ask("SetChargingProfile", connectorId=0, csChargingProfiles=p)
        await b.pilot(7000)
        await b.process.wait_output("charging profile 1: its transactionId is ignored")

    station(test)


async def test_tx_profile_before_start_transaction_is_answered(bench):
    """StartTransaction.conf outstanding: with an id it cannot match, without one it is taken."""
    answer = asyncio.Event()

    async def later(payload):
        await answer.wait()
        return {"transactionId": 5, "idTagInfo": {"status": "Accepted"}}

    async with bench() as b:
        b.cs.answer("StartTransaction", later)
        await b.do("plug")
        await b.do("tag A")
        await b.st.expect("StartTransaction")
        await b.set_profile(profile(1, "Tx", {0: 9}, transactionId=5), 1, "Rejected")
        await b.set_profile(profile(2, "Tx", {0: 11}), 1)
        await b.pilot(11000)
        answer.set()
        await b.process.until(lambda c: c["transactionId"] == 5)
        await b.pilot(11000)
        await b.set_profile(profile(1, "Tx", {0: 9}, transactionId=5), 1)
        await b.pilot(9000)


# 7 Replacing, capacity


def test_replacing(station):
    async def test(b):
        # the same id, wherever it is
        await b.set_profile(profile(1, "Max", {0: 20}))
        await b.set_profile(profile(1, "Default", {0: 25}, level=3), 1)
        assert await b.composite(60) == [(0, 25)]
        # the same place
        await b.set_profile(profile(2, "Default", {0: 24}, level=3), 1)
        assert await b.composite(60) == [(0, 24)]
        await b.clear(id=1, expect="Unknown")
        # both at once
        await b.set_profile(profile(3, "Default", {0: 10}, level=5), 0)
        await b.set_profile(profile(3, "Default", {0: 23}, level=3), 1)
        assert await b.composite(60) == [(0, 23)]
        await b.clear(id=2, expect="Unknown")
        await b.clear(stackLevel=5, expect="Unknown")
        # on 0 and on 1 beside each other; the one on 1 takes the place of the one on 0 there
        await b.set_profile(profile(4, "Default", {0: 18}, level=3), 0)
        assert await b.composite(60) == [(0, 23)]
        assert await b.composite(60, 2) == [(0, 18)]
        await b.clear(id=3)
        assert await b.composite(60) == [(0, 18)]
        # a higher level on 0 beats a lower one on 1
        await b.set_profile(profile(5, "Default", {0: 22}, level=1), 1)
        assert await b.composite(60) == [(0, 18)]

    station(test)


def test_what_is_replaced_stays_until_its_successor_begins(station):
    """Example 9, as A30 has it."""

    async def test(b):
        await b.set_profile(profile(1, "Default", {0: 10}, level=2))
        await b.set_profile(profile(2, "Default", {0: 25}))
        now = await b.now()
        later = now + timedelta(seconds=3600)
        await b.set_profile(profile(1, "Default", {0: 12}, level=2, validFrom=later))
        for connector in (1, 2):
            composite = await b.composite(7200, connector)
            at = (later - b.schedule_start).total_seconds()
            assert composite == [(0, 10), (at, 12)]
        await b.clear(id=1)
        assert await b.composite(7200) == [(0, 25)]

    station(test)


def test_a_renewal_with_the_central_systems_own_now_lifts_nothing(station):
    """A30, A32: a TxProfile is renewed with startSchedule = now of a clock that is ahead."""

    async def test(b):
        b.p = profile(1, "Tx", {0: 8}, transactionId=b.id)
        await b.set_profile(b.p, 1)
        await b.pilot(8000)
        mark = b.process.mark()
        for ahead in (0, 1, 2, 2.9, 600):
            start = await b.now() + timedelta(seconds=ahead)
            p = profile(1, "Tx", {0: 8}, transactionId=b.id, startSchedule=start)
            await b.set_profile(p, 1)
            assert await b.composite(300) == [(0, 8)]
        told = [e for e in b.process.trace()[mark:] if (e["what"], e["connector"]) == ("pilot", 1)]
        assert told == []

    station(test)


def test_refused_profile_changes_nothing(station):
    async def test(b):
        await b.set_profile(profile(1, "Default", {0: 10}, level=2))
        await b.set_profile(profile(1, "Default", {1: 20}, level=2), 0, "Rejected")
        await b.set_profile(profile(1, "Max", {0: 20}, level=2), 1, "Rejected")
        assert await b.composite(60) == [(0, 10)]

    station(test)


def test_capacity(station):
    """MaxChargingProfilesInstalled is honest: so many, of the largest size, and replacements."""

    async def test(b):
        keys = ["MaxChargingProfilesInstalled", "ChargingScheduleMaxPeriods",
                "ChargeProfileMaxStackLevel"]  # fmt: skip
        conf = await b.st.call("GetConfiguration", {"key": keys})
        most, periods, level = (int(k["value"]) for k in conf["configurationKey"])
        assert (most, periods, level) == (32, 96, 15)
        full = {i * 900: 10 + i % 7 for i in range(periods)}
        places = [(c, n) for c in (0, 1) for n in range(16)]
        for i, (connector, n) in enumerate(places):
            await b.set_profile(profile(100 + i, "Default", full, level=n), connector)
        await b.set_profile(profile(99, "Default", full), 2, "Rejected")
        await b.set_profile(profile(99, "Max", full), 0, "Rejected")
        await b.set_profile(profile(99, "Default", {0: 11}, level=15), 1)  # replaces by place
        await b.set_profile(profile(100, "Max", {0: 30}))  # replaces by id
        await b.set_profile(profile(98, "Default", full), 2, "Rejected")
        assert await b.composite(60) == [(0, 11)]
        state = await b.process.state()
        print(f"heap with {most} profiles of {periods} periods: {state['heap']}")
        await b.clear(id=99)
        await b.set_profile(profile(98, "Default", full), 2)
        await b.clear()
        await b.clear(expect="Unknown")

    station(test)


# 8 Clearing


def test_clearing(station):
    async def test(b):
        async def install():
            await b.st.call("ClearChargingProfile", {})
            await b.set_profile(profile(1, "Max", {0: 30}))
            await b.set_profile(profile(2, "Default", {0: 29}))
            await b.set_profile(profile(3, "Default", {0: 28}, level=1))
            await b.set_profile(profile(4, "Default", {0: 27}, level=2), 1)
            await b.set_profile(profile(5, "Default", {0: 26}, level=2), 2)
            await b.set_profile(profile(6, "Tx", {0: 25}), 1)

        everything = {1, 2, 3, 4, 5, 6}
        rows = [
            ({"id": 4}, {4}),
            ({"id": 4, "connectorId": 0}, {4}),  # all other fields are ignored
            ({"id": 4, "chargingProfilePurpose": "TxProfile", "stackLevel": 9}, {4}),
            ({"id": 7}, set()),
            ({"id": 7, "connectorId": 1}, set()),
            ({"connectorId": 0}, {1, 2, 3}),  # a value, not a wildcard
            ({"connectorId": 1}, {4, 6}),
            ({"connectorId": 2}, {5}),
            ({"connectorId": 3}, set()),
            ({"stackLevel": 0}, {1, 2, 6}),
            ({"stackLevel": 1}, {3}),
            ({"stackLevel": 2}, {4, 5}),
            ({"stackLevel": 3}, set()),
            ({"chargingProfilePurpose": "ChargePointMaxProfile"}, {1}),
            ({"chargingProfilePurpose": "TxDefaultProfile"}, {2, 3, 4, 5}),
            ({"chargingProfilePurpose": "TxProfile"}, {6}),
            ({"connectorId": 0, "stackLevel": 0}, {1, 2}),
            ({"connectorId": 0, "chargingProfilePurpose": "TxDefaultProfile"}, {2, 3}),
            ({"connectorId": 1, "chargingProfilePurpose": "ChargePointMaxProfile"}, set()),
            ({"stackLevel": 2, "chargingProfilePurpose": "TxDefaultProfile"}, {4, 5}),
            (
                {"connectorId": 2, "stackLevel": 2, "chargingProfilePurpose": "TxDefaultProfile"},
                {5},
            ),
            ({"connectorId": 2, "stackLevel": 0}, set()),
            ({}, everything),
        ]
        for criteria, gone in rows:
            await install()
            await b.clear(expect="Accepted" if gone else "Unknown", **criteria)
            left = set()
            for id in everything:
                answer = await b.st.call("ClearChargingProfile", {"id": id})
                if answer["status"] == "Accepted":
                    left.add(id)
            assert left == everything - gone, criteria
        await b.clear(expect="Unknown")

    station(test)


# 14 GetCompositeSchedule


async def example(b, duration=900, connector=1, unit=None):
    """The composite counted from b.t instead of the moment of receipt."""
    got = await b.composite(duration, connector, unit)
    shift = int((b.t - b.schedule_start).total_seconds())
    return [(start - shift if start else 0, *rest) for start, *rest in got]


def test_request(station):
    async def test(b):
        async def ask(**payload):
            return await b.st.call("GetCompositeSchedule", payload)

        for wrong in ({"connectorId": 3, "duration": 9}, {"connectorId": -1, "duration": 9},
                      {"connectorId": 1, "duration": -1}):  # fmt: skip
            assert await ask(**wrong) == {"status": "Rejected"}
        await b.refused(
            "GetCompositeSchedule",
            {"connectorId": 1, "duration": 9, "chargingRateUnit": "V"},
            PROPERTY,
        )
        await b.set_profile(profile(1, "Default", {0: 16}))
        before = await b.now()
        answer = await ask(connectorId=1, duration=0)
        assert before <= parse_time(answer["scheduleStart"]) <= await b.now()
        assert answer["chargingSchedule"] == {
            "duration": 0,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
        }
        assert await b.composite(60, unit="W") == [(0, 11040)]
        assert await b.composite(60, unit="A") == await b.composite(60) == [(0, 16)]
        assert await b.composite(31536000) == [(0, 16)]

    station(test)


def test_nothing_limits(station):
    async def test(b):
        assert await b.composite(DAY) == [(0, 32)]
        assert await b.composite(DAY, 2) == [(0, 32)]
        assert await b.composite(DAY, 0) == [(0, 64)]
        assert await b.composite(DAY, unit="W") == [(0, 22080)]

    station(test)


def test_examples(station):
    """Section 18, and what lies around it."""

    async def test(b):
        b.t = await b.now() + timedelta(seconds=20)

        async def fresh(*profiles):
            await b.st.call("ClearChargingProfile", {})
            for connector, p in profiles:
                await b.set_profile(p, connector)

        at = {"startSchedule": b.t}
        # 1 a gap in a stack
        await fresh(
            (0, profile(1, "Default", {0: 13})),
            (0, profile(2, "Default", {0: 20, 250: 7, 400: 32}, level=3, duration=300,
                        startSchedule=b.t + timedelta(seconds=200))),
        )  # fmt: skip
        assert await example(b) == [(0, 13), (200, 20), (450, 7), (500, 13)]
        # 2 validity inside a schedule
        await fresh(
            (0, profile(1, "Default", {0: 10, 600: 14}, level=1, **at,
                        validFrom=b.t + timedelta(seconds=500),
                        validTo=b.t + timedelta(seconds=700))),
        )  # fmt: skip
        assert await example(b) == [(0, 32), (500, 10), (600, 14), (700, 32)]
        # 3 purpose before level
        await fresh(
            (0, profile(1, "Default", {0: 8}, level=7)),
            (1, profile(2, "Tx", {0: 24}, duration=400, transactionId=b.id, **at)),
            (0, profile(3, "Max", {0: 20, 300: 28}, startSchedule=b.t)),
        )
        assert (await example(b))[-3:] == [(0, 20), (300, 24), (400, 8)]
        # 4 daily, long after the start: 9 A from 08:00 to 20:00
        await fresh(
            (0, profile(1, "Default", {0: 16, 28800: 9, 72000: 16}, kind="Recurring",
                        recurrencyKind="Daily", duration=DAY,
                        startSchedule="2013-01-01T00:00:00Z")),
        )  # fmt: skip
        got = await b.composite(DAY)
        midnight = b.schedule_start.replace(hour=0, minute=0, second=0)
        into = int((b.schedule_start - midnight).total_seconds())
        changes = [(28800, 9), (72000, 16), (DAY + 28800, 9), (DAY + 72000, 16)]
        begin = 9 if 28800 <= into < 72000 else 16
        assert got == [(0, begin)] + [(s - into, a) for s, a in changes if into < s < into + DAY]
        # 6 units
        await fresh(
            (0, profile(1, "Max", [(0, 7360, 2)], unit="W")),
            (0, profile(2, "Default", [(0, 20, 3)])),
        )
        assert await b.composite(60) == [(0, 16, 2)]
        assert await b.composite(60, unit="W") == [(0, 7360, 2)]
        # 7 rounding, 8 under six
        await fresh((0, profile(1, "Default", {0: 7000}, unit="W")))
        assert await b.composite(60) == [(0, 10.1)]
        assert await b.composite(60, unit="W") == [(0, 7000)]
        await fresh((0, profile(1, "Default", {0: 3000}, unit="W")))
        assert await b.composite(60) == [(0, 4.3)]
        # 16 A on one phase under a cap of 6900 W is 3680 W (A18)
        await fresh(
            (0, profile(1, "Default", [(0, 16, 1)])),
            (0, profile(2, "Max", {0: 6900}, unit="W")),
        )
        assert await b.composite(60, unit="W") == [(0, 3680, 1)]
        assert await b.composite(60) == [(0, 10, 1)]
        # 10 connector 0: the sum, capped
        await fresh(
            (0, profile(1, "Default", {0: 16})),
            (0, profile(2, "Max", {0: 40, 60: 25}, startSchedule=b.t)),
        )
        assert (await example(b, 900, 0))[-2:] == [(0, 32), (60, 25)]
        assert (await example(b, 900, 1)) == [(0, 16)]
        # TC_072: a higher level for 150 s over a lower one of 400 s
        await fresh(
            (0, profile(1, "Default", {0: 6, 60: 10, 120: 8, 180: 25, 260: 8}, duration=400,
                        **at)),
            (0, profile(2, "Default", {0: 7, 100: 9}, level=1, duration=150, **at)),
        )  # fmt: skip
        got = await example(b, 600)
        assert got[-6:] == [(0, 7), (100, 9), (150, 8), (180, 25), (260, 8), (400, 32)]

    station(test)


def test_relative_and_idle_connector(station):
    """5: Relative counts from the start of the transaction; without one, from now (A25)."""

    async def test(b):
        start = parse_time(b.cs.transactions[b.id]["start"])
        await b.set_profile(
            profile(1, "Default", {0: 20, 900: 10}, kind="Relative", duration=1800)
        )
        into = (await b.now() - start).total_seconds()
        got = await b.composite(3600)
        into = (b.schedule_start - start).total_seconds()
        assert into < 900
        assert got == [(0, 20), (900 - into, 10), (1800 - into, 32)]
        assert await b.composite(3600, 2) == [(0, 20), (900, 10), (1800, 32)]
        # TxProfiles do not show on a connector without a transaction
        await b.set_profile(profile(2, "Tx", {0: 8}), 1)
        assert await b.composite(60, 2) == [(0, 20)]

    station(test)
