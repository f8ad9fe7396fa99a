"""ocpp/rpc.py on a connection that the test plays: ids, turns, time-outs, every bad frame."""

import asyncio
import gc
import json
import time

from rig import raised, raises

from firmware.ocpp import rpc, schema
from firmware.ocpp import text as texts
from firmware.ocpp.rpc import CallError, Rpc
from firmware.ocpp.v16 import shapes

HEAP = "200K"
BOTH = True
CHIP = True

schema.use(shapes)
BEAT = {"currentTime": "2026-11-20T12:00:00Z"}


class Ws:
    """Notes what is sent; `answer` sees each CALL and may answer it."""

    def __init__(self, bench):
        self.bench = bench
        self.sent = []
        self.raw = []
        self.answer = None
        self.fails = None

    async def send(self, text):
        if self.fails:
            raise self.fails
        self.raw.append(text)
        frame = json.loads(text)
        self.sent.append(frame)
        await asyncio.sleep_ms(0)
        if self.answer and frame[0] == 2:
            self.answer(frame)

    async def send_from(self, size, pieces):
        text = b"".join(pieces)
        assert len(text) == size
        await self.send(text)


class Bench:
    def __init__(self):
        self.said = []
        self.asked = []
        self.reply = {}
        self.rpc = Rpc(self.handle, self.said.append)
        self.ws = Ws(self)
        self.rpc.attach(self.ws)

    def handle(self, action, payload):
        self.asked.append((action, payload))
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply(payload) if callable(self.reply) else self.reply

    async def receive(self, frame):
        """The peer sends `frame`; -> what we sent back, or None."""
        n = len(self.ws.sent)
        await self.rpc.receive(self.decode(frame))
        assert len(self.ws.sent) <= n + 1
        return self.ws.sent[n] if len(self.ws.sent) > n else None

    def decode(self, frame):
        data = frame if isinstance(frame, (str, bytes)) else json.dumps(frame)
        return self.rpc.decode(data if isinstance(data, bytes) else data.encode())

    async def call(self, action="Heartbeat", payload=None):
        """The confirmation, or the exception, of a call."""
        try:
            return await self.rpc.call(action, payload or {})
        except Exception as e:
            return e

    def start(self, *args):
        return asyncio.create_task(self.call(*args))


async def sent(b, n):
    """Wait until `n` frames were sent; -> the last of them."""
    for _ in range(200):
        if len(b.ws.sent) >= n:
            assert len(b.ws.sent) == n, b.ws.sent
            return b.ws.sent[n - 1]
        await asyncio.sleep_ms(1)
    raise AssertionError("sent: %r" % b.ws.sent)


async def answered(b):
    """A call is made, as the next frame that leaves, and answered: its caller hears that."""
    task = b.start()
    frame = await sent(b, len(b.ws.sent) + 1)
    await b.receive([3, frame[1], BEAT])
    assert await task == BEAT
    return frame


async def reconnect(b, task):
    """The connection is lost, and with it the call that `task` makes; there is a new one."""
    b.rpc.attach(None)
    await raised(OSError, task)
    b.ws = Ws(b)
    b.rpc.attach(b.ws)


# Our calls


async def test_a_call_and_its_answer():
    b = Bench()
    task = b.start("Authorize", {"idTag": "04A2"})
    frame = await sent(b, 1)
    assert frame[0] == 2 and frame[2:] == ["Authorize", {"idTag": "04A2"}]
    assert isinstance(frame[1], str) and 0 < len(frame[1]) <= 36
    assert ": " not in b.ws.raw[0] and ", " not in b.ws.raw[0]
    answer = {"idTagInfo": {"status": "Accepted"}}
    assert await b.receive([3, frame[1], answer]) is None
    assert await task == answer


async def test_ids_are_unique_also_after_a_restart():
    seen = set()
    for _ in range(5):
        b = Bench()
        tasks = [b.start() for _ in range(20)]
        for n in range(1, 21):
            frame = await sent(b, n)
            assert frame[1] not in seen and len(frame[1]) <= 36
            seen.add(frame[1])
            await b.receive([3, frame[1], BEAT])
        for task in tasks:
            assert await task == BEAT
    assert len(seen) == 100


