"""uwebsockets: frames, against RFC 6455 section 5 to 8. Mostly without sockets."""

import asyncio
import json
import os

from mp_uwebsockets_peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Server,
    Stream,
    close,
    frame,
    parse,
    raises,
    read_frame,
    upgrade,
)

from uwebsockets import ConnectionClosed, WebSocket, connect
from uwebsockets.wire import is_close_code, is_utf8, mask

HEAP = "512K"  # a message of 64 KB is looked at in one piece

RX = 300
BYE = close(1000)
A125 = b"x" * 125
A126 = b"y" * 126
FULL = b"z" * RX

# what the server sends, the messages it makes, the code it ends with, the frames the client sends
# back (without its close frame, which has the same code except for 1005 and 1006)
VALID = (
    (frame(TEXT, b"hello") + BYE, ["hello"], 1000, []),
    (frame(BINARY, b"\x00\xff") + BYE, [b"\x00\xff"], 1000, []),
    (frame(TEXT) + frame(BINARY) + BYE, ["", b""], 1000, []),
    (frame(BINARY, A125) + frame(BINARY, A126) + BYE, [A125, A126], 1000, []),
    (frame(BINARY, FULL) + BYE, [FULL], 1000, []),
    # fragments; empty ones; a character that is cut
    (frame(TEXT, b"he", False) + frame(0, b"llo") + BYE, ["hello"], 1000, []),
    (frame(TEXT, b"", False) + frame(0, b"", False) + frame(0) + BYE, [""], 1000, []),
    (frame(BINARY, A126, False) + frame(0, A126) + BYE, [A126 + A126], 1000, []),
    (frame(TEXT, b"\xe2\x82", False) + frame(0, b"\xac") + BYE, ["\u20ac"], 1000, []),
    # control frames alone, between messages, between fragments
    (frame(PING) + BYE, [], 1000, [(PONG, b"")]),
    (frame(PING, A125) + BYE, [], 1000, [(PONG, A125)]),
    (frame(PONG, b"unasked") + frame(TEXT, b"a") + BYE, ["a"], 1000, []),
    (
        frame(TEXT, b"a", False) + frame(PING, b"1") + frame(0, b"b", False)
        + frame(PONG, b"2") + frame(PING, b"3") + frame(0, b"c") + BYE,
        ["abc"], 1000, [(PONG, b"1"), (PONG, b"3")],
    ),
    # ends
    (frame(TEXT, b"a", False) + close(1001, b"going"), [], 1001, []),
    (frame(CLOSE), [], 1005, []),
    (close(3000, b"r" * 123), [], 3000, []),
    (close(1000, "\u20ac".encode()), [], 1000, []),
    (frame(TEXT, b"a") + close(1011) + frame(TEXT, b"after the end"), ["a"], 1011, []),
    (b"", [], 1006, []),
    (frame(TEXT, b"a"), ["a"], 1006, []),
    (frame(TEXT, b"hello")[:-1], [], 1006, []),
    (frame(BINARY, A126)[:3], [], 1006, []),
    (frame(TEXT, b"a", False), [], 1006, []),
)  # fmt: skip

INVALID = (
    (b"\xc1\x00", 1002),  # each reserved bit, on data and control
    (b"\xa1\x00", 1002),
    (b"\x91\x00", 1002),
    (b"\xc9\x00", 1002),
    (b"\x83\x00", 1002),  # opcodes that mean nothing
    (b"\x84\x00", 1002),
    (b"\x87\x00", 1002),
    (b"\x8b\x00", 1002),
    (b"\x8f\x00", 1002),
    (b"\x81\x81abcd\x00", 1002),  # masked
    (b"\x89\x80abcd", 1002),
    (b"\x89\x7e\x00\x7e" + A126, 1002, "control frame"),  # long ones
    (b"\x88\x7e\x00\x7e\x03\xe8" + A126[2:], 1002, "control frame"),
    (b"\x8a\x7f" + bytes(7) + b"\x01a", 1002),
    (b"\x09\x00", 1002),  # control frames in pieces
    (b"\x0a\x00", 1002),
    (b"\x08\x02\x03\xe8", 1002),
    (frame(0, b"a"), 1002),  # continuation of nothing
    (frame(0, b"a", False), 1002),
    (frame(TEXT, b"a", False) + frame(TEXT, b"b"), 1002),  # a message inside a message
    (frame(TEXT, b"a", False) + frame(PING) + frame(BINARY, b"b"), 1002),
    (b"\x82\x7e\x00\x7d" + A125, 1002),  # lengths not in the shortest form
    (b"\x82\x7e\x00\x00", 1002),
    (b"\x82\x7f" + bytes(6) + b"\x00\x7e" + A126, 1002),
    (b"\x82\x7f" + bytes(6) + b"\xff\xff", 1002),
    (b"\x82\x7f\x80" + bytes(7), 1002),  # the top bit of a 64-bit length
    (b"\x82\x7f\xff" + b"\xff" * 7, 1002),
    (frame(CLOSE, b"\x03"), 1002),  # close payloads
    (close(999), 1002),
    (close(1005), 1002),
    (close(1000, b"\xff"), 1007),
    (close(1000, b"\xc3"), 1007),
    (frame(TEXT, b"\xff"), 1007),
    (frame(TEXT, b"ok \xc3"), 1007),
    (frame(TEXT, b"\xe2", False) + frame(0, b"\x82"), 1007),
    (frame(TEXT, b"\xe2", False) + frame(PING) + frame(0, b"a\xac"), 1007),
    (frame(BINARY, FULL + b"!"), 1009),
    (frame(TEXT, FULL[1:], False) + frame(0, b"ab"), 1009),
    (frame(TEXT, FULL, False) + frame(0, b"", False) + frame(0, b"a"), 1009),
    (b"\x82\x7f" + bytes(4) + b"\x00\x01\x00\x00", 1009),
    (b"\x82\x7f\x7f" + b"\xff" * 7, 1009),
)


