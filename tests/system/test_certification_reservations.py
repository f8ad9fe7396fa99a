"""The certification tool's cases for a charge point, OCPP 1.6: reservations. A test is named after
its case."""

from datetime import timedelta

from station_driver import TAG

from host.csms import format_time
from host.process import WAIT_s


async def reserve(b, number=1, expect="Accepted", id=7, tag=TAG, minutes=60, **more):
    end = format_time(await b.now() + timedelta(minutes=minutes))
    payload = {"connectorId": number, "expiryDate": end, "idTag": tag, "reservationId": id, **more}
    await b.ask("ReserveNow", expect, **payload)


async def started(b, since, connector=1):
    return await b.st.expect(
        "StartTransaction", lambda p: p["connectorId"] == connector, WAIT_s, since
    )


async def test_046_1_local_start(bench):
    async with bench() as b:
        await reserve(b)
        await b.status("Reserved")
        since = b.st.mark()
        await b.do("plug")
        await b.do("tag OTHER")
        await b.settled()
        assert (await b.process.connector())["status"] == "Reserved"
        assert b.st.received("Authorize", since) == []
        await b.do(f"tag {TAG}")
        assert (await started(b, since))["reservationId"] == 7
        await b.status("Charging", since=since)
        await b.finish()
        await b.charge("OTHER")  # it is over


async def test_046_2_remote_start(bench):
    async with bench() as b:
        await reserve(b)
        await b.status("Reserved")
        await b.ask("RemoteStartTransaction", "Rejected", idTag="OTHER", connectorId=1)
        await b.ask("RemoteStartTransaction", "Rejected", idTag="OTHER")
        since = b.st.mark()
        await b.ask("RemoteStartTransaction", idTag=TAG, connectorId=1)
        await b.status("Preparing", since=since)
        await b.do("plug")
        start = await started(b, since)
        assert (start["idTag"], start["reservationId"]) == (TAG, 7)


async def test_047_expire(bench):
    async with bench() as b:
        await reserve(b, minutes=1)
        await b.status("Reserved")
        since = b.st.mark()
        await b.status("Available", since=since)
        await b.charge("OTHER")


async def test_047_expired_while_the_power_was_off(bench):
    async with bench() as b:
        await reserve(b, minutes=2)
        await b.status("Reserved")
        mark = await b.cut()
        await b.status("Reserved", since=mark)
        mark = await b.cut(off_s=130)
        await b.status("Available", since=mark)
        assert b.st.received("StatusNotification", mark)[-1]["status"] == "Available"


async def test_048_not_possible(bench):
    async with bench(connectors=2) as b:
        await b.do("fault pilot-short 1")
        await b.status("Faulted")
        await reserve(b, expect="Faulted")
        await b.do("clear pilot-short 1")
        await b.ask("ChangeAvailability", connectorId=2, type="Inoperative")
        await b.status("Unavailable", 2)
        await reserve(b, 2, expect="Unavailable")
        await reserve(b, 3, expect="Rejected")
        await b.ask("ChangeAvailability", connectorId=2, type="Operative")
        await b.status("Available", 2)
        await reserve(b, 2, minutes=-1, expect="Rejected")
        since = b.st.mark()
        await b.do("plug 2")
        await b.status("Preparing", 2, since)
        await reserve(b, 2, expect="Occupied")


async def test_049_connector_0(bench):
    async with bench(connectors=2) as b:
        await reserve(b, 0)
        since = b.st.mark()
        await b.charge("OTHER")
        await b.status("Reserved", 2, since)
        await reserve(b, 0, id=8, expect="Occupied")
        since = b.st.mark()
        await b.do("plug 2")
        await b.do(f"tag {TAG} 2")
        assert (await started(b, since, 2))["reservationId"] == 7


async def test_050_connector_0_not_possible(bench):
    async with bench() as b:
        await reserve(b, 0, minutes=-1, expect="Rejected")
        await b.do("fault pilot-short")
        await b.status("Faulted")
        await reserve(b, 0, expect="Faulted")
        since = b.st.mark()
        await b.do("clear pilot-short")
        await b.status("Available", since=since)
        await b.ask("ChangeAvailability", connectorId=0, type="Inoperative")
        await b.status("Unavailable")
        await reserve(b, 0, expect="Unavailable")
        since = b.st.mark()
        await b.ask("ChangeAvailability", connectorId=0, type="Operative")
        await b.status("Available", since=since)
        await b.do("plug")
        await b.status("Preparing")
        await reserve(b, 0, expect="Occupied")


async def test_the_same_id_replaces(bench):
    async with bench(connectors=2) as b:
        await reserve(b)
        await b.status("Reserved")
        since = b.st.mark()
        await reserve(b, 2)
        await b.status("Available", 1, since)
        await b.status("Reserved", 2, since)
        await reserve(b, 2, id=8, expect="Occupied")


async def test_051_and_052_cancel(bench):
    async with bench() as b:
        await b.ask("CancelReservation", "Rejected", reservationId=7)
        await reserve(b)
        await b.status("Reserved")
        since = b.st.mark()
        await b.ask("CancelReservation", "Rejected", reservationId=8)
        await b.ask("CancelReservation", reservationId=7)
        await b.status("Available", since=since)


async def test_053_parent_id_tag(bench):
    async with bench() as b:
        await reserve(b, parentIdTag="Family")
        await b.status("Reserved")
        b.cs.tags["Son"] = {"status": "Accepted", "parentIdTag": "FAMILY"}
        b.cs.tags["Stranger"] = {"status": "Accepted", "parentIdTag": "Other"}
        since = b.st.mark()
        await b.do("plug")
        await b.do("tag Stranger")
        await b.st.expect("Authorize", None, WAIT_s, since)
        await b.settled()
        assert (await b.process.connector())["status"] == "Reserved"
        await b.do("tag Son")
        assert (await started(b, since))["reservationId"] == 7


async def test_a_fault_and_out_of_service_end_it(bench):
    async with bench() as b:
        await reserve(b)
        await b.status("Reserved")
        since = b.st.mark()
        await b.ask("ChangeAvailability", connectorId=1, type="Inoperative")
        await b.status("Unavailable", since=since)
        await b.ask("ChangeAvailability", connectorId=1, type="Operative")
        await b.status("Available", since=since)
        await b.charge("OTHER")