async def test_one_call_is_outstanding_and_callers_take_turns():
    b = Bench()
    order = []

    async def caller(name):
        await b.rpc.call("DataTransfer", {"vendorId": name})
        order.append(name)

    tasks = [asyncio.create_task(caller(name)) for name in "abcdef"]
    for n, name in enumerate("abcdef", 1):
        frame = await sent(b, n)
        assert frame[3]["vendorId"] == name
        await asyncio.sleep_ms(5)
        assert len(b.ws.sent) == n  # the next one waits
        await b.receive([3, frame[1], {"status": "Accepted"}])
    for task in tasks:
        await task
    assert order == list("abcdef")


async def test_requests_are_answered_while_a_call_waits():
    b = Bench()
    task = b.start()
    frame = await sent(b, 1)
    assert await b.receive([2, "x", "ClearCache", {}]) == [3, "x", {}]
    await b.receive([3, frame[1], BEAT])
    assert await task == BEAT


async def test_an_answer_before_send_returns():
    b = Bench()
    loop = []
    b.ws.answer = lambda frame: loop.append(
        asyncio.create_task(b.rpc.receive(b.decode([3, frame[1], BEAT])))
    )
    for _ in range(3):
        assert await b.call() == BEAT


async def test_answers_to_nothing_are_ignored():
    b = Bench()
    for kind in (3, 4):
        assert await b.receive([kind, "nobody", {}]) is None
    task = b.start()
    frame = await sent(b, 1)
    for wrong in (frame[1] + "x", frame[1][:-1], "", frame[1].upper() + " "):
        assert await b.receive([3, wrong, {"currentTime": "x"}]) is None
        assert await b.receive([4, wrong, "GenericError", "", {}]) is None
    assert not task.done()
    await b.receive([3, frame[1], BEAT])
    assert await task == BEAT
    await b.receive([3, frame[1], BEAT])  # once more
    task = b.start()
    second = await sent(b, 2)
    await b.receive([3, frame[1], {}])  # late, while the next is outstanding
    assert not task.done()
    await b.receive([3, second[1], BEAT])
    assert await task == BEAT
    assert len([line for line in b.said if "nothing was asked" in line]) >= 4


async def test_a_call_error():
    b = Bench()
    for tail, expected in (
        (["NotSupported", "no", {}], ("NotSupported", "no")),
        (["InternalError", "", {}], ("InternalError", "")),
        (["GenericError", "x" * 999, {"a": 1}], ("GenericError", "x" * 200)),
        (["GenericError"], ("GenericError", "")),
        (["GenericError", None, None], ("GenericError", "")),
        (["Vendor", 5], ("Vendor", "")),
    ):
        task = b.start()
        frame = await sent(b, len(b.ws.sent) + 1)
        await b.receive([4, frame[1]] + tail)
        e = await task
        assert isinstance(e, CallError) and (e.code, e.description) == expected, tail


async def test_answers_of_the_wrong_shape():
    b = Bench()
    for tail, code in (
        ([4], "FormationViolation"),
        ([4, 5, "x", {}], "FormationViolation"),
        ([4, None], "FormationViolation"),
        ([3], {}),
        ([3, BEAT, {}], BEAT),
        ([3, None], {}),
        ([3, []], {}),
        ([3, "x"], {}),
        ([3, {}], {}),
        ([3, {"currentTime": 5}], {"currentTime": None}),
        ([3, {"currentTime": "yesterday", "x": 1}], {"currentTime": None, "x": 1}),
    ):
        task = b.start()
        frame = await sent(b, len(b.ws.sent) + 1)
        await b.receive([tail[0], frame[1]] + tail[1:])
        got = await task
        if isinstance(code, dict):  # what can be used of it
            assert got == code, (tail, got)
            assert code == BEAT or "answer to Heartbeat" in b.said[-1], tail
        else:
            assert isinstance(got, CallError) and got.code == code, (tail, got)
    await answered(b)


class Impatient:
    """asyncio, as rpc.py sees it: the first answer that it waits for (after the way out of its
    CALL) has 50 ms, all else as long as it needs."""

    waits = 0

    def __getattr__(self, name):
        return getattr(asyncio, name)

    def wait_for(self, awaitable, s):
        assert s == 30
        self.waits += 1
        return asyncio.wait_for(awaitable, 0.05 if self.waits == 2 else 100)


