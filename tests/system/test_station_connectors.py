"""Two to four connectors: transactions of their own, one ChargePointMaxProfile for all."""

import itertools

import pytest
from station_driver import draws

from host.process import WAIT_s, poll
from host.profile import profile


def advertised(duty_u16):
    """What a duty allows a car: the table of docs/electrical.md 2, the car's side."""
    if duty_u16 < 5243 or duty_u16 > 63569:
        return 0
    return 6000 if duty_u16 <= 6560 else duty_u16 * 60000 // 65536


def check_sum(b, ceilings, n):
    """At every instant of the trace: the sum of what the pilots offer, and of what the cars take,
    is within the ceiling. ceilings: [(position in the trace, mA)]; a lower one counts as soon as
    the cars have had their time to follow (5 s)."""
    pilots, cars = dict.fromkeys(range(1, n + 1), 0), dict.fromkeys(range(1, n + 1), 0)
    trace = b.process.trace()
    worst = 0
    for i, e in enumerate(trace):
        if e["what"] == "pilot":
            pilots[e["connector"]] = advertised(e["duty_u16"])
        elif e["what"] == "car":
            cars[e["connector"]] = max(e["ev_mA"])
        past = [(at, mA) for at, mA in ceilings if at <= i]
        if not past:
            continue
        allowed = [past[-1][1]]
        for (_, mA), (ended, _) in itertools.pairwise(past):
            if e["ms"] - trace[ended]["ms"] < 10500:
                allowed.append(mA)  # still on its way out
        total = max(sum(pilots.values()), sum(cars.values()))
        worst = max(worst, total)
        assert total <= max(allowed), (e, pilots, cars, allowed)
    return worst


