"""What a station must survive: frames and payloads that are wrong in every way.

Each entry has its exact outcome: a CALLERROR code, the status of the confirmation, ANSWERED (any
confirmation), SILENCE, or the close code. Afterwards the station is as it was: the same
connection (unless it had to end), the car charging at the same limit, the same profiles.
"""

import copy
import json

import pytest
from station_driver import ESP32_HEAP, ID, Shared, draws

from bench.station import firmware_bytes
from host.csms import ERROR_CODES
from host.process import WAIT_s
from host.profile import profile

KEPT = 1024  # bytes that all of this may leave (it is 320 on the 32-bit port)
SILENCE, ANSWERED = "silence", "answered"
FORMATION = "FormationViolation"
TYPE = "TypeConstraintViolation"
PROPERTY = "PropertyConstraintViolation"
OCCURENCE = "OccurenceConstraintViolation"
UNKNOWN, UNSUPPORTED = "NotImplemented", "NotSupported"
DIGITS = int("7" * 400)


def call(action, payload="{}", id="x"):
    return f'[2,"{id}","{action}",{payload}]'


NOTHING = call("GetConfiguration", '{"key":["NumberOfConnectors"]}')

# What earns what as a frame alone: mp_rpc.py. Here one of each kind, and what has to be loaded,
# looked up or held.
FRAMES = {
    # Not OCPP-J at all: there is nothing to answer to.
    "half a frame": (NOTHING[:-3], SILENCE),
    "text after the frame": (NOTHING + "x", SILENCE),
    "byte order mark": ("\ufeff" + NOTHING, SILENCE),
    "NaN": (call("GetCompositeSchedule", '{"connectorId":1,"duration":NaN}'), SILENCE),
    "type of 400 digits": (f'[{DIGITS},"x","Heartbeat",{{}}]', SILENCE),
    # The id
    "no id": ('[2,"Heartbeat",{}]', FORMATION),
    "id of 37": (call("GetConfiguration", id="i" * 37), FORMATION),
    "id with an escaped pair": (call("GetConfiguration", id="a\\ud83d\\udd0cb"), ANSWERED),
    "id beyond U+FFFF": (call("GetConfiguration", id="🔌"), ANSWERED),
    "id with NUL": (call("GetConfiguration", id="a\\u0000b"), ANSWERED),
    "five elements": ('[2,"x","GetConfiguration",{},{}]', FORMATION),
    # The action
    "action unknown": (call("Fly"), UNKNOWN),
    "action with punctuation": (call(">Heartbeat"), UNKNOWN),
    "action a table": (call("@Profile"), UNKNOWN),
    "action with line break": (call("\\nReset:"), UNKNOWN),
    "action a lone surrogate": (call("\\udc00"), UNKNOWN),
    "action talk": (call("talk"), UNKNOWN),
    "action of ours": (call("BootNotification"), UNSUPPORTED),
    "action of the security extension": (call("SignedFirmwareStatusNotification"), UNSUPPORTED),
    # The payload as such
    "payload a number": (call("GetConfiguration", "1e999"), FORMATION),
    "duplicate keys": (
        call("GetConfiguration", '{"key":["NumberOfConnectors"],"key":["A"]}'), ANSWERED
    ),
    "unknown fields": (
        call("GetConfiguration", '{"vendor":{"x":[1]},"key":["NumberOfConnectors"]}'), ANSWERED
    ),
    "an optional field that is null": (call("GetConfiguration", '{"key":null}'), TYPE),
    # Size and nesting
    "500 arrays in each other": (
        call("GetConfiguration", '{"key":' + "[" * 500 + "]" * 500 + "}"), TYPE
    ),
    "500 objects in each other": (
        call("GetConfiguration", '{"a":' * 500 + "1" + "}" * 500), ANSWERED
    ),
    "nesting without end": ("[" * 8000, SILENCE),
    "objects without end": ('{"a":' * 1600, SILENCE),
    "8 KB to the byte": (call("GetConfiguration", '{"key":["' + "k" * 8153 + '"]}'), PROPERTY),
    # What is right must still work.
    "type 2.0": ('[2.0,"x","GetConfiguration",{}]', ANSWERED),
    "white space": (NOTHING.replace(",", " , \n").replace("[", " [ "), ANSWERED),
    "escapes": (call("Get\\u0043onfiguration"), ANSWERED),
}  # fmt: skip