async def test_time_out():
    b = Bench()
    rpc.asyncio = Impatient()
    task, following = b.start(), b.start()
    frame = await sent(b, 1)
    e = await task
    assert isinstance(e, asyncio.TimeoutError), e
    second = await sent(b, 2)
    assert second[1] != frame[1]
    await b.receive([3, frame[1], BEAT])  # too late
    assert not following.done()
    await b.receive([3, second[1], BEAT])
    assert await following == BEAT


async def test_the_connection_is_lost_while_a_call_waits():
    b = Bench()
    tasks = [b.start() for _ in range(3)]
    frame = await sent(b, 1)
    b.rpc.attach(None)
    for task in tasks:
        e = await task
        assert isinstance(e, OSError) and not isinstance(e, asyncio.TimeoutError), e
    assert len(b.ws.sent) == 1
    assert isinstance(await b.call(), OSError)  # offline
    b.ws = Ws(b)
    b.rpc.attach(b.ws)
    task = b.start()
    second = await sent(b, 1)
    await b.receive([3, frame[1], BEAT])  # of the former connection
    assert not task.done()
    await b.receive([3, second[1], BEAT])
    assert await task == BEAT


async def test_the_tries_of_a_message():
    """Whatever they got, the answer to any of them counts until the list is empty."""
    b = Bench()
    heard = []
    b.rpc.late = lambda answer, of: heard.append((answer, of is tries))
    tries = []

    def again():
        return asyncio.create_task(b.rpc.call("StopTransaction", {}, tries=tries))

    task = again()
    lost = await sent(b, 1)
    await reconnect(b, task)
    task = again()
    refused = await sent(b, 1)
    await b.receive([4, refused[1], "InternalError", "", {}])
    await raised(CallError, task)
    task = again()
    last = await sent(b, 2)
    for message_id in (refused[1], lost[1] + "0"):
        await b.receive([3, message_id, {}])
    assert not heard and not task.done()
    await b.receive([3, lost[1], {"idTagInfo": {"status": "x"}}])
    await b.receive([3, lost[1], {}])
    assert heard == [({"idTagInfo": {"status": None}}, True)] and not task.done()
    await b.receive([3, last[1], {}])
    assert await task == {} and tries == []


async def test_tries_that_are_left_count_beside_the_next_message():
    """As answers to the message that they are of; one that was emptied is over."""
    b = Bench()
    heard = []
    b.rpc.late = lambda answer, of: heard.append((answer, [of is tries for tries in lists]))
    lists = [], [], []
    ids = []
    for tries, action in zip(lists, ("StartTransaction", "StopTransaction", "MeterValues")):
        task = asyncio.create_task(b.rpc.call(action, {}, tries=tries))
        ids.append((await sent(b, 1))[1])
        await reconnect(b, task)
        if action == "StopTransaction":
            tries.clear()
    for i in (1, 0, 2, 0):
        await b.receive([3, ids[i], {"transactionId": "7"}])
    start, values = heard
    assert start == ({"transactionId": 7}, [True, False, False]), start
    assert values[1] == [False, False, True], values


async def test_sending_fails():
    b = Bench()
    b.ws.fails = OSError(104)
    assert isinstance(await b.call(), OSError)
    b.ws.fails = None
    await answered(b)


async def test_a_caller_that_is_cancelled_leaves_the_way_free():
    b = Bench()
    waiting, queued, last = b.start(), b.start(), b.start()
    frame = await sent(b, 1)
    queued.cancel()
    waiting.cancel()
    second = await sent(b, 2)
    await b.receive([3, frame[1], BEAT])
    assert not last.done()
    await b.receive([3, second[1], BEAT])
    assert await last == BEAT


# Requests


async def test_a_request_and_its_answer():
    b = Bench()
    b.reply = {"status": "Accepted"}
    for message_id in ("1", "x" * 36, "{} \u00e9", "\u20ac"):
        got = await b.receive([2, message_id, "Reset", {"type": "Soft"}])
        assert got == [3, message_id, {"status": "Accepted"}]
    assert b.asked == [("Reset", {"type": "Soft"})] * 4


