"""OCPP 2.0.1, H: reservation. A test is named after its case of the certification tool: TC_H_01_CS
is test_h_01_..."""

from datetime import timedelta

from station_201 import CENTRAL, assert_reason, token
from station_driver import TAG

from host.csms import format_time
from host.process import WAIT_s

UPDATE = "ReservationStatusUpdate"


async def reserve(b, evse=1, expect="Accepted", reason=None, id=7, tag=TAG, minutes=60, **more):
    """evse None: any."""
    end = format_time(await b.now() + timedelta(minutes=minutes))
    payload = {"id": id, "expiryDateTime": end, "idToken": token(tag), **more}
    payload |= {} if evse is None else {"evseId": evse}
    answer = await b.ask("ReserveNow", expect, **payload)
    if expect != "Accepted":
        assert_reason(answer, reason)


async def updated(b, since=0, id=7):
    """What was told of that reservation; waits for it."""
    told = await b.st.expect(UPDATE, lambda p: p["reservationId"] == id, WAIT_s, since)
    return told["reservationUpdateStatus"]


async def test_h_01_and_02_used_and_not_by_others(bench201):
    async with bench201() as b:
        await reserve(b)
        await b.status("Reserved")
        since = b.st.mark()
        await b.do("plug")
        await b.do("tag OTHER")
        await b.settled()
        assert b.st.received("Authorize", since) == []
        other = {"remoteStartId": 1, "idToken": token("OTHER", CENTRAL)}
        await b.ask("RequestStartTransaction", "Rejected", "InvalidIdToken", evseId=1, **other)
        await b.do(f"tag {TAG}")
        assert (await b.event(kind="Started", since=since))["reservationId"] == 7
        await b.charging(since=since)
        await b.finish()
        await b.charge("OTHER")  # it is over
        await b.settled()
        assert b.st.received(UPDATE) == []  # (that its transaction has begun says so)