GOOD = profile(77, "Tx", {0: 6.1}, level=15, kind="Relative")


def bad(path, value=KeyError):
    """A SetChargingProfile payload with the field at `path` changed, or removed."""
    payload = {"connectorId": 1, "csChargingProfiles": copy.deepcopy(GOOD)}
    place = payload
    *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for step in way:
        place = place[step]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return payload


P = "csChargingProfiles"
S = P + ".chargingSchedule"
Q = S + ".chargingSchedulePeriod"
SET = "SetChargingProfile"
CLEAR = "ClearChargingProfile"
COMPOSITE = "GetCompositeSchedule"
START = "RemoteStartTransaction"
STOP = "RemoteStopTransaction"
CHANGE = "ChangeConfiguration"
GET = "GetConfiguration"
TRIGGER = "TriggerMessage"
INTERVAL = "MeterValueSampleInterval"

# What a schema alone refuses: test_schema_official.py (each field), mp_schema.py (each kind),
# test_prove_messages.py (at random). Here one of each kind, and what only the station knows.
PAYLOADS = [
    (SET, {}, OCCURENCE),
    (SET, bad(Q + ".0.limit"), OCCURENCE),
    *[
        (SET, bad(path, value), TYPE)
        for path, value in (
            ("connectorId", "1"), (P, None), (P + ".chargingProfileId", 7.0), (S, []),
            (S + ".duration", 1e300), (Q, [None]), (Q + ".0.limit", True),
        )
    ],
    *[
        (SET, bad(path, value), PROPERTY)
        for path, value in (
            ("connectorId", -1), ("connectorId", 2), ("connectorId", DIGITS),
            (P + ".chargingProfilePurpose", "TxProfile|"),
            (P + ".validFrom", "2026-02-30T00:00:00Z"), (P + ".validTo", "2" * 300),
            (P + ".validTo", "2026-01-01T00:00:00+99:99"),
            (S + ".startSchedule", "+026-01-01T00:00:00Z"), (Q + ".0.limit", 1e300),
            (P + ".chargingProfileId", DIGITS), (P + ".transactionId", DIGITS),
            (P + ".transactionId", -DIGITS),
        )
    ],
    *[
        (SET, bad(path, value), "Rejected")
        for path, value in (
            (Q, [{"startPeriod": i, "limit": 7} for i in range(250)]),
            (Q + ".0.startPeriod", -1), (Q + ".0.startPeriod", DIGITS), (Q + ".0.limit", -DIGITS),
            (Q + ".0.numberPhases", DIGITS), (P + ".stackLevel", DIGITS),
            (S + ".duration", -DIGITS), (S + ".minChargingRate", -6), ("connectorId", 0),
            (P + ".chargingProfilePurpose", "ChargePointMaxProfile"),
        )
    ],
    (CLEAR, {"id": None, "connectorId": 9}, TYPE),
    (CLEAR, {"chargingProfilePurpose": "All"}, PROPERTY),
    *[
        (CLEAR, criteria, "Unknown")
        for criteria in (
            {"id": 12345}, {"id": DIGITS}, {"id": -(2**31)}, {"connectorId": 9},
            {"connectorId": -1}, {"stackLevel": DIGITS},
        )
    ],
    (COMPOSITE, {"connectorId": 1}, OCCURENCE),
    (COMPOSITE, {"connectorId": 1, "duration": 60, "chargingRateUnit": "V"}, PROPERTY),
    *[
        (COMPOSITE, {"connectorId": connector, "duration": duration}, outcome)
        for connector, duration, outcome in (
            (True, 60, TYPE), (1, -1, "Rejected"), (1, -DIGITS, "Rejected"), (-1, 60, "Rejected"),
            (2, 60, "Rejected"), (DIGITS, 60, "Rejected"), (1, 2**31 - 1, "Accepted"),
        )
    ],
    (START, {"idTag": "T" * 21}, PROPERTY),
    (START, {"idTag": "T", "chargingProfile": {}}, OCCURENCE),
    (START, {"idTag": "T", "connectorId": DIGITS}, "Rejected"),
    (START, {"idTag": "T", "connectorId": 1}, "Rejected"),
    *[(START, {"idTag": tag}, "Rejected") for tag in ("", "T", "\n")],
    (STOP, {"transactionId": True}, TYPE),
    (STOP, {"transactionId": 99999}, "Rejected"),
    (STOP, {"transactionId": DIGITS}, "Rejected"),
    (CHANGE, {"key": INTERVAL}, OCCURENCE),
    (CHANGE, {"key": INTERVAL, "value": "5" * 501}, PROPERTY),
    (CHANGE, {"key": "NoSuchKey", "value": "5"}, "NotSupported"),
    (CHANGE, {"key": "NumberOfConnectors", "value": "5"}, "Rejected"),
    *[(CHANGE, {"key": INTERVAL, "value": v}, "Rejected") for v in ("five", "7" * 400, "☃")],
    (GET, {"key": [5]}, TYPE),
    (GET, {"key": ["k"] * 65}, PROPERTY),
    (GET, {"key": ["k"] * 1001}, OCCURENCE),
    (GET, {"key": []}, ANSWERED),
    (GET, {"key": ["☃", ""]}, ANSWERED),
    ("Reset", {"type": "Har"}, PROPERTY),
    (TRIGGER, {"requestedMessage": "MeterValues", "connectorId": 2}, "Rejected"),
    (TRIGGER, {"requestedMessage": "MeterValues", "connectorId": DIGITS}, "Rejected"),
    ("DataTransfer", {"vendorId": "v", "data": "d" * 5000}, "UnknownVendorId"),
    ("ChangeAvailability", {"connectorId": None, "type": "Operative"}, TYPE),
    ("UnlockConnector", {}, OCCURENCE),
]  # fmt: skip