async def test_errors_that_a_request_earns():
    b = Bench()
    for frame, code in (
        ([2, "1", "Reset", {}], "OccurenceConstraintViolation"),
        ([2, "1", "Reset", {"type": 5}], "TypeConstraintViolation"),
        ([2, "1", "Reset", {"type": "soft"}], "PropertyConstraintViolation"),
        ([2, "1", "Reset", []], "FormationViolation"),
        ([2, "1", "Reset", None], "FormationViolation"),
        ([2, "1", "Reset"], "FormationViolation"),
        ([2, "1"], "FormationViolation"),
        ([2, "1", "Reset", {"type": "Soft"}, {}], "FormationViolation"),
        ([2, "1", 5, {}], "FormationViolation"),
        ([2, "1", None, {}], "FormationViolation"),
        ([2, "x" * 37, "Reset", {"type": "Soft"}], "FormationViolation"),
        ([2, "1", "SignCertificate", {}], "NotSupported"),
        ([2, "1", "Heartbeat", {}], "NotSupported"),
        ([2, "1", "Foo", {}], "NotImplemented"),
        ([2, "1", "", {}], "NotImplemented"),
        ([2, "1", "x" * 5000, {}], "NotImplemented"),
    ):
        got = await b.receive(frame)
        assert got[:3] == [4, frame[1], code], (frame, got)
        assert len(got) == 5 and isinstance(got[3], str) and len(got[3]) <= 200 and got[4] == {}
    assert not b.asked


async def test_errors_that_a_request_earns_in_2_0_1():
    from firmware.ocpp.v201 import shapes

    schema.use(shapes)
    b = Bench()
    b.rpc.note = lambda event, text, every_s: b.asked.append(text)
    for frame, code in (
        ([2, "1", "Reset", {}], "OccurrenceConstraintViolation"),
        ([2, "1", "Reset", []], "FormatViolation"),
        ([2, "1", "Reset"], "RpcFrameworkError"),
        ([2, "1", None, {}], "RpcFrameworkError"),
        ([2, "x" * 37, "ClearCache", {}], "RpcFrameworkError"),
        (["2", "1", "ClearCache", {}], "RpcFrameworkError"),
        ([True, "1", "ClearCache", {}], "RpcFrameworkError"),
        ([6, "1", "NotifyPeriodicEventStream", {}], "MessageTypeNotSupported"),
        ([0, "1"], "MessageTypeNotSupported"),
    ):
        got = await b.receive(frame)
        assert got[:3] == [4, frame[1], code] and got[3] and got[4] == {}, (frame, got)
        assert b.asked.pop().startswith("request refused: " + code) and not b.asked
    for frame in ([6], [6, 1, "X", {}], [2, None, "Reset", {}], {"2": "1"}):
        assert await b.receive(frame) is None, frame
    task = b.start()
    (_, message_id, _, _) = await sent(b, len(b.ws.sent) + 1)
    await b.receive([4, message_id])
    assert (await task).code == "FormatViolation"


async def test_what_cannot_be_answered_is_ignored():
    b = Bench()
    for data in (
        "",
        "x",
        "{",
        "[",
        '[2,"1","Reset",{"type":"Soft"}',
        "null",
        "true",
        "5",
        '"text"',
        "{}",
        '{"0":2}',
        "[]",
        "[2]",
        '["2","1","Reset",{}]',
        "[2,1,2,3]",
        '[2,null,"Reset",{}]',
        '[2,"","Reset",{}]',
        '[2,{},"Reset",{}]',
        '[5,"1","Reset",{}]',
        '[0,"1","Reset",{}]',
        '[-2,"1","Reset",{}]',
        '[true,"1","Reset",{}]',
        '[null,"1","Reset",{}]',
        '[[],"1","Reset",{}]',
        '[{},"1","Reset",{}]',
        '[1e99,"1","Reset",{}]',
        '[100000000000000000000,"1","Reset",{}]',
        '[2,"%s","Reset",{}]' % ("x" * 200),
        '[2,"\\ud800","Reset",{}]',
        '[2,"a\\udfffb","Reset",{}]',
        '[2,"\\u123\u00e9","Reset",{}]',  # half of a character remains
        b"\xff\xfe",
        b"\x00" * 100,
        "[" * 400,
        "[" * 200 + "]" * 200,
        '{"a":' * 200,
    ):
        assert await b.receive(data) is None, data
        assert b.said and b.said.pop().startswith("frame ignored: "), data
    assert not b.asked
    b.reply = {"status": "Accepted"}
    assert await b.receive([2, "1", "Reset", {"type": "Soft"}]) == [3, "1", {"status": "Accepted"}]


async def test_every_cut_of_a_frame():
    b = Bench()
    text = '[2,"abc","ChangeConfiguration",{"key":"A","value":"\\u00e9"}]'
    for n in range(len(text)):
        assert await b.receive(text[:n]) is None, text[:n]
    assert not b.asked and (await b.receive(text))[0] == 3


