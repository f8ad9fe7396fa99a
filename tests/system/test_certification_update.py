"""The certification tool's cases for a charge point, OCPP 1.6 FirmwareManagement: updates; and
what they mean for who charges, for the power and for the connection. tools/station boots from its
flash what an update has put there, as a board without a ROMFS partition does."""

import asyncio
import ssl

import pytest
from file_servers import FtpServer
from station_driver import TAG, utc
from updates import HEAP, NEW, release_file, serving, told, triggered, until, update

from host import certs, release, romfs
from host.build import build
from host.csms import format_time
from host.process import WAIT_s, poll


@pytest.fixture(scope="module")
def files():
    """The bytes of a release of this build, which calls itself NEW."""
    return release_file()


def other(change):
    """A release of this build in which change({path: bytes}) was made."""
    tree = build()
    names = [p.relative_to(tree).as_posix() for p in sorted(tree.rglob("*.mpy"))]
    found = {name: (tree / name).read_bytes() for name in names}
    change(found)
    return found


def packed(found, folder):
    for name, data in found.items():
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return release.make(romfs.pack(folder / "tree"), text=NEW)


def slot(b):
    return [line for line in b.process.output if " is on trial, after it" in line]


DONE = ["Downloading", "Downloaded", "Installing", "Installed"]


async def test_044_1_download_and_install(bench, files):
    """Each status once, the last after the restart; the next update goes into the other slot."""
    async with bench(heap=HEAP) as b, serving(files) as server:
        assert await triggered(b) == "Idle"
        for number, into in enumerate("ab"):
            before, mark = b.st, await update(b, server)
            assert await until(b, "Installed", mark) == DONE
            assert b.st is not before
            assert f"slot {into} is on trial" in slot(b)[number]
            assert b.st.received("BootNotification", mark)
            assert await triggered(b) == "Idle"
        assert [at for _, _, at in server.asked] == [0, 0]
        await b.charge()


async def test_044_2_download_failed(bench, files):
    """Nothing is there; the file is none, or another's; it breaks off once too often. The reason
    is told as info of connector 0; what ran runs."""
    async with bench(heap=HEAP, speed=50) as b, serving(files) as server:
        server.files["/none.upd"] = b"<html></html>" * 30
        server.files["/odd.upd"] = release.pack(b"x" * 9000)
        server.files["/bent.upd"] = files[:-1] + bytes([files[-1] ^ 1])
        for path, tries, why in (
            ("/nowhere.upd", 2, "update: 127.0.0.1: HTTP 404"),
            ("/none.upd", 3, "update: it is no .upd that make release has made"),
            ("/odd.upd", 3, "update: /a.rom is not a whole image"),
            ("/bent.upd", 3, "update: it is damaged"),
        ):
            asked = len(server.asked)
            mark = await update(b, server, path, retries=tries, retryInterval=1)
            assert await until(b, "DownloadFailed", mark) == ["Downloading", "DownloadFailed"]
            info = await b.st.expect(
                "StatusNotification", lambda p: p["connectorId"] == 0 and "info" in p, WAIT_s, mark
            )
            assert info["info"].startswith(why), info
            wanted = 2 if path == "/nowhere.upd" else 1
            assert len(server.asked) - asked == wanted, "what is wrong with a file stays so"
            assert await triggered(b) == "Idle"
        server.cut = [50000, 10, 0]
        mark = await update(b, server, retries=3, retryInterval=1)
        assert await until(b, "DownloadFailed", mark) == ["Downloading", "DownloadFailed"]
        assert not slot(b)
        await b.charge()


async def test_044_3_installation_failed(bench, tmp_path):
    """The new code does not reach the Central System: after three starts the old one runs again,
    and tells it."""

    def spoil(found):  # another module's code: it is imported, and has no Link
        found["firmware/ocpp/link.mpy"] = found["firmware/log.mpy"]

    async with bench(heap=HEAP) as b, serving(packed(other(spoil), tmp_path)) as server:
        mark = await update(b, server)
        wanted = ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
        assert await until(b, "InstallationFailed", mark) == wanted
        assert len(slot(b)) == 3
        assert await triggered(b) == "Idle"
        # (what was to fail says so)
        b.process.output[:] = [line for line in b.process.output if "Traceback" not in line]


async def test_a_download_that_breaks_off_goes_on_where_it_was(bench, files):
    async with bench(heap=HEAP, speed=50) as b, serving(files) as server:
        server.cut = [40000, 30000]
        mark = await update(b, server, retryInterval=1)
        assert await until(b, "Installed", mark) == DONE
        assert [at for _, _, at in server.asked] == [0, 40000, 70000]


async def test_by_https(bench, files, tmp_path):
    """A server is trusted as the Central System is, by /certs."""
    contexts = []
    for folder in ("others", "certs"):
        certs.make(tmp_path / folder)
        contexts.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        contexts[-1].load_cert_chain(tmp_path / folder / "server.pem")
    async with bench(heap=HEAP, speed=4, certs=tmp_path / "certs") as b:
        for context, last in zip(contexts, ("DownloadFailed", "Installed"), strict=True):
            async with serving(files, ssl=context) as server:
                mark = await update(b, server, retries=1)
                assert (await until(b, last, mark))[-1] == last


