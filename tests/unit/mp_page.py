"""The unit's page (firmware/page): requests that are none, the password and its sessions, the
hours before now. tests/system/test_page.py has it as a whole."""

import json
from binascii import hexlify
from hashlib import sha256

import flash
from rig import seeded

from firmware import lazy
from firmware.page import actions, kept, request
from firmware.page.history import History

BOTH = True
HEAP = "400K"

random = seeded("page")
PASSWD = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
PASSWORD = "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"
LONG = "a4314cbea50e626ace3f3956ca231e56bc3868bc5fe77ba667dc2a93968ecbe7"
FILE = "/flash/history"
SITE = b"Host: cp1.local:8080\r\n"
HEAD = b"GET /state HTTP/1.1\r\n" + SITE


class Bare:
    """Anything with these attributes."""

    def __init__(self, **fields):
        for name in fields:
            setattr(self, name, fields[name])


class Socket:
    """A peer that has sent `data`, in pieces of at most `most` bytes, and then waits."""

    def __init__(self, data, most=1000):
        self.data, self.most = data, most
        self.said = b""

    def readinto(self, buf):
        n = min(len(buf), len(self.data), random.randint(1, self.most))
        buf[:n] = self.data[:n]
        self.data = self.data[n:]
        return n or None

    def write(self, data, at, n):
        n = min(n, random.randint(1, 300))
        self.said += bytes(data[at : at + n])
        return n


def a_page(**more):
    unit = Bare(up_s=100)
    fields = {"hosts": [b"192.168.1.7", b"cp1", b"cp1.local"], "port": 8080, "unit": unit}
    fields.update({"token": None, "sessions": [], "wrong": 0, "again_s": 0}, **more)
    return Bare(**fields)


async def read(data, page=None, most=1000):
    """-> the Request; or the status that it is refused with"""
    r = request.Request(Socket(data, most), lambda: True)
    try:
        await r.read(page or a_page())
    except ValueError as e:
        return e.args[0]
    return r


async def test_what_a_browser_sends_is_read_however_it_is_cut():
    body = b'{"connector":1}'
    more = b"Content-Length: 15\r\nORIGIN: http://CP1.local:8080\r\nCookie: a=b; c\r\n\r\n"
    for most in (1, 2, 7, 40, 1000):
        r = await read(b"POST /stop HTTP/1.1\r\n" + SITE + more + body + b"rest", most=most)
        assert (r.method, r.path, r.body) == (b"POST", b"/stop", body)
        assert r.host == b"cp1.local:8080" and r.origin == b"http://cp1.local:8080"
        assert not r.signed_in


async def test_each_name_of_the_unit_and_no_other():
    for host in (b"192.168.1.7:8080", b"CP1:8080", b"cp1.LOCAL:8080"):
        assert (await read(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host)).path == b"/"
    for host in (
        b"",
        b"evil.example",
        b"cp1.local",
        b"cp1.local:80",
        b"cp1.local.evil:8080",
        b":8080",
    ):
        assert await read(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host) == 421, host
    assert await read(b"GET / HTTP/1.1\r\n\r\n") == 421
    page = a_page(port=80)
    for host in (b"cp1", b"cp1:80"):
        assert (await read(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host, page)).path == b"/"


async def test_what_is_refused():
    for status, data in (
        (400, b"\r\n\r\n"),
        (400, b"GET /\r\n\r\n"),
        (400, b"GET / HTTP/2\r\n\r\n"),
        (400, b"GET http://x/ HTTP/1.1\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\r\n\r\n"),
        (400, b"GET / HTTP/1.1 x\r\n\r\n"),
        (400, HEAD + b"no header\r\n\r\n"),
        (400, HEAD + b" folded: x\r\n\r\n"),
        (400, HEAD + b"Cookie : x\r\n\r\n"),
        (400, HEAD + b"host: evil\r\n\r\n"),
        (400, HEAD + b": x\r\n\r\n"),
        (400, HEAD + b"Content-Length: -1\r\n\r\n"),
        (400, HEAD + b"Content-Length: 1234567890\r\n\r\n"),
        (405, b"DELETE / HTTP/1.1\r\n" + SITE + b"\r\n"),
        (413, HEAD + b"Content-Length: 1\r\n\r\n"),
        (413, b"POST / HTTP/1.1\r\n" + SITE + b"Content-Length: 513\r\n\r\n"),
        (431, b"GET /" + bytes([97]) * 600),
        (431, HEAD + b"x: " + bytes([97]) * 600),
        (431, HEAD + b"".join([b"x%d: y\r\n" % i for i in range(600)])),
        (501, b"POST / HTTP/1.1\r\n" + SITE + b"Transfer-Encoding: chunked\r\n\r\n"),
    ):
        assert await read(data) == status, (status, data[:60])


