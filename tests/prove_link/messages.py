"""Half a million OCPP-J messages, most of them wrong, against the whole station.

    python -m tests.prove_link.messages                        500,000 messages
    python -m tests.prove_link.messages --seconds 30           what fits into that
    python -m tests.prove_link.messages --ports mp32 --seed 7
    python -m tests.prove_link.messages --sabotage twice       must fail
    python -m tests.prove_link.messages --replay FILE          the JSON of a violation

Each port (MicroPython 64 and 32 bit) plays its share in a process of its own
(messages_player.py), a message at a time; oracle.py says what each may be answered. Requests and
answers of every action, valid ones and such that were damaged: values, frames, text. At the first
violation the messages that led to it are reduced to those that it needs.
"""

import argparse
import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import oracle
from .oracle import OURS, REQUESTS
from .ports import PORTS

ROOT = Path(__file__).resolve().parents[2]
PLAYER = "tests/prove_link/messages_player.py"
HEAP = {"mp64": "1100K", "mp32": "600K", "mpesp": "600K"}
LONGEST = 8192  # bytes of a message: the buffer of the link
COUNT = 500_000
SABOTAGE = "unchecked", "twice", "interns", "leaks", "hasty", "generous"
CHAPTER = 400  # orders to one unit
LONG_EVERY, LONG = 20, 4000  # one in so many chapters is that long
WARM = 3  # chapters until all is loaded that is loaded once
# bytes; a unit's own state is larger after some chapters, and with it stays the code of an update
# that is not over, and of reservations
LEAK = {"mp64": 12288, "mp32": 8192, "mpesp": 8192}
MORE_NAMES = 120  # that code loaded later brings, and single letters of ASCII
FEW = 40  # orders of which two are tried to be left out together
ID = "@ID@"  # stands for the id of the station's CALL
ANSWER_s = 30
BRIEF_s = 5  # for one of an action that was silent before, and whose answer nobody needs
NEEDED = ("Authorize", "BootNotification", "DataTransfer", "StartTransaction", "StopTransaction")


class Violation(Exception):
    pass


# Valid payloads, such as a Central System might send


TAGS = "TAG", "tag", "04A2B3C4", "x" * 20
KEYS = """HeartbeatInterval MeterValueSampleInterval ConnectionTimeOut WebSocketPingInterval
    MeterValuesSampledData AuthorizeRemoteTxRequests LocalPreAuthorize AuthorizationKey
    NumberOfConnectors TransactionMessageAttempts TransactionMessageRetryInterval NoSuchKey
    MinimumStatusDuration ClockAlignedDataInterval StopTxnSampledData""".split()
VALUES = """0 1 5 60 300 86400 true false Voltage Energy.Active.Import.Register,Current.Import
    Power.Active.Import 0123456789abcdef0123456789abcdef""".split()
TIMES = """2026-11-20T12:00:00Z 2026-11-20T12:34:56.789Z 2026-12-24T00:00:00Z
    2099-12-27T23:59:59Z 2024-02-28T00:00:00Z""".split()
_PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
PEMS = "", "x" * 300, _PEM.format("MAA="), _PEM.format("MIIB" * 200), _PEM.format("x") * 7
NAMES = {
    "connectorId": lambda r: r.choice((0, 1, 1, 1, 2, 2)),
    "transactionId": lambda r: r.choice((1001, 1001, 1001, 7, 1 << 30, 1763633000, -1)),
    "chargingProfileId": lambda r: r.randint(1, 30),
    "id": lambda r: r.randint(1, 30),
    "stackLevel": lambda r: r.randint(0, 15),
    "duration": lambda r: r.choice((0, 60, 3600, 86400, 2**31 - 1)),
    "limit": lambda r: r.choice((0, 6, 13.0, 13, 16.1, 32, 7.4, r.randint(0, 3200) / 10)),
    "minChargingRate": lambda r: r.choice((0, 6, 6.1)),
    "numberPhases": lambda r: r.choice((1, 2, 3)),
    "idTag": lambda r: r.choice(TAGS),
    "parentIdTag": lambda r: r.choice(TAGS),
    "key": lambda r: r.choice(KEYS),
    "value": lambda r: r.choice(VALUES),
    "vendorId": lambda r: r.choice(("Pilotwire", "Pilotwire", "x")),
    "messageId": lambda r: r.choice(("LimitReason", "LimitReason", "x")),
    "data": lambda r: r.choice(("1", "2", "x" * 300)),
    "interval": lambda r: r.choice((0, 10, 300, 3600)),
    "certificate": lambda r: r.choice(PEMS),
    "certificateChain": lambda r: r.choice(PEMS),
}
LESS = {"Inoperative": 0.1, "Rejected": 0.1}  # what ends most of what could be seen


