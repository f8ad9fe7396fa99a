"""OCPP 2.0.1, G: availability. A test is named
after its case of the certification tool: TC_G_03_CS is test_g_03_..."""

import pytest
from station_driver import TAG

from host.csms import parse_time
from host.process import WAIT_s
from host.variables import format_variable

WAYS = {
    "EVSE": {"evse": {"id": 1}},
    "connector": {"evse": {"id": 1, "connectorId": 1}},
    "station": {},
}


async def change(b, kind, expect="Accepted", reason=None, **evse):
    await b.ask("ChangeAvailability", expect, reason, operationalStatus=kind, **evse)


async def test_g_01_and_02_plugged_in_and_out(bench201):
    """G01: Occupied, and Available again, of the one that it is, each with its time."""
    async with bench201(connectors=2) as b:
        times = []
        for word, status in (("plug", "Occupied"), ("unplug", "Available")):
            since = b.st.mark()
            await b.do(f"{word} 2")
            times.append(parse_time((await b.status(status, 2, since))["timestamp"]))
        assert times[0] <= times[1] <= await b.now()


@pytest.mark.parametrize("way", WAYS)
async def test_g_03_to_10_12_13_15_16_18_19_21_idle(bench201, way):
    """Inoperative and Operative, each twice, over a power cut."""
    async with bench201() as b:
        await change(b, "Operative", **WAYS[way])
        for _ in range(2):
            await change(b, "Inoperative", **WAYS[way])
        await b.status("Unavailable")
        before = b.st
        await b.cut(up=False)
        await b.status("Unavailable")
        assert b.st is not before
        since = b.st.mark()
        await b.do("plug")
        for _ in range(2):
            await change(b, "Operative", **WAYS[way])
        await b.status("Occupied", since=since)
        await b.do("tag TAG")
        await b.charging(since=since)


@pytest.mark.parametrize("way", WAYS)
async def test_g_11_14_17_with_a_transaction(bench201, way):
    """Scheduled; Unavailable when it has ended, which it does as ever."""
    async with bench201() as b:
        await b.charge()
        since = b.st.mark()
        await change(b, "Inoperative", "Scheduled", **WAYS[way])
        await b.do("tag TAG")
        await b.ended(since, stoppedReason="Local")
        await b.status("Unavailable", since=since)
        await b.do("unplug")
        await change(b, "Operative", **WAYS[way])
        await b.status("Available", since=since)


async def test_the_station_is_above_its_evses(bench201):
    """G04: when it is Operative again they are as they were."""
    async with bench201(connectors=2) as b:
        await change(b, "Inoperative", **WAYS["EVSE"])
        await b.status("Unavailable", 1)
        since = b.st.mark()
        await change(b, "Inoperative")
        await b.status("Unavailable", 2, since)
        await b.cut()
        since = b.st.mark()
        await change(b, "Operative")
        await b.status("Available", 2, since)
        await b.settled()
        assert not [p for p in b.st.received("StatusNotification", since) if p["evseId"] == 1]
        await change(b, "Operative", **WAYS["EVSE"])
        await b.status("Available", 1, since)


async def test_g_20_lock_failure(bench201):
    """G05: NotifyEvent says so of the lock, and nobody charges; and when it works again."""
    problem = "ConnectorPlugRetentionLock@1:1.Problem"
    async with bench201(40, config={"board": "reference_full"}, heap="300K") as b:

        async def told(value):
            def of_the_lock(p):
                return [
                    one
                    for one in p["eventData"]
                    if format_variable(one) == problem and one["actualValue"] == value
                ]

            said = await b.st.expect("NotifyEvent", of_the_lock, WAIT_s)
            return of_the_lock(said)[0]

        assert await b.get(problem) == "false"
        await b.do("fault lock-jam")
        await b.do("plug")
        event = await told("true")
        assert event["trigger"] == "Delta" and "cleared" not in event
        await b.status("Faulted")
        await b.do(f"tag {TAG}")
        await b.settled()
        assert await b.get(problem) == "true" and b.cs.transactions == {}
        await b.do("clear lock-jam")
        await b.do("unplug")
        assert (await told("false"))["cleared"]
        assert await b.get(problem) == "false"


async def test_what_is_not_there(bench201):
    async with bench201() as b:
        for number in (0, 2, -1):
            await change(b, "Inoperative", "Rejected", "UnknownEvse", evse={"id": number})
        there = {"id": 1, "connectorId": 2}
        await change(b, "Inoperative", "Rejected", "UnknownConnectorId", evse=there)


async def test_the_other_language_says_it_in_its_way(bench201):
    """What 1.6 has put out of service as a whole is in service again by 2.0.1's one word."""
    async with bench201() as b:
        await b.do(
            "console >>> from firmware.station.availability import serve; serve(station, 0, False)"
        )
        await b.status("Unavailable", timeout=WAIT_s)
        since = b.st.mark()
        await change(b, "Operative")
        await b.status("Available", since=since)
