"""firmware/network/transfer.py on MicroPython against real servers of files. (What no server
should do: tests/unit/mp_transfer.py.)"""

import asyncio
import json
import os
import subprocess

import pytest
from file_servers import FILE, FtpServer, HttpServer

from bench import micropython as run_on_32_bits
from bench.heap import SHARED
from host.build import ROOT, SIMULATOR
from host.process import WAIT_s
from host.romfs import build_image, build_simulator_image

PLAYER = """
import sys
sys.path[:] = ["", "lib", ".frozen"]
import asyncio, json, os
from firmware.network import transfer

job = json.loads(os.getenv("JOB"))
context = None
if job["ca"]:
    import tls
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    with open(job["ca"], "rb") as f:
        context.load_verify_locations(f.read())

class Sink:
    def __init__(self, f, most):
        self.f, self.most, self.at, self.began = f, most, 0, []
    def begin(self, at, size):
        self.at = at
        self.began.append((at, size))
        self.f.seek(at)
    def write(self, view):
        if self.at + len(view) > self.most:
            raise ValueError("no more than %d" % self.most)
        self.f.write(view)
        self.at += len(view)

async def resolve(host):
    return "127.0.0.1"

async def run():
    said, more = [], {"ssl": context, "resolve": resolve, "stall_s": job["stall_s"]}
    with open(job["path"], "wb" if job["what"] == "download" else "rb") as f:
        if job["what"] == "upload":
            f.close()
            def pieces():
                with open(job["path"], "rb") as f:
                    while data := f.read(1000):
                        yield data
            try:
                await transfer.upload(job["url"], job["name"], pieces, **more)
            except (OSError, ValueError) as e:
                said.append(str(e))
            return said, None
        sink = Sink(f, job["most"])
        sink.at = job["at"]
        for _ in range(job["tries"]):
            try:
                await transfer.download(job["url"], sink, sink.at, **more)
                break
            except (OSError, ValueError) as e:
                said.append(str(e))
        return said, sink.began

print(json.dumps(asyncio.run(run())))
"""