def valid(rng, action, conf=False):
    payload = generate(rng, oracle.schema(action, conf), rng.choice((0.2, 0.5, 1)))
    for name in ("csChargingProfiles", "chargingProfile"):
        if name in payload:
            plausible(rng, payload[name], name == "csChargingProfiles")
    return payload


def generate(rng, schema, fill, name=""):
    kind = schema["type"]
    if kind == "object":
        required = schema.get("required", ())
        return {
            k: generate(rng, v, fill, k)
            for k, v in schema["properties"].items()
            if k in required or rng.random() < fill
        }
    if kind == "array":
        return [generate(rng, schema["items"], fill, name) for _ in range(rng.randint(1, 4))]
    if name in NAMES:
        return NAMES[name](rng)
    if "enum" in schema:
        value = rng.choice(schema["enum"])
        if value in LESS and rng.random() > LESS[value]:
            value = rng.choice(schema["enum"])
        return value
    if schema.get("format") == "date-time":
        return rng.choice(TIMES)
    if kind == "string":
        return "x" * rng.randint(0, schema.get("maxLength", 20))
    return rng.choice((0, 1, 6, 100, 1 << 30))


def plausible(rng, p, installed):
    """A profile that has a chance."""
    schedule = p["chargingSchedule"]
    periods = schedule["chargingSchedulePeriod"]
    if rng.random() < 0.15:
        periods *= rng.choice((2, 6, 24))
        schedule["chargingSchedulePeriod"] = periods = [dict(q) for q in periods[:100]]
    start = 0
    for q in periods:
        q["startPeriod"] = start
        start += rng.choice((1, 60, 900, 3600))
    if p["chargingProfilePurpose"] != "TxProfile" or not installed:
        p.pop("transactionId", None)
    if p["chargingProfileKind"] == "Recurring":
        p.setdefault("recurrencyKind", "Daily")
        schedule.setdefault("startSchedule", TIMES[0])


# Damage to values

DEEP = []
for _ in range(200):
    DEEP = [DEEP]
STRINGS = ["", " ", "x" * 51, "x" * 501, "x" * 256, "x" * 21, "☃", "é" * 20, "\U0001f50c", "\0",
    "a\nb", '"', "\\", "|", "A|W", "@Profile", "\n>Heartbeat:", "null", "1", "1e5", "-1", "true",
    "2026-02-30T00:00:00Z", "2026-11-20", "+02:00", "9999-12-31T23:59:59Z", "1969-01-01T00:00:00Z",
    "2026-11-20T12:00:00+14:00", "__init__", "handle", "%s%d", "\ud800",
    "\udfff\ud800"]  # fmt: skip
NUMBERS = [0, -1, 1, 2, 96, 97, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 2**32, 2**63, -(2**31) - 1,
    -(2**63) - 1, 10**400, 0.05, 16.15, 6.049, 32767.95, 1e300, -0.1, 1.5]  # fmt: skip
OTHERS = [None, True, False, [], {}, [[]], {"a": {}}, [None] * 30, [1] * 1001, DEEP]
ANY = [*STRINGS, *NUMBERS, *OTHERS]


def character(rng):
    """One of so many that none may be kept."""
    return chr(rng.randrange(0x4E00, 0xA000))


def places(value, path=()):
    """The path of a value and of everything in it."""
    yield path
    if isinstance(value, dict | list):
        for k, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, path + (k,))