# Read to the end -> messages, code, reason.
async def read_all(ws):
    messages = []
    try:
        while True:
            view = await ws.recv()
            messages.append(str(view, "utf-8") if ws.text else bytes(view))
    except ConnectionClosed as e:
        return messages, e.code, e.reason


async def play(pieces):
    stream = Stream(pieces)
    ws = WebSocket(stream, memoryview(bytearray(RX)), memoryview(bytearray(64)))
    messages, code, reason = await read_all(ws)
    assert ws.closed and stream.s.ended
    return messages, code, reason, parse(stream.s.sent)


# Whole; cut in two at every place; every byte alone; every byte alone with idle wake-ups.
def chops(data):
    yield [data] if data else []
    step = 1 + len(data) // 40  # long rows: not at every place
    for i in range(1, len(data), step):
        yield [data[:i], data[i:]]
    ones = [data[i : i + 1] for i in range(len(data))]
    yield ones
    yield [x for one in ones for x in (None, one)]


async def test_valid_frames():
    for data, messages, code, back in VALID:
        if code != 1006:
            back = back + [(CLOSE, b"" if code == 1005 else data_of_close(data))]
        for pieces in chops(data):
            result = await play(pieces)
            assert result[0] == messages and result[1] == code, (data, pieces, result)
            assert result[3] == back, (data, pieces, result)


# The payload of the first close frame that a row of VALID ends with: it is echoed.
def data_of_close(data):
    i = data.find(b"\x88")
    return data[i + 2 : i + 2 + data[i + 1]]


async def test_invalid_frames():
    for data, code, *why in INVALID:
        # A message before shows that what came whole is delivered, one after that nothing is.
        data = frame(TEXT, b"before") + data + frame(TEXT, b"after")
        for pieces in chops(data):
            messages, got, reason, back = await play(pieces)
            assert messages == ["before"] and got == code and reason, (data, pieces, got)
            assert not why or why[0] in reason, (data, reason)
            assert [x for x in back if x[0] != PONG] == [
                (CLOSE, code.to_bytes(2, "big") + reason.encode())
            ], (data, pieces, back)


async def over_tcp(data, step):
    async def handler(reader, writer):
        await upgrade(reader, writer)
        for i in range(0, len(data), step):
            writer.write(data[i : i + step])
            await writer.drain()
        back = []
        if data:
            while not back or back[-1][0] != CLOSE:
                back.append(await read_frame(reader))
        outcome.append(back)

    outcome = []
    async with Server(handler) as url:
        ws = await connect(url, rx_size=RX, tx_size=64)
        messages, code, reason = await read_all(ws)
    return messages, code, outcome[0]


async def test_valid_frames_over_tcp():
    for data, messages, code, _ in VALID:
        if code != 1006:
            for step in (len(data), 1):
                assert (await over_tcp(data, step))[:2] == (messages, code), data


async def test_invalid_frames_over_tcp():
    # The close frame arrives although bytes of the client's input are left unread.
    for data, code, *_ in INVALID:
        for step in (len(data) + 7, 1):
            _, got, back = await over_tcp(data + frame(TEXT, b"after"), step)
            assert got == code and back[-1][1][:2] == code.to_bytes(2, "big"), (data, got, back)


