"""Frames of RFC 6455, valid ones and mutated ones, chopped anyhow: what the client makes of them
against an oracle that was written from the text and shares no code with it.

A stream is a list of frames (bytes; after a mutation perhaps none that are lawful), how it is cut
in pieces, and what the client's buffers are. The client is lib/uwebsockets over a stream in
memory, in a process of MicroPython (frames_player.py).
"""

import multiprocessing
import random
import re
import time
from concurrent import futures

from tests.prove_link.ports import BATCH, Player

COUNT = 1000000
PLAYER = "tests/prove_link/frames_player.py"
SABOTAGE = (
    "reserved-bits-pass",
    "utf8-passes",
    "late-utf8",
    "forgets-state",
    "lengths-pass",
    "one-too-many",
    "grows-empty",
    "masks-by-the-chunk",
    "any-close-code",
)

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
WAKE = 0xFFFF
WORDS = ("plain", "{\"limit\":16}", "caf\u00e9", "\u20ac", "\U0001f600", "\ud7ff", "\ue000",
    "\uffff", "\U0010ffff", "\x00", "\x7f\u0080", "\u07ff\u0800", "\U00010000")  # fmt: skip
NOT_TEXT = (b"\x80", b"\xc0\xaf", b"\xc3", b"\xc3(", b"\xe0\x9f\xbf", b"\xe2\x82", b"\xed\xa0\x80",
    b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5", b"\xff", b"\xf0\x9f\x98")  # fmt: skip
SIZES = (0, 0, 1, 1, 2, 3, 5, 8, 13, 30, 60, 124, 125, 126, 127, 200)
CODES = (1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4999)
NO_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535)


def frame(op, payload=b"", fin=True, form=None):
    """A server's frame; form: 7, 16 or 64 bits for the length, else the shortest that there is."""
    n = len(payload)
    form = form or (7 if n < 126 else 16 if n < 65536 else 64)
    size = {7: bytes([n & 127]), 16: b"\x7e" + (n & 65535).to_bytes(2, "big"),
        64: b"\x7f" + n.to_bytes(8, "big")}[form]  # fmt: skip
    return bytes([op | (0x80 if fin else 0)]) + size + payload


# The grammar


def text(rng):
    out = b""
    size = rng.choice(SIZES)
    while len(out) < size:
        out += rng.choice(WORDS).encode()
    return out


def message(rng, most):
    """The frames of one, perhaps with others between them."""
    if rng.random() < 0.6:
        op, data = TEXT, text(rng)
        if rng.random() < 0.1:
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.choice(NOT_TEXT) + data[at:]
    else:
        op, data = BINARY, rng.randbytes(rng.choice(SIZES))
    if rng.random() < 0.1:  # around the limit
        data += b"x" * (most + rng.choice((-1, 0, 0, 1)) - len(data))
    frames = []
    while rng.random() < 0.4:
        cut = rng.randrange(len(data) + 1)
        frames.append(frame(op, data[:cut], False))
        op, data = CONT, data[cut:]
        if rng.random() < 0.3:
            frames.append(control(rng))
    frames.append(frame(op, data))
    return frames


def control(rng):
    payload = rng.randbytes(rng.choice((0, 1, 4, 124, 125)))
    return frame(rng.choice((PING, PING, PONG)), payload)


def ending(rng):
    if rng.random() < 0.3:
        return []  # TCP just ends
    payload = b""
    if rng.random() < 0.8:
        payload = rng.choice(CODES if rng.random() < 0.8 else NO_CODES).to_bytes(2, "big")
        payload += text(rng)[:123]  # (perhaps in the middle of a character)
    elif rng.random() < 0.3:
        payload = b"\x03"
    return [frame(CLOSE, payload)]