def shares(mA, n):
    """Equal shares, of which none is rounded up beyond the sum."""
    return [mA // n + (k >= n - mA % n) for k in range(n)]


async def limited_to(b, mA):
    """Wait until the pilots together offer no more than that."""

    async def low():
        state = await b.process.state()
        return sum(c["pilot_mA"] for c in state["connectors"]) <= mA

    await poll(low, WAIT_s, f"{mA} mA")


async def test_independent_transactions(bench):
    async with bench(connectors=3) as b:
        ids = [await b.charge(f"TAG{n}", n) for n in (1, 2, 3)]
        assert len(set(ids)) == 3
        await b.set_profile(profile(1, "Tx", {0: 10}, transactionId=ids[0]), 1)
        await b.set_profile(profile(2, "Tx", {0: 13}, transactionId=ids[1]), 2)
        await b.set_profile(profile(3, "Tx", {0: 13}, transactionId=ids[0]), 3, "Rejected")
        for n, mA in ((1, 10000), (2, 13000), (3, 32000)):
            await b.pilot(mA, n)
        await b.process.until(lambda c: c["ev_mA"] == draws(13000), 2)
        await b.ask("RemoteStopTransaction", transactionId=ids[1])
        stop = await b.st.expect("StopTransaction")
        assert stop["transactionId"] == ids[1]
        await b.pilot(0, 2)
        await b.pilot(10000, 1)
        await b.do("unplug 3")
        stop = await b.st.expect("StopTransaction", lambda p: p["transactionId"] == ids[2])
        assert stop["reason"] == "EVDisconnected"
        c = await b.process.connector(1)
        assert (c["status"], c["transactionId"]) == ("Charging", ids[0])
        assert await b.composite(60, 0) == [(0, 10 + 32 + 32)]


@pytest.mark.parametrize("connectors", [2, 4])
async def test_shared_maximum(bench, connectors):
    """The sum never exceeds the ChargePointMaxProfile, also while shares change hands."""
    n = connectors
    async with bench(connectors=n) as b:
        for c in range(1, n + 1):
            await b.do(f"ev max_mA=32000 {c}")
        await b.set_profile(profile(1, "Max", {0: 32}))
        ceilings = [(b.process.mark(), 32000)]
        await b.charge("TAG1", 1)
        await b.pilot(32000, 1)
        await b.process.until(lambda c: c["ev_mA"] == draws(32000), 1)
        for c in range(2, n + 1):  # one after another they get a share
            await b.charge(f"TAG{c}", c)
            for k, mA in enumerate(shares(32000, c), 1):
                await b.pilot(mA, k)
        check_sum(b, ceilings, n)
        for mA in (26000, 20000, 12000, 7000, 5000, 0, 25000):
            limit = mA / 1000
            ceilings.append((b.process.mark(), mA))
            await b.set_profile(profile(1, "Max", {0: limit}))
            got = shares(mA, min(n, mA // 6000))
            await limited_to(b, mA)
            for k in range(1, n + 1):
                await b.pilot(got[k - 1] if k <= len(got) else 0, k)
        check_sum(b, ceilings, n)
        # Who leaves, stops or takes less makes room for the others.
        since = b.st.mark()
        await b.do("unplug 1")
        await b.status("Available", 1, since)
        if n == 2:
            await b.pilot(25000, 2)
            await b.process.until(lambda c: c["ev_mA"] == draws(25000), 2)
        await b.charge("AGAIN", 1)
        await b.process.until(lambda c: c["status"] == "Charging", 1)
        await b.set_profile(profile(2, "Default", {0: 6.5}, level=1), 1)
        if n == 2:
            await b.pilot(6500, 1)
            await b.pilot(18500, 2)
        worst = check_sum(b, ceilings, n)
        assert worst >= 30000  # (the check has seen what it is for)


async def test_shares_in_the_trace_and_their_reasons(bench):
    """The trace tells a limit when another car's coming or going changes a share; for a connector
    whose own profile leaves it less than 6 A that is the reason, not the ceiling."""
    async with bench(connectors=2) as b:
        await b.set_profile(profile(9, "Max", {0: 20}))
        await b.charge("TAG1", 1)
        await b.pilot(20000, 1)
        id = await b.charge("TAG2", 2)
        for n in (1, 2):
            await b.pilot(10000, n)
        await b.set_profile(profile(5, "Tx", {0: 5}, transactionId=id), 2)
        await b.pilot(0, 2)
        await b.pilot(20000, 1)
        c = await b.process.connector(2)
        assert (c["limit_mA"], c["limit_by"]["source"]) == (5000, "TxProfile")
        assert c["limit_next"]["source"] == "ChargePointMaxProfile"
        said = [e for e in b.process.trace("limit") if e["limit_by"]]
        assert {e["limit_by"]["source"] for e in said if e["connector"] == 1} == {
            "ChargePointMaxProfile"
        }
        steps = [e["limit_mA"] for e in said if e["connector"] == 1]
        assert steps[0] == 20000 and 10000 in steps and steps[-1] == 20000, steps
        at = steps.index(10000)  # and no step is told twice
        assert steps == sorted(steps[: at + 1], reverse=True) + sorted(steps[at + 1 :])
        assert [e["limit_mA"] for e in said if e["connector"] == 2][-1] == 5000


# A start that names no connector follows the car


@pytest.mark.parametrize("authorize", ["true", "false"])
async def test_a_remote_start_without_a_connector_follows_the_car(bench, authorize):
    """Its profile is of the connector where it starts."""
    async with bench(connectors=2) as b:
        await b.key("AuthorizeRemoteTxRequests", authorize)
        p = profile(1, "Tx", {0: 10})
        await b.ask("RemoteStartTransaction", idTag="A", chargingProfile=p)
        await b.status("Preparing", 1)
        since = b.st.mark()
        await b.do("plug 2")
        start = await b.st.expect("StartTransaction", None, WAIT_s)
        assert (start["connectorId"], start["idTag"]) == (2, "A")
        await b.status("Available", 1, since)
        await b.pilot(10000, 2)
        assert await b.composite(60, 2) == [(0, 10)]
        assert len(b.st.received("Authorize")) == (authorize == "true")


async def test_a_tag_presented_twice_does_not_end_what_it_began(bench):
    """What `tag` answers, and that the same tag ends it a little later."""
    async with bench(speed=1) as b:
        await b.do("plug")
        await b.do("tag A")
        await b.st.expect("StartTransaction", None, WAIT_s)
        answer = await b.process.command("tag A")
        assert answer == {"error": "the tag was there a moment ago: it counts once"}
        await b.settled()
        c = await b.process.connector()
        assert c["idTag"] == "A" and b.st.received("StopTransaction") == []
        since = b.st.mark()
        await b.do("tag A")
        await b.st.expect("StopTransaction", None, WAIT_s, since)
