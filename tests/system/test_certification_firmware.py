"""OCPP 1.6's certification cases about firmware management (docs/conformance.md)."""

import asyncio
import re

import pytest
from file_servers import FtpServer, HttpServer
from station_driver import ID

from host.csms import format_time
from host.process import WAIT_s

STATUS = "DiagnosticsStatusNotification"


async def statuses(b, *expected, since=0):
    """Wait until these were told, and no others."""
    await b.st.expect(STATUS, lambda p: p["status"] == expected[-1], WAIT_s, since)
    assert [p["status"] for p in b.st.received(STATUS, since)] == list(expected)


async def ask(b, **payload):
    """GetDiagnostics; -> fileName."""
    answer = await b.st.call("GetDiagnostics", payload, WAIT_s)
    assert list(answer) == ["fileName"]
    return answer["fileName"]


async def test_045_1_get_diagnostics(bench):
    secrets = "0123456789abcdef", "wifi-secret"
    config = {"ssid": "Home", "wifi_password": secrets[1]}
    async with bench(password=secrets[0], config=config) as b:
        b.cs.credentials = None
        id = await b.charge()
        with HttpServer() as server:
            name = await ask(b, location=server.url + "in/")
            await statuses(b, "Uploading", "Uploaded")
            assert re.fullmatch(rf"pilotwire-{ID}-\d{{8}}T\d{{6}}Z\.txt", name)
            assert list(server.files) == ["/in/" + name]
            text = server.files["/in/" + name].decode()
        print(text)
        for word in (f", id {ID}", "[state]", f'"transactionId": {id}', "HeartbeatInterval = ",
                     "config.json ssid = Home", "[journal]", "transaction 1: ", "[crash]\nnone",
                     "[log]\n", "I connected to ws://"):  # fmt: skip
            assert word in text, word
        for secret in secrets:
            assert secret not in text and secret.upper() not in text
        # Nothing is asked for any more.
        since = b.st.mark()
        await b.ask("TriggerMessage", requestedMessage=STATUS)
        await statuses(b, "Idle", since=since)
        await b.finish()


async def test_045_1_by_ftp(bench, tmp_path):
    folder = tmp_path / "ftp"
    folder.mkdir()
    async with bench() as b:
        with FtpServer(folder) as server:
            name = await ask(b, location=server.url.replace("//", "//joe:p%40ss@"))
            await statuses(b, "Uploading", "Uploaded")
            text = (folder / name).read_text()
            assert "p%40ss" not in text and text.startswith("Pilotwire ")


async def test_045_2_upload_failed(bench):
    async with bench() as b:
        await ask(b, location="http://127.0.0.1:1/", retries=2, retryInterval=1)
        await statuses(b, "Uploading", "UploadFailed")
        said = "diagnostics not sent: 127.0.0.1: it refuses the connection"
        assert len([line for line in b.process.output if said in line]) == 2
        # What no try can mend is tried once.
        for url in ("sftp://joe:secret@127.0.0.1/", "nowhere"):
            since = b.st.mark()
            await ask(b, location=url, retries=9)
            await statuses(b, "Uploading", "UploadFailed", since=since)
        said = [line for line in b.process.output if "diagnostics not sent: no" in line]
        assert len(said) == 2 and "by sftp, but by http, https and ftp" in said[0]
        assert "not scheme://host" in said[1]
        assert not [line for line in b.process.output if "secret" in line]


async def test_one_upload_at_a_time(bench):
    """Who asks again hears which; who triggers hears that it runs; then there is another try."""
    async with bench(speed=5) as b:
        with HttpServer() as server:
            server.takes = ()
            name = await ask(b, location=server.url, retries=2, retryInterval=20)
            await statuses(b, "Uploading")
            since = b.st.mark()
            assert await ask(b, location="http://127.0.0.1:1/") == name
            await b.ask("TriggerMessage", requestedMessage=STATUS)
            await statuses(b, "Uploading", since=since)
            server.takes = ("PUT",)
            await b.st.expect(STATUS, lambda p: p["status"] == "Uploaded", WAIT_s)
            assert list(server.files) == ["/" + name]


@pytest.mark.parametrize("way", ["PUT", "POST"])
async def test_by_https(bench, certificates, way):
    """With a CA on the unit; by a form where no file can be put."""
    with HttpServer(certificates.context()) as server:
        server.takes = (way,)
        async with bench(speed=1, certs=certificates.unit()) as b:
            name = await ask(b, location=server.url + "x/")
            await statuses(b, "Uploading", "Uploaded")
            ((path, data),) = server.files.items()
            assert path == "/x/" + (name if way == "PUT" else "") and b"[log]" in data
    with HttpServer(certificates.context("stranger")) as server:
        async with bench(speed=1, certs=certificates.unit()) as b:
            await ask(b, location=server.url, retries=1)
            await statuses(b, "Uploading", "UploadFailed")
            assert not server.files and "TLS: " in "\n".join(b.process.output)


async def test_the_log_between_two_times(bench):
    async with bench() as b:
        with HttpServer() as server:
            whole = await ask(b, location=server.url)
            await statuses(b, "Uploading", "Uploaded")
            now = await b.now()
            for times in (
                {"startTime": format_time(now.replace(year=now.year + 1))},
                {"stopTime": format_time(now.replace(year=now.year - 1))},
            ):
                since = b.st.mark()
                await b.passed(1)
                name = await ask(b, location=server.url, **times)
                await statuses(b, "Uploading", "Uploaded", since=since)
                assert server.files["/" + name].decode().split("[log]\n")[1].strip() == ""
            lines = server.files["/" + whole].decode().split("[log]\n")[1].strip().split("\n")
            times = [line.split(" ")[0] for line in lines]
            assert times and times == sorted(times) and times[0][:4] == str(now.year)


async def test_told_although_the_connection_was_lost(bench):
    """What an upload has come to is told on the next connection."""
    async with bench(speed=5) as b:
        with HttpServer() as server:
            server.hold.clear()
            await ask(b, location=server.url)
            await statuses(b, "Uploading")
            before = await b.away()
            server.hold.set()
            await asyncio.to_thread(server.came.wait, WAIT_s)
            mark = before.mark()
            await b.back(before)
            await statuses(b, "Uploaded", since=mark)