async def test_frames_that_come_with_the_answer():
    async def handler(reader, writer):
        from mp_uwebsockets_peer import answer, read_head

        writer.write(answer(await read_head(reader)) + frame(TEXT, b"early") + BYE)
        await writer.drain()
        assert await read_frame(reader) == (CLOSE, b"\x03\xe8")

    async with Server(handler) as url:
        assert await read_all(await connect(url)) == (["early"], 1000, "")


def test_utf8():
    good = (b"", b"plain", "\u00e9\u20ac".encode(), b"\x00\x7f", b"\xc2\x80", b"\xdf\xbf")
    good += (b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbf")
    good += (b"\xf0\x90\x80\x80", b"\xf0\x9f\x98\x80", b"\xf4\x8f\xbf\xbf")
    bad = (b"\x80", b"\xbf", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc2", b"\xc2\x20")
    bad += (b"\xe0\x9f\xbf", b"\xe0\x80\x80", b"\xe2\x82", b"\xe2\x28\xa1", b"\xe2\x82\x28")
    bad += (b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80")  # surrogates
    bad += (b"\xf0\x8f\xbf\xbf", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80")
    bad += (b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xf0\x9f\x98", b"\xf0\x9f\x98a")
    bad += (b"\xc3\xa9\xa9", b"\xe2\x82\xac\x80")
    for text in good:
        for before in (b"", b"a", b"\xc3\xa9"):
            assert is_utf8(memoryview(before + text + before)), text
    for text in bad:
        for before in (b"", b"a", b"\xc3\xa9"):
            for after in (b"", b"z"):
                assert not is_utf8(memoryview(before + text + after)), text


def test_utf8_of_every_code_point_edge():
    # By the definition: encode by hand, compare with the verdict.
    for n in range(0, 0x120000, 0x155):
        for c in (n, n | 0x7FF, n | 0xFFFF, n & ~0xFFF):
            three = bytes([0xE0 | c >> 12 & 15, 0x80 | c >> 6 & 63, 0x80 | c & 63])
            if c < 0x10000:
                assert is_utf8(three) == (c >= 0x800 and not 0xD800 <= c < 0xE000), hex(c)
            four = bytes([0xF0 | c >> 18 & 7, 0x80 | c >> 12 & 63]) + bytes(
                [0x80 | c >> 6 & 63, 0x80 | c & 63]
            )
            assert is_utf8(four) == (0x10000 <= c < 0x110000), hex(c)


async def test_close_codes():
    codes = list(range(995, 1020)) + [2999, 3000, 3999, 4000, 4999, 5000, 65535, 0, 1]
    for code in codes:
        good = code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1014 or 3000 <= code < 5000
        assert is_close_code(code) == good, code
        _, got, reason, back = await play([close(code, b"why")])
        if good:
            assert (got, reason, back) == (code, "why", [(CLOSE, close(code, b"why")[2:])])
        else:
            assert got == 1002 and back[0][1][:2] == b"\x03\xea", code


def test_mask():
    key = b"\x01\x20\xf0\x8f"
    for start in range(9):
        for size in list(range(10)) + [63, 64, 65]:
            buf = bytearray(os.urandom(start + size + 5))
            want = bytearray(buf)
            for i in range(size):
                want[start + i] ^= key[i & 3]
            mask(memoryview(buf), start, start + size, key)
            assert buf == want, (start, size)


async def test_send_sizes():
    # Around the borders of the length encodings and of the chunks of several tx buffers.
    for tx in (32, 33, 63, 64, 66):
        sizes = list(range(140)) + [tx * 3 - i for i in range(12)] + [500]
        for size in sizes:
            data = os.urandom(size)
            stream = Stream([])
            ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(tx)))
            await ws.send(data)
            assert parse(stream.s.sent) == [(BINARY, data)], (tx, size)
    for size in (65535, 65536, 65537):
        data = bytearray(size)
        data[-3:] = b"end"
        stream = Stream([])
        ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(1024)))
        await ws.send(data)
        # Not by parse(): that would take several copies.
        p = 4 if size < 65536 else 10
        assert len(stream.s.sent) == size + p + 4
        assert stream.s.sent[1] == (0xFE if p == 4 else 0xFF)
        key = stream.s.sent[p : p + 4]
        assert stream.s.sent[p + 4 : p + 8] == key
        tail = [c ^ key[(size - 3 + i) & 3] for i, c in enumerate(stream.s.sent[-3:])]
        assert bytes(tail) == b"end"


async def test_send_from():
    """The message is asked for in the order of its bytes, never more than the tx buffer holds."""
    for tx in (32, 64, 66, 1024):
        for size in (0, 1, 125, 126, 500):
            data = os.urandom(size)
            asked = []

            def read(n, data=data, asked=asked):
                at = sum(asked)
                asked.append(n)
                return data[at : at + n]

            stream = Stream([])
            ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(tx)))
            await ws.send_from(size, read)
            assert parse(stream.s.sent) == [(TEXT, data)], (tx, size)
            assert sum(asked) == size and max(asked) <= tx


