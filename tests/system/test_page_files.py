"""Files that leave and come by the unit's own page (docs/page.md): diagnostics, updates; and the
history, over a restart."""

import asyncio
import contextlib
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

from test_certification_update import other, packed
from test_chip import CHIP, GAP_ms
from test_page import PASSWORD, Page, PageBench, free_port
from updates import HEAP, NAME, NEW, release_file, serving, told, until, update
from vboard_driver import Board, flash

from bench.page import dribbling
from host import page_password, release
from host.csms import CentralSystem
from host.process import WAIT_s, poll
from host.romfs import build_image


def slots(b):
    return re.findall(r"slot (\w+) is on trial, after it", "\n".join(b.process.output))


def log(b):
    return [line for line in b.process.output if "page: update: " in line]


async def bring(b, data):
    """-> (status, what is said)"""
    status, _, said = await b.page.ask("POST", "/update", data)
    (said,) = json.loads(said).values()
    return status, said


async def brought(b, data, old, version=NEW):
    """It is installed; the page is that of the new run."""
    status, said = await bring(b, data)
    assert status == 200 and said.startswith(f"version {version} is there, in place of "), said
    await b.again(old)


async def whole(b):
    """Wait for the end of the trial; -> what the page says of updates."""

    async def over():
        try:
            told = await b.page.json("/update")
        except (ConnectionError, IndexError):  # (it restarts)
            return None
        return told if told["trial"] is None and told["hinders"] is None else None

    return await poll(over, WAIT_s, "the trial is over")


def signer(folder, who):
    (folder / "key.pem").write_bytes(who.key_pem)
    return release.signer(folder / "key.pem")