def mutated(rng, frames):
    """`frames` with one thing done to them that a server should not, or need not, do."""
    i = rng.randrange(len(frames))
    f = bytearray(frames[i])
    what = rng.randrange(12)
    if what == 0:
        f[0] ^= 1 << rng.randrange(8)  # final, reserved bits, opcode
    elif what == 1:
        f[1] ^= 1 << rng.randrange(8)  # masked, length
    elif what == 2:
        f[0] = f[0] & 0xF0 | rng.randrange(16)
    elif what == 3:
        f[rng.randrange(len(f))] ^= 1 << rng.randrange(8)
    elif what == 4:  # the length in more bytes than it needs; of control frames too
        payload = bytes(f[2 if f[1] < 126 else 4 :])
        f = bytearray(frame(f[0] & 15, payload, f[0] & 0x80, rng.choice((16, 64))))
    elif what == 5:  # lengths out of the sky
        f[1:2] = b"\x7f" + rng.choice((b"\x00", b"\x7f", b"\x80", b"\xff")) + rng.randbytes(7)
    elif what == 6:
        f[rng.randrange(len(f)) :] = b""
    elif what == 7:
        at = rng.randrange(len(f) + 1)
        f[at:at] = rng.randbytes(rng.randrange(1, 9))
    elif what == 8:
        return frames[:i] + frames[i + 1 :]
    elif what == 9:
        return frames[:i] + [frames[i]] + frames[i:]
    elif what == 10:
        k = rng.randrange(len(frames))
        return frames[:k] + [frames[i]] + frames[k:]
    else:
        f = bytearray(frame(rng.choice((CLOSE, PING, PONG)), rng.randbytes(rng.choice((1, 126)))))
    return frames[:i] + [bytes(f)] + frames[i + 1 :]


def lengths(rng, total):
    """Of the pieces in which `total` bytes arrive."""
    how = rng.randrange(5)
    if how == 0 or not total:
        return [total] if total else []
    if how == 1:
        cut = rng.randrange(total)
        return [n for n in (cut, total - cut) if n]
    if how == 2 and total < 600:
        return [1] * total
    out = []
    longest = rng.choice((3, 20, 200))
    while total:
        if how == 3 and rng.random() < 0.1:
            out.append(WAKE)
        n = min(rng.randint(1, longest), total)
        out.append(n)
        total -= n
    return out


def stream(rng):
    most = rng.choice((125, 126, 300, 300, 1000))
    frames = []
    for _ in range(rng.randrange(6)):
        frames += message(rng, most) if rng.random() < 0.75 else [control(rng)]
    frames += ending(rng)
    if frames and rng.random() < 0.5:
        frames = mutated(rng, frames)
    return {
        "frames": frames,
        "lengths": lengths(rng, sum(map(len, frames))),
        "rx": rng.choice((1, 64, 125, most)),
        "tx": rng.choice((32, 37, 64, 256)),
        "most": most,
        "echo": rng.choice((0, 0, 3)),
    }


# The oracle


# RFC 3629, section 4: the characters, and what one may be cut to.
TAIL = rb"[\x80-\xbf]"
CHARACTERS = re.compile(
    rb"(?:[\x00-\x7f]|[\xc2-\xdf]T|\xe0[\xa0-\xbf]T|[\xe1-\xec\xee\xef]TT|\xed[\x80-\x9f]T"
    rb"|\xf0[\x90-\xbf]TT|[\xf1-\xf3]TTT|\xf4[\x80-\x8f]TT)*".replace(b"T", TAIL)
)
CUT = re.compile(
    rb"[\xc2-\xf4]|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef]T|\xed[\x80-\x9f]"
    rb"|\xf0[\x90-\xbf]T?|[\xf1-\xf3]TT?|\xf4[\x80-\x8f]T?".replace(b"T", TAIL)
)


def is_text(data, final):
    """Is it UTF-8, or (if it is not `final`) the beginning of such?"""
    rest = data[CHARACTERS.match(data).end() :]
    return not rest or not final and CUT.fullmatch(rest) is not None