@pytest.fixture
def play(tmp_path, micropython):
    """play(url, what="download", ...) -> (lines of what went wrong, what begin() heard, file)."""

    async def run(url, what="download", data=None, **more):
        path = tmp_path / "file"
        if data is not None:
            path.write_bytes(data)
        job = {"ca": None, "stall_s": 20, "most": 1 << 22, "at": 0, "tries": 1, "name": "d.txt"}
        job.update(url=url, what=what, path=str(path), **more)
        done = await asyncio.to_thread(
            subprocess.run,
            [micropython, "-X", "heapsize=2M", "-c", PLAYER],
            cwd=ROOT,
            env={**os.environ, "JOB": json.dumps(job)},  # (longer than an argument may be)
            capture_output=True,
            text=True,
            timeout=4 * WAIT_s,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said, began = json.loads(done.stdout)
        return said, began, path.read_bytes()

    return run


async def test_by_http(play):
    with HttpServer() as server:
        for kind, size in (("file", 40000), ("chunked", None), ("close", None), ("slow", 40000)):
            assert await play(server.url + kind) == ([], [[0, size]], FILE), kind
        said, began, data = await play(server.url + "file", at=30000)
        assert (said, began, data[30000:]) == ([], [[30000, 40000]], FILE[30000:])
        said, began, data = await play(server.url + "plain", at=30000)
        assert (said, began, data) == ([], [[0, 40000]], FILE)
        server.away = server.url + "file"
        assert await play(server.url + "away") == ([], [[0, 40000]], FILE)


@pytest.mark.parametrize(
    "kind, why",
    [
        ("missing", "HTTP 404 Not Found"),
        ("loop", "more than 3 redirects"),
        ("long", "cut short at byte 40000 of 40100"),
        ("stall", "nothing moved for 1 s"),
        ("reset", "cut short at byte 5000 of 40000|it has broken the connection"),
        ("endless", "no more than 200000"),
    ],
)
async def test_what_http_servers_do_wrong(play, kind, why):
    with HttpServer() as server:
        said, _, _ = await play(server.url + kind, stall_s=1, most=200000)
        assert len(said) == 1 and said[0].removeprefix("127.0.0.1: ") in why.split("|"), said


async def test_who_sends_more_than_was_said_is_not_heard(play):
    with HttpServer() as server:
        assert await play(server.url + "short") == ([], [[0, 39900]], FILE[:39900])


async def test_cut_after_each_kilobyte_and_resumed(play):
    with HttpServer() as server:
        said, began, data = await play(server.url + "cut", tries=60)
        assert data == FILE and len(said) == 39
        assert began == [[1024 * i, 40000] for i in range(40)]
        assert said[5] == "127.0.0.1: cut short at byte 6144 of 40000"


async def test_by_https(play, certificates):
    ca = str(certificates.unit() / "ca.der")
    with HttpServer(certificates.context(), "localhost") as server, HttpServer() as plain:
        for kind, size in (("file", 40000), ("chunked", None), ("close", None)):
            assert await play(server.url + kind, ca=ca) == ([], [[0, size]], FILE), kind
        said, began, data = await play(server.url + "file", ca=ca, at=30000)
        assert (said, began, data[30000:]) == ([], [[30000, 40000]], FILE[30000:])
        plain.away = server.url + "file"
        assert await play(plain.url + "away", ca=ca) == ([], [[0, 40000]], FILE)
        server.away = plain.url + "file"
        said, _, _ = await play(server.url + "away", ca=ca)
        assert said == ["127.0.0.1: a redirect to http is not followed"]
        # Where nobody said how long it is, an end of TCP without one of TLS is the file's too:
        # MicroPython does not tell them apart. (Who reads the file has to know.)
        assert await play(server.url + "torn", ca=ca) == ([], [[0, None]], FILE[:5000])
        said, _, _ = await play(server.url + "file")
        assert said == ["localhost: https wants a CA, and there is none"]
        said, _, _ = await play(server.url.replace("https", "http") + "file", stall_s=2)
        assert len(said) == 1
        said, _, _ = await play(plain.url.replace("http", "https") + "file", ca=ca, stall_s=2)
        assert len(said) == 1 and "TLS: " in said[0], said


@pytest.mark.parametrize(
    "server, host, why",
    [
        ("good", "127.0.0.1", None),
        ("host", "localhost", "match with the"),
        ("host", "csms.example", None),
        ("expired", "localhost", "has expired"),
        ("stranger", "localhost", "not correctly signed"),
        ("alone", "localhost", "not correctly signed"),
    ],
)
async def test_certificates_are_checked(play, certificates, server, host, why):
    ca = str(certificates.unit() / "ca.der")
    with HttpServer(certificates.context(server), host) as s:
        said, began, data = await play(s.url + "file", ca=ca)
        if why is None:
            assert (said, data) == ([], FILE)
        else:
            assert len(said) == 1 and f"{host}: TLS: " in said[0] and why in said[0], said
            assert began == [] and data == b""


async def test_by_ftp(play, tmp_path):
    folder = tmp_path / "ftp"
    (folder / "in").mkdir(parents=True)
    (folder / "a file").write_bytes(FILE)
    with FtpServer(folder) as server:
        joe = server.url.replace("//", "//joe:p%40ss@")
        for url in (server.url, joe):
            assert await play(url + "a%20file") == ([], [[0, 40000]], FILE)
        said, began, data = await play(server.url + "a%20file", at=30000)
        assert (said, began, data[30000:]) == ([], [[30000, 40000]], FILE[30000:])
        for url, why in (
            (server.url + "none", "FTP 550 "),
            (server.url.replace("//", "//joe:wrong@") + "a%20file", "FTP 530 "),
            ("ftp://127.0.0.1:1/x", "it refuses the connection"),
        ):
            said, _, _ = await play(url)
            assert len(said) == 1 and said[0].startswith("127.0.0.1: " + why), said
        for where, stored in (("", "d.txt"), ("in/", "in/d.txt"), ("in", "in/d.txt"), ("x", "x")):
            (folder / stored).unlink(missing_ok=True)
            said, _, _ = await play(joe + where, "upload", FILE)
            assert said == [] and (folder / stored).read_bytes() == FILE
        said, _, _ = await play(server.url + "in/", "upload", FILE)  # (anonymous)
        assert len(said) == 1 and said[0].startswith("127.0.0.1: FTP 550 "), said


async def test_uploads_by_http(play, certificates):
    with HttpServer() as server:
        assert (await play(server.url + "in/", "upload", FILE))[0] == []
        assert server.files == {"/in/d.txt": FILE}
        server.files.clear()
        server.takes = ("POST",)
        assert (await play(server.url + "in/", "upload", FILE))[0] == []
        assert list(server.files) == ["/in/"] and FILE in server.files["/in/"]
        server.takes = ()
        said = (await play(server.url + "in/", "upload", FILE))[0]
        assert said == ["127.0.0.1: HTTP 405 Method Not Allowed"]
    ca = str(certificates.unit() / "ca.der")
    with HttpServer(certificates.context()) as server:
        assert (await play(server.url + "x?y=z", "upload", FILE, ca=ca))[0] == []
        assert server.files == {"/x?y=z": FILE}


HEAP = """
import gc, rom, sys, vfs
rom.simulator({simulator!r})
vfs.mount(vfs.VfsRom(rom.partition({image!r})), "/rom")
sys.path[:] = ["/rom", "/rom/lib", "/sim/tools/sim/esp32", ".frozen"]
import asyncio
for name in {shared}:
    try:
        __import__(name)
    except ImportError:
        pass
from firmware import lazy

class Sink:
    def begin(self, at, size):
        self.most = 0
    def write(self, view):
        gc.collect()
        self.most = max(self.most, gc.mem_alloc())

async def fetch():
    sink = Sink()
    gc.collect()
    before = gc.mem_alloc()
    await lazy.load("network.transfer").download({url!r}, sink)
    print("most", sink.most - before)

asyncio.run(fetch())
"""


@pytest.mark.parametrize("way", ["http", "chunked", "ftp"])
async def test_heap(tmp_path, micropython32, way):
    """What a download takes of the ESP32's heap, its code from ROMFS included."""
    (tmp_path / "file").write_bytes(FILE)
    with HttpServer() as http, FtpServer(tmp_path) as ftp:
        url = {"http": http.url + "file", "chunked": http.url + "chunked", "ftp": ftp.url + "file"}
        script = HEAP.format(
            simulator=str(build_simulator_image()),
            image=str(build_image()),
            shared=SHARED,
            url=url[way],
        )
        path = [SIMULATOR / "tools/sim"]
        said = await asyncio.to_thread(run_on_32_bits, script, path=path)
        most = int(said.split()[-1])
        print(f"{most} B by {way}")
        assert most < 8192