PEM = "-----BEGIN X-----\n" + "M2/+" * 700 + "\r\n-----END X-----\n"


def test_a_pem_is_the_text_that_json_makes_of_it():
    """As encoders write it, wherever it stands; what is odd takes the usual way."""
    plain = json.dumps(PEM)
    for written in (plain, plain.replace("/", "\\/"), plain.replace("M2", "\\u004d2", 1)):
        for frame in (
            '[2,"1","A",{"c":%s}]',
            '[2,"1","A",{"a":"","c":%s,"d":{"e":"\\n"}}]',
            '[2,"1","A",{"a":{"c":%s,"d":7},"b":[{"x":1}]}]',
            '[2, "1" , "A" , { "c" : %s } ] ',
            '[3,"1",{"c":%s}]',
            '[2,"1","A",{"b":[%s]}]',
            '[2,"1",%s,{}]',
            '[2,"1","A",%s]',
            '{"c":%s}',
            '[2,"1","A",{%s:1}]',
        ):
            data = (frame % written).encode()
            wanted = json.loads(data)
            assert texts.loads(memoryview(bytearray(data))) == wanted, frame
            assert texts.loads(data) == wanted, "not to be written to"
        pair = '"\\ud83d\\udd0c"'
        for frame in ("[%s,{'c':%s,'d':%s}]", "[7,%s,{'a':{'d':%s,'c':%s}}]"):
            parts = (pair, written, pair) if frame[1] == "%" else (pair, pair, written)
            data = (frame.replace("'", '"') % parts).encode()
            got = texts.loads(memoryview(bytearray(data)))
            inner = got[-1].get("a", got[-1])
            assert got[-2] == inner["d"] == "\U0001f50c" and inner["c"] == PEM


def test_a_pem_that_is_cut_is_no_json():
    whole = '[2,"1","A",{"c":%s}]' % json.dumps(PEM)
    for cut in list(range(12, 60)) + list(range(60, len(whole), 17)):
        raises(ValueError, texts.loads, memoryview(bytearray(whole[:cut].encode())))


def test_many_pems_keep_nothing_up():
    """One is looked for, once, in what can be written to and in what not."""
    for n in (2, 5, 11, 40):
        many = ",".join(['"-----BEGIN a"'] * n)
        for pad in (0, 300, 470):
            data = '[2,"1","X",{"a":[%s],"p":"%s","b":[%s]}]' % (many, "x" * pad, many)
            began = time.ticks_us()
            assert texts.loads(memoryview(bytearray(data.encode()))) == json.loads(data)
            assert texts.loads(data.encode()) == json.loads(data)
            assert time.ticks_diff(time.ticks_us(), began) < 1000000


async def test_a_frame_that_is_nested_too_deep_is_ignored():
    b = Bench()
    assert await b.receive("[" * 3000) is None


async def test_surrogates_do_not_get_onto_the_wire():
    b = Bench()
    for text in (
        '[2,"1","\\ud83d",{}]',
        '[2,"1","Reset",{"type":"\\ud83d\\udd0c"}]',
        '[2,"1","Reset",{"type":"\\udd0c\\ud83d"}]',
        '[2,"1","Reset",{"\\ud800":1}]',
    ):
        got = await b.receive(text)
        assert got[0] == 4
        b.ws.raw[-1].encode().decode()  # is UTF-8
    b.reply = CallError("GenericError", "\ud800 and \udfff")
    got = await b.receive([2, "1", "ClearCache", {}])
    assert got == [4, "1", "GenericError", "? and ?", {}]


