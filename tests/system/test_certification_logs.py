"""OCPP 1.6's certification cases about security events and logs (docs/conformance.md): what is
told by SecurityEventNotification, GetLog and LogStatusNotification, ExtendedTriggerMessage. A test
is named after its case: TC_078_CS is test_078_..."""

import asyncio
import re
from datetime import timedelta

import pytest
from file_servers import FtpServer, HttpServer
from station_driver import ESP32_HEAP, ID

from host.csms import CallError, format_time, parse_time
from host.process import WAIT_s

EVENT = "SecurityEventNotification"
STATUS = "LogStatusNotification"
DIAGNOSTICS = "DiagnosticsStatusNotification"
SIGNED = "SignedFirmwareStatusNotification"
START = ["StartupOfTheDevice", "SettingSystemTime"]


async def event(b, kind, text="", since=0):
    """Wait for one of that type, with this text in it; -> its payload."""

    def test(p):
        return p["type"] == kind and text in p.get("techInfo", "")

    return await b.st.expect(EVENT, test, WAIT_s, since)


def events(b, since=0):
    return [p["type"] for p in b.st.received(EVENT, since)]


async def started(b):
    """All that is told of the start is: that the clock was set comes last."""
    await event(b, "SettingSystemTime")
    await b.settled()


async def statuses(b, id, *expected, since=0):
    """Wait until these were told of that request, and no others."""

    def of_it(p):
        return p.get("requestId") == id

    await b.st.expect(STATUS, lambda p: of_it(p) and p["status"] == expected[-1], WAIT_s, since)
    told = [p["status"] for p in b.st.received(STATUS, since) if of_it(p)]
    assert told == list(expected)


async def get(b, id, url, kind="SecurityLog", expect="Accepted", log=(), **more):
    """GetLog; -> the file's name."""
    log = {"remoteLocation": url, **dict(log)}
    payload = {"logType": kind, "requestId": id, "log": log, **more}
    answer = await b.st.call("GetLog", payload, WAIT_s)
    assert answer["status"] == expect, answer
    return answer.get("filename")


async def triggered(b, expect="Accepted", **payload):
    await b.ask("ExtendedTriggerMessage", expect, **payload)


# Security events


async def test_the_start_and_its_reasons(bench):
    """StartupOfTheDevice at each start, ResetOrReboot where it was a reset; told in order, with
    their times, before transactions."""
    async with bench(boot=False) as b:
        await b.booted()
        first = await event(b, "StartupOfTheDevice", ", the power came")
        await started(b)
        assert events(b) == START
        assert re.match(r"version \d+\.\d+\.\d+,", first["techInfo"])
        for kind in ("Soft", "Hard"):
            before = b.st
            mark = before.mark()
            await b.ask("Reset", type=kind)
            await b.again(before)
            await event(b, "StartupOfTheDevice", "after a reset", mark)
            assert events(b, mark) == ["ResetOrReboot", "StartupOfTheDevice"]
            assert b.st.received(EVENT, mark)[0]["techInfo"] == kind
        since = len(b.process.output)
        await b.settled()
        mark = await b.cut(3)
        await event(b, "SettingSystemTime", "", mark)
        # The clock is not set when the power comes: the start has the right time all the same.
        assert events(b, mark) == START
        times = [parse_time(p["timestamp"]) for p in b.st.received(EVENT, mark)]
        assert timedelta(0) <= times[1] - times[0] < timedelta(minutes=10), times
        assert await b.now() - times[0] < timedelta(minutes=10)
        assert not [line for line in b.process.output[since:] if "security log" in line]


async def test_a_crash_is_a_reset(bench):
    async with bench() as b:
        await started(b)
        before, mark = b.st, b.st.mark()
        words = "console >>> setattr(station, 'poll', lambda: exec('raise MemoryError'))"
        await b.do(words)
        await b.again(before)
        await event(b, "StartupOfTheDevice", "after a reset", mark)
        assert events(b, mark) == ["ResetOrReboot", "MemoryExhaustion", "StartupOfTheDevice"]
        assert "MemoryError" in b.st.received(EVENT, mark)[0]["techInfo"]
        b.process.output.clear()  # (it has a traceback)


