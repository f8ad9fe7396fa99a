"""uwebsockets: what leaves, the bytes of wire.py, buffers that grow. Mostly without sockets. (What
comes in: mp_uwebsockets_conformance.py.)"""

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
    read_all,
    read_frame,
)
from rig import raised

from uwebsockets import ConnectionClosed, WebSocket, connect, wire
from uwebsockets.wire import mask, utf8

HEAP = "512K"  # a message of 64 KB is looked at in one piece
BOTH = True

RX = 300
BYE = close(1000)


async def test_frames_that_come_with_the_answer():
    async def handler(reader, writer):
        from mp_uwebsockets_peer import answer, read_head

        writer.write(answer(await read_head(reader)) + frame(TEXT, b"early") + BYE)
        await writer.drain()
        assert await read_frame(reader) == (CLOSE, b"\x03\xe8")

    async with Server(handler) as url:
        assert await read_all(await connect(url)) == (["early"], 1000, "")


def test_utf8_of_every_code_point_edge():
    # By the definition: encode by hand, compare with the verdict.
    for n in range(0, 0x120000, 0x155):
        for c in (n, n | 0x7FF, n | 0xFFFF, n & ~0xFFF):
            three = bytes([0xE0 | c >> 12 & 15, 0x80 | c >> 6 & 63, 0x80 | c & 63])
            if c < 0x10000:
                assert (utf8(three) == 0) == (c >= 0x800 and not 0xD800 <= c < 0xE000), hex(c)
            four = bytes([0xF0 | c >> 18 & 7, 0x80 | c >> 12 & 63]) + bytes(
                [0x80 | c >> 6 & 63, 0x80 | c & 63]
            )
            assert (utf8(four) == 0) == (0x10000 <= c < 0x110000), hex(c)


def quiet(tx=64, takes=(), tcp=None):
    """A stream on which nothing comes, and a WebSocket on it with so large a buffer to send."""
    stream = Stream([], takes)
    return stream, WebSocket(stream, memoryview(bytearray(8)), memoryview(bytearray(tx)), 0, tcp)


def hearing(pieces, rx=RX, most=0):
    """A WebSocket on which `pieces` come."""
    return WebSocket(Stream(pieces), memoryview(bytearray(rx)), memoryview(bytearray(64)), most)


def masked_right(starts, sizes):
    key = b"\x01\x20\xf0\x8f"
    for start in starts:
        for size in sizes:
            buf = bytearray(os.urandom(start + size + 5))
            want = bytearray(buf)
            for i in range(size):
                want[start + i] ^= key[i & 3]
            mask(memoryview(buf), start, start + size, key)
            assert buf == want, (start, size)


def test_mask():
    assert wire.websocket, "this interpreter has what makes it fast"
    masked_right(range(9), list(range(20)) + [63, 64, 65, 126, 127, 255, 256, 257, 511])
    masked_right((0, 8), (65535, 65536))
    wire.websocket = None  # a port without it
    masked_right(range(9), list(range(20)) + [63, 64, 65])


def test_mask_after_an_interrupt():
    """Ctrl-C in the middle of a mask: the next one is right."""

    def interrupted(n):
        buf = memoryview(bytearray(20))
        whole = wire._InPlace.readinto

        def readinto(self, buf):
            if len(buf) == n:
                raise KeyboardInterrupt
            return whole(self, buf)

        wire._InPlace.readinto = readinto
        try:
            mask(buf, 0, 20, b"abcd")
            raise AssertionError("not interrupted")
        except KeyboardInterrupt:
            wire._InPlace.readinto = whole

    for n in (2, 6, 20):
        interrupted(n)
        masked_right((0, 8), (7, 20, 100))


