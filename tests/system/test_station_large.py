"""Messages that are larger than the receive buffer of 2 KB: each has one of its own then, of up
to 16 KB, until it is decoded."""

import json

import pytest
from station_201 import Bench201
from station_driver import ESP32_HEAP, ID, Bench

from bench.station import firmware_bytes, install
from host.profile import in_201, profile

# The peak, with 96 periods: in 98 KB, by where things lie, 6 KB in one piece may be missing
PEAK_HEAP = "104K"
HEAP = {"micropython32": ESP32_HEAP, "micropython": "256K"}
MOST = 16384
NAMES = 1260
LET_GO = 2048  # what the live heap may differ by: messages of 16 KB are not kept


def asked(name, periods, size=None, limit=16):
    """A SetChargingProfile as Python writes it, or blown up to `size` bytes."""
    steps = [(900 * k, limit - k % 10, 3) for k in range(periods)]
    more = {"recurrencyKind": "Daily", "startSchedule": "2026-01-01T00:00:00Z"}
    body = profile(7, "Default", steps, kind="Recurring", **more)
    frame = [2, name, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": body}]
    if size is None:
        return json.dumps(frame)
    text = json.dumps(frame, separators=(",", ":"))
    pieces = text.split("},{")
    blanks, rest = divmod(size - len(text), len(pieces) - 1)
    text = pieces[0]
    for piece in pieces[1:]:
        text += "}" + " " * (blanks + (rest > 0)) + ",{" + piece
        rest -= 1
    assert len(text) == size
    return text


async def test_96_periods_in_the_budget(tmp_path, micropython32):
    async with Bench(tmp_path, interpreter=micropython32, heap=PEAK_HEAP) as b:
        b.st.messages.clear()
        for i in range(10):
            text = asked(f"large-{i}", 96, limit=16 + i)
            assert 5500 < len(text) < 6500, len(text)
            answer = await b.st.raw(text)
            assert answer[2] == {"status": "Accepted"}, (i, answer)


async def test_96_periods_in_the_budget_in_201(tmp_path, micropython32):
    async with Bench201(tmp_path, interpreter=micropython32, heap=PEAK_HEAP) as b:
        b.st.messages.clear()
        for i in range(10):
            _, name, action, payload = json.loads(asked(f"large-{i}", 96, limit=16 + i))
            payload = {"evseId": 1, "chargingProfile": in_201(payload["csChargingProfiles"])}
            text = json.dumps([2, name, action, payload])
            assert 5500 < len(text) < 6500, len(text)
            answer = await b.st.raw(text)
            assert answer[2] == {"status": "Accepted"}, (i, answer)


async def test_the_table_of_names_of_the_largest_board(tmp_path, micropython32):
    """With a line at its console; beyond so many names it doubles, 9 KB (docs/memory.md)."""
    async with Bench(
        tmp_path, config={"board": "reference_full"}, interpreter=micropython32, heap="160K"
    ) as b:
        for number in range(16):
            await install(b.st, number, 24)
        await firmware_bytes(b.process)  # (what the tools ask for has names too)
        count, table_bytes = await b.names()
        print(f"{count} names")
        assert count <= NAMES and table_bytes < 10000


@pytest.mark.parametrize("port", HEAP)
async def test_profiles_of_up_to_16_KB(tmp_path, request, port):
    options = {"interpreter": request.getfixturevalue(port), "heap": HEAP[port]}
    async with Bench(tmp_path, **options) as b:
        b.hostile = True
        before = await firmware_bytes(b.process)
        b.st.messages.clear()
        for i, size in enumerate((None, 6000, 8192, 8193, 12000, MOST - 1, MOST)):
            # (each has other limits: one that is sent again as it is need not be stored)
            text = asked(f"large-{i}", 96, size, limit=16 + i)
            answer = await b.st.raw(text)
            assert answer[2] == {"status": "Accepted"}, (size, answer)
        composite = await b.st.call("GetCompositeSchedule", {"connectorId": 1, "duration": 7200})
        limits = [p["limit"] for p in composite["chargingSchedule"]["chargingSchedulePeriod"]]
        assert max(limits) > 11, "the last one is in force"
        # In fragments it is the same, wherever they are cut.
        text = asked("fragments", 96, 9000, limit=31).encode()
        for cuts in ((4000,), (5000, 5001), (100, 200, 8999), tuple(range(500, 9000, 500))):
            ends = [0, *cuts, len(text)]
            parts = [text[a:z].decode() for a, z in zip(ends, ends[1:], strict=False)]
            mark = b.st.mark()
            await b.st._ws.send(parts)
            await b.cs.until(
                lambda mark=mark: any(
                    w == "in" and f[:2] == [3, "fragments"] for w, f, _ in b.st.messages[mark:]
                ),
                20,
            )
        await b.st.call("GetConfiguration", {"key": ["HeartbeatInterval"]})
        after = await firmware_bytes(b.process, before + LET_GO)
        print(f"live before {before}, after {after}")
        assert after - before < LET_GO
        # One byte more is too much, and costs the connection.
        old = b.st
        await old._ws.send(asked("too-large", 96, MOST + 1))
        await b.again(old)
        assert old._ws.close_code == 1009
        assert old._ws.close_reason == f"message > {MOST} bytes"
        assert (await b.st.raw(asked("again", 96, MOST)))[2]["status"] == "Accepted"
        assert b.cs.stations[ID] is b.st