async def test_told_after_a_power_cut_and_a_lost_connection(bench):
    """Of a Central System that does not answer them: none is lost, nor told out of order."""
    async with bench() as b:
        await started(b)
        b.cs.answer(EVENT, lambda payload: None)
        mark = b.st.mark()
        await b.key("AuthorizationKey", "00112233445566778899aabbccddeeff")
        before = b.st
        await b.again(before)
        await event(b, "ReconfigurationOfSecurityParameters", "AuthorizationKey", mark)
        mark = await b.cut(1)
        b.cs.answer(EVENT, None)
        await b.back(await b.away())
        await event(b, "StartupOfTheDevice", "the power came", mark)
        told = list(dict.fromkeys(events(b, mark)))
        assert told[:2] == ["ReconfigurationOfSecurityParameters", "StartupOfTheDevice"], told


async def test_a_central_system_without_the_extension(bench):
    """A CALLERROR is an answer: nothing is held up, nothing is told twice."""
    b = bench(boot=False)
    b.cs.answer(EVENT, lambda payload: CallError("NotImplemented", "no such action"))
    async with b:
        await b.booted()
        await b.charge()
        await b.key("AuthorizationKey", "00112233445566778899aabbccddeeff")
        await b.again(b.st)
        await b.finish()
        assert list(dict.fromkeys(events(b))) == START + ["ReconfigurationOfSecurityParameters"]


@pytest.mark.parametrize("server", ["stranger", "expired", "host"])
async def test_078_invalid_central_system_certificate(bench, certificates, server):
    """It is not connected to; with a valid one again the event is told."""
    certs = certificates.unit()
    b = bench(boot=False, certs=certs, password="first", **{"security-profile": 2})
    b.cs.ssl = certificates.context()
    b.cs.credentials = {ID: "first"}
    async with b:
        await b.booted()
        await started(b)
        before, mark = b.st, b.st.mark()
        await b.cs.stop()
        await before.wait_closed(WAIT_s)
        since = len(b.process.output)
        b.cs.ssl = certificates.context(server)
        await b.cs.start()
        for _ in range(2):  # (a back-off repeats it)
            await b.process.wait_output("Central System: TLS: ", since=since)
            since = len(b.process.output)
        await b.cs.stop()
        b.cs.ssl = certificates.context()
        await b.cs.start()
        await b.again(before)
        p = await event(b, "InvalidCentralSystemCertificate", "TLS: ", mark)
        await b.settled()
        assert events(b, mark) == ["InvalidCentralSystemCertificate"], p


async def test_a_password_that_is_refused_is_in_the_log(bench):
    """And not told: who refuses it knows."""
    b = bench(boot=False, password="wrong")
    b.cs.credentials = {ID: "right"}
    async with b:
        await b.process.wait_output("HTTP 401 Unauthorized")
        b.cs.credentials = {ID: "wrong"}
        await b.booted()
        await event(b, "StartupOfTheDevice")
        with HttpServer() as server:
            await get(b, 1, server.url)
            await statuses(b, 1, "Uploading", "Uploaded")
            (text,) = server.files.values()
        assert b" FailedToAuthenticateAtCentralSystem HTTP 401 Unauthorized; is the pass" in text
        assert "FailedToAuthenticateAtCentralSystem" not in events(b)


# GetLog


async def test_079_get_security_log(bench):
    async with bench() as b:
        await event(b, "StartupOfTheDevice")
        b.hostile = True
        await b.st.raw('[2,"x","ClearCache",[]]')
        with HttpServer() as server:
            name = await get(b, 7, server.url + "in/")
            assert re.fullmatch(rf"pilotwire-{ID}-security-\d{{8}}T\d{{6}}Z\.txt", name)
            await statuses(b, 7, "Uploading", "Uploaded")
            assert list(server.files) == ["/in/" + name]
            lines = server.files["/in/" + name].decode().splitlines()
        print(lines)
        start, bad = lines[0].split(" ", 2), lines[-1].split(" ", 2)
        assert start[1:] == ["StartupOfTheDevice", start[2]] and "version" in start[2]
        assert bad[1] == "InvalidMessages" and bad[2].startswith("request refused: FormationViol")
        times = [parse_time(line.split(" ")[0]) for line in lines]
        assert times == sorted(times) and await b.now() - times[0] < timedelta(days=1)
        assert "InvalidMessages" not in events(b)