def damage(rng, payload):
    payload = json.loads(json.dumps(payload))
    path = rng.choice(list(places(payload))[:200])
    if not path:
        if rng.random() < 0.3 or not isinstance(payload, dict):
            return rng.choice(ANY)
        payload[rng.choice(("vendorX", "", "KEY", "é", "type ", "x" * 300))] = rng.choice(ANY)
        return payload
    at = payload
    for step in path[:-1]:
        at = at[step]
    last, kind = path[-1], rng.random()
    old = at[last]
    if kind < 0.1:
        del at[last]
    elif kind < 0.2 and isinstance(at, dict):
        at[rng.choice((last.upper(), last + " ", "", last[:-1]))] = at.pop(last)
    elif kind < 0.3 and isinstance(old, list):
        at[last] = old * rng.choice((0, 2, 97, 1001))
    elif kind < 0.4 and isinstance(old, str):
        k = rng.randint(0, len(old))
        strange = old[:k] + character(rng) + old[k:]
        at[last] = rng.choice(
            (old * 2, old[:-1], old.lower(), old + "\0", strange, strange, [old])
        )
    elif kind < 0.5 and type(old) in (int, float):
        at[last] = rng.choice((-old, old + 1, old * 2**40, str(old), [old]))
        if abs(old) < 1 << 64:
            at[last] = rng.choice((at[last], old * 1.0, old / 3))
    else:
        at[last] = rng.choice(ANY)
    return payload


# Damage to frames and to their text


def wrap(rng, frame):
    """A frame that is none, or another one."""
    frame = list(frame)
    kind = rng.random()
    if kind < 0.2:
        frame[0] = rng.choice((3, 4, 5, 0, -2, "2", True, None, 2.0, 2.5, [], {}, 10**30, 1e99))
    elif kind < 0.4:
        strings = ("x" * 36, "x" * 37, "x" * 128, "x" * 129, "☃", "a\0b", "\ud800", '"\\')
        strings += ("\U0001f50c", "\U0010ffff\\\U00010000", "\U0001f50c" * 36, "\\\ud83d\udd0c")
        frame[1] = rng.choice((*strings, *ANY))
    elif kind < 0.5 and len(frame) > 2:
        known = sorted(oracle.actions())
        strange = character(rng), str(frame[2]) + character(rng)
        frame[2] = rng.choice((*known, *STRINGS, *strange, str(frame[2]).lower(), 5, None, {}))
    elif kind < 0.65:
        del frame[rng.randrange(len(frame))]
    elif kind < 0.8:
        frame.insert(rng.randint(0, len(frame)), rng.choice(ANY))
    elif kind < 0.9:
        return rng.choice(([frame], {"2": frame}, [], {}, [[]], "x", 5, None, frame[::-1]))
    else:
        frame[-1] = rng.choice(ANY)
    return frame


CHARACTERS = '{}[]",:\\ \n0123456789-+.eEtfnu/\0é☃x'


