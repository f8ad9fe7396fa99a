"""The link of the whole firmware: which Central System, why it was lost, and that nothing of it
holds up the pilot. (When exactly: tests/unit/mp_link.py, mp_dial.py.)"""

import asyncio
import re
import socket
import statistics
from datetime import timedelta

import pytest
from station_driver import ID, TAG, Bench

from bench.electrical import POLICY
from host.csms import CentralSystem, parse_time
from host.process import WAIT_s, poll

DIAL_s = 30
SILENT_ms = 20  # what the tick may be held up


async def of_link(b, test):
    """Wait until test(`link` of state) holds; -> that."""

    async def look():
        link = (await b.process.state())["link"]
        return link if link and test(link) else None

    return await poll(look, WAIT_s, "state of the link")


async def test_several_central_systems(tmp_path, micropython):
    """The preferred one is dialled first, the other one is a stopgap until it is lost."""
    first, second = CentralSystem(log=print), CentralSystem(log=print)
    await first.start()
    await second.start()
    b = Bench(tmp_path, speed=20, boot=False, url=["ws://127.0.0.1:1/x", first.url, second.url])
    try:
        async with b:
            b.cs, b.st = first, await first.wait_station(ID, WAIT_s)
            await b.st.expect("BootNotification")
            link = await of_link(b, lambda link: link["ends"])
            ((_, _, why),) = link["ends"]
            refused = "[Errno 111] ECONNREFUSED: nobody listens at ws://127.0.0.1:1/x/CP1"
            hint = "does the Central System run, are host and port right?"
            assert why == f"address 1: {refused}: {hint}", "all of it"
            id = await b.charge()
            await first.stop()
            other = await second.wait_station(ID, WAIT_s)
            assert (await b.process.connector())["transactionId"] == id  # charging went on
            await b.do(f"tag {TAG}")
            stop = await other.expect("StopTransaction", None, WAIT_s)
            assert stop["transactionId"] == id
            await first.start()
            await other.drop()
            await first.wait_station(ID, WAIT_s, after=b.st)
            link = (await b.process.state())["link"]
            assert link["lost"] == 2 and len(link["ends"]) == 4
            lost, dialled = link["ends"][-2:]
            assert lost[2].startswith("connection lost: ") and "ECONNREFUSED" in dialled[2]
    finally:
        await first.stop()
        await second.stop()


@pytest.mark.parametrize(
    "how, expected",
    [
        ("close", "it has closed the connection: 1001 maintenance"),
        ("drop", "connection lost: "),
        ("key", "another AuthorizationKey"),
    ],
)
async def test_why_it_was_lost(bench, how, expected):
    """In the log and in `state`, with the time and how often in a row."""
    async with bench() as b:
        link = (await b.process.state())["link"]
        assert link == {"lost": 0, "ends": []}
        for times in (1, 2):
            before = b.st
            if how == "close":
                await b.st.disconnect(1001, "maintenance")
            elif how == "drop":
                await b.st.drop()
            else:
                await b.key("AuthorizationKey", f"{times:032x}")
            await b.again(before)
            link = await of_link(b, lambda link, n=times: link["lost"] == n)
            ((when, n, why),) = link["ends"]
            assert n == times and expected in why, link
            assert abs(parse_time(when) - await b.now()) < timedelta(seconds=60)
        assert len([line for line in b.process.output if expected in line]) == 2


@pytest.mark.parametrize(
    "how, code",
    [
        ("Soft", 1012),
        ("Hard", 1012),
        ("console reset", 1012),
        ("quit", 1001),
        ("power-cut 1", 1006),
    ],
)
async def test_a_close_frame_before_the_end(bench, how, code):
    """1012 before a restart, after what must be told; 1001 where the unit stays away; none when
    there is no time for it."""
    async with bench() as b:
        id = await b.charge()
        before = b.st
        if how in ("Soft", "Hard"):
            assert await before.call("Reset", {"type": how}) == {"status": "Accepted"}
        else:
            assert await b.process.command(how) == {"ok": True}
        await before.wait_closed(WAIT_s)
        assert before.close_code == code
        if how == "Soft":
            assert [p["transactionId"] for p in before.received("StopTransaction")] == [id]
        if how == "quit":
            assert await b.process.ended() == 0
            assert b.process.output[-1] == "Stopped, contactors are open."
        else:
            await b.again(before)
        if code == 1012:  # (it is in order)
            assert [line for line in b.process.output if "Central System: restart" in line]
            assert not [line for line in b.process.output if "closed" in line or "ended" in line]


async def test_a_refusal_says_what_to_do(bench):
    """404 of a server that does not know the station; it is dialled on, for it may learn."""
    asked = []

    async def handler(reader, writer):
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, bench(speed=100, boot=False, url=f"ws://localhost:{port}/path") as b:
        await b.process.wait_output("does the Central System know station CP1?")
        await poll(lambda: len(asked) >= 3, WAIT_s, "three dials")
        assert set(asked) == {"GET /path/CP1 HTTP/1.1\r\n"}


async def test_a_black_hole_holds_nothing_up(bench):
    """TCP that is not answered: 30 s, then the next address. The pilot is sampled all the time."""
    holes = [socket.create_server(("127.0.0.1", 0), backlog=0)]
    at = holes[0].getsockname()
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(at)
        holes.append(s)
    good = CentralSystem(log=print)
    await good.start()
    urls = [f"ws://127.0.0.1:{at[1]}/x", good.url]
    try:
        async with bench(speed=1, boot=False, policy=POLICY, url=urls) as b:
            await b.do("plug")  # (without a car each fourth tick samples)
            await b.process.wait_output("nothing was heard within 30 s", DIAL_s + WAIT_s)
            await good.wait_station(ID, WAIT_s)
            said = [re.search(r"gap_us (\d+)", line) for line in b.process.output]
            gaps = [int(m[1]) / 1000 for m in said if m][1:]
            print(f"worst gap of each second, ms: {gaps}")
            assert len(gaps) > DIAL_s - 5
            # (the median: another process may have had the processor for a while)
            assert statistics.median(gaps) < 25 + SILENT_ms
    finally:
        await good.stop()
        for s in holes:
            s.close()


async def test_wifi_returns(tmp_path, micropython):
    """It is dialled at once then, however long the back-off would still take; without a Wi-Fi it
    is not dialled at all."""
    async with Bench(
        tmp_path, speed=20, config={"ssid": "home", "wifi_password": "long enough"}
    ) as b:
        await b.key("RetryBackOffWaitMinimum", "3600")
        before, since = b.st, len(b.process.output)
        await b.do("wifi home off")
        await b.cs.stop()
        await b.process.wait_output("Central System: ", since=since)
        await b.process.wait_output("Wi-Fi", since=since)
        await b.cs.start()
        await b.do("wifi home on")
        await b.again(before)
        failed = [line for line in b.process.output[since:] if "ECONNREFUSED" in line]
        assert failed == []