def verdict(data, most, echo):
    """What RFC 6455 asks of a client that gets `data` and then the end of TCP: the messages, the
    code, and what it sends: (opcode, payload), of a close frame that is its own idea the code."""
    messages, sent = [], []

    def ended(code, payload=None):
        if payload is not None:
            sent.append((CLOSE, payload))
        return messages, code, sent

    def failed(code):
        return ended(code, code)

    kind = None  # of the message that is not finished
    parts = b""
    at = 0
    while True:
        if len(data) - at < 2:
            return ended(1006)
        first, second = data[at], data[at + 1]
        at += 2
        fin, op, size = first >= 0x80, first % 16, second % 128
        if first // 16 % 8 or second >= 0x80 or op not in (CONT, TEXT, BINARY, CLOSE, PING, PONG):
            return failed(1002)
        if op in (CLOSE, PING, PONG):
            if not fin or size > 125:
                return failed(1002)
            payload = data[at : at + size]
            if len(payload) < size:
                return ended(1006)
            at += size
            if op == PING:
                sent.append((PONG, payload))
            if op == CLOSE:
                if not payload:
                    return ended(1005, b"")
                code = int.from_bytes(payload[:2], "big")
                known = code in (*range(1000, 1004), *range(1007, 1015))
                if len(payload) == 1 or not known and not 3000 <= code <= 4999:
                    return failed(1002)
                if not is_text(payload[2:], True):
                    return failed(1007)
                return ended(code, payload)
            continue
        if (op == CONT) != (kind is not None):
            return failed(1002)
        if size > 125:
            width = 2 if size == 126 else 8
            if len(data) - at < width:
                return ended(1006)
            size = int.from_bytes(data[at : at + width], "big")
            at += width
            if size < (126 if width == 2 else 65536) or size >= 2**63:
                return failed(1002)
        if op != CONT:
            kind, parts = op, b""
        if len(parts) + size > most:
            return failed(1009)
        payload = data[at : at + size]
        at += size
        whole = len(payload) == size
        if kind == TEXT and not is_text(parts + payload, whole and fin):
            return failed(1007)
        if not whole:
            return ended(1006)
        parts += payload
        if fin:
            messages.append((kind, parts))
            if echo:
                echo -= 1
                sent.append((kind, parts))
            kind = None


def as_read(data):
    """`data` cut where a reader of RFC 6455 finds its frames; the last takes what is left over."""
    out = []
    while data:
        head, size = 2, data[1] & 127 if len(data) > 1 else 0
        if size > 125:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[2:head], "big")
        out.append(data[: head + size])
        data = data[head + size :]
    return out


def payload_of(f):
    """Of one frame of as_read()."""
    return f[2 if len(f) < 2 or f[1] & 127 < 126 else 4 if f[1] & 127 == 126 else 10 :]


# What the client did


def request(s):
    numbers = s["echo"], s["rx"], s["tx"], s["most"], len(s["lengths"])
    head = b"".join(n.to_bytes(4, "little") for n in numbers)
    return head + b"".join(n.to_bytes(2, "little") for n in s["lengths"]) + b"".join(s["frames"])