def scratch(rng, text):
    """Text that was JSON."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(text) + 1)
        kind = rng.random()
        if kind < 0.25:
            text = text[:at]
        elif kind < 0.45:
            text = text[:at] + text[at + rng.choice((1, 1, 2, 9)) :]
        elif kind < 0.75:
            text = text[:at] + rng.choice(CHARACTERS) + text[at + rng.randint(0, 1) :]
        elif kind < 0.85:
            end = at + rng.choice((1, 5, 40))
            text = text[:end] + text[at:]
        elif kind < 0.9:
            text += rng.choice(("x", "]", "}", " ", text, "\n\n", ",", "null"))
        else:
            numbers = list(re.finditer(r"\d+", text))
            if numbers:
                m = rng.choice(numbers)
                new = rng.choice(("1e999", "01", "1.0", "-", "1e", "1" * 400, "0x1", "1-1", "-0"))
                text = text[: m.start()] + new + text[m.end() :]
    return text


def write(rng, frame):
    """JSON in one of its spellings."""
    separators = rng.choice(((",", ":"), (", ", ": "), (" ,\n", "\t: ")))
    text = json.dumps(frame, ensure_ascii=rng.random() < 0.5, separators=separators)
    if rng.random() < 0.05:  # a field twice, a letter as its escape
        names = re.findall(r'"[A-Za-z]+"', text)
        name = rng.choice(names or ['"x"'])
        if rng.random() < 0.5:
            text = text.replace(name, f'"\\u{ord(name[1]):04x}' + name[2:], 1)
        else:
            text = text.replace(name + separators[1], f"{name}:1,{name}:", 1)
    return text


def orders(seed, count):
    """What is done to one unit: ("m", text, action whose answer it may be), ("p", seconds),
    ("c",). A generator that is sent the station's outstanding action, or None."""
    rng = random.Random(seed)
    asked = yield
    for i in range(count):
        kind = rng.random()
        good = rng.random() < (0.9 if i < 12 else 0.45)
        if kind < 0.008:
            asked = yield ("p", rng.choice((1, 1, 1, 5, 31, 65)))
            continue
        if kind < 0.013:
            asked = yield ("c",)
            continue
        if asked and kind < (0.8 if i < 12 else 0.3):
            action = asked if good or rng.random() < 0.8 else rng.choice(OURS)
            payload = valid(rng, action, True)
            if action == "BootNotification" and rng.random() < 0.7:
                payload["status"] = "Accepted"
            frame = [3, ID, payload]
            if rng.random() < 0.08:
                frame = [4, ID, rng.choice(("InternalError", "x", "")), "why", {}]
        else:
            action = rng.choice(REQUESTS)
            if rng.random() < 0.25:
                action = "SetChargingProfile"
            frame = [2, f"m{i}", action, valid(rng, action)]
        text = None
        if not good:
            which = rng.random()
            if which < 0.55:
                place = 2 if frame[0] == 3 else len(frame) - 1
                for _ in range(rng.choice((1, 1, 1, 2))):
                    frame[place] = damage(rng, frame[place])
            elif which < 0.75:
                frame = wrap(rng, frame)
            else:
                text = scratch(rng, write(rng, frame))
        text = text if text is not None else write(rng, frame)
        asked = yield ("m", text)
    # Calm: whatever it asks is answered, its profiles go, and then it is what it was.
    for _ in range(200):
        if not asked:
            break
        payload = valid(rng, asked, True)
        payload.pop("idTagInfo", None)
        if asked in ("BootNotification", "Heartbeat"):
            payload["currentTime"] = TIMES[0]
        if asked == "BootNotification":
            payload["status"] = "Accepted"
        if asked in ("Authorize", "StartTransaction"):
            payload["idTagInfo"] = {"status": "Accepted"}
        asked = yield ("m", json.dumps([3, ID, payload]))
    yield ("m", '[2,"end","ClearChargingProfile",{}]')