async def test_the_security_log_between_two_times(bench):
    async with bench() as b:
        await event(b, "StartupOfTheDevice")
        now = await b.now()
        later = format_time(now.replace(year=now.year + 1))
        sooner = format_time(now.replace(year=now.year - 1))
        with HttpServer() as server:
            for id, (log, lines) in enumerate((
                ({}, True),
                ({"oldestTimestamp": sooner, "latestTimestamp": later}, True),
                ({"oldestTimestamp": later}, False),
                ({"latestTimestamp": sooner}, False),
            )):  # fmt: skip
                await get(b, id, f"{server.url}{id}", log=log)
                await statuses(b, id, "Uploading", "Uploaded")
                assert (b"StartupOfTheDevice" in server.files[f"/{id}"]) is lines, log
            log = {"oldestTimestamp": later, "latestTimestamp": sooner}
            assert await get(b, 9, server.url, "SecurityLog", "Rejected", log=log) is None


async def test_a_log_of_two_files(bench, tmp_path):
    """The last 4 to 8 KB of it, in order; by FTP."""
    folder = tmp_path / "ftp"
    folder.mkdir()
    async with bench() as b:
        await event(b, "StartupOfTheDevice")
        module = "__import__('firmware.station.security', None, None, ('_',))"
        note = f"{module}.note(station, 9, '%d ' % i + 'x' * 100)"
        await b.do(f"console >>> len([{note} for i in range(90)]) * 1000")
        await b.process.wait_output("90000")
        with FtpServer(folder) as server:
            name = await get(b, 1, server.url.replace("//", "//joe:p%40ss@"))
            await statuses(b, 1, "Uploading", "Uploaded")
        lines = (folder / name).read_text().splitlines()
        numbers = [int(line.split(" ")[2]) for line in lines]
        assert numbers == list(range(numbers[0], 90)) and 4000 < len("".join(lines)) < 12000


async def test_the_file_of_diagnostics(bench, certificates):
    """DiagnosticsLog is that of GetDiagnostics; by HTTPS."""
    with HttpServer(certificates.context()) as server:
        async with bench(speed=1, certs=certificates.unit()) as b:
            name = await get(b, 3, server.url, "DiagnosticsLog")
            await statuses(b, 3, "Uploading", "Uploaded")
            assert re.fullmatch(rf"pilotwire-{ID}-\d{{8}}T\d{{6}}Z\.txt", name)
            text = server.files["/" + name]
            assert b"[state]" in text and b"[log]\n" in text
            assert not b.st.received(DIAGNOSTICS)


async def test_what_it_may_come_to(bench, tmp_path):
    folder = tmp_path / "ftp"
    folder.mkdir()
    async with bench(speed=5) as b:  # (who lets nobody in takes 3 s of ours)
        with HttpServer() as server, FtpServer(folder) as ftp:
            server.takes, server.refusal = (), 403
            for id, (url, status) in enumerate((
                ("http://127.0.0.1:1/", "UploadFailure"),
                ("sftp://joe:secret@127.0.0.1/", "NotSupportedOperation"),
                ("nowhere", "BadMessage"),
                ("http://127.0.0.1:99999/", "BadMessage"),
                ("http:///x", "BadMessage"),
                (server.url, "PermissionDenied"),
                (ftp.url.replace("//", "//joe:wrong@"), "PermissionDenied"),
                (ftp.url, "PermissionDenied"),  # (anonymous only reads)
            )):  # fmt: skip
                await get(b, id, url, retries=1)
                await statuses(b, id, "Uploading", status)
        said = [line for line in b.process.output if "log not sent: " in line]
        assert len(said) == 8 and "secret" not in "".join(said)