async def test_send_from_what_fails_ends_the_connection():
    stream = Stream([])
    ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(64)))

    def read(n):
        raise ValueError("out of data")

    try:
        await ws.send_from(100, read)
        raise AssertionError("sent")
    except ValueError:
        pass
    assert ws.closed
    await raises(ConnectionClosed, ws.send(b"x"))


async def test_send_to_a_socket_that_takes_little():
    data = bytes(range(150))
    for takes in ([1] * 30, [None, 3, None, 5, 100, None], [0, 1, None, 31, 1, 62, 2, 3]):
        stream = Stream([], takes)
        ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(64)))
        await ws.send(data)
        await ws.ping()
        assert parse(stream.s.sent) == [(BINARY, data), (PING, b"")], takes


async def test_send_kinds():
    stream = Stream([])
    ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(64)))
    await ws.send("caf\u00e9")
    await ws.send(b"1")
    await ws.send(bytearray(b"2"))
    await ws.send(memoryview(b"_3_")[1:2])
    await ws.send(b"4", text=True)
    await ws.send("5", text=False)
    await ws.ping()
    await ws.ping(b"p")
    await ws.ping("\u00e9")
    cafe = "caf\u00e9".encode()
    want = [(TEXT, cafe), (BINARY, b"1"), (BINARY, b"2"), (BINARY, b"3"), (TEXT, b"4")]
    want += [(BINARY, b"5"), (PING, b""), (PING, b"p"), (PING, cafe[3:])]
    assert parse(stream.s.sent) == want
    try:
        ws.ping(b"x" * 126)
        raise AssertionError("too long")
    except ValueError:
        pass
    assert parse(stream.s.sent) == want


async def test_masks_differ():
    keys = set()
    for _ in range(20):
        stream = Stream([])
        ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(64)))
        await ws.send(b"\x00\x00\x00\x00")
        keys.add(stream.s.sent[6:10])
    assert len(keys) == 20


async def test_view_is_json_and_into_the_buffer():
    text = b'{"limit":16}'
    rx = bytearray(RX)
    ws = WebSocket(
        Stream([frame(TEXT, text) + frame(TEXT, b"[7]")]),
        memoryview(rx),
        memoryview(bytearray(64)),
    )
    view = await ws.recv()
    assert json.loads(view) == {"limit": 16}
    rx[0] = ord("[")
    assert view[0] == ord("[")
    assert json.loads(await ws.recv()) == [7]


async def test_times():
    ws = WebSocket(
        Stream([frame(PONG), frame(TEXT, b"a")]),
        memoryview(bytearray(RX)),
        memoryview(bytearray(64)),
    )
    assert ws.last_pong_ms is None
    ws.last_rx_ms = None
    await ws.recv()
    assert isinstance(ws.last_pong_ms, int) and isinstance(ws.last_rx_ms, int)


async def test_close_reason_is_cut_to_fit():
    stream = Stream([])
    ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(64)))
    await ws.close(1000, "\u20ac" * 60)
    sent = parse(stream.s.sent)
    assert sent == [(CLOSE, b"\x03\xe8" + "\u20ac".encode() * 41)]
    stream = Stream([])
    ws = WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(64)))
    await ws.close(4000, "x" + "\u20ac" * 60)
    assert len(parse(stream.s.sent)[0][1]) == 2 + 1 + 40 * 3
    for code in (0, 999, 1005, 1006, 2000, 5000):
        await raises(ValueError, ws.close(code))


async def test_random_frames_never_escape():
    # Noise ends in ConnectionClosed whatever it is, and what is sent back is well formed.
    seed = int(os.getenv("PILOTWIRE_SEED") or "1")
    import random

    random.seed(seed)
    for _ in range(400):
        noise = bytearray([random.getrandbits(8) for _ in range(random.randrange(1, 60))])
        noise[0] = noise[0] & 0x8F  # or the reserved bits end nearly all of them
        if len(noise) > 1:
            noise[1] &= 0x7F
        messages, code, reason, back = await play([bytes(noise)])
        assert code in (1002, 1005, 1006, 1007, 1009) or is_close_code(code), (seed, noise)
    await asyncio.sleep_ms(0)
