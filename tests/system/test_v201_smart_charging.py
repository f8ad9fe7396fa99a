"""OCPP 2.0.1, block K: SetChargingProfile, ClearChargingProfile, GetChargingProfiles with
ReportChargingProfiles, GetCompositeSchedule, a start with a profile; docs/smart-charging.md.

One station of two EVSEs serves all rows: a transaction runs on EVSE 1, none on 2. Every profile
that is accepted is compared with what the station then reports of it.
"""

from datetime import timedelta

import pytest
from station_201 import Bench201, assert_reason, token
from station_driver import ID, Bench, Shared, WAIT_s, utc, without_profiles

from host.csms import V16, V201, parse_time
from host.profile import profile, profile_201

DAY = 86400
PAST, FUTURE = utc(-DAY), utc(DAY)
HOUR = {0: 10}
LONG = {i: 10 + i % 2 for i in range(96)}
STRANGE = "00000000-0000-4000-8000-000000000000"  # nobody's transactionId


@pytest.fixture(scope="module")
def station(tmp_path_factory, micropython):
    """`station(test)` runs test(b) with no profile installed; b.id is the transaction on 1."""
    folder = tmp_path_factory.mktemp("profiles")
    with Shared(folder, Bench201, connectors=2) as shared:

        async def begin(b):
            b.id = await b.charge(evse=1)
            await b.do("speed 1")

        shared(begin)
        yield without_profiles(shared)


def P(id, purpose="Default", periods=HOUR, **more):
    """A profile; an Absolute one begins long ago where it does not say when."""
    if more.get("kind", "Absolute") != "Relative":
        more.setdefault("startSchedule", PAST)
    return profile_201(id, purpose, periods, **more)


def of(p, **schedule):
    """The same with these fields of its schedule; None: without it."""
    new = {**p["chargingSchedule"][0], **schedule}
    new = {name: value for name, value in new.items() if value is not None}
    return {**p, "chargingSchedule": [new]}


async def report(b, expect="Accepted", evse=None, **criterion):
    """GetChargingProfiles -> [(evseId, profile)], in the order in which they were reported."""
    b.asked = getattr(b, "asked", 100) + 1
    payload = {"requestId": b.asked, "chargingProfile": criterion}
    if evse is not None:
        payload["evseId"] = evse
    since = b.st.mark()
    answer = await b.st.call("GetChargingProfiles", payload)
    assert answer["status"] == expect, answer
    if expect != "Accepted":
        assert_reason(answer, "NotFound")
        return []
    last = lambda p: p["requestId"] == b.asked and not p.get("tbc")  # noqa: E731
    await b.st.expect("ReportChargingProfiles", last, WAIT_s, since)
    messages = [p for p in b.st.received("ReportChargingProfiles", since)]
    assert {(p["requestId"], p["chargingLimitSource"]) for p in messages} == {(b.asked, "CSO")}
    assert [p.get("tbc", False) for p in messages] == [True] * (len(messages) - 1) + [False]
    b.messages = messages
    return [(p["evseId"], one) for p in messages for one in p["chargingProfile"]]


async def ids(b, **asked):
    """The ids of what is reported for it."""
    return {p["id"] for _, p in await report(b, **asked)}


def instants(p):
    """A profile with its date-times as instants, to the second."""

    def known(name, value):
        if isinstance(value, list):
            return [{k: known(k, v) for k, v in one.items()} for one in value]
        if name in ("validFrom", "validTo", "startSchedule"):
            return parse_time(value).replace(microsecond=0)
        return value

    return {name: known(name, value) for name, value in p.items()}


# K01: what is taken, and reported as it was given (K09)