class Player:
    """A MicroPython process with a station, and what is known of it. Raises Violation."""

    def __init__(self, port, flaw=None):
        self.port = port
        words = [PORTS[port], "-X", f"heapsize={HEAP[port]}", PLAYER] + ([flaw] if flaw else [])
        environment = {k: v for k, v in os.environ.items() if k != "MICROPYPATH"}
        self.process = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.counts = {}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _do(self, order, data=b""):
        # -> texts that were sent, figures; the rest is noted
        pipe = self.process.stdin
        pipe.write(order.encode() + b"\n" + data)
        pipe.flush()
        sent, figures, other = [], [], []
        self.changed = False
        while True:
            line = self.process.stdout.readline().decode("utf-8", "replace").rstrip("\n")
            if not line:
                raise Violation("ended: " + " / ".join(other))
            mark, rest = line[:2], line[2:]
            if mark == "> ":
                sent.append(rest)
            elif mark == ". ":
                break
            elif mark == "P ":
                records = [oracle.stored(bytes.fromhex(word)) for word in rest.split()]
                self.changed, self.before, self.records = True, self.records, records
            elif mark == "= " or line.startswith("qstr pool"):
                figures.append(rest)
            else:
                other.append(line)
        self.boot_before = self.boot
        self.boot, muted = rest.split()
        self.muted = muted == "1"
        if other:
            raise Violation("raised: " + " / ".join(other))
        return sent, figures

    def unit(self):
        self.records, self.before, self.boot = [], [], "None"
        self.ids, self.asked, self.patience = set(), None, 0
        self.silent = set()  # actions whose latest message was not answered
        self.remote = []  # profiles of remote starts that were accepted
        self._heard(self._do("n")[0], oracle.Expected())

    def figures(self):
        """(bytes of heap that are live, without the interned names, how many of these)

        (Their table grows in leaps, of 15 KB on the 64-bit port: it is counted, not weighed.)"""
        alloc, info = self._do("q")[1]
        names, size = re.search(r"n_qstr=(\d+).*n_total_bytes=(\d+)", info).groups()
        return int(alloc) - int(size), int(names)

    def play(self, order):
        """-> the text of the order, with the id that it answers"""
        if order[0] == "p":
            for _ in range(order[1]):
                self.patience += 1
                if self.asked and self.patience >= ANSWER_s:
                    self.silent.add(self.asked[1])
                    self.asked = None
                self._heard(self._do("p 1")[0], oracle.Expected())
                self._profiles(None)
        elif order[0] == "c":
            self.asked = None
            self._heard(self._do("c")[0], oracle.Expected())
            self._profiles(None)
        else:
            self._message(order[1])

    def violation(self, played):
        """What a unit of its own does wrong when it gets these orders, or None."""
        try:
            self.unit()
            for order in played:
                self.play(order)
        except (Violation, OSError) as e:  # (OSError: the process has ended)
            return str(e)
        return None

    def _message(self, text):
        text = text.replace(ID, self.asked[0] if self.asked else "nobody")
        data = text.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore").encode()
        try:
            frame = oracle.read(data)
            wanted = oracle.expected(frame, self.muted)
        except oracle.Odd:
            frame = wanted = "odd"
        except oracle.NotJson:
            frame, wanted = None, oracle.Expected()
        boot = None
        if wanted is None:
            boot = self._answered(frame)
            wanted = oracle.Expected()
        answer = self._heard(self._do(f"m {len(data)}", data)[0], wanted)
        if self.boot != self.boot_before and wanted != "odd":
            if boot is None or self.boot not in boot:
                raise Violation(f"registration: {self.boot_before} became {self.boot}")
        self._profiles(wanted if wanted != "odd" and answer and answer[0] == 3 else None, answer)

    def _answered(self, frame):
        # An answer; -> what the registration may become. (Whatever else is wrong with it.)
        if not self.asked or frame[1] != self.asked[0]:
            return None
        action = self.asked[1]
        # (the station may have given up on it, and be silent until its next CALL)
        if not (self._brief() and self.patience >= BRIEF_s):
            self.silent.discard(action)
        self.asked = None
        if action != "BootNotification" or frame[0] != 3:
            return None
        payload = frame[2] if len(frame) > 2 else None
        status = payload.get("status") if isinstance(payload, dict) else None
        return [status] if status in ("Accepted", "Pending", "Rejected") else None

    def _brief(self):
        """Is the answer that is due one that is not waited for as long?"""
        return self.asked[1] in self.silent.difference(NEEDED)

    def _heard(self, sent, wanted):
        """Judge what was sent; -> the answer to the request."""
        answer = None
        for text in sent:
            try:
                frame = json.loads(text)
                text.encode()
            except ValueError:
                raise Violation(f"not JSON: {text}") from None
            if frame[0] == 2:
                self._called(frame)
            elif answer or wanted != "odd" and frame[1] != wanted.message_id:
                raise Violation(f"unwanted: {text[:300]}, wanted {wanted}")
            else:
                answer = frame
        if wanted == "odd":
            self._count("odd")
            return answer
        if wanted.message_id is None or answer is None:
            if (wanted.message_id is None) != (answer is None):
                raise Violation(f"no answer: wanted {wanted}")
            self._count("ignored")
        elif answer[0] == 4:
            if answer[2] not in wanted.codes or len(answer) != 5 or answer[4] != {}:
                raise Violation(f"answer: {answer}, wanted {wanted}")
            if not isinstance(answer[3], str) or len(answer[3]) > 255:
                raise Violation(f"description: {answer}")
            self._count(answer[2])
        else:
            if not wanted.action:
                raise Violation(f"answer: {answer}, wanted {wanted}")
            sure = set()
            oracle.faults(oracle.schema(wanted.action, True), answer[2], sure, sure, True)
            if sure or len(answer) != 3:
                raise Violation(f"confirmation: {answer} of {wanted.action}: {sure}")
            self._count("confirmed")
        return answer

    def _called(self, frame):
        message_id, action, payload = frame[1:]
        if self.asked and not (self._brief() and self.patience >= BRIEF_s):
            raise Violation(f"overlap: {frame}, although {self.asked} was not answered")
        if message_id in self.ids or len(message_id) > 36:
            raise Violation(f"id: {frame}")
        sure = set()
        if action in OURS:
            oracle.faults(oracle.schema(action), payload, sure, sure, True)
        if sure or action not in OURS:
            raise Violation(f"call: {frame}: {sure}")
        self.ids.add(message_id)
        self.asked, self.patience = (message_id, action), 0
        self._count("calls")

    def _profiles(self, confirmed, answer=None):
        """What lies on flash may have become what a valid message said, and nothing else."""
        accepted = bool(confirmed and answer[2].get("status") == "Accepted")
        setting = accepted and confirmed.action == "SetChargingProfile"
        clearing = accepted and confirmed.action == "ClearChargingProfile"
        if accepted and "chargingProfile" in confirmed.payload:
            self.remote.append(confirmed.payload["chargingProfile"])
        if not self.changed:
            if setting:
                p = confirmed.payload
                if not any(
                    oracle.says(r, p["csChargingProfiles"], p["connectorId"]) for r in self.records
                ):
                    raise Violation("lost: an accepted profile is not there")
            return
        now, before = self.records, self.before
        new = [r for r in now if r not in before]
        gone = [r for r in before if r not in now]
        if setting:
            self._count("profiles stored")
            p = confirmed.payload
            profile, connector = p["csChargingProfiles"], p["connectorId"]
            if not any(oracle.says(r, profile, connector) for r in now):
                raise Violation(f"profile: {new or now} was not said")
            new = [r for r in new if not oracle.says(r, profile, connector)]
            place = profile["chargingProfilePurpose"], profile["stackLevel"], connector
            gone = [
                r
                for r in gone
                if r[0] != profile["chargingProfileId"] and (r[3], r[2], r[1]) != place
            ]
        elif clearing:
            p = {k: v for k, v in confirmed.payload.items() if v is not None}
            if "id" in p:
                p = {"id": p["id"]}
            fields = {"id": 0, "connectorId": 1, "stackLevel": 2, "chargingProfilePurpose": 3}
            gone = [r for r in gone if any(r[fields[k]] != v for k, v in p.items() if k in fields)]
        # A transaction may have ended, or begun with its profile.
        begun = [r for r in new if any(oracle.says(r, p, r[1]) for p in self.remote if p)]
        new = [r for r in new if r not in begun]
        gone = [r for r in gone if r[0] not in [b[0] for b in begun]]
        gone = [r for r in gone if r[3] != "TxProfile"]
        if new or gone:
            raise Violation(f"profiles: {new} appeared, {gone} went")

    def _count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1