async def test_an_escaped_pair_is_a_character():
    """Beyond U+FFFF, and JSON may write it as two escapes (RFC 8259, 7). An id comes back as text
    that is the same, and elsewhere it counts as one."""
    b = Bench()
    for text, id in (
        ("\\ud83d\\udd0c", "\U0001f50c"),
        ("a\\uD83D\\uDD0Cb", "a\U0001f50cb"),
        ("\\ud800\\udc00\\udbff\\udfff", "\U00010000\U0010ffff"),
        ("\\ud83d\\udd0c" * 36, "\U0001f50c" * 36),
        ("\\\\ud83d\\\\udd0c", "\\ud83d\\udd0c"),  # (backslashes that are meant)
        ("\\\\\\ud83d\\udd0c", "\\\U0001f50c"),
        ("\\u00e9\U0001f50c", "\u00e9\U0001f50c"),
    ):
        got = await b.receive('[2,"%s","ClearCache",{}]' % text)
        assert got == [3, id, {}], (text, got)
        b.ws.raw[-1].encode().decode()  # is UTF-8
    for text in (
        "\\ud83d",
        "\\udd0c\\ud83d",
        "\\ud83dx\\udd0c",
        "\\ud83d\\\\udd0c",
        "\\ud83d\\u0041",
    ):
        assert await b.receive('[2,"%s","ClearCache",{}]' % text) is None, text
    long = "\\ud83d\\udd0c" * 255
    for more in ("", " " * 3000):  # (and of a frame that is looked at in pieces)
        text = '[2,"1","DataTransfer",%s{"vendorId":"%s","messageId":"x"}]' % (more, long)
        got = await b.receive(text)
        assert got[0] == 3 and b.asked[-1][1]["vendorId"] == "\U0001f50c" * 255
    for at in range(1010, 1028):  # (wherever it stands)
        text = '[2,"1","DataTransfer",{"vendorId":"","data":"'
        n = at - len(text)
        assert (await b.receive(text + "x" * n + '\\ud83d\\udd0c"}]'))[0] == 3
        assert b.asked.pop()[1]["data"][n:] == "\U0001f50c"
    got = await b.receive('[2,"1","DataTransfer",{"vendorId":"%s"}]' % (long + "\\ud83d\\udd0c"))
    assert got[2] == "PropertyConstraintViolation"
    got = await b.receive('[2,"1","Reset",{"type":"x","\\ud83d\\udd0c":1}]')
    assert got[2] == "PropertyConstraintViolation"


async def test_others_run_while_a_long_answer_is_made():
    """A short one is made once; one that is too long to be held, for its length and again."""
    b = Bench()
    turns = []
    over = False

    async def others():
        while not over:
            turns.append(made)
            await asyncio.sleep_ms(0)

    def pieces():
        nonlocal made
        for i in range(50):
            made += 1
            if i == 0:
                gc.collect()
                live.append(gc.mem_alloc())
            yield ("," if i else "[") + space + "%d" % i
        yield "]"

    task = asyncio.create_task(others())
    b.reply = lambda payload: pieces
    for size, times in ((100, 1), (150, 2)):
        space = " " * size
        made = 0
        live = []
        turns.clear()
        got = await b.receive('[2,"1","GetConfiguration",{}]')
        assert got == [3, "1", list(range(50))]
        assert made == 50 * times
        assert live[-1] - live[0] < 2048  # (nothing of it is held while it is made again)
        assert len({n for n in turns if 0 < n < 50}) > 3  # (while its length is counted)
    over = True
    await task


async def test_names_of_fields_that_are_no_text():
    """json.loads takes them; they count as fields that the schema does not have."""
    b = Bench()
    b.reply = {"status": "Accepted"}
    got = await b.receive('[2,"1","Reset",{"type":"Soft",5:1,null:2,1.5:3}]')
    assert got == [3, "1", {"status": "Accepted"}]
    assert (await b.receive('[2,"1","Reset",{5:"Soft"}]'))[2] == "OccurenceConstraintViolation"


def _text(first, n):
    """The characters from U+`first` on; made of bytes, for chr() would intern each of them."""
    code = range(first, first + n)
    return b"".join(
        [bytes([0xE0 | c >> 12, 0x80 | c >> 6 & 63, 0x80 | c & 63]) for c in code]
    ).decode()


async def test_characters_of_strangers_are_not_kept():
    """MicroPython interns every character that is taken out of a text, for ever."""
    b = Bench()

    async def send(first):
        text = _text(first, 20)
        for frame in (
            [2, text, "ClearCache", {}],
            [2, "1", text, {}],
            [2, "1", "Reset", {"type": text}],
            [2, "1", "Reset", {"type": "Soft", text: 1}],
        ):
            await b.receive(frame)
        for kept in (b.ws.raw, b.ws.sent, b.asked, b.said):
            kept.clear()

    await send(0x4E00)
    gc.collect()
    before = gc.mem_alloc()
    for first in range(0x4E00, 0x4E00 + 2000, 20):
        await send(first)
    gc.collect()
    assert gc.mem_alloc() - before < 4000, gc.mem_alloc() - before


