"""The unit's own page (docs/page.md) as a browser and a hostile neighbour see it: what it says is
what the station says, and nobody on the network costs the station more than an answer."""

import asyncio
import gzip
import json
import re

import pytest
from station_driver import Bench
from test_chip import GAP_ms

from bench.page import STATIC, ANSWER_bytes, MOST_bytes, PAGE_bytes, free_port, heap, ticks
from host import page_password, unit_config
from host.build import ROOT, build
from host.process import WAIT_s, poll
from host.profile import profile

PASSWORD = "only-for-this-test"


class Page:
    """A client of the page of station `b`."""

    def __init__(self, b):
        self.b, self.port = b, b.options["page"]
        self.host = f"127.0.0.1:{self.port}"
        self.cookie = ""

    async def raw(self, data, more=()):
        """Send bytes on a connection, then each of `more`, and read to the end; -> bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in (data, *more):
                writer.write(piece)
                await writer.drain()
            return await asyncio.wait_for(reader.read(), WAIT_s)
        finally:
            writer.close()

    async def ask(self, method, path, body=b"", **headers):
        """-> (status, headers, body)"""
        head = {"Host": self.host, "Origin": f"http://{self.host}", "Cookie": self.cookie}
        head.update(headers)
        if body:
            head["Content-Length"] = len(body)
        lines = [f"{name}: {value}" for name, value in head.items() if value is not None]
        text = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        said = await self.raw(text.encode() + body)
        head, _, body = said.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body

    async def json(self, path):
        status, head, body = await self.ask("GET", path)
        assert (status, head["Content-Type"]) == (200, "application/json"), (status, body)
        return json.loads(body)

    async def post(self, path, **values):
        """-> (status, what it says)"""
        status, head, body = await self.ask("POST", path, json.dumps(values).encode())
        if "Set-Cookie" in head:
            self.cookie = head["Set-Cookie"].split(";")[0]
        return status, json.loads(body)

    async def sign_in(self):
        assert await self.post("/login", password=PASSWORD) == (200, {"said": "signed in"})


class PageBench(Bench):
    """A station with a page."""

    def __init__(self, folder, speed=1, **options):
        options = {"page": free_port(), "page-password": PASSWORD, **options}
        super().__init__(folder, speed, **options)

    async def booted(self, *args, **more):
        st = await super().booted(*args, **more)
        await self.process.wait_output(f"page: http://127.0.0.1:{self.options['page']}")
        self.page = Page(self)
        return st


async def test_the_files_are_those_of_the_source_and_ask_nobody_else(tmp_path, micropython):
    async with PageBench(tmp_path) as b:
        total = 0
        for path, name in STATIC.items():
            status, head, body = await b.page.ask("GET", path)
            assert status == 200 and int(head["Content-Length"]) == len(body)
            assert head["Content-Encoding"] == "gzip"
            assert "default-src 'self'" in head["Content-Security-Policy"]
            source = (ROOT / "firmware/page" / name).read_bytes()
            assert gzip.decompress(body) == source
            assert {*re.findall(rb"https?://[\w.]+", source)} <= {b"http://www.w3.org"}, name
            total += len(body)
        assert total < MOST_bytes
        paths = [build() / f"firmware/page/{name}.gz" for name in STATIC.values()]
        assert total == sum(path.stat().st_size for path in paths)


async def test_it_says_what_the_station_says(tmp_path, micropython):
    async with PageBench(tmp_path) as b:
        id = await b.charge()
        start = await b.now()
        periods = {0: 16, 3600: 10, 7200: 0, 10800: 20.5}
        await b.set_profile(
            profile(4, "Tx", periods, startSchedule=start, duration=172800, transactionId=id), 1
        )
        await b.pilot(16000)
        told = await b.page.json("/state")
        state = await b.process.state()
        (here,), (there,) = told["report"].pop("connectors"), state.pop("connectors")
        for moves in ("ev_mA", "energy_Wh", "power_W"):
            del here[moves], there[moves]
        assert here["tx"].pop("energy_Wh") <= there["tx"].pop("energy_Wh")
        assert here.pop("idTag") is None and there.pop("idTag") == "TAG", "who has it may charge"
        assert here == there
        assert told["report"].keys() == state.keys()
        assert told["unit"]["id"] == "CP1" and not told["unit"]["signed_in"]
        plan = await b.page.json("/plan/1")
        composite = await b.composite(86400)
        assert [(s, dA / 10) for s, dA, *_ in plan["periods"]][:1] == [(0, 16)]
        assert len(plan["periods"]) == len(composite)
        for (s, dA, *_), (start_s, limit, *_) in zip(plan["periods"], composite, strict=True):
            assert abs(s - start_s) <= WAIT_s and dA / 10 == limit
        assert (await b.page.ask("GET", "/log"))[0] == 401
        await b.page.sign_in()
        status, _, body = await b.page.ask("GET", "/log")
        assert status == 200 and b"page: signed in" in body and PASSWORD.encode() not in body
        told = await b.page.json("/state")
        assert told["unit"]["signed_in"] and told["report"]["connectors"][0]["idTag"] == "TAG"
        assert PASSWORD not in json.dumps(told)


async def test_the_hours_before_now(tmp_path, micropython):
    async with PageBench(tmp_path, speed=20) as b:
        await b.charge()
        await b.set_profile(profile(1, "Default", {0: 10}, kind="Relative"), 0)
        await b.pilot(10000)
        await b.do("speed 1000")

        async def two():
            told = await b.page.json("/history/1")
            samples = bytes.fromhex(told["samples"])
            assert len(samples) == 864 and told["step_s"] == 300
            return samples[-6:] if samples[-9] != 255 else None

        samples = await poll(two, WAIT_s, "two samples, and one before")
        await b.do("speed 1")
        assert samples == bytes((20, 20, 20)) * 2, "limit, offered, taken: 10 A, to half an ampere"


async def test_what_a_person_does(tmp_path, micropython):
    async with PageBench(tmp_path, speed=20) as b:
        page = b.page
        for path in ("/start", "/stop", "/clear", "/restart", "/logout"):
            assert (await page.post(path, connector=1, tag="TAG"))[0] == 401
        wrong = 401, {"error": "the password is wrong"}
        assert await page.post("/login", password="wrong") == wrong

        async def again():
            return (await page.post("/login", password=PASSWORD))[0] == 200

        await poll(again, WAIT_s, "the pause is over")
        assert (await page.post("/stop", connector=1))[0] == 409
        await b.do("plug")
        await b.status("Preparing")
        assert (await page.post("/start", connector=1, tag="TAG"))[0] == 200
        await b.st.expect("StartTransaction", lambda p: p["idTag"] == "TAG", WAIT_s)
        await b.status("Charging")
        assert (await page.post("/start", connector=1, tag="OTHER"))[0] == 409
        assert (await page.post("/clear", connector=1))[0] == 409, "not with a car"
        assert (await page.post("/stop", connector=1))[0] == 200
        await b.stopped(reason="Local", idTag="TAG")
        old, cookie = b.st, page.cookie
        assert (await page.post("/restart"))[0] == 200
        await b.again(old)
        assert (await page.ask("GET", "/log", Cookie=cookie))[0] == 401, "it ends with the run"


async def test_a_limit_from_the_owners_own_program(tmp_path, micropython):
    async with PageBench(tmp_path, speed=20, **{"page-token": "of-a-program"}) as b:
        await b.charge()
        await b.pilot(32000)
        body, more = b'{"words": "10 else 6 for 200"}', {"Origin": None, "Cookie": None}
        assert (await b.page.ask("POST", "/limit", body, **more))[0] == 403
        more["Authorization"] = "Bearer of-a-program"
        status, _, said = await b.page.ask("POST", "/limit", body, **more)
        assert status == 200 and "10 A by energy management" in json.loads(said)["said"]
        await b.pilot(10000)
        c = (await b.page.json("/state"))["report"]["connectors"][0]
        assert (c["limit_mA"], c["limit_by"]["source"]) == (10000, "EMS")
        await b.pilot(6000)
        assert (await b.page.ask("POST", "/limit", b'{"words": "off"}', **more))[0] == 200
        await b.pilot(32000)
        status, _, said = await b.page.ask("POST", "/limit", b'{"words": "many"}', **more)
        assert status == 400 and "many: amperes are a number" in json.loads(said)["error"]


async def test_what_a_car_needs_from_the_owners_own_program(tmp_path, micropython):
    async with PageBench(tmp_path, speed=20, **{"page-token": "of-a-program"}) as b:
        more = {"Origin": None, "Cookie": None, "Authorization": "Bearer of-a-program"}

        async def says(words, connector=1):
            body = json.dumps({"connector": connector, "words": words}).encode()
            status, _, said = await b.page.ask("POST", "/needs", body, **more)
            return status, *json.loads(said).values()

        assert await says("20 kWh") == (
            409, "no transaction runs on connector 1: say it when its car may charge"
        )  # fmt: skip
        await b.charge()
        status, said = await says("20 kWh -")
        assert status == 200 and re.fullmatch(r"its car needs (19\d\d\d|20000) Wh", said), said
        for words in (None, "", "20", "20 kWh 07:30 1", "20 cars", "many kWh", "20 kWh soon"):
            assert (await says(words))[0] == 400, words
        assert (await says("20 kWh", 2))[0] == 400
        await b.process.do("console session")
        await b.process.wait_output("its car needs")


async def test_another_site_and_another_name(tmp_path, micropython):
    async with PageBench(tmp_path) as b:
        page = b.page
        await page.sign_in()
        for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1", None):
            assert (await page.ask("GET", "/state", Host=host))[0] == 421, "DNS rebinding"
        for origin in ("http://evil.example", "null", None, f"https://{page.host}"):
            assert (await page.ask("POST", "/restart", b"{}", Origin=origin))[0] == 403
        others = (
            "/../config.json /config.json /page.js/ /plan/2 /plan/-1 /plan/ /history/0 /plan/1/1"
        )
        for path in others.split(" ") + ["/index.html.gz", "//", "/%2e%2e/slot", "/plan/99999"]:
            assert (await page.ask("GET", path))[0] == 404, path
        assert (await page.ask("GET", f"http://localhost:{page.port}/"))[0] == 400
        assert (await page.ask("GET", "/state", Host=f"localhost:{page.port}"))[0] == 200
        await b.settled()


async def test_it_is_where_the_unit_is_in_the_network(tmp_path, micropython):
    config = {"ssid": "home"}
    async with PageBench(tmp_path, speed=20, config=config) as b:
        await b.page.json("/state")
        await b.do("wifi home off")

        async def closed():
            try:
                await b.page.ask("GET", "/state")
            except (ConnectionError, IndexError):  # (accepted in its last moment, not answered)
                return True

        await poll(closed, WAIT_s, "the port is closed")
        mark = len(b.process.output)
        await b.do("wifi home on")
        await b.process.wait_output("page: http://", since=mark)
        assert (await b.page.json("/state"))["unit"]["ssid"] == "home"


async def test_what_is_too_much_is_refused_and_nothing_is_kept(tmp_path, micropython):
    async with PageBench(tmp_path) as b:
        page = b.page
        long = b"GET / HTTP/1.1\r\n"
        post = b"POST / HTTP/1.1\r\nHost: %s\r\n" % page.host.encode()
        for status, data in (
            (400, b"\0\0\0\0\r\n"),
            (431, b"G" * 10000),
            (431, long + b"a: " + b"b" * 5000),
            (431, long + b"".join(b"h%d: x\r\n" % i for i in range(2000))),
            (405, post.replace(b"POST", b"PUT") + b"\r\n"),
            (501, post + b"Transfer-Encoding: chunked\r\n\r\n"),
            (413, post + b"Content-Length: 513\r\n\r\n"),
        ):
            try:
                said = await page.raw(data)
            except ConnectionError:  # (it does not read 5 KB to the end)
                continue
            assert said.startswith(b"HTTP/1.1 %d " % status), (data[:60], said[:80])
        await page.json("/state")


async def test_nobody_on_the_network_keeps_the_tick(micropython32):
    """Of a chip in the heap of one without PSRAM: eight who ask all the time, one who sends a byte
    now and then, one who says nothing. Everybody else is answered."""
    looks = "many", "slow"
    seen = await ticks(2, *looks)
    print(seen)
    for name in looks:
        assert seen[name + "_gap_ms"] < GAP_ms and seen[name + "_answers"], name
        assert seen[name + "_ticks"] > seen[name + "_world_ms"] // 50, name


async def test_what_it_takes_of_the_heap(micropython32):
    """Listening, and with one who watches; what it has beyond a unit without a page."""
    seen = await heap()
    print(seen)
    assert seen["watched_bytes"] < seen["without_bytes"] + PAGE_bytes
    assert seen["in_an_answer_bytes"] < seen["watched_bytes"] + ANSWER_bytes


def test_no_port_without_a_password(monkeypatch, capsys):
    monkeypatch.setattr(page_password, "made", lambda: "abcd-efgh-ijkm")
    assert unit_config.page("off") == "page="
    values = unit_config.changed({"url": "ws://x", "id": "x"}, [unit_config.page("on")])
    assert "abcd-efgh-ijkm" in capsys.readouterr().out
    unit_config.check(values)
    rounds, salt, digest = values["page"]["password"].split(":")
    assert (int(rounds), len(salt), len(digest)) == (page_password.ROUNDS, 32, 64)
    assert len(values["page"]["token"]) == 64 and "abcd" not in json.dumps(values)
    for bad in ("x", "1234567", "\U0001f50c" * 33):
        with pytest.raises(unit_config.ConfigError):
            unit_config.page(bad)
    assert salt not in "".join(unit_config.shown(values))