class Upload:
    """One that is sent in parts."""

    def __init__(self, b, data):
        self.b, self.data = b, data

    async def __aenter__(self):
        """The first half is sent, and begun to be written."""
        page, mark = self.b.page, len(self.b.process.output)
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", page.port)
        head = f"Host: {page.host}\r\nOrigin: http://{page.host}\r\nCookie: {page.cookie}\r\n"
        head = f"POST /update HTTP/1.1\r\n{head}Content-Length: {len(self.data)}\r\n\r\n"
        self.writer.write(head.encode() + self.data[: len(self.data) // 2])
        await self.writer.drain()
        await self.b.process.wait_output("page: an update comes", since=mark)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def rest(self):
        """-> (status, what is said)"""
        self.writer.write(self.data[len(self.data) // 2 :])
        said = await asyncio.wait_for(self.reader.read(), WAIT_s)
        head, _, body = said.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), *json.loads(body).values()


def plain(chunked):
    """A body in chunks (RFC 9112, 7.1), all of them."""
    out = b""
    while True:
        size, _, chunked = chunked.partition(b"\r\n")
        n = int(size, 16)
        assert chunked[n : n + 2] == b"\r\n"
        if not n:
            assert chunked == b"\r\n"
            return out
        out, chunked = out + chunked[:n], chunked[n + 2 :]


async def test_the_file_for_who_looks_after_the_unit(tmp_path, micropython):
    """What GetDiagnostics sends, to nobody who has not signed in."""
    config = {
        "password": "secret-of-the-link",
        "networks": [{"ssid": "home", "password": "secret-of-the-wifi"}],
    }
    token = {"page-token": "secret-token"}
    async with PageBench(tmp_path, speed=20, config=config, **token) as b:
        await b.charge()
        assert (await b.page.ask("GET", "/diagnostics"))[0] == 401
        machine = {"Authorization": "Bearer secret-token"}
        assert (await b.page.ask("GET", "/diagnostics", **machine))[0] == 401
        await b.page.sign_in()
        status, head, body = await b.page.ask("GET", "/diagnostics")
        assert (status, head["Content-Type"]) == (200, "text/plain; charset=utf-8")
        name = re.fullmatch(r'attachment; filename="(.*)"', head["Content-Disposition"])[1]
        assert re.fullmatch(r"pilotwire-CP1-\d{8}T\d{6}Z\.txt", name)
        text = plain(body).decode()
        for part in ("[state]", "[journal]", "[configuration]", "[crash]", "[log]"):
            assert f"\n{part}\n" in text, part
        assert "tag TAG" in text and "page: signed in" in text and text.endswith("\n")
        assert "secret" not in text and PASSWORD not in text and b.page.cookie[10:] not in text
        assert "config.json page = (not shown)" in text


async def test_two_updates_by_the_page(tmp_path, micropython, files):
    """Each into the other slot, on trial. The Central System hears of its event alone."""
    async with PageBench(tmp_path, heap=HEAP) as b:
        for into in "ab":
            await b.page.sign_in()
            before = await b.page.json("/update")
            assert before["slot"] != into and before["hinders"] is None
            await brought(b, files, b.st)
            assert slots(b)[-1] == into
            assert (await whole(b))["slot"] == into
            assert not (await b.page.json("/state"))["unit"]["signed_in"]
        assert told(b) == []
        await b.ask("TriggerMessage", requestedMessage=NAME)
        assert (await b.st.expect(NAME, None, WAIT_s))["status"] == "Idle"
        await b.charge()


async def test_what_is_wrong_with_a_file_is_said_and_costs_nothing(tmp_path, micropython, makers):
    """The slot that runs goes on, and a good one may come after that."""
    config = {"update_signed": True}
    async with PageBench(tmp_path, heap=HEAP, config=config, certs=makers.folder) as b:
        page, image = b.page, build_image().read_bytes()
        assert (await page.ask("POST", "/update", b"x" * 600))[0] == 401
        await page.sign_in()
        before = await page.json("/update")
        for origin in (None, "http://evil.example"):
            assert (await page.ask("POST", "/update", b"x" * 600, Origin=origin))[0] == 403
        full = "[open('/full%d' % k, 'wb').write(bytes(200000)) for k in range(7)]"
        await b.do(f"console >>> {full}")  # (of 2 MB)
        await b.process.wait_output("[200000")
        key, another = signer(tmp_path, makers.maker), signer(tmp_path, makers.other)
        good = release.make(text=NEW, key=key)
        for status, data, why in (
            (400, b"<html></html>" * 5000, "it is no .upd that make release has made"),
            (400, good[:-1], r"it has \d+ bytes, its header says \d+"),
            (400, good + b"x", r"it has \d+ bytes, its header says \d+"),
            (400, good[:-1] + bytes([good[-1] ^ 1]), "it is damaged"),
            (400, release.make(text=NEW), "it is not signed"),
            (400, release.make(text=NEW, key=another), "its maker is not that of this unit"),
            (400, release.make(chip="ESP32S3", key=key), "it is for an ESP32S3, this is an .*"),
            (400, release.make(mpy=7, key=key), "its .mpy files have version 7, this .* reads 6"),
            (400, release.make(oldest=(9, 0, 0), key=key), "it needs MicroPython 9.0.0, .*"),
            (400, release.pack(image * 2, key=key), r"it is too large: it has \d+ bytes, .*"),
            (400, release.pack(b"x" * 9000, key=key), "/a.rom is not a whole image"),
            (413, b"x" * (2 << 20) + b"x", "an update has 1 to 2097152 bytes"),
            (413, b"", "an update has 1 to 2097152 bytes"),
        ):
            said = await bring(b, data)
            assert said[0] == status and re.fullmatch(why, said[1]), said
            assert await page.json("/update") == before, why
        assert len(log(b)) == 13 and not slots(b)
        await brought(b, release.make(text="0.0.1", key=key), b.st, "0.0.1")  # (an older one, too)
        assert slots(b) == ["a"]


async def test_who_is_refused_hears_it_at_once_and_keeps_nobody(tmp_path, micropython):
    """Also one that goes on sending, slowly."""
    async with PageBench(tmp_path, heap=HEAP) as b:
        await b.page.sign_in()
        async with Upload(b, b"<html></html>" * 5000) as upload:
            writes = dribbling(upload.reader, upload.writer, asyncio.Event())
            slow = asyncio.create_task(writes)
            said = await asyncio.wait_for(upload.reader.readuntil(b"}"), WAIT_s)
            assert said.startswith(b"HTTP/1.1 400 ") and b"it is no .upd" in said
            await b.page.json("/state")
            await asyncio.wait_for(slow, WAIT_s)


async def test_a_connection_that_breaks_and_a_power_cut_leave_what_runs(
    tmp_path, micropython, files
):
    async with PageBench(tmp_path, heap=HEAP) as b:
        await b.page.sign_in()
        before = await b.page.json("/update")
        async with Upload(b, files) as upload:
            pass
        assert await whole(b) == before
        async with Upload(b, files):
            await b.cut()
        assert await b.page.json("/update") == before and not slots(b)
        await b.page.sign_in()
        async with Upload(b, files) as upload:  # (it may take its time, also where others wait)
            waiting = asyncio.create_task(b.page.json("/state"))
            await b.passed(2)
            assert (await upload.rest())[0] == 200
            with contextlib.suppress(ConnectionError, IndexError):  # (it restarts)
                await waiting
        await b.again(b.st)
        assert slots(b) == ["a"] and told(b) == []


async def test_a_car_comes_first(tmp_path, micropython, files):
    """Nothing is written while a contactor is closed; nor does it restart before the last
    transaction has ended."""
    charges = 409, "a car charges, and nothing is written meanwhile: bring it again later"
    async with PageBench(tmp_path, heap=HEAP, speed=20) as b:
        await b.page.sign_in()
        async with Upload(b, files) as upload:
            await b.charge()
            assert await upload.rest() == charges
        assert (await b.page.json("/update"))["hinders"] == charges[1]
        assert await bring(b, files) == charges
        old = b.st
        await b.do("pause")
        await b.process.until(lambda c: not c["contactor"])
        status, said = await bring(b, files)
        assert status == 200 and "restarts when the last transaction has ended" in said
        waits = "an update is there: it is installed when the last transaction has ended"
        assert (await b.page.json("/update"))["hinders"] == waits
        assert await bring(b, files) == (409, waits)
        await b.do("tag TAG")
        await b.stopped(reason="Local")
        await b.again(old)
        assert slots(b) == ["a"]


async def test_the_central_systems_update_comes_first(tmp_path, micropython, files):
    async with PageBench(tmp_path, heap=HEAP) as b, serving(files) as server:
        await b.page.sign_in()
        await update(b, server, at_s=3600)
        asked = 409, "the Central System has asked for an update"
        assert await bring(b, files) == asked
        await b.cut()  # (forgotten with nothing is: it is kept)
        await b.page.sign_in()
        assert await bring(b, files) == asked


async def test_one_that_is_being_brought_gives_way(tmp_path, micropython, files):
    """To the Central System's: both would be written to one slot."""
    async with PageBench(tmp_path, heap=HEAP) as b, serving(files) as server:
        await b.page.sign_in()
        old = b.st
        async with Upload(b, files) as upload:
            mark = await update(b, server)
            taken = 409, "the Central System has asked for another one"
            assert await upload.rest() == taken
        done = ["Downloading", "Downloaded", "Installing", "Installed"]
        assert await until(b, "Installed", mark) == done
        assert b.st is not old and slots(b) == ["a"]


async def test_the_trial(tmp_path, micropython, files):
    """The Central System is away: what is on trial is not overwritten, nor what was before."""
    async with PageBench(tmp_path, heap=HEAP) as b:
        await b.page.sign_in()
        await b.away()
        assert (await bring(b, files))[0] == 200

        async def trial():
            try:
                return (await b.page.json("/update"))["trial"]
            except (ConnectionError, IndexError):  # (it restarts)
                return None

        assert await poll(trial, WAIT_s, "the new one runs") == 2
        await b.page.sign_in()
        why = "the version that runs is on trial, for five minutes at most"
        assert await bring(b, files) == (409, why)
        await b.do("speed 500")
        assert (await whole(b))["slot"] == "a"


async def test_one_that_does_not_run(tmp_path, micropython):
    """After three starts that one runs again which did before, and the page has why."""

    def spoil(found):  # another module's code: it is imported, and has no Link
        found["firmware/ocpp/link.mpy"] = found["firmware/log.mpy"]

    async with PageBench(tmp_path, heap=HEAP) as b:
        await b.page.sign_in()
        before = await b.page.json("/update")
        await brought(b, packed(other(spoil), tmp_path), b.st)
        assert await whole(b) == before and slots(b) == ["a"] * 3
        crash = (await b.page.json("/state"))["report"]["crash"]
        assert crash.startswith("slot a was given up"), crash
        # (what was to fail says so)
        b.process.output[:] = [line for line in b.process.output if "Traceback" not in line]


async def test_the_tick_goes_on_while_an_update_is_brought(tmp_path, micropython32):
    """On a board as slow as a chip, with the heap of one without PSRAM. (It is seen only when all
    of it has come that this is none.)"""
    async with PageBench(tmp_path, **CHIP) as b:
        await b.do("plug")
        await b.status("Preparing")
        await b.page.sign_in()
        await b.process.command("gauge")
        none = 400, "/a.rom is not a whole image"
        assert await bring(b, release.pack(b"x" * 100000)) == none
        seen = await b.process.command("gauge")
        print(seen)
        assert seen["ticks"] > 100 and seen["gap_ms"] < GAP_ms, seen


async def test_the_power_may_be_cut_anywhere(tmp_path, rng):
    """The board comes back with the old or the new version, whole; then another is taken.
    PILOTWIRE_CUTS is how often (3 without it)."""
    cs, port = CentralSystem(log=print), free_port()
    await cs.start()
    secret = {**page_password.page(PASSWORD, "token"), "port": port}
    flash(tmp_path, url=cs.url, page=secret)
    async with Board(tmp_path) as board:
        b = SimpleNamespace(options={"page": port}, process=board.process)
        b.page = Page(b)
        for _ in range(int(os.environ.get("PILOTWIRE_CUTS", 3))):
            at, after = rng.randrange(1, 2000), rng.choice((0, 17, 300))
            before = await whole(b)
            await b.page.sign_in()
            await board.process.do(f"power-cut-at {at} {after} 0")
            with contextlib.suppress(ConnectionError, IndexError):
                await bring(b, release_file())
            now = await whole(b)
            cut = [line for line in board.process.output if "power fails" in line]
            print(at, after, len(cut), before["slot"], now["slot"])
            await board.process.do("power-cut-at 1000000 0 0")
        assert cut
        await b.page.sign_in()
        assert (await bring(b, release_file()))[0] == 200

        async def other():
            return (await whole(b))["slot"] != now["slot"]

        await poll(other, WAIT_s, "the other slot runs")
    await cs.stop()


async def test_the_history_over_a_restart(tmp_path, micropython):
    async with PageBench(tmp_path, speed=20) as b:

        async def past():
            told = await b.page.json("/history/1")
            return bytes.fromhex(told["samples"])[0::3].rstrip(b"\xff")

        async def some():
            return (await past())[-4:] == b"\x40" * 4

        await b.do("speed 2000")
        await poll(some, WAIT_s, "four samples")
        await b.do("speed 20")
        await b.page.sign_in()
        old = b.st
        assert (await b.page.post("/restart"))[0] == 200
        await b.again(old)
        assert (await past())[-4:] == b"\x40" * 4, "32 A, the hardware's"


async def test_a_person_installs_an_update(tmp_path, micropython, browser):
    """The page looks at the file first; shows what becomes of it, over the restart."""
    good, bad, none = (tmp_path / name for name in ("good.upd", "bad.upd", "none.upd"))
    good.write_bytes(release_file())
    bad.write_bytes(release_file()[:-1] + b"!")
    none.write_bytes(b"<html></html>" * 50)
    async with PageBench(tmp_path, heap=HEAP) as b:
        async with browser.open(f"http://127.0.0.1:{b.page.port}/") as window:
            asked = []

            async def asks(dialog):
                asked.append(dialog.message)
                await dialog.accept()

            window.page.on("dialog", asks)
            assert await window.field("Update file").is_hidden()
            await window.field("Password").fill(PASSWORD)
            await window.button("Sign in").click()
            await window.shows("You are signed in.")
            link = window.page.get_by_role("link", name="Download diagnostics")
            async with window.page.expect_download() as begun:
                await link.click()
            download = await begun.value
            assert download.suggested_filename.startswith("pilotwire-CP1-")
            assert "[log]" in Path(await download.path()).read_text()
            for path, said in (
                (none, "It is no .upd that make release has made."),
                (bad, "It is refused: it is damaged."),
                (good, re.compile(r"^Version [\d.]+ runs\.$")),
            ):
                await window.field("Update file").set_input_files(path)
                await window.button("Install it").click()
                await window.shows(said)
            window.refused(400)
            window.complaints.clear()  # (the unit does not answer while it restarts)
            assert len(asked) == 2 and asked[0].startswith(f"Install version {NEW} in place of ")
            assert await window.field("Update file").is_hidden(), "nobody is signed in any more"
        assert slots(b) == ["a"]