async def test_h_03_04_06_not_possible(bench201):
    async with bench201(connectors=2) as b:
        await reserve(b)
        await reserve(b, id=8, expect="Occupied")
        await b.ask("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 2})
        await b.status("Unavailable", 2)
        await reserve(b, 2, "Unavailable", "NotEnabled", id=8)
        since = b.st.mark()
        await b.ask("ChangeAvailability", operationalStatus="Operative", evse={"id": 2})
        await b.status("Available", 2, since)
        await b.do("plug 2")
        await b.status("Occupied", 2, since)
        await reserve(b, 2, "Occupied", "TxInProgress", id=8)
        await b.do("unplug 2")
        await b.do("fault pilot-short 2")
        await b.status("Faulted", 2, since)
        await reserve(b, 2, "Faulted", id=8)
        for evse in (0, 3, -1):
            await reserve(b, evse, "Rejected", "UnknownEvse", id=8)
        await reserve(b, 1, "Rejected", "InvalidValue", minutes=-1)


async def test_h_07_ended_and_not_used(bench201):
    """Expired, also where it ended while the connection, or the power, was away."""
    async with bench201() as b:
        for how in ("online", "offline", "off"):
            since = b.st.mark()
            await reserve(b, minutes=2)
            await b.status("Reserved", since=since)
            if how == "offline":
                before = await b.away()
                await b.process.until(lambda c: c["status"] == "Available")
                await b.back(before)
            if how == "off":
                await b.cut(off_s=130)
            assert await updated(b, since) == "Expired"
            await b.status("Available", since=since)
        await b.settled()
        assert len(b.st.received(UPDATE)) == 3


async def test_what_is_not_answered_is_told_after_a_reboot(bench201):
    async with bench201() as b:
        b.cs.answer(UPDATE, lambda payload: None)
        await reserve(b, minutes=1)
        assert await updated(b) == "Expired"
        mark = await b.cut()
        b.cs.answer(UPDATE, None)
        assert await updated(b, mark) == "Expired"


async def test_h_08_to_14_and_24_any_evse(bench201):
    """As many as there are; one stays free for it, and its group may use it."""
    async with bench201(connectors=2) as b:
        group = {"groupIdToken": token("Family")}
        await reserve(b, None, **group)
        since = b.st.mark()
        await b.charge("OTHER")
        await b.status("Reserved", 2, since)
        await reserve(b, None, "Occupied", id=8)
        b.cs.tags["Son"] = {"status": "Accepted", "parentIdTag": "FAMILY"}
        since = b.st.mark()
        await b.do("plug 2")
        await b.do("tag Son 2")
        assert (await b.event(kind="Started", since=since, evse=2))["reservationId"] == 7
        await b.finish("OTHER")
        await b.do("unplug 2")
        await b.ended(since)
        await b.status("Available", 2, since)
        await b.ask("ChangeAvailability", operationalStatus="Inoperative")
        await b.status("Unavailable", 1, since)
        await reserve(b, None, "Unavailable", "NotEnabled")


async def test_h_15_and_16_a_type_of_connector(bench201):
    async with bench201() as b:
        await reserve(b, None, "Rejected", "UnknownConnectorType", connectorType="cCCS2")
        await reserve(b, 1, "Rejected", "UnknownConnectorType", connectorType="sType2")
        await reserve(b, None, connectorType="cType2")
        await reserve(b, None, "Occupied", id=8, connectorType="cType2")


async def test_h_17_and_18_cancel(bench201):
    async with bench201() as b:
        await b.ask("CancelReservation", "Rejected", "NotFound", reservationId=7)
        await reserve(b)
        await b.status("Reserved")
        since = b.st.mark()
        await b.ask("CancelReservation", "Rejected", "NotFound", reservationId=8)
        await b.ask("CancelReservation", reservationId=7)
        await b.status("Available", since=since)
        assert b.st.received(UPDATE) == []


async def test_h_19_a_group(bench201):
    """H03: by Authorize, and by a RequestStartTransaction that says the group."""
    async with bench201() as b:
        group = {"groupIdToken": token("Family")}
        await reserve(b, **group)
        b.cs.tags["Stranger"] = {"status": "Accepted", "parentIdTag": "Other"}
        since = b.st.mark()
        await b.do("plug")
        await b.do("tag Stranger")
        await b.st.expect("Authorize", None, WAIT_s, since)
        await b.settled()
        assert b.cs.transactions == {}
        son = {"remoteStartId": 5, "idToken": token("Son"), "evseId": 1}
        await b.ask("RequestStartTransaction", "Rejected", "InvalidIdToken", **son)
        await b.ask("RequestStartTransaction", **son, groupIdToken=token("FAMILY"))
        begun = await b.event(kind="Started", since=since)
        assert (begun["reservationId"], begun["triggerReason"]) == (7, "RemoteStart")


async def test_h_20_and_21_removed(bench201):
    """By a fault, and by being out of service."""
    async with bench201() as b:
        for how in ("fault", "unavailable"):
            since = b.st.mark()
            await reserve(b)
            await b.status("Reserved", since=since)
            if how == "fault":
                await b.do("fault pilot-short")
            else:
                await b.ask("ChangeAvailability", operationalStatus="Inoperative")
            assert await updated(b, since) == "Removed"
            if how == "fault":
                await b.do("clear pilot-short")
                await b.status("Available", since=since)
        await b.ask("ChangeAvailability", operationalStatus="Operative")
        await b.charge("OTHER")


async def test_h_22_configured_to_reject(bench201):
    async with bench201() as b:
        await b.set("ReservationCtrlr.Enabled", "false")
        await reserve(b, 1, "Rejected", "NotEnabled")


async def test_h_23_the_same_id_replaces(bench201):
    async with bench201(connectors=2) as b:
        await reserve(b)
        await b.status("Reserved")
        since = b.st.mark()
        await reserve(b, 2)
        await b.status("Available", 1, since)
        await b.status("Reserved", 2, since)
        await b.settled()
        assert b.st.received(UPDATE) == []