class Prover:
    """A port that plays chapter after chapter. `found` is the violation that ended it."""

    def __init__(self, port, seed, count, until, flaw, log):
        self.port, self.seed, self.count, self.until, self.flaw = port, seed, count, until, flaw
        self.log = log
        self.done = 0
        self.chapters = 0
        self.found = self.failure = None
        self.figures = []  # (bytes live, names interned) in the end of each chapter
        self.counts = {}

    def run(self):
        self.player = Player(self.port, self.flaw)
        try:
            while self.done < self.count and time.monotonic() < self.until:
                self._chapter()
        except Exception as e:  # of the prover itself
            self.failure = e
        finally:
            self.counts = self.player.counts
            self.player.close()

    def _chapter(self):
        number = self.chapters
        self.chapters += 1
        length = LONG if number % LONG_EVERY == 5 else CHAPTER
        seed = f"{self.seed} {self.port} {number}"
        played = []
        try:
            self.player.unit()
            source = orders(seed, length)
            next(source)
            try:
                while True:
                    asked = self.player.asked
                    order = source.send(asked and asked[1])
                    played.append(order)
                    self.done += order[0] == "m"
                    self.player.play(order)
            except StopIteration:
                pass
            self._leaks()
        except Violation as e:
            self.found = {"violation": str(e), "port": self.port, "orders": played, "seed": seed}
            self.until = 0
        if self.log is print and number % 100 == 99:
            self.log(f"{self.port}: {self.done} of {self.count} messages")

    def _leaks(self):
        self.figures.append(self.player.figures())
        if len(self.figures) <= WARM:
            return
        first = max(live for live, _ in self.figures[:WARM])
        live, names = self.figures[-1]
        for i in range(9):  # (the collector takes whatever looks like a pointer for one)
            if live > first + LEAK[self.port]:
                self.player.play(("m", f'[2,"{"x" * i}","ClearCache",{{}}]'))
                live = min(live, self.player.figures()[0])
        if live > first + LEAK[self.port]:
            raise Violation(f"leak: {live} bytes are live, {first} in the beginning")
        most = max(n for _, n in self.figures[:WARM])
        if names > most + MORE_NAMES:
            raise Violation(f"names: {names} are interned, {most} in the beginning")


