"""The page of the wall and the car, beside a simulated unit's own: it says what the control port
knows, and no other site can say it."""

import json
import re
import socket

from station_driver import run_tool
from test_page import Page, PageBench, free_port

from host.build import ROOT
from host.station.control import Control

HERE = ROOT / "tools/host/station/wall_page"
# What is for programs, or is shown all the time.
NO_BUTTON = {"escort", "gauge", "help", "state"}


class Wall(Page):
    """A client of it."""

    def __init__(self, b):
        super().__init__(b)
        (told,) = [line for line in b.process.output if "wall and car on " in line]
        self.port = int(told.rpartition(":")[2])
        self.host = f"127.0.0.1:{self.port}"

    async def say(self, line, **headers):
        """-> (status, what it answers)"""
        status, _, body = await self.ask("POST", "/say", line.encode(), **headers)
        return status, json.loads(body)


def neighbours():
    """-> (a port that nobody listens on, a server on the next one)"""
    while True:
        port = free_port()
        try:
            return port, socket.create_server(("127.0.0.1", port + 1))
        except OSError:
            pass


def test_every_command_has_its_button():
    text = (HERE / "index.html").read_text() + (HERE / "wall.js").read_text()
    said = {words.split()[0] for words in re.findall(r'\bsay ?= ?"([a-z].*?)"', text)}
    known = {name[3:].replace("_", "-") for name in dir(Control) if name.startswith("do_")}
    assert said == (known | {"console"}) - NO_BUTTON


async def test_it_is_the_control_port(tmp_path, micropython):
    async with PageBench(tmp_path, speed=20) as b:
        wall = Wall(b)
        assert await wall.say("plug") == (200, {"ok": True})
        await b.status("Preparing")
        status, answer = await wall.say("fault nothing")
        assert status == 200 and answer == await b.process.command("fault nothing")
        assert "NAME is one of" in answer["error"]
        await b.do("fault weld")
        await b.do("ev left_Wh=5000")
        told = await wall.json("/state")
        assert told["outlets"][0]["wrong"] == ["weld"]
        assert told["outlets"][0]["left_Wh"] == 5000
        assert told["report"]["connectors"][0]["cp"] == "B"
        await b.do("clear weld")
        assert (await wall.json("/state"))["outlets"][0]["wrong"] == []
        about = await wall.json("/about")
        assert about["page"] == f"http://127.0.0.1:{b.options['page']}"
        assert about["unseen"][0], "reference has not every part"
        await b.do("power-cut 60")
        assert not (await wall.json("/state"))["powered"]
        assert "error" in (await wall.say("tag TAG"))[1]


async def test_a_battery_has_an_end(bench):
    async with bench(speed=20) as b:
        await b.do("ev left_Wh=3")
        await b.charge()
        await b.status("SuspendedEV")
        await b.process.until(lambda c: c["ev_mA"] == [0, 0, 0])


async def test_no_other_site_drives_it(tmp_path, micropython):
    async with PageBench(tmp_path) as b:
        wall = Wall(b)
        elsewhere = ("http://evil.example", "null", None, f"http://127.0.0.1:{b.options['page']}")
        for origin in elsewhere:
            assert (await wall.say("plug", Origin=origin))[0] == 403, origin
        for host in ("evil.example", f"evil.example:{wall.port}", "127.0.0.1", None):
            assert (await wall.ask("GET", "/state", Host=host))[0] == 421, "DNS rebinding"
            assert (await wall.say("plug", Host=host, Origin=f"http://{host}"))[0] == 421
        assert (await b.process.connector())["cp"] == "A"
        status, head, _ = await wall.ask("GET", "/")
        assert status == 200 and "frame-ancestors 'none'" in head["Content-Security-Policy"]
        for path in ("/say", "/../control.py", "/wall.js/", "//", "/__init__.py"):
            assert (await wall.ask("GET", path))[0] == 404, path
        host = b"Host: %s\r\n" % wall.host.encode()
        for status, head in (
            (400, b"G\r\n\r\n"),
            (405, b"PUT / HTTP/1.1\r\n" + host + b"\r\n"),
            (413, b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 9999\r\n\r\n"),
        ):
            assert (await wall.raw(head)).startswith(b"HTTP/1.1 %d " % status)
        assert await wall.raw(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000) == b"", "no end"


async def test_a_port_that_is_taken(tmp_path, micropython):
    """The one beside the page's: another is taken, and said; one that was asked for: no start."""
    page, other = neighbours()
    taken = page + 1
    with other:
        async with PageBench(tmp_path, page=page) as b:
            wall = Wall(b)
            assert wall.port != taken
            await wall.json("/state")
        for words in (("--page", taken), ("--page", page, "--wall", taken)):
            code, output = run_tool("--url", "ws://127.0.0.1:9/", "--id", "CP1", *words)
            assert (code, output[-1]) == (1, f"station: {words[-2]}: port {taken} is taken")
