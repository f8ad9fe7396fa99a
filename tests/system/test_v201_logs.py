"""OCPP 2.0.1, N: logs, and what is known of a customer. A test is named after its case of the
certification tool: TC_N_25_CS is test_n_25_..."""

from datetime import timedelta

import pytest
from file_servers import HttpServer
from station_201 import CENTRAL, assert_reason, token
from station_driver import TAG

from host.csms import format_time
from host.process import WAIT_s

STATUS = "LogStatusNotification"
CUSTOMER = "NotifyCustomerInformation"


@pytest.fixture
def server():
    with HttpServer() as server:
        yield server


async def get(b, id, url, kind="DiagnosticsLog", expect="Accepted", log=(), **more):
    """GetLog; -> the file's name."""
    payload = {"logType": kind, "requestId": id, "log": {"remoteLocation": url, **dict(log)}}
    return (await b.ask("GetLog", expect, **payload, **more)).get("filename")


async def statuses(b, id, *expected):
    """Wait until these were told of that request, and no others."""

    def last(p):
        return (p.get("requestId"), p["status"]) == (id, expected[-1])

    await b.st.expect(STATUS, last, WAIT_s)
    told = [p["status"] for p in b.st.received(STATUS) if p.get("requestId") == id]
    assert told == list(expected)


async def test_n_25_and_35_success(bench201, server):
    async with bench201() as b:
        await b.charge()
        name = await get(b, 1, server.url + "logs/")
        await statuses(b, 1, "Uploading", "Uploaded")
        (data,) = server.files.values()
        assert b"[journal]" in data and name.startswith("pilotwire-CP1-")
        server.files.clear()
        name = await get(b, 2, server.url + "logs/", "SecurityLog")
        await statuses(b, 2, "Uploading", "Uploaded")
        (data,) = server.files.values()
        assert b"StartupOfTheDevice" in data and "-security-" in name


async def test_n_26_upload_failed(bench201, server):
    async with bench201(speed=50) as b:
        for id, url, word in (
            (1, "sftp://127.0.0.1/x", "NotSupportedOperation"),
            (2, "http://127.0.0.1:1/", "UploadFailure"),
        ):
            await get(b, id, url, retries=2, retryInterval=1)
            await statuses(b, id, "Uploading", word)
        now = await b.now()
        times = {
            "oldestTimestamp": format_time(now),
            "latestTimestamp": format_time(now - timedelta(hours=1)),
        }
        payload = {"logType": "SecurityLog", "requestId": 3}
        log = {"remoteLocation": server.url, **times}
        await b.ask("GetLog", "Rejected", "InvalidValue", **payload, log=log)


async def test_n_36_and_f_16_a_second_request(bench201):
    """AcceptedCanceled, and that of the first is told with its requestId; a trigger hears where it
    stands."""
    async with bench201() as b:
        never = "http://127.0.0.1:1/"
        await get(b, 1, never, retries=9, retryInterval=3600)
        await b.st.expect(STATUS, None, WAIT_s)
        since = b.st.mark()
        await b.ask("TriggerMessage", requestedMessage=STATUS)
        told = await b.st.expect(STATUS, None, WAIT_s, since)
        assert told == {"status": "Uploading", "requestId": 1}
        await get(b, 2, never, expect="AcceptedCanceled", retries=1)
        await statuses(b, 2, "Uploading", "UploadFailure")
        last = [p["status"] for p in b.st.received(STATUS) if p.get("requestId") == 1][-1]
        assert last == "AcceptedCanceled"


# CustomerInformation


async def customer(b, expect="Accepted", reason=None, id=1, report=True, clear=False, **who):
    """-> what is told, joined."""
    since = b.st.mark()
    payload = {"requestId": id, "report": report, "clear": clear, **who}
    answer = await b.ask("CustomerInformation", expect, **payload)
    if expect != "Accepted":
        assert_reason(answer, reason)
        return None
    await b.st.expect(CUSTOMER, lambda p: not p["tbc"], WAIT_s, since)
    pieces = b.st.received(CUSTOMER, since)
    assert {p["requestId"] for p in pieces} == {id}
    return "\n".join(p["data"] for p in pieces)


NOBODY = "No data of the customer is found."
CACHED = "It is in the authorization cache"


async def test_n_27_to_32_report_and_clear(bench201):
    """What there is of a token, and what is cleared: the cache alone, and never the list."""
    async with bench201() as b:
        assert await customer(b, idToken=token()) == NOBODY
        entry = {"idToken": token("L"), "idTokenInfo": {"status": "Accepted"}}
        await b.ask(
            "SendLocalList", versionNumber=1, updateType="Full", localAuthorizationList=[entry]
        )  # fmt: skip
        id = await b.charge()
        said = await customer(b, idToken=token(TAG.lower()))
        assert f"{CACHED}." in said and id in said and "kept until all of it is told" in said
        assert await customer(b, idToken=token(type=CENTRAL)) == NOBODY
        said = await customer(b, idToken=token(), clear=True)
        assert CACHED + ", and is taken out." in said
        assert CACHED not in await customer(b, idToken=token())
        await b.finish()
        await b.settled()
        assert CACHED in await customer(b, idToken=token())  # (told with its end)
        cleared = "Data of the customer is cleared."
        assert await customer(b, idToken=token(), report=False, clear=True) == cleared
        assert await customer(b, idToken=token()) == NOBODY
        assert "local authorization list" in await customer(b, idToken=token("L"), clear=True)
        assert (await b.st.call("GetLocalListVersion", {}))["versionNumber"] == 1
        # (who is to be out of the list too is taken out of it by the Central System: N10.FR.06)
        gone = [{"idToken": token("L")}]
        await b.ask(
            "SendLocalList",
            versionNumber=2,
            updateType="Differential",
            localAuthorizationList=gone,
        )
        assert await customer(b, idToken=token("L")) == NOBODY


async def test_n_29_33_62_63_of_whom(bench201):
    async with bench201() as b:
        hash = {
            "hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b",
            "serialNumber": "1",
        }  # fmt: skip
        for who in ({"customerIdentifier": "X"}, {"customerCertificate": hash}):
            assert await customer(b, **who, clear=True) == NOBODY
        two = {"customerIdentifier": "X", "idToken": token()}
        await customer(b, "Invalid", "MissingParam")
        await customer(b, "Invalid", "MissingParam", **two)
        await customer(b, "Rejected", "InvalidValue", report=False, idToken=token())


async def test_what_is_long_comes_in_pieces(bench201):
    """Also over a connection that is lost meanwhile."""
    async with bench201() as b:
        b.cs.answer("TransactionEvent", lambda payload: None)
        for _ in range(5):
            since = b.st.mark()
            await b.do("plug")
            await b.do(f"tag {TAG}")
            await b.process.until(lambda c: c["contactor"])
            await b.do("unplug")
            await b.status("Available", since=since)
        b.cs.answer(CUSTOMER, lambda payload: None)
        since = b.st.mark()
        payload = {"requestId": 1, "report": True, "clear": False, "idToken": token()}
        await b.ask("CustomerInformation", **payload)
        await b.st.expect(CUSTOMER, None, WAIT_s, since)
        before = await b.away()
        b.cs.answer(CUSTOMER, None)
        await b.back(before)
        await b.st.expect(CUSTOMER, lambda p: not p["tbc"], WAIT_s, since)
        told = {p["seqNo"]: p["data"] for p in b.st.received(CUSTOMER, since)}
        assert list(told) == list(range(len(told))) and len(told) > 2
        assert "".join(told.values()).count("Transaction {") == 5
        b.cs.answer("TransactionEvent", None)