async def test_who_does_not_go_on_is_given_up_where_others_wait():
    for data in (
        b"",
        b"GET",
        HEAD,
        b"POST / HTTP/1.1\r\n" + SITE + b"Content-Length: 5\r\n\r\n1234",
    ):
        try:
            await read(data)
            raise AssertionError(data)
        except OSError as e:
            assert e.args == ("too slow",)


async def test_noise_costs_an_answer_and_nothing_else():
    words = (b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"\n", b":", b"Host", b"\0", b"\xff" * 9, SITE)
    for _ in range(300):
        data = b"".join([random.choice(words) for _ in range(random.randint(0, 30))])
        data += b"\r\n\r\n"
        s = Socket(data, 400)
        try:
            await request.answer(a_page(), s, lambda: True)
        except OSError as e:
            assert e.args == ("too slow",)
            continue
        assert s.said.startswith(b"HTTP/1.1 4"), (data, s.said)
        assert json.loads(s.said.split(b"\r\n\r\n", 1)[1])["error"]


def test_what_a_field_of_the_configuration_wants():
    """As config.py says it, but for the page's own: a password that a person can sign in by."""
    config, fields = lazy.load("config"), lazy.load("page.fields")
    fields._read = dict  # (no file)
    rows = json.loads(b"".join([piece for piece in fields.pieces() if piece]))["fields"]
    wants = {row["name"]: row["wants"] for row in rows}
    assert wants.pop("page").startswith("a password of 8 to 64 characters")
    assert wants == {name: config.find(name)[1] for name in config.names() if name != "page"}


async def test_pbkdf2_is_that_of_the_standard():
    long = b"a long pass phrase, of more than the sixty-four bytes that are one block of SHA-256"
    for password, salt, rounds, wanted in (
        (b"passwd", b"salt", 1, PASSWD),  # (RFC 7914, 11)
        (b"password", b"salt", 2, PASSWORD),
        (long, bytes(range(16)), 100, LONG),
    ):
        assert hexlify(await actions.derived(password, salt, rounds)).decode() == wanted


async def secret(password):
    salt = b"0123456789abcdef"
    digest = await actions.derived(password.encode(), salt, 30)
    return "30:%s:%s" % (hexlify(salt).decode(), hexlify(digest).decode())


async def post(page, path, values, cookie=b"", origin=b"http://cp1:8080"):
    """-> (headers, what is said), or the status that it is refused with"""
    body = json.dumps(values).encode()
    head = b"POST %s HTTP/1.1\r\nHost: cp1:8080\r\nContent-Length: %d\r\n" % (path, len(body))
    if origin:
        head += b"Origin: %s\r\n" % origin
    r = await read(head + b"Cookie: x=y; %s\r\n\r\n" % cookie + body, page)
    try:
        return await actions.do(page, r)
    except ValueError as e:
        return e.args[0]


async def each(page, cookies):
    """What each of them may: 401 nothing; 404: all there is."""
    out = []
    for cookie in cookies:
        out.append(await post(page, b"/x", {}, cookie))
    return out


async def sign_in(page, password):
    answer = await post(page, b"/login", {"password": password})
    if type(answer) is int:
        return answer
    head, _ = answer
    assert b"; HttpOnly; SameSite=Strict" in head
    return head[len(b"Set-Cookie: ") :].split(b";")[0]


async def test_nothing_is_done_without_the_password():
    page = a_page(secret=await secret("right"))
    for path in (b"/start", b"/stop", b"/clear", b"/restart", b"/logout", b"/x"):
        for cookie in (b"", b"pilotwire=", b"pilotwire=" + b"0" * 32):
            assert await post(page, path, {"connector": 1, "tag": "A"}, cookie) == 401, path


async def test_another_site_may_not_even_sign_in():
    page = a_page(secret=await secret("right"))
    cookie = await sign_in(page, "right")
    for origin in (
        b"",
        b"null",
        b"http://evil",
        b"https://cp1:8080",
        b"http://cp1",
        b"http://cp1:8080.evil",
    ):
        for path in (b"/login", b"/restart"):
            values = {"password": "right"}
            assert await post(page, path, values, cookie, origin) == 403, (origin, path)