# JSON that Python does not write
TEXTS = [
    *[
        (SET, json.dumps(bad(path, 4711)).replace("4711", text), code)
        for path, text, code in (
            (Q + ".0.limit", "-1e999", PROPERTY), (Q + ".0.limit", "1" * 400 + ".5", PROPERTY),
            (P + ".stackLevel", "1e999", TYPE),
        )
    ],
    (START, '{"idTag":"\\ud800"}', "Rejected"),
    (START, '{"idTag":"\\u0000"}', "Rejected"),
    (GET, '{"key":["\\ud800\\udc00"]}', ANSWERED),
]  # fmt: skip


def describe(payload):
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return text if len(text) < 90 else text[:60] + f"...{len(text)}"


def compact(payload):
    return json.dumps(payload, separators=(",", ":"))


ENTRIES = (
    [pytest.param(text, outcome, id=name) for name, (text, outcome) in FRAMES.items()]
    + [
        pytest.param(call(a, compact(p)), outcome, id=f"{a} {describe(p)}")
        for a, p, outcome in PAYLOADS
    ]
    + [pytest.param(call(a, p), outcome, id=f"{a} {describe(p)}") for a, p, outcome in TEXTS]
)
assert len(ENTRIES) >= 60


async def situation(b):
    """What must be the same after each entry."""
    c = await b.process.connector()
    names = ("status", "transactionId", "idTag", "limit_mA", "limit_by", "pilot_mA", "ev_mA")
    return {name: c[name] for name in names}, await b.composite(), await b.composite(connector=0)


@pytest.fixture(scope="module")
def charging(tmp_path_factory, micropython32):
    """`charging(test)` runs test(b) on one station: 32-bit, with the ESP32's heap."""
    folder = tmp_path_factory.mktemp("charging")
    with Shared(folder, interpreter=micropython32, heap=ESP32_HEAP) as shared:

        async def begin(b):
            b.hostile = True
            b.no_memory = []  # sizes of requests that the ESP32's heap had no room for
            for key, value in ((INTERVAL, "0"), ("WebSocketPingInterval", "3600")):
                await b.st.call(CHANGE, {"key": key, "value": value})
            id = await b.charge()
            await b.set_profile(profile(1, "Max", {0: 20}))
            await b.set_profile(profile(2, "Default", {0: 16}))
            await b.set_profile(profile(3, "Tx", {0: 13}, transactionId=id), 1)
            await b.pilot(13000)
            await b.process.until(lambda c: c["ev_mA"] == draws(13000))
            b.before = await situation(b)
            # All paths are gone once, the longest message has come once.
            await b.st.raw(FRAMES["8 KB to the byte"][0], timeout=None)
            await b.st.call(GET)
            b.heap = await firmware_bytes(b.process)

        shared(begin)
        yield shared