async def test_send_sizes():
    # Around the borders of the length encodings and of the chunks of several tx buffers.
    for tx in (32, 33, 63, 64, 66):
        sizes = list(range(140)) + [tx * 3 - i for i in range(12)] + [500]
        for size in sizes:
            data = os.urandom(size)
            stream, ws = quiet(tx)
            await ws.send(data)
            assert parse(stream.s.sent) == [(BINARY, data)], (tx, size)
    for size in (65535, 65536, 65537):
        data = bytearray(size)
        data[-3:] = b"end"
        stream, ws = quiet(1024)
        await ws.send(data)
        # Not by parse(): that would take several copies.
        p = 4 if size < 65536 else 10
        assert len(stream.s.sent) == size + p + 4
        assert stream.s.sent[1] == (0xFE if p == 4 else 0xFF)
        key = stream.s.sent[p : p + 4]
        assert stream.s.sent[p + 4 : p + 8] == key
        tail = [c ^ key[(size - 3 + i) & 3] for i, c in enumerate(stream.s.sent[-3:])]
        assert bytes(tail) == b"end"


def asked(data, step, stream, tx):
    for at in range(0, len(data) or 1, step):
        assert at < len(stream.s.sent) + tx
        yield data[at : at + step]


async def test_send_from():
    """Whatever its pieces: none is asked for before there is room for it."""
    for tx in (32, 64, 66, 1024):
        for size in (0, 1, 125, 126, 500):
            for step in (1, 3, 31, 499, 1000):
                data = os.urandom(size)
                stream, ws = quiet(tx)
                await ws.send_from(size, asked(data, step, stream, tx))
                assert parse(stream.s.sent) == [(TEXT, data)], (tx, size, step)


async def test_send_from_what_fails_ends_the_connection():
    def pieces():
        yield b"x" * 40
        raise ValueError("out of data")

    stream, ws = quiet()
    await raised(ValueError, ws.send_from(100, pieces()))
    assert ws.closed
    await raised(ConnectionClosed, ws.send(b"x"))
    stream, ws = quiet()
    await ws.send_from(100, [b"x" * 99])  # too little
    assert ws.closed


async def test_send_to_a_socket_that_takes_little():
    data = bytes(range(150))
    for takes in ([1] * 30, [None, 3, None, 5, 100, None], [0, 1, None, 31, 1, 62, 2, 3]):
        stream, ws = quiet(64, takes)
        await ws.send(data)
        await ws.ping()
        assert parse(stream.s.sent) == [(BINARY, data), (PING, b"")], takes


async def test_send_kinds():
    stream, ws = quiet()
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
        stream, ws = quiet()
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
    ws = hearing([frame(PONG), frame(TEXT, b"a")])
    assert ws.last_pong_ms is None
    ws.last_rx_ms = None
    await ws.recv()
    assert isinstance(ws.last_pong_ms, int) and isinstance(ws.last_rx_ms, int)


async def test_close_reason_is_cut_to_fit():
    stream, ws = quiet()
    await ws.close(1000, "\u20ac" * 60)
    sent = parse(stream.s.sent)
    assert sent == [(CLOSE, b"\x03\xe8" + "\u20ac".encode() * 41)]
    stream, ws = quiet()
    await ws.close(4000, "x" + "\u20ac" * 60)
    assert len(parse(stream.s.sent)[0][1]) == 2 + 1 + 40 * 3
    for code in (0, 999, 1005, 1006, 2000, 5000):
        await raised(ValueError, ws.close(code))


# Buffers that grow


def counted(wire_room):
    """wire.room, and the sizes of the buffers that it made."""
    sizes = []

    def room(rx, n, size, *args):
        larger = wire_room(rx, n, size, *args)
        if larger is not rx:
            sizes.append(len(larger))
        return larger

    return room, sizes


async def test_a_large_message_has_its_own_buffer_while_it_is_read():
    one = frame(TEXT, b"a" * 64) + frame(BINARY, b"b" * 200) + frame(TEXT, b"c")
    rx = bytearray(64)
    ws = WebSocket(Stream([one * 3]), memoryview(rx), memoryview(bytearray(64)), 256)
    for _ in range(3):
        assert bytes(await ws.recv()) == b"a" * 64 == bytes(rx)
        large = await ws.recv()
        assert bytes(rx) == b"a" * 64, "the buffer of the small ones is left alone"
        assert bytes(await ws.recv()) == b"c" and rx[0] == ord("c")
        assert bytes(large) == b"b" * 200, "and is its reader's for as long as he wants"


