"""uwebsockets against RFC 6455: a table with a row for what a server may and must not send.

A row says what comes in, and from the RFC which messages that makes, which close code it ends with
and what the client sends back. Each is played whole, cut in two at every byte, and byte by byte,
with a buffer that is large enough from the beginning and with one that has to grow. Where the
client has to fail the connection it must do so at the very byte that is wrong, not later.
"""

from mp_uwebsockets_peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Server,
    close,
    frame,
    play,
    read_all,
    read_frame,
    upgrade,
)

from uwebsockets import connect

HEAP = "2M"  # messages of 64 KB are looked at in one piece
BOTH = True

RX = 300  # the largest message, but for the rows that say otherwise
BYE = close(1000)
A125 = b"x" * 125
A126 = b"y" * 126
FULL = b"z" * RX
K64 = b"m" * 65535

# subject; clause; what the server sends; the messages that it makes; the code that the client ends
# with; the frames that it sends back before its close frame; where other than RX: the largest
# message
GOOD = (
    # framing, lengths
    ("text", "5.6", frame(TEXT, b"hello") + BYE, ["hello"], 1000, []),
    ("binary", "5.6", frame(BINARY, b"\x00\xff") + BYE, [b"\x00\xff"], 1000, []),
    ("empty", "5.2", frame(TEXT) + frame(BINARY) + BYE, ["", b""], 1000, []),
    ("7-bit length", "5.2", frame(BINARY, A125) + BYE, [A125], 1000, []),
    ("16-bit length", "5.2", frame(BINARY, A126) + BYE, [A126], 1000, []),
    ("127", "5.2", frame(TEXT, A126 + b"z") + BYE, [str(A126, "utf-8") + "z"], 1000, []),
    ("16 bits, the largest", "5.2", frame(BINARY, K64) + BYE, [K64], 1000, [], 65535),
    ("64-bit length", "5.2", frame(BINARY, K64 + b"n") + BYE, [K64 + b"n"], 1000, [], 65536),
    ("the largest message", "10.4", frame(BINARY, FULL) + BYE, [FULL], 1000, []),
    ("many messages", "5.4", frame(TEXT, b"a") * 30 + BYE, ["a"] * 30, 1000, []),
    # pings and pongs
    ("ping", "5.5.2", frame(PING) + BYE, [], 1000, [(PONG, b"")]),
    ("ping with text", "5.5.3", frame(PING, b"hi") + BYE, [], 1000, [(PONG, b"hi")]),
    ("ping with bytes", "5.5.3", frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff") + BYE, [], 1000,
        [(PONG, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")]),
    ("ping of 125", "5.5", frame(PING, A125) + BYE, [], 1000, [(PONG, A125)]),
    ("ten pings", "5.5.2", b"".join([frame(PING, bytes([i])) for i in range(10)]) + BYE, [], 1000,
        [(PONG, bytes([i])) for i in range(10)]),
    ("pong not asked for", "5.5.3", frame(PONG) + frame(TEXT, b"a") + BYE, ["a"], 1000, []),
    ("pong with payload", "5.5.3", frame(PONG, A125) + BYE, [], 1000, []),
    ("pong, then ping", "5.5.3", frame(PONG, b"x") + frame(PING, b"y") + BYE, [], 1000,
        [(PONG, b"y")]),
    # fragments
    ("two fragments", "5.4", frame(TEXT, b"he", False) + frame(0, b"llo") + BYE, ["hello"], 1000,
        []),
    ("empty fragments", "5.4", frame(TEXT, b"", False) + frame(0, b"", False) + frame(0) + BYE,
        [""], 1000, []),
    ("an empty one in the middle", "5.4", frame(TEXT, b"", False) + frame(0, b"mid", False)
        + frame(0) + BYE, ["mid"], 1000, []),
    ("fragments of 126", "5.4", frame(BINARY, A126, False) + frame(0, A126) + BYE, [A126 + A126],
        1000, []),
    ("as large as may be, in three", "5.4", frame(BINARY, FULL[:100], False)
        + frame(0, FULL[100:200], False) + frame(0, FULL[200:]) + BYE, [FULL], 1000, []),
    ("many fragments", "5.4", frame(BINARY, b"a", False) + frame(0, b"b", False) * 60 + frame(0)
        + BYE, [b"a" + b"b" * 60], 1000, []),
    ("64 KB in pieces of 1300", "5.4", frame(TEXT, b"t" * 1300, False)
        + frame(0, b"t" * 1300, False) * 49 + frame(0, b"t" * 536) + BYE, ["t" * 65536], 1000, [],
        65536),
    ("control frames between fragments", "5.4", frame(TEXT, b"a", False) + frame(PING, b"1")
        + frame(0, b"b", False) + frame(PONG, b"2") + frame(PING, b"3") + frame(0, b"c") + BYE,
        ["abc"], 1000, [(PONG, b"1"), (PONG, b"3")]),
    ("fragments again", "5.4", (frame(TEXT, b"a", False) + frame(0, b"b")) * 3 + BYE, ["ab"] * 3,
        1000, []),
    # text
    ("a character in two fragments", "5.6", frame(TEXT, b"\xe2\x82", False) + frame(0, b"\xac")
        + BYE, ["\u20ac"], 1000, []),
    ("a ping inside a character", "5.6", frame(TEXT, b"\xf0\x9f", False) + frame(PING)
        + frame(0, b"\x98", False) + frame(0, b"\x80") + BYE, ["\U0001f600"], 1000,
        [(PONG, b"")]),
    ("binary is not looked at", "5.6", frame(BINARY, b"\xc3", False) + frame(0, b"\xff") + BYE,
        [b"\xc3\xff"], 1000, []),
    ("binary after cut text", "5.6", frame(TEXT, b"\xc3", False) + frame(0, b"\xa9")
        + frame(BINARY, b"\xc3") + BYE, ["\u00e9", b"\xc3"], 1000, []),
    # the end
    ("close without a code", "7.1.5", frame(CLOSE), [], 1005, []),
    ("close with a reason", "7.1.6", close(1000, "\u20ac".encode()), [], 1000, []),
    ("close with the longest reason", "5.5", close(3000, b"r" * 123), [], 3000, []),
    ("close inside a message", "5.5.1", frame(TEXT, b"a", False) + close(1001, b"going"), [], 1001,
        []),
    ("a message after close", "5.5.1", frame(TEXT, b"a") + close(1011) + frame(TEXT, b"late"),
        ["a"], 1011, []),
    ("a ping after close", "5.5.1", close(1000) + frame(PING), [], 1000, []),
    ("close twice", "5.5.1", close(1000) + close(1000), [], 1000, []),
    ("noise after close", "7.1.1", close(1000) + b"\xff\xff\xff", [], 1000, []),
    ("the end of TCP", "7.1.5", b"", [], 1006, []),
    ("the same after a message", "7.1.5", frame(TEXT, b"a"), ["a"], 1006, []),
    ("the same inside a frame", "7.1.5", frame(TEXT, b"hello")[:-1], [], 1006, []),
    ("the same inside a header", "7.1.5", frame(BINARY, A126)[:3], [], 1006, []),
    ("the same between fragments", "7.1.5", frame(TEXT, b"a", False), [], 1006, []),
) + tuple(
    ("close code %d" % code, "7.4", close(code), [], code, [])
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
) + tuple(
    ("text " + repr(text), "3.7 of RFC 3629", frame(TEXT, text) + BYE, [str(text, "utf-8")], 1000,
        [])
    for text in (
        b"\x00", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf",
        b"\xee\x80\x80", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80",
        b"\xf0\x9f\xbf\xbe", b"\xf4\x8f\xbf\xbf", "\u03ba\u1f79\u03c3\u03bc\u03b5".encode(),
    )
)  # fmt: skip

# subject; clause; what the server sends up to the byte that must not be; the code; what the reason
# says
BAD = (
    ("a masked frame", "5.1", b"\x81\x81", 1002, "masked"),
    ("a masked ping", "5.1", b"\x89\x80", 1002, "masked"),
    ("a ping of 126", "5.5", b"\x89\x7e", 1002, "control frame"),
    ("a close of 126", "5.5", b"\x88\x7e", 1002, "control frame"),
    ("a pong of 64 bits", "5.5", b"\x8a\x7f", 1002, "control frame"),
    ("a ping in pieces", "5.5", b"\x09\x00", 1002, "control frame"),
    ("a pong in pieces", "5.5", b"\x0a\x00", 1002, "control frame"),
    ("a close in pieces", "5.5", b"\x08\x02", 1002, "control frame"),
    ("a continuation of nothing", "5.4", b"\x80\x01", 1002, "continuation"),
    ("the same, to be continued", "5.4", b"\x00\x01", 1002, "continuation"),
    ("the same, empty", "5.4", b"\x80\x00", 1002, "continuation"),
    ("the same, after a message", "5.4", frame(TEXT, b"a", False) + frame(0, b"b") + b"\x80\x00",
        1002, "continuation", ["ab"]),
    ("text inside a message", "5.4", frame(TEXT, b"a", False) + b"\x81\x01", 1002, "continuation"),
    ("binary inside a message", "5.4", frame(TEXT, b"a", False) + frame(PING) + b"\x02\x01", 1002,
        "continuation"),
    ("126 in 7 bits more", "5.2", b"\x82\x7e\x00\x7d", 1002, "length"),
    ("0 in 16 bits", "5.2", b"\x82\x7e\x00\x00", 1002, "length"),
    ("126 in 64 bits", "5.2", b"\x82\x7f" + bytes(7) + b"\x7e", 1002, "length"),
    ("65535 in 64 bits", "5.2", b"\x82\x7f" + bytes(6) + b"\xff\xff", 1002, "length"),
    ("the top bit of 64", "5.2", b"\x82\x7f\x80" + bytes(7), 1002, "length"),
    ("all bits of 64", "5.2", b"\x82\x7f" + b"\xff" * 8, 1002, "length"),
    ("a close of one byte", "5.5.1", b"\x88\x01\x03", 1002, "close code"),
    ("a reason that is cut", "5.5.1", close(1000, b"\xc3"), 1007, "UTF-8"),
    ("a reason that is no text", "5.5.1", close(1000, b"a\xffb"), 1007, "UTF-8"),
    ("text that ends in a character", "8.1", frame(TEXT, b"ok \xc3"), 1007, "UTF-8"),
    ("the same in fragments", "8.1", frame(TEXT, b"ok", False) + frame(0, b"\xe2\x82"), 1007,
        "UTF-8"),
    ("the same, its last one empty", "8.1", frame(TEXT, b"\xe2\x82", False) + frame(0), 1007,
        "UTF-8"),
    ("bad in the next fragment", "8.1", frame(TEXT, b"\xe2", False) + b"\x80\x05a", 1007, "UTF-8"),
    ("bad after a ping", "8.1", frame(TEXT, b"\xe2", False) + frame(PING) + b"\x80\x05a", 1007,
        "UTF-8"),
    ("bad in a fragment of many", "8.1", frame(TEXT, b"\xc3\xa9", False) * 1
        + frame(0, b"\xc3\xa9", False) * 9 + b"\x00\x7e\x00\xff" + b"a" * 20 + b"\xa9", 1007,
        "UTF-8"),
    ("too large by one", "7.4.1", b"\x82\x7e\x01\x2d", 1009, "message > 300"),
    ("too large in fragments", "7.4.1", frame(TEXT, FULL[1:], False) + b"\x80\x02", 1009,
        "message > 300"),
    ("the same after a full one", "7.4.1", frame(TEXT, FULL, False) + frame(0, b"", False)
        + b"\x80\x01", 1009, "message > 300"),
    ("64 KB", "7.4.1", b"\x82\x7f" + bytes(4) + b"\x00\x01\x00\x00", 1009, "message > 300"),
    ("the largest length", "7.4.1", b"\x81\x7f\x7f" + b"\xff" * 7, 1009, "message > 300"),
) + tuple(
    ("reserved bits %d, opcode %d" % (bits, op), "5.2", bytes([0x80 | bits << 4 | op, 0]), 1002,
        "reserved")
    for bits in range(1, 8)
    for op in (TEXT, BINARY, CLOSE, PING, PONG)
) + tuple(
    ("opcode %d" % op, "5.2", bytes([fin | op, size]), 1002, "opcode %d" % op)
    for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    for fin, size in ((0x80, 0), (0x80, 5), (0, 0))
) + tuple(
    ("close code %d" % code, "7.4", close(code, b"why"), 1002, "close code %d" % code)
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
) + tuple(
    ("text " + repr(text), "3.7 of RFC 3629", b"\x81\x50ok" + before + text, 1007, "UTF-8")
    for before in (b"", b"\xc3\xa9")
    for text in (
        b"\x80", b"\xbf", b"\xc0", b"\xc1", b"\xc2\x00", b"\xc2\x20", b"\xc2\xc2", b"\xdf\x7f",
        b"\xe0\x80", b"\xe0\x9f", b"\xe2\x28", b"\xe2\x82\x28", b"\xe2\x82\xc0",
        b"\xed\xa0", b"\xed\xbf",  # surrogates
        b"\xf0\x80", b"\xf0\x8f", b"\xf0\x9f\x98a", b"\xf4\x90", b"\xf5", b"\xf8", b"\xfc",
        b"\xfe", b"\xff", b"\xe2\x82\xac\x80",
    )
)  # fmt: skip


def chops(data):
    """Whole; cut in two at every byte (of what is longer than 2 KB: around its ends, and at every
    4999th); every byte alone; every byte alone with idle wake-ups."""
    yield [data] if data else []
    n = len(data)
    for i in range(1, n):
        if n < 2048 or i < 16 or i > n - 16 or not i % 4999:
            yield [data[:i], data[i:]]
    if n < 2048:
        ones = [data[i : i + 1] for i in range(n)]
        yield ones
        yield [x for one in ones for x in (None, one)]


# The payload of the close frame that answers the one which a row of GOOD ends with.
def answered(data, code):
    at = data.find(b"\x88")
    return b"" if code == 1005 else data[at + 2 : at + 2 + data[at + 1]]


async def may_send(rows, rx):
    for subject, clause, data, messages, code, back, *most in rows:
        if code != 1006:
            back = back + [(CLOSE, answered(data, code))]
        for pieces in chops(data):
            result = await play(pieces, *(most or [RX]), rx)
            assert result[:2] == (messages, code), (subject, clause, pieces, result)
            assert result[3] == back, (subject, clause, pieces, result)


async def test_what_a_server_may_send():
    await may_send([row for row in GOOD if len(row) == 6], None)


async def test_what_a_server_may_send_to_a_buffer_that_grows():
    await may_send([row for row in GOOD if len(row) == 6], 8)


async def test_messages_of_64_KB():
    await may_send([row for row in GOOD if len(row) == 7], 4096)


async def test_what_a_server_must_not_send():
    for subject, clause, data, code, why, *messages in BAD:
        # A message before shows that what came whole is delivered, one after that nothing is.
        messages = ["before"] + (messages[0] if messages else [])
        data = frame(TEXT, b"before") + data
        for pieces in chops(data + frame(TEXT, b"after")):
            for rx in (None, 8):
                got = await play(pieces, RX, rx)
                assert got[:2] == (messages, code), (subject, clause, pieces, rx, got)
                assert why in got[2], (subject, clause, got)
                sent = [x for x in got[3] if x[0] != PONG]
                assert sent == [(CLOSE, code.to_bytes(2, "big") + got[2].encode())], subject


async def test_it_is_noticed_at_the_byte_that_is_wrong():
    for subject, clause, data, code, *_ in BAD:
        _, got, _, _ = await play([data], RX)
        assert got == code, (subject, clause, got)
        _, got, _, _ = await play([data[:-1]], RX)
        assert got == 1006, (subject, clause, "the byte before was wrong already", got)


async def over_tcp(data, step):
    """-> messages, code, frames that the server got. It waits for the client's close frame."""

    async def handler(reader, writer):
        await upgrade(reader, writer)
        for i in range(0, len(data), step):
            writer.write(data[i : i + step])
            await writer.drain()
        while not back or back[-1][0] != CLOSE:
            back.append(await read_frame(reader))

    back = []
    async with Server(handler) as url:
        ws = await connect(url, rx_size=128, rx_max=RX, tx_size=64)
        messages, code, _ = await read_all(ws)
    return messages, code, back


async def test_what_a_server_must_not_send_over_tcp():
    # The server says no more than the wrong byte, and waits; or more, which is left unread: the
    # close frame arrives all the same.
    for subject, _, data, code, *_ in BAD:
        for more, step in ((b"", 1), (frame(TEXT, b"after") * 9, 1000)):
            _, got, back = await over_tcp(data + more, step)
            assert got == code and back[-1][1][:2] == code.to_bytes(2, "big"), (subject, got, back)