def find(st, mark, id):
    """The answer with that id, of what came after `mark`."""
    for way, frame, _ in st.messages[mark:]:
        if way == "in" and frame[0] in (3, 4) and frame[1] == id:
            return frame
    return None


async def check_same(b, st):
    assert b.cs.stations.get(ID) is st and st.connected
    assert await situation(b) == b.before


@pytest.mark.parametrize("text, outcome", ENTRIES)
def test_malformed(charging, text, outcome):
    async def send(b):
        b.st = st = b.cs.stations[ID]  # (one failure is not all)
        mark = st.mark()
        await st._ws.send(text)  # (as it is: st.raw() looks into it)
        if outcome != SILENCE:
            id = json.loads(text)[1]
            answer = await b.cs.until(lambda: find(st, mark, id), WAIT_s)
            if len(text) > 1000 and answer[2] == "InternalError":
                assert "no memory" in answer[3]
                b.no_memory.append(len(text))
                return await check_same(b, st)
            if outcome in ERROR_CODES and outcome != "NotSupported" or answer[0] == 4:
                assert answer[0] == 4 and len(answer) == 5, answer
                assert answer[2] == outcome, answer
                assert isinstance(answer[3], str) and len(answer[3]) <= 255
                assert answer[4] == {}
            else:
                assert answer[0] == 3, answer
                if outcome != ANSWERED:
                    assert answer[2]["status"] == outcome
        # The next request is served, and was the only one that is answered.
        conf = await st.call("GetConfiguration", {"key": ["NumberOfConnectors"]})
        assert conf["configurationKey"][0]["value"] == "1"
        answers = [f for w, f, _ in st.messages[mark:] if w == "in" and f[0] in (3, 4)]
        assert len(answers) == (1 if outcome == SILENCE else 2), answers
        await check_same(b, st)

    charging(send)


def test_binary_frame(charging):
    """OCPP-J is text: ignored."""

    async def send(b):
        st, mark = b.st, b.st.mark()
        await st._ws.send(call("GetConfiguration", "{}", "binary").encode())
        await st._ws.send(b'[2,"\xff","GetConfiguration",{}]')
        await st.call("GetConfiguration", {})
        answers = [f for w, f, _ in st.messages[mark:] if w == "in" and f[0] in (3, 4)]
        assert len(answers) == 1
        await check_same(b, st)

    charging(send)


@pytest.mark.parametrize(
    "data, code",
    [
        (b'[2,"x","GetConfiguration",{"key":["\xff"]}]', 1007),
        (b'[2,"x","GetConfiguration",{"key":["\xed\xa0\x80"]}]', 1007),
        (b'[2,"x","GetConfiguration",{"key":["' + b"k" * 16400 + b'"]}]', 1009),
        (json.dumps(
            bad(Q, [{"startPeriod": i, "limit": 7} for i in range(1000)])
        ).encode(), 1009),
        (b"[" * 100000, 1009),
    ],
    ids=["not UTF-8", "a surrogate in UTF-8", "more than 16 KB", "1000 periods", "100 KB"],
)  # fmt: skip
def test_connection_ends(charging, data, code):
    """What leaves no choice: closed with its code, and the station comes back."""

    async def send(b):
        before = b.st
        await before._ws.send(data, text=True)
        await b.again(before)
        assert before._ws.close_code == code
        await check_same(b, b.st)

    charging(send)


def test_heap_afterwards(charging):
    """Nothing of all that was kept."""

    async def look(b):
        heap = await firmware_bytes(b.process, b.heap + KEPT)
        print(f"heap: {b.heap} before {len(ENTRIES)} entries, {heap} afterwards")
        print(f"no memory for requests of {b.no_memory} bytes")
        assert heap - b.heap <= KEPT

    charging(look)