async def test_by_ftp(bench, files, tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served/x.upd").write_bytes(files)
    with FtpServer(tmp_path / "served") as server:
        async with bench(heap=HEAP) as b:
            mark, when = b.st.mark(), format_time(await b.now())
            payload = {"location": server.url + "x.upd", "retrieveDate": when}
            assert await b.st.call("UpdateFirmware", payload) == {}
            assert (await until(b, "Installed", mark))[-1] == "Installed"


async def test_a_transaction_goes_on_and_none_begins(bench, files):
    """Nothing is written while a contactor is closed; what is downloaded waits for the last
    transaction; meanwhile cards and remote starts begin nothing."""
    async with bench(connectors=2, heap=HEAP) as b, serving(files) as server:
        await b.charge()
        mark = await update(b, server)
        await b.passed(20)
        assert told(b, mark) == [] and not server.asked
        await b.do("pause")
        assert await until(b, "Downloaded", mark) == DONE[:2]
        await b.do("ready")
        await b.process.until(lambda c: c["contactor"])
        await b.do("plug 2")
        await b.do("tag OTHER 2")
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=2)
        await b.passed(20)
        assert await triggered(b) == "Downloaded"
        c = await b.process.until(lambda c: True, 1)
        assert c["contactor"] and c["transactionId"]
        assert len(b.st.received("StartTransaction")) == 1
        await b.do(f"tag {TAG} 1")
        assert (await until(b, "Installed", mark))[-2:] == DONE[2:]
        actions = [f[2] for way, f, _ in b.st.messages[mark:] if way == "in" and f[0] == 2]
        stop, boot = actions.index("StopTransaction"), actions.index("BootNotification")
        assert stop < boot
        assert b.st.received("StopTransaction", mark)[0]["reason"] == "Local"
        await b.booted(mark, 2)
        await b.do("unplug 2")
        await b.do("unplug 1")
        await b.charge("OTHER", 2)


async def test_it_waits_for_its_time_and_the_latest_counts(bench, files):
    async with bench(heap=HEAP) as b, serving(files) as server:
        mark = await update(b, server, "/nowhere.upd", 3600)
        assert await triggered(b) == "Idle"
        await b.cut()  # what is to come outlives the power
        await update(b, server, "/x.upd", 60)
        asked = await b.now()
        assert [s for s in await until(b, "Installed", mark) if s != "Idle"] == DONE
        assert (await b.now() - asked).total_seconds() >= 60
        assert [path for _, path, _ in server.asked] == ["/x.upd"]


async def test_the_connection_is_away_meanwhile(bench, files):
    """What could not be told is told in order, also over the restart."""
    async with bench(heap=HEAP) as b, serving(files) as server:
        mark = await update(b, server, at_s=30)
        await b.away()
        await poll(lambda: slot(b), WAIT_s, "the restart")
        await b.cs.start()
        assert await until(b, "Installed", mark) == DONE


async def test_the_power_fails_while_it_downloads(bench, files):
    """The download begins anew, as often as it was to be tried; then it has failed."""
    async with bench(heap=HEAP, speed=10) as b, serving() as server:
        gate = asyncio.Event()

        async def slow(reader, writer):
            gate.set()
            await asyncio.sleep(3600)

        silent = await asyncio.start_server(slow, "127.0.0.1", 0)
        server.port = silent.sockets[0].getsockname()[1]
        mark = await update(b, server, retries=2, retryInterval=0)
        for _ in range(2):
            await asyncio.wait_for(gate.wait(), WAIT_s)
            assert await triggered(b) == "Downloading"
            gate.clear()
            await b.cut()
        said = [s for s in await until(b, "DownloadFailed", mark) if s != "Downloading"]
        assert said == ["DownloadFailed"]
        silent.close()


async def test_a_location_that_is_too_long(bench):
    async with bench() as b:
        b.hostile = True
        payload = {"location": "http://" + "x" * 600, "retrieveDate": format_time(utc())}
        await b.refused("UpdateFirmware", payload, "PropertyConstraintViolation", "at most 512")


async def test_one_that_downloads_is_replaced(bench, files):
    """Its connection ends at once, and the newer one is downloaded."""
    async with bench(heap=HEAP, speed=10) as b, serving(files) as server:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def silent(reader, writer):
            begun.set()
            await reader.read(-1)  # until the unit has closed it
            ended.set()
            writer.close()

        other = await asyncio.start_server(silent, "127.0.0.1", 0)
        port, server.port = server.port, other.sockets[0].getsockname()[1]
        mark = await update(b, server, retries=1)
        await asyncio.wait_for(begun.wait(), WAIT_s)
        server.port = port
        await update(b, server)
        assert await until(b, "Installed", mark) == ["Downloading", *DONE]
        assert ended.is_set()
        other.close()