async def test_tries_and_their_pause(bench):
    async with bench(speed=20) as b:
        with HttpServer() as server:
            server.takes = ()
            await get(b, 1, server.url, retries=3, retryInterval=20)
            await b.process.wait_output("log not sent: ")
            server.takes = ("PUT",)
            await statuses(b, 1, "Uploading", "Uploaded")
        assert len([line for line in b.process.output if "log not sent: " in line]) == 1


async def test_a_newer_request_ends_the_one_that_runs(bench):
    """AcceptedCanceled; of the first no more is told. So it ends a file of GetDiagnostics, whose
    end is told; GetDiagnostics beside a log sends nothing."""
    async with bench(speed=5) as b:
        with HttpServer() as server:
            server.hold.clear()
            await get(b, 1, server.url + "1", retries=1)
            await statuses(b, 1, "Uploading")
            since = b.st.mark()
            await triggered(b, requestedMessage=STATUS)
            await statuses(b, 1, "Uploading", since=since)
            assert await b.st.call("GetDiagnostics", {"location": server.url + "d"}) == {}
            await get(b, 2, server.url + "2", "SecurityLog", "AcceptedCanceled")
            await statuses(b, 2, "Uploading")
            await get(b, 3, server.url + "3", "DiagnosticsLog", "AcceptedCanceled")
            await statuses(b, 3, "Uploading")
            server.hold.set()
            await statuses(b, 3, "Uploading", "Uploaded")
            await statuses(b, 1, "Uploading", "Uploading")
            await statuses(b, 2, "Uploading")
            server.hold.clear()
            assert await b.st.call("GetDiagnostics", {"location": server.url + "d"})
            await b.st.expect(DIAGNOSTICS, lambda p: p["status"] == "Uploading", WAIT_s)
            await get(b, 4, server.url + "4", "SecurityLog", "AcceptedCanceled")
            server.hold.set()
            await statuses(b, 4, "Uploading", "Uploaded")
            told = [p["status"] for p in b.st.received(DIAGNOSTICS)]
            assert told == ["Uploading", "UploadFailed"]


async def test_told_although_the_connection_was_lost(bench):
    async with bench(speed=5) as b:
        with HttpServer() as server:
            server.hold.clear()
            await get(b, 5, server.url)
            await statuses(b, 5, "Uploading")
            before = await b.away()
            server.hold.set()
            await asyncio.to_thread(server.came.wait, WAIT_s)
            mark = before.mark()
            await b.back(before)
            await statuses(b, 5, "Uploaded", since=mark)


async def test_a_log_leaves_in_the_heap_of_an_esp32(bench, micropython32):
    async with bench(interpreter=micropython32, heap=ESP32_HEAP, speed=5) as b:
        await b.charge()
        with HttpServer() as server:
            for id, kind in enumerate(("SecurityLog", "DiagnosticsLog")):
                await get(b, id, server.url, kind)
                await statuses(b, id, "Uploading", "Uploaded")
        await triggered(b, requestedMessage=STATUS)


# ExtendedTriggerMessage


async def test_extended_trigger_message(bench):
    async with bench(connectors=2) as b:
        for action, fields, expected in (
            ("BootNotification", {}, ["BootNotification"]),
            ("Heartbeat", {}, ["Heartbeat"]),
            ("StatusNotification", {}, ["StatusNotification"] * 3),
            ("StatusNotification", {"connectorId": 2}, ["StatusNotification"]),
            ("MeterValues", {"connectorId": 1}, ["MeterValues"]),
            ("MeterValues", {}, ["MeterValues"] * 2),
            (STATUS, {}, [STATUS]),
            (SIGNED, {}, [SIGNED]),
        ):
            await b.settled()
            since = b.st.mark()
            await triggered(b, requestedMessage=action.removeprefix("Signed"), **fields)
            await b.cs.until(lambda: len(b.st.received(action, since)) == len(expected), WAIT_s)  # noqa: B023
        for action in (STATUS, SIGNED):
            assert b.st.received(action)[-1] == {"status": "Idle"}
        for fields in ({"connectorId": 3}, {"connectorId": -1}):
            await triggered(b, "Rejected", requestedMessage="MeterValues", **fields)