def sent_frames(data):
    """(opcode, payload) of each frame of a client; ValueError if one is not lawful."""
    out = []
    while data:
        size, p = data[1] & 127, 2
        if size > 125:
            p = 4 if size == 126 else 10
            size = int.from_bytes(data[2:p], "big")
        key, payload = data[p : p + 4], data[p + 4 : p + 4 + size]
        short = size < 126 if p == 2 else 126 <= size < 65536 if p == 4 else size >= 65536
        if data[0] & 0xF0 != 0x80 or not data[1] & 0x80 or not short or len(payload) != size:
            raise ValueError(data[:14].hex())
        mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
        out.append((data[0] & 15, (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")))
        data = data[p + 4 + size :]
    return out


def difference(s, answer):
    """What the oracle says and what the client did, where these differ; else None."""
    messages, code, sent = verdict(b"".join(s["frames"]), s["most"], s["echo"])
    got_code, n = (int.from_bytes(answer[i : i + 4], "little") for i in (0, 4))
    got, at = [], 8
    for _ in range(n):
        size = int.from_bytes(answer[at + 1 : at + 5], "little")
        got.append(
            (TEXT if answer[at : at + 1] == b"T" else BINARY, answer[at + 5 : at + 5 + size])
        )
        at += 5 + size
    try:
        got_sent = sent_frames(answer[at:])
    except (ValueError, IndexError) as e:
        got_sent = [("malformed", str(e).encode())]
    if sent and isinstance(sent[-1][1], int) and got_sent:
        # Its own idea: the code counts, and that there is a reason in at most 123 bytes of text.
        op, payload = got_sent[-1]
        if op == CLOSE and 2 < len(payload) <= 125 and payload[2:].decode(errors="replace"):
            got_sent[-1] = op, int.from_bytes(payload[:2], "big")
    if (got, got_code, got_sent) == (messages, code, sent):
        return None

    def said(pairs):
        return [[op, x if isinstance(x, int) else x.hex()] for op, x in pairs]

    return {
        "oracle": {"messages": said(messages), "code": code, "sent": said(sent)},
        "client": {"messages": said(got), "code": got_code, "sent": said(got_sent)},
    }


# Playing


def prove(seed, count, seconds, ports, sabotage=None, say=print):
    """Plays `count` frames, each port its share in a process; see __main__.py."""
    end = time.time() + seconds
    share = -(-count // len(ports))
    stop = multiprocessing.Manager().Event()
    with futures.ProcessPoolExecutor(len(ports)) as pool:
        running = [pool.submit(_share, p, seed, share, end, sabotage, stop) for p in ports]
        for port, process in zip(ports, running, strict=True):
            said, found = process.result()
            say(f"{port}: {said}", flush=True)
            if found:
                return {**_shrunk(found, port, sabotage), "seed": seed, "port": port}
    return None


def _share(port, seed, count, end, sabotage, stop):
    """-> what was played, and the first stream that made a difference or None"""
    player = Player(port, PLAYER, *([sabotage] if sabotage else []))
    began = time.time()
    played = i = size = 0
    codes = {}
    found = None
    try:
        while played < count and time.time() < end and not stop.is_set():
            streams = [stream(random.Random(f"{seed} {port} {i + k}")) for k in range(BATCH)]
            i += BATCH
            answers = player.ask([request(s) for s in streams])
            for s, answer in zip(streams, answers, strict=True):
                played += len(s["frames"])
                size += sum(map(len, s["frames"]))
                code = int.from_bytes(answer[:4], "little")
                codes[code] = codes.get(code, 0) + 1
                if difference(s, answer):
                    found = s
                    stop.set()
                    break
    finally:
        player.close()
    took = time.time() - began
    codes = ", ".join(f"{n} x {code}" for code, n in sorted(codes.items()) if n > i / 200)
    return f"{played} frames in {i} streams of {size >> 20} MB, {took:.0f} s: {codes}", found


def replay(found, port, sabotage=None):
    s = {**found, "frames": [bytes.fromhex(f) for f in found["frames"]]}
    player = Player(port, PLAYER, *([sabotage] if sabotage else []))
    try:
        d = difference(s, player.ask([request(s)])[0])
    finally:
        player.close()
    return d and {**found, **d}


def smaller(frames):
    """Streams with less in them, the shortest first: without a run of frames, with two parts of a
    message as one, or with less of one frame, as it is cut or as a lawful one."""
    n = len(frames)
    for run in range(n, 0, -1):
        for i in range(n - run + 1):
            yield frames[:i] + frames[i + run :]
    for i in range(n - 1):
        f, rest = frames[i : i + 2]
        if rest[0] & 15 == CONT and f[0] & 15 < CLOSE:
            joined = frame(f[0] & 15, payload_of(f) + payload_of(rest), rest[0] & 0x80)
            yield frames[:i] + [joined] + frames[i + 2 :]
    for i, f in enumerate(frames):
        payload = payload_of(f)
        less = [f[:keep] for keep in (2, len(f) // 2, len(f) - 1)]
        for keep in (0, 1, len(payload) // 2, len(payload) - 1):
            less.append(frame(f[0] & 15, payload[: max(keep, 0)], f[0] & 0x80))
        for shorter in less:
            if len(shorter) < len(f):
                yield frames[:i] + [shorter] + frames[i + 1 :]


def _shrunk(s, port, sabotage):
    """The least that still makes a difference, as JSON takes it."""
    player = Player(port, PLAYER, *([sabotage] if sabotage else []))

    def differs(s):
        return difference(s, player.ask([request(s)])[0])

    def tried(fewer):
        nonlocal s
        total = sum(map(len, fewer["frames"]))
        for pieces in [total], [1] * total, s["lengths"]:
            pieces = [n for n in pieces if n]
            if sum(n for n in pieces if n != WAKE) == total:
                if differs({**fewer, "lengths": pieces}):
                    s = {**fewer, "lengths": pieces}
                    return True
        return False

    def as_frames():
        # (what was cut short, or mutated, has swallowed frames behind it: they go as one)
        return as_read(b"".join(s["frames"]))

    try:
        while any(tried({**s, "frames": fewer}) for fewer in smaller(as_frames())):
            pass
        tried({**s, "echo": 0})
        s = {**s, "frames": as_frames()}
        return {**s, "frames": [f.hex() for f in s["frames"]], **differs(s)}
    finally:
        player.close()
