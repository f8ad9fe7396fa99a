"""Updates by the Central System on the virtual board: into both halves of the partition romfs and
into both files, with the power cut at flash operations of it."""

import os

import pytest
from vboard_driver import ID, SETTINGS, Board, Listener

from host import release
from host.csms import CentralSystem, format_time
from host.csms_update import FileServer
from host.image import make_image
from host.process import WAIT_s, poll
from host.romfs import build_image
from host.vboard import ROMFS_BYTES

NAME = "FirmwareStatusNotification"
OPERATIONS = {"rom": 90, "files": 2000}  # of the flash: of an update, about
ENDS = "Installed", "InstallationFailed", "DownloadFailed"


class World:
    """A board that runs from an image or from files, a Central System, and what that serves."""

    def __init__(self, folder, kind):
        self.folder, self.kind = folder, kind
        self.cs, self.server = CentralSystem(log=print), FileServer()

    async def __aenter__(self):
        await self.cs.start()
        await self.server.start()
        self.server.files["/x.upd"] = release.make()
        config, words = {**SETTINGS, "url": self.cs.url}, []
        rom = self.folder / "rom"
        if self.kind == "rom":
            rom.write_bytes(build_image().read_bytes().ljust(ROMFS_BYTES, b"\xff"))
            words = "--romfs", rom
        image = make_image(512 * 4096, config, self.kind != "rom")
        (self.folder / "flash.img").write_bytes(image)
        self.board = Board(self.folder, *words)
        await self.board.__aenter__()
        self.st = await self.cs.wait_station(ID, WAIT_s)
        await self.booted(self.st)
        return self

    async def __aexit__(self, *error):
        await self.board.__aexit__(*error)
        self.server.stop()
        await self.cs.stop()

    async def booted(self, st, since=0):
        await st.expect("StatusNotification", lambda p: p["connectorId"] == 1, WAIT_s, since)

    async def update(self):
        """Ask for it; -> the mark before."""
        mark = self.st.mark()
        url = f"http://127.0.0.1:{self.server.port}/x.upd"
        payload = {"location": url, "retrieveDate": format_time(self.cs.now()), "retryInterval": 1}
        assert await self.st.call("UpdateFirmware", payload) == {}
        return mark

    async def told(self, mark):
        """What was told until its end."""

        def found():
            self.st = self.cs.stations.get(ID, self.st)
            said = [p["status"] for p in self.st.received(NAME, mark)]
            return said if said and said[-1] in ENDS else None

        return await self.cs.until(found, WAIT_s)


@pytest.mark.parametrize("kind, names", [("rom", ("rom2", "rom")), ("files", ("b", "a"))])
async def test_two_updates(kind, names, tmp_path):
    async with World(tmp_path, kind) as w:
        for name in names:
            with Listener(w.board.port) as line:
                mark = await w.update()
                done = ["Downloading", "Downloaded", "Installing", "Installed"]
                assert await w.told(mark) == done
                await line.until(f"slot {name} is on trial")
        where = await w.board.eval("__import__('firmware.safe').safe.__file__")
        assert where == f"/{names[-1]}/firmware/safe.mpy"

        async def over():  # (the answer to what was told last is on its way)
            return await w.board.eval("'update' in __import__('os').listdir('/auth')") == "False"

        await poll(over, WAIT_s, "the update is forgotten")


@pytest.mark.parametrize("kind", ["rom", "files"])
async def test_the_power_may_be_cut_anywhere(kind, tmp_path, rng):
    """The unit comes back with the old or the new code, whole; what became of the update is told,
    each status in its place. PILOTWIRE_CUTS is how often (3 without it)."""
    seen = []
    async with World(tmp_path, kind) as w:
        for _ in range(int(os.environ.get("PILOTWIRE_CUTS", 3))):
            at, after = rng.randrange(1, OPERATIONS[kind]), rng.choice((0, 17, 300))
            since = len(w.board.process.output)
            mark = await w.update()
            await w.board.process.do(f"power-cut-at {at} {after} 0")
            said = await w.told(mark)
            output = w.board.process.output[since:]
            cut = [line for line in output if "power fails" in line]
            seen.append((at, after, bool(cut), said))
            print(seen[-1])
            order = ["Downloading", "Downloaded", "Installing"]
            # (what was told in the moment of the cut may be told twice)
            once = [status for i, status in enumerate(said[:-1]) if status not in said[:i]]
            assert once == order[: len(once)], said
            await w.board.process.do("power-cut-at 1000000 0 0")
    assert [1 for _, _, cut, _ in seen if cut], seen