async def test_how_much_a_buffer_grows():
    """To what a message needs, where that is known, and somewhat more, so that the next one of its
    kind may have the same place; else to the most: nothing is copied twice."""
    whole = wire.room
    for pieces, sizes in (
        ([frame(TEXT, b"x" * 300)], [512]),
        ([frame(TEXT, b"x" * 50, False), frame(0, b"x" * 200)], [512]),
        ([frame(TEXT, b"x" * 900)], [1000]),
        ([frame(TEXT, b"x" * 65, False), frame(0, b"x" * 200)], [1000]),
        ([frame(TEXT, b"x" * 50, False)] + [frame(0, b"x" * 30, False)] * 30 + [frame(0)], [1000]),
    ):
        wire.room, grown = counted(whole)
        ws = hearing(pieces, 64, 1000)
        view = await ws.recv()
        assert bytes(view) == b"x" * len(view)
        assert grown == sizes, grown
    wire.room = whole


async def test_no_memory_for_a_large_message():
    """It ends in 1009, and what is asked for in vain is not kept."""
    import gc

    header = b"\x82\x7f" + (100 << 20).to_bytes(8, "big")
    code = None
    for op in (0x82, 0x02):
        stream = Stream([bytes([op]) + header[1:]])
        ws = WebSocket(stream, memoryview(bytearray(64)), memoryview(bytearray(64)), 1 << 30)
        try:
            await ws.recv()
        except ConnectionClosed as e:
            code = e.code, e.reason
        assert code == (1009, "no memory for 104857600 bytes")
        assert parse(stream.s.sent)[0][1][:2] == b"\x03\xf1"
    # Of a fragment it is not known what will follow: there is no memory for the most, but for it.
    data = frame(TEXT, b"x" * 100, False) + frame(0, b"y" * 100)
    ws = hearing([data], 64, 1 << 29)
    assert bytes(await ws.recv()) == b"x" * 100 + b"y" * 100
    gc.collect()


async def test_memory_that_others_hold_for_a_moment():
    """It is waited for."""
    whole, asked = wire.room, []

    def room(rx, n, size, most, fin, last):
        asked.append(last)
        return whole(rx, n, size, most, fin) if len(asked) == 5 else rx

    wire.room = room
    ws = hearing([frame(TEXT, b"x" * 300)], 64, 1000)
    assert bytes(await ws.recv()) == b"x" * 300 and asked == [False] * 5
    wire.room = whole


async def test_a_buffer_of_a_connection_that_ended_is_let_go():
    import gc

    data = frame(TEXT, bytes(100000), False) + b"\xff"
    ws = hearing([data], 64, 1 << 17)
    await raised(ConnectionClosed, ws.recv())
    del data
    gc.collect()
    before = gc.mem_alloc()
    ws._rx = ws._base
    gc.collect()
    assert before - gc.mem_alloc() < 1000, "held by a connection that is over"


async def test_chunks_are_joined_to_packets_and_the_last_one_is_not_late():
    class Tcp:
        def __init__(self):
            self.said = []

        def setsockopt(self, level, option, value):
            assert (level, option) == (6, 1)  # TCP_NODELAY
            self.said.append((value, len(stream.s.sent)))

    for size, chunks in ((0, 1), (30, 1), (58, 1), (59, 2), (64, 2), (500, 8)):
        tcp = Tcp()
        stream, ws = quiet(tcp=tcp)
        await ws.send(bytes(size))
        sent = len(stream.s.sent)
        if chunks == 1:
            assert not tcp.said, size
        else:
            before = tcp.said[1][1]  # (the first chunk may be shorter: a multiple of 4)
            assert tcp.said == [(0, 0), (1, before)], size
            assert sent - 64 <= before < sent and before > 64 * (chunks - 1) - 4, size