async def test_a_wrong_password_makes_all_wait():
    page = a_page(secret=await secret("right"))
    for pause_s in (2, 4, 8, 16, 32, 32, 32, 32, 32, 32):
        assert await sign_in(page, "wrong") == 401
        assert page.again_s - page.unit.up_s == pause_s
        page.unit.up_s += pause_s - 1
        assert await sign_in(page, "right") == 429, "nobody looks at it yet"
        page.unit.up_s += 1
    assert not page.sessions
    assert (await sign_in(page, "right")).startswith(b"pilotwire=")
    assert await sign_in(page, "wrong") == 401
    assert page.again_s - page.unit.up_s == 2, "it begins anew"


async def test_what_is_no_password():
    page = a_page(secret=await secret(""))
    for values in (
        {},
        {"password": None},
        {"password": 5},
        {"password": ["x"]},
        {"password": "x" * 129},
        [],
    ):
        assert await post(page, b"/login", values) == 400, values
    assert not page.wrong and not page.sessions


async def test_a_session_ends_by_time_by_others_and_by_signing_out():
    page = a_page(secret=await secret("right"))
    first = await sign_in(page, "right")
    assert await post(page, b"/x", {}, first) == 404, "signed in"
    assert await post(page, b"/x", {}, first[:-1]) == 401
    page.unit.up_s += 12 * 3600 - 1
    assert await post(page, b"/x", {}, first) == 404
    page.unit.up_s += 1
    assert await post(page, b"/x", {}, first) == 401
    cookies = []
    for _ in range(6):
        cookies.append(await sign_in(page, "right"))
    assert len(set(cookies)) == 6 and len(page.sessions) == 4
    assert await each(page, cookies) == [401] * 2 + [404] * 4
    await post(page, b"/logout", {}, cookies[5])
    assert await each(page, cookies) == [401] * 6


async def test_words_that_are_none_do_nothing():
    unit = Bare(up_s=0, station=Bare(connectors=[None]))
    page = a_page(secret=await secret("right"), unit=unit)
    cookie = await sign_in(page, "right")
    for number in (0, 2, -1, None, "1", True, 1.5, [1]):
        for path in (b"/start", b"/stop", b"/clear"):
            assert await post(page, path, {"connector": number, "tag": "A"}, cookie) == 400
    for tag in (None, "", "x" * 21, "a b", "\u20ac", "a\nb", 5):
        assert await post(page, b"/start", {"connector": 1, "tag": tag}, cookie) == 400, tag
    assert await post(page, b"/start", [], cookie) == 400


async def test_a_program_with_the_token_may_set_limits_and_no_more():
    def impose(words):
        if words != "10 for 60":
            raise ValueError('what is "%s"?' % words)
        return "all together: 10 A"

    looked = []
    sharing = Bare(due_s=0, evaluate=lambda now, now_ms: looked.append(now))
    station = Bare(connectors=[None], impose=impose, sharing=sharing)
    unit = Bare(up_s=0, station=station, clock=Bare(now=lambda: 7))
    digest = hexlify(sha256(b"token").digest()).decode()
    page = a_page(secret=await secret("right"), unit=unit, token=digest)
    words = {"words": "10 for 60"}
    for kind in (b"Bearer", b"bearer"):
        token = b"a=b\r\nAuthorization: %s token" % kind
        head, said = await post(page, b"/limit", words, token, b"")
        assert not head and json.loads(said[0]) == {"said": "all together: 10 A"}
        assert looked.pop() == 7, "in force before it is answered"
    for wrong in ({"words": "x"}, {"words": None}, {"words": 10}, {}):
        assert await post(page, b"/limit", wrong, token, b"") == 400
    for path in (b"/restart", b"/login", b"/x"):
        assert await post(page, path, {"password": "right"}, token, b"") == 403, path
    assert await post(page, b"/restart", {}, token) == 401
    assert await post(page, b"/limit", words, token, b"http://evil") == 403
    for bad in (b"Basic token", b"Bearer tokem", b"Bearer", b"Bearer token x"):
        assert await post(page, b"/limit", words, b"a=b\r\nAuthorization: " + bad, b"") == 403, bad
    assert type(await post(page, b"/limit", words, await sign_in(page, "right"))) is tuple
    page.token = None
    assert await post(page, b"/limit", words, token, b"") == 403


class Connectors:
    """What History looks at."""

    def __init__(self, count):
        self.connectors = [
            Bare(
                meter=Bare(current_mA=[0, 0, 0]),
                controller=Bare(pilot_mA=0),
                limits=Bare(hardware_mA=32000),
                limit_mA=None,
            )
            for _ in range(count)
        ]
        self.sharing = Bare(limit_mA=lambda c: c.limit_mA)