async def test_a_handler_that_refuses_or_fails():
    b = Bench()
    for failure, code, why in (
        (CallError("NotSupported", "why"), "NotSupported", "why"),
        (CallError("SecurityError", "why"), "SecurityError", "why"),
        (CallError("GenericError", "x" * 999), "GenericError", "x" * 200),
        (ValueError("v"), "InternalError", None),
        (OSError(28), "InternalError", None),
        (MemoryError(), "InternalError", None),
        (ZeroDivisionError(), "InternalError", None),
    ):
        b.reply = failure
        got = await b.receive([2, "7", "ClearCache", {}])
        assert got[:3] == [4, "7", code] and got[4] == {} and why in (None, got[3]), got
    b.reply = {}
    assert await b.receive([2, "8", "ClearCache", {}]) == [3, "8", {}]


async def test_while_muted_only_answers_are_heard():
    b = Bench()
    b.rpc.mute = True
    for frame in ([2, "7", "ClearCache", {}], [2, "7", "Foo", {}], [2, "7"]):
        assert await b.receive(frame) is None
    await answered(b)
    assert not b.asked
    b.rpc.mute = False
    assert await b.receive([2, "8", "ClearCache", {}]) == [3, "8", {}]


async def test_what_comes_after_the_answer():
    b = Bench()
    log = []

    def reply(payload):
        b.rpc.after = lambda: log.append(len(b.ws.sent))
        return {"status": "Accepted"}

    b.reply = reply
    await b.receive([2, "1", "Reset", {"type": "Soft"}])
    assert log == [1]  # the answer was sent already
    b.reply = {}
    await b.receive([2, "2", "ClearCache", {}])
    assert log == [1]  # once

    def refuse(payload):
        b.rpc.after = lambda: log.append("refused")
        raise CallError("GenericError", "")

    b.reply = refuse
    await b.receive([2, "3", "ClearCache", {}])
    b.reply = {}
    await b.receive([2, "4", "ClearCache", {}])
    assert log.count("refused") <= 1


async def test_an_answer_that_takes_its_time():
    """A handler may be a coroutine; what it raises is answered as if it had not been one."""
    for fails, wanted in (
        (None, [3, "1", {"status": "Accepted"}]),
        (CallError("NotSupported", "no"), [4, "1", "NotSupported", "no", {}]),
        (KeyError("x"), [4, "1", "InternalError", "KeyError('x',)", {}]),
    ):
        b = Bench()

        async def handler(payload, fails=fails):
            await asyncio.sleep_ms(0)
            if fails:
                raise fails
            return {"status": "Accepted"}

        b.reply = handler
        await b.receive([2, "1", "Reset", {"type": "Soft"}])
        assert b.ws.sent == [wanted], b.ws.sent


async def test_null_for_a_confirmation_without_fields():
    b = Bench()
    task = b.start("StatusNotification", {"connectorId": 0})
    frame = await sent(b, 1)
    await b.receive([3, frame[1], None])
    assert await task == {}


async def slow(event):
    await event.wait()
    return {"status": "Unlocked"}


async def test_other_messages_are_received_while_a_task_works_on_an_answer():
    b = Bench()
    event = asyncio.Event()
    b.reply = lambda payload: asyncio.create_task(slow(event))
    assert await b.receive([2, "1", "UnlockConnector", {"connectorId": 1}]) is None
    b.reply = {"status": "Accepted"}
    assert await b.receive([2, "2", "Reset", {"type": "Soft"}]) == [3, "2", {"status": "Accepted"}]
    await answered(b)
    event.set()
    assert await sent(b, 3) == [3, "1", {"status": "Unlocked"}]


async def test_an_answer_does_not_go_to_another_connection():
    for fails in (False, True):
        b = Bench()
        event = asyncio.Event()
        b.reply = lambda payload, event=event: asyncio.create_task(slow(event))
        await b.receive([2, "1", "UnlockConnector", {"connectorId": 1}])
        if fails:
            b.ws.fails = OSError(104)
        else:
            b.rpc.attach(None)
            b.rpc.attach(Ws(b))
        event.set()
        await asyncio.sleep_ms(20)
        assert b.ws.sent == []
        assert [line for line in b.said if "answer not sent" in line] == (
            ["answer not sent: %s" % OSError(104)] if fails else []
        )