ACCEPTED = {
    # name: (evseId, profile, composite of EVSE 1 for 60 s afterwards)
    "TxDefault on 0, TC_K_10": (0, P(1), [(0, 10)]),
    "TxDefault on 1, TC_K_01, TC_K_28": (1, P(1), [(0, 10)]),
    "TxDefault on 2": (2, P(1), [(0, 32)]),
    "ChargingStationMax, TC_K_03": (0, P(1, "Max"), [(0, 10)]),
    "Tx on 1, TC_K_60": (1, P(1, "Tx", transactionId="running"), [(0, 10)]),
    "id 0": (0, P(0), [(0, 10)]),
    "its schedule has an id of its own": (0, of(P(-(2**31)), id=2**31 - 1), [(0, 10)]),
    "level 15": (0, P(1, level=15), [(0, 10)]),
    "96 periods": (0, P(1, periods=LONG, kind="Relative"), None),
    "watts": (0, P(1, periods={0: 6900.1}, unit="W"), [(0, 10)]),
    "tenths": (0, P(1, periods={0: 10.1, 60: 0.1, 61: 0, 62: 16.7, 99: 0.9}), [(0, 0.9)]),
    "numberPhases": (0, P(1, periods=[(0, 10, 1)]), [(0, 10, 1)]),
    "everything": (
        0,
        P(1, periods=[(0, 10, 3), (90000, 9.5, 1)], level=3, kind="Recurring",
          recurrencyKind="Weekly", validFrom=PAST, validTo=FUTURE, duration=DAY * 2,
          minChargingRate=6.5),
        None,
    ),
    "Recurring, from 2013, TC_K_19": (
        0,
        P(1, kind="Recurring", recurrencyKind="Daily", startSchedule="2013-05-06T07:08:09Z"),
        [(0, 10)],
    ),
    "Absolute, from 1970, until the end of time": (
        0,
        P(1, periods={0: 8, 3600: 9, 10**9: 10}, startSchedule="1970-01-01T00:00:00Z",
          validFrom="1970-01-01T00:00:00Z", validTo="9999-12-31T23:59:59Z", duration=2**31 - 1),
        [(0, 10)],
    ),
    "recurrencyKind on Relative": (0, P(1, kind="Relative", recurrencyKind="Daily"), [(0, 10)]),
    "not begun": (0, P(1, startSchedule=FUTURE), [(0, 32)]),
    "a zone": (0, P(1, validFrom="2025-01-01T00:00:00.500+02:00"), [(0, 10)]),
    "expired": (0, P(1, validTo=PAST), [(0, 32)]),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_k_01_03_10_19_28_60_in_force_and_reported_as_it_was_installed(station, name):
    evse, p, composite = ACCEPTED[name]

    async def test(b):
        mine = {**p, "transactionId": b.id} if "transactionId" in p else p
        answer = await b.set_profile(mine, evse)
        assert answer == {"status": "Accepted"}
        if composite:
            assert await b.composite(60) == composite
        ((where, told),) = await report(b)
        assert where == evse and instants(told) == instants(mine)

    station(test)


def test_what_is_not_kept_is_said(station):
    """A salesTariff is for ISO 15118; a transactionId on another purpose has no meaning (A13)."""

    async def test(b):
        tariff = {"id": 1, "salesTariffEntry": [{"relativeTimeInterval": {"start": 0}}]}
        answer = await b.set_profile(of(P(1), salesTariff=tariff), 0)
        assert_reason(answer, "UnsupportedParam")
        await b.set_profile({**P(2, level=1), "transactionId": STRANGE}, 0)
        assert [p for _, p in await report(b)] == [P(1), P(2, level=1)]

    station(test)


REFUSED = {
    # name: (evseId, profile, reasonCode)
    "K01.FR.03 TxProfile without transactionId": (1, P(1, "Tx"), "MissingParam"),
    "K01.FR.09, TC_K_02 none runs there": (2, P(1, "Tx", transactionId="running"), "TxNotFound"),
    "K01.FR.16, TC_K_11 Tx on 0": (0, P(1, "Tx", transactionId="running"), "InvalidProfile"),
    "K01.FR.33, TC_K_16 unknown transaction": (1, P(1, "Tx", transactionId=STRANGE), "TxNotFound"),
    "K01.FR.22 external constraints": (
        0, {**P(1), "chargingProfilePurpose": "ChargingStationExternalConstraints"},
        "InvalidProfile",
    ),
    "K01.FR.28, TC_K_14 unknown EVSE": (3, P(1), "UnknownEvse"),
    "K01.FR.28 EVSE -1": (-1, P(1), "UnknownEvse"),
    "K01.FR.29 level 16": (0, P(1, level=16), "InvalidStackLevel"),
    "K01.FR.29 level -1": (0, P(1, level=-1), "InvalidStackLevel"),
    "K01.FR.31 first startPeriod": (0, P(1, periods={1: 10}), "InvalidSchedule"),
    "K01.FR.35 order": (0, P(1, periods={0: 10, 60: 9, 30: 8}), "InvalidSchedule"),
    "K01.FR.34 97 periods": (0, P(1, periods={i: 9 for i in range(97)}), "TooManyElements"),
    "K01.FR.38 ChargingStationMax on 1": (1, P(1, "Max"), "InvalidProfile"),
    "K01.FR.38 Relative ChargingStationMax": (0, P(1, "Max", kind="Relative"), "InvalidProfile"),
    "K01.FR.40 Absolute without startSchedule": (
        0, of(P(1), startSchedule=None), "InvalidSchedule",
    ),
    "K01.FR.40 Recurring without startSchedule": (
        0, of(P(1, kind="Recurring", recurrencyKind="Daily"), startSchedule=None),
        "InvalidSchedule",
    ),
    "Recurring without recurrencyKind": (0, P(1, kind="Recurring"), "InvalidSchedule"),
    "K01.FR.41 Relative with startSchedule": (
        0, P(1, kind="Relative", startSchedule=PAST), "InvalidSchedule",
    ),
    "K01.FR.20 phaseToUse": (
        0,
        of(P(1), chargingSchedulePeriod=[
            {"startPeriod": 0, "limit": 9, "numberPhases": 1, "phaseToUse": 2}
        ]),
        "InvalidSchedule",
    ),
    "K01.FR.19 4 phases": (0, P(1, periods=[(0, 10, 4)]), "InvalidSchedule"),
    "a negative limit": (0, P(1, periods={0: -1}), "InvalidSchedule"),
    "a negative duration": (0, P(1, duration=-1), "InvalidSchedule"),
    "a negative minChargingRate": (0, P(1, minChargingRate=-0.1), "InvalidSchedule"),
    "two schedules": (
        0, {**P(1), "chargingSchedule": 2 * P(1)["chargingSchedule"]}, "TooManyElements",
    ),
}  # fmt: skip


def test_k_02_11_14_16_refused_with_its_reason_and_nothing_is_changed(station):
    """Each rule of K01."""

    async def test(b):
        await b.set_profile(P(1, periods={0: 12}), 0)
        for name, (evse, p, reason) in REFUSED.items():
            p = {**p, "transactionId": b.id} if p.get("transactionId") == "running" else p
            answer = await b.set_profile(p, evse, "Rejected", reason)
            print(name, answer["statusInfo"])
        assert await b.composite(60) == [(0, 12)]
        assert [p for _, p in await report(b)] == [P(1, periods={0: 12})]

    station(test)


def test_of_one_level_one_is_valid_at_a_time(station):
    """K01.FR.06, K01.FR.39, K01.FR.52, K01.FR.53: another id is refused, not replaced; those
    that are valid one after the other stay beside each other."""

    async def test(b):
        async def twice(p, evse):
            await b.set_profile(p, evse, "Rejected", "DuplicateProfile")

        now = await b.now()
        noon, evening = now + timedelta(seconds=600), now + timedelta(seconds=1200)
        first = P(1, periods={0: 10}, validTo=noon)
        second = P(2, periods={0: 11}, validFrom=noon, validTo=evening)
        third = P(3, periods={0: 12}, validFrom=evening)
        for p in (third, first, second):
            await b.set_profile(p, 1)
        await twice(P(4), 1)
        await twice(P(4, validFrom=noon - timedelta(seconds=1)), 1)
        await twice(P(4), 0)  # (K01.FR.52)
        await b.set_profile(P(4), 2)
        await b.set_profile(P(5, level=1, validFrom=evening + timedelta(seconds=60)), 0)
        await twice(P(6, level=1), 2)  # (K01.FR.53)
        await b.set_profile(P(7, "Max"), 0)
        await twice(P(8, "Max", validTo=FUTURE), 0)
        composite = await b.composite(1200)
        shift = int((noon - b.schedule_start).total_seconds())
        assert composite == [(0, 10), (shift, 10)][:1], "the ceiling is 10 A"
        await b.clear(id=7)
        composite = await b.composite(1230)
        shift = int((noon - b.schedule_start).total_seconds())
        assert composite == [(0, 10), (shift, 11), (shift + 600, 12)]
        # by its id each is replaced, also by one that is valid at another time
        await b.set_profile(P(2, periods={0: 9.5}, validFrom=noon, validTo=evening), 1)
        assert (await b.composite(1230))[1][1] == 9.5
        await twice(P(2, validFrom=noon), 1)
        # TxProfiles: whenever they are valid
        await b.set_profile(P(20, "Tx", transactionId=b.id, validTo=noon), 1)
        await twice(P(21, "Tx", transactionId=b.id, validFrom=noon), 1)
        await b.set_profile(P(21, "Tx", level=1, transactionId=b.id), 1)
        assert await ids(b) == {1, 2, 3, 4, 5, 20, 21}

    station(test)


def test_k_04_the_same_id_is_replaced_wherever_it_is(station):
    """K01.FR.05."""

    async def test(b):
        await b.set_profile(P(1, "Max", periods={0: 9}), 0)
        await b.set_profile(P(1, periods={0: 8}, level=4), 1)
        assert await b.composite(60) == [(0, 8)] and await b.composite(60, 2) == [(0, 32)]
        await b.set_profile(P(1, "Tx", periods={0: 7}, transactionId=b.id), 1)
        assert await b.composite(60) == [(0, 7)]
        assert [(evse, p["id"]) for evse, p in await report(b)] == [(1, 1)]

    station(test)


def test_the_default_of_an_evse_comes_before_that_of_the_station(station):
    """K01.FR.14, K01.FR.15."""

    async def test(b):
        await b.set_profile(P(1, periods={0: 20}), 0)
        await b.set_profile(P(2, periods={0: 25}, level=1), 1)
        assert await b.composite(60) == [(0, 25)] and await b.composite(60, 2) == [(0, 20)]
        await b.clear(id=2)
        assert await b.composite(60) == [(0, 20)]

    station(test)


# K08


def test_k_39_40_47_composite_schedules(station):
    async def test(b):
        for evse, reason in ((3, "UnknownEvse"), (-1, "UnknownEvse")):
            await b.ask("GetCompositeSchedule", "Rejected", reason, evseId=evse, duration=60)
        await b.ask("GetCompositeSchedule", "Rejected", "ValuePositiveOnly", evseId=1, duration=-1)
        await b.refused(
            "GetCompositeSchedule",
            {"evseId": 1, "duration": 9, "chargingRateUnit": "V"},
            "PropertyConstraintViolation",
        )
        assert await b.composite(DAY, 0) == [(0, 64)]
        assert await b.composite(DAY, 1, "W") == [(0, 22080)]
        # TC_K_40: a higher level for a while over a lower one
        start = (await b.now()).replace(microsecond=0) + timedelta(seconds=20)
        low = P(1, periods={0: 6, 60: 10, 120: 8, 180: 25, 260: 8}, startSchedule=start,
                duration=400)  # fmt: skip
        high = P(2, periods={0: 7, 100: 9}, level=1, startSchedule=start, duration=150)
        await b.set_profile(low, 0)
        await b.set_profile(high, 0)
        got = await b.composite(500)
        shift = int((start - b.schedule_start).total_seconds())
        steps = [(0, 7), (100, 9), (150, 8), (180, 25), (260, 8), (400, 32)]
        assert got[-6:] == [(s + shift, limit) for s, limit in steps]
        # the grid connection: what the EVSEs may take together, under the ceiling
        await b.set_profile(P(3, "Max", periods={0: 40}), 0)
        got = await b.composite(500, 0)
        shift = int((start - b.schedule_start).total_seconds())
        steps = [(0, 14), (100, 18), (150, 16), (180, 40), (260, 16), (400, 40)]
        assert got[-6:] == [(s + shift, limit) for s, limit in steps]

    station(test)


def test_k_21_22_23_when_a_profile_holds(station):
    """validFrom, validTo, startSchedule and duration."""

    async def test(b):
        at = (await b.now()).replace(microsecond=0) + timedelta(seconds=100)
        for p, steps in (
            (P(1, validFrom=at), [32, 10]),
            (P(1, validTo=at), [10, 32]),
            (P(1, startSchedule=at), [32, 10]),
            (P(1, startSchedule=at - timedelta(seconds=60), duration=60), [32, 10, 32]),
        ):
            await b.st.call("ClearChargingProfile", {})  # (else it stays until this one begins)
            await b.set_profile(p, 1)
            got = await b.composite(600)
            shift = int((at - b.schedule_start).total_seconds())
            assert [limit for _, limit in got] == steps and got[-1][0] == shift, p

    station(test)


def test_k_41_purposes_together(station):
    """The lowest of the ceiling and what the TxProfile says, or where that is over the default."""

    async def test(b):
        at = (await b.now()).replace(microsecond=0) + timedelta(seconds=100)
        await b.set_profile(P(1, "Max", periods={0: 20, 200: 9}, startSchedule=at), 0)
        await b.set_profile(P(2, periods={0: 12}), 0)
        own = P(3, "Tx", periods={0: 24, 100: 11}, startSchedule=at, duration=150,
                transactionId=b.id)  # fmt: skip
        await b.set_profile(own, 1)
        got = await b.composite(600)
        shift = int((at - b.schedule_start).total_seconds())
        steps = [(0, 20), (100, 11), (150, 12), (200, 9)]
        assert got == [(0, 12)] + [(s + shift, limit) for s, limit in steps]
        await b.pilot(12000)

    station(test)


# K09, K10


def many(b):
    """[(evseId, profile)]: one of every kind, in the order of a report."""
    return [
        (0, P(2)),
        (0, P(3, level=1)),
        (0, P(1, "Max")),
        (1, P(6, "Tx", transactionId=b.id)),
        (1, P(4, level=2)),
        (2, P(5, level=2)),
    ]


CRITERIA = (
    # evseId, criteria, the ids
    (None, {}, {1, 2, 3, 4, 5, 6}),
    (0, {}, {1, 2, 3}),
    (1, {}, {4, 6}),
    (2, {}, {5}),
    (3, {}, set()),
    (None, {"stackLevel": 0}, {1, 2, 6}),
    (None, {"stackLevel": 2}, {4, 5}),
    (None, {"stackLevel": 9}, set()),
    (None, {"chargingProfilePurpose": "ChargingStationMaxProfile"}, {1}),
    (None, {"chargingProfilePurpose": "TxDefaultProfile"}, {2, 3, 4, 5}),
    (None, {"chargingProfilePurpose": "TxProfile"}, {6}),
    (None, {"chargingProfilePurpose": "ChargingStationExternalConstraints"}, set()),
    (0, {"stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile"}, {2}),
    (2, {"stackLevel": 0}, set()),
)


def test_k_29_to_36_reports_by_every_criterion(station):
    """By EVSE, ids, purpose, level, limit source, and what none matches."""

    async def test(b):
        wanted = many(b)
        for evse, p in wanted:
            await b.set_profile(p, evse)
        assert await report(b) == wanted
        assert [p["evseId"] for p in b.messages] == [0, 1, 2], "a message for each EVSE"
        for evse, criterion, found in CRITERIA:
            expect = "Accepted" if found else "NoProfiles"
            assert await ids(b, expect=expect, evse=evse, **criterion) == found, criterion
        for criterion, found in (
            ({"chargingProfileId": [2, 5, 77]}, {2, 5}),
            ({"chargingProfileId": [77]}, set()),
            ({"chargingProfileId": [2, 5], "stackLevel": 2}, {5}),
            ({"chargingLimitSource": ["CSO"]}, {1, 2, 3, 4, 5, 6}),
            ({"chargingLimitSource": ["EMS", "CSO"], "stackLevel": 1}, {3}),
            ({"chargingLimitSource": ["EMS", "SO", "Other"]}, set()),
        ):
            expect = "Accepted" if found else "NoProfiles"
            assert await ids(b, expect=expect, **criterion) == found, criterion

    station(test)


def test_k_05_06_08_09_24_clearing_by_every_criterion(station):
    """By id alone, or by all criteria together; also the default of what charges."""

    async def test(b):
        everything = {1, 2, 3, 4, 5, 6}
        rows = [(evse, criterion, found) for evse, criterion, found in CRITERIA]
        for evse, criterion, found in rows:
            for where, p in many(b):
                await b.set_profile(p, where)
            more = {} if evse is None else {"evseId": evse}
            await b.clear("Accepted" if found else "Unknown", **more, **criterion)
            left = everything - found
            assert await ids(b, expect="Accepted" if left else "NoProfiles") == left
        await b.clear(id=4, evseId=0)
        await b.clear("Unknown", id=4)
        await b.clear(id=5, chargingProfilePurpose="ChargingStationExternalConstraints")
        await b.clear()
        await b.clear("Unknown")

    station(test)


def test_32_profiles_of_96_periods_are_reported(station):
    """In messages that can be sent, while the station goes on; a report is one, whatever comes
    between: what is cleared meanwhile is not told."""

    async def test(b):
        wanted = []
        for i in range(32):
            times = {60 * k: 10 + (i + k) % 70 / 10 for k in range(96)}
            p = P(100 + i, periods=[(s, limit, 3) for s, limit in times.items()], level=i % 16)
            wanted.append((1 + i // 16, p))
            await b.set_profile(p, 1 + i // 16)
        await b.set_profile(P(9, "Max"), 0, "Rejected", "OutOfStorage")
        before = (await b.process.state())["heap"]
        told = await report(b)
        key = lambda one: one[1]["id"]  # noqa: E731
        assert sorted(told, key=key) == wanted and len(b.messages) == 32
        print("heap before and after:", before, (await b.process.state())["heap"])
        since = b.st.mark()
        await b.st.call("GetChargingProfiles", {"requestId": 7, "chargingProfile": {}})
        await b.clear(evseId=2)
        last = await b.st.expect(
            "ReportChargingProfiles",
            lambda p: p["requestId"] == 7 and not p.get("tbc"),
            WAIT_s,
            since,
        )
        assert (
            last["evseId"] in (1, 2) and len(b.st.received("ReportChargingProfiles", since)) < 32
        )

    station(test)


# K05, K02.FR.05, K06, K07


async def test_k_37_a_start_brings_its_profile(bench201):
    """K05: it is bound to the transaction that begins, and goes with it; refused
    it starts nothing."""
    async with bench201() as b:
        p = P(7, "Tx", periods={0: 11})
        rows = (
            (P(7), "InvalidProfile"),
            ({**p, "transactionId": STRANGE}, "InvalidProfile"),
            (P(7, "Tx", level=16), "InvalidStackLevel"),
            (P(7, "Tx", periods={5: 9}), "InvalidSchedule"),
        )
        for wrong, reason in rows:
            await b.ask(
                "RequestStartTransaction",
                "Rejected",
                reason,
                evseId=1,
                remoteStartId=9,
                idToken=token(),
                chargingProfile=wrong,
            )
        id = await b.charge_remotely(chargingProfile=p)
        await b.pilot(11000)
        ((evse, told),) = await report(b)
        assert (evse, told) == (1, {**p, "transactionId": id})
        await b.ask("RequestStopTransaction", transactionId=id)
        await b.ended()
        assert await report(b, "NoProfiles") == []


async def test_k_13_profiles_stay_over_a_power_cut_and_offline(bench201):
    """K06, K07; the TxProfile as long as its transaction."""
    async with bench201() as b:
        id = await b.charge()
        first = [(0, P(1, "Max", periods={0: 14})), (1, P(3, "Tx", periods={0: 9},
                 transactionId=id))]  # fmt: skip
        for evse, p in first:
            await b.set_profile(p, evse)
        await b.pilot(9000)
        await b.cut()
        await b.pilot(9000)
        assert await report(b) == first
        before = await b.away()
        await b.pilot(9000)
        await b.back(before)
        await b.finish()
        assert await ids(b) == {1}


# In the other language


async def speak(b, language):
    """The Central System is away, and is back speaking that one."""
    before = await b.away()
    b.__class__ = {V16: Bench, V201: Bench201}[language]
    b.cs.protocols = (language.protocol,)
    await b.cs.start()
    b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
    await b.composite(60)  # (it has dealt with all that it was told)


async def test_profiles_are_those_of_both_languages(bench201):
    """Installed in one they are in force in the other, told, replaced and cleared there."""
    both = {"protocols": [V201.protocol, V16.protocol]}
    async with bench201(config=both, boot=False) as b:
        b.__class__, b.cs.protocols = Bench, (V16.protocol,)
        await b.booted()
        await b.charge()
        await b.set_profile(profile(1, "Max", {0: 20}, kind="Relative"))
        await b.set_profile(profile(2, "Default", {0: 14}, kind="Recurring", level=1,
                                    recurrencyKind="Daily", startSchedule=PAST))  # fmt: skip
        await b.set_profile(profile(3, "Tx", {0: 11, 36000: 9}, duration=72000), 1)
        await b.pilot(11000)
        await speak(b, V201)
        id = (await b.event(kind="Started"))["transactionInfo"]["transactionId"]
        await b.pilot(11000)
        told = {p["id"]: (evse, p) for evse, p in await report(b)}
        for _, p in told.values():  # (1.6 has no id of a schedule)
            assert p["chargingSchedule"][0].pop("id") == 0
        daily = P(2, periods={0: 14}, kind="Recurring", level=1, recurrencyKind="Daily")
        assert told[2] == (0, of(daily, id=None))
        tx = P(3, "Tx", periods={0: 11, 36000: 9}, duration=72000, transactionId=id)
        assert told[3] == (1, of(tx, id=None, startSchedule=None))
        ceiling = P(1, "Max", periods={0: 20}, kind="Relative")
        assert told[1] == (0, of(ceiling, id=None))
        # one of that level is refused here, by its id it is replaced, or cleared
        await b.set_profile(P(4, level=1), 0, "Rejected", "DuplicateProfile")
        await b.set_profile(P(2, periods={0: 13}, level=1), 0)
        await b.clear(id=3)
        await b.pilot(13000)
        # beside each other: in 1.6 one takes the place of both
        soon = (await b.now()).replace(microsecond=0) + timedelta(seconds=3600)
        await b.set_profile(P(2, periods={0: 12}, level=1, validTo=soon), 0)
        await b.set_profile(P(5, periods={0: 8}, level=1, validFrom=soon), 0)
        await b.pilot(12000)
        await b.finish()
        await speak(b, V16)
        composite = await b.composite(7200)
        shift = int((soon - b.schedule_start).total_seconds())
        assert composite == [(0, 12), (shift, 8)]
        await b.set_profile(profile(6, "Default", {0: 10}, level=1))
        assert await b.composite(7200) == [(0, 10)]
        for gone in (2, 5):
            await b.clear("Unknown", id=gone)
        await b.clear(id=1)
        await speak(b, V201)
        assert [p["id"] for _, p in await report(b)] == [6]