def samples(history, number):
    """Limit, pilot and car of each, in 500 mA."""
    data = b"".join([bytes(piece) for piece in history.pieces(number)])
    assert len(data) == 3 * 288
    return data


def test_the_hours_before_now():
    unit = Bare(up_s=0, station=Connectors(2))
    history = History(unit)
    assert samples(history, 1) == b"\xff" * 864
    one, two = unit.station.connectors
    wanted = bytearray(), bytearray()
    for k in range(1, 400):
        one.controller.pilot_mA = one.limit_mA = 6000 + 50 * k
        two.meter.current_mA[1] = 100 * (k % 100)
        for _ in range(300):
            unit.up_s += 1
            history.look()
            history.look()  # (more often than the seconds pass: it counts once)
        byte = (6000 + 50 * k + 250) // 500
        wanted[0].extend(bytes((byte, byte, 0)))
        wanted[1].extend(bytes((64, 0, (100 * (k % 100) + 250) // 500)))
    assert history.t_s == unit.up_s == 399 * 300
    for number in (1, 2):
        assert samples(history, number) == wanted[number - 1][-864:]


def test_a_time_without_looks_leaves_no_gap():
    unit = Bare(up_s=0, station=Connectors(1))
    history = History(unit)
    unit.station.connectors[0].meter.current_mA[0] = 10000
    unit.up_s = 1000
    history.look()
    assert history.t_s == 900
    assert samples(history, 1)[-12:] == b"\xff" * 3 + bytes((64, 0, 20)) * 3


class Known:
    """A clock that shows `t`."""

    def __init__(self, t):
        self.t, self.is_known = t, True

    def now(self):
        return self.t

    def known(self):
        return self.is_known


def restarted(unit, history, off_s):
    """-> the History of the next run, which begins `off_s` later"""
    kept.save(unit, history, FILE)
    unit.clock.t += off_s
    unit.up_s = 0
    after = History(unit)
    kept.restore(unit, after, FILE)
    return after


def test_the_hours_before_a_restart():
    flash.mount(flash.Flash(8))
    unit = Bare(up_s=0, station=Connectors(2), clock=Known(2 * 10**8))

    def runs(history, s):
        unit.up_s += s
        unit.clock.t += s
        history.look()

    history = History(unit)
    unit.station.connectors[1].limit_mA = 9000
    runs(history, 86400 + 700)
    for off_s, lost in ((0, 0), (99, 0), (101, 1), (299, 1), (3600, 12), (86399, 288)):
        history = History(unit)
        unit.up_s = 0
        runs(history, 86400 + 200)
        after = restarted(unit, history, off_s)
        assert after.t_s == -((200 + off_s) % 300) or lost == 288
        for number, byte in ((1, 64), (2, 18)):
            wanted = bytes((byte, 0, 0)) * (288 - lost) + b"\xff" * (3 * lost)
            assert samples(after, number) == wanted, (off_s, number)
    # It goes on, and over another restart; a run more that was not ended in order costs nothing.
    after = restarted(unit, history, 1000)
    runs(after, 900)
    again = restarted(unit, after, 10)
    assert samples(again, 2)[-9:] == bytes((18, 0, 0)) * 3
    unit.clock.t += 300
    lost = History(unit)
    kept.restore(unit, lost, FILE)
    assert samples(lost, 2)[-6:] == bytes((18, 0, 0)) + b"\xff" * 3


def test_a_history_of_nobody_knows_when_or_of_another_unit_is_none():
    unit = Bare(up_s=0, station=Connectors(1), clock=Known(2 * 10**8))
    flash.mount(flash.Flash(8))
    for saved, known, connectors, now_s in (
        (True, False, 1, 1000),
        (False, True, 1, 1000),
        (True, True, 2, 1000),
        (True, True, 1, -400),
    ):
        unit.up_s, unit.station = 0, Connectors(1)
        unit.clock.t, unit.clock.is_known = 2 * 10**8, saved
        with open(FILE, "wb") as f:
            f.write(b"\1\1")
        history = History(unit)
        unit.up_s = 600
        history.look()
        kept.save(unit, history, FILE)
        unit.clock.t, unit.clock.is_known = unit.clock.t + now_s, known
        unit.station = Connectors(connectors)
        after = History(unit)
        kept.restore(unit, after, FILE)
        assert samples(after, 1) == b"\xff" * 864 and after.t_s == 0