def prove(seed, count=COUNT, seconds=1e9, ports=tuple(PORTS), sabotage=None, say=print):
    """-> None, or the first violation, reduced: `orders` lead to it on `port`"""
    until = time.monotonic() + seconds
    share = -(-count // len(ports))
    provers = [Prover(port, seed, share, until, sabotage, say) for port in ports]
    threads = [threading.Thread(target=p.run) for p in provers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for p in provers:
        if p.failure:
            raise p.failure
        live, names = zip(*(p.figures or [(0, 0)]), strict=True)
        say(
            f"{p.port}: {p.done} messages in {p.chapters} chapters; live heap {min(live)} to "
            f"{max(live)} B, names {min(names)} to {max(names)}; {dict(sorted(p.counts.items()))}"
        )
    found = next((p.found for p in provers if p.found), None)
    return found and reduced(found, sabotage)


def replay(found, port, sabotage=None):
    """None, or the violation that these orders lead to."""
    player = Player(port, sabotage)
    try:
        said = player.violation(found["orders"])
    finally:
        player.close()
    return said and {**found, "violation": said, "port": port}


def fewest(played, fails):
    """As few of these orders as fails() is still true for."""
    n = 2
    while len(played) > 1:
        size = max(1, len(played) // n)
        for at in range(0, len(played), size):
            fewer = played[:at] + played[at + size :]
            if fewer and fails(fewer):
                played, n = fewer, max(2, n - 1)
                break
        else:
            if size == 1:
                break
            n = min(2 * n, len(played))
    # What only goes together: an answer, and what was asked only after it.
    while len(played) <= FEW:
        for gone in itertools.combinations(range(len(played)), 2):
            fewer = [order for i, order in enumerate(played) if i not in gone]
            if fewer and fails(fewer):
                played = fewer
                break
        else:
            break
    return played


def reduced(found, flaw=None):
    """The fewest orders that lead to a violation of the same kind. (Leaks are not reduced.)"""
    kind = found["violation"].split(":")[0]
    port, played = found["port"], found["orders"]
    player = Player(port, flaw)

    def fails(some):
        nonlocal player
        said = player.violation(some)
        if player.process.poll() is not None:
            player.close()
            player = Player(port, flaw)
        return said if said and said.split(":")[0] == kind else None

    try:
        said = None if kind in ("leak", "names") else fails(played)
        if not said:
            return found
        played = fewest(played, fails)
        return {**found, "orders": played, "violation": fails(played) or said}
    finally:
        player.close()


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove_link.messages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--count", type=int, default=COUNT)
    add("--seconds", type=float, default=1e9)
    add("--seed", type=int, default=int(os.environ.get("PILOTWIRE_SEED") or 1))
    add("--ports", default=",".join(PORTS), help="of mp64, mp32, mpesp (default %(default)s)")
    add("--sabotage", choices=SABOTAGE)
    add("--replay", metavar="FILE", help="a file with a violation; on the first port")
    args = parser.parse_args(argv)
    ports = [p for p in args.ports.split(",") if Path(PORTS[p]).exists()]
    if args.replay:
        found = replay(json.loads(Path(args.replay).read_text()), ports[0], args.sabotage)
    else:
        print(f"seed {args.seed}: OCPP-J messages on {', '.join(ports)}", flush=True)
        found = prove(args.seed, args.count, args.seconds, ports, args.sabotage)
    if found:
        print(f"\nVIOLATION on {found['port']}: {found['violation']}")
        print(json.dumps({"orders": found["orders"]}))
    else:
        print("no violation")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
